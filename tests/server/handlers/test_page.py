"""The page and its files."""

import re
from pathlib import Path

import pytest

from server.context import Context
from server.handlers.page import STATIC, static_version
from tests.server.conftest import TOKEN
from tests.server.handlers.conftest import Call, cookie_header, cookies, error


async def test_a_caller_without_session_is_redirected_to_the_sign_in_and_back(call: Call) -> None:
    response = await call("GET", "/?tab=sse&x=%2F", token=None)
    assert (response.code, response.headers["Location"]) == (303, "/login?next=%2F%3Ftab%3Dsse%26x%3D%252F")


async def test_the_page_runs_only_scripts_from_its_own_files(call: Call, context: Context) -> None:
    session = context.auth.sign_in_by_token(TOKEN) or ""
    response = await call("GET", "/", token=None, headers=cookie_header(tubepost_session=session))
    assert response.code == 200
    assert response.headers["Content-Type"] == "text/html; charset=UTF-8"
    policy = response.headers["Content-Security-Policy"]
    for part in ("default-src 'none'", "script-src 'self'", "trusted-types 'none'", "frame-ancestors 'none'"):
        assert part in policy
    assert "unsafe" not in policy
    assert response.headers["Cache-Control"] == "no-store"
    assert response.headers["Cross-Origin-Opener-Policy"] == "same-origin"
    assert b"{{" not in response.body
    assert f"/static/{static_version()}/".encode() in response.body
    assert not cookies(response)


async def test_files_of_this_version_are_cached_for_ever_and_others_are_not(call: Call) -> None:
    now = await call("GET", f"/static/{static_version()}/js/client/stream.js", token=None)
    then = await call("GET", "/static/000000000000/js/client/stream.js", token=None)
    assert now.body == then.body == (STATIC / "js/client/stream.js").read_bytes()
    assert now.headers["Content-Type"].startswith(("text/javascript", "application/javascript"))
    assert now.headers["Cache-Control"] == "public, max-age=31536000, immutable"
    assert then.headers["Cache-Control"] == "no-cache"
    again = await call(
        "GET", f"/static/{static_version()}/js/client/stream.js", headers={"If-None-Match": now.headers["Etag"]}
    )
    assert again.code == 304


async def test_the_stream_client_has_a_lasting_address(call: Call) -> None:
    response = await call("GET", "/static/js/stream.js", token=None)
    assert response.code == 200
    assert response.headers["Cache-Control"] == "public, max-age=300"
    assert response.headers["Cross-Origin-Resource-Policy"] == "cross-origin"
    assert (await call("HEAD", "/static/js/stream.js", token=None)).headers["Content-Length"] == str(len(response.body))
    assert (await call("GET", "/static/js/stream.d.ts", token=None)).headers["X-Content-Type-Options"] == "nosniff"


async def fetch_with_imports(call: Call, entry: str) -> set[str]:
    """Fetch the files at the lasting address that *entry* and its types need."""
    missing, fetched = {f"{entry}.js", f"{entry}.d.ts"}, set[str]()
    while missing:
        fetched.add(name := missing.pop())
        response = await call("GET", f"/static/js/{name}", token=None)
        assert (response.code, response.headers["Cache-Control"]) == (200, "public, max-age=300"), name
        imports = re.findall(r"""(?:from|import)\s*\(?\s*["']([^"']+)["']""", response.body.decode())
        assert all(path.startswith("./") for path in imports), (name, imports)
        missing |= {path.removeprefix("./") for path in imports} - fetched
    return fetched


async def test_the_lasting_address_serves_only_what_the_client_imports(call: Call) -> None:
    alone, shared = await fetch_with_imports(call, "stream"), await fetch_with_imports(call, "shared-stream")
    assert alone == {"stream.js", "stream.d.ts", "event-stream.js"}
    assert {path.name for path in (STATIC / "js/client").iterdir()} == alone | shared
    for path in (path for path in (STATIC / "js").rglob("*") if path.is_file() and path.parent.name != "client"):
        for address in {path.name, str(path.relative_to(STATIC / "js"))}:
            assert (await call("GET", f"/static/js/{address}", token=None)).code == 404, address
    assert (await call("GET", "/static/js/client/stream.js", token=None)).code == 404


@pytest.mark.parametrize(
    "path", ["nothing.js", "js", "../app.py", "%2e%2e/app.py", "js/..%2f..%2fapp.py", "//etc/passwd", "js/%00", "%ff"]
)
async def test_no_file_outside_the_folder_is_served(call: Call, path: str) -> None:
    response = await call("GET", f"/static/{static_version()}/{path}", token=None)
    assert error(response)[0] in (403, 404)


def test_the_version_changes_with_every_file(tmp_path: Path) -> None:
    seen = set()
    for name, text in [("a.js", "1"), ("a.js", "2"), ("b.js", "2"), ("b/c.css", "")]:
        folder = tmp_path / str(len(seen))
        (folder / name).parent.mkdir(parents=True)
        (folder / name).write_text(text)
        seen.add(static_version(folder))
    assert len(seen) == 4
    assert all(len(found) == 12 for found in seen)
