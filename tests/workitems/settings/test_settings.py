"""Each wrong setting gives one sentence: its name, the value found, the values accepted. No sentence has a secret."""

import tempfile
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pytest

from workitems.base.errors import SettingsError
from workitems.settings import Settings
from workitems.settings.load import load_settings

SECRET = "hunter2-is-secret"

MAILBOX = """
[mailboxes.claims]
host = "imap.example.com"
user = "claims@example.com"
"""


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Do not read a tubepost.toml of the folder from which the tests run."""
    monkeypatch.chdir(tmp_path)


def read(text: str = "", **environ: str) -> Settings:
    """Return the settings from a file with *text* and the environment."""
    file = Path("tubepost.toml")
    file.write_text(text, encoding="utf-8")
    return load_settings({f"TUBEPOST_{name}": value for name, value in environ.items()}, file=file)


def complaint(text: str = "", **environ: str) -> str:
    """Return the error message that the operator gets; it never has the secret."""
    with pytest.raises(SettingsError) as error:
        read(text, **environ)
    assert SECRET not in str(error.value)
    assert SECRET not in repr(error.value)
    assert error.value.__cause__ is None  # a trace would show the input
    assert error.value.__suppress_context__ or error.value.__context__ is None
    return str(error.value)


def test_without_a_file_everything_has_a_default() -> None:
    assert load_settings({}) == Settings()
    assert load_settings({}).redis_url == f"unix://{Path('var/redis.sock').absolute()}"
    assert load_settings({}).server.host == "127.0.0.1"


def test_the_environment_overrides_the_file() -> None:
    settings = read("[server]\nport = 1\nhost = '::1'", SERVER__PORT="2")
    assert (settings.server.port, settings.server.host) == (2, "::1")


def test_an_empty_file_name_counts_as_not_set() -> None:
    assert load_settings({"TUBEPOST_CONFIG": ""}) == Settings()


def test_a_file_that_is_named_must_exist() -> None:
    with pytest.raises(SettingsError, match=r"nowhere\.toml: there is no such file; TUBEPOST_CONFIG"):
        load_settings({"TUBEPOST_CONFIG": "nowhere.toml"})
    with pytest.raises(SettingsError, match=r"nowhere\.toml: there is no such file; --config names it"):
        load_settings({"TUBEPOST_CONFIG": "other.toml"}, file=Path("nowhere.toml"))


def test_a_folder_is_not_accepted_as_a_file() -> None:
    Path("folder.toml").mkdir()
    with pytest.raises(SettingsError, match=r"folder\.toml cannot be read: Is a directory"):
        load_settings({"TUBEPOST_CONFIG": "folder.toml"})


def test_an_error_in_the_file_is_reported_with_its_line() -> None:
    text = complaint("log = 'info'\n[server\nport = 1")
    assert text.startswith("tubepost.toml: not valid TOML: ")
    assert "line 2" in text


def test_a_file_that_is_not_utf_8_says_so() -> None:
    Path("latin.toml").write_bytes(b"log = '\xe4'")
    with pytest.raises(SettingsError, match=r"latin\.toml: not valid TOML: .*utf-8"):
        load_settings({}, file=Path("latin.toml"))


@pytest.mark.parametrize(
    ("text", "environ", "said"),
    [
        ("[server]\nport = 'http'", {}, "server.port: must be a whole number, found 'http'"),
        ("[server]\nport = 70000", {}, "server.port: must be less than or equal to 65535, found 70000"),
        ("", {"SERVER__PORT": "http"}, "TUBEPOST_SERVER__PORT (server.port): must be a whole number, found 'http'"),
        ("log = 'loud'", {}, "log: must be 'debug', 'info', 'warning' or 'error', found 'loud'"),
        ("lag = 1", {}, "lag: no such setting; did you mean log?"),
        ("[server]\nprot = 1", {}, "server.prot: no such setting; did you mean port?"),
        ("[stream]\nzzz = 1", {}, "stream.zzz: no such setting; accepted here: drain_seconds, heartbeat_seconds"),
        ("", {"SERVRE__PORT": "1"}, "TUBEPOST_SERVRE__PORT: no such setting; did you mean server?"),
        ("", {"SERVER__PROT": "1"}, "TUBEPOST_SERVER__PROT (server.prot): no such setting; did you mean port?"),
        ("", {"": "1"}, "TUBEPOST_: no such setting"),
        ("", {"LOG__LEVEL": "info"}, "log: must be"),
        ("log = 'info'", {"LOG__LEVEL": "info"}, "TUBEPOST_LOG__LEVEL: log is a value, not a table of settings"),
        (
            "[server]\ntrusted_proxies = ['proxy.example.com']", {},
            "server.trusted_proxies: each must be an address or a network",
        ),
        ("[server]\nallowed_origins = ['*']", {}, "server.allowed_origins: each is a scheme and a host"),
        (
            "[server]\nallowed_origins = ['https://a.example/path']", {},
            "server.allowed_origins: each is a scheme and a host",
        ),
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
        ("[intake]\ndefault_mailbox = 'done'", {}, "intake.default_mailbox: the name 'done'"),
        ("[intake]\ndefault_mailbox = 'a:b'", {}, "intake.default_mailbox: the name 'a:b'"),
        ("[fields.order]\nlabel = 'Order'", {}, "fields.order.label: no such setting; did you mean labels?"),
        ("[fields.type]\nlabels = ['a']\ncolour = 1", {}, "fields.type.colour: no such setting; accepted here: "),
        ("[fields.x]\ntype = 'text'", {}, "fields.x: set labels, pattern or both"),
        ("[fields.x]\npattern = '(?<=a)b'", {}, "fields.x.pattern: not a pattern that RE2 accepts: "),
        ("[fields.x]\npattern = '(['", {}, "fields.x.pattern: not a pattern that RE2 accepts: missing ]: ["),
        (f"[fields.x]\npattern = '{'a' * 1001}'", {}, "fields.x.pattern: must be 1 to 1000 characters"),
        ("[fields.x]\nlabels = [' ']", {}, "fields.x.labels.0: must be 1 to 100 characters, not all blank"),
        ("[fields.x]\npattern = 'a'\ntype = 'table'", {}, "fields.x: a table needs labels"),
        ("[fields.x]\nlabels = 'a'\nregion = 'USA'", {}, "fields.x.region: must be two capital letters such as US"),
        ("[fields.x]\nlabels = 'a'\nshow = 4", {}, "fields.x.show: must be less than or equal to 3, found 4"),
        ("[fields.x]\nlabels = 'a'\ndue = true", {}, "fields.x: due needs the type date or datetime, found text"),
        ("[fields.x]\npattern = 'a'\nlabels_only = true", {}, "fields.x: labels_only needs labels"),
        ("[[fields.x.also]]\nmailboxes = 'a'", {}, "fields.x.also.0: set labels, pattern or both"),
        ("[[fields.x.also]]\npatern = 'a'", {}, "fields.x.also.0.patern: no such setting; did you mean pattern?"),
        ("[[fields.x.also]]\nlabels = 'a'\ntype = 'date'", {}, "fields.x.also.0.type: no such setting"),
        ("[[fields.x.also]]\npattern = '(['", {}, "fields.x.also.0.pattern: not a pattern that RE2 accepts: "),
        ("[reading]\ngeneral = 'no thanks'", {}, "reading.general: must be true or false"),
        ("[reading]\ngenerals = true", {}, "reading.generals: no such setting; did you mean general?"),
        ("[worker]\nname = 'a b'", {}, "worker.name: must be 1 to 80 of A-Z, a-z, 0-9, _ . : and -, found 'a b'"),
        ("redis = 'redis://localhost'", {}, "redis: must be a table of settings"),
        ("[redis]\nurl = 'localhost:6379'", {}, "redis.url: must begin with redis://, rediss:// or unix://, such as"),
        ("", {"REDIS_URL": "redis://h"}, "TUBEPOST_REDIS_URL: no such setting; its parts are joined by __, as in TUB"),
        ("[mailboxes]\nhost = 'h'", {}, "mailboxes.host: must be a table of settings, such as [mailboxes.orders]"),
        (MAILBOX.replace("imap.", "imaps://imap.") + "password='a'", {}, "mailboxes.claims.host: must be a name or"),
        (MAILBOX.replace(".com", ".com:993", 1) + "password='a'", {}, "mailboxes.claims.host: must be a name or"),
        (MAILBOX.replace("imap.example.com", "") + "password='a'", {}, "mailboxes.claims.host: must be a name or"),
        ("[server]\nhost = '127.0.0.1:80'", {}, "server.host: must be a name or address, without scheme or port"),
        ("[server]\nallowed_origins = 'https://a.example'", {}, "server.allowed_origins: must be a list"),
        ("[server]\ntest_items = 'yep'", {}, "server.test_items: must be true or false, found 'yep'"),
        ("data = 3", {}, "data: must be text: the path of a file or folder, found 3"),
        ("", {"TOKEN": ""}, "TUBEPOST_TOKEN (token): must have at least 16 characters"),
        ("token = 'fifteen letters'", {}, "token: must have at least 16 characters; openssl rand -hex 24 makes a"),
        ("[server]\ncookie_secret = 'short'", {}, "server.cookie_secret: must have at least 16 characters"),
    ],
)  # fmt: skip
def test_the_error_of_a_wrong_setting_says_what_is_accepted(text: str, environ: dict[str, str], said: str) -> None:
    assert complaint(text, **environ).startswith(said)


#: Table, the name that a setting had once, and its name now.
FORMER = [
    ("stream", "most", "max_streams"),
    ("stream", "most_user", "max_streams_per_user"),
    ("stream", "most_address", "max_streams_per_address"),
    ("stream", "opens", "opens_per_second"),
    ("stream", "heartbeat", "heartbeat_seconds"),
    ("stream", "max_age", "max_age_seconds"),
    ("stream", "drain", "drain_seconds"),
    ("stream", "stall", "stall_seconds"),
    ("stream", "history", "max_feed_events"),
    ("stream", "replay", "max_replay_events"),
    ("stream", "buffer", "max_queued_bytes"),
    ("server", "origins", "allowed_origins"),
    ("server", "proxies", "trusted_proxies"),
    ("server", "secret", "cookie_secret"),
    ("server", "secret_file", "cookie_secret_file"),
    ("redis", "timeout", "timeout_seconds"),
    ("intake", "most", "max_waiting"),
    ("intake", "largest", "max_mail_bytes"),
    ("intake", "mailbox", "default_mailbox"),
    ("worker", "readers", "reading_children"),
    ("worker", "read_seconds", "retry_read_seconds"),
    ("worker", "read_memory", "read_memory_bytes"),
    ("worker", "abandoned", "abandoned_after_seconds"),
    ("worker", "lease", "lease_seconds"),
    ("sources.site", "window", "signature_seconds"),
    ("mailboxes.claims", "folder", "folders"),
    ("mailboxes.claims", "sent", "sent_folder"),
    ("mailboxes.claims", "after", "after_action"),
    ("mailboxes.claims", "when", "after_action_on"),
    ("mailboxes.claims", "poll", "poll_seconds"),
]


@pytest.mark.parametrize(("table", "former", "name"), FORMER)
def test_the_error_of_a_former_setting_name_gives_the_new_name(table: str, former: str, name: str) -> None:
    assert f"{table}.{former}: no such setting; did you mean {name}?" in complaint(f"[{table}]\n{former} = 1")


def test_the_error_has_one_line_for_each_wrong_setting() -> None:
    lines = complaint(
        "log='loud'\n[server]\nport='http'\n[stream]\ndrain_seconds=-1" + MAILBOX + "start='soon'\npassword='a'"
    )
    assert [line.split(":")[0] for line in lines.splitlines()] == [
        "log", "server.port", "stream.drain_seconds", "mailboxes.claims.start",
    ]  # fmt: skip


def test_a_byte_order_mark_is_accepted() -> None:
    assert read("\ufefflog = 'debug'").log == "debug"


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
        (f"[server]\ncookie_secret = ['{SECRET}']", {}),
        (f"[server]\nsekret = '{SECRET}'", {}),
        (f"[server]\nallowed_origins = 'https://a:{SECRET}@b/'", {}),
        (f"[server]\nallowed_origins = ['https://a:{SECRET}@b/']", {}),
        (f"password = '{SECRET}", {}),
        (f"password = {SECRET}", {}),
    ],
)  # fmt: skip
def test_no_error_message_shows_a_secret(text: str, environ: dict[str, str]) -> None:
    assert complaint(text, **environ)


def test_no_form_of_the_settings_shows_a_secret() -> None:
    settings = read(
        MAILBOX + f"password = '{SECRET}'",
        TOKEN=SECRET,
        REDIS__URL=f"redis://:{SECRET}@localhost",
        SERVER__COOKIE_SECRET=SECRET,
    )
    assert SECRET not in repr(settings)
    assert SECRET not in settings.model_dump_json()
    assert SECRET not in str(settings.mailboxes["claims"])
    assert settings.mailboxes["claims"].read_password() == SECRET
    assert SECRET in settings.redis_url


def test_lists_in_the_environment_are_written_with_commas() -> None:
    settings = read(
        "[fields.order]\nlabels = ['Order']",
        SERVER__ALLOWED_ORIGINS="https://a.example, https://b.example,",
        SERVER__TRUSTED_PROXIES="",
        FIELDS__ORDER__LABELS="Order No, Order Number",
        FIELDS__ORDER__MAILBOXES="claims",
        MAILBOXES__CLAIMS__HOST="imap.example.com",
        MAILBOXES__CLAIMS__USER="claims",
        MAILBOXES__CLAIMS__PASSWORD="a,b",
        MAILBOXES__CLAIMS__FOLDERS="INBOX, Claims",
        MAILBOXES__CLAIMS__TOKEN_COMMAND="",
        SOURCES__MAIL__KIND="ses",
        SOURCES__MAIL__MAILBOX="claims",
        SOURCES__MAIL__TOPICS="one,two",
    )
    assert settings.server.allowed_origins == ("https://a.example", "https://b.example")
    assert settings.server.trusted_proxies == ()
    assert settings.fields["order"].labels == ("Order No", "Order Number")
    assert settings.mailboxes["claims"].folders == ("INBOX", "Claims")
    assert settings.mailboxes["claims"].token_command == ()
    assert settings.mailboxes["claims"].read_password() == "a,b"
    assert settings.sources["mail"].topics == ("one", "two")
    assert settings.field_rules("claims")[0]["name"] == "order"
    assert settings.field_rules("orders") == []


def test_each_way_to_a_field_that_applies_to_a_mailbox_is_a_rule_of_its_own() -> None:
    settings = read(
        """
        [fields.policy]
        labels = ["Policy Number"]
        type = "reference"
        currency = "USD"
        order = "DMY"
        required = true
        show = 1
        [[fields.policy.also]]
        mailboxes = ["motor"]
        pattern = 'MV'
        order = "MDY"
        """
    )
    common = {"name": "policy", "type": "reference", "required": True, "show": 1, "due": False, "currency": "USD"}
    first = common | {"labels": ["Policy Number"], "order": "DMY"}
    second = common | {"labels": [], "pattern": "MV", "order": "MDY"}
    assert settings.field_rules("claims") == [first]
    assert settings.field_rules("motor") == [first, second]


def test_a_way_to_a_field_is_for_the_mailboxes_of_the_field_unless_it_names_its_own() -> None:
    settings = read("[fields.x]\nlabels = 'a'\nmailboxes = 'claims'\n[[fields.x.also]]\nlabels = 'b'")
    assert [rule["labels"] for rule in settings.field_rules("claims")] == [["a"], ["b"]]
    assert settings.field_rules("orders") == []


def test_a_mailbox_may_get_its_password_from_the_environment_alone() -> None:
    settings = read(MAILBOX, MAILBOXES__CLAIMS__PASSWORD=SECRET)
    assert settings.mailboxes["claims"].read_password() == SECRET
    assert settings.mailboxes["claims"].effective_port == 993


def test_only_the_last_line_end_of_a_password_file_is_removed(tmp_path: Path) -> None:
    (tmp_path / "password").write_text(f" {SECRET} \r\n")
    settings = read(MAILBOX + "password_file = 'password'")
    assert settings.mailboxes["claims"].read_password() == f" {SECRET} "


@pytest.mark.parametrize(
    ("content", "said"), [(None, "No such file"), (b"\xff", "not UTF-8 text"), (b"\n", "is empty")]
)
def test_a_password_file_that_cannot_be_used_is_named(content: bytes | None, said: str) -> None:
    if content is not None:
        Path("password").write_bytes(content)
    settings = read(MAILBOX + "password_file = 'password'")
    with pytest.raises(SettingsError, match=f"password_file: password .*{said}"):
        settings.mailboxes["claims"].read_password()


def test_a_start_may_be_a_date_in_the_file_and_in_the_environment() -> None:
    text = MAILBOX + "password = 'a'\n"
    assert read(text + "start = 2026-03-01").mailboxes["claims"].start == date(2026, 3, 1)
    assert read(text, MAILBOXES__CLAIMS__START="2026-03-01").mailboxes["claims"].start == date(2026, 3, 1)
    assert read(text + "start = 'all'").mailboxes["claims"].start == "all"


@pytest.fixture
def temporary(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Return the system's folder for temporary files, with a short path as on a real system."""
    with tempfile.TemporaryDirectory() as folder:
        monkeypatch.setattr(tempfile, "tempdir", folder)
        yield Path(folder)


def test_a_long_data_path_still_gives_a_socket_path_that_every_system_accepts(temporary: Path) -> None:
    deep = read(f"data = '/{'x' * 200}'")
    assert len(str(deep.redis_socket)) <= 100
    assert deep.redis_socket.is_relative_to(temporary)
    assert deep.redis_socket != read(f"data = '/{'y' * 200}'").redis_socket


def test_another_user_cannot_place_a_redis_where_we_look_for_ours(temporary: Path) -> None:
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


def test_the_advice_names_the_embedded_redis_and_that_of_the_demo() -> None:
    assert (
        "supervisord -c supervisord.conf; to use the one of `make run`, set TUBEPOST_CONFIG=" in read("").redis_advice
    )
    assert read("[demo]\nenabled = true").redis_advice == "The demo's Redis runs as long as it does: make run"
    assert "redis.url" in read("[redis]\nurl = 'redis://127.0.0.1:1'").redis_advice


def test_other_variables_of_ours_are_ignored() -> None:
    assert read("", FAILPOINT="put", PROCESS="server-1") == Settings()
