"""Settings of the intake, the sources, the workers, the retention and the demo."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, Field
from pydantic import model_validator as after_all

from workitems.settings.section import ProcessName, Secret, Section, check_name, read_own_secret


class IntakeSettings(Section):
    """The intake."""

    #: Mails that may wait to be read; with more, pollers pause and uploads get 503.
    max_waiting: int = Field(50_000, ge=1)
    #: Bytes of a mail that is taken whole; of a larger one only the headers are read.
    max_mail_bytes: int = Field(50 * 1024 * 1024, ge=64 * 1024)
    #: The mailbox of uploads that name none.
    default_mailbox: Annotated[str, AfterValidator(check_name)] = "intake"


class WorkerSettings(Section):
    """The workers."""

    #: Stable name of this worker's consumer. None: host and supervisord process name.
    name: ProcessName | None = None
    #: Child processes that read mail, and as many more for mail that takes long or failed before.
    reading_children: int = Field(2, ge=1, le=32)
    #: Seconds that a mail which takes long or failed before may take.
    retry_read_seconds: float = Field(20.0, gt=0, le=600)
    #: Bytes of memory that a reading child may use.
    read_memory_bytes: int = Field(1024**3, ge=256 * 1024**2)
    #: Seconds after which mail that another worker took and abandoned is taken over.
    abandoned_after_seconds: float = Field(60.0, ge=1)
    #: Seconds after which another worker takes over the mailbox of a worker that is gone.
    lease_seconds: float = Field(25.0, ge=2, le=300)


class SourceSettings(Section):
    """A service that posts mail to `/api/email/intake/<name>` in its own format, and how it is authenticated."""

    kind: Literal["mailgun", "sendgrid", "postmark", "ses"]
    #: The mailbox of its mail.
    mailbox: Annotated[str, AfterValidator(check_name)]
    #: mailgun: the webhook signing key. sendgrid and postmark: the password in the address that they post to.
    secret: Secret | None = None
    secret_file: Path | None = None
    #: sendgrid and postmark: the user in the address that they post to.
    user: str = "tubepost"
    #: ses: the SNS topics that are accepted, as ARNs.
    topics: tuple[str, ...] = ()
    #: mailgun and ses: seconds for which a signature is valid. None: as long as the service retries, 8 hours and 1
    #: hour, and a bit more. A replay does no harm: a token is valid for one mail, and a mail is taken once.
    signature_seconds: float | None = Field(None, ge=10, le=86400)

    @after_all(mode="after")
    def _has_its_credentials(self) -> "SourceSettings":
        if self.kind == "ses":
            if not self.topics or self.secret is not None or self.secret_file is not None:
                raise ValueError("ses is authenticated by its topics: set topics, and neither secret nor secret_file")
        elif (self.secret is None) == (self.secret_file is None) or self.topics:
            raise ValueError("set exactly one of secret and secret_file; topics are for ses")
        return self

    def signature_lifetime(self) -> float:
        """Return the seconds for which a signature is valid."""
        return self.signature_seconds or {"mailgun": 9 * 3600.0}.get(self.kind, 3900.0)

    def shared_secret(self) -> str:
        """Return the secret that is shared with the service. SettingsError when its file cannot be used."""
        return read_own_secret(self.secret, self.secret_file, "secret")


class RetentionSettings(Section):
    """How long mail and items are kept, in days; 0 = for ever."""

    #: Closed items are removed this long after they were closed, with all that belongs to them.
    keep_days: float = Field(0.0, ge=0, le=36500)
    #: Raw mail of items that stay is removed this long after it came; its text, fields and attachments stay.
    keep_raw_days: float = Field(0.0, ge=0, le=36500)


class DemoSettings(Section):
    """The demo: its own mailbox and mail that arrives in it. `run.py demo` switches it on."""

    enabled: bool = False
    #: Letters a minute, 0 = none.
    rate: float = Field(12.0, ge=0, le=6000)
