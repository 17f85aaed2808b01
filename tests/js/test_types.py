"""Check the types of the stream's client and of all modules of the page with TypeScript's compiler."""

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

#: Prints the public names of a class of the client.
NAMES = """
const { %(name)s: Client } = await import(%(module)s);
const names = new Set([...Object.getOwnPropertyNames(Client.prototype), ...Object.keys(new Client())]);
console.log(JSON.stringify([...names].filter((name) => name !== "constructor")));
"""


def run(*command: str | Path) -> str:
    ran = subprocess.run(command, capture_output=True, text=True, timeout=600, check=False)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return ran.stdout


def test_a_strict_program_that_uses_every_event_compiles() -> None:
    run("node", TSC, *STRICT, "--target", "es2022", "--lib", "es2022,dom", HERE / "consumer.mts")


def test_all_modules_of_the_page_pass_the_strict_type_check() -> None:
    """The types are JSDoc comments; tsconfig.json has the options."""
    checked = run("node", TSC, "--project", HERE / "tsconfig.json", "--listFiles").split()
    assert {str(path) for path in STATIC.rglob("*.js")} <= set(checked)


def test_the_type_check_finds_a_wrong_type(tmp_path: Path) -> None:
    """A check that reads nothing would pass too."""
    options = json.dumps({"extends": str(HERE / "tsconfig.json"), "include": ["wrong.js"]})
    (tmp_path / "tsconfig.json").write_text(options, encoding="utf-8")
    state = json.dumps(str(STATIC / "queue/state.js"))
    (tmp_path / "wrong.js").write_text(f"import {{ View }} from {state};\nnew View().raise('7');\n", encoding="utf-8")
    with pytest.raises(AssertionError, match="TS2345"):
        run("node", TSC, "--project", tmp_path / "tsconfig.json")


@pytest.mark.parametrize(("name", "file"), [("WorkItemStream", "stream"), ("SharedWorkItemStream", "shared-stream")])
def test_the_declared_types_have_every_public_name(name: str, file: str, tmp_path: Path) -> None:
    module = json.dumps(str(STATIC / f"client/{file}.js"))
    names = json.loads(run("node", "--input-type=module", "-e", NAMES % {"name": name, "module": module}))
    assert {"start", "close", "cursor", "state", "stats"} <= set(names)
    uses = "\n".join(f"stream.{each};" for each in names)
    program = tmp_path / "names.mts"
    program.write_text(f"import {{ {name} }} from {module};\nconst stream = new {name}();\n{uses}\n", encoding="utf-8")
    run("node", TSC, *STRICT, "--target", "es2022", "--lib", "es2022,dom", program)
