"""A real nginx in front of a server, set up as somebody does who only knows `proxy_pass`."""

import subprocess
import time
import urllib.error
import urllib.request
from pathlib import Path

from tests.support.program import free_port

#: Seconds to come up or to end.
_PATIENCE = 20.0

#: What is not said here is nginx's default: HTTP/1.0 to the server, responses buffered.
_CONFIGURATION = """
daemon off;
worker_processes 1;
pid {place}/nginx.pid;
error_log {place}/error.log;
events {{ worker_connections 2000; }}
http {{
  access_log off;
  client_body_temp_path {place}/body;
  proxy_temp_path {place}/proxy;
  fastcgi_temp_path {place}/fastcgi;
  uwsgi_temp_path {place}/uwsgi;
  scgi_temp_path {place}/scgi;
  {more}
  server {{
    listen 127.0.0.1:{port} backlog=4096;
    location / {{ proxy_pass http://127.0.0.1:{target}; }}
  }}
}}
"""


class Nginx:
    """Listens on `port` while entered. *more* stands in its `http` block."""

    def __init__(self, place: Path, target: int, more: str = "") -> None:
        self.port = free_port()
        self._place = place
        self._text = _CONFIGURATION.format(place=place, port=self.port, target=target, more=more)
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> "Nginx":
        path = self._place / "nginx.conf"
        path.write_text(self._text)
        command = ["/usr/sbin/nginx", "-p", str(self._place), "-e", str(self._place / "error.log"), "-c", str(path)]
        self._process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        deadline = time.monotonic() + _PATIENCE
        while not self._answers():
            if self._process.poll() is not None or time.monotonic() > deadline:
                self.__exit__()
                raise RuntimeError(f"nginx did not come up:\n{(self._place / 'error.log').read_text()[-2000:]}")
            time.sleep(0.02)
        return self

    def __exit__(self, *_: object) -> None:
        assert self._process is not None
        self._process.terminate()
        try:
            self._process.wait(_PATIENCE)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait(_PATIENCE)

    def _answers(self) -> bool:
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{self.port}/healthz", timeout=2).close()
        except (urllib.error.URLError, OSError):
            return False
        return True
