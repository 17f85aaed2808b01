"""What a token endpoint answers, turned into data or into the error that says what to do (RFC 6749 §5)."""

import contextlib
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from worker.imap.errors import ImapError, LoginRefusedError, TokenUnavailableError, words

#: The longest token that is taken, in characters. Microsoft's have up to about 4,000.
LONGEST_TOKEN = 16 * 1024

#: Seconds that an access token is good for when the provider does not say.
UNSAID_LIFE = 300.0

#: The longest life that is believed, in seconds.
LONGEST_LIFE = 86_400.0

#: Errors that pass by themselves; all others want a person (RFC 6749 §4.1.2.1, §5.2; RFC 8628 §3.5).
PASSING = frozenset({"temporarily_unavailable", "server_error", "internal_failure", "rate_limit_exceeded", "slow_down"})

#: The longest part of a provider's explanation that is shown, in characters.
_LONGEST_REASON = 120

_TOKEN = re.compile(rf"[\x21-\x7e]{{1,{LONGEST_TOKEN}}}")
_CODE = re.compile(r"[A-Za-z0-9_.-]{1,60}")


@dataclass(frozen=True, slots=True)
class Grant:
    """An access token and its `life` in seconds; a refresh token where there is a new one. Never shows them."""

    access_token: str = field(repr=False)
    life: float
    refresh_token: str | None = field(repr=False)
    #: What may be done with it, where the provider says so.
    scopes: frozenset[str] | None = None


@contextlib.contextmanager
def making_sense(name: str) -> Iterator[None]:
    """For calls of the libraries, which fail in many ways on an answer that is not shaped as they expect."""
    try:
        yield
    except (ValueError, LookupError, TypeError, AttributeError, ArithmeticError) as error:
        kind = type(error).__name__
        raise TokenUnavailableError(f"the answer of {name}'s provider makes no sense: {kind}") from None


def token_of(value: object) -> str | None:
    """*value* as a token, if it can be one: printable ASCII without blanks, so that it forges no line and no field."""
    return value if isinstance(value, str) and _TOKEN.fullmatch(value) else None


def grant_of(answer: Mapping[str, Any]) -> Grant:
    """The tokens of an *answer* that is no error. TokenUnavailableError when it makes no sense."""
    access = token_of(answer.get("access_token"))
    if access is None:
        raise TokenUnavailableError("the provider's answer holds no access token that can be used")
    refresh = answer.get("refresh_token")
    if refresh and token_of(refresh) is None:
        raise TokenUnavailableError("the provider's answer holds a refresh token that cannot be used")
    scope = answer.get("scope")
    scopes = frozenset(scope.split()) if isinstance(scope, str) else None
    return Grant(access, _life(answer.get("expires_in")), refresh or None, scopes)


def _life(said: object) -> float:
    try:
        life = float(said)  # type: ignore[arg-type]  # some send it as text
    except (TypeError, ValueError):
        return UNSAID_LIFE
    return min(life, LONGEST_LIFE) if life > 0 else UNSAID_LIFE  # NaN too


def refusal(answer: Mapping[str, Any], what: str, advice: str, secrets: Iterable[str] = ()) -> ImapError:
    """The error of an *answer* that is one, *what* having been refused; none of the *secrets* is repeated."""
    code = str(answer.get("error"))
    code = code if _CODE.fullmatch(code) else "an error"
    reason = words(str(answer.get("error_description") or "").partition("\n")[0].encode(), secrets)[:_LONGEST_REASON]
    said = f'{code}: "{reason}"' if reason else code
    if code in PASSING:
        return TokenUnavailableError(f"{what} is not possible now: {said}")
    return LoginRefusedError(f"{what} is refused: {said}", said, advice)
