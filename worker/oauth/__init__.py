"""Signing in without a password: access tokens from Microsoft and Google (OAuth 2.0, RFC 6749).

`make_token_refresher` makes the refresher of a mailbox; with `authorize` a person signs in once. msal, google-auth and
requests block and take 0.3 s to import, so they are imported at the start and called in threads.
"""

from worker.oauth.providers import make_token_refresher
from worker.oauth.tokens import TokenRefresher

__all__ = ["TokenRefresher", "make_token_refresher"]
