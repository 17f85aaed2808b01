"""Services that post mail: each is known in its own way and told in its own codes whether to come again."""

import asyncio
import dataclasses
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from tornado.httpclient import HTTPResponse
from tornado.ioloop import IOLoop
from tornado.web import Application

from server.app import application
from server.context import Context
from server.sources.known import AHEAD, Sources
from tests.server.conftest import make_settings
from tests.server.handlers.conftest import Call, body, error
from tests.server.sources.test_adapters import MAILGUN, POSTMARK, RAW, received
from tests.support import forms
from tests.support.fake_sns import CERTIFICATE_PATH, TOPIC, Sns, dumps, new_key, serving, signed
from workitems.errors import StoreUnavailableError
from workitems.identity import item_id
from workitems.settings import Settings

KEY = "a-signing-key"
PASSWORD = "correct horse"
LARGEST = 400_000
PATH = "/api/email/intake"
SOURCES: dict[str, Any] = {
    "gun": {"kind": "mailgun", "mailbox": "claims", "secret": KEY},
    "grid": {"kind": "sendgrid", "mailbox": "claims", "secret": PASSWORD},
    "mark": {"kind": "postmark", "mailbox": "claims", "secret": PASSWORD, "user": "post:mark"[:4]},
    "amazon": {"kind": "ses", "mailbox": "claims", "topics": [TOPIC]},
}


@pytest.fixture
def settings(redis_url: str, tmp_path: Path) -> Settings:
    return make_settings(redis_url, tmp_path, sources=SOURCES, intake={"largest": LARGEST, "most": 5})


@pytest.fixture
def amazon(io_loop: IOLoop, tmp_path: Path) -> Iterator[Sns]:
    with serving(tmp_path) as server:
        yield server


@pytest.fixture
def context(context: Context, settings: Settings, amazon: Sns) -> Context:
    sources = Sources(settings.sources, context.redis, amazon.pinned())
    return dataclasses.replace(context, sources=sources)


@pytest.fixture
def app(context: Context) -> Application:
    return application(context)


class Post:
    """Posts as each service does."""

    def __init__(self, call: Call, amazon: Sns) -> None:
        self._call = call
        self._amazon = amazon

    async def gun(self, *fields: forms.Field, at: float = 0, key: str = KEY, token: str = "t" * 50) -> HTTPResponse:
        proof = forms.mailgun_proof(key, at or time.time(), token)
        return await self.form("gun", forms.multipart(*(fields or MAILGUN), *proof), {})

    async def grid(self, *fields: forms.Field, password: str = PASSWORD) -> HTTPResponse:
        return await self.form("grid", forms.multipart(*fields), forms.basic("tubepost", password))

    async def mark(self, password: str = PASSWORD, **other: Any) -> HTTPResponse:
        headers = {"Content-Type": "application/json; charset=utf-8"} | forms.basic("post", password)
        return await self._call("POST", f"{PATH}/mark", token=None, json=POSTMARK | other, headers=headers)

    async def amazon(self, **fields: Any) -> HTTPResponse:
        change = fields.pop("change", {})
        message = signed(fields.pop("key", self._amazon.key), **{"Message": received()} | fields) | change
        headers = {"Content-Type": "text/plain; charset=UTF-8"}
        return await self._call("POST", f"{PATH}/amazon", token=None, body=dumps(message), headers=headers)

    async def form(self, name: str, made: tuple[str, bytes], headers: dict[str, str]) -> HTTPResponse:
        headers = {"Content-Type": made[0]} | headers
        return await self._call("POST", f"{PATH}/{name}", token=None, body=made[1], headers=headers)


@pytest.fixture
def post(call: Call, amazon: Sns) -> Post:
    return Post(call, amazon)


async def test_each_service_brings_the_same_mail_as_the_same_item(post: Post, context: Context) -> None:
    answers = [
        await post.gun(("body-mime", RAW), ("sender", b"b@x.example"), ("recipient", b"in@example.com")),
        await post.grid(("email", RAW)),
        await post.mark(RawEmail=RAW.decode()),
        await post.amazon(),
    ]
    assert [answer.code for answer in answers] == [200] * 4
    assert {body(answer)["workitem_id"] for answer in answers} == {item_id("claims", RAW)}
    assert [body(answer)["duplicate"] for answer in answers] == [False, True, True, True]
    (stored,) = await context.mailstore.get(item_id("claims", RAW))
    assert (stored.raw, stored.sidecar.source, stored.sidecar.mailbox) == (RAW, "mailgun", "claims")
    assert (stored.sidecar.sender, stored.sidecar.recipients) == ("b@x.example", ("in@example.com",))
    assert context.sources.counts == {
        ("gun", "new"): 1, ("grid", "duplicate"): 1, ("mark", "duplicate"): 1, ("amazon", "duplicate"): 1,
    }  # fmt: skip


async def test_the_metrics_count_what_each_service_brought(post: Post, call: Call) -> None:
    await post.gun(("body-mime", RAW))
    await post.mark(password="wrong")
    lines = (await call("GET", "/metrics")).body.decode().splitlines()
    assert 'tubepost_posts_total{outcome="new",source="gun"} 1.0' in lines
    assert 'tubepost_posts_total{outcome="403",source="mark"} 1.0' in lines


async def test_a_large_mail_in_parts_comes_whole(post: Post, context: Context, monkeypatch: Any) -> None:
    monkeypatch.setattr("server.posting.SMALL", 100_000)
    file = bytes(range(256)) * 1_000
    answer = await post.gun(*MAILGUN, ("attachment-1", file, "a.bin", "application/octet-stream"))
    (stored,) = await context.mailstore.get(body(answer)["workitem_id"])
    assert stored.sidecar.size == len(stored.raw) > len(file)
    again = await post.gun(*MAILGUN, ("attachment-1", file, "a.bin", "application/octet-stream"))
    assert body(again)["duplicate"]
    async with asyncio.timeout(5):
        while list((context.settings.mail / "incoming").iterdir()):
            await asyncio.sleep(0.01)


@pytest.mark.parametrize("name", ["nobody", "intake", "gun2"])
async def test_a_source_that_is_not_in_the_settings_is_not_there(call: Call, name: str) -> None:
    assert error(await call("POST", f"{PATH}/{name}", body=RAW, token=None)) == (404, "not_found", None)


async def test_a_key_of_ours_is_no_way_in_for_a_service(call: Call) -> None:
    kind, raw = forms.multipart(*MAILGUN)
    assert (await call("POST", f"{PATH}/gun", body=raw, headers={"Content-Type": kind})).code == 406
    assert (await call("POST", f"{PATH}/grid", body=raw, headers={"Content-Type": kind})).code == 401


# --- Mailgun --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("how", [{"key": "another"}, {"at": 1_000_000_000.0}, {"token": ""}])
async def test_what_mailgun_did_not_sign_lately_is_refused_for_good(
    post: Post, context: Context, how: dict[str, Any]
) -> None:
    assert error(await post.gun(**how)) == (406, "forged", None)
    assert await context.intake.waiting() == 0
    assert context.sources.counts == {("gun", "406"): 1}


async def test_mailgun_from_the_future_may_come_again_since_our_clock_may_be_wrong(post: Post) -> None:
    answer = await post.gun(at=time.time() + AHEAD + 60)
    assert error(answer) == (503, "ahead", None)
    assert int(answer.headers["Retry-After"]) >= 1


async def test_a_try_hours_later_is_taken_and_one_after_the_last_is_not(post: Post) -> None:
    assert (await post.gun(at=time.time() - 8 * 3600)).code == 200
    assert (await post.gun(at=time.time() - 10 * 3600)).code == 406


async def test_a_token_is_good_for_one_mail_and_its_tries(post: Post, context: Context) -> None:
    assert (await post.gun()).code == 200
    assert body(await post.gun())["duplicate"]
    overheard = [("body-plain", b"pay at once"), *MAILGUN]
    assert error(await post.gun(*overheard)) == (406, "forged", None)
    assert (await post.gun(*overheard, token="another")).code == 200
    assert await context.intake.waiting() == 2


async def test_a_token_of_a_try_that_was_refused_is_still_good(post: Post, context: Context, monkeypatch: Any) -> None:
    async def away(*_: Any, **__: Any) -> None:
        raise StoreUnavailableError("gone for a moment")

    with monkeypatch.context() as patch:
        patch.setattr(type(context.intake), "put", away)
        assert error(await post.gun()) == (503, "store_unavailable", None)
    assert (await post.gun()).code == 200


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ([("a", b"b")], "invalid"),
        ([("body-mime", b"")], "invalid"),
        ([("body-mime", b"x" * (LARGEST + 1))], "too_large"),
    ],
)
async def test_mailgun_is_told_to_stop_where_trying_again_cannot_help(
    post: Post, context: Context, fields: list[forms.Field], code: str
) -> None:
    assert error(await post.gun(*fields)) == (406, code, None)
    assert context.desk.strangers.taken == 0


async def test_another_type_is_refused_for_good(call: Call) -> None:
    for name, status in (("gun", 406), ("mark", 403), ("grid", 415), ("amazon", 415)):
        headers = {"Content-Type": "image/png"} | forms.basic("post" if name == "mark" else "tubepost", PASSWORD)
        answer = await call("POST", f"{PATH}/{name}", body=b"x", token=None, headers=headers)
        assert error(answer) == (status, "unsupported_media_type", None)


# --- SendGrid and Postmark ------------------------------------------------------------------------------------------


async def test_who_has_not_the_password_is_refused_before_the_body_comes(post: Post, call: Call) -> None:
    assert error(await post.grid(("text", b"x"), password="wrong")) == (401, "unauthorized", None)
    assert error(await post.mark(password="wrong")) == (403, "unauthorized", None)
    for name in ("grid", "mark"):
        answer = await call("POST", f"{PATH}/{name}", body=b"x", token=None)
        assert answer.code == 401
        assert answer.headers["WWW-Authenticate"].startswith("Basic ")


@pytest.mark.parametrize("authorization", ["Basic", "Basic %%%", "Basic " + "x" * 5_000, "Bearer x", "Basic w6k6w6k="])
async def test_a_password_of_any_form_does_no_harm(call: Call, authorization: str) -> None:
    answer = await call("POST", f"{PATH}/grid", body=b"x", token=None, headers={"Authorization": authorization})
    assert answer.code == 401


async def test_an_odd_mail_of_sendgrid_is_taken(post: Post, context: Context) -> None:
    odd = [("headers", b"\xff\0no head"), ("charsets", b"{"), ("text", b"\xff\xfe"), ("envelope", b"7")]
    assert (await post.grid(*odd)).code == 200
    assert await context.intake.waiting() == 1


async def test_postmark_is_told_to_stop_where_trying_again_cannot_help(post: Post, call: Call) -> None:
    headers = {"Content-Type": "application/json"} | forms.basic("post", PASSWORD)
    answer = await call("POST", f"{PATH}/mark", token=None, body=b'{"a": 1}', headers=headers)
    assert error(answer) == (403, "invalid", None)
    assert error(await post.mark(RawEmail="x" * (LARGEST + 1))) == (403, "too_large", None)


async def test_when_the_intake_is_full_every_service_comes_again(post: Post) -> None:
    for n in range(5):
        assert (await post.grid(("text", b"%d" % n))).code == 200
    for answer in (await post.gun(), await post.grid(("text", b"x")), await post.mark(), await post.amazon()):
        assert error(answer) == (503, "intake_full", None)
        assert int(answer.headers["Retry-After"]) >= 1


# --- Amazon SES -----------------------------------------------------------------------------------------------------


async def test_ses_asks_for_the_certificate_once(post: Post, amazon: Sns) -> None:
    assert [(await post.amazon(version=version)).code for version in ("1", "2")] == [200, 200]
    assert amazon.asked == [CERTIFICATE_PATH]


@pytest.mark.parametrize(
    "how",
    [{"key": new_key("another")}, {"change": {"Message": "x"}}, {"TopicArn": TOPIC + "2"},
     {"at": datetime.now(UTC) - timedelta(hours=2)}, {"SigningCertURL": "https://example.com/x.pem"}],
)  # fmt: skip
async def test_what_sns_did_not_sign_for_our_topic_lately_is_refused(
    post: Post, context: Context, how: dict[str, Any]
) -> None:
    assert error(await post.amazon(**how)) == (403, "forged", None)
    assert await context.intake.waiting() == 0


async def test_a_subscription_to_our_topic_is_confirmed_and_to_another_is_not(post: Post, amazon: Sns) -> None:
    fields = {"Type": "SubscriptionConfirmation", "Token": "23ab", "SubscribeURL": "https://evil.example.com/x"}
    assert body(await post.amazon(**fields)) == {"status": "success"}
    assert amazon.asked == [CERTIFICATE_PATH, f"/?Action=ConfirmSubscription&TopicArn={TOPIC}&Token=23ab"]
    assert (await post.amazon(**fields, TopicArn=TOPIC + "2")).code == 403
    assert (await post.amazon(**fields, key=new_key("another"))).code == 403
    assert len(amazon.asked) == 2


async def test_while_sns_cannot_be_asked_it_is_to_come_again(post: Post, amazon: Sns) -> None:
    amazon.answers[CERTIFICATE_PATH] = (500, b"")
    assert error(await post.amazon()) == (503, "store_unavailable", None)


async def test_a_mail_that_lies_in_s3_is_an_item_of_its_head(post: Post, context: Context) -> None:
    answer = await post.amazon(Message=received(content=None))
    assert body(answer)["workitem_id"] == item_id("claims", RAW)
    assert (await context.mailstore.get(item_id("claims", RAW)))[0].sidecar.oversized


async def test_what_tells_of_no_mail_is_passed(post: Post, context: Context) -> None:
    answer = await post.amazon(Message="Successfully validated SNS topic for Amazon SES event publishing.")
    assert body(answer) == {"status": "success"}
    assert await context.intake.waiting() == 0


async def test_no_word_of_a_mail_or_a_secret_comes_to_the_log(post: Post, capsys: Any) -> None:
    await post.gun(("body-mime", b"Subject: very private\r\n\r\n"), key="wrong")
    await post.mark(password="wrong", Subject="very private")
    await post.amazon(Message="very private", key=new_key("another"))
    told = "".join(capsys.readouterr())
    assert told.count("post refused") == 3
    assert "gun" in told
    for secret in ("very private", KEY, PASSWORD, "wrong "):
        assert secret not in told
