"""Fields are found where people write them, with evidence that points at the exact characters."""

from typing import Any

import pytest

from tests.worker.reading.mails import page, plain, text_at
from worker.reading import GENERAL_RULES, FieldRule, Reading, read

POLICY = FieldRule("policy", ("Policy Number",), type="reference")


def policy(body: str, **options: Any) -> Any:
    return read(plain(body, **options), [POLICY]).fields.get("policy")


@pytest.mark.parametrize(
    "body",
    [
        "Policy Number: AB-12345",
        "policy number : AB-12345",
        "POLICY NO.: AB-12345",
        "policy_number: AB-12345",
        "Policy #: AB-12345",
        "Policy Nr. AB-12345",
        "Policy №: AB-12345",
        "* Policy Number: AB-12345",
        "*Policy Number:* AB-12345",
        "1. Policy Number: AB-12345",
        "Policy Number (see card): AB-12345",
        "Policy Number = AB-12345",
        "Policy Number - AB-12345",
        "Policy Number ........ AB-12345",
        "Policy Number      AB-12345",
        "Policy Number:\nAB-12345",
        "Policy Number:\n\n  AB-12345",
        "Policy Number\nAB-12345",
        "Policy Number | AB-12345",
        "Dear all, the policy number is AB-12345.",
        "we ask you about policy number AB-12345, thank you",
        "Name: Jane, Policy Number: AB-12345, Sum: 5",
    ],
)
def test_a_value_is_found_by_its_label(body: str) -> None:
    assert policy(body) == "AB-12345"


@pytest.mark.parametrize(
    "body",
    [
        "AB-12345",
        "Our number is AB-12345",
        "Policy Number:",
        "Policy Number: n/a",
        "Policy Number: please see the letter",
        "The policy number was not given, see AB-12345",
        "Policy Number:\nClaim Number: CL-1",
        "policyholder number: AB-12345",
    ],
)
def test_nothing_is_found_without_a_label_or_a_value(body: str) -> None:
    assert policy(body) is None


def test_values_in_html_are_found_in_the_next_cell_and_in_the_cell_below() -> None:
    beside = "<table><tr><td>Policy number</td><td></td><td><b>AB-12345</b></td></tr></table>"
    below = "<table><tr><th>Insured</th><th>Policy number</th></tr><tr><td>Jane Doe</td><td>AB-12345</td></tr></table>"
    assert read(page(beside)).fields["policy_number"] == "AB-12345"
    assert read(page(below)).fields["policy_number"] == "AB-12345"
    assert read(page(below)).fields["insured"] == "Jane Doe"


def test_a_column_with_several_rows_has_no_single_value() -> None:
    rows = "".join(f"<tr><td>Crate {n}</td><td>EUR {n}.00</td></tr>" for n in (1, 2))
    table = f"<table><tr><th>Goods</th><th>Amount</th></tr>{rows}</table><p>Total: EUR 3.00</p>"
    assert read(page(table)).fields == {"total": {"amount": "3.00", "currency": "EUR"}}


@pytest.mark.parametrize(
    ("line", "fields"),
    [
        ("Deductible: GBP 2,000", {"deductible": {"amount": "2000.00", "currency": "GBP"}}),
        ("Selbstbehalt: 1.500,00 EUR", {"deductible": {"amount": "1500.00", "currency": "EUR"}}),
        ("Franquicia: 150 €", {"deductible": {"amount": "150.00", "currency": "EUR"}}),
        ("Franchise : 1 250,50 €", {"deductible": {"amount": "1250.50", "currency": "EUR"}}),
        ("Importe estimado: 20.975,00 €", {"amount": {"amount": "20975.00", "currency": "EUR"}}),
        ("Eigen risico: € 150", {"deductible": {"amount": "150.00", "currency": "EUR"}}),
        ("Numer zamówienia: ZAM/2026/53287", {"order_number": "ZAM/2026/53287"}),
        ("Wartość: 1 709,50 zł", {"amount": {"amount": "1709.50", "currency": "PLN"}}),
        ("Data dostawy: 18 listopada 2026 r.", {"delivery_date": "2026-11-18"}),
        ("Maximální cena: 211 500 Kč bez DPH", {"amount": {"amount": "211500.00", "currency": "CZK"}}),
        ("Termín dodání: 6. 12. 2026", {"delivery_date": "2026-12-06"}),
        ("見積番号:Q26-99332", {"reference": "Q26-99332"}),
        ("希望納期:2026年12月29日", {"delivery_date": "2026-12-29"}),
        ("电话 and 電話:+81-3-5550-0914", {"phone": "+81355500914"}),
        ("מספר פוליסה: RK-36418963", {"policy_number": "RK-36418963"}),
        ("תאריך האירוע: 06/11/2026", {"loss_date": "2026-11-06"}),
        ("رقم الطلب: PO-26-59177", {"order_number": "PO-26-59177"}),
        ("المبلغ الإجمالي: 59,000.00 AED", {"total": {"amount": "59000.00", "currency": "AED"}}),
        ("الهاتف: +971 4 555 4143", {"phone": "+97145554143"}),
        ("Αριθμός παραγγελίας: AB-123", {"order_number": "AB-123"}),
        ("Σύνολο: 1.250,50 €", {"total": {"amount": "1250.50", "currency": "EUR"}}),
        ("Número do pedido: 12345", {"order_number": "12345"}),
        ("su pedido n.º 7788-A ha salido", {"order_number": "7788-A"}),
        ("Pedido Nº: 7788-A", {"order_number": "7788-A"}),
        ("Valor total: R$ 3.355", {"total": {"amount": "3355.00", "currency": "BRL"}}),
        ("Data de vencimento: 03/04/2026", {"due_date": "2026-04-03"}),
        ("Ordernummer: 12345", {"order_number": "12345"}),
        ("Förfallodatum: 2026-05-01", {"due_date": "2026-05-01"}),
        ("Forfaldsdato: 3. maj 2026", {"due_date": "2026-05-03"}),
        ("Skadenummer: S-77", {"claim_number": "S-77"}),
        ("Forsikringstaker: Kari Nordmann", {"insured": "Kari Nordmann"}),
        ("Tilausnumero: T-123", {"order_number": "T-123"}),
        ("Eräpäivä: 1.5.2026", {"due_date": "2026-05-01"}),
        ("SİPARİŞ NUMARASI: S-123", {"order_number": "S-123"}),
        ("Son ödeme tarihi: 4 Mart 2026", {"due_date": "2026-03-04"}),
        ("Numer przesyłki: PL-99", {"tracking_number": "PL-99"}),
        ("Číslo rezervace: R-99", {"reservation_number": "R-99"}),
        ("Trackingnummer: 3SABC123", {"tracking_number": "3SABC123"}),
        ("【予約番号】R-99", {"reservation_number": "R-99"}),
        ("■ご注文番号：A-123", {"order_number": "A-123"}),
        ("Booking reference: QXWERT", {"reservation_number": "QXWERT"}),
        ("Tracking number: 1Z 999 AA1 01 2345 6784", {"tracking_number": "1Z 999 AA1 01 2345 6784"}),
    ],
)
def test_general_fields_are_read_in_the_languages_of_business_mail(line: str, fields: dict[str, Any]) -> None:
    assert read(plain(line)).fields == fields


def test_the_subject_is_searched_after_the_new_text_and_before_the_quoted() -> None:
    quoted = "\n\nOn Mon, Feb 2, 2026 Desk <d@x.example> wrote:\n> Policy number: OLD-111"
    assert policy("Policy number: NEW-333" + quoted, subject="Policy number SUB-222") == "NEW-333"
    assert policy("hello" + quoted, subject="Policy number SUB-222") == "SUB-222"
    assert policy("hello" + quoted) == "OLD-111"


def test_quoted_values_are_trusted_less_than_new_ones() -> None:
    quoted = read(plain("hi\n\nOn Mon, Feb 2, 2026 D <d@x.example> wrote:\n> Policy number: A-1"), [POLICY])
    fresh = read(plain("Policy number: A-1"), [POLICY])
    assert quoted.evidence["policy"]["confidence"] < fresh.evidence["policy"]["confidence"]


def check_evidence(reading: Reading) -> None:
    assert reading.evidence.keys() == reading.fields.keys()
    for evidence in reading.evidence.values():
        assert set(evidence) == {"raw", "source", "start", "end", "rule", "confidence", "alternatives"}
        assert text_at(reading, evidence) == evidence["raw"]
        assert 0 < evidence["confidence"] <= 1


@pytest.mark.parametrize("before", ["", "😀", "👩‍👩‍👧‍👦 e\u0301 ", "𝔘𝔫𝔦\n", "\u202e עברית\n", "🏳️‍🌈" * 50])
def test_evidence_points_at_the_value_in_utf16_units(before: str) -> None:
    body = f"{before}\nPolicy number: AB-12345\nInsured: Zoë\u0308 🏠 Ltd\nAmount: 500.00 EUR 😀\n"
    reading = read(plain(body, subject=f"{before.strip()} claim no. CL-9"))
    assert {"policy_number", "insured", "amount", "claim_number"} <= reading.fields.keys()
    check_evidence(reading)


def test_another_value_of_the_same_field_is_an_alternative_and_lowers_the_confidence() -> None:
    evidence = read(plain("Policy number: AA-1\nPolicy number: BB-2\nPolicy number: AA-1"), [POLICY]).evidence["policy"]
    assert [other["value"] for other in evidence["alternatives"]] == ["BB-2"]
    assert evidence["confidence"] <= 0.6


def test_several_values_in_sentences_are_in_doubt() -> None:
    reading = read(plain("We ask about policy number AA-1 and about policy number BB-2."), [POLICY])
    assert reading.fields == {}
    assert [each["value"] for each in reading.missing[0]["readings"]] == ["AA-1", "BB-2"]


def test_a_value_behind_a_label_is_surer_than_one_in_a_sentence_or_by_pattern() -> None:
    rules = [POLICY, FieldRule("policy", pattern=r"MV\d{4}", type="reference")]
    reading = read(plain("About MV1234, and policy number BB-2. Now policy number: AA-1"), rules)
    assert reading.fields == {"policy": "AA-1"}
    assert reading.evidence["policy"]["confidence"] <= 0.6


def test_the_other_dates_of_a_mail_decide_an_ambiguous_one() -> None:
    due = FieldRule("due", ("Due date",), type="date")
    assert read(plain("Sent on 02/28/2026.\nDue date: 03/04/2026"), [due]).fields == {"due": "2026-03-04"}
    assert read(plain("Sent on 28/02/2026.\nDue date: 03/04/2026"), [due]).fields == {"due": "2026-04-03"}
    assert read(plain("Sent on 28/02/2026, read on 02/28/2026.\nDue date: 03/04/2026"), [due]).fields == {}
    quoted = "\n\nOn Mon, Feb 2, 2026 Desk <d@x.example> wrote:\n> Sent on 02/28/2026."
    assert read(plain("Due date: 03/04/2026" + quoted), [due]).fields == {}


@pytest.mark.parametrize(
    ("line", "currency"), [("Belopp: 500 kr", "SEK"), ("I alt: 500 kr.", "DKK"), ("Totalbeløp: kr 500", "NOK")]
)
def test_the_language_of_a_label_decides_which_crowns_are_meant(line: str, currency: str) -> None:
    assert [each["currency"] for each in read(plain(line)).fields.values()] == [currency]


def test_the_language_of_the_text_decides_which_crowns_a_shared_label_means() -> None:
    swedish = "Hej, tack för er beställning. Ni kan svara till oss, vi är här även i morgon.\n\nTotalt: 500 kr"
    assert read(plain(swedish)).fields == {"total": {"amount": "500.00", "currency": "SEK"}}
    assert read(plain("Totalt: 500 kr")).fields == {"total": {"amount": "500.00"}}


def test_an_ambiguous_date_is_no_value() -> None:
    assert "due_date" not in read(plain("Due date: 03/04/2026")).fields
    alternatives = read(plain("Due date: 03/04/2026\nDue date: 5 May 2026")).evidence["due_date"]["alternatives"]
    assert [each["value"] for each in alternatives] == ["2026-03-04", "2026-04-03"]
    assert [each["raw"] for each in alternatives] == ["03/04/2026", "03/04/2026"]


def test_a_pattern_alone_is_searched_in_text_and_subject() -> None:
    rule = FieldRule("ticket", pattern=r"\bTK-\d{4}\b")
    assert read(plain("about TK-1234 again"), [rule]).fields == {"ticket": "TK-1234"}
    assert read(plain("hello", subject="Re: [TK-5678]"), [rule]).fields == {"ticket": "TK-5678"}


def test_the_group_of_a_pattern_is_the_value() -> None:
    reading = read(plain("😀 order <<77-A>> end"), [FieldRule("order", pattern=r"order <<([^>]+)>>")])
    assert reading.fields == {"order": "77-A"}
    check_evidence(reading)


def test_a_pattern_with_labels_is_searched_after_the_label() -> None:
    rule = FieldRule("policy", ("Policy",), pattern=r"[A-Z]{2}\d{3}", type="reference")
    assert read(plain("XX999\nPolicy: our AB123 of May"), [rule]).fields == {"policy": "AB123"}


def test_where_no_label_gives_a_value_the_pattern_is_searched_in_subject_and_new_text() -> None:
    rule = FieldRule("case", ("Case No",), pattern=r"C-\d{3}", type="reference")
    by_label = read(plain("Case No: C-111\nC-222"), [rule])
    assert by_label.fields == {"case": "C-111"}
    by_subject = read(plain("hello", subject="about C-333"), [rule])
    assert by_subject.fields == {"case": "C-333"}
    assert by_subject.evidence["case"]["confidence"] < by_label.evidence["case"]["confidence"]
    assert read(plain("about C-444\nCase No: unknown"), [rule]).fields == {"case": "C-444"}
    quoted = "hello\n\nOn Mon, Feb 2, 2026 Desk <d@x.example> wrote:\n> about C-555"
    assert read(plain(quoted), [rule]).fields == {}


def test_several_matches_of_a_pattern_without_its_label_are_in_doubt() -> None:
    rule = FieldRule("case", ("Case No",), pattern=r"C-\d{3}", type="reference")
    reading = read(plain("C-111 or C-222"), [rule])
    assert reading.fields == {}
    assert [each["value"] for each in reading.missing[0]["readings"]] == ["C-111", "C-222"]
    assert read(plain("C-111, again C-111"), [rule]).fields == {"case": "C-111"}


def test_a_rule_with_labels_only_never_searches_its_pattern_elsewhere() -> None:
    rule = FieldRule("case", ("Case No",), pattern=r"C-\d{3}", type="reference", labels_only=True)
    assert read(plain("about C-444", subject="C-444"), [rule]).fields == {}


def test_a_value_may_have_blanks_where_its_pattern_has_them() -> None:
    rule = FieldRule("plate", ("Plate",), pattern=r"[A-Z]{2}\d{2} ?[A-Z]{3}", type="reference")
    assert read(plain("Plate: AB12 CDE"), [rule]).fields == {"plate": "AB12 CDE"}
    assert read(plain("Plate: AB12CDE"), [rule]).fields == {"plate": "AB12CDE"}


def test_rules_of_one_name_are_ways_to_one_field() -> None:
    rules = [
        FieldRule("policy", ("Policy Number",), type="reference"),
        FieldRule("policy", pattern=r"MV\d{4}", type="reference"),
    ]
    assert read(plain("Policy Number: AB-1"), rules).fields == {"policy": "AB-1"}
    assert read(plain("about MV1234"), rules).fields == {"policy": "MV1234"}
    both = read(plain("Policy Number: AB-1, about MV1234"), rules)
    assert both.fields == {"policy": "AB-1"}
    assert [each["value"] for each in both.evidence["policy"]["alternatives"]] == ["MV1234"]


def test_fields_are_in_the_order_of_the_queues_row() -> None:
    rules = [
        FieldRule("first", ("First",)),
        FieldRule("second", ("Second",), show=2),
        FieldRule("third", ("Third",), show=1),
    ]
    assert list(read(plain("First: a\nSecond: b\nThird: c"), rules).fields) == ["third", "second", "first"]


def test_a_pattern_that_is_slow_with_backtracking_is_fast() -> None:
    rule = FieldRule("x", pattern=r"(a+)+$")
    assert read(plain("a" * 50_000 + "b"), [rule]).fields == {}


def test_text_that_only_looks_like_a_heading_gives_no_name() -> None:
    reading = read(plain("We wrote to the\ncustomer\nabout this and that.\n\nContact:\nComment:\n"))
    assert reading.fields == {}


@pytest.mark.parametrize(
    "sentence",
    [
        "Total: 3 items",
        "Amount: see invoice",
        "Your order 12 chairs arrived.",
        "Order: 12 chairs and a table",
        "The claim 2 of 3 was closed, which cost 3 times as much.",
        "Price: call us 24/7",
        "Customer: we would like to know more about this product",
        "Deadline: as soon as possible",
        "Phone: please call me",
        "Reference: your call of yesterday",
        "There is no policy 5 years after.",
        "The loss was in excess of $250,000,000 last year.",
        "They bought it for an amount of $5 million.",
        "The price is $5 per box.",
        "Le prix de 20 € par pièce est trop élevé.",
        "Deductible: 5 %",
        "Deductible %: 5",
        "The number is in the sender's\naddress. To learn more about it, call us.",
        "Effective immediately, due in 14 days.",
    ],
)
def test_a_sentence_after_a_label_is_no_value(sentence: str) -> None:
    assert read(plain(sentence)).fields == {}


@pytest.mark.parametrize(
    "line",
    [
        "Birth date: 3 March 1980",
        "File name: Report Final",
        "IP address: 10 Main St",
        "Total insured value: $4,500,000",
    ],
)
def test_a_word_before_an_ordinary_label_makes_it_another_one(line: str) -> None:
    assert read(plain(line)).fields == {}


@pytest.mark.parametrize("line", ["Transaction Amount: NGN 500", "Invoice 9, amount NGN 500", "The amount is NGN 500."])
def test_an_amount_that_is_named_is_read(line: str) -> None:
    assert read(plain(line)).fields["amount"] == {"amount": "500.00", "currency": "NGN"}


@pytest.mark.parametrize("nothing", ["n/a", "TBD", "to be advised", "same as above", "unknown", "nil", "—", "-", "…"])
def test_a_value_that_says_that_there_is_none_is_blank(nothing: str) -> None:
    reading = read(plain(f"Insured: {nothing}\nTotal: {nothing}\nPolicy number: {nothing}\nAddress: {nothing}"))
    assert (reading.fields, reading.missing) == ({}, ())


def test_general_rules_have_one_name_each() -> None:
    assert len({rule.name for rule in GENERAL_RULES}) == len(GENERAL_RULES)
