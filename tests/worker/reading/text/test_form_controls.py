"""Forms are read with what stands in their fields."""

import pytest

from tests.worker.reading.mails import page
from worker.reading import read
from worker.reading.limits import ReadingLimits
from worker.reading.text.html import HtmlDocument


def text(html: str) -> str:
    return HtmlDocument(html, ReadingLimits()).text


@pytest.mark.parametrize(
    ("html", "shown"),
    [
        ('<label>Name</label><input value="Ann Lee">', "Name\tAnn Lee"),
        ('Name: <input type="text" value="Ann Lee"> Town: <input value="Oslo">', "Name:\tAnn Lee\tTown:\tOslo"),
        ("Distance <input value=5000> km", "Distance\t5000 km"),
        ("Note <textarea>one\ntwo</textarea>", "Note\tone\ntwo"),
        ("Cover <select><option>None<option selected>Full cover</select>", "Cover\tFull cover"),
        ("Cover <select multiple><option selected>A<option selected label=Bee>B</select>", "Cover\tA, Bee"),
        ("Cover <select><option>Please choose</select>", "Cover"),
        ("<input type=checkbox checked> Yes <input type=radio> No", "[x] Yes [ ] No"),
        ("a<input type=hidden value=x><input type=submit value=Send><input type=password value=y>", "a"),
        ("<table><tr><td>Name</td><td><input value=Ann></td></tr></table>", "Name\tAnn"),
    ],
)
def test_a_control_shows_its_value(html: str, shown: str) -> None:
    assert text(html) == shown


def test_values_of_a_form_are_fields_and_are_on_the_page() -> None:
    reading = read(
        page(
            "<form><p><label>Policy Number</label> <input value='LF-778812'></p>"
            "<p>Company <select><option>Other<option selected>Lee Ltd</select></p>"
            "<textarea>Please call</textarea></form>"
        )
    )
    assert (reading.fields["policy_number"], reading.fields["company"]) == ("LF-778812", "Lee Ltd")
    assert all(value in reading.html for value in ("LF-778812", "Lee Ltd", "Please call"))
    assert "Other" not in reading.html
    assert "<input" not in reading.html


@pytest.mark.parametrize(
    "option", ["<option>x", "<option selected>x", "<OPTION SELECTED>x", "<optgroup><option selected>x"]
)
def test_lists_of_very_many_options_are_limited(option: str) -> None:
    shown = text(f"<p>before <select>{option * 20_000}<option selected>last</select> after</p>")
    assert shown.startswith("before")
    assert shown.endswith("after")


def test_the_selected_of_very_many_options_is_found() -> None:
    options = "".join(f"<option value={n}>{n}</option>" for n in range(20_000))
    assert text(f"Cover <select>{options}<option selected>Full</option></select>") == "Cover\tFull"


def test_markup_in_a_value_is_shown_as_text() -> None:
    reading = read(page("<input value='<b onclick=x>y</b>'>"))
    assert "<b" not in reading.html
    assert reading.text == "<b onclick=x>y</b>"
