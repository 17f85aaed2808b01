"""The command of the fuzzer: looks for inputs that break what is held for every input, and runs one of them again."""

import argparse
import logging
import re
import resource
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from tests.fuzz.targets import TARGETS

#: Bytes of the longest input, seconds on the clock after which one input hangs, and megabytes of memory.
MAX_INPUT, HANGS_AFTER, MEMORY = 65_536, 60, 1_200
#: Words of the seeds that are given to the fuzzer as its dictionary.
WORDS = 400

_WORD = re.compile(rb"[!-~]{3,24}")


def main() -> int:
    """Run the command line. Return 0 when nothing was found."""
    options = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    options.add_argument("target", choices=TARGETS, metavar="TARGET", help=", ".join(TARGETS))
    options.add_argument("--seconds", type=int, default=60, help="how long to look")
    options.add_argument("--replay", type=Path, metavar="FILE", help="run this input once instead")
    given = options.parse_args()
    return replay(given.target, given.replay) if given.replay else fuzz(given.target, given.seconds)


def fuzz(name: str, seconds: int) -> int:
    """Run the fuzzer in a process of its own; say where it put what it found."""
    place = Path(tempfile.mkdtemp(prefix=f"tubepost-fuzz-{name}-"))
    corpus, found = place / "corpus", place / "found"
    corpus.mkdir()
    found.mkdir()
    for n, seed in enumerate(TARGETS[name].seeds):
        (corpus / f"seed-{n}").write_bytes(seed)
    words = place / "words"
    words.write_text(_dictionary(TARGETS[name].seeds) or '"\\x00"\n')  # the fuzzer does not begin with an empty one
    arguments = [
        f"-max_total_time={seconds}", f"-max_len={MAX_INPUT}", f"-timeout={HANGS_AFTER}", f"-rss_limit_mb={MEMORY}",
        f"-artifact_prefix={found}/", f"-dict={words}", "-print_final_stats=1",
    ]  # fmt: skip
    code = subprocess.run(
        [sys.executable, "-m", "tests.fuzz.loop", name, str(corpus), *arguments], check=False
    ).returncode
    inputs = sorted(found.iterdir())
    for path in inputs:
        print(f"found {path.name} ({path.stat().st_size} bytes); again with:")
        print(f"    {sys.executable} -m tests.fuzz {name} --replay {path}")
    print(f"{len(inputs)} found; inputs are in {place}")
    if code and not inputs:
        print(f"the fuzzer itself failed, with code {code}")
    return min(code or len(inputs), 1)


def replay(name: str, path: Path) -> int:
    """Run one input without the fuzzer, so with the usual speed; the error of a finding ends the program."""
    logging.disable(logging.CRITICAL)
    data = path.read_bytes()
    start = time.process_time()
    TARGETS[name].check(data)
    seconds = (time.process_time() - start) / 2  # it runs twice
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    print(f"{name}: {len(data)} bytes hold; {seconds:.3f} s of CPU, at most {memory} MB in the process")
    return 0


def _dictionary(seeds: list[bytes]) -> str:
    """Return the most frequent words of the seeds in the form of libFuzzer."""
    words = Counter(word for seed in seeds for word in _WORD.findall(seed[:4096]))
    escaped = ("".join(f"\\x{byte:02x}" for byte in word) for word, _ in words.most_common(WORDS))
    return "".join(f'"{word}"\n' for word in escaped)


if __name__ == "__main__":
    sys.exit(main())
