"""Lets TCP notice a dead line where nothing is said for minutes, as in IDLE."""

import socket

#: TCP asks whether the other side is there: after seconds of silence, every so many seconds, so often.
KEEP_ALIVE = {"TCP_KEEPIDLE": 60, "TCP_KEEPINTVL": 15, "TCP_KEEPCNT": 4}


def keep_alive(sock: socket.socket | None) -> None:
    """Let TCP notice a dead line, also through a NAT that forgot us."""
    if sock is None or sock.family not in (socket.AF_INET, socket.AF_INET6):
        return
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in KEEP_ALIVE.items():
        if hasattr(socket, name):  # macOS and Windows lack some
            sock.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)
