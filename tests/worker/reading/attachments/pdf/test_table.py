"""Tables of a PDF are rows with tabs, whatever order the file draws their cells in."""

import pytest

from tests.support.cpu_time import cpu_seconds
from tests.support.hostile.builders import pages
from tests.worker.reading.mails import with_file
from worker.reading import FieldRule, ReadingLimits, read
from worker.reading.attachments.pdf.text import pdf_text
from worker.reading.attachments.work import Work

#: A cell: how far from the left and from the bottom, and its text.
Cell = tuple[float, float, str]

ITEMS: list[Cell] = [
    (60, 700, "Item"), (300, 700, "Qty"), (400, 700, "Price"),
    (60, 680, "Steel rope"), (310, 680, "2"), (405, 680, "55.00"),
    (60, 660, "Crate, large"), (304, 660, "10"), (410, 660, "5.00"),
]  # fmt: skip


def page(*cells: Cell) -> bytes:
    return pages(b"".join(b"BT /F 12 Tf 1 0 0 1 %g %g Tm (%b) Tj ET " % (x, y, text.encode()) for x, y, text in cells))


def tables(*cells: Cell) -> list[list[list[str]]]:
    """Return the tables of a page: what stands behind empty lines."""
    text = "".join(pdf_text(page(*cells), ReadingLimits(), Work(10**9, 10**9)))
    return [[row.split("\t") for row in part.splitlines()] for part in text.split("\n\n")[1:]]


@pytest.mark.parametrize("order", [1, -1])
def test_cells_that_stand_below_one_another_are_columns(order: int) -> None:
    assert tables(*ITEMS[::order]) == [
        [["Item", "Qty", "Price"], ["Steel rope", "2", "55.00"], ["Crate, large", "10", "5.00"]]
    ]


def test_the_items_of_an_attached_pdf_are_a_field() -> None:
    reading = read(
        with_file("order.pdf", "application/pdf", page(*ITEMS)), [FieldRule("items", ("Item",), type="table")]
    )
    assert reading.fields["items"] == [
        {"Item": "Steel rope", "Qty": "2", "Price": "55.00"},
        {"Item": "Crate, large", "Qty": "10", "Price": "5.00"},
    ]


def test_labels_and_values_in_two_columns_are_fields() -> None:
    cells = (60, 700, "Claim number"), (300, 700, "CL-4711"), (60, 680, "Policy number"), (300, 680, "AB-12345")
    fields = read(with_file("claim.pdf", "application/pdf", page(*cells))).fields
    assert (fields["claim_number"], fields["policy_number"]) == ("CL-4711", "AB-12345")


def test_a_row_may_lack_cells() -> None:
    assert tables(*ITEMS, (60, 640, "Total"), (405, 640, "60.00"))[0][-1] == ["Total", "", "60.00"]


def test_heads_may_be_centred_or_fewer_than_the_columns() -> None:
    cells = (100, 700, "Cover"), (300, 700, "Limit"), (20, 680, "Fire"), (290, 680, "1,000,000"), (420, 680, "5,000")
    assert tables(*cells) == [[["Cover", "Limit", ""], ["Fire", "1,000,000", "5,000"]]]


@pytest.mark.parametrize(
    ("wrapped", "row"),
    [
        ((60, 666, "galvanised"), ["Steel rope galvanised", "2", ""]),
        ((405, 666, "55.00"), ["Steel rope", "2", "55.00"]),
    ],
)
def test_a_line_of_one_cell_belongs_to_the_row_above(wrapped: Cell, row: list[str]) -> None:
    found = tables(*ITEMS[:5], wrapped, *((x, y - 10, text) for x, y, text in ITEMS[6:]))
    assert found[0][1:] == [row, ["Crate, large", "10", "5.00"]]


def test_words_that_are_drawn_one_by_one_are_one_cell() -> None:
    cells = (60, 700, "Steel"), (94, 700, "rope"), (300, 700, "2"), (60, 680, "Crate"), (300, 680, "1")
    assert tables(*cells) == [[["Steel rope", "2"], ["Crate", "1"]]]


@pytest.mark.parametrize(
    "cells",
    [
        [(60, 700, "One row"), (300, 700, "is no table")],
        [(60, 700, "Far"), (300, 700, "apart"), (60, 600, "is"), (300, 600, "no table")],
        [(x, 700 - 14 * n, "prose in two columns that goes on for a while") for n in range(5) for x in (40, 330)],
        [(60, 700, "A letter"), (60, 686, "of short lines"), (60, 672, "has no cells")],
    ],
)
def test_other_text_is_no_table(cells: list[Cell]) -> None:
    assert tables(*cells) == []


def test_twice_the_cells_cost_at_most_three_times_the_work() -> None:
    def work(rows: int) -> float:
        content = page(*((60 + 40 * n, 8 * row, "cell") for row in range(rows) for n in range(10)))
        return cpu_seconds(lambda: list(pdf_text(content, ReadingLimits(), Work(10**9, 10**9))), runs=3)

    assert work(160) <= 3 * work(80) + 0.01
