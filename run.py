#!/usr/bin/env python3
"""Run every program of Tubepost by its verb. Each verb only calls its package."""

import argparse
import asyncio
import os
import resource
import signal
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
    from workitems.base.errors import (
        InvalidChangeError,
        MailStoreUnavailableError,
        SettingsError,
        StoreUnavailableError,
        TubepostError,
    )
    from workitems.base.supervision import close_to_others, end_with_parent, hold_with_siblings, is_supervised
    from workitems.settings import Settings
    from workitems.settings.load import load_settings
except ModuleNotFoundError as error:
    sys.exit(_not_installed(error))

#: The exit status of an embedded Redis that is not needed. supervisord.conf has the same.
NOT_NEEDED = 3

PROJECT = Path(__file__).resolve().parent


def _settings_of_program(ends_with: signal.Signals = signal.SIGKILL) -> Settings:
    """Load the settings of a program that supervisord starts, tie it to supervisord and hold the data folder.

    When supervisord is killed, its programs get SIGKILL by default. They lose nothing by that, leave their port to the
    next start at once, and could not log a slow end, since the reader of their log has gone. With redis.url there is no
    lock: the programs of several machines may share a data folder.
    """
    settings = load_settings()
    if is_supervised():
        close_to_others(PROJECT / "var")
        end_with_parent(ends_with)
        if settings.redis.url is None:
            hold_with_siblings(settings.data.absolute() / "supervisor.lock")
    return settings


def demo(arguments: argparse.Namespace) -> int:
    """run everything on this machine, with a demo mailbox in which letters arrive"""
    from demo.launch import run

    return run(PROJECT, arguments.script)


def server(_: argparse.Namespace) -> int:
    """run one web server process"""
    from server.main import run

    run(_settings_of_program())
    return 0


def worker(_: argparse.Namespace) -> int:
    """run one worker: it fetches mail from the mailboxes and reads it"""
    from worker.main import run

    run(_settings_of_program())
    return 0


def redis(_: argparse.Namespace) -> int:
    """run the embedded Redis; ends at once when redis.url names another one"""
    from demo.redis import run

    if load_settings().redis.url is not None:
        print("redis.url is set: the embedded server is not needed")
        return NOT_NEEDED
    return run(_settings_of_program(ends_with=signal.SIGTERM))


def check(_: argparse.Namespace) -> int:
    """check whether Redis, the mail store and each mailbox can be reached"""
    from worker.commands.check import check as check_all

    try:
        settings = load_settings()
    except SettingsError as error:
        continued = "Workers that run continue with their former field rules until this is mended."
        raise SettingsError(f"{error}\n{continued}") from None
    return 0 if asyncio.run(check_all(settings)) else 1


def restart(_: argparse.Namespace) -> int:
    """replace the server processes and workers one at a time, so that nobody is refused"""
    from worker.commands.restart import restart as replace_all

    return 0 if asyncio.run(replace_all(load_settings(), PROJECT)) else 1


def authorize(arguments: argparse.Namespace) -> int:
    """sign in to a mailbox at Microsoft or Google, once"""
    from worker.oauth.authorize import authorize as sign_in

    asyncio.run(sign_in(load_settings(), arguments.mailbox))
    return 0


def extract(arguments: argparse.Namespace) -> int:
    """show what is extracted from mails in files"""
    from worker.commands.extract import extract as show

    return show(load_settings(file=arguments.config), arguments.file, mailbox=arguments.mailbox, as_json=arguments.json)


def import_(arguments: argparse.Namespace) -> int:
    """import mail that is already in a mailbox; when interrupted, run it again and it continues"""
    from worker.commands.import_command import import_mail
    from workitems.base.log import configure

    configure("error")  # the import prints what matters
    return 0 if asyncio.run(import_mail(load_settings(), arguments.mailbox, arguments.start, arguments.folder)) else 1


def _date(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError("accepted is a date such as 2026-03-01") from None


def _start(text: str) -> Literal["all"] | date:
    try:
        return "all" if text == "all" else date.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError("accepted are 'all' and a date such as 2026-03-01") from None


def retry(arguments: argparse.Namespace) -> int:
    """read mail again that could not be read completely"""
    from worker.commands.retry import retry as retry_items

    return 0 if asyncio.run(retry_items(load_settings(), arguments.item, all_items=arguments.all)) else 1


def reread(arguments: argparse.Namespace) -> int:
    """read stored mail again, after a change of rules; when interrupted, run it again and it continues"""
    from worker.commands.reread import reread as read_again

    return 0 if asyncio.run(read_again(load_settings(), since=arguments.since, mailbox=arguments.mailbox)) else 1


def rules(arguments: argparse.Namespace) -> int:
    """show what the rules in the settings find in stored mail, before they are used"""
    from worker.commands.rules_test import rules_test

    how = {"mailbox": arguments.mailbox, "last": arguments.last, "as_json": arguments.json}
    return asyncio.run(rules_test(load_settings(), **how))


def erase(arguments: argparse.Namespace) -> int:
    """remove everything that came from an address, or single items, for good"""
    from worker.commands.erase import erase as remove

    return 0 if asyncio.run(remove(load_settings(), arguments.wanted, is_confirmed=arguments.yes)) else 1


def backup(arguments: argparse.Namespace) -> int:
    """back up items, mail and people into a folder while everything runs, or verify such a backup"""
    from worker.commands.backup import backup as make
    from worker.commands.backup import verify

    if arguments.verify:
        return 0 if verify(arguments.folder) else 1
    return 0 if make(load_settings(), arguments.folder, with_settings=arguments.with_settings) else 1


def restore(arguments: argparse.Namespace) -> int:
    """restore a backup into an empty data folder and an empty Redis, while Tubepost does not run"""
    from demo.redis import running
    from worker.commands.restore import restore as write_back

    settings = load_settings()
    with running(settings):
        return 0 if asyncio.run(write_back(settings, arguments.folder)) else 1


def user(arguments: argparse.Namespace) -> int:
    """add, remove or list the people who may sign in"""
    from server.access.accounts_command import manage_users

    return asyncio.run(manage_users(load_settings(), arguments.action, _named(arguments), arguments.role))


def key(arguments: argparse.Namespace) -> int:
    """add, remove or list the keys of programs"""
    from server.access.accounts_command import manage_keys

    return asyncio.run(manage_keys(load_settings(), arguments.action, _named(arguments), arguments.scopes))


def _named(arguments: argparse.Namespace) -> str:
    if arguments.action != "list" and not arguments.name:
        command = f"run.py {arguments.verb.__name__} {arguments.action} NAME"
        raise InvalidChangeError(f"the name is missing: {command}", "name")
    return arguments.name or ""


def _settings_of_demo(verb: str) -> Settings:
    settings = _settings_of_program()
    if not settings.demo.enabled:
        raise SettingsError(f"{verb} is started by run.py demo only")
    return settings


def demo_mailbox(_: argparse.Namespace) -> int:
    """run the demo's IMAP server"""
    from demo import mailbox

    box = _settings_of_demo("demo-mailbox").mailboxes["demo"]
    return mailbox.run(box.host, box.effective_port, box.user, box.read_password())


def demo_server(_: argparse.Namespace) -> int:
    """run the demo's web server that plays a script"""
    from demo.script_server import run

    run(_settings_of_program())
    return 0


def demo_letters(_: argparse.Namespace) -> int:
    """send letters to the demo mailbox, and remove old ones from it"""
    from demo import letter_sender
    from workitems.base.log import configure

    settings = _settings_of_demo("demo-letters")
    configure(settings.log)
    box = settings.mailboxes["demo"]
    letter_sender.run(box.host, box.effective_port, box.user, box.read_password(), settings.demo.rate)
    return 0


VERBS: tuple[Callable[[argparse.Namespace], int], ...] = (
    demo, server, worker, redis, check, restart, authorize, import_, retry, reread, erase, backup, restore,
    extract, rules, user, key,
    demo_mailbox, demo_letters, demo_server,
)  # fmt: skip


def _build_parser() -> argparse.ArgumentParser:
    what = "Tubepost turns a shared mailbox into a live queue of work items."
    parser = argparse.ArgumentParser(prog="run.py", description=what)
    verbs = parser.add_subparsers(required=True, metavar="VERB")
    by_name = {}
    for verb in VERBS:
        name = verb.__name__.strip("_").replace("_", "-")
        by_name[name] = verbs.add_parser(name, help=verb.__doc__, description=verb.__doc__)
        by_name[name].set_defaults(verb=verb)
    script = "play the steps of a script, to test a front end; docs/stream.md lists them"
    by_name["demo"].add_argument("--script", type=Path, metavar="FILE", help=script)
    by_name["authorize"].add_argument("mailbox", help="its name in the settings")
    by_name["extract"].add_argument("file", type=Path, nargs="+", help="a mail as an .eml file")
    by_name["extract"].add_argument("--config", type=Path, metavar="FILE", help="settings; without it the usual ones")
    by_name["extract"].add_argument("--mailbox", default="", help="use the field rules of this mailbox")
    by_name["extract"].add_argument("--json", action="store_true", help="print a line of JSON for each file")
    by_name["import"].add_argument("mailbox", help="its name in the settings")
    by_name["import"].add_argument("--start", type=_start, metavar="all|DATE", help="all mail, or from that day on")
    by_name["import"].add_argument("--folder", help="one folder, watched or not; without it all watched folders")
    by_name["retry"].add_argument("item", nargs="*", help="the id of an item")
    by_name["retry"].add_argument("--all", action="store_true", help="all items that could not be read completely")
    by_name["reread"].add_argument("--since", type=_date, metavar="DATE", help="only mail of that day and later")
    by_name["reread"].add_argument("--mailbox", help="its name in the settings; without it all")
    by_name["rules"].add_argument("action", choices=["test"])
    by_name["rules"].add_argument("--mailbox", help="its name in the settings; without it all")
    by_name["rules"].add_argument(
        "--last", type=int, default=200, metavar="N", help="the newest N mails; 200 without it"
    )
    by_name["rules"].add_argument("--json", action="store_true", help="print JSON")
    by_name["erase"].add_argument("wanted", nargs="+", metavar="ADDRESS|ITEM", help="a sender's address, an item's id")
    by_name["erase"].add_argument("--yes", action="store_true", help="do not ask")
    by_name["backup"].add_argument(
        "folder", type=Path, metavar="DIR", help="a folder of its own; it is made if missing"
    )
    by_name["backup"].add_argument(
        "--with-settings", action="store_true", help="add the settings and all their secrets"
    )
    by_name["backup"].add_argument(
        "--verify",
        action="store_true",
        help="make none; read the whole one that is there, and let the next one mend it",
    )
    by_name["restore"].add_argument("folder", type=Path, metavar="DIR", help="the folder of the backup")
    by_name["user"].add_argument("action", choices=["add", "remove", "list"])
    by_name["user"].add_argument("name", nargs="?")
    by_name["user"].add_argument("--role", choices=["viewer", "agent", "admin"], default="agent")
    by_name["key"].add_argument("action", choices=["add", "remove", "list"])
    by_name["key"].add_argument("name", nargs="?")
    by_name["key"].add_argument("--scopes", default="read", help="read, write, intake, test; separated by commas")
    return parser


def main() -> int:
    parser = _build_parser()
    if len(sys.argv) == 1:
        parser.print_help(sys.stderr)
        return 2
    arguments = parser.parse_args()
    # A core dump would hold mail and secrets where nobody erases them. To debug a crash, raise the limit again.
    resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))
    os.umask(0o027)  # files and folders of ours are for the owner, and for the group to read
    try:
        return int(arguments.verb(arguments))
    except SettingsError as error:
        print(f"Tubepost cannot start; a setting is wrong:\n{error}", file=sys.stderr)
    except MailStoreUnavailableError as error:  # what follows is about Redis
        print(f"Tubepost: {error}", file=sys.stderr)
    except StoreUnavailableError as error:
        print(f"Tubepost: {error}\n{load_settings().redis_advice}", file=sys.stderr)
    except TubepostError as error:
        print(f"Tubepost: {error}", file=sys.stderr)
    except ModuleNotFoundError as error:
        return _not_installed(error)
    except KeyboardInterrupt:
        print(file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main())
