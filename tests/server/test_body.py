"""JSON of strangers costs no more than it may, whatever it holds."""

import json
import resource
import subprocess
import sys

import pytest

from server.body import MOST_MARKS, read_object
from workitems.errors import InvalidChangeError

ANY = frozenset({"a"})


@pytest.mark.parametrize("one", ["[],", "{},", '"xy",', "1e1,", '"\\\\\\\\",', '{"a":1},'])
def test_many_small_values_are_refused_before_they_take_memory(one: str) -> None:
    program = (
        "from server.body import read_object; from workitems.errors import InvalidChangeError\n"
        f"raw = b'{{\"a\":[' + {one!r}.encode() * (48_000_000 // {len(one)}) + b'0]}}'\n"
        "try: read_object(raw, frozenset('a'))\n"
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


def test_a_long_text_may_hold_any_of_its_own_quotes() -> None:
    text = '<p class="x">' * (MOST_MARKS // 4)
    assert read_object(json.dumps({"a": text}).encode(), ANY) == {"a": text}


def test_depth_is_bounded() -> None:
    with pytest.raises(InvalidChangeError, match="at most 32 deep"):
        read_object(b'{"a":' + b"[" * 32 + b"]" * 32 + b"}", ANY)
