"""Amounts are read only when their meaning is clear."""

import pytest

from worker.reading import FieldRule
from worker.reading.fields.values import Hint, find_readings, find_value
from worker.reading.fields.values.currencies import PLACES


def money(text: str, language: str | None = None, currency: str | None = None) -> dict[str, str] | None:
    value = find_value(FieldRule("m", ("m",), type="money", currency=currency), text, Hint(language))
    return value.value if value else None


def amounts(text: str) -> list[str]:
    found = find_readings(FieldRule("m", ("m",), type="money"), text, Hint())
    return [value["amount"] for value in found.values] if found else []


@pytest.mark.parametrize(
    ("text", "amount", "currency"),
    [
        ("CHF 1’234.50", "1234.50", "CHF"),
        ("CHF 1'234.50", "1234.50", "CHF"),
        ("-500 USD", "-500.00", "USD"),
        ("USD -500", "-500.00", "USD"),
        ("-$500", "-500.00", "USD"),
        ("1,234,567.890 USD", "1234567.890", "USD"),
        ("45 ج.م", "45.00", "EGP"),
        ("350 บาท", "350.00", "THB"),
        ("1 250 ден.", "1250.00", "MKD"),
        ("4.500,00 EUR", "4500.00", "EUR"),
        ("€ 4.500,00", "4500.00", "EUR"),
        ("1 250,50 €", "1250.50", "EUR"),
        ("EUR1250", "1250.00", "EUR"),
        ("$12,500", "12500.00", "USD"),
        ("12,34,567.00 INR", "1234567.00", "INR"),
        ("US$ 99.90", "99.90", "USD"),
        ("¥12,500", "12500", "JPY"),
        ("KWD 423.923", "423.923", "KWD"),
        ("1.899,- €", "1899.00", "EUR"),
        ("500.- CHF", "500.00", "CHF"),
        ("2.5 Mio. EUR", "2500000.00", "EUR"),
        ("EUR 2 million", "2000000.00", "EUR"),
        ("80k USD", "80000.00", "USD"),
        ("approx. 300 USD net", "300.00", "USD"),
        ("Policy 88-123 total 45 USD", "45.00", "USD"),
        ("3 x 20.00 EUR", "20.00", "EUR"),
        ("NGN 15,000.00", "15000.00", "NGN"),
        ("KES 2,300", "2300.00", "KES"),
        ("45,000 PKR", "45000.00", "PKR"),
        ("XOF 15 000", "15000", "XOF"),
        ("250 lei", "250.00", "RON"),
        ("1 250,50 zł", "1250.50", "PLN"),
        ("1 250 Kč", "1250.00", "CZK"),
        ("1.500.000 ₫", "1500000", "VND"),
        ("₦ 15,000", "15000.00", "NGN"),
        ("5,000元", "5000.00", "CNY"),
        ("RMB 5,000", "5000.00", "CNY"),
        ("Rp 1.500.000", "1500000.00", "IDR"),
        ("12,500円（税込）", "12500", "JPY"),
        ("R$ 1.500,00", "1500.00", "BRL"),
        ("500 Swiss francs", "500.00", "CHF"),
        ("(USD) 4,200.00", "4200.00", "USD"),
        ("USD    2,020.00", "2020.00", "USD"),
        ("AUD$ 15", "15.00", "AUD"),
        ("HK $ 15", "15.00", "HKD"),
        ("of $ 15", "15.00", "USD"),
        ("75 USD million", "75000000.00", "USD"),
        ("10日元", "10", "JPY"),
        ("48.2万元", "482000.00", "CNY"),
        ("500 Hong Kong dollars", "500.00", "HKD"),
    ],
)
def test_amounts_with_a_currency(text: str, amount: str, currency: str) -> None:
    assert money(text) == {"amount": amount, "currency": currency}


@pytest.mark.parametrize(
    ("text", "language", "amount"),
    [
        ("3.355 EUR", "de", "3355.00"),
        ("3,355 EUR", "en", "3355.00"),
        ("3.355", "en", "3.355"),
        ("3,355", None, "3355.00"),
    ],
)
def test_the_language_decides_the_meaning_of_a_single_separator(text: str, language: str | None, amount: str) -> None:
    value = money(text, language)
    assert value is not None
    assert value["amount"] == amount


@pytest.mark.parametrize(
    "text",
    ["3.355", "3.355 EUR", "1.837, 32 €", "36. 24", "1.2.3", "88-123", "12/03", "20 %", "none", "", "EUR", "1,2,3 EUR"],
)
def test_an_ambiguous_amount_or_other_number_is_no_value(text: str) -> None:
    assert money(text) is None


def test_an_amount_without_a_currency_gets_that_of_the_rule_or_none() -> None:
    assert money("1,250.00", currency="USD") == {"amount": "1250.00", "currency": "USD"}
    assert money("1,250.00") == {"amount": "1250.00"}


def test_a_dollar_sign_is_the_dollar_of_the_rule() -> None:
    assert money("$5.00", currency="CAD") == {"amount": "5.00", "currency": "CAD"}
    assert money("$5.00", currency="EUR") == {"amount": "5.00", "currency": "USD"}


def test_equal_amounts_have_the_same_form() -> None:
    assert money("500 USD") == money("500.0 USD") == money("USD 500.00")


@pytest.mark.parametrize("code", sorted(PLACES))
def test_every_currency_of_iso_4217_is_known_before_and_after_the_number(code: str) -> None:
    before, after = money(f"{code} 1,250.7500"), money(f"1,250.7500 {code}")
    assert before == after == {"amount": "1250.7500", "currency": code}


@pytest.mark.parametrize("word", ["all", "top", "pen", "try", "mad"])
def test_a_word_that_is_spelled_like_a_code_is_none(word: str) -> None:
    assert money(f"{word} 500") is None


def test_a_sign_of_several_currencies_is_that_of_the_rule_or_none() -> None:
    assert money("15 000 kr") == {"amount": "15000.00"}
    assert money("15 000 kr", currency="NOK") == {"amount": "15000.00", "currency": "NOK"}
    assert money("Rs. 500", currency="PKR") == {"amount": "500.00", "currency": "PKR"}
    assert money("¥500", currency="CNY") == {"amount": "500.00", "currency": "CNY"}


@pytest.mark.parametrize(
    "text",
    [
        "-1,250.00",
        "- 1,250.00",
        "−1,250.00",
        "1,250.00-",
        "(1,250.00)",
        "1,250.00 CR",
        "1,250.00CR",
    ],
)
def test_a_negative_amount_is_written_in_many_ways(text: str) -> None:
    assert money(text) == {"amount": "-1250.00"}


@pytest.mark.parametrize(
    "text",
    [
        "(EUR 1,250.00)",
        "EUR (1,250.00)",
        "(€1,250.00)",
        "€(1,250.00)",
        "(1,250.00) EUR",
        "-€1,250.00",
        "€-1,250.00",
        "EUR 1,250.00-",
        "1,250.00- EUR",
        "1.250,00 EUR-",
        "–1.250,00 €",
        "EUR 1,250.00 CR",
    ],
)
def test_a_negative_amount_has_its_currency_on_any_side(text: str) -> None:
    assert money(text) == {"amount": "-1250.00", "currency": "EUR"}


@pytest.mark.parametrize(
    ("text", "amount"),
    [("1,250.00 DR", "1250.00"), ("10 items (EUR 500.00)", "500.00"), ("500.-", "500.00"), ("1.899,-", "1899.00")],
)
def test_a_debit_a_remark_and_missing_cents_are_not_negative(text: str, amount: str) -> None:
    found = money(text)
    assert found is not None
    assert found["amount"] == amount


@pytest.mark.parametrize(
    ("text", "readings"),
    [
        ("3.355 EUR", ["3.355", "3355.00"]),
        ("500 - 800 EUR", ["500.00", "800.00"]),
        ("500-800 EUR", ["500.00", "800.00"]),
        ("$500-$800", ["500.00", "800.00"]),
        ("EUR 500 to EUR 800", ["500.00", "800.00"]),
        ("1,250.00 -", ["1250.00", "-1250.00"]),
        ("between USD 400 and 600", ["400.00", "600.00"]),
        ("zwischen 400 und 600 EUR", ["400.00", "600.00"]),
        ("entre 400 € et 600 €", ["400.00", "600.00"]),
    ],
)
def test_the_readings_of_an_amount_in_doubt_are_offered(text: str, readings: list[str]) -> None:
    assert amounts(text) == readings
    assert money(text) is None
