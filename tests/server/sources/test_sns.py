"""Messages of SNS: believed only when signed by a certificate that SNS itself serves."""

import asyncio
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from tornado.ioloop import IOLoop

from server.sources import pinned as module
from server.sources import sns
from server.sources.pinned import UnreachableError
from server.sources.signature import verify
from tests.support.fake_sns import (
    CERTIFICATE_PATH,
    CERTIFICATE_URL,
    HOST,
    TOPIC,
    Sns,
    certificate,
    dumps,
    new_key,
    serving,
    signed,
)
from tests.support.program import PROJECT
from workitems.errors import InvalidChangeError

KEY = new_key("messages")
PEM = certificate(KEY, HOST)


@pytest.fixture
def server(io_loop: IOLoop, tmp_path: Path) -> Iterator[Sns]:
    with serving(tmp_path) as server:
        yield server


def read(message: dict[str, Any]) -> sns.Message:
    return sns.read(dumps(message).encode())


@pytest.mark.parametrize("version", ["1", "2"])
@pytest.mark.parametrize(
    "fields",
    [{}, {"Subject": "a subject"}, {"Message": "many\nlines\n"},
     {"Type": "SubscriptionConfirmation", "Token": "2336412f37", "SubscribeURL": "https://sns.example.com"}],
)  # fmt: skip
def test_what_sns_signed_is_believed(version: str, fields: dict[str, str]) -> None:
    verify(read(signed(KEY, version=version, **fields)), PEM)


@pytest.mark.parametrize(
    "change",
    [{"Message": "another"}, {"Subject": "added"}, {"Timestamp": "2025-11-22T09:30:00.000Z"}, {"MessageId": "x"},
     {"TopicArn": TOPIC + "2"}, {"SignatureVersion": "2"}, {"SignatureVersion": "3"}, {"Signature": "QUJD"}],
)  # fmt: skip
def test_what_was_changed_is_not(change: dict[str, str]) -> None:
    with pytest.raises(sns.ForgedError):
        verify(read(signed(KEY) | change), PEM)


@pytest.mark.parametrize(
    "pem",
    [certificate(new_key("another"), HOST), b"", b"no certificate", certificate(KEY, HOST, since=timedelta(days=1)),
     certificate(KEY, HOST, since=timedelta(days=-9), days=3)],
)  # fmt: skip
def test_a_certificate_of_another_or_of_another_time_proves_nothing(pem: bytes) -> None:
    with pytest.raises(sns.ForgedError):
        verify(read(signed(KEY)), pem)


@pytest.mark.parametrize(
    "url",
    [
        f"http://{HOST}{CERTIFICATE_PATH}",
        f"https://{HOST}:443{CERTIFICATE_PATH}",
        f"https://user@{HOST}{CERTIFICATE_PATH}",
        f"https://{HOST}.example.com{CERTIFICATE_PATH}",
        f"https://example.com/{HOST}{CERTIFICATE_PATH}",
        f"https://example.com#{HOST}{CERTIFICATE_PATH}",
        f"https://sns.us-east-1.amazonaws.com{CERTIFICATE_PATH}",
        f"https://s3.eu-west-1.amazonaws.com{CERTIFICATE_PATH}",
        f"https://sns.eu-west-1.amazonaws.com.evil.com{CERTIFICATE_PATH}",
        f"https://{HOST}.cn{CERTIFICATE_PATH}",  # the other partition's
        f"https://{HOST}/x{CERTIFICATE_PATH}",
        f"https://{HOST}/SimpleNotificationService-../../x.pem",
        f"https://{HOST}/SimpleNotificationService-XYZ.pem",
        f"{CERTIFICATE_URL}?x=y",
        f"{CERTIFICATE_URL}#x",
        f"{CERTIFICATE_URL}\n",
        f"\t{CERTIFICATE_URL}",
        f"https://{HOST.upper()}{CERTIFICATE_PATH}",
        f"https://{HOST}\\@evil.com{CERTIFICATE_PATH}",
        "https://[::1",
        "",
    ],
)
def test_a_certificate_elsewhere_is_not_even_asked_for(url: str) -> None:
    with pytest.raises(sns.ForgedError):
        read(signed(KEY, SigningCertURL=url))


def test_who_has_no_ses_does_not_load_what_it_needs() -> None:
    code = "import sys, server.main; sys.exit('cryptography.x509' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False, cwd=PROJECT).returncode == 0


def test_china_has_hosts_of_its_own() -> None:
    topic = "arn:aws-cn:sns:cn-north-1:123456789012:mail"
    url = f"https://sns.cn-north-1.amazonaws.com.cn{CERTIFICATE_PATH}"
    assert read(signed(KEY, TopicArn=topic, SigningCertURL=url)).host == "sns.cn-north-1.amazonaws.com.cn"


@pytest.mark.parametrize(
    "raw",
    [b"", b"[]", b"{}", b"\xff", b"[" * 100_000, dumps(signed(KEY) | {"Type": "Other"}).encode(),
     dumps(signed(KEY) | {"Signature": "%"}).encode(), dumps(signed(KEY) | {"Timestamp": "now"}).encode(),
     dumps(signed(KEY) | {"Message": 7}).encode(),
     b"[" + b"{}," * 300_000 + b"{}]", b'["\\\\"' + b',"\\\\"' * 200_000 + b"]"],
)  # fmt: skip
def test_what_is_no_message_is_refused_at_once(raw: bytes) -> None:
    start = time.process_time()
    with pytest.raises(InvalidChangeError):
        sns.read(raw)
    assert time.process_time() - start < 0.05


def test_a_message_of_marks_alone_is_a_message() -> None:
    text = '{"a": [1, 2], "b": "\\"\\\\"}' * 5_000
    assert read(signed(KEY, Message=text)).text == text


def test_a_confirmation_is_made_of_what_was_checked() -> None:
    fields = {"Type": "SubscriptionConfirmation", "SubscribeURL": "https://evil.example.com", "Token": "23ab"}
    url = sns.confirmation(read(signed(KEY, **fields)))
    assert url == f"https://{HOST}/?Action=ConfirmSubscription&TopicArn={TOPIC}&Token=23ab"
    with pytest.raises(sns.ForgedError):
        sns.confirmation(read(signed(KEY, **fields | {"Token": "a&b"})))


async def test_a_certificate_is_asked_for_once_also_by_many_at_a_time(server: Sns) -> None:
    pinned = server.pinned()
    found = await asyncio.gather(*(pinned.certificate(CERTIFICATE_URL) for _ in range(5)))
    assert set(found) == {server.answers[CERTIFICATE_PATH][1]}
    assert server.asked == [CERTIFICATE_PATH]
    verify(read(signed(server.key)), found[0])


@pytest.mark.parametrize(
    "answer",
    [(302, CERTIFICATE_URL.encode()), (404, b""), (500, b""), (200, b"x" * (module.LARGEST + 1))],
)
async def test_an_answer_that_is_no_certificate_is_asked_for_again(server: Sns, answer: tuple[int, bytes]) -> None:
    pinned = server.pinned()
    good, server.answers[CERTIFICATE_PATH] = server.answers[CERTIFICATE_PATH], answer
    with pytest.raises(UnreachableError):
        await pinned.certificate(CERTIFICATE_URL)
    assert server.asked == [CERTIFICATE_PATH]
    server.answers[CERTIFICATE_PATH] = good
    assert await pinned.certificate(CERTIFICATE_URL) == good[1]


async def test_a_server_under_another_name_is_not_believed(io_loop: IOLoop, tmp_path: Path) -> None:
    with serving(tmp_path, "sns.example.com") as server:
        with pytest.raises(UnreachableError):
            await server.pinned().certificate(CERTIFICATE_URL)
        assert server.asked == []


async def test_a_server_that_says_nothing_is_not_waited_for(server: Sns, monkeypatch: Any) -> None:
    monkeypatch.setattr(module, "TIMEOUT", 0.2)
    monkeypatch.setattr(module, "CONNECT_TIMEOUT", 0.2)
    pinned = server.pinned()
    with socket.create_server(("127.0.0.1", 0)) as silent:
        server.mapping[HOST, 443] = silent.getsockname()
        with pytest.raises(UnreachableError):
            await pinned.certificate(CERTIFICATE_URL)


async def test_only_so_many_certificates_are_asked_for(server: Sns, monkeypatch: Any) -> None:
    monkeypatch.setattr(module, "MOST_A_MINUTE", 3)
    pinned = server.pinned()
    await pinned.certificate(CERTIFICATE_URL)
    for n in range(5):
        with pytest.raises(UnreachableError):
            await pinned.certificate(f"https://{HOST}/SimpleNotificationService-{n:032x}.pem")
    assert len(server.asked) == 3
    assert await pinned.certificate(CERTIFICATE_URL)
