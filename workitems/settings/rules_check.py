"""Checks field rules that somebody sends, as the settings file's are checked."""

from typing import Any

from pydantic import ValidationError

from workitems.base.errors import InvalidChangeError
from workitems.settings.fields import FieldSettings
from workitems.settings.load import describe_errors
from workitems.settings.root import Settings

#: Fields, and ways to find them (a field and each of its `also`), that may be sent: each way can have a pattern.
MAX_FIELDS, MAX_WAYS = 100, 200

#: Wrong settings that an error names at most.
_MAX_ERRORS = 10


def check_rules(tables: Any, *, compiles: bool = True) -> dict[str, FieldSettings]:
    """Return the rules in *tables*: what `[fields]` of the settings file would have, by name.

    Without *compiles* the patterns are not looked at, which RE2 compiles for up to a second each.
    Raises InvalidChangeError with the sentences that the settings file would get; its field is the first wrong one.
    """
    _check_size(tables)
    try:
        return Settings.model_validate({"fields": tables}, context={"compiles": compiles}).fields
    except ValidationError as error:
        first = ".".join(str(part) for part in error.errors(include_url=False)[0]["loc"])
        sentences = describe_errors(error).splitlines()
        raise InvalidChangeError(
            "\n".join(sentences[:_MAX_ERRORS]), first.replace("fields", "rules", 1)[:200]
        ) from None


def _check_size(tables: Any) -> None:
    fields = list(tables.values()) if isinstance(tables, dict) else []
    lists = [field.get("also") for field in fields if isinstance(field, dict)]
    ways = len(fields) + sum(len(each) for each in lists if isinstance(each, (list, tuple)))
    if len(fields) > MAX_FIELDS or ways > MAX_WAYS:
        message = f"at most {MAX_FIELDS} fields with {MAX_WAYS} ways to find them (`also` included) are accepted"
        raise InvalidChangeError(message, "rules")
