"""Signs in to a server as a browser does, and asks it who the caller is."""

import json
import re
import urllib.error
import urllib.parse
import urllib.request
from http.cookiejar import CookieJar

#: Seconds for an answer.
_PATIENCE = 30.0


class Browser:
    """A browser without scripts: it keeps cookies and nothing else."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._base = f"http://127.0.0.1:{port}"
        self._cookies = CookieJar()
        self._opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(self._cookies))

    def sign_in(self, name: str, password: str) -> bool:
        """Fill the form in; return whether the server accepted it."""
        with self._opener.open(f"{self._base}/login", timeout=_PATIENCE) as page:
            found = re.search(rb'name="_xsrf" value="([^"]+)"', page.read())
        assert found
        form = {"_xsrf": found[1].decode(), "user": name, "password": password, "next": "/api/session"}
        try:
            self._opener.open(f"{self._base}/login", urllib.parse.urlencode(form).encode(), _PATIENCE).close()
        except urllib.error.HTTPError as error:
            error.close()
            if error.code != 401:
                raise
            return False
        return True

    def caller(self, port: int | None = None) -> str:
        """Return the name of the caller, '' when the session is not valid. *port*: of another process.

        The names of the cookies end with the port, which would be the same behind a proxy.
        """
        if port is None:
            return caller(self._opener, self._base)
        opener = urllib.request.build_opener()
        old, new = f"_{self._port}", f"_{port}"
        pairs = [f"{each.name.removesuffix(old)}{new}={each.value}" for each in self._cookies]
        opener.addheaders = [("Cookie", "; ".join(pairs))]
        return caller(opener, f"http://127.0.0.1:{port}")


def caller_of_key(port: int, key: str) -> str:
    """Return the name under which a key calls, '' when it is refused."""
    opener = urllib.request.build_opener()
    opener.addheaders = [("Authorization", f"Bearer {key}")]
    return caller(opener, f"http://127.0.0.1:{port}")


def caller(opener: urllib.request.OpenerDirector, base: str) -> str:
    try:
        with opener.open(f"{base}/api/session", timeout=_PATIENCE) as answer:
            return str(json.loads(answer.read())["name"])
    except urllib.error.HTTPError as error:
        error.close()
        if error.code != 401:
            raise
        return ""
