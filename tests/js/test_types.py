"""The types of the stream's client, as TypeScript's own compiler reads them."""

import json
import shutil
import subprocess
from pathlib import Path

import pytest

HERE = Path(__file__).parent
PROJECT = HERE.parent.parent
STATIC = PROJECT / "server/static/js"
TSC = PROJECT / "tests/react/node_modules/typescript/bin/tsc"
STRICT = ("--strict", "--exactOptionalPropertyTypes", "--noEmit", "--module", "esnext", "--moduleResolution", "bundler")

pytestmark = pytest.mark.skipif(
    not TSC.exists() and shutil.which("npm") is None, reason="TypeScript comes by npm, which is not here"
)

#: What a program sees of the client's classes.
NAMES = """
const { %(name)s: Client } = await import(%(module)s);
const names = new Set([...Object.getOwnPropertyNames(Client.prototype), ...Object.keys(new Client())]);
console.log(JSON.stringify([...names].filter((name) => name !== "constructor")));
"""


def run(*command: str | Path) -> str:
    ran = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return ran.stdout


def test_a_strict_program_reads_every_event_by_its_name() -> None:
    run("node", TSC, *STRICT, "--target", "es2022", "--lib", "es2022,dom", HERE / "consumer.mts")


@pytest.mark.parametrize(("name", "file"), [("WorkItemStream", "stream"), ("SharedWorkItemStream", "shared-stream")])
def test_the_types_know_all_that_the_client_has(name: str, file: str, tmp_path: Path) -> None:
    module = json.dumps(str(STATIC / f"{file}.js"))
    names = json.loads(run("node", "--input-type=module", "-e", NAMES % {"name": name, "module": module}))
    assert {"start", "close", "cursor", "state", "stats"} <= set(names)
    uses = "\n".join(f"stream.{each};" for each in names)
    program = tmp_path / "names.mts"
    program.write_text(f"import {{ {name} }} from {module};\nconst stream = new {name}();\n{uses}\n", encoding="utf-8")
    run("node", TSC, *STRICT, "--target", "es2022", "--lib", "es2022,dom", program)
