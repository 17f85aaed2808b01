"""Every wrong setting is one sentence: its name, what was found, what is accepted. A secret is in none of them."""

import tempfile
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pytest

from workitems.configuration import load
from workitems.errors import SettingsError
from workitems.settings import Settings

SECRET = "hunter2-is-secret"

MAILBOX = """
[mailboxes.claims]
host = "imap.example.com"
user = "claims@example.com"
"""


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No tubepost.toml of the folder from which the tests run is read."""
    monkeypatch.chdir(tmp_path)


def read(text: str = "", **environ: str) -> Settings:
    """Settings from a file with *text* and the environment."""
    file = Path("tubepost.toml")
    file.write_text(text, encoding="utf-8")
    return load({f"TUBEPOST_{name}": value for name, value in environ.items()}, file=file)


def complaint(text: str = "", **environ: str) -> str:
    """What the operator is told; never the secret."""
    with pytest.raises(SettingsError) as error:
        read(text, **environ)
    assert SECRET not in str(error.value)
    assert SECRET not in repr(error.value)
    assert error.value.__cause__ is None  # a trace would show the input
    assert error.value.__suppress_context__ or error.value.__context__ is None
    return str(error.value)


def test_without_a_file_everything_has_a_default() -> None:
    assert load({}) == Settings()
    assert load({}).redis_url == f"unix://{Path('var/redis.sock').absolute()}"
    assert load({}).server.host == "127.0.0.1"


def test_the_environment_wins_over_the_file() -> None:
    settings = read("[server]\nport = 1\nhost = '::1'", SERVER__PORT="2")
    assert (settings.server.port, settings.server.host) == (2, "::1")


def test_an_empty_name_of_the_file_is_no_name() -> None:
    assert load({"TUBEPOST_CONFIG": ""}) == Settings()


def test_a_file_that_is_named_must_be_there() -> None:
    with pytest.raises(SettingsError, match=r"nowhere\.toml: there is no such file; TUBEPOST_CONFIG"):
        load({"TUBEPOST_CONFIG": "nowhere.toml"})


def test_a_folder_is_no_file() -> None:
    Path("folder.toml").mkdir()
    with pytest.raises(SettingsError, match=r"folder\.toml cannot be read: Is a directory"):
        load({"TUBEPOST_CONFIG": "folder.toml"})


def test_a_mistake_in_the_file_is_named_with_its_line() -> None:
    text = complaint("log = 'info'\n[server\nport = 1")
    assert text.startswith("tubepost.toml: not valid TOML: ")
    assert "line 2" in text


def test_a_file_that_is_not_utf_8_says_so() -> None:
    Path("latin.toml").write_bytes(b"log = '\xe4'")
    with pytest.raises(SettingsError, match=r"latin\.toml: not valid TOML: .*utf-8"):
        load({}, file=Path("latin.toml"))


@pytest.mark.parametrize(
    ("text", "environ", "said"),
    [
        ("[server]\nport = 'http'", {}, "server.port: must be a whole number, found 'http'"),
        ("[server]\nport = 70000", {}, "server.port: must be less than or equal to 65535, found 70000"),
        ("", {"SERVER__PORT": "http"}, "TUBEPOST_SERVER__PORT (server.port): must be a whole number, found 'http'"),
        ("log = 'loud'", {}, "log: must be 'debug', 'info', 'warning' or 'error', found 'loud'"),
        ("lag = 1", {}, "lag: no such setting; did you mean log?"),
        ("[server]\nprot = 1", {}, "server.prot: no such setting; did you mean port?"),
        ("[stream]\nzzz = 1", {}, "stream.zzz: no such setting; accepted here: buffer, drain, heartbeat"),
        ("", {"SERVRE__PORT": "1"}, "TUBEPOST_SERVRE__PORT: no such setting; did you mean server?"),
        ("", {"SERVER__PROT": "1"}, "TUBEPOST_SERVER__PROT (server.prot): no such setting; did you mean port?"),
        ("", {"": "1"}, "TUBEPOST_: no such setting"),
        ("", {"LOG__LEVEL": "info"}, "log: must be"),
        ("log = 'info'", {"LOG__LEVEL": "info"}, "TUBEPOST_LOG__LEVEL: log is a value, not a table of settings"),
        ("[server]\nproxies = ['proxy.example.com']", {}, "server.proxies: each must be an address or a network"),
        ("[server]\norigins = ['*']", {}, "server.origins: each is a scheme and a host"),
        ("[server]\norigins = ['https://a.example/path']", {}, "server.origins: each is a scheme and a host"),
        ("[mailboxes.claims]\nuser = 'a'\npassword = 'b'", {}, "mailboxes.claims.host: must be set"),
        (MAILBOX, {}, "mailboxes.claims: set exactly one of password"),
        (MAILBOX + "password='a'\npassword_file='b'", {}, "mailboxes.claims: set exactly one of password"),
        (MAILBOX + "password='a'\ntls='none'", {}, "mailboxes.claims: tls = 'none' is accepted for this machine's own"),
        (MAILBOX + "password='a'\ntls='maybe'", {}, "mailboxes.claims.tls: must be 'implicit', 'starttls' or 'none'"),
        (MAILBOX + "password='a'\nstart='soon'", {}, "mailboxes.claims.start: "),
        (MAILBOX + "password='a'", {"MAILBOXES__CLAIMS__START": "soon"}, "TUBEPOST_MAILBOXES__CLAIMS__START (mailbox"),
        (MAILBOX + "password='a'\nhots='b'", {}, "mailboxes.claims.hots: no such setting; did you mean host?"),
        (MAILBOX.replace("claims]", "new]") + "password='a'", {}, "mailboxes: the name 'new'"),
        (MAILBOX.replace("claims]", "'a:b']") + "password='a'", {}, "mailboxes: the name 'a:b'"),
        ("[intake]\nmailbox = 'done'", {}, "intake.mailbox: the name 'done'"),
        ("[intake]\nmailbox = 'a:b'", {}, "intake.mailbox: the name 'a:b'"),
        ("[fields.order]\nlabel = 'Order'", {}, "fields.order.label: no such setting; did you mean labels?"),
        ("[fields.type]\nlabels = ['a']\ncolour = 1", {}, "fields.type.colour: no such setting; accepted here: "),
        ("[fields.x]\ntype = 'text'", {}, "fields.x: set labels, pattern or both"),
        ("[fields.x]\npattern = '(?<=a)b'", {}, "fields.x.pattern: not a pattern that RE2 accepts: "),
        ("[fields.x]\npattern = '(['", {}, "fields.x.pattern: not a pattern that RE2 accepts: missing ]: ["),
        (f"[fields.x]\npattern = '{'a' * 1001}'", {}, "fields.x.pattern: must be 1 to 1000 characters"),
        ("[fields.x]\nlabels = [' ']", {}, "fields.x.labels.0: must be 1 to 100 characters, not all blank"),
        ("[fields.x]\npattern = 'a'\ntype = 'table'", {}, "fields.x: a table needs labels"),
        ("[fields.x]\nlabels = 'a'\nregion = 'USA'", {}, "fields.x.region: must be two capital letters such as US"),
        ("[worker]\nname = 'a b'", {}, "worker.name: must be 1 to 80 of A-Z, a-z, 0-9, _ . : and -, found 'a b'"),
        ("redis = 'redis://localhost'", {}, "redis: must be a table of settings"),
        ("[redis]\nurl = 'localhost:6379'", {}, "redis.url: must be such as redis://host:6379/0"),
        ("[redis]\nurl = 'redis://h/orders'", {}, "redis.url: must be such as redis://host:6379/0"),
        ("[redis]\nurl = 'unix://'", {}, "redis.url: must be such as redis://host:6379/0"),
        ("", {"REDIS_URL": "redis://h"}, "TUBEPOST_REDIS_URL: no such setting; its parts are joined by __, as in TUB"),
        ("[mailboxes]\nhost = 'h'", {}, "mailboxes.host: must be a table of settings, such as [mailboxes.orders]"),
        (MAILBOX.replace("imap.", "imaps://imap.") + "password='a'", {}, "mailboxes.claims.host: must be a name or"),
        (MAILBOX.replace(".com", ".com:993", 1) + "password='a'", {}, "mailboxes.claims.host: must be a name or"),
        (MAILBOX.replace("imap.example.com", "") + "password='a'", {}, "mailboxes.claims.host: must be a name or"),
        ("[server]\nhost = '127.0.0.1:80'", {}, "server.host: must be a name or address, without scheme or port"),
        ("[server]\norigins = 'https://a.example'", {}, "server.origins: must be a list"),
        ("[server]\ntest_items = 'yep'", {}, "server.test_items: must be true or false, found 'yep'"),
        ("data = 3", {}, "data: must be text: the path of a file or folder, found 3"),
        ("", {"TOKEN": ""}, "TUBEPOST_TOKEN (token): must not be empty"),
    ],
)  # fmt: skip
def test_a_wrong_setting_is_named_with_what_is_accepted(text: str, environ: dict[str, str], said: str) -> None:
    assert complaint(text, **environ).startswith(said)


def test_each_wrong_setting_has_one_line() -> None:
    lines = complaint("log='loud'\n[server]\nport='http'\n[stream]\ndrain=-1" + MAILBOX + "start='soon'\npassword='a'")
    assert [line.split(":")[0] for line in lines.splitlines()] == [
        "log", "server.port", "stream.drain", "mailboxes.claims.start",
    ]  # fmt: skip


def test_a_mark_that_editors_put_before_a_file_is_no_mistake() -> None:
    assert read("\ufefflog = 'debug'").log == "debug"


@pytest.mark.parametrize(
    "url", ["redis://h", "redis://:p%2F@h:1/2?a=b", "rediss://u:p@[::1]:6380/", "unix:///a/b?db=1"]
)
def test_every_usual_address_of_redis_is_accepted(url: str) -> None:
    assert read("", REDIS__URL=url).redis_url == url


@pytest.mark.parametrize(
    "host", ["localhost", "imap.example.com", "10.0.0.1", "::1", "fe80::1", "post_box", "bücher.example"]
)
def test_every_usual_host_is_accepted(host: str) -> None:
    assert read(f"[server]\nhost = '{host}'").server.host == host


@pytest.mark.parametrize(
    ("text", "environ"),
    [
        (MAILBOX + f"pasword = '{SECRET}'", {}),
        (MAILBOX + f"passwd = ['{SECRET}']", {}),
        (MAILBOX + f"password = ['{SECRET}']", {}),
        (MAILBOX + f"password = {{ value = '{SECRET}' }}", {}),
        (MAILBOX + f"password = '{SECRET}'\ntls = 'none'", {}),
        (MAILBOX + f"password = '{SECRET}'\npassword_file = '{SECRET}'", {}),
        (MAILBOX, {"MAILBOXES__CLAIMS__PASWORD": SECRET}),
        (MAILBOX, {"MAILBOXES__CLAIMS": SECRET}),
        (MAILBOX, {"MAILBOXES__CLAIMS__PASSWORD__FILE": SECRET}),
        (MAILBOX, {"MAILBOXES__CLAIM__PASSWORD": SECRET}),
        (f"[mailboxes]\npaswort = '{SECRET}'", {}),
        (f"mailboxes = '{SECRET}'", {}),
        (f"redis = 'redis://:{SECRET}@localhost'", {}),
        ("", {"REDIS": f"redis://:{SECRET}@localhost"}),
        ("", {"REDIS__URI": f"redis://:{SECRET}@localhost"}),
        (f"[redis]\nuri = 'redis://:{SECRET}@localhost'", {}),
        (f"[redis]\nurl = ['redis://:{SECRET}@localhost']", {}),
        (f"[redis]\nurl = 'https://:{SECRET}@localhost'", {}),
        (f"[redis]\nurl = 'redis://:{SECRET}/#@localhost'", {}),
        (f"tokn = '{SECRET}'", {}),
        (f"token = ['{SECRET}']", {}),
        ("", {"TOKN": SECRET}),
        ("", {"SERVER": SECRET}),
        (f"[server]\nsecret = ['{SECRET}']", {}),
        (f"[server]\nsekret = '{SECRET}'", {}),
        (f"[server]\norigins = 'https://a:{SECRET}@b/'", {}),
        (f"[server]\norigins = ['https://a:{SECRET}@b/']", {}),
        (f"password = '{SECRET}", {}),
        (f"password = {SECRET}", {}),
    ],
)  # fmt: skip
def test_no_sentence_shows_a_secret(text: str, environ: dict[str, str]) -> None:
    assert complaint(text, **environ)


def test_a_secret_shows_in_no_picture_of_the_settings() -> None:
    settings = read(
        MAILBOX + f"password = '{SECRET}'",
        TOKEN=SECRET,
        REDIS__URL=f"redis://:{SECRET}@localhost",
        SERVER__SECRET=SECRET,
    )
    assert SECRET not in repr(settings)
    assert SECRET not in settings.model_dump_json()
    assert SECRET not in str(settings.mailboxes["claims"])
    assert settings.mailboxes["claims"].secret() == SECRET
    assert SECRET in settings.redis_url


def test_lists_in_the_environment_are_written_with_commas() -> None:
    settings = read(
        "[fields.order]\nlabels = ['Order']",
        SERVER__ORIGINS="https://a.example, https://b.example,",
        SERVER__PROXIES="",
        FIELDS__ORDER__LABELS="Order No, Order Number",
        FIELDS__ORDER__MAILBOXES="claims",
    )
    assert settings.server.origins == ("https://a.example", "https://b.example")
    assert settings.server.proxies == ()
    assert settings.fields["order"].labels == ("Order No", "Order Number")
    assert settings.rules("claims")[0]["name"] == "order"
    assert settings.rules("orders") == []


def test_a_mailbox_may_get_its_password_from_the_environment_alone() -> None:
    settings = read(MAILBOX, MAILBOXES__CLAIMS__PASSWORD=SECRET)
    assert settings.mailboxes["claims"].secret() == SECRET
    assert settings.mailboxes["claims"].real_port == 993


def test_a_password_file_loses_its_last_line_end_alone(tmp_path: Path) -> None:
    (tmp_path / "password").write_text(f" {SECRET} \r\n")
    settings = read(MAILBOX + "password_file = 'password'")
    assert settings.mailboxes["claims"].secret() == f" {SECRET} "


@pytest.mark.parametrize(
    ("content", "said"), [(None, "No such file"), (b"\xff", "not UTF-8 text"), (b"\n", "is empty")]
)
def test_a_password_file_that_cannot_be_used_is_named(content: bytes | None, said: str) -> None:
    if content is not None:
        Path("password").write_bytes(content)
    settings = read(MAILBOX + "password_file = 'password'")
    with pytest.raises(SettingsError, match=f"password_file: password .*{said}"):
        settings.mailboxes["claims"].secret()


def test_a_start_may_be_a_date_in_the_file_and_in_the_environment() -> None:
    text = MAILBOX + "password = 'a'\n"
    assert read(text + "start = 2026-03-01").mailboxes["claims"].start == date(2026, 3, 1)
    assert read(text, MAILBOXES__CLAIMS__START="2026-03-01").mailboxes["claims"].start == date(2026, 3, 1)
    assert read(text + "start = 'all'").mailboxes["claims"].start == "all"


@pytest.fixture
def temporary(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The system's folder for temporary files, with a path as short as it is there."""
    with tempfile.TemporaryDirectory() as folder:
        monkeypatch.setattr(tempfile, "tempdir", folder)
        yield Path(folder)


def test_a_long_path_of_data_still_has_a_socket_that_every_system_takes(temporary: Path) -> None:
    deep = read(f"data = '/{'x' * 200}'")
    assert len(str(deep.redis_socket)) <= 100
    assert deep.redis_socket.is_relative_to(temporary)
    assert deep.redis_socket != read(f"data = '/{'y' * 200}'").redis_socket


def test_nobody_else_can_put_a_redis_of_theirs_where_ours_is_looked_for(temporary: Path) -> None:
    deep = read(f"data = '/{'x' * 200}'")
    folder = deep.redis_socket.parent
    assert folder.stat().st_mode & 0o777 == 0o700
    folder.chmod(0o777)
    with pytest.raises(SettingsError, match="belongs to others"):
        _ = deep.redis_url
    folder.rename(temporary / "theirs")
    folder.symlink_to(temporary / "theirs")
    (temporary / "theirs").chmod(0o700)
    with pytest.raises(SettingsError, match="belongs to others"):
        _ = deep.redis_url


def test_who_finds_no_redis_is_told_where_the_embedded_one_and_that_of_the_demo_are() -> None:
    assert "supervisord -c supervisord.conf; that of `make run` is asked with TUBEPOST_CONFIG=" in read("").redis_advice
    assert read("[demo]\nenabled = true").redis_advice == "The demo's Redis runs as long as it does: make run"
    assert "redis.url" in read("[redis]\nurl = 'redis://127.0.0.1:1'").redis_advice


def test_names_outside_the_settings_are_let_be() -> None:
    assert read("", FAILPOINT="put", PROCESS="server-1") == Settings()
