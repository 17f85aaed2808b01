"""Amounts are read as they were meant, or not at all."""

import pytest

from worker.reading import FieldRule
from worker.reading.fields.values import Hint, find


def money(text: str, language: str | None = None, currency: str | None = None) -> dict[str, str] | None:
    value = find(FieldRule("m", ("m",), type="money", currency=currency), text, Hint(language))
    return value.value if value else None


@pytest.mark.parametrize(
    ("text", "amount", "currency"),
    [
        ("CHF 1’234.50", "1234.50", "CHF"),
        ("CHF 1'234.50", "1234.50", "CHF"),
        ("-500 USD", "-500.00", "USD"),
        ("USD -500", "-500.00", "USD"),
        ("-$500", "-500.00", "USD"),
        ("1,234,567.890 USD", "1234567.890", "USD"),
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
def test_the_language_of_the_place_decides_what_a_lone_separator_means(
    text: str, language: str | None, amount: str
) -> None:
    value = money(text, language)
    assert value is not None
    assert value["amount"] == amount


@pytest.mark.parametrize(
    "text",
    ["3.355", "3.355 EUR", "1.837, 32 €", "36. 24", "1.2.3", "88-123", "12/03", "20 %", "none", "", "EUR", "1,2,3 EUR"],
)
def test_what_can_be_read_in_two_ways_or_is_no_amount_is_no_value(text: str) -> None:
    assert money(text) is None


def test_without_a_currency_the_rules_one_is_used_and_without_that_none_is_named() -> None:
    assert money("1,250.00", currency="USD") == {"amount": "1250.00", "currency": "USD"}
    assert money("1,250.00") == {"amount": "1250.00"}


def test_a_dollar_is_the_dollar_that_the_rule_names() -> None:
    assert money("$5.00", currency="CAD") == {"amount": "5.00", "currency": "CAD"}
    assert money("$5.00", currency="EUR") == {"amount": "5.00", "currency": "USD"}


def test_equal_amounts_are_written_alike() -> None:
    assert money("500 USD") == money("500.0 USD") == money("USD 500.00")
