"""A rule that cuts one field out of a mail."""

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, field_validator
from pydantic import model_validator as after_all

from workitems.settings.section import Section, as_tuple, shaped

FieldType = Literal["text", "reference", "name", "date", "datetime", "money", "number", "phone", "email", "table"]


Label = Annotated[str, shaped(r"(?s)(?=.*\S).{1,100}", "1 to 100 characters, not all blank")]


class FieldSettings(Section):
    """A rule that cuts one field out of a mail; `worker.reading.rules` says how it is used."""

    labels: Annotated[tuple[Label, ...], BeforeValidator(as_tuple), Field(max_length=100)] = ()
    pattern: Annotated[str, shaped("(?s).{1,1000}", "1 to 1000 characters")] | None = None
    type: FieldType = "text"
    order: Literal["DMY", "MDY", "YMD"] | None = None
    region: Annotated[str, shaped("[A-Z]{2}", "two capital letters such as US (ISO 3166)")] | None = None
    currency: Annotated[str, shaped("[A-Z]{3}", "three capital letters such as USD (ISO 4217)")] | None = None
    mailboxes: tuple[str, ...] = ()
    required: bool = False

    @field_validator("pattern")
    @classmethod
    def _is_re2(cls, pattern: str | None) -> str | None:
        if pattern is not None:
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
    def _finds_something(self) -> "FieldSettings":
        if not self.labels and self.pattern is None:
            raise ValueError("set labels, pattern or both")
        if self.type == "table" and not self.labels:
            raise ValueError("a table needs labels: a header cell or a caption of it")
        return self
