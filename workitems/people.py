"""Who may do what: users with passwords, and keys for programs, in Redis.

A check of a session reads from a cache of at most FRESH seconds (workitems/remembered.py). While Redis is away the last
answer stands: whatever would revoke it lies in the Redis that cannot be read.
"""

import asyncio
import hashlib
import json
import re
import secrets
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, TypeVar

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from workitems import keys
from workitems.errors import InvalidChangeError, StoreUnavailableError
from workitems.event import dumps
from workitems.redis import Client, available
from workitems.remembered import Remembered

SCHEMA = 1

#: What a role may do.
ROLES = {
    "viewer": frozenset({"read"}),
    "agent": frozenset({"read", "write"}),
    "admin": frozenset({"read", "write", "intake", "test", "admin"}),
}

#: What a key may be given.
SCOPES = ("read", "write", "intake", "test")

#: Characters of a password: enough for a sentence, too few to keep argon2 busy with.
LONGEST_PASSWORD = 512

#: Passwords checked at a time (64 MiB and some 50 ms each), and those that may wait for it.
CHECKS = 2
WAITING = 32

_NAME = re.compile(r"[A-Za-z0-9._@-]{1,64}", re.ASCII)

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class User:
    """A person. `stamp` changes with the password and ends every session that was opened before."""

    name: str
    role: str
    password: str
    stamp: str


@dataclass(frozen=True, slots=True)
class ApiKey:
    """A program's right to do what its scopes say. `created` is ISO 8601 UTC."""

    name: str
    scopes: frozenset[str]
    created: str


class People:
    """Users and keys of one Redis."""

    def __init__(
        self, redis: Client, *, hasher: PasswordHasher | None = None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._redis = redis
        self._hasher = hasher or PasswordHasher()
        self._threads = ThreadPoolExecutor(CHECKS, thread_name_prefix="password")
        self._checks = 0
        self._nobody: str | None = None
        self._users: Remembered[User] = Remembered(clock)
        self._keys: Remembered[ApiKey] = Remembered(clock)
        self._ended: Remembered[bool] = Remembered(clock)

    def close(self) -> None:
        """Wait for the passwords that are being checked."""
        self._threads.shutdown()

    async def add(self, name: str, password: str, role: str) -> User:
        """Make a user or give one another password and role. Raises InvalidChangeError."""
        _check(name, password, role)
        user = User(name, role, await self._off_loop(self._hasher.hash, password), secrets.token_hex(8))
        record = {"role": role, "password": user.password, "stamp": user.stamp, "schema": SCHEMA}
        with available():
            await self._redis.hset(keys.USERS, name, dumps(record))
        self._users.forget(name)
        return user

    async def remove(self, name: str) -> bool:
        """Whether there was such a user; sessions end within FRESH seconds."""
        with available():
            removed = await self._redis.hdel(keys.USERS, name)
        self._users.forget(name)
        return bool(removed)

    async def list(self) -> tuple[User, ...]:
        """All users by name."""
        with available():
            found = await self._redis.hgetall(keys.USERS)
        users = [_user(name.decode(), raw) for name, raw in sorted(found.items())]
        return tuple(user for user in users if user)

    async def user(self, name: str) -> User | None:
        """A user as known at most FRESH seconds ago. Raises StoreUnavailableError."""
        return await self._users.get(name, lambda: self._find(name)) if _NAME.fullmatch(name) else None

    async def verify(self, name: str, password: str) -> User | None:
        """The user whose password this is. Unknown names take as long as wrong passwords. StoreUnavailableError."""
        password = password[: LONGEST_PASSWORD + 1]
        user = await self._find(name) if _NAME.fullmatch(name) else None
        if self._nobody is None:
            self._nobody = await self._off_loop(self._hasher.hash, secrets.token_hex(16))
        right = await self._off_loop(self._is_right, user.password if user else self._nobody, password)
        return user if right else None

    async def end_session(self, session: str, seconds: float) -> None:
        """A session that a person ended is no good any more, within FRESH seconds; it is known for *seconds*."""
        digest = _digest(session)
        with available():
            await self._redis.set(keys.signed_out(digest), b"", px=max(1, int(1000 * seconds)))
        self._ended.forget(digest)

    async def has_ended(self, session: str) -> bool:
        """Whether somebody signed out of it, as known at most FRESH seconds ago. Raises StoreUnavailableError."""
        digest = _digest(session)
        return bool(await self._ended.get(digest, lambda: self._is_ended(digest)))

    async def add_key(self, name: str, scopes: Iterable[str]) -> str:
        """Make a key and answer it; only its digest is kept. Raises InvalidChangeError."""
        wanted = sorted(set(scopes))
        if not _NAME.fullmatch(name):
            raise InvalidChangeError(_NAME_RULE, "name")
        if not wanted or not set(wanted) <= set(SCOPES):
            raise InvalidChangeError(f"one or more of {', '.join(SCOPES)} are accepted", "scopes")
        key = "tp_" + secrets.token_urlsafe(32)
        created = datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
        record = {"name": name, "scopes": wanted, "created": created, "schema": SCHEMA}
        with available():
            await self._redis.hset(keys.API_KEYS, _digest(key), dumps(record))
        self._keys.forget(_digest(key))
        return key

    async def remove_key(self, name: str) -> int:
        """How many keys of this name there were; they stop working within FRESH seconds."""
        with available():
            found = await self._redis.hgetall(keys.API_KEYS)
            named = [digest for digest, raw in found.items() if (key := _api_key(raw)) and key.name == name]
            removed = await self._redis.hdel(keys.API_KEYS, *named) if named else 0
        for digest in named:
            self._keys.forget(digest.decode())
        return int(removed)

    async def list_keys(self) -> tuple[ApiKey, ...]:
        """All keys by name, without what would let one use them."""
        with available():
            found = await self._redis.hgetall(keys.API_KEYS)
        known = [key for key in map(_api_key, found.values()) if key]
        return tuple(sorted(known, key=lambda key: (key.name, key.created)))

    async def key(self, key: str) -> ApiKey | None:
        """What a key may do, as known at most FRESH seconds ago. Raises StoreUnavailableError."""
        digest = _digest(key)
        return await self._keys.get(digest, lambda: self._find_key(digest))

    async def _find(self, name: str) -> User | None:
        with available():
            raw = await self._redis.hget(keys.USERS, name)
        return _user(name, raw) if raw else None

    async def _is_ended(self, digest: str) -> bool:
        with available():
            return bool(await self._redis.exists(keys.signed_out(digest)))

    async def _find_key(self, digest: str) -> ApiKey | None:
        with available():
            raw = await self._redis.hget(keys.API_KEYS, digest)
        return _api_key(raw) if raw else None

    def _is_right(self, hashed: str, password: str) -> bool:
        try:
            return self._hasher.verify(hashed, password)
        except (VerificationError, InvalidHashError):
            return False

    async def _off_loop(self, work: Callable[..., T], *arguments: Any) -> T:
        if self._checks >= WAITING:
            raise StoreUnavailableError("too many sign-ins at once")
        self._checks += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, work, *arguments)
        finally:
            self._checks -= 1


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


def _user(name: str, raw: bytes) -> User | None:
    """None for a record that this version cannot read: such a user is refused, nobody else is disturbed."""
    try:
        record = json.loads(raw)
        return User(name, str(record["role"]), str(record["password"]), str(record["stamp"]))
    except (ValueError, TypeError, KeyError):
        return None


def _api_key(raw: bytes) -> ApiKey | None:
    try:
        record = json.loads(raw)
        return ApiKey(str(record["name"]), frozenset(record["scopes"]) & set(SCOPES), str(record["created"]))
    except (ValueError, TypeError, KeyError):
        return None
