"""A mail says which expected fields it lacks, and why."""

from typing import Any

from tests.worker.reading.mails import plain, text_at
from worker.reading import FieldRule, read

DUE = FieldRule("due", ("Due date",), type="date")
PRICE = FieldRule("price", ("Agreed",), type="money")
DATED = "Date: Fri, 27 Nov 2026 09:12:00 +0000\r\n"


def missing(body: str, *rules: FieldRule, head: str = "") -> list[dict[str, Any]]:
    reading = read(plain(body, head=head), rules) if rules else read(plain(body, head=head))
    for each in reading.missing:
        assert all(text_at(reading, place) == place["raw"] for place in each["readings"])
    return list(reading.missing)


def test_a_field_that_was_found_is_not_missing() -> None:
    assert missing("Due date: 5 May 2026", DUE) == []


def test_a_field_without_a_value_is_absent() -> None:
    assert missing("hello", DUE) == [{"name": "due", "why": "absent", "readings": []}]
    assert missing("Due date:\n", DUE) == missing("Due date: n/a", DUE) == missing("hello", DUE)


def test_a_value_in_doubt_is_ambiguous_and_its_readings_are_offered() -> None:
    [found] = missing("Due date: 03/04/2026", DUE)
    assert (found["name"], found["why"]) == ("due", "ambiguous")
    assert [each["value"] for each in found["readings"]] == ["2026-03-04", "2026-04-03"]
    assert found["readings"][0]["raw"] == "03/04/2026"


def test_a_date_without_a_year_is_ambiguous() -> None:
    [found] = missing("Due date: 3 Dec", DUE, head=DATED)
    assert [each["value"] for each in found["readings"]] == ["2025-12-03", "2026-12-03"]
    [unknown] = missing("Due date: 3 Dec", DUE)
    assert [each.get("value") for each in unknown["readings"]] == [None]


def test_an_amount_in_doubt_is_ambiguous() -> None:
    [found] = missing("Agreed: 3.355 EUR", PRICE)
    assert [each["value"]["amount"] for each in found["readings"]] == ["3.355", "3355.00"]


def test_text_of_another_type_is_named_with_its_place() -> None:
    [found] = missing("Agreed: as agreed", PRICE)
    assert (found["why"], [each["raw"] for each in found["readings"]]) == ("wrong_type", ["as agreed"])


def test_a_general_field_is_missing_only_where_the_mail_has_its_label() -> None:
    assert missing("hello") == []
    assert missing("Due date:") == []
    assert [each["name"] for each in missing("Due date: 03/04/2026")] == ["due_date"]
    assert [(each["name"], each["why"]) for each in missing("Premium: as agreed")] == [("premium", "wrong_type")]


def test_a_phone_number_without_a_country_is_in_doubt() -> None:
    assert [each["why"] for each in missing("Phone: 030 901820")] == ["ambiguous"]


def test_a_mail_of_a_person_without_a_required_field_needs_review() -> None:
    rule = FieldRule("policy", ("Policy",), type="reference", required=True)
    reading = read(plain("nothing here"), [rule])
    assert reading.flags == ("missing_required", "needs_review")
    assert reading.reason == "Required fields were not found: policy."
    assert read(plain("Policy: AB-1"), [rule]).flags == ()


def test_a_mail_of_a_machine_without_a_required_field_needs_no_review() -> None:
    rule = FieldRule("policy", ("Policy",), type="reference", required=True)
    reading = read(plain("nothing here", head="Auto-Submitted: auto-generated\r\n"), [rule])
    assert reading.kind == "notification"
    assert (reading.flags, reading.reason) == (("missing_required",), None)


def test_a_reading_names_the_field_that_is_due() -> None:
    rule = FieldRule("reply_by", ("Reply by",), type="date", due=True)
    assert read(plain("hello"), [DUE, rule]).due_field == "reply_by"
    assert read(plain("hello"), [DUE]).due_field is None
