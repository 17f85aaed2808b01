"""Webhooks of mail services: what each one sends, as a mail and an envelope, and how each one proves who it is."""
