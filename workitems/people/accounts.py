"""Users with passwords, and keys for programs: who may do what. Both are in Redis and beside the mail.

A check of a session uses answers at most FRESH_SECONDS old (workitems/base/ttl_cache.py). While Redis does not answer
the last answer is used: a revocation would be in the Redis that cannot be read.
"""

import hashlib
import json
import re
import secrets
import time
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, TypeVar

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from workitems.base import keys
from workitems.base.errors import InvalidChangeError, StoreUnavailableError
from workitems.base.json_codec import encode_json_str
from workitems.base.redis import RedisClient, translating_errors
from workitems.base.threads import Threads
from workitems.base.ttl_cache import TtlCache
from workitems.people.durable_records import DurableRecords

SCHEMA_VERSION = 1

#: What a role may do.
ROLES = {
    "viewer": frozenset({"read"}),
    "agent": frozenset({"read", "write"}),
    "admin": frozenset({"read", "write", "intake", "test", "admin"}),
}

#: What a key may be given.
SCOPES = ("read", "write", "intake", "test")

#: Characters of a password: enough for a sentence, too few to keep argon2 busy.
LONGEST_PASSWORD = 512

#: Passwords that are checked at a time (64 MiB and some 50 ms each), and those that may be under way: from known
#: devices, and as many from strangers, who can always fill their own places.
CHECKS = 2
WAITING = 32

_NAME = re.compile(r"[A-Za-z0-9._@-]{1,64}", re.ASCII)

#: The form of our keys. What has another form is none, and Redis is not asked.
_KEY = re.compile(r"tp_[A-Za-z0-9_-]{43}", re.ASCII)

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class User:
    """A person. `stamp` changes with the password and ends every session that was opened before."""

    name: str
    role: str
    password_hash: str
    stamp: str


@dataclass(frozen=True, slots=True)
class ApiKey:
    """A program's right to do what its scopes say. `created` is ISO 8601 UTC."""

    name: str
    scopes: frozenset[str]
    created: str


class Accounts:
    """Users and keys of one installation. Every change is on the disk when its method returns."""

    def __init__(
        self,
        redis: RedisClient,
        users: DurableRecords,
        api_keys: DurableRecords,
        *,
        hasher: PasswordHasher | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._redis = redis
        self._user_records = users
        self._key_records = api_keys
        self._hasher = hasher or PasswordHasher()
        self._threads = Threads(CHECKS, "password")
        self._checks: Counter[bool] = Counter()
        self._dummy_hash: str | None = None
        self._users: TtlCache[User] = TtlCache(clock)
        self._keys: TtlCache[ApiKey] = TtlCache(clock)
        self._ended: TtlCache[bool] = TtlCache(clock)

    def close(self) -> None:
        """Wait until all password checks are done."""
        self._threads.close()

    async def compare(self) -> None:
        """Make Redis and the files beside the mail the same. Raises StoreUnavailableError."""
        await self._user_records.compare()
        await self._key_records.compare()

    async def add_user(self, name: str, password: str, role: str) -> User:
        """Add a user, or set the password and role of one that exists. Raises InvalidChangeError."""
        _check(name, password, role)
        user = User(name, role, await self._in_thread(self._hasher.hash, password), secrets.token_hex(8))
        record = {"role": role, "password": user.password_hash, "stamp": user.stamp, "schema": SCHEMA_VERSION}
        await self._user_records.change(lambda records: records.update({name: encode_json_str(record)}))
        self._users.invalidate(name)
        return user

    async def remove_user(self, name: str) -> bool:
        """Remove a user and return whether there was one; the sessions end within FRESH_SECONDS."""
        removed = await self._user_records.change(lambda records: records.pop(name, None))
        self._users.invalidate(name)
        return removed is not None

    async def list_users(self) -> tuple[User, ...]:
        """Return all users, sorted by name."""
        found = await self._user_records.read_all()
        users = [_user(name, record) for name, record in sorted(found.items())]
        return tuple(user for user in users if user)

    async def get_user(self, name: str) -> User | None:
        """Return a user as known at most FRESH_SECONDS ago. Raises StoreUnavailableError."""
        return await self._users.get(name, lambda: self._find(name)) if _NAME.fullmatch(name) else None

    async def verify_password(self, name: str, password: str, *, is_known_device: bool = False) -> User | None:
        """Return the user when the password is right. Unknown names take as long as wrong passwords.

        Raises StoreUnavailableError, also while too many passwords are being checked.
        """
        password = password[: LONGEST_PASSWORD + 1]
        user = await self._find(name) if _NAME.fullmatch(name) else None
        if self._dummy_hash is None:
            dummy = secrets.token_hex(16)
            self._dummy_hash = await self._in_thread(self._hasher.hash, dummy, is_known_device=is_known_device)
        hashed = user.password_hash if user else self._dummy_hash
        is_right = await self._in_thread(self._is_right, hashed, password, is_known_device=is_known_device)
        return user if is_right else None

    async def end_session(self, session: str, seconds: float) -> None:
        """End a session within FRESH_SECONDS; the record of it is kept for *seconds*."""
        digest = _digest(session)
        with translating_errors():
            await self._redis.set(keys.signed_out(digest), b"", px=max(1, int(1000 * seconds)))
        self._ended.invalidate(digest)

    async def has_session_ended(self, session: str) -> bool:
        """Return whether the person signed out, as known at most FRESH_SECONDS ago. Raises StoreUnavailableError."""
        digest = _digest(session)
        return bool(await self._ended.get(digest, lambda: self._is_ended(digest)))

    async def add_key(self, name: str, scopes: Iterable[str]) -> str:
        """Make a key and return it; only its digest is stored. Raises InvalidChangeError."""
        granted = sorted(set(scopes))
        if not _NAME.fullmatch(name):
            raise InvalidChangeError(_NAME_RULE, "name")
        unknown = [scope for scope in granted if scope not in SCOPES]
        if unknown:
            raise InvalidChangeError(f"{unknown[0]!r:.40} is not a scope; accepted: {', '.join(SCOPES)}", "scopes")
        if not granted:
            raise InvalidChangeError(f"one or more of {', '.join(SCOPES)} are accepted", "scopes")
        key = "tp_" + secrets.token_urlsafe(32)
        created = datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
        record = {"name": name, "scopes": granted, "created": created, "schema": SCHEMA_VERSION}
        await self._key_records.change(lambda records: records.update({_digest(key): encode_json_str(record)}))
        self._keys.invalidate(_digest(key))
        return key

    async def remove_key(self, name: str) -> int:
        """Remove the keys of this name and return how many; they stop working within FRESH_SECONDS."""

        def edit(records: dict[str, str]) -> list[str]:
            named = [digest for digest, record in records.items() if (key := _api_key(record)) and key.name == name]
            for digest in named:
                del records[digest]
            return named

        removed = await self._key_records.change(edit)
        for digest in removed:
            self._keys.invalidate(digest)
        return len(removed)

    async def list_keys(self) -> tuple[ApiKey, ...]:
        """Return all keys, sorted by name, without their secrets."""
        found = await self._key_records.read_all()
        known = [key for key in map(_api_key, found.values()) if key]
        return tuple(sorted(known, key=lambda key: (key.name, key.created)))

    async def get_key(self, key: str) -> ApiKey | None:
        """Return what a key may do, as known at most FRESH_SECONDS ago. Raises StoreUnavailableError."""
        if not _KEY.fullmatch(key):
            return None
        digest = _digest(key)
        return await self._keys.get(digest, lambda: self._find_key(digest))

    async def _find(self, name: str) -> User | None:
        record = await self._user_records.get(name)
        return _user(name, record) if record else None

    async def _is_ended(self, digest: str) -> bool:
        with translating_errors():
            return bool(await self._redis.exists(keys.signed_out(digest)))

    async def _find_key(self, digest: str) -> ApiKey | None:
        record = await self._key_records.get(digest)
        return _api_key(record) if record else None

    def _is_right(self, hashed: str, password: str) -> bool:
        try:
            return self._hasher.verify(hashed, password)
        except (VerificationError, InvalidHashError):
            return False

    async def _in_thread(self, work: Callable[..., T], *arguments: Any, is_known_device: bool = False) -> T:
        if self._checks[is_known_device] >= WAITING:
            raise StoreUnavailableError("too many sign-ins at once")
        self._checks[is_known_device] += 1
        try:
            return await self._threads.run(work, *arguments)
        finally:
            self._checks[is_known_device] -= 1


_NAME_RULE = "a name of 1 to 64 of A-Z, a-z, 0-9, '.', '_', '@' and '-' is accepted"


def _check(name: str, password: str, role: str) -> None:
    if not _NAME.fullmatch(name):
        raise InvalidChangeError(_NAME_RULE, "name")
    if role not in ROLES:
        raise InvalidChangeError(f"{role!r:.60} is no role; accepted: {', '.join(ROLES)}", "role")
    if not 8 <= len(password) <= LONGEST_PASSWORD:
        raise InvalidChangeError(f"a password of 8 to {LONGEST_PASSWORD} characters is accepted", "password")


def _digest(key: str) -> str:
    return hashlib.sha256(key.encode("utf-8", "surrogateescape")).hexdigest()


def _user(name: str, raw: str) -> User | None:
    """Return the user; None when the record cannot be decoded: only this user is then refused."""
    try:
        record = json.loads(raw)
        return User(name, str(record["role"]), str(record["password"]), str(record["stamp"]))
    except (ValueError, TypeError, KeyError):
        return None


def _api_key(raw: str) -> ApiKey | None:
    try:
        record = json.loads(raw)
        return ApiKey(str(record["name"]), frozenset(record["scopes"]) & set(SCOPES), str(record["created"]))
    except (ValueError, TypeError, KeyError):
        return None
