"""`python -m tests.score [FOLDER]`: print how many fields are right, and the faults.

It reads our own labelled mails. FOLDER has more of them (`NAME.eml` and `NAME.toml`), or labelled values (`.jsonl`).
"""

import argparse
import sys
import time
from pathlib import Path

from tests.score.comparison import Score, Tally, score_reading
from tests.score.labelled import OWN, load_mails
from tests.score.libraries import TYPES, score_libraries
from tests.score.value_sets import load_values, score_values


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.score", description=__doc__)
    parser.add_argument("folder", nargs="?", type=Path, help="a folder with more labelled mails or values")
    folder = parser.parse_args().folder
    if folder is not None and not folder.is_dir():
        parser.error(f"{folder}: no such folder")
    _show_mails(OWN)
    if folder is not None:
        found = [_show_mails(folder), *map(_show_values, (folder, folder / "expected"))]
        if not any(found):
            parser.error(f"{folder}: it has neither .toml files beside mails nor a .jsonl file that is known")
    return 0


def _show_mails(folder: Path) -> bool:
    """Print the figures of the labelled mails in a folder. Return whether there are any."""
    mails = list(load_mails(folder))
    if not mails:
        return False
    began = time.process_time()
    score = score_reading(mails)
    seconds = time.process_time() - began
    types = mails[0].types | {name: kind for mail in mails for name, kind in mail.types.items()}
    by_type = Score()
    for name, tally in score.tallies.items():
        by_type.tallies[types[name]] += tally
    alone = score_libraries(mails)
    _say(f"{folder.name}: {len(mails)} mails, {1000 * seconds / len(mails):.1f} ms of CPU time each\n")
    _say(_table("field", score))
    _say(f"In doubt: {score.in_doubt} fields; the right readings are offered for {score.offered}\n")
    _say(_table("type", by_type))
    for kind in TYPES:
        alone.tallies.setdefault(kind, Tally())
    _say("The libraries alone:\n\n" + _table("type", alone))
    _say("\n".join(score.faults) + "\n")
    return True


def _show_values(folder: Path) -> bool:
    """Print the figures of the labelled values in a folder. Return whether there are any."""
    values = list(load_values(folder))
    if not values:
        return False
    score = score_values(values)
    _say(f"{folder.name}: {len(values)} values\n")
    _say(_table("type", score))
    _say("\n".join(score.faults) + "\n")
    return True


def _table(head: str, score: Score) -> str:
    """Return a table in Markdown with a line for each tally and one for all."""
    lines = [f"| {head} | right | wrong | missed | precision | recall | F1 |", "|---|---|---|---|---|---|---|"]
    for name, tally in [*sorted(score.tallies.items()), ("all", score.all)]:
        figures = f"{tally.precision:.3f} | {tally.recall:.3f} | {tally.f1:.3f}"
        lines.append(f"| {name} | {tally.right} | {tally.wrong} | {tally.missed} | {figures} |")
    return "\n".join(lines) + "\n"


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")


if __name__ == "__main__":
    sys.exit(main())
