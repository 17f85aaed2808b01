"""Reads `tubepost.toml`, with `TUBEPOST_<SECTION>__<NAME>` in the environment winning over it.

A wrong, misspelt or missing setting stops the start with one sentence each: its name, what was found (never a secret)
and what is accepted.
"""

import os
import re
import tomllib
from collections.abc import Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any, get_args, get_origin

from pydantic import ValidationError

from workitems.errors import SettingsError
from workitems.settings import Settings

#: Environment names that are ours but no setting.
OUTSIDE = {"TUBEPOST_CONFIG", "TUBEPOST_FAILPOINT", "TUBEPOST_PROCESS"}

#: Values of settings whose names hold one of these words are never shown; a URL may carry a password.
_SECRET_WORDS = ("password", "secret", "token", "url", "key")

#: Settings that are lists; in the environment their parts are joined by commas.
_LISTS = {"origins", "proxies", "labels", "mailboxes", "folder", "topics"}

#: Kinds of mistakes → what is accepted, in plainer words than the library's.
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


def load(environ: Mapping[str, str] = os.environ, *, file: Path | None = None) -> Settings:
    """Read the file (`TUBEPOST_CONFIG`, else `tubepost.toml` where there is one) and the environment.

    Raises SettingsError with a line for each thing that is wrong.
    """
    named = file or (Path(environ["TUBEPOST_CONFIG"]) if environ.get("TUBEPOST_CONFIG") else None)
    data = _read_file(named or Path("tubepost.toml"), must_exist=named is not None)
    where = _merge_environment(data, environ)
    try:
        return Settings.model_validate(data)
    except ValidationError as error:
        lines = [_sentence(detail, where) for detail in error.errors(include_url=False, include_context=True)]
        raise SettingsError("\n".join(lines)) from None


def _read_file(path: Path, *, must_exist: bool) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8-sig"))  # editors of Windows begin with a byte order mark
    except FileNotFoundError:
        if must_exist:
            raise SettingsError(f"{path}: there is no such file; TUBEPOST_CONFIG names it") from None
        return {}
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(f"{path}: not valid TOML: {str(error).splitlines()[0]}") from None
    except OSError as error:
        raise SettingsError(f"{path} cannot be read: {error.strerror}") from None


def _merge_environment(data: dict[str, Any], environ: Mapping[str, str]) -> dict[str, str]:
    """Lay `TUBEPOST_A__B=value` over *data*; answers which dotted setting came from which variable."""
    where: dict[str, str] = {}
    for variable in sorted(name for name in environ if name.startswith("TUBEPOST_") and name not in OUTSIDE):
        path = variable.removeprefix("TUBEPOST_").lower().split("__")
        if path[0] not in Settings.model_fields:
            if any(path[0].startswith(f"{section}_") for section in Settings.model_fields):
                raise SettingsError(
                    f"{variable}: no such setting; its parts are joined by __, as in TUBEPOST_REDIS__URL"
                )
            raise SettingsError(f"{variable}: no such setting{_meant(path[0], Settings.model_fields)}")
        table = data
        for part in path[:-1]:
            table = table.setdefault(part, {})
            if not isinstance(table, dict):
                raise SettingsError(f"{variable}: {part} is a value, not a table of settings")
        table[path[-1]] = _plain(environ[variable], path)
        where[".".join(path)] = variable
    return where


def _plain(text: str, path: list[str]) -> Any:
    """Lists are written with commas in the environment; everything else is text for the setting's own type."""
    return [part.strip() for part in text.split(",") if part.strip()] if path[-1] in _LISTS else text


def _sentence(detail: Any, where: dict[str, str]) -> str:
    path = [str(part) for part in detail["loc"]]
    name = ".".join(path) or "settings"
    shown = f"{where[name]} ({name})" if name in where else name
    if detail["type"] == "extra_forbidden":
        return f"{shown}: no such setting{_meant(path[-1], _accepted(path[:-1]))}"
    if detail["type"] == "missing":
        return f"{shown}: must be set"
    if detail["type"] in ("model_type", "dict_type"):
        example = f", such as [{path[0]}.orders]" if path[0] in ("mailboxes", "sources", "fields") else ""
        return f"{shown}: must be a table of settings{example}"  # what stands there may be an address with its password
    message = _ACCEPTED.get(detail["type"]) or detail["msg"].removeprefix("Value error, ")
    message = re.sub("^Input should be ", "must be ", message)
    found = detail.get("input")
    secret = any(word in path[-1] for word in _SECRET_WORDS if path) or "://" in str(found)
    seen = f", found {found!r:.80}" if isinstance(found, str | int | float) and not secret else ""
    return f"{shown}: {message}{seen}"


def _accepted(path: list[str]) -> list[str]:
    """Names that the table at *path* accepts. Names of mailboxes and fields are the operator's own."""
    table: Any = Settings
    for part in path:
        table = get_args(table)[1] if get_origin(table) is dict else table.model_fields[part].annotation
    return list(table.model_fields)


def _meant(name: str, accepted: Any) -> str:
    close = get_close_matches(name, list(accepted), n=1)
    return f"; did you mean {close[0]}?" if close else f"; accepted here: {', '.join(sorted(accepted))}"
