"""Services that post mail: each is authenticated in its own way and gets its own status codes for retries."""

import dataclasses
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import structlog
from tornado.httpclient import HTTPResponse
from tornado.ioloop import IOLoop
from tornado.web import Application

from server.access.credential_guard import BURST
from server.app import make_application
from server.context import Context
from server.intake.sources.registry import MAX_CLOCK_SKEW, SourceRegistry
from tests.server.conftest import make_settings
from tests.server.handlers.conftest import Call, body, error, until
from tests.server.intake.sources.test_adapters import MAILGUN, POSTMARK, RAW, received
from tests.support import forms
from tests.support.exposition import parse_exposition, values
from tests.support.fake_sns import CERTIFICATE_PATH, HOST, TOPIC, Sns, dumps, new_key, serving, signed
from worker.reading import read
from worker.reading.attachments.library_guard import DID_NOT_COME, NO_CONTENT, UNDECODABLE
from workitems.base.errors import StoreUnavailableError
from workitems.intake.identity import item_id
from workitems.settings import Settings

KEY = "a-signing-key-of-mailgun"
PASSWORD = "correct horse battery"
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
    return make_settings(redis_url, tmp_path, sources=SOURCES, intake={"max_mail_bytes": LARGEST, "max_waiting": 5})


@pytest.fixture
def amazon(io_loop: IOLoop, tmp_path: Path) -> Iterator[Sns]:
    with serving(tmp_path) as server:
        yield server


@pytest.fixture
def context(context: Context, settings: Settings, amazon: Sns) -> Context:
    sources = SourceRegistry(settings.sources, context.redis, amazon.pinned())
    sources.counts = context.sources.counts  # which the metrics have
    return dataclasses.replace(context, sources=sources)


@pytest.fixture
def app(context: Context) -> Application:
    return make_application(context)


class Post:
    """Post as each service does."""

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


async def test_the_same_mail_from_each_service_is_the_same_item(post: Post, context: Context) -> None:
    answers = [
        await post.gun(("body-mime", RAW), ("sender", b"b@x.example"), ("recipient", b"in@example.com")),
        await post.grid(("email", RAW)),
        await post.mark(RawEmail=RAW.decode()),
        await post.amazon(),
    ]
    assert [answer.code for answer in answers] == [200] * 4
    assert {body(answer)["workitem_id"] for answer in answers} == {item_id("claims", RAW)}
    assert [body(answer)["duplicate"] for answer in answers] == [False, True, True, True]
    (stored,) = await context.mailstore.get_raw_mails(item_id("claims", RAW))
    assert (stored.raw, stored.sidecar.source, stored.sidecar.mailbox) == (RAW, "mailgun", "claims")
    assert (stored.sidecar.sender, stored.sidecar.recipients) == ("b@x.example", ("in@example.com",))
    assert context.sources.counts == {
        ("gun", "new"): 1, ("grid", "duplicate"): 1, ("mark", "duplicate"): 1, ("amazon", "duplicate"): 1,
    }  # fmt: skip


async def test_the_metrics_count_the_mail_of_each_service(post: Post, call: Call, context: Context) -> None:
    await post.gun(("body-mime", RAW))
    await post.mark(password="wrong")
    found = values(parse_exposition((await call("GET", "/metrics")).body.decode()), "tubepost_uploads_total")
    mine = ("process", context.process)
    assert found == {
        (("outcome", "new"), mine, ("source", "gun")): 1,
        (("outcome", "403"), mine, ("source", "mark")): 1,
    }


async def test_a_large_mail_in_parts_is_stored_completely(post: Post, context: Context, monkeypatch: Any) -> None:
    monkeypatch.setattr("server.intake.uploads.MAX_MEMORY_BYTES", 100_000)
    file = bytes(range(256)) * 1_000
    answer = await post.gun(*MAILGUN, ("attachment-1", file, "a.bin", "application/octet-stream"))
    (stored,) = await context.mailstore.get_raw_mails(body(answer)["workitem_id"])
    assert stored.sidecar.size == len(stored.raw) > len(file)
    again = await post.gun(*MAILGUN, ("attachment-1", file, "a.bin", "application/octet-stream"))
    assert body(again)["duplicate"]
    await until(lambda: not list((context.settings.mail_folder / "incoming").iterdir()))


@pytest.mark.parametrize("name", ["nobody", "intake", "gun2"])
async def test_a_source_that_is_not_in_the_settings_gets_404(call: Call, name: str) -> None:
    assert error(await call("POST", f"{PATH}/{name}", body=RAW, token=None)) == (404, "not_found", None)


async def test_a_key_does_not_authenticate_a_service(call: Call) -> None:
    kind, raw = forms.multipart(*MAILGUN)
    assert (await call("POST", f"{PATH}/gun", body=raw, headers={"Content-Type": kind})).code == 406
    assert (await call("POST", f"{PATH}/grid", body=raw, headers={"Content-Type": kind})).code == 401


# --- Mailgun --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("how", [{"key": "another"}, {"at": 1_000_000_000.0}, {"token": ""}])
async def test_a_request_without_a_recent_mailgun_signature_is_refused_for_good(
    post: Post, context: Context, how: dict[str, Any]
) -> None:
    assert error(await post.gun(**how)) == (406, "forged", None)
    assert await context.intake.count_waiting() == 0
    assert context.sources.counts == {("gun", "406"): 1}


async def test_mailgun_may_retry_a_request_from_the_future_since_our_clock_may_be_wrong(post: Post) -> None:
    answer = await post.gun(at=time.time() + MAX_CLOCK_SKEW + 60)
    assert error(answer) == (503, "ahead", None)
    assert int(answer.headers["Retry-After"]) >= 1


async def test_a_retry_hours_later_is_accepted_and_one_after_the_last_is_not(post: Post) -> None:
    assert (await post.gun(at=time.time() - 8 * 3600)).code == 200
    assert (await post.gun(at=time.time() - 10 * 3600)).code == 406


async def test_a_token_is_valid_for_one_mail_and_its_retries(post: Post, context: Context) -> None:
    assert (await post.gun()).code == 200
    assert body(await post.gun())["duplicate"]
    overheard = [("body-plain", b"pay at once"), *MAILGUN]
    assert error(await post.gun(*overheard)) == (406, "forged", None)
    assert (await post.gun(*overheard, token="another")).code == 200
    assert await context.intake.count_waiting() == 2


async def test_a_token_of_a_refused_attempt_is_still_valid(post: Post, context: Context, monkeypatch: Any) -> None:
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
async def test_mailgun_gets_a_status_that_ends_its_retries(
    post: Post, context: Context, fields: list[forms.Field], code: str
) -> None:
    assert error(await post.gun(*fields)) == (406, code, None)
    assert context.uploads.unknown_budget.reserved_bytes == 0


async def test_another_type_is_refused_for_good(call: Call) -> None:
    for name, status in (("gun", 406), ("mark", 403), ("grid", 415), ("amazon", 415)):
        headers = {"Content-Type": "image/png"} | forms.basic("post" if name == "mark" else "tubepost", PASSWORD)
        answer = await call("POST", f"{PATH}/{name}", body=b"x", token=None, headers=headers)
        assert error(answer) == (status, "unsupported_media_type", None)


# --- SendGrid and Postmark ------------------------------------------------------------------------------------------


async def test_a_wrong_password_is_refused_before_the_body_is_received(post: Post, call: Call) -> None:
    assert error(await post.grid(("text", b"x"), password="wrong")) == (401, "unauthorized", None)
    assert error(await post.mark(password="wrong")) == (403, "unauthorized", None)
    for name in ("grid", "mark"):
        answer = await call("POST", f"{PATH}/{name}", body=b"x", token=None)
        assert answer.code == 401
        assert answer.headers["WWW-Authenticate"].startswith("Basic ")


@pytest.mark.usefixtures("stopped_clock")
async def test_guesses_of_a_password_must_wait_and_no_service_drops_mail_for_it(post: Post, call: Call) -> None:
    with structlog.testing.capture_logs() as lines:
        answers = [await post.grid(("text", b"x"), password=f"guess {n}") for n in range(BURST + 1)]
        assert error(await post.grid(("text", b"x"))) == (503, "too_many_tries", None)
    assert [answer.code for answer in answers] == [401] * BURST + [503]
    assert int(answers[-1].headers["Retry-After"]) >= 1
    assert [line["event"] for line in lines if line["log_level"] != "debug"] == ["sign-in refused"]
    metrics = parse_exposition((await call("GET", "/metrics")).body.decode())
    refused = {
        (dict(labels)["kind"], dict(labels)["reason"]): count
        for labels, count in values(metrics, "tubepost_refused_tries_total").items()
    }
    assert refused[("basic", "throttled")] == 2


@pytest.mark.usefixtures("stopped_clock")
async def test_a_password_that_was_right_before_passes_among_guesses(post: Post) -> None:
    assert (await post.grid(("text", b"1"))).code == 200
    for n in range(BURST + 1):
        await post.grid(("text", b"x"), password=f"guess {n}")
    assert (await post.grid(("text", b"2"))).code == 200


@pytest.mark.parametrize("authorization", ["Basic", "Basic %%%", "Basic " + "x" * 5_000, "Bearer x", "Basic w6k6w6k="])
async def test_a_password_of_any_form_does_no_harm(call: Call, authorization: str) -> None:
    answer = await call("POST", f"{PATH}/grid", body=b"x", token=None, headers={"Authorization": authorization})
    assert answer.code == 401


async def test_an_odd_mail_of_sendgrid_is_accepted(post: Post, context: Context) -> None:
    odd = [("headers", b"\xff\0no head"), ("charsets", b"{"), ("text", b"\xff\xfe"), ("envelope", b"7")]
    assert (await post.grid(*odd)).code == 200
    assert await context.intake.count_waiting() == 1


async def test_postmark_gets_a_status_that_ends_its_retries(post: Post, call: Call) -> None:
    headers = {"Content-Type": "application/json"} | forms.basic("post", PASSWORD)
    answer = await call("POST", f"{PATH}/mark", token=None, body=b'{"a": 1}', headers=headers)
    assert error(answer) == (403, "invalid", None)
    assert error(await post.mark(RawEmail="x" * (LARGEST + 1))) == (403, "too_large", None)


async def test_when_the_intake_is_full_every_service_retries(post: Post) -> None:
    for n in range(5):
        assert (await post.grid(("text", b"%d" % n))).code == 200
    for answer in (await post.gun(), await post.grid(("text", b"x")), await post.mark(), await post.amazon()):
        assert error(answer) == (503, "intake_full", None)
        assert int(answer.headers["Retry-After"]) >= 1


# --- files that did not come whole ------------------------------------------------------------------------------------


async def stored_files(context: Context, answer: HTTPResponse) -> list[tuple[str, str | None]]:
    """Return name and `unread` of each file of the mail that was accepted."""
    assert answer.code == 200
    (stored,) = await context.mailstore.get_raw_mails(body(answer)["workitem_id"])
    reading = read(stored.raw)
    assert ("attachment_unread" in reading.flags) == any(file.unread for file in reading.attachments)
    assert "AB-123456" in reading.text
    return [(file.name, file.unread) for file in reading.attachments]


@pytest.mark.parametrize(
    ("content", "unread"),
    [("%%%", UNDECODABLE), (7, UNDECODABLE), ("", NO_CONTENT), (None, NO_CONTENT), ("QQ=\r\n", None), ("QQ", None)],
)
async def test_a_file_of_postmark_that_cannot_be_decoded_costs_no_mail(
    post: Post, context: Context, content: Any, unread: str | None
) -> None:
    answer = await post.mark(Attachments=[{"Name": "a.bin", "Content": content}])
    assert await stored_files(context, answer) == [("a.bin", unread)]
    assert body(await post.mark(Attachments=[{"Name": "a.bin", "Content": content}]))["duplicate"]


async def test_files_that_mailgun_stored_and_did_not_post_are_listed_in_the_mail(post: Post, context: Context) -> None:
    stored = b'[{"url": "https://mailgun.example/1", "name": "a.pdf", "content-type": "application/pdf", "size": 9}]'
    answer = await post.gun(*MAILGUN, ("attachments", stored), ("attachment-count", b"2"))
    assert await stored_files(context, answer) == [("a.pdf", DID_NOT_COME), ("attachment", DID_NOT_COME)]


async def test_an_empty_file_and_a_missing_one_of_sendgrid_cost_no_mail(post: Post, context: Context) -> None:
    info = b'{"attachment1": {"filename": "a.bin"}, "attachment2": {"filename": "b.bin", "type": "image/gif"}}'
    answer = await post.grid(
        ("text", b"AB-123456"), ("attachments", b"2"), ("attachment-info", info), ("attachment1", b"", "a.bin", "a/b")
    )
    assert await stored_files(context, answer) == [("a.bin", NO_CONTENT), ("b.bin", DID_NOT_COME)]


async def test_content_of_ses_that_cannot_be_decoded_costs_no_mail(post: Post, context: Context) -> None:
    answer = await post.amazon(Message=received(content="%%%"))
    assert (answer.code, body(answer)["workitem_id"]) == (200, item_id("claims", RAW))
    (stored,) = await context.mailstore.get_raw_mails(item_id("claims", RAW))
    assert stored.sidecar.oversized
    assert stored.raw.endswith(b"\r\n\r\n%%%")


# --- Amazon SES -----------------------------------------------------------------------------------------------------


async def test_the_certificate_of_ses_is_fetched_once(post: Post, amazon: Sns) -> None:
    assert [(await post.amazon(version=version)).code for version in ("1", "2")] == [200, 200]
    assert amazon.asked == [CERTIFICATE_PATH]


async def test_a_stranger_who_names_certificates_keeps_no_mail_of_ses_out(post: Post) -> None:
    assert (await post.amazon()).code == 200
    for n in range(30):
        url = f"https://{HOST}/SimpleNotificationService-{n:032x}.pem"
        assert (await post.amazon(SigningCertURL=url, key=new_key("another"))).code == 503
    assert (await post.amazon()).code == 200


@pytest.mark.parametrize(
    "how",
    [{"key": new_key("another")}, {"change": {"Message": "x"}}, {"TopicArn": TOPIC + "2"},
     {"at": datetime.now(UTC) - timedelta(hours=2)}, {"SigningCertURL": "https://example.com/x.pem"}],
)  # fmt: skip
async def test_a_message_without_a_recent_sns_signature_for_our_topic_is_refused(
    post: Post, context: Context, how: dict[str, Any]
) -> None:
    assert error(await post.amazon(**how)) == (403, "forged", None)
    assert await context.intake.count_waiting() == 0


async def test_a_subscription_to_our_topic_is_confirmed_and_to_another_is_not(post: Post, amazon: Sns) -> None:
    fields = {"Type": "SubscriptionConfirmation", "Token": "23ab", "SubscribeURL": "https://evil.example.com/x"}
    assert body(await post.amazon(**fields)) == {"status": "success"}
    assert amazon.asked == [CERTIFICATE_PATH, f"/?Action=ConfirmSubscription&TopicArn={TOPIC}&Token=23ab"]
    assert (await post.amazon(**fields, TopicArn=TOPIC + "2")).code == 403
    assert (await post.amazon(**fields, key=new_key("another"))).code == 403
    assert len(amazon.asked) == 2


async def test_while_sns_cannot_be_reached_its_message_may_be_retried(post: Post, amazon: Sns) -> None:
    amazon.answers[CERTIFICATE_PATH] = (500, b"")
    assert error(await post.amazon()) == (503, "store_unavailable", None)


async def test_a_mail_stored_in_s3_becomes_an_item_of_its_headers(post: Post, context: Context) -> None:
    answer = await post.amazon(Message=received(content=None))
    assert body(answer)["workitem_id"] == item_id("claims", RAW)
    assert (await context.mailstore.get_raw_mails(item_id("claims", RAW)))[0].sidecar.oversized


async def test_a_notification_about_no_mail_is_accepted_without_an_item(post: Post, context: Context) -> None:
    answer = await post.amazon(Message="Successfully validated SNS topic for Amazon SES event publishing.")
    assert body(answer) == {"status": "success"}
    assert await context.intake.count_waiting() == 0


async def test_no_mail_content_and_no_secret_is_logged(post: Post, capsys: Any) -> None:
    await post.gun(("body-mime", b"Subject: very private\r\n\r\n"), key="wrong")
    await post.mark(password="wrong-one", Subject="very private")
    await post.amazon(Message="very private", key=new_key("another"))
    logged = "".join(capsys.readouterr())
    assert (logged.count("post refused"), logged.count("sign-in refused")) == (2, 1)
    assert "gun" in logged
    for secret in ("very private", KEY, PASSWORD, "wrong-one"):
        assert secret not in logged
