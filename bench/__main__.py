"""`python -m bench [NAME …] [--quick | --full]`: measure, and print a table in Markdown."""

import argparse
import sys
import time
from pathlib import Path
from types import ModuleType

from bench import costly, fanout, idle, intake, latency, listing, memory, processes, returning, start
from bench.machine import allow_open_files, describe, load
from bench.row import Row, put_between_marks, table

BENCHMARKS: dict[str, ModuleType] = {
    "fanout": fanout, "latency": latency, "intake": intake, "memory": memory, "start": start, "list": listing,
    "idle": idle, "returning": returning, "processes": processes, "costly": costly,
}  # fmt: skip

_README = Path(__file__).resolve().parent.parent / "README.md"


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"one of {', '.join(BENCHMARKS)}; none means all")
    extent = parser.add_mutually_exclusive_group()
    extent.add_argument("--quick", action="store_true", help="tiny sizes: do the benchmarks run?")
    extent.add_argument("--full", action="store_true", help="a million items, ten thousand streams")
    parser.add_argument("--readme", action="store_true", help="also put the table into README.md")
    arguments = parser.parse_args()
    unknown = sorted(set(arguments.names) - BENCHMARKS.keys())
    if unknown:
        parser.error(f"there is no benchmark {unknown[0]!r}; there are {', '.join(BENCHMARKS)}")
    if arguments.readme and (arguments.names or arguments.quick):
        parser.error("--readme needs all figures at their usual size: no NAME, no --quick")
    allow_open_files()
    size = "QUICK" if arguments.quick else "FULL" if arguments.full else "USUAL"
    rows: list[Row] = []
    before = load()
    for name in arguments.names or BENCHMARKS:
        began = time.monotonic()
        rows += BENCHMARKS[name].measure(getattr(BENCHMARKS[name], size))
        print(f"{name}: {time.monotonic() - began:.0f} s", file=sys.stderr)
    caption = f"{describe()}; load {before} at the start, {load()} at the end; everything on loopback."
    text = f"{caption}\n\n{table(rows)}"
    print(text)
    if arguments.readme:
        _README.write_text(put_between_marks(text, _README.read_text(encoding="utf-8")), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
