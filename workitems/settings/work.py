"""Mail on its way in, its reading, and how long it is kept; and the demonstration."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, SecretStr
from pydantic import model_validator as after_all

from workitems.settings.section import Section, plain_name, read_secret, shaped


class IntakeSettings(Section):
    """Mail on its way in."""

    #: Mails that may wait to be read; beyond it pollers pause and the endpoint answers 503.
    most: int = Field(50_000, ge=1)
    #: Bytes of a mail that is taken whole; above it the headers alone are read.
    largest: int = Field(50 * 1024 * 1024, ge=64 * 1024)
    #: The mailbox under which posted mail is filed when its sender names none.
    mailbox: Annotated[str, AfterValidator(plain_name)] = "intake"


class WorkerSettings(Section):
    """Reading mail."""

    #: Stable name of this worker's consumer. None: host and supervisord process name.
    name: Annotated[str, shaped(r"[A-Za-z0-9_.:-]{1,80}", "1 to 80 of A-Z, a-z, 0-9, _ . : and -")] | None = None
    #: Child processes that read mail, besides one for mail that failed before.
    readers: int = Field(2, ge=1, le=32)
    #: Seconds that a mail which failed before may take.
    read_seconds: float = Field(20.0, gt=0, le=600)
    #: Bytes of memory that a reading child may use.
    read_memory: int = Field(1024**3, ge=256 * 1024**2)
    #: Seconds after which another worker's abandoned mail is taken over.
    abandoned: float = Field(60.0, ge=1)
    #: Seconds after which the mailbox of a worker that is gone is taken over by another.
    lease: float = Field(25.0, ge=2, le=300)


class SourceSettings(Section):
    """A service that posts mail to `/api/email/intake/<name>` in a form of its own, and how it proves who it is."""

    kind: Literal["mailgun", "sendgrid", "postmark", "ses"]
    #: The mailbox under which its mail is filed.
    mailbox: Annotated[str, AfterValidator(plain_name)]
    #: mailgun: the webhook signing key. sendgrid and postmark: the password in the address that they post to.
    secret: SecretStr | None = None
    secret_file: Path | None = None
    #: sendgrid and postmark: the user in that address.
    user: str = "tubepost"
    #: ses: the SNS topics that are believed, as ARNs.
    topics: tuple[str, ...] = ()
    #: mailgun and ses: seconds for which a signature is good. None: as long as its service tries again, 8 hours and 1
    #: hour, and a bit more. A replay is no danger meanwhile: a token is good for one mail, and a mail comes in once.
    window: float | None = Field(None, ge=10, le=86400)

    @after_all(mode="after")
    def _can_prove_itself(self) -> "SourceSettings":
        if self.kind == "ses":
            if not self.topics or self.secret is not None or self.secret_file is not None:
                raise ValueError("ses is known by its topics: set topics, and neither secret nor secret_file")
        elif (self.secret is None) == (self.secret_file is None) or self.topics:
            raise ValueError("set exactly one of secret and secret_file; topics are for ses")
        return self

    def good_for(self) -> float:
        """Seconds for which a signature is good."""
        return self.window or {"mailgun": 9 * 3600.0}.get(self.kind, 3900.0)

    def password(self) -> str:
        """The secret that is shared with the service. SettingsError when its file cannot be read."""
        return read_secret(self.secret, self.secret_file, "secret_file")


class RetentionSettings(Section):
    """How long mail and items are kept, in days; 0: for ever."""

    #: Items that are done or dismissed are removed this long after they were closed, with all that came with them.
    keep_days: float = Field(0.0, ge=0, le=36500)
    #: Raw mail of items that stay is removed this long after it came; its text, fields and files stay.
    keep_raw_days: float = Field(0.0, ge=0, le=36500)


class DemoSettings(Section):
    """The demonstration: a mailbox of its own and letters that arrive in it. `run.py demo` switches it on."""

    enabled: bool = False
    #: Letters a minute, 0 = none.
    rate: float = Field(12.0, ge=0, le=6000)
