"""Marks the tests that `make unit` leaves out: `external` and `slow`."""

from pathlib import Path

import pytest

#: Tests that need a browser, Node, nginx, Dovecot or openssl, or start whole installations; below `tests`.
EXTERNAL = (
    "bench/",
    "browser/",
    "demo/test_launch.py",
    "demo/test_output_file.py",
    "demo/test_script_server.py",
    "demo/test_supervision.py",
    "docs/",
    "faults/",
    "js/",
    "operations/",
    "test_end_to_end.py",
    "worker/imap/test_login.py",
    "worker/jobs/test_with_a_worker.py",
    "worker/mailboxes/test_after_action.py",
    "worker/mailboxes/test_sent.py",
    "worker/test_changed_rules.py",
    "worker/test_main.py",
)

#: Files of tests that take longer than about five seconds, since they start many processes or wait for real time-outs.
SLOW = (
    "demo/test_embedded_redis.py",
    "demo/test_letter_sender.py",
    "server/access/test_accounts_command.py",
    "server/connections/test_http_server.py",
    "server/connections/test_listener.py",
    "server/handlers/test_hanging_disk.py",
    "server/handlers/test_jobs.py",
    "server/status/test_host_metrics.py",
    "server/status/test_readiness.py",
    "server/stream/test_stream_time.py",
    "worker/commands/test_check_redis.py",
    "worker/commands/test_supervisord.py",
    "worker/imap/test_guard.py",
    "worker/mailboxes/test_odd_servers.py",
    "worker/publishing/test_intake_reader.py",
    "worker/publishing/test_posted_files.py",
    "worker/reading/test_any_mail.py",
    "worker/reading/test_growth.py",
    "worker/sandbox/test_changed_rules.py",
    "worker/sandbox/test_hostile_mail.py",
    "worker/reading/fields/test_linear_work.py",
    "worker/sandbox/test_pool.py",
    "worker/sandbox/test_two_answers.py",
    "worker/upkeep/test_retention.py",
    "workitems/base/test_redis.py",
)

#: Fixtures that need Dovecot or openssl.
FIXTURES = {"dovecot_server", "own_dovecot", "post_dovecot", "endpoint"}

TESTS = Path(__file__).resolve().parents[1]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tests by their files and fixtures."""
    for item in items:
        path = item.path.relative_to(TESTS).as_posix() if item.path.is_relative_to(TESTS) else ""
        if path.startswith(EXTERNAL) or _needs_external_server(item):
            item.add_marker("external")
        if path in SLOW:
            item.add_marker("slow")


def _needs_external_server(item: pytest.Item) -> bool:
    if FIXTURES & set(getattr(item, "fixturenames", ())):
        return True
    # The tests of workitems run twice: with the embedded server and with Debian's.
    callspec = getattr(item, "callspec", None)
    return callspec is not None and callspec.params.get("binary") == "redis7"
