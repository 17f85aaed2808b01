"""The program of the filter, run step by step for both machines; what the kernel makes of it is tested in a child."""

import os
import struct

import pytest

from workitems.confinement import seccomp

#: machine → AUDIT_ARCH_… and some numbers of calls, from the kernel's tables.
CALLS = ("read", "socket", "openat", "clone", "tgkill", "ioctl", "fcntl")
MACHINES = {
    "x86_64": (0xC000003E, dict(zip(CALLS, (0, 41, 257, 56, 234, 16, 72), strict=True))),
    "aarch64": (0xC00000B7, dict(zip(CALLS, (63, 198, 56, 220, 131, 29, 25), strict=True))),
}
ALLOW, EPERM, ENOSYS, KILL = 0x7FFF0000, 0x00050001, 0x00050026, 0x80000000
PID = 77


def run(program: bytes, number: int, arch: int, *arguments: int) -> int:
    """Return the answer of a classic BPF program (linux/bpf_common.h) to a call."""
    data = struct.pack("=IIQ6Q", number, arch, 0, *arguments, *[0] * (6 - len(arguments)))
    steps = list(struct.iter_unpack("=HBBI", program))
    place = accumulator = 0
    while True:
        code, then, orelse, value = steps[place]
        place += 1
        match code:
            case 0x20:
                (accumulator,) = struct.unpack_from("=I", data, value)
            case 0x15:
                place += then if accumulator == value else orelse
            case 0x45:
                place += then if accumulator & value else orelse
            case 0x06:
                return value
            case _:
                raise AssertionError(f"an instruction {code:#x} that the filter does not use")


@pytest.mark.parametrize("machine", MACHINES)
@pytest.mark.parametrize(
    ("call", "arguments", "answer"),
    [
        ("read", (0, 0, 10), ALLOW),
        ("socket", (2, 1, 0), ENOSYS),
        ("openat", (0, 0, os.O_RDONLY | os.O_CLOEXEC), ALLOW),
        ("openat", (0, 0, os.O_WRONLY), EPERM),
        ("openat", (0, 0, os.O_RDONLY | os.O_CREAT), EPERM),
        ("clone", (0x3D0F00, 0), ALLOW),
        ("clone", (0x01200011, 0), EPERM),
        ("tgkill", (PID, 5, 6), ALLOW),
        ("tgkill", (PID + 1, 5, 6), EPERM),
        ("ioctl", (0, 0x5401), ALLOW),
        ("ioctl", (0, 0x5412), EPERM),
        ("fcntl", (0, 1), ALLOW),
        ("fcntl", (0, 8), EPERM),
    ],
)
def test_the_answer_to_a_call_depends_on_its_number_and_argument(
    machine: str, call: str, arguments: tuple[int, ...], answer: int
) -> None:
    arch, numbers = MACHINES[machine]
    program = seccomp.program(machine, PID)

    assert program
    assert run(program, numbers[call], arch, *arguments) == answer


@pytest.mark.parametrize("machine", MACHINES)
def test_only_the_calls_on_the_list_are_ever_allowed(machine: str) -> None:
    arch, _ = MACHINES[machine]
    program = seccomp.program(machine, PID)
    assert program
    listed = {number for rows in seccomp.ALLOWED.values() for number in seccomp.numbers(rows, column(machine))}
    decided = {number for row in seccomp.DECIDED for number in seccomp.numbers(row, column(machine))}

    answers = {number: run(program, number, arch) for number in [*range(1000), *range(2**30, 2**30 + 1000), 2**32 - 1]}

    assert {number for number, answer in answers.items() if answer == ALLOW} - decided == listed
    assert {answer for number, answer in answers.items() if number not in listed | decided} == {ENOSYS}
    assert run(program, 0, 0x40000003) == KILL


@pytest.mark.parametrize("machine", MACHINES)
def test_the_filter_is_no_longer_than_the_kernel_accepts_and_names_no_call_twice(machine: str) -> None:
    rows = [*seccomp.ALLOWED.values(), *seccomp.DECIDED]
    numbers = [number for row in rows for number in seccomp.numbers(row, column(machine))]

    assert len(numbers) == len(set(numbers))
    assert len(seccomp.program(machine, 1) or b"") // 8 < 4096  # BPF_MAXINSNS


def test_a_machine_without_a_table_has_no_filter() -> None:
    assert seccomp.program("riscv64", 1) is None


def column(machine: str) -> int:
    return seccomp.MACHINES[machine][1]
