"""Messages of SNS: accepted only with a signature whose certificate SNS itself serves."""

import subprocess
import sys
from datetime import timedelta
from typing import Any

import pytest

from server.intake.sources import sns
from server.intake.sources.signature import verify
from tests.support.fake_sns import (
    CERTIFICATE_PATH,
    CERTIFICATE_URL,
    HOST,
    TOPIC,
    certificate,
    dumps,
    new_key,
    signed,
)
from tests.support.program import PROJECT
from workitems.base.errors import InvalidChangeError

KEY = new_key("messages")
PEM = certificate(KEY, HOST)


def read(message: dict[str, Any]) -> sns.SnsMessage:
    return sns.parse_message(dumps(message).encode())


@pytest.mark.parametrize("version", ["1", "2"])
@pytest.mark.parametrize(
    "fields",
    [{}, {"Subject": "a subject"}, {"Message": "many\nlines\n"},
     {"Type": "SubscriptionConfirmation", "Token": "2336412f37", "SubscribeURL": "https://sns.example.com"}],
)  # fmt: skip
def test_a_message_that_sns_signed_is_accepted(version: str, fields: dict[str, str]) -> None:
    verify(read(signed(KEY, version=version, **fields)), PEM)


@pytest.mark.parametrize(
    "change",
    [{"Message": "another"}, {"Subject": "added"}, {"Timestamp": "2025-11-22T09:30:00.000Z"}, {"MessageId": "x"},
     {"TopicArn": TOPIC + "2"}, {"SignatureVersion": "2"}, {"SignatureVersion": "3"}, {"Signature": "QUJD"}],
)  # fmt: skip
def test_a_changed_message_is_refused(change: dict[str, str]) -> None:
    with pytest.raises(sns.ForgedError):
        verify(read(signed(KEY) | change), PEM)


@pytest.mark.parametrize(
    "pem",
    [certificate(new_key("another"), HOST), b"", b"no certificate", certificate(KEY, HOST, since=timedelta(days=1)),
     certificate(KEY, HOST, since=timedelta(days=-9), days=3)],
)  # fmt: skip
def test_a_certificate_of_another_key_or_time_is_refused(pem: bytes) -> None:
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
def test_a_certificate_at_another_host_is_not_fetched(url: str) -> None:
    with pytest.raises(sns.ForgedError):
        read(signed(KEY, SigningCertURL=url))


def test_cryptography_is_not_loaded_without_an_ses_source() -> None:
    code = "import sys, server.main; sys.exit('cryptography.x509' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False, cwd=PROJECT).returncode == 0


def test_topics_in_china_have_their_own_hosts() -> None:
    topic = "arn:aws-cn:sns:cn-north-1:123456789012:mail"
    url = f"https://sns.cn-north-1.amazonaws.com.cn{CERTIFICATE_PATH}"
    assert read(signed(KEY, TopicArn=topic, SigningCertURL=url)).host == "sns.cn-north-1.amazonaws.com.cn"


@pytest.mark.parametrize(
    "raw",
    [b"", b"[]", b"{}", b"\xff", b"[" * 100_000, dumps(signed(KEY) | {"Type": "Other"}).encode(),
     dumps(signed(KEY) | {"Signature": "%"}).encode(), dumps(signed(KEY) | {"Timestamp": "now"}).encode(),
     dumps(signed(KEY) | {"Message": 7}).encode()],
)  # fmt: skip
def test_a_body_that_is_no_message_is_refused(raw: bytes) -> None:
    with pytest.raises(InvalidChangeError):
        sns.parse_message(raw)


@pytest.mark.parametrize(
    "raw", [b"[" + b"{}," * 300_000 + b"{}]", b'["\\\\"' + b',"\\\\"' * 200_000 + b"]"], ids=["objects", "texts"]
)
def test_a_body_of_many_values_is_refused_before_it_is_parsed(raw: bytes, monkeypatch: Any) -> None:
    monkeypatch.setattr(sns.json, "loads", lambda _: pytest.fail("the body was parsed"))
    with pytest.raises(InvalidChangeError):
        sns.parse_message(raw)


def test_a_message_text_of_brackets_only_is_accepted() -> None:
    text = '{"a": [1, 2], "b": "\\"\\\\"}' * 5_000
    assert read(signed(KEY, Message=text)).text == text


def test_a_confirmation_address_is_made_of_checked_parts() -> None:
    fields = {"Type": "SubscriptionConfirmation", "SubscribeURL": "https://evil.example.com", "Token": "23ab"}
    url = sns.confirmation_url(read(signed(KEY, **fields)))
    assert url == f"https://{HOST}/?Action=ConfirmSubscription&TopicArn={TOPIC}&Token=23ab"
    with pytest.raises(sns.ForgedError):
        sns.confirmation_url(read(signed(KEY, **fields | {"Token": "a&b"})))
