"""Questions to the person at the terminal, and text of strangers for it."""

import signal
from collections.abc import Callable

#: Characters by which the text of a stranger could control the terminal → what is shown in their place.
CONTROL_MARKS = dict.fromkeys([*range(32), 127, *range(128, 160)], "�")


def mark_controls(text: str, *, keep: str = "") -> str:
    """Replace all control characters in *text* but those in *keep*."""
    return text.translate({code: mark for code, mark in CONTROL_MARKS.items() if chr(code) not in keep})


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
