"""Subjects of automatic replies are known in the languages of mail programs; what people write about is not one."""

import pytest

from tests.worker.reading.mails import plain
from worker.reading import read
from worker.reading.kinds.auto_replies import is_auto_reply_subject

SUBJECTS = {
    "en": ["Automatic reply: your mail", "Auto-Reply", "Autoreply: x", "Out of Office", "Out of office: back Monday",
           "Out of the office until 3 March", "[OOO] Kim", "Vacation response"],
    "de": ["Automatische Antwort: Angebot", "Abwesenheitsnotiz", "Abwesend: bis Montag", "Nicht im Büro bis 3.4."],
    "fr": ["Réponse automatique : absent", "Absence du bureau", "Absent jusqu'au 3 mars"],
    "es": ["Respuesta automática: pedido", "Fuera de la oficina"],
    "it": ["Risposta automatica: ordine", "Fuori sede", "Assenza dall'ufficio"],
    "nl": ["Automatisch antwoord: offerte", "Afwezig tot 3 maart", "Afwezigheidsbericht"],
    "pt": ["Resposta automática: pedido", "Ausência temporária"],
    "ca": ["Resposta automàtica: comanda"],
    "sv": ["Automatiskt svar: order", "Autosvar: order", "Frånvaro"],
    "da": ["Automatisk svar: ordre", "Ikke til stede"],
    "nb": ["Automatisk svar: ordre", "Fraværsmelding"],
    "fi": ["Automaattinen vastaus: tilaus", "Poissaoloilmoitus"],
    "is": ["Sjálfvirkt svar: pöntun"],
    "pl": ["Odpowiedź automatyczna: zamówienie", "Automatyczna odpowiedź", "Poza biurem"],
    "cs": ["Automatická odpověď: objednávka", "Mimo kancelář"],
    "sk": ["Automatická odpoveď: objednávka", "Mimo kancelárie"],
    "hu": ["Automatikus válasz: rendelés", "Házon kívül"],
    "ro": ["Răspuns automat: comandă"],
    "tr": ["Otomatik Yanıt: sipariş", "Ofis dışında"],
    "ru": ["Автоматический ответ: заказ", "Автоответ", "Вне офиса"],
    "uk": ["Автоматична відповідь: замовлення"],
    "bg": ["Автоматичен отговор: поръчка"],
    "el": ["Αυτόματη απάντηση: παραγγελία", "Εκτός γραφείου"],
    "hr": ["Automatski odgovor: narudžba"],
    "sl": ["Samodejni odgovor: naročilo"],
    "et": ["Automaatvastus: tellimus"],
    "lv": ["Automātiska atbilde: pasūtījums"],
    "lt": ["Automatinis atsakymas: užsakymas"],
    "ja": ["自動応答: 注文", "自動返信", "不在通知"],
    "zh": ["自动答复: 订单", "自動回覆: 訂單"],
    "ko": ["자동 회신: 주문"],
    "vi": ["Trả lời tự động: đơn hàng"],
    "ar": ["رد تلقائي: طلب"],
    "he": ["תשובה אוטומטית: הזמנה"],
}  # fmt: skip


@pytest.mark.parametrize("language", SUBJECTS)
def test_subjects_of_automatic_replies_are_known_in_many_languages(language: str) -> None:
    assert [subject for subject in SUBJECTS[language] if not is_auto_reply_subject(subject)] == []


def test_a_subject_in_decomposed_letters_is_known_too() -> None:
    reading = read(plain("away", subject="Re\u0301ponse automatique : absent"))
    assert (reading.kind, reading.kind_reason) == ("auto_reply", "subject of an automatic reply")


@pytest.mark.parametrize(
    "subject",
    [
        "Re: Automatic reply: your mail",
        "Out of office furniture, order 12",
        "Automatic doors: quote",
        "Absence management software",
        "Abwesende Mieter",
        "Assenteismo in azienda",
        "Autoresponder pricing",
        "Holiday let in Wales",
        "On holiday insurance",
        "Absence from work: claim 12",
        "Ausente de datos",
        "Férias coletivas 2026",
        "Absence: certificat médical pour le sinistre 4711",
        "Absence - sick note, policy 123",
        "On vacation: travel insurance quote",
        "Férias - pedido de cotação",
        "OOO, Inc. order",
        "Automatic response system (ARS) quotation",
        "Automatic reply feature request",
        "Auto response time report",
        "В отпуске с 1.5. - полис 123",
        "Absent (sick) 12 May claim",
        "休假 - 申请",
    ],
)
def test_subjects_of_people_are_no_automatic_replies(subject: str) -> None:
    assert not is_auto_reply_subject(subject)


@pytest.mark.parametrize("tag", ["[EXTERNAL] ", "[EXT]", "EXT: ", "***SPAM*** ", "[EXTERN] [SPAM] "])
def test_the_words_of_a_gateway_before_the_subject_are_skipped(tag: str) -> None:
    assert is_auto_reply_subject(f"{tag}Automatic reply: your mail")
    assert is_auto_reply_subject(f"{tag}Out of office")


@pytest.mark.parametrize(
    "head",
    [
        "Return-Path: <>\r\n",
        "Auto-Submitted: auto-generated\r\n",
        "Precedence: bulk\r\n",
        "X-Auto-Response-Suppress: All\r\n",
    ],
)
def test_words_for_being_away_count_beside_a_sign_of_a_program(head: str) -> None:
    assert read(plain("away", subject="Absence: votre demande", head=head)).kind == "auto_reply"
    assert read(plain("hello", subject="Absence management software", head=head)).kind != "auto_reply"


@pytest.mark.parametrize(
    "subject", ["Out of office from 1 May to 3 May", "Abwesend vom 1.5.-14.5.", "Absent du 3 au 5 mars.", "(Abwesend)"]
)
def test_being_away_with_its_dates_is_a_whole_subject(subject: str) -> None:
    assert is_auto_reply_subject(subject)
