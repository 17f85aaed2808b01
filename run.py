#!/usr/bin/env python3
"""Every program of Tubepost by its verb. Thin: each verb's work lives in its package."""

import argparse
import asyncio
import os
import resource
import sys
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Literal


def _not_installed(error: ModuleNotFoundError) -> int:
    package = str(error.name).partition(".")[0]
    print(
        f"Tubepost: {package} is not installed for this Python. Start it as `.venv/bin/python run.py …`; "
        "`make .venv/installed` installs what it needs.",
        file=sys.stderr,
    )
    return 2


try:
    from workitems.configuration import load
    from workitems.errors import InvalidChangeError, SettingsError, StoreUnavailableError, TubepostError
except ModuleNotFoundError as error:
    sys.exit(_not_installed(error))

PROJECT = Path(__file__).resolve().parent


def demo(arguments: argparse.Namespace) -> int:
    """everything on this machine, with a mailbox of its own and letters that arrive in it"""
    from demo.launch import run

    return run(PROJECT, arguments.script)


def server(_: argparse.Namespace) -> int:
    """one web server process"""
    from server.main import run

    run(load())
    return 0


def worker(_: argparse.Namespace) -> int:
    """read the mailboxes and the mail"""
    from worker.main import run

    run(load())
    return 0


def redis(_: argparse.Namespace) -> int:
    """the embedded Redis; ends at once when redis.url names another one"""
    from demo.redis import command

    settings = load()
    if settings.redis.url is not None:
        print("redis.url is set: the embedded server is not needed")
        return 0
    arguments = command(settings)
    return os.execv(arguments[0], arguments)  # noqa: S606 - becomes the server, so that signals reach it


def check(_: argparse.Namespace) -> int:
    """say whether Redis, the mail store and each mailbox can be reached"""
    from worker.check import check as look

    return 0 if asyncio.run(look(load())) else 1


def authorize(arguments: argparse.Namespace) -> int:
    """sign in to a mailbox at Microsoft or Google, once"""
    from worker.oauth.authorize import authorize as sign_in

    asyncio.run(sign_in(load(), arguments.mailbox))
    return 0


def extract(arguments: argparse.Namespace) -> int:
    """show what would be read from a mail in a file"""
    from worker.extract import extract as show

    return show(load(), arguments.file, mailbox=arguments.mailbox, as_json=arguments.json)


def import_(arguments: argparse.Namespace) -> int:
    """take mail that lies in a mailbox already; may be broken off and goes on where it was"""
    from worker.importing import import_mail
    from workitems.log import configure

    configure("error")  # what matters is said by the import
    return 0 if asyncio.run(import_mail(load(), arguments.mailbox, arguments.start, arguments.folder)) else 1


def _start(text: str) -> Literal["all"] | date:
    try:
        return "all" if text == "all" else date.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError("accepted are 'all' and a date such as 2026-03-01") from None


def retry(arguments: argparse.Namespace) -> int:
    """read mail again that could not be read as it should"""
    from worker.retrying import retry as again

    return 0 if asyncio.run(again(load(), arguments.item, every=arguments.all)) else 1


def erase(arguments: argparse.Namespace) -> int:
    """remove all that came from an address, or single items, for ever"""
    from worker.erase import erase as remove

    return 0 if asyncio.run(remove(load(), arguments.wanted, sure=arguments.yes)) else 1


def user(arguments: argparse.Namespace) -> int:
    """add, remove and list the people who may sign in"""
    from server.accounts import user as change

    return asyncio.run(change(load(), arguments.action, _named(arguments), arguments.role))


def key(arguments: argparse.Namespace) -> int:
    """add, remove and list the keys of programs"""
    from server.accounts import key as change

    return asyncio.run(change(load(), arguments.action, _named(arguments), arguments.scopes))


def _named(arguments: argparse.Namespace) -> str:
    if arguments.action != "list" and not arguments.name:
        raise InvalidChangeError(f"say whom: run.py {arguments.verb.__name__} {arguments.action} NAME", "name")
    return arguments.name or ""


def demo_mailbox(_: argparse.Namespace) -> int:
    """the demo's IMAP server"""
    from demo import mailbox

    box = load().mailboxes["demo"]
    return mailbox.run(box.host, box.real_port, box.user, box.secret())


def demo_server(_: argparse.Namespace) -> int:
    """the demo's web server when it plays a script"""
    from demo.play import run

    run(load())
    return 0


def demo_letters(_: argparse.Namespace) -> int:
    """bring letters into the demo mailbox"""
    from demo import post
    from workitems.log import configure

    settings = load()
    configure(settings.log)
    box = settings.mailboxes["demo"]
    post.run(box.host, box.real_port, box.user, box.secret(), settings.demo.rate)
    return 0


VERBS: tuple[Callable[[argparse.Namespace], int], ...] = (
    demo, server, worker, redis, check, authorize, import_, retry, erase, extract, user, key,
    demo_mailbox, demo_letters, demo_server,
)  # fmt: skip


def _arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="run.py", description="Tubepost: a shared mailbox becomes a live queue.")
    verbs = parser.add_subparsers(required=True, metavar="VERB")
    by_name = {}
    for verb in VERBS:
        name = verb.__name__.strip("_").replace("_", "-")
        by_name[name] = verbs.add_parser(name, help=verb.__doc__, description=verb.__doc__)
        by_name[name].set_defaults(verb=verb)
    script = "play its steps, for tests of a front end; docs/stream.md has them"
    by_name["demo"].add_argument("--script", type=Path, metavar="FILE", help=script)
    by_name["authorize"].add_argument("mailbox", help="its name in the settings")
    by_name["extract"].add_argument("file", type=Path, help="a mail as .eml")
    by_name["extract"].add_argument("--mailbox", default="", help="whose field rules are used")
    by_name["extract"].add_argument("--json", action="store_true", help="everything, for programs")
    by_name["import"].add_argument("mailbox", help="its name in the settings")
    by_name["import"].add_argument("--start", type=_start, metavar="all|DATE", help="DATE: mail of that day and later")
    by_name["import"].add_argument("--folder", help="one folder, also one that is not watched; else all that are")
    by_name["retry"].add_argument("item", nargs="*", help="the id of an item")
    by_name["retry"].add_argument("--all", action="store_true", help="all that could not be read as they should")
    by_name["erase"].add_argument("wanted", nargs="+", metavar="ADDRESS|ITEM", help="a sender's address, an item's id")
    by_name["erase"].add_argument("--yes", action="store_true", help="do not ask")
    by_name["user"].add_argument("action", choices=["add", "remove", "list"])
    by_name["user"].add_argument("name", nargs="?")
    by_name["user"].add_argument("--role", choices=["viewer", "agent", "admin"], default="agent")
    by_name["key"].add_argument("action", choices=["add", "remove", "list"])
    by_name["key"].add_argument("name", nargs="?")
    by_name["key"].add_argument("--scopes", default="read", help="of read, write, intake, test; joined by commas")
    return parser


def main() -> int:
    arguments = _arguments().parse_args()
    # A crash must not write mail and secrets to where nobody erases them; who hunts one may raise the limit again.
    resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))
    try:
        return int(arguments.verb(arguments))
    except SettingsError as error:
        print(f"Tubepost cannot start; a setting is wrong:\n{error}", file=sys.stderr)
    except StoreUnavailableError as error:
        print(f"Tubepost: {error}\n{load().redis_advice}", file=sys.stderr)
    except TubepostError as error:
        print(f"Tubepost: {error}", file=sys.stderr)
    except ModuleNotFoundError as error:
        return _not_installed(error)
    except KeyboardInterrupt:
        print(file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main())
