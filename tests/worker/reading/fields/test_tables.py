"""Tables end where the next one begins; sums are no items."""

import pytest

from tests.worker.reading.fields.test_extract import check_evidence
from tests.worker.reading.mails import page, plain
from worker.reading import FieldRule, read
from worker.reading.fields.findings import MAX_TABLES

ITEMS = FieldRule("items", ("Item", "Items"), type="table")
CRATE = {"Item": "Crate", "Qty": "2", "Price": "5.00"}
ROPE = {"Item": "Rope", "Qty": "1", "Price": "1.00"}
HEAD = ("Item", "Qty", "Price")
CRATES = ("Crate", "2", "5.00")
ROPES = ("Rope", "1", "1.00")


def table(*rows: tuple[str, ...]) -> str:
    return (
        "<table>" + "".join("<tr>" + "".join(f"<td>{cell}</td>" for cell in row) + "</tr>" for row in rows) + "</table>"
    )


def items(html: str) -> object:
    return read(page(html), [ITEMS]).fields.get("items")


def test_a_table_is_a_list_of_rows_keyed_by_its_header_cells() -> None:
    reading = read(page(table(HEAD, CRATES, ("Rope", "", "1.00")) + "<p>Bye</p>"), [ITEMS])
    assert reading.fields["items"] == [CRATE, {"Item": "Rope", "Price": "1.00"}]
    check_evidence(reading)


@pytest.mark.parametrize(
    "caption",
    ["<p>Items</p>", "<h3>Items</h3><p></p>", "<p>Items:</p>", "<h3>Items</h3><p>These goods were ordered:</p>"],
)
def test_a_heading_above_a_table_names_it(caption: str) -> None:
    assert items(caption + table(("Article", *HEAD[1:]), CRATES)) == [{"Article": "Crate", "Qty": "2", "Price": "5.00"}]


def test_a_caption_names_its_table() -> None:
    html = table(("Article", *HEAD[1:]), CRATES).replace("<table>", "<table><caption>Items</caption>")
    assert items(html) == [{"Article": "Crate", "Qty": "2", "Price": "5.00"}]


def test_a_heading_then_an_empty_line_names_a_table_in_plain_text() -> None:
    text = "Items\n\n| Article | Qty | Price |\n|---|---|---|\n| Crate | 2 | 5.00 |\n\nBye"
    assert read(plain(text), [ITEMS]).fields["items"] == [{"Article": "Crate", "Qty": "2", "Price": "5.00"}]


@pytest.mark.parametrize(
    "sums",
    [
        [("Subtotal", "6.00"), ("VAT 20%", "1.20"), ("Total", "7.20")],
        [("Subtotal", "", "6.00"), ("Total", "", "7.20")],
        [("", "Total", "7.20")],
        [("Total", "3", "")],
        [("Zwischensumme", "", "6,00")],
        [("Net amount", "6.00")],
        [("Ship to", "John Doe"), ("Carrier", "Fast Inc")],
        [("Name", "Phone", "Place"), ("Jane", "555", "Leeds")],
    ],
)
def test_sums_and_the_next_table_are_no_items(sums: list[tuple[str, ...]]) -> None:
    assert items("<p>Items</p>" + table(HEAD, CRATES, ROPES) + table(*sums)) == [CRATE, ROPE]


def test_items_after_a_subtotal_are_items() -> None:
    rows = (HEAD, CRATES, ("Subtotal", "", "5.00"), ROPES, ("Total", "", "6.00"))
    assert items(table(*rows)) == [CRATE, ROPE]


def test_an_item_may_begin_with_a_word_for_a_sum() -> None:
    assert items(table(HEAD, ("Total station", "2", "5.00"))) == [
        {"Item": "Total station", "Qty": "2", "Price": "5.00"}
    ]


def test_a_row_that_only_continues_a_text_belongs_to_the_row_above() -> None:
    text = "| Item | Note | Qty |\n|---|---|---|\n| Crate | made of | 2 |\n|  | oak wood |  |\n| Rope | long | 1 |"
    assert read(plain(text), [ITEMS]).fields["items"] == [
        {"Item": "Crate", "Note": "made of oak wood", "Qty": "2"},
        {"Item": "Rope", "Note": "long", "Qty": "1"},
    ]


@pytest.mark.parametrize(
    ("row", "read_as"),
    [
        (("Crate<br>of oak", "2", "5.00"), {"Item": "Crate of oak", "Qty": "2", "Price": "5.00"}),
        (("Crate", "2 pieces<br>(large)", "5.00"), {"Item": "Crate", "Qty": "2 pieces (large)", "Price": "5.00"}),
    ],
)
def test_a_cell_may_have_several_lines(row: tuple[str, ...], read_as: dict[str, str]) -> None:
    assert items(table(HEAD, ROPES, row, CRATES)) == [ROPE, read_as, CRATE]


def test_rows_with_empty_last_cells_are_rows_of_their_own() -> None:
    rows = (HEAD, ("Rope", "1", ""), ("Nail", "2", ""), CRATES)
    assert items(table(*rows)) == [{"Item": "Rope", "Qty": "1"}, {"Item": "Nail", "Qty": "2"}, CRATE]


def test_the_head_again_is_no_row() -> None:
    assert items(table(HEAD, CRATES, HEAD, ROPES)) == [CRATE, ROPE]


def test_lines_may_be_between_the_rows() -> None:
    line = "+-------+-----+\n"
    text = f"{line}| Item  | Qty |\n{line}| Crate | 2   |\n{line}| Rope  | 1   |\n{line}"
    assert read(plain(text), [ITEMS]).fields["items"] == [{"Item": "Crate", "Qty": "2"}, {"Item": "Rope", "Qty": "1"}]


@pytest.mark.parametrize(("heads", "found"), [(MAX_TABLES - 1, [CRATE]), (MAX_TABLES, None)])
def test_a_table_is_looked_for_below_a_bounded_number_of_heads(heads: int, found: object) -> None:
    text = "Item\tQty\n---\n\n" * heads + "Item\tQty\tPrice\nCrate\t2\t5.00\n"
    assert read(plain(text), [ITEMS]).fields.get("items") == found
