"""Replaces characters that look like others or like nothing, so that a word has one spelling."""

import re
from unicodedata import normalize

#: Spaces of other widths, other hyphens, and characters without width.
_EXOTIC = {
    **dict.fromkeys(
        map(
            ord,
            "\u00a0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u202f\u205f\u2800\u3000"
            "\x0b\x0c",
        ),
        " ",
    ),
    **dict.fromkeys(map(ord, "\u2010\u2011\u2012\ufe63\uff0d"), "-"),
    **dict.fromkeys(
        [
            *map(ord, "\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180e\u200b\u200e\u200f\u3164\ufeff\uffa0"),
            # With the isolates below they direct text. Those that turn it round stay: the page shows a sign for them.
            *range(0x202A, 0x202D),
            *range(0x2060, 0x2070),
            *range(0xFFF9, 0xFFFC),
            *range(0xE0000, 0xE0080),
        ],
        None,
    ),
    ord("\u2028"): "\n",
    ord("\u2029"): "\n",
    ord("\x85"): "\n",
}
_HAS_EXOTIC = re.compile(f"[{''.join(map(chr, _EXOTIC))}]")
#: Letters and pictures that a joiner beside them may change: Arabic, Indic and other such letters, and emoji.
_JOINED = "\u0590-\u109f\u1780-\u18af\u2190-\u2bff\ua8e0-\uabff\ufb50-\ufdff\ufe0f\ufe70-\ufefe\U0001f000-\U0001faff"
_JOINERS = re.compile(f"(?<![{_JOINED}])[\u200c\u200d]++|[\u200c\u200d]++(?![{_JOINED}])")
#: Controls other than tabs and line ends, and halves of characters.
_CONTROLS = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff]")
_HAS_PARTS = re.compile("[\u0300-\u036f\u3099\u309a\u1161-\u1175]")
#: A letter with its marks, or a Hangul syllable in its parts. Bounded, since sorting marks takes quadratic time.
_IN_PARTS = re.compile(
    "[\u1100-\u1112][\u1161-\u1175][\u11a8-\u11c2]?|[^\u0300-\u036f\u3099\u309a][\u0300-\u036f\u3099\u309a]{1,8}"
)


def remove_controls(text: str) -> str:
    """Return the text without control characters other than tabs and line ends, and without lone surrogates."""
    return _CONTROLS.sub("", text)


def plain_characters(text: str) -> str:
    """Return the text with plain blanks and hyphens, without invisible characters, and with composed letters (NFC)."""
    if text.isascii() and "\x0b" not in text and "\x0c" not in text:
        return text
    if _HAS_EXOTIC.search(text):
        text = text.translate(_EXOTIC)
    if "\u200c" in text or "\u200d" in text:
        text = _JOINERS.sub("", text)
    if _HAS_PARTS.search(text):
        text = _IN_PARTS.sub(lambda found: normalize("NFC", found[0]), text)
    return text
