"""Parses the answer of a token endpoint into tokens, or into an error that says what to do (RFC 6749 §5)."""

import contextlib
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from worker.imap.errors import ImapError, LoginRefusedError, TokenUnavailableError, printable_text

#: The longest accepted token in characters. Microsoft's have up to about 4,000.
LONGEST_TOKEN = 16 * 1024

#: The lifetime of an access token in seconds when the provider gives none.
DEFAULT_LIFETIME = 300.0

#: The longest accepted lifetime in seconds.
MAX_LIFETIME = 86_400.0

#: Errors that end by themselves; all others need a person (RFC 6749 §4.1.2.1, §5.2; RFC 8628 §3.5).
TRANSIENT_ERRORS = frozenset(
    {"temporarily_unavailable", "server_error", "internal_failure", "rate_limit_exceeded", "slow_down"}
)

#: How many characters of a provider's explanation are shown.
_LONGEST_REASON = 120

_TOKEN = re.compile(rf"[\x21-\x7e]{{1,{LONGEST_TOKEN}}}")
_CODE = re.compile(r"[A-Za-z0-9_.-]{1,60}")


@dataclass(frozen=True, slots=True)
class TokenResponse:
    """An access token and its lifetime, and a refresh token where there is a new one. Never shows them."""

    access_token: str = field(repr=False)
    lifetime_seconds: float
    refresh_token: str | None = field(repr=False)
    #: What the token allows, where the provider says so.
    scopes: frozenset[str] | None = None


@contextlib.contextmanager
def translating_errors(name: str) -> Iterator[None]:
    """Translate errors of the libraries, which fail in many ways on an answer of unexpected form."""
    try:
        yield
    except (ValueError, LookupError, TypeError, AttributeError, ArithmeticError) as error:
        kind = type(error).__name__
        raise TokenUnavailableError(f"the answer of {name}'s provider makes no sense: {kind}") from None


def parse_token(value: object) -> str | None:
    """Return *value* if it can be a token: printable ASCII without blanks, so that it can forge no line or field."""
    return value if isinstance(value, str) and _TOKEN.fullmatch(value) else None


def parse_token_response(answer: Mapping[str, Any]) -> TokenResponse:
    """Return the tokens of an *answer* that is no error. TokenUnavailableError when it makes no sense."""
    access = parse_token(answer.get("access_token"))
    if access is None:
        raise TokenUnavailableError("the provider's answer holds no access token that can be used")
    refresh = answer.get("refresh_token")
    if refresh and parse_token(refresh) is None:
        raise TokenUnavailableError("the provider's answer holds a refresh token that cannot be used")
    scope = answer.get("scope")
    scopes = frozenset(scope.split()) if isinstance(scope, str) else None
    return TokenResponse(access, _parse_lifetime(answer.get("expires_in")), refresh or None, scopes)


def _parse_lifetime(value: object) -> float:
    try:
        seconds = float(value)  # type: ignore[arg-type]  # some providers send it as text
    except (TypeError, ValueError):
        return DEFAULT_LIFETIME
    return min(seconds, MAX_LIFETIME) if seconds > 0 else DEFAULT_LIFETIME  # NaN too


def token_error(answer: Mapping[str, Any], what: str, advice: str, secrets: Iterable[str] = ()) -> ImapError:
    """Return the error for an *answer* that refuses *what*. It shows none of the *secrets*."""
    code = str(answer.get("error"))
    code = code if _CODE.fullmatch(code) else "an error"
    reason = printable_text(str(answer.get("error_description") or "").partition("\n")[0].encode(), secrets)[
        :_LONGEST_REASON
    ]
    text = f'{code}: "{reason}"' if reason else code
    if code in TRANSIENT_ERRORS:
        return TokenUnavailableError(f"{what} is not possible now: {text}")
    return LoginRefusedError(f"{what} is refused: {text}", text, advice)
