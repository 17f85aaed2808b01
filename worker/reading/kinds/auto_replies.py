"""Recognises automatic replies by their headers and by the words with which mail programs begin their subjects."""

import re
from unicodedata import normalize

from worker.reading.mime.headers import Headers

_HEADERS = ("x-autoreply", "x-autorespond", "x-autoresponder", "x-auto-reply")

#: "Automatic reply" as mail programs write it, before a colon and the subject that is answered.
_REPLY = (
    r"auto(?:mat(?:ic|ed))?[ -]?(?:reply|response)",
    r"vacation (?:reply|response)",
    r"automatische[rs]? ?(?:antwort|antwoord)|auto(?:matisch)?[ -]?antwort",  # de
    r"automatisch(?:e)? (?:antwoord|beantwoording)",  # nl
    r"réponse automatique",  # fr
    r"respuesta autom[aá]tica",  # es
    r"resposta autom[aàá]tica",  # pt, ca, gl
    r"risposta automatica",  # it
    r"automatis(?:k|kt) svar|autosvar",  # da, nb, sv
    r"automaattinen vastaus",  # fi
    r"sjálfvirkt svar",  # is
    r"odpowiedź automatyczna|automatyczna odpowiedź|autoodpowiedź",  # pl
    r"automatick[aá] odpov[eě]ď",  # cs, sk
    r"automatikus válasz",  # hu
    r"r[aă]spuns automat",  # ro
    r"otomatik (?:yanıt|cevap)",  # tr
    r"автоматический ответ|автоответ(?:чик)?",  # ru
    r"автоматична відповідь|автовідповідь",  # uk
    r"автоматичен отговор",  # bg
    r"αυτόματη απάντηση",  # el
    r"automatski odgovor|аутоматски одговор",  # hr, sr, bs
    r"samodejni odgovor",  # sl
    r"automaatvastus",  # et
    r"automātisk[aā] atbilde",  # lv
    r"automatinis atsakymas",  # lt
    r"erantzun automatikoa",  # eu
    r"trả lời tự động",  # vi
    r"balasan oto?matis|balasan automatik|jawaban otomatis",  # id, ms
    r"ตอบกลับอัตโนมัติ",  # th
    r"自動(?:応答|返信)|自动(?:答复|回复)|自動(?:回覆|答覆)",  # ja, zh
    r"자동 ?(?:회신|응답)",  # ko
    r"رد تلقائي",  # ar
    r"(?:תשובה|מענה) אוטומטית?",  # he
    r"स्वचालित उत्तर",  # hi
)

#: "Out of office". People write about that too: it is a sign beside another one, or as a whole subject.
_AWAY = (
    r"(?:i am |i'm )?(?:currently )?out of (?:the |my )?office|ooo|on (?:annual leave|vacation|holiday)",
    r"abwesenheits(?:notiz|nachricht|meldung|assistent|agent)|abwesend|nicht im (?:büro|haus)",
    r"absence(?: du bureau)?|absent(?:e)?(?: du bureau)?|message d['’]absence|en congés?",
    r"fuera de (?:la )?oficina|ausente|ausencia",
    r"fuori (?:sede|ufficio)|assenza(?: dall['’]ufficio)?|assente",
    r"(?:ben )?afwezig(?:heid(?:sbericht|smelding)?)?|niet (?:op kantoor|aanwezig)",
    r"fora do escrit[oó]rio|aus[eê]ncia(?: tempor[aá]ria)?|f[eé]rias",
    r"frånvaro(?:meddelande)?|ej på kontoret|ikke til stede|ikke på kontoret|fravær(?:smelding)?",
    r"poissa(?: toimistosta)?|poissaolo(?:ilmoitus)?",
    r"poza biurem|nieobecno[sś][cć]",
    r"mimo kancel[aá][rř](?:e|ie)?|nep[rř][ií]tomnos[tť]",
    r"házon kívül|irodán kívül|távollét",
    r"în afara biroului|absent din birou",
    r"ofis dışı(?:nda)?|ofis dışındayım",
    r"вне офиса|нет на (?:работе|месте)|в отпуске|поза офісом|у відпустці",
    r"εκτός γραφείου|απουσία",
    r"izvan ureda|odsut(?:an|na|nost)|odsotnost",
    r"不在(?:通知|のお知らせ|連絡)?|外出中|休假|부재 ?중(?: 알림)?",
    r"خارج المكتب|מחוץ למשרד",
)

#: What mail gateways put before a subject.
_GATEWAY = r"(?:\s*(?:\[(?:ext(?:ern(?:al)?)?|spam)\]|ext(?:ernal)?:|\*{2,5} ?spam ?\*{2,5}))*\s*"
_WHEN = (
    r"(?:back|until|till|bis|jusqu['’]?\w{0,4}|hasta|fino|tot|t\.?o\.?m|til|saakka|asti|до)\b"
    r"|(?:from|vom|ab|du|del|dal|van|från|fra|od|с|з) \d"
)
_REPLY_START = re.compile(rf"{_GATEWAY}[\[(*]{{0,2}}(?:{'|'.join(_REPLY)})\s?(?:[:：\])*]|[.!]?\s*$)", re.IGNORECASE)
_AWAY_START = re.compile(rf"{_GATEWAY}([\[(*]{{0,2}})(?:{'|'.join(_AWAY)})(?!\w)", re.IGNORECASE)
#: What follows these words: anything but a word; or the end, with a few words and dates that only say when.
_BREAK = re.compile(rf"[\])*]{{0,2}}\s?(?:$|[:：.,;!()\[\]–—/|-]|{_WHEN})", re.IGNORECASE)
_REST = re.compile(
    rf"[\])*]{{0,2}}\s?(?:[:,(–—-]?\s?(?:{_WHEN})[\w.,/'’]*(?:\s[\w.,/'’]+|\s?[-–]\s?\d[\w.,/]*){{0,5}})?[.!)]?\s*",
    re.IGNORECASE,
)


def find_auto_reply(headers: Headers, subject: str) -> str:
    """Return the sign that this is an automatic reply, such as "header X-Autoreply"; "" without one.

    `X-Auto-Response-Suppress` alone is no sign: Outlook puts it on mail that people wrote.
    """
    if headers.plain("precedence") in {"auto_reply", "auto-reply"}:
        return "header Precedence: auto_reply"
    for name in _HEADERS:
        if headers.plain(name) not in {"", "no"}:
            return f"header {name.title()}"
    has_sign = (
        headers.plain("auto-submitted") not in {"", "no"}
        or headers.plain("precedence") in {"bulk", "junk"}
        or headers.plain("return-path") == "<>"
        or headers.plain("x-auto-response-suppress") == "all"
    )
    return "subject of an automatic reply" if is_auto_reply_subject(subject, has_sign=has_sign) else ""


def is_auto_reply_subject(subject: str, *, has_sign: bool = False) -> bool:
    """Return whether the subject is one of automatic replies, in one of some thirty languages.

    Words for being away count as the whole subject, or if the mail *has_sign* of a program.
    """
    subject = normalize("NFC", subject)
    if _REPLY_START.match(subject):
        return True
    found = _AWAY_START.match(subject)
    if found is None:
        return False
    rest = subject[found.end() :]
    is_tag = found[1] == "[" and rest.startswith("]")
    return is_tag or (_BREAK.match(rest) if has_sign else _REST.fullmatch(rest)) is not None
