"""`run.py user` and `run.py key`: manages who may sign in and which programs may call. Prints to a terminal."""

import getpass
import sys
from contextlib import AsyncExitStack

from workitems.base import redis as redis_connection
from workitems.base.errors import InvalidChangeError, MailStoreUnavailableError
from workitems.base.log import configure
from workitems.base.terminal import ask
from workitems.mailstore.store import MailStore
from workitems.people.accounts import ROLES, Accounts
from workitems.recovery.durable_state import DurableState
from workitems.settings import Settings


async def manage_users(settings: Settings, action: str, name: str, role: str) -> int:
    """Add, change, remove or list users; return the exit status."""
    async with AsyncExitStack() as stack:
        accounts = _open_accounts(settings, stack)
        if action == "list":
            await _compare(accounts)
            users = await accounts.list_users()
            for each in users:
                print(f"{each.name}\t{each.role}")
            if not users:
                print("There are no users yet. `run.py user add NAME` adds one.", file=sys.stderr)
            return 0
        if action == "remove":
            removed = await accounts.remove_user(name)
            print(f"{name} may no longer sign in." if removed else f"There is no user {name}.")
            return 0 if removed else 1
        await accounts.add_user(name, _password(), role)
        print(f"{name} may sign in now, with the role {role} ({', '.join(sorted(ROLES[role]))}).")
        return 0


async def manage_keys(settings: Settings, action: str, name: str, scopes: str) -> int:
    """Add, remove or list the keys of programs; return the exit status."""
    async with AsyncExitStack() as stack:
        accounts = _open_accounts(settings, stack)
        if action == "list":
            await _compare(accounts)
            made_keys = await accounts.list_keys()
            for each in made_keys:
                print(f"{each.name}\t{','.join(sorted(each.scopes))}\t{each.created}")
            if not made_keys:
                print("There are no keys yet. `run.py key add NAME` adds one.", file=sys.stderr)
            return 0
        if action == "remove":
            removed = await accounts.remove_key(name)
            print(f"{removed} keys of {name} are removed." if removed else f"There is no key {name}.")
            return 0 if removed else 1
        made = await accounts.add_key(name, [scope.strip() for scope in scopes.split(",") if scope.strip()])
        print(f"The key of {name}. It is shown only now. Send it as 'Authorization: Bearer …'.\n\n    {made}\n")
        return 0


def _open_accounts(settings: Settings, stack: AsyncExitStack) -> Accounts:
    configure("warning")
    redis = redis_connection.connect(settings.redis_url, timeout=settings.redis.timeout_seconds)
    stack.push_async_callback(redis.aclose)
    mailstore = MailStore(settings.mail_folder)
    stack.callback(mailstore.close)
    accounts = DurableState(redis, mailstore, max_events=settings.stream.max_feed_events).open_accounts()
    stack.callback(accounts.close)
    return accounts


async def _compare(accounts: Accounts) -> None:
    """Load what Redis lost; without the mail store print that only Redis was read."""
    try:
        await accounts.compare()
    except MailStoreUnavailableError as error:
        print(f"Only Redis was read: {error}", file=sys.stderr)


def _password() -> str:
    """Ask for a password twice at a terminal; else return the first line of standard input."""
    if not sys.stdin.isatty():
        return sys.stdin.readline().rstrip("\r\n")
    first, second = ask("Password: ", by=getpass.getpass), ask("Once more: ", by=getpass.getpass)
    if first != second:
        raise InvalidChangeError("the two passwords are not the same", "password")
    return first
