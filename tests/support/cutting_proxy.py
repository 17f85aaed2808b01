"""A proxy for a TCP server that cuts connections when a test asks for it: within an answer, or all at once."""

import contextlib
import socket
import threading

#: Bytes in one piece that is forwarded; small, so that a cut can be within an answer.
PIECE = 4096


class CuttingProxy:
    """Listens on `port` of loopback and forwards to *target*, in its own threads. `stop` ends them."""

    def __init__(self, target: int) -> None:
        #: Where new connections lead; those that are open stay where they are.
        self.target = target
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._listener.settimeout(0.2)
        self.port: int = self._listener.getsockname()[1]
        self._open: set[socket.socket] = set()
        self._lock = threading.Lock()
        self._stopped = threading.Event()
        #: Bytes from the server until the connection that carries them is cut; None: no cut.
        self._left: int | None = None
        #: The number of connections that were cut.
        self.cuts = 0
        self._thread = threading.Thread(target=self._accept, daemon=True)
        self._thread.start()

    def cut_after(self, count: int) -> None:
        """Cut the connection that carries the *count*-th byte from the server, counted from now."""
        with self._lock:
            self._left = count

    def cut_all(self) -> None:
        """Cut every connection now, idle ones included."""
        with self._lock:
            connections, self._open = self._open, set()
            self.cuts += len(connections) // 2
        for each in connections:
            _reset(each)

    def stop(self) -> None:
        self._stopped.set()
        self._listener.close()
        self.cut_all()
        self._thread.join(5)

    def _accept(self) -> None:
        while not self._stopped.is_set():
            try:
                client, _ = self._listener.accept()
            except TimeoutError:
                continue
            except OSError:
                return
            try:
                server = socket.create_connection(("127.0.0.1", self.target), 5)
            except OSError:
                client.close()
                continue
            server.settimeout(None)
            with self._lock:
                self._open |= {client, server}
            for source, sink, counted in ((client, server, False), (server, client, True)):
                threading.Thread(target=self._forward, args=(source, sink, counted), daemon=True).start()

    def _forward(self, source: socket.socket, sink: socket.socket, counted: bool) -> None:
        with contextlib.suppress(OSError):
            while piece := source.recv(PIECE):
                if counted and (kept := self._bytes_before_cut(len(piece))) is not None:
                    sink.sendall(piece[:kept])
                    break
                sink.sendall(piece)
        with self._lock:
            self._open -= {source, sink}
        _reset(source)
        _reset(sink)

    def _bytes_before_cut(self, length: int) -> int | None:
        """Return how many of *length* bytes are forwarded before a cut; None: all, without a cut."""
        with self._lock:
            if self._left is None:
                return None
            if self._left >= length:
                self._left -= length
                return None
            kept, self._left = self._left, None
            self.cuts += 1
            return kept


def _reset(sock: socket.socket) -> None:
    with contextlib.suppress(OSError):
        sock.shutdown(socket.SHUT_RDWR)
    sock.close()
