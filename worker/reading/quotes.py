"""Which lines of a text are new and which are quoted from an earlier mail. What was forwarded counts as new.

Own code: mail-parser-reply took 18 s on "On " and 20,000 blanks. Here every line is looked at once, by its first
200 characters.
"""

import re
from dataclasses import dataclass

#: Characters of a line that are looked at.
LINE = 200
#: Lines over which an attribution ("On … wrote:") may be wrapped.
WRAPPED = 3

_WROTE = r"(?:wrote|schrieb|a écrit|escribió|ha scritto|schreef|escreveu|skrev|napisał\(?a?\)?)\b.{0,80}:\s*$"
_ATTRIBUTION = re.compile(
    rf"^(?:On|Am|Le|El|Il|Op|Em|Den|Dnia|W dniu)\b.{{4,}}{_WROTE}"
    rf"|^[^:<]{{3,100}}<[^<>@\s]+@[^<>\s]+>.{{0,100}}{_WROTE}",
    re.IGNORECASE,
)
_ATTRIBUTION_START = re.compile(r"^(?:On|Am|Le|El|Il|Op|Em|Den|Dnia|W dniu)\b.*\d", re.IGNORECASE)
_ORIGINAL = re.compile(
    r"^[ >]*[-_=*]{2,}[ ]?(?:Original (?:Message|Email)|(?:Ursprüngliche |Original)Nachricht|Ursprüngliche E-Mail"
    r"|Message (?:d.origine|original)|Mensaje original|Messaggio originale|Oorspronkelijk bericht|Mensagem original"
    r"|Ursprungligt meddelande)[ ]?[-_=*]{2,}",
    re.IGNORECASE,
)
_FORWARDED = re.compile(
    r"^[ >]*(?:[-_=*]{2,}[ ]?(?:Forwarded (?:message|by)|Weitergeleitete? ?(?:Nachricht)?|Message transféré"
    r"|Mensaje reenviado|Messaggio inoltrato|Doorgestuurd bericht|Mensagem encaminhada|Vidarebefordrat meddelande)"
    r"|(?:Begin forwarded message|Anfang der weitergeleiteten (?:Nachricht|E-Mail)"
    r"|Début du (?:message|courriel) (?:transféré|réexpédié)|Inicio del mensaje reenviado|Inizio messaggio inoltrato"
    r"|Begin doorgestuurd bericht)\s*:)",
    re.IGNORECASE,
)
_FORWARDED_SUBJECT = re.compile(r"^\s*(?:fwd?|wg|tr|rv|i|enc|doorst|vs)\s?:", re.IGNORECASE)
#: Lines of the header block that a mailer puts above what it quotes or forwards.
_HEADER = re.compile(
    r"^[ >*]*(from|von|de|da|van|från|fra|sent|skickat|sendt|till|til|ämne|emne|assunto"
    r"|gesendet|envoyé|enviado(?: el)?|inviato|verzonden|date|datum|fecha|data|to|an|à"
    r"|para|a|aan|cc|kopie|copie|subject|betreff|objet|asunto|oggetto|onderwerp|reply-to|antwort an|répondre à)"
    r"\s?\*?\s?:\*?(?:\s|$)",
    re.IGNORECASE,
)
#: Whether there is any such line at all; most first mails have none. Linear: a row of 60,000 asterisks took a minute.
_ANY = re.compile(
    r"^[ *]{0,9}(?:>|[-_=*]{2,}+ ?[A-Z]|(?:On|Am|Le|El|Il|Op|Em|Den|Dnia|W dniu)\b.*\d"
    r"|(?:From|Von|De|Da|Van|Från|Fra)\s?\*?\s?:|(?:Begin|Anfang|Début|Inicio|Inizio)\b)",
    re.IGNORECASE | re.MULTILINE,
)
_ADDRESS_LINE = re.compile(r"@[^\n]{0,200}:$", re.MULTILINE)
#: How a line may begin that is quoted, a mark, or the start of an attribution.
_FIRST = frozenset(" >-_=*OALEIDWBoaleidwb")
#: How a mark of a quoted or forwarded mail begins, behind blanks and ">", and how a block of headers does.
_MARKS = frozenset("-_=*ABDIabdi\u0130\u0131")
_SENDER_FIRST = frozenset("FVDfvd")
_ATTRIBUTION_FIRST = frozenset("OALEIDWoaleidw\u0130\u0131")
_SENDERS = frozenset({"from", "von", "de", "da", "van", "från", "fra"})


@dataclass(frozen=True, slots=True)
class Region:
    """Characters `start` to `end` of the text: `new`, `quoted`, or `header` (a block From/Sent/To/Subject)."""

    start: int
    end: int
    kind: str


def regions(text: str, subject: str = "") -> list[Region]:
    """The text cut into regions, in order, without gaps. Each line is looked at a bounded number of times."""
    if "\n>" not in text and not _ANY.search(text) and not _ADDRESS_LINE.search(text):
        return [Region(0, len(text), "new")]
    lines = text.split("\n")
    kinds = _Classifier(lines, _FORWARDED_SUBJECT.match(subject) is not None).kinds()
    out: list[Region] = []
    position = start = 0
    for number, line in enumerate(lines):
        position += len(line) + 1
        if number + 1 == len(lines) or kinds[number + 1] != kinds[number]:
            out.append(Region(start, min(position, len(text)), kinds[number]))
            start = position
    return out


class _Classifier:
    """Walks the lines once; remembers whether what follows the last mark was quoted or forwarded."""

    def __init__(self, lines: list[str], forwarded_subject: bool) -> None:
        self._lines = lines
        self._heads = [line[:LINE] for line in lines]
        self._kind = "new"
        self._forwarded = False
        self._forwarded_subject = forwarded_subject

    def kinds(self) -> list[str]:
        kinds: list[str] = []
        while len(kinds) < len(self._lines):
            line = self._heads[len(kinds)]
            if line and (line[0] in _FIRST or ":" in line):
                kinds += self._step(len(kinds), line)
            else:
                kinds.append(self._kind)
        return kinds

    def _step(self, at: int, line: str) -> list[str]:
        """The kinds of the next line or lines."""
        first = line[0]
        if first in _FIRST and line.lstrip(" >")[:1] in _MARKS:
            if _FORWARDED.match(line):
                self._forwarded, self._kind = True, "new"
                return ["header"]
            if _ORIGINAL.match(line):
                self._kind = "new" if self._is_forward() else "quoted"
                return ["header"]
        if (block := self._header_block(at)) > 0:
            self._kind = "new" if self._forwarded or self._is_forward() else "quoted"
            return ["header"] * block
        if wrapped := self._attribution(at):
            # Under "> …" people write on below what they quote; without it everything below is quoted.
            self._kind = "new" if self._next_begins(at + wrapped, ">") else "quoted"
            return ["header"] * wrapped
        if first == ">":
            return ["new" if self._forwarded and not line.startswith(">>") else "quoted"]
        return [self._kind]

    def _next_begins(self, at: int, mark: str) -> bool:
        """Whether the next line that is not empty, of three, begins with the mark."""
        return next((line for line in self._heads[at : at + 3] if line.strip()), "").startswith(mark)

    def _is_forward(self) -> bool:
        return self._forwarded or self._forwarded_subject

    def _header_block(self, at: int) -> int:
        """Lines of a block From/Sent/To/Subject that begins here, 0 when none does: three of four must be there."""
        if ":" not in self._heads[at] or self._heads[at].lstrip(" >*")[:1] not in _SENDER_FIRST:
            return 0
        found = _HEADER.match(self._heads[at])
        if found is None or found[1].lower() not in _SENDERS:
            return 0
        named, length = 1, 1
        for offset in range(1, 12):
            line = self._heads[at + offset] if at + offset < len(self._heads) else ""
            if _HEADER.match(line):
                named, length = named + 1, offset + 1
            elif not line.strip(" >"):
                break
        return length if named >= 3 else 0

    def _attribution(self, at: int) -> int:
        """Lines of an attribution ("On … wrote:") that begins here, 0 when none does."""
        line = self._heads[at].strip(" >")
        if line.endswith(":") and _ATTRIBUTION.match(line):
            return 1
        if line[:1] not in _ATTRIBUTION_FIRST or not _ATTRIBUTION_START.match(line):
            return 0
        joined = line
        for offset in range(1, WRAPPED):
            if at + offset >= len(self._heads):
                return 0
            joined += " " + self._heads[at + offset].strip(" >")
            if joined.endswith(":"):
                return offset + 1 if _ATTRIBUTION.match(joined) else 0
        return 0
