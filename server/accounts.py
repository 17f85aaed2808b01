"""`run.py user` and `run.py key`: who may sign in, and which programs may call. Prints for a person."""

import getpass
import sys
from contextlib import AsyncExitStack

from workitems import redis as redis_connection
from workitems.errors import InvalidChangeError
from workitems.people import ROLES, People
from workitems.settings import Settings
from workitems.terminal import ask


async def user(settings: Settings, action: str, name: str, role: str) -> int:
    """Add (or give another password and role), remove or list users; answers the exit status."""
    async with AsyncExitStack() as stack:
        people = _people(settings, stack)
        if action == "list":
            for each in await people.list():
                print(f"{each.name}\t{each.role}")
            return 0
        if action == "remove":
            removed = await people.remove(name)
            print(f"{name} may no longer sign in." if removed else f"There is no user {name}.")
            return 0 if removed else 1
        await people.add(name, _password(), role)
        print(f"{name} may sign in now, with the role {role} ({', '.join(sorted(ROLES[role]))}).")
        return 0


async def key(settings: Settings, action: str, name: str, scopes: str) -> int:
    """Add, remove or list the keys of programs; answers the exit status."""
    async with AsyncExitStack() as stack:
        people = _people(settings, stack)
        if action == "list":
            for each in await people.list_keys():
                print(f"{each.name}\t{','.join(sorted(each.scopes))}\t{each.created}")
            return 0
        if action == "remove":
            removed = await people.remove_key(name)
            print(f"{removed} keys of {name} are removed." if removed else f"There is no key {name}.")
            return 0 if removed else 1
        made = await people.add_key(name, [scope.strip() for scope in scopes.split(",") if scope.strip()])
        print(f"The key of {name}; it is shown this once. Send it as 'Authorization: Bearer …'.\n\n    {made}\n")
        return 0


def _people(settings: Settings, stack: AsyncExitStack) -> People:
    redis = redis_connection.connect(settings.redis_url, timeout=settings.redis.timeout)
    stack.push_async_callback(redis.aclose)
    people = People(redis)
    stack.callback(people.close)
    return people


def _password() -> str:
    """Asked for twice at a terminal; the first line of standard input otherwise."""
    if not sys.stdin.isatty():
        return sys.stdin.readline().rstrip("\r\n")
    first, second = ask("Password: ", by=getpass.getpass), ask("Once more: ", by=getpass.getpass)
    if first != second:
        raise InvalidChangeError("the two passwords are not the same", "password")
    return first
