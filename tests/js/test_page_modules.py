"""Run the tests of the page's modules, which are written for Node."""

import os
import shutil
import subprocess
from pathlib import Path

HERE = Path(__file__).parent


def test_the_page_modules_pass_their_own_tests() -> None:
    node = shutil.which("node")
    assert node, "node 20 or newer is needed to test the page's modules (Debian: nodejs)"
    files = sorted(str(path) for path in HERE.glob("*.test.mjs"))
    assert files
    env = os.environ | {"LC_ALL": "C.UTF-8"}  # numbers and dates are shown in the reader's language
    ran = subprocess.run([node, "--test", *files], env=env, capture_output=True, text=True, timeout=600, check=False)
    assert ran.returncode == 0, ran.stdout + ran.stderr
