"""The page's pure modules are tested by Node; this runs those tests with all others."""

import shutil
import subprocess
from pathlib import Path

HERE = Path(__file__).parent


def test_the_page_modules_pass_their_own_tests() -> None:
    node = shutil.which("node")
    assert node, "node 20 or newer is needed to test the page's modules (Debian: nodejs)"
    files = sorted(str(path) for path in HERE.glob("*.test.mjs"))
    assert files
    ran = subprocess.run([node, "--test", *files], capture_output=True, text=True, timeout=120, check=False)
    assert ran.returncode == 0, ran.stdout + ran.stderr
