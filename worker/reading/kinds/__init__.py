"""Finds out what sort of mail it is, and what bounces and invitations say."""
