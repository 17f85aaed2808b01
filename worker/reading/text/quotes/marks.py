"""Knows the lines that mail programs write above quoted and forwarded text, in many languages.

Every pattern examines one line of bounded length.
"""

import re

_HEADER_NAMES = {
    "from": """
        from von de da van från fra od от de_la kimden gönderen lähettäjä feladó šalje expeditor expéditeur remitente
        mittente remetente afzender avsändare avsender afsender absender nadawca odesílatel odosielateľ pošiljatelj
        отправитель от_кого від від_кого відправник από 送信元 差出人 发件人 寄件者 寄件人 보낸_사람 보낸사람
    """,
    "date": """
        date datum sent gesendet gesendet_am envoyé envoyé_le enviado enviado_el enviado_em enviada_em inviato verzonden
        skickat skickad sendt dato data fecha dátum dată trimis trimisă wysłano wysłane data_wysłania odesláno odoslané
        odoslaný elküldve küldve küldés_dátuma lähetetty päivämäärä päiväys дата отправлено відправлено надіслано tarih
        gönderildi gönderme_tarihi poslano ημερομηνία 日付 日時 送信日時 日期 发送时间 发送日期 寄件日期 날짜 보낸_날짜
        sent_at inviata date_d'envoi
    """,
    "to": """
        to an à a para aan till til do komu pre címzett vastaanottaja către catre кому kime alıcı za prima pour
        destinataire destinatario empfänger ontvanger προς 送信先 宛先 收件人 받는_사람 받는사람
    """,
    "cc": """
        cc bcc kopie kopie_(cc) kopia kopi copie copie_à copia kópia kopija másolat másolatot_kap kopio копия копія dw
        udw bilgi ccn cci cco cópia κοινοποίηση 抄送 副本 참조
    """,
    "subject": """
        subject betreff objet sujet asunto oggetto onderwerp ämne ärende emne assunto temat předmět predmet tárgy aihe
        subiect тема konu naslov θέμα 件名 主题 主旨 제목
    """,
    "reply": """
        reply-to antwort_an répondre_à risposta rispondi_a responder_a svar_til svara_till odpowiedz_do organization
        organisation attachments anhänge pièces_jointes importance priority
    """,
}
#: Name of a header line, in lower case → which header it is.
HEADER_KINDS = {name.replace("_", " "): kind for kind, names in _HEADER_NAMES.items() for name in names.split()}

#: The start of a line that may be quoted, or a mark.
FIRST = frozenset(" >-_=*\t")
#: Characters of the name of a header, with what is around it.
MAX_NAME = 45

_BLANKS = frozenset(["", " ", "\t"])
_FORWARD_STEMS = """
    forwarded forwarding weitergeleitet transféré transfere transféré réexpédié reexpedie reenviad inoltrat doorgestuur
    encaminhad vidarebefordra videresend přepos prepos przekaz przesłan továbbít redirecțion redirecţion redirection
    transmis переадрес пересл пересы пересил перенаправ препра iletil ileti yönlendir edelleenlähet välitet proslijeđ
    proslijed προωθ 転送 转发 轉寄 轉發 전달
"""
#: Parts of words for "forwarded".
_FORWARDED = tuple(dict.fromkeys(_FORWARD_STEMS.split()))
_ORIGINAL = (
    r"original (?:message|e-?mail|appointment)|(?:ursprüngliche |original)nachricht|ursprüngliche e-?mail"
    r"|message (?:d.origine|original|initial)|mensaje original|messaggio originale|oorspronkelijk bericht"
    r"|mensagem original|ursprungligt meddelande|oprindelig meddelelse|opprinnelig melding|alkuperäinen viesti"
    r"|wiadomość oryginalna|oryginalna wiadomość|původní zpráva|pôvodná správa|eredeti üzenet|mesaj original"
    r"|исходное сообщение|оригинальное сообщение|оригінальне повідомлення|orijinal mesaj|özgün ileti"
    r"|izvorna poruka|元のメッセージ|原始邮件|原始郵件|원본 메시지"
)
#: "---- Forwarded message ----": dashes on both sides of words.
_MARK = re.compile(r"[ >]{0,20}+[-_=*]{2,}+[ ]?(.{1,80}?)[-_=*]{2,}")
ORIGINAL_MARK = re.compile(rf"[ >]{{0,20}}+[-_=*]{{2,}}+[ ]?(?:{_ORIGINAL})[ ]?[-_=*]{{2,}}", re.IGNORECASE)
_LONG_MARK = re.compile(r"[ >]{0,20}+[-_=*]{5,}+.+?[-_=*]{5,}")
#: Characters of "Begin forwarded message:", as Apple Mail writes it: a short line that a colon ends.
_SHORT = 100
#: A line by which programs part a message from the one below.
BAR = re.compile(r"[ >]{0,20}[-_=*]{5,}[ ]*$")

FORWARD_SUBJECT = re.compile(
    r"\s{0,9}(?:\[[^\[\]:]{1,40}\]\s{0,9}){0,5}\[?(?:fwd?|wg|tr|rv|i|enc|doorst|vs|vb|vl|pd|i̇lt|ilt|ylt|redir\.?|trans|továbbítás|prosl"
    r"|proslijeđeno|přeposláno|preposlané|videres\.?|videresendt?|vidarebefordrat|redirecționa(?:t|re)|пересл|пер|fs"
    r"|转发|轉寄|轉發|転送|전달)\s?(?:\[\d{1,3}\])?\s?[:：]",
    re.IGNORECASE,
)

_VERB_NAMES = """
    wrote writes schrieb schreibt geschrieben écrit ecrit escribió escribio escribe scritto scrive schreef geschreven
    escreveu skrev napisał napisała napisal napisala napísal napísala napsal napsala napisao написал написала написав
    пишет пише írta kirjoitti yazdı scris έγραψε escrigué rašė rakstīja kirjutas
"""
#: The verb of an attribution, or its last word: "… wrote:", "… schrieb am 2. Feb. um 10:00:".
_VERBS = frozenset(_VERB_NAMES.split())
#: The same in languages that write without blanks.
_JOINED_VERBS = ("写道", "寫道", "書きました", "のメール", "작성")
_WORD = re.compile(r"\w+")
#: Characters at the end of an attribution in which its verb is.
_VERB_REACH = 100
_QUOTING = re.compile(
    r"(?:Quoting|Zitat von|Citando(?: a)?|Citerar|Citat från|Citeren|Cytowanie) .{0,150}[:：]$", re.IGNORECASE
)
#: Persons of whom a sentence, but no attribution, says that they wrote.
_NO_ATTRIBUTION = re.compile(r"\bI\b|(?i:\b(?:we|ich|wir|j'ai|nous)\b)")
_DATE = re.compile(r"\b(?:19|20)\d\d\b|\b\d{1,2}[./-]\d{1,2}[./-]\d{2,4}\b|年")
_TIME = re.compile(r"\d{1,2}[:.h]\d\d|\d 時|[上下]午|[오전후]{2}")
_ADDRESS_END = re.compile(r"<\s?[^<>@\s]{1,100}@[^<>\s]{1,200}\s?>{1,2}\s?[:：]?$")
_ADDRESS = re.compile(r"<\s?(?:mailto:)?[^<>@]{1,100}@[^<>\s]{1,200}\s?>")
#: A word before the date of an attribution.
_KEYWORD = re.compile(
    r"(?:On|Am|Le|El|Il|Op|Em|Den|Dnia|W dniu|Dne|Dňa|La|Pe|På|Vid|At|În|В)\b(?=.*\d)|在", re.IGNORECASE
)
_DAY_NAMES = """
    mon tue wed thu fri sat sun mo di mi do fr sa so lun mar mer mié mie jeu jue gio ven vie sam sáb sab dim dom ma wo
    vr za zo seg ter qua qui sex mån tis ons tor fre lör sön tir lør søn man pon wt śr czw pt sob út st čt pá ti ke pe
    la su пн вт ср чт пт сб вс пон вто сре чет пят суб вос пʼя нед jan feb apr may jun jul aug sep oct nov dec
"""
#: Beginnings of the names of days and months with which some programs begin a date.
_DAYS = frozenset(_DAY_NAMES.split())


def _begins_with_date(line: str) -> bool:
    if not line[0].isdigit():
        word = line.split(None, 1)[0].rstrip(".,").lower()
        if word not in _DAYS and (word[:3] not in _DAYS or len(word) > 13):
            return False
    return _DATE.search(line) is not None


def is_forward_subject(subject: str) -> bool:
    """Say whether a subject begins with what forwarding adds, such as "Fwd:"."""
    return (":" in subject or "：" in subject) and FORWARD_SUBJECT.match(subject) is not None


def is_forward_mark(line: str) -> bool:
    """Say whether a line is "---- Forwarded message ----"."""
    found = _MARK.match(line)
    return found is not None and _says_forwarded(found[1])


def is_forward_line(line: str) -> bool:
    """Say whether a line that a colon ends may be "Begin forwarded message:"."""
    return len(line) <= _SHORT and _says_forwarded(line)


def _says_forwarded(words: str) -> bool:
    lower = words.lower().replace("i\u0307", "i")  # the lower case of a Turkish capital
    return any(stem in lower for stem in _FORWARDED)


def is_long_mark(line: str) -> bool:
    """Say whether a mark needs no headers below it, since it has so many dashes."""
    return _LONG_MARK.match(line) is not None


def header_of(line: str) -> tuple[str, str]:
    """Return (which header a line "Name: value" is, its value), both "" for another line; it may be quoted or bold."""
    colon, wide = line.find(":", 0, MAX_NAME), line.find("：", 0, MAX_NAME)
    is_wide = wide >= 0 and not 0 <= colon < wide
    colon = wide if is_wide else colon
    if colon < 0:
        return "", ""
    kind = HEADER_KINDS.get(line[:colon].strip(" >*_\t").lower(), "")
    value = line[colon + 1 :].lstrip("*") if kind else ""
    if not kind or (value[:1] not in _BLANKS and not is_wide):
        return "", ""
    return kind, value.strip()


def may_begin_attribution(line: str) -> bool:
    """Say whether an attribution that continues on the next lines may begin with this one."""
    if not line:
        return False
    if "<" in line and line[0].isalpha():
        return True
    if line[-1] in ".!?":
        return False
    if _KEYWORD.match(line):
        return True
    return _begins_with_date(line)


def is_attribution(line: str) -> bool:
    """Say whether a line, or a few joined, says who wrote the text below, and when: "On … wrote:"."""
    if line.startswith("--") and line.endswith("--"):  # Zoho: "---- On … wrote ----"
        line = line.strip("- ") + ":"
    if line[-1:] not in ":：" or len(line) < 8:
        return False
    has_verb = _has_verb(line)
    if not has_verb and "@" not in line:
        return False
    if _QUOTING.match(line):
        return True
    begins = _KEYWORD.match(line) is not None or _begins_with_date(line)
    if has_verb:
        return ("@" in line and _ADDRESS.search(line) is not None) or (begins and not _NO_ATTRIBUTION.search(line))
    # Gmail in some languages, and some phones, write no verb: "2026-02-02 10:00 GMT+01:00 Jane <jane@a.example>:".
    return begins and _TIME.search(line) is not None and _ADDRESS_END.search(line) is not None


def _has_verb(line: str) -> bool:
    end = line[-_VERB_REACH:].lower()
    if not _VERBS.isdisjoint(_WORD.findall(end)):
        return True
    return not end.isascii() and any(verb in end for verb in _JOINED_VERBS)
