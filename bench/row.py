"""The table of figures, and its rows."""

from collections.abc import Sequence
from dataclasses import dataclass

#: The table is between these two marks in README.md.
BEGIN, END = "<!-- figures: python -m bench --readme -->", "<!-- end of figures -->"


@dataclass(frozen=True, slots=True)
class Row:
    """Two values of the same run. `ratio`: Tubepost's value divided by the peer's; None where there is no peer."""

    figure: str
    tubepost: str
    peer: str
    ratio: float | None
    aim: str

    @classmethod
    def compare(cls, figure: str, ours: float, theirs: float, unit: str, peer: str, aim: str) -> "Row":
        """Make a row of two values in *unit*. *peer* names what the second was measured on."""
        return cls(figure, f"{number(ours)} {unit}", f"{peer}: {number(theirs)} {unit}", ours / theirs, aim)


def number(value: float) -> str:
    """Format with three significant digits, and commas between thousands."""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def table(rows: Sequence[Row]) -> str:
    """Format the rows as a table in Markdown."""
    lines = ["| figure | Tubepost | peer in the same run | ratio | aim |", "|---|---|---|---|---|"]
    for row in rows:
        ratio = f"**{row.ratio:.2f}**" if row.ratio is not None else "-"
        lines.append(f"| {row.figure} | {row.tubepost} | {row.peer} | {ratio} | {row.aim} |")
    return "\n".join(lines)


def put_between_marks(text: str, page: str) -> str:
    """Return *page* with *text* between the two marks. ValueError when it has no marks."""
    before, begin, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not end:
        raise ValueError(f"there are no {BEGIN} and {END}")
    return f"{before}{begin}\n{text}\n{end}{after}"
