"""Finds signatures and disclaimers in the new text of a mail. Fields in them are still read."""

import re

#: Lines of a signature, and of one that begins with a closing formula; characters of one line of it.
MAX_SIGNATURE = 25
MAX_CLOSED = 12
LONG_LINE = 100
#: Characters of a closing formula.
MAX_CLOSING = 45
#: Lines of a paragraph in which the words of a disclaimer are searched, and characters of it.
MAX_PARAGRAPH = 40
SEARCHED = 600

_CLOSING_NAMES = """
    kind regards|best regards|warm regards|warmest regards|regards|best|best wishes|many thanks|thanks|thank you|cheers
    thanks and regards|thanks & regards|with kind regards|with best regards|yours sincerely|yours faithfully|sincerely
    yours truly|all the best|respectfully|thx|br|kr
    mit freundlichen grüßen|mit freundlichen grüssen|mit freundlichem gruß|freundliche grüße|freundliche grüsse
    viele grüße|viele grüsse|beste grüße|beste grüsse|herzliche grüße|liebe grüße|schöne grüße|mit besten grüßen|gruß
    grüße|mfg|vg|lg|hochachtungsvoll|vielen dank|danke|besten dank
    cordialement|bien cordialement|bien à vous|salutations|meilleures salutations|sincères salutations|merci
    avec mes meilleures salutations|respectueusement
    saludos|un saludo|saludos cordiales|atentamente|cordialmente|un cordial saludo|gracias|muchas gracias
    cordiali saluti|distinti saluti|saluti|un saluto|grazie|in fede
    met vriendelijke groet|met vriendelijke groeten|vriendelijke groet|hartelijke groet|groeten|groet|mvg|bedankt
    atenciosamente|cumprimentos|com os melhores cumprimentos|melhores cumprimentos|obrigado|obrigada|abraços
    med vänlig hälsning|med vänliga hälsningar|vänliga hälsningar|hälsningar|mvh|med venlig hilsen|venlig hilsen
    de bedste hilsner|med vennlig hilsen|vennlig hilsen|hilsen|ystävällisin terveisin|terveisin|terv
    z poważaniem|pozdrawiam|pozdrowienia|s pozdravem|s úctou|s pozdravom|üdvözlettel|tisztelettel|cu stimă|cu respect
    lijep pozdrav|srdačan pozdrav|с уважением|с наилучшими пожеланиями|з повагою
    saygılarımla|saygılarımızla|iyi çalışmalar|με εκτίμηση
    よろしくお願いします|よろしくお願いいたします|敬具|此致|祝好|감사합니다
"""
_CLOSINGS = frozenset(word for line in _CLOSING_NAMES.strip().splitlines() for word in line.strip().split("|"))
#: Those that are a sentence of their own when no name follows.
_THANKS = re.compile(
    r"(?:many )?thank|thx|vielen dank|danke|besten dank|merci|(?:muchas )?gracias|grazie|bedankt|obrigad|best$"
)
_DEVICE = re.compile(
    r"(?:sent (?:from|via|with|using) (?:my |the )?(?:\S|outlook|mail)|get outlook for|von meine[mr]? \S+ ?\S* gesendet"
    r"|gesendet (?:von|mit|aus|über) |diese nachricht wurde von meinem"
    r"|envoyé (?:depuis|à partir de|de) (?:mon|ma|l)"
    r"|enviado (?:desde|do|da|de|a partir) |inviato (?:da|dal|con) |verstuurd vanaf |verzonden (?:met|vanaf|vanuit) "
    r"|sendt fra |skickat från |lähetetty |wysłane z |wysłano z |odesláno z |odoslané z |trimis (?:de pe|din|cu) "
    r"|отправлено (?:с|из) |надіслано з |(?:iphone|ipad)?'?(?:u|ı)?mdan gönderildi"
    r"|iphoneから送信|从我的|發自我的|发自我的)",
    re.IGNORECASE,
)
#: Words of which at least one is in every such line, and in every disclaimer that is found: most mail has none.
_DEVICES = (
    "sent ", "outlook", "gesendet", "nachricht wurde", "envoy", "envia", "invia", "verstuurd", "verzonden", "sendt",
    "skickat", "lähetetty", "wysłan", "odeslán", "odoslan", "trimis", "отправлено", "надіслано", "gönder",
    "送信", "我的",
)  # fmt: skip
_HINTS = (
    "confiden", "intended", "in error", "disclaimer", "vertr", "riservat", "poufn", "fortrolig", "environment",
    "virus-free", "virenfrei", "irrtümlich", "outside", "external", "registered", "конфиденц",
)  # fmt: skip
_DISCLAIMERS = (
    r"\b(?:confidential|privileged)\b.{0,200}\b(?:intended|addressee|recipient|disclos|unauthori[sz]ed|privileged)",
    r"\b(?:intended|addressed)\b.{0,60}\b(?:only|solely|exclusively|named)\b.{0,100}\b(?:recipient|addressee|use)",
    r"if you (?:are not|have received).{0,80}(?:intended|addressee|in error|by mistake)",
    r"(?:e-?mail|message|transmission)\b.{0,80}\b(?:confidential|disclaimer)",
    r"^\W{0,10}disclaimer\b|confidentiality notice|registered (?:office|in england)",
    r"consider the environment|virus-free|virenfrei|originated from outside|outside (?:of )?your organi[sz]ation",
    r"^\W{0,10}(?:caution|warning|external)\b.{0,80}\b(?:external|outside)",
    r"external (?:sender|e-?mail)\b.{0,60}(?:caution|click|do not|\W$)",
    r"diese[s]? (?:e-?mail|nachricht).{0,150}vertraulich|vertrauliche?.{0,150}(?:adressat|empfänger|bestimmt)",
    r"irrtümlich erhalten|ce (?:message|courriel|mail).{0,150}confidentiel",
    r"este (?:mensaje|correo|e-?mail).{0,150}confidencial|esta mensagem.{0,150}confidencial",
    r"(?:questo messaggio|questa e-?mail|presente messaggio|informazioni).{0,150}riservat",
    r"(?:dit|deze) (?:bericht|e-?mail).{0,150}vertrouwelijk|poufn.{0,150}(?:adresat|wiadomo)",
    r"fortrolig.{0,150}(?:mottaker|modtager)|конфиденциальн.{0,150}(?:адресат|получател|информац)",
)
_DISCLAIMER = re.compile("|".join(_DISCLAIMERS), re.IGNORECASE | re.DOTALL)


def mark_endings(lines: list[str], kinds: list[str]) -> None:
    """Change the kind of lines from `new` to `signature` or `disclaimer`."""
    text = "\n".join(lines).lower()
    has_disclaimer = any(hint in text for hint in _HINTS)
    has_device = any(hint in text for hint in _DEVICES)
    at = 0
    while at < len(kinds):
        if kinds[at] != "new":
            at += 1
            continue
        end = at
        while end < len(kinds) and kinds[end] == "new":
            end += 1
        if has_disclaimer:
            _mark_disclaimers(lines, kinds, at, end)
        filled = [number for number in range(at, end) if kinds[number] == "new" and lines[number].strip()]
        begin = _mark_signature(lines, kinds, filled, end)
        if has_device and len(filled) > 1:
            _mark_devices(lines, kinds, [number for number in filled if begin is None or number < begin])
        at = end


def _mark_disclaimers(lines: list[str], kinds: list[str], start: int, end: int) -> None:
    """Mark each paragraph that is a disclaimer."""
    at = start
    while at < end:
        if not lines[at].strip():
            at += 1
            continue
        stop = at
        while stop < end and lines[stop].strip() and lines[stop] != "--":
            stop += 1
        stop = max(stop, at + 1)
        searched = " ".join(lines[at : min(stop, at + MAX_PARAGRAPH)])[:SEARCHED]
        if _DISCLAIMER.search(searched):
            kinds[at:stop] = ["disclaimer"] * (stop - at)
        at = stop


def _mark_signature(lines: list[str], kinds: list[str], filled: list[int], end: int) -> int | None:
    """Mark the signature at the end of a run of new lines, after "-- " or from a closing formula; return its start."""
    begin = _delimiter(lines, filled)
    if begin is None:
        begin = _closing(lines, filled)
    if begin is not None:
        kinds[begin:end] = ["signature" if kind == "new" else kind for kind in kinds[begin:end]]
    return begin


def _mark_devices(lines: list[str], kinds: list[str], filled: list[int]) -> None:
    """Mark the lines in which a device or a program names itself, at the end of a run of new lines."""
    for at in filled[-3:]:
        if len(lines[at]) <= LONG_LINE and _DEVICE.match(lines[at].lstrip()):
            kinds[at] = "signature"


def _delimiter(lines: list[str], filled: list[int]) -> int | None:
    return next((at for at in filled[-MAX_SIGNATURE - 1 :] if lines[at].rstrip() == "--"), None)


def _closing(lines: list[str], filled: list[int]) -> int | None:
    """Return the line of the last closing formula, if the few lines below it are as short as those of a signature."""
    for at in reversed(filled[-MAX_CLOSED - 1 :]):
        line = lines[at]
        if len(line) > LONG_LINE:
            return None
        words = line.strip(" ,.!-–*").lower() if len(line) <= MAX_CLOSING else ""
        if words in _CLOSINGS and at != filled[0] and not (at == filled[-1] and _THANKS.match(words)):
            return at
    return None
