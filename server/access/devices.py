"""Browsers that people have signed in with before, known by a signed cookie that lasts (OWASP: device cookies).

A known device has tries of its own, so that strangers who guess a person's password cannot lock that person out.
"""

from dataclasses import dataclass
from secrets import token_hex

from tornado.web import create_signed_value, decode_signed_value

DEVICE_COOKIE = "tubepost_device"

#: Days that a device is known after a sign-in; browsers keep no cookie longer than 400.
DEVICE_DAYS = 400

#: People of one device at most, such as of a computer that a team shares; the latest stay.
MAX_PEOPLE = 5


@dataclass(frozen=True, slots=True)
class Device:
    """A browser: a random id, and the people who have signed in with it, the latest first."""

    id: str
    people: tuple[str, ...] = ()

    def with_person(self, person: str) -> "Device":
        """Return this device after *person* signed in."""
        others = (each for each in self.people if each != person)
        return Device(self.id, (person, *others)[:MAX_PEOPLE])


def new_device() -> Device:
    """Return a device that nobody has signed in with."""
    return Device(token_hex(16))


def sign_device(secret: bytes, device: Device) -> str:
    """Return the value of the device's cookie."""
    return create_signed_value(secret, DEVICE_COOKIE, "\n".join((device.id, *device.people))).decode()


def read_device(secret: bytes, cookie: str) -> Device | None:
    """Return the device of a cookie's value; None if it is not ours or too old."""
    value = decode_signed_value(secret, DEVICE_COOKIE, cookie, max_age_days=DEVICE_DAYS, min_version=2)
    if value is None:
        return None
    device_id, *people = value.decode("utf-8", "replace").split("\n")
    return Device(device_id, tuple(people[:MAX_PEOPLE]))
