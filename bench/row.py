"""One line of the table of figures, and the table."""

from collections.abc import Sequence
from dataclasses import dataclass

#: What the table stands between in README.md.
BEGIN, END = "<!-- figures: python -m bench --readme -->", "<!-- end of figures -->"


@dataclass(frozen=True, slots=True)
class Row:
    """Two things measured in the same run. `ratio`: Tubepost's value by the peer's; None where there is no peer."""

    figure: str
    tubepost: str
    peer: str
    ratio: float | None
    aim: str

    @classmethod
    def compare(cls, figure: str, ours: float, theirs: float, unit: str, peer: str, aim: str) -> "Row":
        """Both values in *unit*; *peer* names what the second was measured on."""
        return cls(figure, f"{number(ours)} {unit}", f"{peer}: {number(theirs)} {unit}", ours / theirs, aim)


def number(value: float) -> str:
    """Three digits that count, thousands set off."""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def table(rows: Sequence[Row]) -> str:
    """Markdown."""
    lines = ["| figure | Tubepost | peer in the same run | ratio | aim |", "|---|---|---|---|---|"]
    for row in rows:
        ratio = f"**{row.ratio:.2f}**" if row.ratio is not None else "-"
        lines.append(f"| {row.figure} | {row.tubepost} | {row.peer} | {ratio} | {row.aim} |")
    return "\n".join(lines)


def put_between_marks(text: str, page: str) -> str:
    """*page* with *text* in the place of what stood between the two marks. ValueError when it has no marks."""
    before, begin, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not end:
        raise ValueError(f"there are no {BEGIN} and {END}")
    return f"{before}{begin}\n{text}\n{end}{after}"
