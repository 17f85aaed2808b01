"""Lets TCP notice a dead connection on which nothing is sent for minutes, as in IDLE."""

import socket

#: TCP probes the other side: after seconds of silence, then at an interval in seconds, at most so many times.
KEEP_ALIVE = {"TCP_KEEPIDLE": 60, "TCP_KEEPINTVL": 15, "TCP_KEEPCNT": 4}


def keep_alive(sock: socket.socket | None) -> None:
    """Let TCP notice a dead connection, also where a NAT dropped it."""
    if sock is None or sock.family not in (socket.AF_INET, socket.AF_INET6):
        return
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in KEEP_ALIVE.items():
        if hasattr(socket, name):  # macOS and Windows lack some
            sock.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)
