"""A seccomp filter that answers EPERM to what reading a mail never needs. Linux on x86-64 and aarch64.

Only what would reach beyond the process is named; anything else stays allowed, so that a new libc or a library that is
loaded late goes on working. Numbers are those of the kernel's own tables (asm/unistd_64.h and asm-generic/unistd.h),
the program is classic BPF over `struct seccomp_data` (linux/seccomp.h, seccomp(2)).
"""

import errno
import os
import struct
from collections.abc import Iterator

#: machine → (AUDIT_ARCH_… of linux/audit.h, column in the tables below)
MACHINES = {"x86_64": (0xC000003E, 1), "aarch64": (0xC00000B7, 2)}

#: why → rows of "name number-on-x86-64 number-on-aarch64", "-" where the machine has no such call.
DENIED = {
    "no network and no other way to a process: a socket is never made, a ring would make it unseen": """
        socket 41 198, socketpair 53 199, connect 42 203, bind 49 200, listen 50 201, accept 43 202, accept4 288 242,
        sendto 44 206, sendmsg 46 211, sendmmsg 307 269, io_uring_setup 425 425,
        shmget 29 194, shmat 30 196, msgget 68 186, semget 64 190, mq_open 240 180""",
    "no new program, process or namespace (threads: see clone)": """
        fork 57 -, vfork 58 -, execve 59 221, execveat 322 281, unshare 272 97, setns 308 268""",
    "no hand on other processes (a signal to itself: see tgkill)": """
        ptrace 101 117, process_vm_readv 310 270, process_vm_writev 311 271, process_madvise 440 440, kcmp 312 272,
        kill 62 129, tkill 200 130, rt_sigqueueinfo 129 138, rt_tgsigqueueinfo 297 240,
        pidfd_open 434 434, pidfd_send_signal 424 424, pidfd_getfd 438 438,
        setpriority 141 140, sched_setparam 142 118, sched_setscheduler 144 119, sched_setattr 314 274,
        sched_setaffinity 203 122, ioprio_set 251 30, migrate_pages 256 238, move_pages 279 239""",
    "limits and the bond to the parent stay as they are": """
        setrlimit 160 164, prlimit64 302 261, prctl 157 167""",
    "parts of the kernel that only attacks on it would use here": """
        bpf 321 280, perf_event_open 298 241, userfaultfd 323 282, keyctl 250 219, add_key 248 217,
        request_key 249 218""",
    "no change to any file or directory (for writing to one: see openat)": """
        creat 85 -, truncate 76 45, unlink 87 -, unlinkat 263 35, rmdir 84 -, rename 82 -, renameat 264 38,
        renameat2 316 276, link 86 -, linkat 265 37, symlink 88 -, symlinkat 266 36, mkdir 83 -, mkdirat 258 34,
        mknod 133 -, mknodat 259 33, chmod 90 -, fchmod 91 52, fchmodat 268 53, fchmodat2 452 452, chown 92 -,
        fchown 93 55, lchown 94 -, fchownat 260 54, utime 132 -, utimes 235 -, utimensat 280 88, futimesat 261 -,
        setxattr 188 5, lsetxattr 189 6, fsetxattr 190 7, removexattr 197 14, lremovexattr 198 15, fremovexattr 199 16,
        open_by_handle_at 304 265""",
}

#: Calls whose arguments stand in memory, where a filter cannot look: "not there" sends the libc to the older call.
ABSENT = "clone3 435 435, openat2 437 437"

#: Calls that depend on an argument: why → rows as above, judged by `_judge`.
OPEN, OPENAT, CLONE, TGKILL = "open 2 -", "openat 257 56", "clone 56 220", "tgkill 234 131"
FCNTL = "fcntl 72 25"

#: fcntl's ways to name who is signalled when a pipe becomes ready: any process of the same user, with any signal.
SET_OWNER, SET_OWNER_EX = 8, 15

CLONE_THREAD = 0x10000
WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC

# Classic BPF, linux/bpf_common.h: load a word, jump if equal / greater-or-equal / any bit, return.
_LOAD, _EQUAL, _AT_LEAST, _ANY_BIT, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
# struct seccomp_data: number, architecture, instruction pointer, then six arguments of eight bytes, low word first.
_NUMBER, _ARCH, _ARGUMENTS = 0, 4, 16
_ALLOW, _ERRNO, _KILL_PROCESS = 0x7FFF0000, 0x00050000, 0x80000000
_EPERM, _ENOSYS = _ERRNO | errno.EPERM, _ERRNO | errno.ENOSYS
#: Numbers from here on are the x32 calls of an x86-64 kernel: the same work under other numbers.
_X32 = 0x40000000

Instruction = tuple[int, int, int, int]


def program(machine: str, pid: int) -> bytes | None:
    """The filter for process *pid* as `struct sock_filter[]`; None where *machine* has no table."""
    if machine not in MACHINES:
        return None
    return b"".join(struct.pack("=HBBI", *step) for step in _steps(*MACHINES[machine], pid))


def numbers(rows: str, column: int) -> list[int]:
    """The numbers that *rows* give for a machine's *column*."""
    cells = (row.split()[column] for row in rows.split(","))
    return [int(cell) for cell in cells if cell != "-"]


def _steps(arch: int, column: int, pid: int) -> Iterator[Instruction]:
    yield (_LOAD, 0, 0, _ARCH)
    yield from _if(_EQUAL, arch, orelse=_KILL_PROCESS)
    yield (_LOAD, 0, 0, _NUMBER)
    yield from _if(_AT_LEAST, _X32, then=_EPERM)
    for rows in DENIED.values():
        for number in numbers(rows, column):
            yield from _if(_EQUAL, number, then=_EPERM)
    for number in numbers(ABSENT, column):
        yield from _if(_EQUAL, number, then=_ENOSYS)
    yield from _judge(OPEN, column, 1, _ANY_BIT, WRITES, then=_EPERM, orelse=_ALLOW)
    yield from _judge(OPENAT, column, 2, _ANY_BIT, WRITES, then=_EPERM, orelse=_ALLOW)
    yield from _judge(CLONE, column, 0, _ANY_BIT, CLONE_THREAD, then=_ALLOW, orelse=_EPERM)
    yield from _judge(TGKILL, column, 0, _EQUAL, pid, then=_ALLOW, orelse=_EPERM)
    yield from _judge(FCNTL, column, 1, _EQUAL, SET_OWNER, SET_OWNER_EX, then=_EPERM, orelse=_ALLOW)
    yield (_RETURN, 0, 0, _ALLOW)


def _if(test: int, value: int, *, then: int | None = None, orelse: int | None = None) -> Iterator[Instruction]:
    """Return *then* where the test holds, or *orelse* where it does not; otherwise go on."""
    yield (test, 0, 1, value) if then is not None else (test, 1, 0, value)
    yield (_RETURN, 0, 0, then if then is not None else orelse or 0)


def _judge(
    row: str, column: int, argument: int, test: int, *values: int, then: int, orelse: int
) -> Iterator[Instruction]:
    """For the call of *row*, return *then* where the test of the low word of its *argument* holds for any of *values*.

    Otherwise *orelse*: the accumulator is not needed afterwards.
    """
    for number in numbers(row, column):
        yield (_EQUAL, 0, 2 + 2 * len(values), number)
        yield (_LOAD, 0, 0, _ARGUMENTS + 8 * argument)
        for value in values:
            yield from _if(test, value, then=then)
        yield (_RETURN, 0, 0, orelse)
