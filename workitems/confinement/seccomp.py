"""A seccomp filter that allows the system calls that work on bytes in memory needs. Linux, x86-64 and aarch64.

Every other call is answered with ENOSYS, as a kernel does that does not have it. So a call that a newer kernel, libc or
library adds is denied, but it ends no child: libraries are written for older kernels and use an older call. Nothing is
killed but a process that calls as another architecture. The numbers are from the kernel's tables (asm/unistd_64.h and
asm-generic/unistd.h); the program is classic BPF over `struct seccomp_data` (linux/seccomp.h, seccomp(2)).
"""

import errno
import fcntl
import os
import struct
from collections.abc import Iterator

#: machine → (AUDIT_ARCH_… of linux/audit.h, column in the tables below)
MACHINES = {"x86_64": (0xC000003E, 1), "aarch64": (0xC00000B7, 2)}

#: purpose → rows of "name number-on-x86-64 number-on-aarch64", "-" where the machine has no such call.
ALLOWED = {
    "open descriptors": """
        read 0 63, write 1 64, readv 19 65, writev 20 66, pread64 17 67, lseek 8 62, close 3 57, dup 32 23, dup3 292 24,
        poll 7 -, ppoll 271 73, select 23 -, pselect6 270 72""",
    "memory": """
        mmap 9 222, munmap 11 215, mprotect 10 226, mremap 25 216, madvise 28 233, brk 12 214, membarrier 324 283""",
    "threads (new ones: see clone)": """
        futex 202 98, set_robust_list 273 99, rseq 334 293, sched_yield 24 124, sched_getaffinity 204 123,
        getcpu 309 168, gettid 186 178, exit 60 93, exit_group 231 94""",
    "time": """
        clock_gettime 228 113, clock_getres 229 114, clock_nanosleep 230 115, nanosleep 35 101, gettimeofday 96 169,
        time 201 -, times 100 153, setitimer 38 103""",
    "its own signals (to send one: see tgkill)": """
        rt_sigaction 13 134, rt_sigprocmask 14 135, rt_sigreturn 15 139, sigaltstack 131 132,
        restart_syscall 219 128""",
    "to look at files, of which landlock(7) judges the opening": """
        fstat 5 80, newfstatat 262 79, statx 332 291, stat 4 -, lstat 6 -, access 21 -, faccessat 269 48,
        faccessat2 439 439, readlink 89 -, readlinkat 267 78, getdents 78 -, getdents64 217 61, getcwd 79 17""",
    "to look at itself and the machine": """
        getpid 39 172, getppid 110 173, getsid 124 156, getuid 102 174, geteuid 107 175, getgid 104 176,
        getegid 108 177, getrusage 98 165, getrlimit 97 163, uname 63 160, sysinfo 99 179, getrandom 318 278""",
}

#: Calls that an argument decides, as rows of a table like above: reading a file, a thread, a signal to itself, …
OPEN, OPENAT, CLONE, TGKILL = "open 2 -", "openat 257 56", "clone 56 220", "tgkill 234 131"
#: … a descriptor's flags but not who gets its signals, and "is it a terminal" but nothing else of a device.
FCNTL, IOCTL = "fcntl 72 25", "ioctl 16 29"
DECIDED = (OPEN, OPENAT, CLONE, TGKILL, FCNTL, IOCTL)

WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC
CLONE_THREAD = 0x10000
#: fcntl(2): duplicates, and flags of the descriptor.
DESCRIPTOR_COMMANDS = (fcntl.F_DUPFD, fcntl.F_GETFD, fcntl.F_SETFD, fcntl.F_GETFL, fcntl.F_DUPFD_CLOEXEC)
#: asm-generic/ioctls.h: TCGETS, FIONCLEX, FIOCLEX.
DEVICE_COMMANDS = (0x5401, 0x5450, 0x5451)

# Classic BPF, linux/bpf_common.h: load a word, jump if equal / any bit, return.
_LOAD, _EQUAL, _ANY_BIT, _RETURN = 0x20, 0x15, 0x45, 0x06
# struct seccomp_data: number, architecture, instruction pointer, then six arguments of eight bytes, low word first.
_NUMBER, _ARCH, _ARGUMENTS = 0, 4, 16
_ALLOW, _ERRNO, _KILL_PROCESS = 0x7FFF0000, 0x00050000, 0x80000000
_EPERM, _ENOSYS = _ERRNO | errno.EPERM, _ERRNO | errno.ENOSYS

Instruction = tuple[int, int, int, int]


def program(machine: str, pid: int) -> bytes | None:
    """Return the filter for process *pid* as `struct sock_filter[]`; None for a *machine* without a table."""
    if machine not in MACHINES:
        return None
    return b"".join(struct.pack("=HBBI", *step) for step in _steps(*MACHINES[machine], pid))


def numbers(rows: str, column: int) -> list[int]:
    """Return the numbers in the *column* of a machine."""
    cells = (row.split()[column] for row in rows.split(","))
    return [int(cell) for cell in cells if cell != "-"]


def _steps(arch: int, column: int, pid: int) -> Iterator[Instruction]:
    yield (_LOAD, 0, 0, _ARCH)
    yield from _if(_EQUAL, arch, orelse=_KILL_PROCESS)
    yield (_LOAD, 0, 0, _NUMBER)
    for rows in ALLOWED.values():
        for number in numbers(rows, column):
            yield from _if(_EQUAL, number, then=_ALLOW)
    yield from _decide(OPEN, column, 1, _ANY_BIT, WRITES, then=_EPERM, orelse=_ALLOW)
    yield from _decide(OPENAT, column, 2, _ANY_BIT, WRITES, then=_EPERM, orelse=_ALLOW)
    yield from _decide(CLONE, column, 0, _ANY_BIT, CLONE_THREAD, then=_ALLOW, orelse=_EPERM)
    yield from _decide(TGKILL, column, 0, _EQUAL, pid, then=_ALLOW, orelse=_EPERM)
    yield from _decide(FCNTL, column, 1, _EQUAL, *DESCRIPTOR_COMMANDS, then=_ALLOW, orelse=_EPERM)
    yield from _decide(IOCTL, column, 1, _EQUAL, *DEVICE_COMMANDS, then=_ALLOW, orelse=_EPERM)
    yield (_RETURN, 0, 0, _ENOSYS)


def _if(test: int, value: int, *, then: int | None = None, orelse: int | None = None) -> Iterator[Instruction]:
    """Return *then* if the test holds, or *orelse* if it does not; the one that is None continues."""
    yield (test, 0, 1, value) if then is not None else (test, 1, 0, value)
    yield (_RETURN, 0, 0, then if then is not None else orelse or 0)


def _decide(
    row: str, column: int, argument: int, test: int, *values: int, then: int, orelse: int
) -> Iterator[Instruction]:
    """For the call of *row*, return *then* if the low word of its *argument* passes the test with any of *values*.

    Otherwise return *orelse*: no later step needs the accumulator.
    """
    for number in numbers(row, column):
        yield (_EQUAL, 0, 2 + 2 * len(values), number)
        yield (_LOAD, 0, 0, _ARGUMENTS + 8 * argument)
        for value in values:
            yield from _if(test, value, then=then)
        yield (_RETURN, 0, 0, orelse)
