"""A JSON body of an unknown sender costs bounded memory and time, whatever it contains."""

import json
import resource
import subprocess
import sys

import pytest

from server.http.json_body import MAX_JSON_MARKS, parse_json_object
from workitems.base.errors import InvalidChangeError

ANY = frozenset({"a"})


@pytest.mark.parametrize("one", ["[],", "{},", '"xy",', "1e1,", '"\\\\\\\\",', '{"a":1},'])
def test_many_small_values_are_refused_before_they_take_memory(one: str) -> None:
    program = (
        "from server.http.json_body import parse_json_object; from workitems.base.errors import InvalidChangeError\n"
        f"raw = b'{{\"a\":[' + {one!r}.encode() * (48_000_000 // {len(one)}) + b'0]}}'\n"
        "try: parse_json_object(raw, frozenset('a'))\n"
        "except InvalidChangeError: print('refused')\n"
    )
    limit = 1_000 * 1024 * 1024
    done = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (limit, limit)),
    )
    assert (done.stdout, done.stderr) == ("refused\n", "")


def test_quotes_inside_a_long_string_are_not_counted() -> None:
    text = '<p class="x">' * (MAX_JSON_MARKS // 4)
    assert parse_json_object(json.dumps({"a": text}).encode(), ANY) == {"a": text}


def test_depth_is_bounded() -> None:
    with pytest.raises(InvalidChangeError, match="at most 32 levels"):
        parse_json_object(b'{"a":' + b"[" * 32 + b"]" * 32 + b"}", ANY)
