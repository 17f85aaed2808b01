"""The process of the fuzzer: loads the readers with counters in them, and gives them inputs until its time is over."""

import logging
import sys

import atheris

#: The packages whose branches are followed: ours, and the libraries in Python that read files.
FOLLOWED = ["worker.reading", "pypdf", "olefile", "striprtf", "icalendar", "openpyxl", "asn1crypto"]
#: CPU seconds for the two runs of one input. The counters make code several times as slow as it is.
CPU_SECONDS = 8.0

with atheris.instrument_imports(include=FOLLOWED):
    import asn1crypto.cms
    import icalendar
    import olefile
    import openpyxl
    import pypdf
    import striprtf.striprtf

    from tests.fuzz.targets import TARGETS

from worker.sandbox.file_watch import CpuTimer  # noqa: E402 - it is not to be followed

_LOADED = (asn1crypto.cms, icalendar, olefile, openpyxl, pypdf, striprtf.striprtf)


def main() -> None:
    """Fuzz the target that the first argument names; the others are libFuzzer's."""
    logging.disable(logging.CRITICAL)
    target, timer = TARGETS[sys.argv[1]], CpuTimer()

    def run(data: bytes) -> None:
        with timer.limit(CPU_SECONDS):
            target.check(data)
        assert not timer.has_fired, f"it took more than {CPU_SECONDS} s"

    atheris.Setup([sys.argv[0], *sys.argv[2:]], run)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
