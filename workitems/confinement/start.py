"""How a child starts that will be confined: it inherits nothing from its parent but the pipes that it is given."""

from typing import Any

#: Options of Python: no environment variables, no current directory in the import path, no files written.
PYTHON_OPTIONS = ("-I", "-B", "-X", "utf8")

#: What says how a platform becomes one that can confine children.
DOCUMENT = "docs/troubleshooting.md"

#: The whole environment of such a child.
ENVIRONMENT = {"LC_ALL": "C.UTF-8", "TZ": "UTC"}

#: Keyword arguments for subprocess. The own session keeps signals of a terminal from it.
SURROUNDINGS: dict[str, Any] = {"env": ENVIRONMENT, "cwd": "/", "close_fds": True, "start_new_session": True}
