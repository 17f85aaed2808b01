"""Mail that comes by HTTP: uploads, JSON mail written as MIME, and the webhooks of mail services."""
