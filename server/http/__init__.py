"""What all HTTP requests and answers share: the OpenAPI description, JSON schemas, parameters and bodies."""
