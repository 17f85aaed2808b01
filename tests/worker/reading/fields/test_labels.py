"""Labels are found as forms write them: with signs, remarks, numbers and leaders; a blank value is blank."""

from typing import Any

import pytest

from tests.worker.reading.mails import page, plain
from worker.reading import FieldRule, read

POLICY = FieldRule("policy", ("Policy Number",), type="reference")
UNITS = FieldRule("units", ("Number of Units",), type="number")
COMMISSION = FieldRule("commission", ("Commission",), type="number")
START = FieldRule("start", ("When should cover start",), type="date")


def fields(body: str, *rules: FieldRule, **options: Any) -> dict[str, Any]:
    return read(plain(body, **options), rules or (POLICY,)).fields


@pytest.mark.parametrize(
    "body",
    [
        "Policy Number? AB-12345",
        "Policy Number?\nAB-12345",
        "Policy number (if known)?\nAB-12345",
        "Policy number (if known): AB-12345",
        "Policy number (please give the number that is printed on your certificate): AB-12345",
        "Policy number [optional]: AB-12345",
        "What is your policy number?\nAB-12345",
        "What is your policy number? AB-12345",
        "# Policy Number: AB-12345",
        "4. Policy number:\nAB-12345",
        "Q4. Policy number: AB-12345",
        "b) Policy number: AB-12345",
        "(iv) Policy number: AB-12345",
        "■ Policy number: AB-12345",
        "Policy Number ..............................................................: AB-12345",
        "Policy Number .............................................................. AB-12345",
        "Policy Number ----------------: AB-12345",
        "Policy Number ---------------- AB-12345",
        "Policy Number…………: AB-12345",
        "Policy #AB-12345",
        "Policy number/in: AB-12345",
        "Policy number*innen: AB-12345",
        "your policy #AB-12345 is here",
        "Policy Number\n\nAB-12345\n\nKind regards",
        "Policy Number:      AB-12345      Premium: 5",
    ],
)
def test_a_label_may_have_signs_around_it(body: str) -> None:
    assert fields(body) == {"policy": "AB-12345"}


def test_questions_are_answered_on_the_next_line() -> None:
    form = "4. When should cover start?\n2027-01-15\n\n5. What is your policy number?\nLF-778812\n"
    assert fields(form, START, POLICY) == {"start": "2027-01-15", "policy": "LF-778812"}


@pytest.mark.parametrize(
    "question", ["Who is your contact?\nBest regards", "Could you send us the name?\nThe forms are attached."]
)
def test_the_line_after_a_question_in_prose_is_no_answer(question: str) -> None:
    assert read(plain(question)).fields == {}


@pytest.mark.parametrize(
    "written", ["Commission %: 12.5", "% Commission: 12.5", "Commission (%): 12.5", "Commission: 12.5%"]
)
def test_a_label_may_have_a_percent_sign(written: str) -> None:
    assert fields(written, COMMISSION) == {"commission": 12.5}


def test_a_sign_before_the_colon_is_the_currency() -> None:
    rule = FieldRule("sum", ("Total",), type="money")
    assert (
        fields("Total $: 500", rule)
        == fields("Total ($): 500", rule)
        == {"sum": {"amount": "500.00", "currency": "USD"}}
    )


@pytest.mark.parametrize("label", ["# of Units", "Number of Units", "No. of units", "#Units"])
def test_a_number_sign_may_begin_a_label(label: str) -> None:
    rule = FieldRule("units", ("Number of Units", "Units"), type="number")
    assert fields(f"{label}: 21", rule) == {"units": 21}


@pytest.mark.parametrize(
    "below",
    [
        "\n\nThe inspection took place on 21 March 2026 near Leeds.",
        "\n\nWe counted 21 of them.",
        "\nThe inspection of all 21 rooms took place in March.",
        "\nInspection: 21 March",
        "    Inspection Date: 21 March 2026",
        "\n\n21 March 2026",
        " ______",
        " n/a",
        "",
    ],
)
def test_a_blank_value_is_blank_and_not_the_next_paragraph(below: str) -> None:
    assert fields(f"Number of Units:{below}", UNITS) == {}


@pytest.mark.parametrize("below", ["\n21", "\n\n21", "\n21 units", "\n\n   21\n\nThe end."])
def test_a_value_alone_on_the_line_below_is_the_labels(below: str) -> None:
    assert fields(f"Number of Units:{below}", UNITS) == {"units": 21}


def test_text_after_an_empty_line_is_a_value_only_in_a_form() -> None:
    form = "Name:\n\nJane Doe\n\nAddress:\n\n12 Main St\n\nPhone:\n\n+44 20 7946 0018"
    assert read(plain(form)).fields == {"name": "Jane Doe", "address": "12 Main St", "phone": "+442079460018"}
    assert read(plain("Address:\n\nPlease find the documents attached")).fields == {}


@pytest.mark.parametrize("line", ["Order #123-45", "Order#123-45", "Order no. 123-45", "Your Order # 123-45 was sent"])
def test_an_order_needs_no_colon(line: str) -> None:
    assert read(plain(line)).fields == {"order_number": "123-45"}
    assert read(plain("hello", subject=line)).fields == {"order_number": "123-45"}


def test_a_label_and_its_value_that_stuck_together_are_taken_apart() -> None:
    assert read(page("<div><span>Policy Number</span><span>KH-2026-00417</span></div>")).fields == {
        "policy_number": "KH-2026-00417"
    }


def test_an_empty_cell_may_be_between_label_and_value() -> None:
    row = "<tr><td>Policy Number</td><td>&nbsp;</td><td>:</td><td>LF-778812</td></tr>"
    assert read(page(f"<table>{row}</table>")).fields == {"policy_number": "LF-778812"}


@pytest.mark.parametrize(
    "text",
    [
        "See https://shop.example/?order=12345&policy=AB-12345 for all.",
        "https://shop.example/order:12345",
        "www.shop.example/policy-number:AB-12345",
        "```\norder: 12345\n```",
        "order = 12345;",
        '{"order": 12345}',
        "const order = 12345;",
        "if (order == 12345) {",
        "2026-02-27 09:12:00 ERROR order=12345 policy=AB-1 total=500.00",
        "<order>12345</order>",
    ],
)
def test_addresses_and_code_have_no_labels(text: str) -> None:
    assert read(plain(text)).fields == {}


@pytest.mark.parametrize(
    "label",
    [
        "Montant total TTC :",
        "Montant total (TTC) :",
        "Montant total HT:",
        "Montant total EUR:",
        "Montant total excl. TVA:",
    ],
)
def test_what_an_amount_is_in_may_be_between_label_and_colon(label: str) -> None:
    assert read(plain(f"{label} 3 480,00 €")).fields == {"total": {"amount": "3480.00", "currency": "EUR"}}


def test_a_word_between_label_and_colon_that_is_no_currency_makes_another_label() -> None:
    assert read(plain("Claim PDF: 12345")).fields == {}


def test_a_value_ends_before_the_dash_of_the_next_label() -> None:
    body = "Insured: Acme Corp. - Policy: XL-99201 - Claim: 26-00417"
    assert read(plain(body)).fields == {
        "insured": "Acme Corp.",
        "policy_number": "XL-99201",
        "claim_number": "26-00417",
    }


HEADS = "Invoice No.    Date          Total\n"


def test_a_value_is_below_its_label_where_blanks_keep_columns_apart() -> None:
    assert read(plain(HEADS + "INV-1          2026-03-01    $5.00\n\nKind regards")).fields == {
        "invoice_number": "INV-1",
        "date": "2026-03-01",
        "total": {"amount": "5.00", "currency": "USD"},
    }


@pytest.mark.parametrize(
    "text",
    [
        HEADS + "INV-1          2026-03-01    $5.00\nINV-2          2026-03-02    $6.00",
        "Item           Qty           Total\nMug            2             $5.00",
    ],
)
def test_a_column_of_items_or_of_several_rows_has_no_single_value_in_plain_text_either(text: str) -> None:
    assert read(plain(text)).fields == {}


def test_the_price_of_an_item_is_not_the_price_of_the_mail() -> None:
    row = "<tr><td>Mug</td><td>2</td><td>$8.00</td></tr>"
    assert read(page(f"<table><tr><td>Product</td><td>Quantity</td><td>Price</td></tr>{row}</table>")).fields == {}


def test_labels_and_values_may_be_side_by_side_in_columns() -> None:
    line = "Insured        Jane Doe          Policy Number     AB-12345"
    assert read(plain(line)).fields == {"insured": "Jane Doe", "policy_number": "AB-12345"}


def test_of_several_names_the_first_label_of_the_rule_names_the_right_one() -> None:
    reading = read(plain("Claimant: Maria Torres\nInsured: Sunrise Plaza LLC"))
    assert reading.fields == {"insured": "Sunrise Plaza LLC"}


def test_a_semicolon_separates_label_and_value_in_exported_lines() -> None:
    assert read(plain("Invoice number;INV-771\nTotal;1250.00 EUR")).fields == {
        "invoice_number": "INV-771",
        "total": {"amount": "1250.00", "currency": "EUR"},
    }


def test_a_quoted_question_is_answered_by_the_new_line_below_it() -> None:
    body = "Hi,\n\n> What is your policy number?\nLF-778812\n\n> When should cover start?\n2027-01-15\n\nBye"
    assert fields(body, START, POLICY) == {"start": "2027-01-15", "policy": "LF-778812"}
    assert fields("> Policy number: AB-12345?\nNo, it is another one.") == {"policy": "AB-12345"}


def test_the_short_prefix_of_a_value_is_no_label() -> None:
    parcel, file = FieldRule("parcel", ("Parcel",), type="reference"), FieldRule("file", ("AZ",), type="reference")
    assert fields("Parcel: AZ 4471 0091", parcel, file) == {"parcel": "AZ 4471 0091"}
    assert fields("AZ 4471 0091", parcel, file) == {"file": "4471 0091"}
    assert fields("Parcel:\nAZ: 4471 0091", parcel, file) == {"file": "4471 0091"}


@pytest.mark.parametrize(
    "line", ["Parcel n.º 7788-A was sent.", "Parcel No.: 7788-A", "Parcel N° : 7788-A", "Parcel number 7788-A"]
)
def test_a_word_for_number_may_follow_the_label_of_a_reference(line: str) -> None:
    assert fields(line, FieldRule("parcel", ("Parcel",), type="reference")) == {"parcel": "7788-A"}


def test_words_may_say_of_what_the_number_is() -> None:
    assert fields("The policy number of the van is AB-12345.") == {"policy": "AB-12345"}
    assert fields("The policy number for my house was AB-12345.") == {"policy": "AB-12345"}
    assert fields("The policy number of the van has changed, AB-12345.") == {}


def test_an_abbreviated_label_is_kept_apart_by_blanks() -> None:
    assert fields("Policy No.        AB-12345") == {"policy": "AB-12345"}


@pytest.mark.parametrize(
    ("net", "gross"),
    [("Total HT", "Total TTC"), ("Total (excl. VAT)", "Total (incl. VAT)"), ("Total net", "Total gross")],
)
def test_the_sum_with_tax_is_preferred_to_that_without(net: str, gross: str) -> None:
    rule = FieldRule("sum", ("Total",), type="money")
    assert fields(f"{gross}: EUR 120\n{net}: EUR 100", rule) == {"sum": {"amount": "120.00", "currency": "EUR"}}
    assert fields(f"{net}: EUR 100", rule) == {"sum": {"amount": "100.00", "currency": "EUR"}}


NAME = FieldRule("name", ("Insured Name",), type="name")
PLACE = FieldRule("place", ("Insured Address",), type="text")
PHONE = FieldRule("phone", ("Phone",), type="phone")
MAIL = FieldRule("mail", ("E-mail",), type="email")


@pytest.mark.parametrize("label", ["Insured's name", "Insured’s Name", "INSURED'S NAME"])
def test_a_label_may_have_a_genitive(label: str) -> None:
    assert fields(f"{label}: Jane Roe", NAME) == {"name": "Jane Roe"}
    assert fields(f"{label}: Jane Roe", FieldRule("name", ("Insured's Name",), type="name")) == {"name": "Jane Roe"}


def test_two_labels_with_one_value_have_a_part_each_or_what_only_one_can_have() -> None:
    assert fields("Insured Name & Insured Address: Jane Roe / 5 High St", NAME, PLACE) == {
        "name": "Jane Roe",
        "place": "5 High St",
    }
    assert fields("Insured Name & Insured Address: Jane Roe, 5 High St", NAME, PLACE) == {}
    both = fields("Phone/E-mail: +44 20 7946 0018, jane@roe.example", PHONE, MAIL)
    assert both == {"phone": "+442079460018", "mail": "jane@roe.example"}
    assert fields("Phone / E-mail: jane@roe.example", PHONE, MAIL) == {"mail": "jane@roe.example"}


def test_a_row_with_several_amounts_has_no_single_one() -> None:
    premium, place = FieldRule("premium", ("Premium",), type="money"), FieldRule("place", ("City",))
    offers = read(page("<table><tr><td>Premium</td><td>EUR 82.00</td><td>EUR 91.00</td></tr></table>"), [premium])
    assert offers.fields == {}
    assert [each["raw"] for each in offers.missing[0]["readings"]] == ["EUR 82.00", "EUR 91.00"]
    row = "<table><tr><td>Premium</td><td>EUR 82.00</td><td>a year</td></tr><tr><td>City</td><td>Ely</td></tr></table>"
    assert read(page(row), [premium, place]).fields == {
        "premium": {"amount": "82.00", "currency": "EUR"},
        "place": "Ely",
    }


def test_a_word_for_number_may_be_before_the_label_of_a_reference() -> None:
    assert fields("N° parcel : 7788-A", FieldRule("parcel", ("Parcel",), type="reference")) == {"parcel": "7788-A"}


@pytest.mark.parametrize("label", ["Total per person", "Total CIF", "Total je Monat", "Total par an"])
def test_words_after_a_label_may_say_of_what_an_amount_is(label: str) -> None:
    rule = FieldRule("sum", ("Total",), type="money")
    expected = {"sum": {"amount": "75.00", "currency": "EUR"}}
    assert fields(f"{label}: EUR 75", rule) == expected
    assert read(page(f"<table><tr><td>{label}</td><td>EUR 75</td></tr></table>"), [rule]).fields == expected
    assert fields("Total PDF: EUR 75", rule) == {}


def test_the_price_of_a_unit_is_in_doubt() -> None:
    assert read(plain("Price per box: EUR 5")).fields == {}
    assert read(plain("Premium per year: EUR 5")).fields == {"premium": {"amount": "5.00", "currency": "EUR"}}
