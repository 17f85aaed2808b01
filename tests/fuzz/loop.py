"""The process of the fuzzer: loads the readers with counters in them, and gives them inputs until its time is over."""

import logging
import sys
from importlib import import_module

import atheris

#: The libraries in Python whose branches are followed, too, by target; loading one so takes seconds.
LIBRARIES = {
    "pdf": "pypdf", "xlsx": "openpyxl", "msg": "olefile", "rtf": "striprtf.striprtf", "ics": "icalendar",
    "smime": "asn1crypto.cms",
}  # fmt: skip
#: CPU seconds for the two runs of one input. The counters make code several times as slow as it is.
CPU_SECONDS = 8.0


def main() -> None:
    """Fuzz the target that the first argument names; the others are libFuzzer's."""
    logging.disable(logging.CRITICAL)
    name = sys.argv[1]
    library = LIBRARIES.get(name, "")
    followed = ["worker.reading", *filter(None, [library.partition(".")[0]])]
    with atheris.instrument_imports(include=followed):
        from tests.fuzz.targets import TARGETS

        if library:
            import_module(library)
    from worker.sandbox.file_watch import CpuTimer  # not earlier: it loads the readers

    target, timer = TARGETS[name], CpuTimer()

    def run(data: bytes) -> None:
        with timer.limit(CPU_SECONDS):
            target.check(data)
        assert not timer.has_fired, f"it took more than {CPU_SECONDS} s"

    atheris.Setup([sys.argv[0], *sys.argv[2:]], run)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
