"""The signs and words between a label and its value, and those around a label."""

import re

from worker.reading.fields.values.currencies import PLACES

REMARK = r"[(\[](?P<remark>[^()\[\]\n]{0,80})[)\]]"
LEADER = r"(?:[ .*_·…º°]{0,120}+|[ ]?-{2,80}+(?!>))"
#: What an amount is in, between its label and the colon: "Total TTC:", "Price incl. VAT:", "Total USD:".
UNIT = (
    r"(?:(?:in[ ])?[A-Z]{3}|TTC|HT|H\.T\.|T\.T\.C\.|net(?:to)?|gross|brutto|IVA inclusa|con IVA|moms"
    r"|(?:in[ck]l?|ex[ck]l?|zzgl|plus|bez|sin|senza|s(?=[ ]DPH)|z(?=[ ]VAT))\b\.?[ ][^\s:\t][^:\n\t]{0,30}"
    r"|(?:per|pro|je|par|por|pr|za|per[ ]ogni)[ ][^\s:\t\d][^:\n\t\d]{0,24}?)"
    r"(?=[ .:：?=]|$)"
)
#: Three capitals that may follow "Total": with all taxes, and the terms of trade (Incoterms).
TERMS = frozenset(["TTC", "CIF", "CIP", "CFR", "CPT", "FOB", "FCA", "FAS", "EXW", "DAP", "DDP", "DPU", "DAT"])
#: An amount without tax: that with tax is preferred.
NET = re.compile(r"H\.?T|net|ex[ck]l|before|zzgl|plus|bez|sin\b|senza|s DPH|ohne|hors", re.IGNORECASE)
#: "Versicherungsnehmer/in", "Kunde*in", "Asegurado/a".
FORMS = r"(?:[/*:]-?(?:in|innen|e|a|o|as|es|er)(?!\w))"
SEPARATOR = re.compile(
    rf"{FORMS}?{LEADER}(?P<sign>[%$€£]?)(?:[ ]?{REMARK}[ .*_]{{0,60}}+)?"
    rf"(?:(?P<unit>{UNIT})[ .*_]{{0,60}}+)?[ ]{{0,10}}+"
    r"(?:(?P<question>\?)[ *_]{0,5}[:：]?|[:：=】]|-{1,2}>|→)[ *_]{0,10}"
)
#: A dash, a bar, a row of points or of dashes, or a wide gap; one full stop ends a sentence.
DASH = re.compile(
    r"[ ]{1,5}[-–—|][ ]{1,5}|[ ]{0,5}(?:(?:[.·][ ]?){3,120}+|…[ …]{0,60}+)[ ]{0,5}(?=\S)|\.?[ ]{2,120}(?=\S)"
    r"|[ ]?-{2,80}[ ]{0,5}(?=\S)|[ ]?\|[ ]?|;[ ]?"
)
PAREN = re.compile(
    rf"[ .]{{0,3}}(?:{REMARK})?(?:(?P<unit>{UNIT})(?=[ .:?]{{0,3}}$))?(?P<sign>[%$€£]?)[ .*_:?]{{0,120}}$"
)
JOINT = re.compile(
    r"\.?[º°]?(?:[ ]{1,3}(?:of|for)[ ](?:the|this|that|my|your|our)[ ][^\W\d_]{2,20}(?=[ ](?:is|was)\b))?"
    r"(?:[ ]{0,3}(?:is|was|of|on|by|the"
    r"|ist|war|vom|von|am|bis|lautet|beträgt|du|le|de|del|es|est|der|al|di|è|van|är|er|on|to|to jest|wynosi|je)\b){0,2}"
    r"[ ]{1,3}",
    re.IGNORECASE,
)
#: After a sign for "number" no blank is needed: "Order #123-45".
SIGN = re.compile(r"(?<=[#№°])[ ]{0,3}(?=\w)|[ ]{0,3}(?=#\w)")
#: A line that is itself "Label:" or "Label: value".
LABELLED = re.compile(r"[ >*•-]{0,6}[^\s:\t][^:\n\t]{0,40}[:：](?:\s|\*|$)")
#: The next label of a row of labels that blanks keep apart.
NEXT_COLUMN = re.compile(r"(?<! )[ ]{3,}+(?=[^\s:][^:\n\t]{0,40}[:：])")
NEXT_GAP = re.compile(r"[ ]{3}")
#: What may be before a label that leads: bullets, numbers ("4.", "b)", "Q3:") and marks of emphasis.
BULLET = re.compile(r"(?:[\s>*•·▪◦‣●○■□◆・①-⑳☐☑✓✔\-–—#\d.)(\[\]【+|_%:]|(?<![^\W\d_])[A-Za-z](?=[.)\d])){0,40}$")
NO_NUMBER_REMARK = re.compile(r"[-\s$€£\d.,']*\d[-\s$€£\d.,']*")


def is_other_unit(unit: str) -> bool:
    """Say whether three capitals between label and colon are no currency and no term of trade."""
    return len(unit) == 3 and unit.isupper() and unit not in PLACES and unit not in TERMS
