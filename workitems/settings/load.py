"""Read the settings from `tubepost.toml` and from `TUBEPOST_<SECTION>__<NAME>` in the environment, which wins.

Each wrong, misspelt or missing setting stops the start with one sentence: its name, what was found (never a secret)
and what is accepted.
"""

import os
import re
import tomllib
from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any, get_args, get_origin

from pydantic import ValidationError

from workitems.base.errors import SettingsError
from workitems.settings import Section, Settings

#: Environment variables of ours that are no settings.
OUTSIDE = {"TUBEPOST_CONFIG", "TUBEPOST_FAILPOINT", "TUBEPOST_PROCESS"}

#: Values of settings whose names contain one of these words are never shown; a URL may contain a password.
_SECRET_WORDS = ("password", "secret", "token", "url", "key")

#: Former names of settings → their present names, where no comparison of the words finds them.
_FORMER_NAMES = {
    "most": ("max_streams", "max_waiting"),
    "most_user": ("max_streams_per_user",),
    "most_address": ("max_streams_per_address",),
    "history": ("max_feed_events",),
    "buffer": ("max_queued_bytes",),
    "largest": ("max_mail_bytes",),
    "readers": ("reading_children",),
    "when": ("after_action_on",),
    "window": ("signature_seconds",),
}

#: Pydantic's kinds of errors → what is accepted, in plainer words than the library's.
_ACCEPTED = {
    "int_parsing": "must be a whole number",
    "int_type": "must be a whole number",
    "float_parsing": "must be a number",
    "float_type": "must be a number",
    "bool_parsing": "must be true or false",
    "bool_type": "must be true or false",
    "string_type": "must be text",
    "path_type": "must be text: the path of a file or folder",
    "tuple_type": "must be a list",
    "too_short": "must not be empty",
}


def load_settings(environ: Mapping[str, str] = os.environ, *, file: Path | None = None) -> Settings:
    """Read the file (*file*, which the option `--config` names; or `TUBEPOST_CONFIG`; or `tubepost.toml` if it exists)
    and the environment.

    Raises SettingsError with a line for each thing that is wrong.
    """
    named_by = "--config" if file is not None else "TUBEPOST_CONFIG" if environ.get("TUBEPOST_CONFIG") else ""
    data = _read_file(file or settings_file(environ), named_by)
    where = _merge_environment(data, environ)
    try:
        return Settings.model_validate(data)
    except ValidationError as error:
        raise SettingsError(describe_errors(error, where)) from None


def describe_errors(error: ValidationError, where: Mapping[str, str] | None = None) -> str:
    """Return a line for each thing that is wrong; *where*: dotted setting → the variable that it came from."""
    details = error.errors(include_url=False, include_context=True)
    return "\n".join(_sentence(detail, where or {}) for detail in details)


def settings_file(environ: Mapping[str, str] = os.environ) -> Path:
    """Return the path of the file, which need not exist."""
    return Path(environ.get("TUBEPOST_CONFIG") or "tubepost.toml")


def _read_file(path: Path, named_by: str) -> dict[str, Any]:
    """Return the values in the file; without it nothing, unless it was *named_by* an option or a variable."""
    try:
        return tomllib.loads(path.read_text(encoding="utf-8-sig"))  # editors on Windows write a byte order mark
    except FileNotFoundError:
        if named_by:
            raise SettingsError(f"{path}: there is no such file; {named_by} names it") from None
        return {}
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(f"{path}: not valid TOML: {str(error).splitlines()[0]}") from None
    except RecursionError:
        raise SettingsError(f"{path}: not accepted: its lists or tables are too deep in each other") from None
    except OSError as error:
        raise SettingsError(f"{path} cannot be read: {error.strerror}") from None


def _merge_environment(data: dict[str, Any], environ: Mapping[str, str]) -> dict[str, str]:
    """Set `TUBEPOST_A__B=value` in *data*; return which dotted setting came from which variable."""
    where: dict[str, str] = {}
    for variable in sorted(name for name in environ if name.startswith("TUBEPOST_") and name not in OUTSIDE):
        path = variable.removeprefix("TUBEPOST_").lower().split("__")
        if path[0] not in Settings.model_fields:
            if any(path[0].startswith(f"{section}_") for section in Settings.model_fields):
                raise SettingsError(
                    f"{variable}: no such setting; its parts are joined by __, as in TUBEPOST_REDIS__URL"
                )
            raise SettingsError(f"{variable}: no such setting{_suggest(path[0], Settings.model_fields)}")
        table = data
        for part in path[:-1]:
            table = table.setdefault(part, {})
            if not isinstance(table, dict):
                raise SettingsError(f"{variable}: {part} is a value, not a table of settings")
        table[path[-1]] = _parse(environ[variable], path)
        where[".".join(path)] = variable
    return where


def _parse(text: str, path: list[str]) -> Any:
    """Split a list, which the environment writes with commas; all else is text for the setting's own type."""
    if get_origin(_type_of(path)) is not tuple:
        return text
    return [part.strip() for part in text.split(",") if part.strip()]


def _sentence(detail: Any, where: Mapping[str, str]) -> str:
    path = [str(part) for part in detail["loc"]]
    name = ".".join(path) or "settings"
    shown = f"{where[name]} ({name})" if name in where else name
    if detail["type"] == "extra_forbidden":
        return f"{shown}: no such setting{_suggest(path[-1], _type_of(path[:-1]).model_fields)}"
    if detail["type"] == "missing":
        return f"{shown}: must be set"
    if detail["type"] in ("model_type", "dict_type"):
        example = f", such as [{path[0]}.orders]" if path[0] in ("mailboxes", "sources", "fields") else ""
        return f"{shown}: must be a table of settings{example}"  # the value may be an address with a password
    message = _ACCEPTED.get(detail["type"]) or detail["msg"].removeprefix("Value error, ")
    message = re.sub("^Input should be ", "must be ", message)
    found = detail.get("input")
    secret = any(word in path[-1] for word in _SECRET_WORDS if path) or "://" in str(found)
    seen = f", found {found!r:.80}" if isinstance(found, str | int | float) and not secret else ""
    return f"{shown}: {message}{seen}"


def _type_of(path: list[str]) -> Any:
    """Return the type of the setting or table at *path*; None when there is no such setting."""
    found: Any = Settings
    for part in path:
        if get_origin(found) is dict:  # names of mailboxes, sources and fields are the operator's own
            found = get_args(found)[1]
        elif get_origin(found) is tuple and part.isdecimal():
            found = get_args(found)[0]
        elif isinstance(found, type) and issubclass(found, Section) and part in found.model_fields:
            found = found.model_fields[part].annotation
        else:
            return None
    return found


def _suggest(name: str, accepted: Iterable[str]) -> str:
    """Say which of *accepted* was probably meant by *name*, or list them all."""
    names = list(accepted)
    former = [each for each in _FORMER_NAMES.get(name, ()) if each in names]
    longer = sorted((each for each in names if name in each.split("_")), key=len)
    close = [*former, *get_close_matches(name, names, n=1, cutoff=0.8), *longer, *get_close_matches(name, names, n=1)]
    return f"; did you mean {close[0]}?" if close else f"; accepted here: {', '.join(sorted(names))}"
