"""Rows of tables stay rows, whatever is in their cells."""

import pytest

from tests.worker.reading.mails import page
from worker.reading import read
from worker.reading.limits import ReadingLimits
from worker.reading.text.html import HtmlDocument


def text(html: str) -> str:
    return HtmlDocument(html, ReadingLimits()).text


def table(*rows: str) -> str:
    return f"<table>{''.join(f'<tr>{row}</tr>' for row in rows)}</table>"


@pytest.mark.parametrize(
    ("rows", "shown"),
    [
        (["<td>Policy<br>Number</td><td>P-1</td>"], "Policy Number\tP-1"),
        (["<td>Policy Number<br></td><td><br>P-1</td>"], "Policy Number\tP-1"),
        (
            ["<th>Policy<br>Number</th><th>Due<br>Date</th>", "<td>P-1</td><td>x</td>"],
            "Policy Number\tDue Date\nP-1\tx",
        ),
        (["<td>A<br>one</td><td>5</td><td>x<br>y</td>", "<td>B</td><td>6</td><td>z</td>"], "A one\t5\tx y\nB\t6\tz"),
        (["<td>Address</td><td>4 Dock Road<br>London</td>"], "Address\t4 Dock Road\nLondon"),
        (["<td>Order<br><b>PO-1</b></td><td>Day<br><b>1 May</b></td>"], "Order\nPO-1\nDay\n1 May"),
        (["<td>Order<br>PO-1</td><td>Day<br>1 May</td>"], "Order\nPO-1\nDay\n1 May"),
        (["<td>Order: 1<br>Total: 5</td><td>Thanks</td>"], "Order: 1\nTotal: 5\tThanks"),
        (["<td><img></td><td>Dear all,<br>hello</td>"], "Dear all,\nhello"),
    ],
)
def test_a_line_break_in_a_cell_keeps_the_row(rows: list[str], shown: str) -> None:
    assert text(table(*rows)) == shown


@pytest.mark.parametrize(
    "rows",
    [
        ["<td>Policy Number</td><td>&nbsp;</td><td>LF-778812</td>"],
        ["<td>Policy Number</td><td></td><td>&zwnj;</td><td>LF-778812</td>"],
        ["<td colspan=2>Policy Number</td><td colspan=3>LF-778812</td>"],
        ["<td>Policy Number</td><td>:</td><td>LF-778812</td>"],
        ["<td colspan=3><b>Policy Number</b></td><td>&nbsp;:&nbsp;</td><td></td><td>LF-778812</td>"],
        ["<td colspan=2>Policy Number</td>", "<td width=20>&nbsp;</td><td>LF-778812</td>"],
    ],
)
def test_spacers_and_wide_cells_do_not_hide_label_and_value(rows: list[str]) -> None:
    assert read(page(table(*rows))).fields["policy_number"] == "LF-778812"


def test_a_wide_cell_keeps_its_columns() -> None:
    assert text(table("<td colspan=2>a</td><td>b</td>", "<td>1</td><td>2</td><td>3</td>")) == "a\t\tb\n1\t2\t3"


@pytest.mark.parametrize(
    ("html", "shown"),
    [
        ('<span style="display:inline-block;width:9em">Policy Number</span><span>KH-26</span>', "Policy Number\tKH-26"),
        ("<b>Policy Number</b><span>KH-26</span>", "Policy Number KH-26"),
        ("<b>W</b>ord <i>Ca</i><b>me</b>", "Word Came"),
        ("<b>AB</b><b>12</b>", "AB12"),
    ],
)
def test_label_and_value_in_two_elements_are_not_glued_together(html: str, shown: str) -> None:
    assert text(f"<div>{html}</div>") == shown


def test_rows_in_rows_with_line_breaks_take_no_long_time() -> None:
    deep = "<table><tr><td>a<br>b</td><td>" * 70 + "x" + "</td></tr></table>" * 70
    assert text(deep).count("a") == 70
