"""A real nginx in front of a server, with only `proxy_pass` configured."""

import subprocess
import time
import urllib.error
import urllib.request
from pathlib import Path

from tests.support.program import free_port

#: Seconds to start or to stop.
_TIMEOUT = 20.0

#: All other settings are the defaults of nginx: HTTP/1.0 to the server, buffered responses.
_CONFIGURATION = """
daemon off;
worker_processes 1;
pid {folder}/nginx.pid;
error_log {folder}/error.log;
events {{ worker_connections 2000; }}
http {{
  access_log off;
  client_body_temp_path {folder}/body;
  proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi;
  scgi_temp_path {folder}/scgi;
  {more}
  server {{
    listen 127.0.0.1:{port} backlog=4096;
    location / {{ proxy_pass http://{target}; }}
  }}
}}
"""


#: Connections to the server are used again, as in docs/troubleshooting.md with an `upstream`.
_KEEPALIVE = """
  upstream tubepost {{ server 127.0.0.1:{target}; keepalive 16; }}
  proxy_http_version 1.1;
  proxy_set_header Connection "";
  proxy_set_header Host $http_host;
"""


class Nginx:
    """Listens on `port` inside `with`. *more* is added to its `http` block."""

    def __init__(self, folder: Path, port: int, more: str = "", *, keepalive: bool = False) -> None:
        self.port = free_port()
        self._folder = folder
        target = "tubepost" if keepalive else f"127.0.0.1:{port}"
        if keepalive:
            more += _KEEPALIVE.format(target=port)
        self._text = _CONFIGURATION.format(folder=folder, port=self.port, target=target, more=more)
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> "Nginx":
        path = self._folder / "nginx.conf"
        path.write_text(self._text)
        command = ["/usr/sbin/nginx", "-p", str(self._folder), "-e", str(self._folder / "error.log"), "-c", str(path)]
        self._process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        deadline = time.monotonic() + _TIMEOUT
        while not self._answers():
            if self._process.poll() is not None or time.monotonic() > deadline:
                self.__exit__()
                raise RuntimeError(f"nginx did not start:\n{(self._folder / 'error.log').read_text()[-2000:]}")
            time.sleep(0.02)
        return self

    def __exit__(self, *_: object) -> None:
        assert self._process is not None
        self._process.terminate()
        try:
            self._process.wait(_TIMEOUT)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait(_TIMEOUT)

    def _answers(self) -> bool:
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{self.port}/healthz", timeout=2).close()
        except (urllib.error.URLError, OSError):
            return False
        return True
