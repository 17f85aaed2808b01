"""Limits of a confined process, which it sets for itself."""

from dataclasses import dataclass

MIB = 1024 * 1024

#: Exit code for "out of memory": exiting needs no memory, sending an answer might.
EXIT_MEMORY = 71


@dataclass(frozen=True, slots=True)
class ProcessLimits:
    """What one process may use from its start to its end."""

    #: Address space in bytes (RLIMIT_AS).
    max_memory_bytes: int = 1024 * MIB
    #: Open descriptors (RLIMIT_NOFILE): its own, and some for libraries that load their data late.
    max_open_files: int = 64
    #: Processor time in seconds (RLIMIT_CPU).
    max_cpu_seconds: int = 600
    #: The largest file that it may write through a descriptor that it opened before, in bytes (RLIMIT_FSIZE).
    max_file_bytes: int = 0
