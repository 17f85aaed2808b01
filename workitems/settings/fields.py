"""Field rules: what to look for in a mail."""

from collections.abc import Iterator
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, ValidationInfo, field_validator
from pydantic import model_validator as after_all

from workitems.settings.section import Section, as_tuple, matching

FieldType = Literal["text", "reference", "name", "date", "datetime", "money", "number", "phone", "email", "table"]


Label = Annotated[str, matching(r"(?s)(?=.*\S).{1,100}", "1 to 100 characters, not all blank")]


class ReadingSettings(Section):
    """How mail is read."""

    #: Whether the general fields are read beside those of the rules.
    general: bool = True


class FieldWay(Section):
    """One way to find a field: behind its labels, by its pattern, in all mailboxes or in those named."""

    labels: Annotated[tuple[Label, ...], BeforeValidator(as_tuple), Field(max_length=100)] = ()
    pattern: Annotated[str, matching("(?s).{1,1000}", "1 to 1000 characters")] | None = None
    labels_only: bool | None = None
    order: Literal["DMY", "MDY", "YMD"] | None = None
    region: Annotated[str, matching("[A-Z]{2}", "two capital letters such as US (ISO 3166)")] | None = None
    currency: Annotated[str, matching("[A-Z]{3}", "three capital letters such as USD (ISO 4217)")] | None = None
    mailboxes: Annotated[tuple[str, ...], BeforeValidator(as_tuple)] = ()

    @field_validator("pattern")
    @classmethod
    def _is_re2(cls, pattern: str | None, info: ValidationInfo) -> str | None:
        if pattern is not None and (info.context or {}).get("compiles", True):
            import re2  # an extension of 2 MB that only those who have patterns need

            options = re2.Options()
            options.log_errors = False  # it would write to standard error beside our sentence
            try:
                re2.compile(pattern, options)
            except re2.error as error:
                why = error.args[0].decode(errors="replace") if isinstance(error.args[0], bytes) else error
                raise ValueError(f"not a pattern that RE2 accepts: {why}") from None
        return pattern

    @after_all(mode="after")
    def _has_labels_or_pattern(self) -> "FieldWay":
        if not self.finds:
            raise ValueError("set labels, pattern or both")
        if self.labels_only and not self.labels:
            raise ValueError("labels_only needs labels")
        return self

    @property
    def finds(self) -> bool:
        """Whether there is something to look for."""
        return bool(self.labels) or self.pattern is not None

    def rule(self) -> dict[str, Any]:
        """Return what is set, as a part of an encoded rule."""
        return self.model_dump(mode="json", include=set(FieldWay.model_fields) - {"mailboxes"}, exclude_none=True)


class FieldSettings(FieldWay):
    """A rule that extracts one field of a mail; `worker.reading.fields.rules` says how it is used."""

    type: FieldType = "text"
    required: bool = False
    show: Annotated[int, Field(ge=1, le=3)] | None = None
    due: bool = False
    also: tuple[FieldWay, ...] = ()

    @property
    def finds(self) -> bool:
        return super().finds or bool(self.also)

    @property
    def all_mailboxes(self) -> tuple[str, ...]:
        """All mailboxes that it names."""
        return (*self.mailboxes, *(name for way in self.also for name in way.mailboxes))

    @after_all(mode="after")
    def _fits_its_type(self) -> "FieldSettings":
        if self.type == "table" and not (self.labels and all(way.labels for way in self.also)):
            raise ValueError("a table needs labels: a header cell or a caption of it")
        if self.due and self.type not in ("date", "datetime"):
            raise ValueError(f"due needs the type date or datetime, found {self.type}")
        return self

    def rules(self, mailbox: str) -> Iterator[dict[str, Any]]:
        """Return the encoded rules of this field for a mailbox, without its name: one for each way that applies.

        A way of `also` has the order, region and currency of the field, if it sets none, and its mailboxes.
        """
        common = self.model_dump(mode="json", include={"type", "required", "show", "due"})
        shared = self.model_dump(mode="json", include={"order", "region", "currency"}, exclude_none=True)
        if super().finds and _applies(self.mailboxes, mailbox):
            yield common | self.rule()
        for way in self.also:
            if _applies(way.mailboxes or self.mailboxes, mailbox):
                yield common | shared | way.rule()


def _applies(mailboxes: tuple[str, ...], mailbox: str) -> bool:
    return not mailboxes or mailbox in mailboxes
