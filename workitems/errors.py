"""The errors that cross a border between packages. Each answers one question: does trying again help?"""


class TubepostError(Exception):
    """Whatever we raise on purpose. `permanent` says that trying again without a change will fail again."""

    permanent = False


class SettingsError(TubepostError):
    """A setting is missing, misspelt or wrong; the message names it and what is accepted, never a secret."""

    permanent = True


class StoreUnavailableError(TubepostError):
    """Redis is away, loading, full or read-only. Nothing was changed; the caller waits or refuses."""


class DecodeError(TubepostError):
    """A stored record cannot be understood. Carries the bytes that were found; a log may tell their length."""

    permanent = True

    def __init__(self, message: str, raw: bytes | str = b"") -> None:
        super().__init__(message)
        self.raw = raw


class IntakeFullError(TubepostError):
    """The intake holds as many mails as it may; the mailbox or the sender is the buffer until it empties."""


class LeaseLostError(TubepostError):
    """Another worker holds this mailbox now; the step was refused and nothing was written."""


class ConflictError(TubepostError):
    """Somebody was faster: the item is at another version than the change was made for."""

    permanent = True


class NotFoundError(TubepostError):
    """No such item, or it was removed."""

    permanent = True


class NoLongerKeptError(NotFoundError):
    """The raw mail was kept for as long as the settings say; what was read from it is still there."""


class InvalidChangeError(TubepostError):
    """A change asks for something that is not accepted; `field` names the part of it."""

    permanent = True

    def __init__(self, message: str, field: str | None = None) -> None:
        super().__init__(message)
        self.field = field
