"""Fields are found where people put them, with evidence that points at the very characters."""

from typing import Any

import pytest

from tests.worker.reading.letters import cut_out, page, plain
from worker.reading import GENERAL, FieldRule, Reading, read

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
def test_nothing_is_found_where_label_or_value_is_absent(body: str) -> None:
    assert policy(body) is None


def test_values_in_html_are_found_in_the_next_cell_and_in_the_cell_below() -> None:
    beside = "<table><tr><td>Policy number</td><td></td><td><b>AB-12345</b></td></tr></table>"
    below = "<table><tr><th>Insured</th><th>Policy number</th></tr><tr><td>Jane Doe</td><td>AB-12345</td></tr></table>"
    assert read(page(beside)).fields["policy_number"] == "AB-12345"
    assert read(page(below)).fields["policy_number"] == "AB-12345"
    assert read(page(below)).fields["insured"] == "Jane Doe"


def test_a_column_of_several_rows_has_no_value_of_its_own() -> None:
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
        assert cut_out(reading, evidence) == evidence["raw"]
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


def test_an_ambiguous_date_is_no_value() -> None:
    assert "due_date" not in read(plain("Due date: 03/04/2026")).fields
    assert read(plain("Due date: 03/04/2026\nDue date: 5 May 2026")).evidence["due_date"]["alternatives"] == [
        {"value": "2026-03-04"},
        {"value": "2026-04-03"},
    ]


def test_a_pattern_alone_is_searched_in_text_and_subject() -> None:
    rule = FieldRule("ticket", pattern=r"\bTK-\d{4}\b")
    assert read(plain("about TK-1234 again"), [rule]).fields == {"ticket": "TK-1234"}
    assert read(plain("hello", subject="Re: [TK-5678]"), [rule]).fields == {"ticket": "TK-5678"}


def test_the_group_of_a_pattern_is_the_value() -> None:
    reading = read(plain("😀 order <<77-A>> end"), [FieldRule("order", pattern=r"order <<([^>]+)>>")])
    assert reading.fields == {"order": "77-A"}
    check_evidence(reading)


def test_a_pattern_beside_labels_is_searched_in_what_follows_the_label() -> None:
    rule = FieldRule("policy", ("Policy",), pattern=r"[A-Z]{2}\d{3}", type="reference")
    assert read(plain("XX999\nPolicy: our AB123 of May"), [rule]).fields == {"policy": "AB123"}
    assert read(plain("XX999\nPolicy: unknown"), [rule]).fields == {}


def test_a_pattern_that_would_ruin_a_backtracking_engine_takes_no_time() -> None:
    rule = FieldRule("x", pattern=r"(a+)+$")
    assert read(plain("a" * 50_000 + "b"), [rule]).fields == {}


def test_a_table_is_a_list_of_rows_keyed_by_its_header_cells() -> None:
    rule = FieldRule("items", ("Item",), type="table")
    rows = (("Item", "Qty", "Price"), ("Crate", "2", "5.00"), ("Rope", "", "1.00"))
    cells = "".join("<tr>" + "".join(f"<td>{cell}</td>" for cell in row) + "</tr>" for row in rows)
    reading = read(page(f"<table>{cells}</table><p>Bye</p>"), [rule])
    assert reading.fields["items"] == [
        {"Item": "Crate", "Qty": "2", "Price": "5.00"},
        {"Item": "Rope", "Price": "1.00"},
    ]
    check_evidence(reading)


def test_a_required_field_that_is_missing_asks_for_a_person() -> None:
    rule = FieldRule("policy", ("Policy",), type="reference", required=True)
    reading = read(plain("nothing here"), [rule])
    assert reading.flags == ("missing_required", "needs_review")
    assert reading.reason == "Required fields were not found: policy."
    assert read(plain("Policy: AB-1"), [rule]).flags == ()


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
        "Effective immediately, due in 14 days.",
    ],
)
def test_prose_beside_a_label_is_no_value(sentence: str) -> None:
    assert read(plain(sentence)).fields == {}


def test_general_rules_have_one_name_each() -> None:
    assert len({rule.name for rule in GENERAL}) == len(GENERAL)
