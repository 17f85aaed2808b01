"""Questions to the person at the terminal."""

import signal
from collections.abc import Callable


def ask(question: str, by: Callable[[str], str] = input) -> str:
    """Return the answer typed at the terminal; *by* is `input`, or `getpass.getpass` for what must not be seen.

    Ctrl-C and Ctrl-D raise KeyboardInterrupt at once, also within `asyncio.run`, whose own answer to Ctrl-C (cancel the
    task) would come after the line that this waits for. The event loop is blocked meanwhile.
    """
    usual = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        return by(question)
    except EOFError:
        raise KeyboardInterrupt from None
    finally:
        signal.signal(signal.SIGINT, usual)
