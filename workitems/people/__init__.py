"""Users, API keys and one-time tokens."""
