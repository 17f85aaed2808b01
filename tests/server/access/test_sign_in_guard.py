"""Guesses of passwords are slowed down, and no stranger locks a person out."""

import pytest

from server.access.devices import DEVICE_DAYS, MAX_PEOPLE, Device, new_device, read_device, sign_device
from server.access.rate_limit import MAX_NAMES, TooManyTriesError
from server.access.refused_tries import RefusedTries
from server.access.sign_in_guard import SignInGuard

SECRET = b"a secret of sixteen and more"


class Form:
    """A sign-in form with a clock that stands still."""

    def __init__(self) -> None:
        self.now = 0.0
        self.refused = RefusedTries(lambda: self.now)
        self.guard = SignInGuard(self.refused, lambda: self.now)

    def attempt(
        self, address: str, *, right: bool = False, person: str = "user:ann", device: Device | None = None
    ) -> str:
        """Return what becomes of a try: `in`, `wrong` or `wait`."""
        try:
            with self.guard.trying(person, address, device) as attempt:
                attempt.is_right = right
        except TooManyTriesError:
            return "wait"
        return "in" if right else "wrong"

    def guess_from_everywhere(self, person: str = "user:ann", *, networks: int = 300) -> list[str]:
        return [self.attempt(f"198.51.{n >> 8}.{n & 255}", person=person) for n in range(networks)]


@pytest.fixture
def form() -> Form:
    return Form()


def test_24_wrong_passwords_from_four_addresses_lock_nobody_out(form: Form) -> None:
    for n in range(24):
        assert form.attempt(f"192.0.2.{n % 4}") == "wrong"
    assert form.attempt("203.0.113.7", right=True) == "in"


def test_a_network_that_guesses_one_persons_password_must_wait_for_this_person_only(form: Form) -> None:
    assert [form.attempt("192.0.2.1") for _ in range(11)] == ["wrong"] * 10 + ["wait"]
    assert form.attempt("192.0.2.1", right=True) == "wait"
    assert form.attempt("192.0.2.1", right=True, person="user:bob") == "in"
    form.now += 10
    assert form.attempt("192.0.2.1", right=True) == "in"


def test_a_network_that_tries_many_people_must_wait(form: Form) -> None:
    tried = [form.attempt("192.0.2.1", person=f"user:{n}") for n in range(21)]
    assert tried == ["wrong"] * 20 + ["wait"]
    assert form.attempt("192.0.2.2", person="user:60") == "wrong"


def test_guesses_from_many_networks_are_slowed_down_and_a_known_device_is_not(form: Form) -> None:
    device = new_device().with_person("user:ann")
    assert form.guess_from_everywhere().count("wrong") == 100
    assert form.attempt("203.0.113.7", right=True) == "wait"  # a stranger to us, even with the right password
    assert form.attempt("203.0.113.7", right=True, device=device) == "in"
    assert form.attempt("203.0.113.7", right=True, person="user:bob") == "in"
    form.now += 10
    assert form.attempt("203.0.113.7", right=True) == "in"


def test_a_known_device_has_as_many_tries_as_a_network_and_is_known_for_its_people_only(form: Form) -> None:
    device = new_device().with_person("user:ann")
    assert [form.attempt("192.0.2.1", device=device) for _ in range(11)] == ["wrong"] * 10 + ["wait"]
    assert form.attempt("192.0.2.1", right=True) == "in"  # its tries are not those of its network
    form.guess_from_everywhere("user:bob")
    assert form.attempt("203.0.113.7", right=True, person="user:bob", device=device) == "wait"


def test_right_passwords_and_undecided_tries_do_not_count(form: Form) -> None:
    assert {form.attempt("192.0.2.1", right=True) for _ in range(500)} == {"in"}
    for _ in range(200):
        with pytest.raises(OSError), form.guard.trying("user:ann", "192.0.2.1", None):
            raise OSError
    assert form.attempt("192.0.2.1") == "wrong"


def test_a_try_that_must_wait_counts_nowhere(form: Form) -> None:
    for _ in range(500):
        form.attempt("192.0.2.1")
    assert form.attempt("192.0.2.1", person="user:bob") == "wrong"
    assert form.attempt("192.0.2.2") == "wrong"
    assert form.refused.counts == {("password", "wrong"): 12, ("password", "throttled"): 490}


def test_a_network_that_must_wait_makes_no_wrong_tries_of_others_forgotten(form: Form) -> None:
    assert {form.attempt("203.0.113.7") for _ in range(10)} == {"wrong"}
    for n in range(MAX_NAMES + 100):
        form.attempt("192.0.2.1", person=f"user:{n}")
    assert form.attempt("203.0.113.7") == "wait"


def test_tries_that_do_not_count_make_no_wrong_tries_of_others_forgotten(form: Form) -> None:
    assert {form.attempt("203.0.113.7") for _ in range(10)} == {"wrong"}
    for n in range(MAX_NAMES + 100):
        with pytest.raises(OSError), form.guard.trying(f"user:{n}", "192.0.2.1", None):
            raise OSError
    assert form.attempt("203.0.113.7") == "wait"


def test_an_ipv4_caller_is_one_network_however_it_is_written_and_no_other_is_in_it(form: Form) -> None:
    for address in ("192.0.2.1", "::ffff:192.0.2.1"):
        assert {form.attempt(address) for _ in range(5)} == {"wrong"}
    assert form.attempt("::ffff:c000:201") == "wait"
    assert form.attempt("::ffff:192.0.2.2") == "wrong"
    for _ in range(10):
        form.attempt("64:ff9b::8.8.8.8", person="user:bob")
    assert form.attempt("8.8.8.8", person="user:bob") == "wait"
    assert form.attempt("64:ff9b::8.8.4.4", person="user:bob") == "wrong"
    assert form.attempt("64:ff9b::10.0.0.1", person="user:bob") == "wrong"


def test_an_ipv6_caller_is_its_whole_64(form: Form) -> None:
    assert {form.attempt(f"2001:db8::{n}") for n in range(1, 11)} == {"wrong"}
    assert form.attempt("2001:db8::ffff:1") == "wait"
    assert form.attempt("2001:db8:0:1::1") == "wrong"


def test_a_device_is_proven_by_our_signature_and_remembers_the_latest_people() -> None:
    device = new_device()
    for n in (*range(MAX_PEOPLE + 2), 3):
        device = device.with_person(f"user:{n}")
    assert device.people == ("user:3", "user:6", "user:5", "user:4", "user:2")
    cookie = sign_device(SECRET, device)
    assert read_device(SECRET, cookie) == device
    for forged in (sign_device(b"another secret", device), cookie[:-1], "x", "", cookie.replace("|", "", 1)):
        assert read_device(SECRET, forged) is None
    assert DEVICE_DAYS <= 400
