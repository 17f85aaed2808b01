"""The errors that one package raises and another handles. Each says whether another try can help."""


class TubepostError(Exception):
    """An error that we raise on purpose. `permanent`: another try without a change fails again."""

    permanent = False


class SettingsError(TubepostError):
    """A setting is missing, misspelt or wrong. The message names it and what is accepted, never a secret."""

    permanent = True


class StoreError(TubepostError):
    """Redis or the disk did not do what it was asked. An endless loop waits and tries again, whatever the reason."""


class StoreUnavailableError(StoreError):
    """Redis is unavailable, loading, full, read-only or refuses us. The caller waits or refuses."""


class StoreCommandError(StoreError):
    """Redis found a command of ours wrong: a fault of the program, or foreign data under one of our keys."""

    permanent = True


class StoreUnsafeError(StoreUnavailableError):
    """Redis answers but would lose what it is given. The message has what a person can do, too.

    `reason` says why without addresses, for answers to strangers.
    """

    def __init__(self, message: str, reason: str) -> None:
        super().__init__(message)
        self.reason = reason


class MailStoreUnavailableError(StoreUnavailableError):
    """The mail store's disk is absent, full or broken. `reason` says it without a path, for answers to strangers."""

    def __init__(self, message: str, reason: str) -> None:
        super().__init__(message)
        self.reason = reason


class RestoreIncompleteError(MailStoreUnavailableError):
    """A backup is being restored, or its restore was interrupted: Redis and the mail store have a part of it."""


class UnreadableStoreIdError(MailStoreUnavailableError):
    """Redis has something else where the id of the mail store is; `advice` is a sentence for people."""

    def __init__(self, message: str, advice: str) -> None:
        super().__init__(f"{message}. {advice}.", "Redis does not say which mail store is the right one")
        self.short_message, self.advice = message, advice


class DecodeError(TubepostError):
    """A stored record cannot be decoded. It has the bytes that were found; a log may only show their length."""

    permanent = True

    def __init__(self, message: str, raw: bytes | str = b"") -> None:
        super().__init__(message)
        self.raw = raw


class IntakeFullError(TubepostError):
    """The intake is full. The mail stays in its mailbox or with its sender until there is space."""


class LeaseLostError(TubepostError):
    """Another worker has the lease of this mailbox now; the call was refused and nothing was written."""


class ConflictError(TubepostError):
    """Another person was faster: the item has another version than the change was made for."""

    permanent = True


class NotFoundError(TubepostError):
    """No such item, or it was removed."""

    permanent = True


class NoLongerKeptError(NotFoundError):
    """The raw mail was removed for its age, as the settings say. What was read from it is still there."""


class BackupError(TubepostError):
    """A backup cannot be made, is damaged, or cannot be restored here. The message says what to do."""

    permanent = True


class InvalidChangeError(TubepostError):
    """A change has a value that is not accepted; `field` names it."""

    permanent = True

    def __init__(self, message: str, field: str | None = None) -> None:
        super().__init__(message)
        self.field = field
