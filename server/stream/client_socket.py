"""The socket of a stream's client: take it from Tornado, set its options, and ask how many bytes have arrived."""

import socket
import struct
from contextlib import suppress

from tornado.ioloop import IOLoop
from tornado.iostream import IOStream

#: Linux: milliseconds that sent bytes may stay unacknowledged before the kernel closes the connection (RFC 5482).
_USER_TIMEOUT = 60_000

#: Where `struct tcp_info` of Linux 4.1 and later has `tcpi_bytes_acked`, 64 bits.
_BYTES_ACKED = 120


def detach_socket(stream: IOStream) -> socket.socket | None:
    """Return the socket of a connection that was detached from Tornado, which forgets it.

    None, and the connection is closed, when the client has left or has sent more than its request, as far as Tornado
    has read. Bytes that are still in the socket are noticed by the stream, and end it.
    """
    if stream.closed():
        return None
    if stream._read_buffer_size:  # to find this out by a read would cost a tenth of the opening of a stream
        stream.close()
        return None
    own = stream.socket
    IOLoop.current().remove_handler(own.fileno())
    taken = socket.socket(own.family, own.type, own.proto, fileno=own.detach())
    stream.close()
    return taken


def set_options(client: socket.socket) -> None:
    """Send each event at once, and close the connection of a dead client after a minute."""
    with suppress(OSError, AttributeError):  # not a TCP socket, or not Linux
        # Nagle's algorithm would hold an event back until the one before it is acknowledged, 40 ms with some clients.
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, _USER_TIMEOUT)


def acknowledged_bytes(client: socket.socket) -> int | None:
    """Return how many bytes the client has acknowledged since it connected; None where the system does not say.

    The kernel counts them anyhow. A counter of our own would have to be changed at each send (docs/decisions/0001).
    """
    try:
        found: tuple[int] = struct.unpack_from(
            "=Q", client.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 256), _BYTES_ACKED
        )
    except (OSError, AttributeError, struct.error):
        return None
    return found[0]
