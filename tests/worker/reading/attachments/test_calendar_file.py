"""Invitations say when, where and who; a hostile calendar costs no more than a good one."""

from typing import Any

import pytest

from tests.support.cpu_time import cpu_seconds
from tests.worker.reading.mails import HEAD, with_file
from worker.reading import read
from worker.reading.attachments.calendar_zones import simple_zone

ZONE = """BEGIN:VTIMEZONE
TZID:Desk Time
BEGIN:STANDARD
DTSTART:16010101T030000
TZOFFSETFROM:+0300
TZOFFSETTO:+0200
RRULE:{rule}
END:STANDARD
END:VTIMEZONE
"""


def _calendar(event: str, *, method: str = "REQUEST", before: str = "") -> str:
    return f"BEGIN:VCALENDAR\nVERSION:2.0\nMETHOD:{method}\n{before}BEGIN:VEVENT\n{event}END:VEVENT\nEND:VCALENDAR\n"


def _mail(calendar: str, method: str = "REQUEST") -> bytes:
    head = f"{HEAD}Subject: Visit\r\nContent-Type: text/calendar; charset=utf-8; method={method}\r\n\r\n"
    return (head + calendar.replace("\n", "\r\n")).encode()


def _invitation(calendar: str) -> dict[str, Any]:
    found = read(_mail(calendar)).invitation
    assert found is not None
    return found


VISIT = (
    "SUMMARY;LANGUAGE=en:Visit to the ware\n house\nLOCATION:Dock 4\\, Hull\n"
    "DESCRIPTION:Bring the form.\\nPolicy Number: AB-12345\n"
    "ORGANIZER;CN=Kim:mailto:Kim@Firm.example\nATTENDEE;PARTSTAT=ACCEPTED;CN=Desk:mailto:desk@tubepost.example\n"
)
WHEN = "DTSTART;TZID=Europe/Berlin:20270112T100000\nDTEND;TZID=Europe/Berlin:20270112T113000\n"


def test_an_invitation_says_when_where_and_who() -> None:
    reading = read(_mail(_calendar(VISIT + WHEN)))
    assert reading.kind == "invitation"
    assert reading.invitation == {
        "method": "REQUEST",
        "summary": "Visit to the warehouse",
        "start": "2027-01-12T10:00:00+01:00",
        "end": "2027-01-12T11:30:00+01:00",
        "location": "Dock 4, Hull",
        "organizer": "kim@firm.example",
        "attendees": [{"address": "desk@tubepost.example", "answer": "accepted"}],
        "repeats": None,
        "status": "",
        "description": "Bring the form.\nPolicy Number: AB-12345",
    }


def test_an_invitation_without_other_text_is_the_text_and_gives_fields() -> None:
    reading = read(_mail(_calendar(VISIT + WHEN)))
    assert reading.text.startswith(
        "Visit to the warehouse\n2027-01-12T10:00:00+01:00 – 2027-01-12T11:30:00+01:00\nDock 4, Hull"
    )
    assert reading.fields["policy_number"] == "AB-12345"


@pytest.mark.parametrize(
    ("when", "start", "end"),
    [
        ("DTSTART:20270112T090000Z\nDURATION:PT90M\n", "2027-01-12T09:00:00+00:00", "2027-01-12T10:30:00+00:00"),
        ("DTSTART;VALUE=DATE:20270112\nDTEND;VALUE=DATE:20270114\n", "2027-01-12", "2027-01-14"),
        ("DTSTART:20270112T090000\n", "2027-01-12T09:00:00", None),
        ("DTSTART;TZID=W. Europe Standard Time:20270712T090000\n", "2027-07-12T09:00:00+02:00", None),
        ("", None, None),
    ],
)
def test_a_time_has_the_offset_of_its_zone_or_none(when: str, start: str | None, end: str | None) -> None:
    found = _invitation(_calendar("SUMMARY:Visit\n" + when))
    assert (found["start"], found["end"]) == (start, end)


def test_a_zone_of_the_calendar_itself_is_used() -> None:
    zone = ZONE.format(rule="FREQ=YEARLY;BYDAY=1SU;BYMONTH=11")
    found = _invitation(_calendar("DTSTART;TZID=Desk Time:20270112T090000\n", before=zone))
    assert found["start"] == "2027-01-12T09:00:00+02:00"


def test_a_zone_that_changes_every_second_is_left_out() -> None:
    zone = ZONE.format(rule="FREQ=SECONDLY")
    found = _invitation(_calendar("SUMMARY:Visit\nDTSTART;TZID=Desk Time:20270112T090000\n", before=zone))
    assert found["summary"] == "Visit"


def _start_in(zone: str, name: str = "Desk Time") -> str | None:
    found = _invitation(_calendar(f"SUMMARY:Visit\nDTSTART;TZID={name}:20270712T090000\n", before=zone))
    assert found["summary"] == "Visit"
    start: str | None = found["start"]
    return start


def test_a_zone_of_an_earlier_mail_is_forgotten() -> None:
    zone = ZONE.format(rule="FREQ=YEARLY;BYDAY=1SU;BYMONTH=11")
    assert _start_in(zone) == "2027-07-12T09:00:00+02:00"
    assert _start_in(zone.replace("+0200", "+0900")) == "2027-07-12T09:00:00+09:00"
    assert _start_in("") == "2027-07-12T09:00:00"


def test_a_zone_may_come_after_the_event_and_have_two_rules() -> None:
    winter = ZONE.format(rule="FREQ=YEARLY;BYDAY=-1SU;BYMONTH=10")
    summer = winter[winter.index("BEGIN:STANDARD") : winter.index("END:VTIMEZONE")].replace("STANDARD", "DAYLIGHT")
    summer = summer.replace("+0200", "+0x").replace("+0300", "+0200").replace("+0x", "+0300").replace("=10", "=3")
    zone = winter.replace("END:VTIMEZONE", f"{summer}END:VTIMEZONE")
    event = "SUMMARY:Visit\nDTSTART;TZID=Desk Time:20270712T090000\nDTEND;TZID=Desk Time:20271212T090000\n"
    found = _invitation(_calendar(event).replace("END:VCALENDAR", f"{zone}END:VCALENDAR"))
    assert (found["start"], found["end"]) == ("2027-07-12T09:00:00+03:00", "2027-12-12T09:00:00+02:00")


@pytest.mark.parametrize(
    "rule",
    [
        "FREQ=YEARLY",
        "FREQ=YEARLY;BYDAY=MO",
        "FREQ=YEARLY;BYMONTH=3;BYDAY=MO,TU",
        "FREQ=YEARLY;BYMONTH=3;BYSECOND=1,2",
        "FREQ=SECONDLY;BYMONTH=3;X=FREQ=YEARLY",
        "FREQ=YEARLY;BYMONTH=3;FREQ=SECONDLY",
        "FREQ=YEARLY;BYMONTH=3;FREQ=YEARLY",
    ],
)
def test_a_zone_with_other_rules_than_one_change_a_year_is_left_out(rule: str) -> None:
    assert _start_in(ZONE.format(rule=rule)) == "2027-07-12T09:00:00"


@pytest.mark.parametrize("line", ["DTSTART:nonsense", "DTSTART:20279901T000000", "TZOFFSETTO:+9900", "RDATE:20270101"])
def test_a_zone_with_a_broken_field_costs_only_the_offset(line: str) -> None:
    zone = ZONE.format(rule="FREQ=YEARLY;BYDAY=1SU;BYMONTH=11").replace("BEGIN:STANDARD\n", f"BEGIN:STANDARD\n{line}\n")
    assert _start_in(zone) == "2027-07-12T09:00:00"


def test_a_zone_of_many_periods_is_left_out() -> None:
    zone = ZONE.format(rule="FREQ=YEARLY;BYDAY=1SU;BYMONTH=11")
    period = zone[zone.index("BEGIN:STANDARD") : zone.index("END:VTIMEZONE")]
    assert _start_in(zone.replace(period, period * 5)) == "2027-07-12T09:00:00"


def test_only_the_zones_that_the_event_names_reach_the_library() -> None:
    zone = ZONE.format(rule="FREQ=YEARLY;BYDAY=1SU;BYMONTH=11").splitlines()
    assert simple_zone(zone, {"Desk Time"})[:3] == ["TZID:Desk Time", "BEGIN:STANDARD", "DTSTART:19700101T030000"]
    assert simple_zone(zone, {"Other Time"}) == []


def test_a_time_in_the_year_9999_costs_about_as_much_as_one_of_today() -> None:
    zone = ZONE.format(rule="FREQ=YEARLY;BYDAY=1SU;BYMONTH=11")
    late = _calendar("DTSTART;TZID=Desk Time:99990112T090000\n", before=zone)
    soon = late.replace("9999", "2099")
    assert cpu_seconds(lambda: read(_mail(late))) < 4 * cpu_seconds(lambda: read(_mail(soon)))


def test_only_the_first_event_is_read_and_no_alarm() -> None:
    alarm = "BEGIN:VALARM\nSUMMARY:Wake up\nEND:VALARM\n"
    second = "END:VEVENT\nBEGIN:VEVENT\nSUMMARY:Second\n"
    assert _invitation(_calendar(f"{alarm}SUMMARY:First\n{second}"))["summary"] == "First"


def test_a_rule_of_repetition_is_kept_as_it_is_written() -> None:
    assert _invitation(_calendar("SUMMARY:Visit\nRRULE:FREQ=WEEKLY;COUNT=4\n"))["repeats"] == "FREQ=WEEKLY;COUNT=4"


def test_an_answer_is_a_receipt_and_says_what_was_answered() -> None:
    answer = "ATTENDEE;PARTSTAT=DECLINED:mailto:kim@firm.example\nSUMMARY:Visit\n"
    reading = read(_mail(_calendar(answer, method="REPLY"), method="REPLY"))
    assert reading.kind == "receipt"
    assert reading.invitation is not None
    assert reading.invitation["attendees"] == [{"address": "kim@firm.example", "answer": "declined"}]


def test_an_attached_calendar_is_an_invitation_and_the_text_of_the_mail_stays() -> None:
    raw = with_file("visit.ics", "application/ics", _calendar(VISIT + WHEN).encode(), body="Please come.")
    reading = read(raw)
    assert (reading.kind, reading.text) == ("invitation", "Please come.")
    assert reading.invitation is not None


@pytest.mark.parametrize(
    "source", ["", "BEGIN:VCALENDAR\n", "no calendar", "BEGIN:VCALENDAR\nBEGIN:VEVENT\nDTSTART:never\n"]
)
def test_a_broken_calendar_costs_the_mail_nothing(source: str) -> None:
    reading = read(with_file("visit.ics", "text/calendar", source.encode(), body="Please come."))
    assert reading.text == "Please come."
    assert [file.name for file in reading.attachments] == ["visit.ics"]


def test_a_thousand_attendees_are_cut_to_fifty() -> None:
    attendees = "".join(f"ATTENDEE:mailto:a{n}@firm.example\n" for n in range(1000))
    assert len(_invitation(_calendar(attendees))["attendees"]) == 50


def test_control_characters_of_a_calendar_are_left_out() -> None:
    found = _invitation(
        _calendar("DTSTART:20270101T100000\nSUMMARY:A\x01b\nDESCRIPTION:x\x02y\nRRULE:FREQ=WEE\x00KLY\n")
    )
    assert (found["summary"], found["description"], found["repeats"]) == ("Ab", "xy", "FREQ=WEEKLY")
