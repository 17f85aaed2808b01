"""Names the codec of a code page of Windows."""

_NAMES = {20127: "ascii", 20866: "koi8-r", 28591: "iso-8859-1", 65001: "utf-8"}
USUAL = "cp1252"


def codec_of(codepage: int) -> str:
    """Return the codec; that of Western Europe for an unknown code page."""
    name = _NAMES.get(codepage, f"cp{codepage}")
    try:
        "".encode(name)
    except LookupError:
        return USUAL
    return name
