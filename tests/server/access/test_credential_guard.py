"""Guesses of tokens, keys and passwords of sources are slowed down; right credentials are not."""

import pytest
import structlog

from server.access.credential_guard import BURST, LONG, SECONDS, CredentialGuard
from server.access.rate_limit import MAX_NAMES, RecentSet, TooManyTriesError
from server.access.refused_tries import RefusedTries
from workitems.base.log import LIMITED_SECONDS

#: In the form of our keys; the first is right.
KEYS = ["right" + "k" * 41, *(f"tp_{n:043}" for n in range(100))]


class Door:
    """A guard with a clock that stands still, and one right credential for each kind."""

    def __init__(self) -> None:
        self.now = 0.0
        self.refused = RefusedTries(lambda: self.now)
        self.guard = CredentialGuard(self.refused, lambda: self.now)

    def show(self, credential: str, address: str = "192.0.2.1", kind: str = "bearer") -> str:
        """Return what becomes of *credential*: `in`, `wrong` or `wait`."""
        try:
            with self.guard.trying(kind, credential, address) as attempt:
                attempt.is_right = credential.startswith("right")
        except TooManyTriesError:
            return "wait"
        return "in" if attempt.is_right else "wrong"

    def guess(self, *, times: int = BURST, address: str = "192.0.2.1", kind: str = "bearer") -> list[str]:
        return [self.show(f"guess {n}", address, kind) for n in range(times)]


@pytest.fixture
def door() -> Door:
    return Door()


def test_a_network_that_guesses_must_wait_and_may_go_on_slowly(door: Door) -> None:
    assert door.guess(times=BURST + 2) == ["wrong"] * BURST + ["wait"] * 2
    with pytest.raises(TooManyTriesError) as error, door.guard.trying("bearer", "one more", "192.0.2.1"):
        pass
    assert 0 < error.value.wait <= SECONDS
    assert door.show("right, but never seen") == "wait"  # else a guesser would learn by it
    door.now += SECONDS
    assert [door.show("another"), door.show("one more")] == ["wrong", "wait"]


def test_a_credential_that_was_right_before_always_passes_from_the_guessers_address_too(door: Door) -> None:
    assert door.show("right") == "in"
    door.guess()
    assert [door.show("right") for _ in range(100)] == ["in"] * 100
    assert door.show("right", "198.51.100.1") == "in"


def test_a_key_that_was_never_seen_passes_at_once_among_guesses_of_its_network(door: Door) -> None:
    assert [door.show(key) for key in KEYS[1 : BURST + 3]] == ["wrong"] * BURST + ["wait"] * 2
    door.guess()
    assert door.show(KEYS[0]) == "in"
    assert door.show(KEYS[BURST + 3]) == "wait"  # a right one does not make room for guesses
    door.now += SECONDS
    assert [door.show(key) for key in KEYS[BURST + 3 : BURST + 5]] == ["wrong", "wait"]
    assert door.refused.counts[("bearer", "wrong")] == BURST + 1


def test_a_long_password_of_a_source_passes_at_once_and_a_short_one_waits_with_the_guesses(door: Door) -> None:
    def show(secret: str) -> str:
        try:
            with door.guard.trying("basic", f"right {secret}", "192.0.2.1", secret=secret) as attempt:
                attempt.is_right = True
        except TooManyTriesError:
            return "wait"
        return "in"

    door.guess(kind="basic")
    assert show("s" * (LONG - 1)) == "wait"
    assert show("s" * LONG) == "in"


def test_an_old_key_that_a_thousand_streams_repeat_at_once_counts_once(door: Door) -> None:
    attempts = [door.guard.trying("bearer", KEYS[1], "192.0.2.1") for _ in range(1_000)]
    shown = [attempt.__enter__() for attempt in attempts]
    for attempt, context in zip(shown, attempts, strict=True):
        attempt.is_right = False
        context.__exit__(None, None, None)
    assert door.guess(times=BURST) == ["wrong"] * (BURST - 1) + ["wait"]


def test_a_program_that_repeats_an_old_key_uses_up_nothing_of_its_network(door: Door) -> None:
    assert [door.show("an old key") for _ in range(500)] == ["wrong"] * 500
    assert door.show("right") == "in"
    assert door.refused.counts == {("bearer", "wrong"): 500}


def test_networks_and_kinds_are_counted_apart(door: Door) -> None:
    door.guess()
    assert door.show("x", "192.0.2.2") == "wrong"
    assert door.show("x", kind="basic") == "wrong"
    door.guess(address="2001:db8::1")
    assert door.show("x", "2001:db8::ffff:1") == "wait"  # the same /64
    assert door.show("x", "2001:db8:0:1::1") == "wrong"


def test_right_credentials_do_not_count(door: Door) -> None:
    assert {door.show(f"right {n}") for n in range(10 * BURST)} == {"in"}


def test_a_thousand_streams_that_come_back_at_once_with_one_key_count_once(door: Door) -> None:
    attempts = [door.guard.trying("bearer", "right", "192.0.2.1") for _ in range(1_000)]
    shown = [attempt.__enter__() for attempt in attempts]
    for attempt, context in zip(shown, attempts, strict=True):
        attempt.is_right = True
        context.__exit__(None, None, None)
    assert door.guess() == ["wrong"] * BURST


def test_a_look_that_could_not_be_decided_does_not_count(door: Door) -> None:
    for n in range(3 * BURST):
        with pytest.raises(OSError), door.guard.trying("bearer", f"key {n}", "192.0.2.1"):
            raise OSError
    assert door.guess() == ["wrong"] * BURST
    assert door.refused.counts == {("bearer", "wrong"): BURST}


def test_a_right_credential_that_became_wrong_counts_like_another(door: Door) -> None:
    assert door.show("right") == "in"
    for _ in range(2):
        with door.guard.trying("bearer", "right", "192.0.2.1") as attempt:
            attempt.is_right = False
    assert door.guess() == ["wrong"] * (BURST - 1) + ["wait"]


def test_a_stranger_makes_no_right_credential_forgotten(door: Door) -> None:
    door.show("right")
    for n in range(MAX_NAMES + 100):
        door.show(f"guess {n}", f"10.{n >> 16}.{n >> 8 & 255}.{n & 255}")
    door.guess()
    assert door.show("right") == "in"


def test_a_set_of_recent_names_stays_small() -> None:
    recent = RecentSet()
    recent.add("kept")
    for n in range(MAX_NAMES + 100):
        assert "kept" in recent
        recent.add(str(n))
    assert "0" not in recent
    recent.discard("kept")
    recent.discard("kept")
    assert "kept" not in recent


def test_refused_tries_have_one_line_a_minute_which_says_how_many_they_were(door: Door) -> None:
    with structlog.testing.capture_logs() as lines:
        door.guess(times=BURST + 5)
        door.now += LIMITED_SECONDS
        door.show("a secret guess", "198.51.100.9")
    assert [(line["event"], line["address"], line["tries"]) for line in lines] == [
        ("sign-in refused", "192.0.2.1", 1),
        ("sign-in refused", "198.51.100.9", BURST + 5),
    ]
    assert "guess" not in str(lines)
    assert door.refused.counts == {("bearer", "wrong"): BURST + 1, ("bearer", "throttled"): 5}
