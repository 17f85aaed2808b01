"""Says whether the HTML of a mail says more than its plain part: some plain parts are stubs, some only a summary."""

import re

from worker.reading.text.html import HtmlDocument

#: A plain part with fewer characters may only say that there is HTML.
STUB = 600
#: Words that only the HTML has, from which it says more; numbers count without others.
MORE_WORDS = 4
#: … and for each so many words of the plain part one more, if that has words of its own.
SHARE = 5

_WORD = re.compile(r"[^\W_]+")
_HTML = re.compile(r"(?<![/.\w])x?html\b(?![/.]\w)", re.IGNORECASE)
_ELSEWHERE = re.compile(
    r"\b(?:view|read|open|see|show|display)\b.{0,60}\b(?:browser|online|web)\b|\b(?:online|web)[- ]?version\b"
    r"|im browser|dans (?:le|votre) navigateur|en (?:el|su|tu) navegador|nel browser|in (?:de|uw|je) browser"
    r"|no (?:seu )?navegador|i webbläsaren|w przeglądarce",
    re.IGNORECASE | re.DOTALL,
)
#: Words of which one is in each of these.
_ELSEWHERE_NAMES = ("browser", "online", "web", "navegador", "navigateur", "przeglądar")
#: Parts of words that stand in plain text alone: addresses of links and images.
_ADDRESSES = ("://", "@", "www.", "[image", "[cid")


def says_more(document: HtmlDocument, plain: str) -> bool:
    """Say whether the text of the HTML is the better one. Most HTML has the same words, which is found out quickly."""
    plain = plain.strip()
    if not plain:
        return True
    quick = set(document.quick_text().split())
    plain_words = set(plain.split())
    more = quick - plain_words
    if not more:
        return False
    if len(plain) < STUB and _is_stub(plain, document):
        return True
    is_little = len(more) < MORE_WORDS and not any(any(map(str.isdigit, word)) for word in more)
    if is_little or sum(map(str.isalnum, plain_words - quick)) > len(more):
        return False
    known = _words(plain_words)
    if not _is_more(_words(more) - known, 0):
        return False
    own = _words({word for word in plain_words if not any(sign in word for sign in _ADDRESSES)})
    if not document.is_walked and not _adds_words(_words(quick), known, own):
        return False  # though hidden words, and those of styles, are among these
    return _adds_words(_words(set(document.text.split())), known, own)


def _adds_words(shown: set[str], known: set[str], plain_words: set[str]) -> bool:
    new, own = shown - known, plain_words - shown
    return len(new) > len(own) and _is_more(new, len(known) if len(own) * 50 > len(known) else 0)


def _words(seen: set[str]) -> set[str]:
    """Return the words in what blanks part, in lower case and without signs."""
    return set(_WORD.findall(" ".join(seen).casefold()))


def _is_more(words: set[str], beside: int) -> bool:
    least = MORE_WORDS + beside // SHARE
    return len(words) >= least or (not beside and any(len(word) > 1 and word.isdigit() for word in words))


def _is_stub(plain: str, document: HtmlDocument) -> bool:
    """Say whether a short plain part only sends the reader to the HTML."""
    lower = plain.lower()
    if "html" in lower and _HTML.search(plain):
        return bool(document.text.strip())
    if not any(word in lower for word in _ELSEWHERE_NAMES):
        return False
    return _ELSEWHERE.search(plain) is not None and len(document.text) > len(plain)
