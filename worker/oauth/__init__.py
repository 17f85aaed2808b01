"""Signing in without a password: access tokens from Microsoft and Google (OAuth 2.0, RFC 6749).

`tokens_of` gives a mailbox its refresher; `authorize` is what a person does once. msal, google-auth and requests block
and take 0.3 s to import: they are imported and called in threads.
"""

from worker.oauth.providers import tokens_of
from worker.oauth.tokens import Tokens

__all__ = ["Tokens", "tokens_of"]
