"""Text below very many wrappers keeps its lines and tables."""

import pytest

from tests.worker.reading.mails import page
from worker.reading import read
from worker.reading.text.html_guard import limit_markup
from worker.reading.text.nesting import flatten

FORM = (
    "<p>Company: Lee Ltd</p><div>Phone: +44 20 7946 0018</div><div>Policy Number: LF-778812</div>"
    "<table><tr><th>Item</th><th>Value</th></tr><tr><td>Van <b>A</b></td><td>5,000</td></tr></table>"
)


@pytest.mark.parametrize("wrapper", ["div", "span", "font", "section", "blockquote"])
@pytest.mark.parametrize("levels", [310, 2_000, 20_000])
def test_lines_and_tables_are_kept_below_many_wrappers(wrapper: str, levels: int) -> None:
    reading = read(page(f"<{wrapper}>" * levels + FORM + f"</{wrapper}>" * levels))
    lines = [line for line in reading.text.split("\n") if line]
    assert lines == [
        "Company: Lee Ltd",
        "Phone: +44 20 7946 0018",
        "Policy Number: LF-778812",
        "Item\tValue",
        "Van A\t5,000",
    ]
    assert "<td>" in reading.html


def test_flat_markup_needs_no_second_limit() -> None:
    flat = flatten("<div>" * 5_000 + FORM + "</div>" * 5_000)
    assert limit_markup(flat) == flat


def test_markup_that_nests_little_is_unchanged() -> None:
    assert flatten(FORM * 100) == FORM * 100
