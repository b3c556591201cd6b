"""Settings: every variable with good and bad values, and no value in any complaint."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from yarl import URL

from moddy.config import (
    LogFormat,
    LogLevel,
    Settings,
    load_settings,
    read_environment,
)
from moddy.errors import SettingsError

TOKEN = {"DISCORD_TOKEN": "token"}
NAMES = [field.encode_name for field in msgspec.structs.fields(Settings)]
FREE_TEXT = {
    "DISCORD_TOKEN",
    "INTERNAL_API_SECRET",
    "INTERNAL_API_SECRET_PREVIOUS",
    "SENTRY_DSN",
}
IDS = (
    "MODDY_GUILD_ID",
    "MODDY_PREMIUM_ROLE_ID",
    "MODDY_NOTIFY_CHANNEL_ID",
    "MODDY_STAFF_LOG_CHANNEL_ID",
)

SIGNING = "c2lnbmluZyBzZWNyZXQgb2YgYSB0ZXN0"
GOOD: list[tuple[str, str, object]] = [
    ("DISCORD_TOKEN", "abc.def", "abc.def"),
    ("INTERNAL_API_SECRET", "sécret ✓", "sécret ✓"),
    ("INTERNAL_API_SECRET_PREVIOUS", "old", "old"),
    (
        "INTERNAL_SIGNING_SECRETS",
        f"{SIGNING}, whsec_{SIGNING}",
        (SIGNING, f"whsec_{SIGNING}"),
    ),
    ("INTERNAL_PORT", "1", 1),
    ("INTERNAL_PORT", " 65535\n", 65535),
    ("PORT", "8080", 8080),
    ("BACKEND_INTERNAL_URL", "https://b.example:1/x", URL("https://b.example:1/x")),
    ("DATABASE_URL", "sqlite:////data/moddy.db", "sqlite:////data/moddy.db"),
    ("DATABASE_URL", "sqlite:///moddy.db", "sqlite:///moddy.db"),
    ("DATABASE_URL", "postgres://u:p@h:5432/d", "postgres://u:p@h:5432/d"),
    ("DATABASE_URL", "postgresql://h/d?sslmode=require", "postgresql://h/d?sslmode=require"),
    *((name, "18446744073709551615", "18446744073709551615") for name in IDS),
    ("MODDY_GUILD_ID", "0042", "42"),
    ("PREMIUM_PLANS", "moddy_max", frozenset({"moddy_max"})),
    ("PREMIUM_PLANS", " a , b ,, a", frozenset({"a", "b"})),
    ("PAST_DUE_GRACE_DAYS", "0", 0),
    ("PAST_DUE_GRACE_DAYS", "365", 365),
    ("DELIVERY_RETENTION_DAYS", "1", 1),
    ("DELIVERY_RETENTION_DAYS", "3650", 3650),
    ("DEVELOPER_IDS", "1, 2", frozenset({"1", "2"})),
    ("REPORT_MESSAGES", "true", True),
    ("REPORT_MESSAGES", "FALSE", False),
    ("REPORT_MESSAGES", "1", True),
    ("REPORT_MESSAGES", "0", False),
    ("DISCORD_API_BASE_URL", "http://127.0.0.1:4000/api/v10", URL("http://127.0.0.1:4000/api/v10")),
    ("DM_OPENS_PER_MINUTE", "1", 1),
    ("DM_OPENS_PER_MINUTE", "100000", 100_000),
    ("MODDY_WEBSITE_URL", "https://moddy.example/account", URL("https://moddy.example/account")),
    ("REFUND_APPROVAL_ABOVE", "0", 0),
    ("REFUND_APPROVAL_ABOVE", "1000000000000", 10**12),
    ("REFUND_DAILY_CAP", "0", 0),
    ("RECONCILE_MINUTES", "1440", 1440),
    ("RECONCILE_BRAKE", "0", 0),
    ("SHARD_COUNT", "16", 16),
    *(("LOG_LEVEL", level.value.lower(), level) for level in LogLevel),
    *(("LOG_FORMAT", form.value.upper(), form) for form in LogFormat),
    ("SENTRY_DSN", "https://key@sentry.example/1", "https://key@sentry.example/1"),
]

BAD: list[tuple[str, str]] = [
    *(
        (port, text)
        for port in ("INTERNAL_PORT", "PORT")
        for text in ("0", "65536", "-1", "80.5", "http", "0x50", "8 0", "٣٠٠٠")
    ),
    *(
        ("BACKEND_INTERNAL_URL", text)
        for text in (
            "backend:8080",
            "ftp://b",
            "http://",
            "/x",
            "http://b?x=1",
            "http://b#x",
            "http://b:99999",
            "http://[::1",
        )
    ),
    *(
        ("DATABASE_URL", text)
        for text in (
            "mysql://h/d",
            "moddy.db",
            "sqlite",
            "sqlite:",
            "sqlite://",
            "sqlite:///",
            "sqlite:moddy.db",
            "postgresql+asyncpg://h/d",
            "postgresql",
            "postgresql://h:port/d",
        )
    ),
    *(
        (name, text)
        for name in IDS
        for text in ("0", "-1", "18446744073709551616", "abc", "1.0", "1,2", "٣", "1" * 21)
    ),
    ("PREMIUM_PLANS", ","),
    *(("PAST_DUE_GRACE_DAYS", text) for text in ("-1", "366", "1.5", "a week")),
    *(("DELIVERY_RETENTION_DAYS", text) for text in ("0", "-1", "3651", "1.5", "a month")),
    ("INTERNAL_SIGNING_SECRETS", ","),
    ("INTERNAL_SIGNING_SECRETS", "whsec_"),
    ("INTERNAL_SIGNING_SECRETS", f"{SIGNING},é"),
    ("DEVELOPER_IDS", "1,x"),
    ("DEVELOPER_IDS", ", ,"),
    ("REPORT_MESSAGES", "perhaps"),
    ("REPORT_MESSAGES", "2"),
    ("DISCORD_API_BASE_URL", "discord.example"),
    ("DISCORD_API_BASE_URL", "ws://discord.example/api/v10"),
    ("DISCORD_API_BASE_URL", "http://127.0.0.1:4000"),
    ("DISCORD_API_BASE_URL", "http://127.0.0.1:4000/api"),
    *(("DM_OPENS_PER_MINUTE", text) for text in ("0", "100001", "many")),
    ("MODDY_WEBSITE_URL", "moddy.example"),
    ("MODDY_WEBSITE_URL", "https://moddy.example/?a=b"),
    *(("REFUND_APPROVAL_ABOVE", text) for text in ("-1", "50.00", "none")),
    *(("REFUND_DAILY_CAP", text) for text in ("-1", "1e3")),
    *(("RECONCILE_MINUTES", text) for text in ("0", "1441", "0.5")),
    *(("RECONCILE_BRAKE", text) for text in ("-1", "few")),
    ("SHARD_COUNT", "0"),
    ("SHARD_COUNT", "10001"),
    ("SHARD_IDS", "0"),
    ("SHARD_IDS", "x"),
    ("LOG_LEVEL", "loud"),
    ("LOG_FORMAT", "xml"),
]


def problems(environ: dict[str, str]) -> list[str]:
    with pytest.raises(SettingsError) as caught:
        load_settings(environ)
    return caught.value.problems


@pytest.mark.parametrize(("name", "text", "value"), GOOD)
def test_good(name: str, text: str, value: object) -> None:
    assert getattr(load_settings({**TOKEN, name: text}), name.lower()) == value


@pytest.mark.parametrize(("name", "text"), BAD)
def test_bad(name: str, text: str) -> None:
    [line] = problems({**TOKEN, name: text})
    assert line.startswith(f"{name}: expected ")


def test_every_variable_is_tried() -> None:
    assert {name for name, *_ in GOOD} == {*NAMES} - {"SHARD_IDS"}
    assert {name for name, _ in BAD} == {*NAMES} - FREE_TEXT


def test_defaults_are_the_contracts() -> None:
    settings = load_settings(TOKEN)
    assert settings.internal_port == 3000
    assert settings.port is None
    assert str(settings.backend_internal_url) == "http://website-backend.railway.internal:8080"
    assert settings.database_url == "sqlite:///moddy.db"
    assert settings.premium_plans == {"moddy_max"}
    assert (settings.past_due_grace_days, settings.delivery_retention_days) == (7, 30)
    assert settings.developer_ids == frozenset()
    assert settings.report_messages is False
    assert (settings.log_level, settings.log_format) == (LogLevel.INFO, LogFormat.AUTO)
    unset = {
        *("internal_api_secret", "internal_api_secret_previous", "discord_api_base_url"),
        *("shard_count", "shard_ids", "sentry_dsn"),
        *map(str.lower, IDS),
    }
    assert {name for name in unset if getattr(settings, name) is not None} == set()


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("text", ["", " ", "\t\n"])
def test_empty_counts_as_unset(name: str, text: str) -> None:
    expected = load_settings({}, need_token=False)
    assert load_settings({name: text}, need_token=False) == expected


def test_token_is_needed_to_run_only() -> None:
    [line] = problems({})
    assert line.startswith("DISCORD_TOKEN: missing")
    assert problems({"DISCORD_TOKEN": " "}) == [line]
    assert load_settings({}, need_token=False).discord_token is None


@pytest.mark.parametrize("environ", [{"PORT": "3000"}, {"PORT": "80", "INTERNAL_PORT": "80"}])
def test_two_servers_on_one_port(environ: dict[str, str]) -> None:
    [line] = problems({**TOKEN, **environ})
    assert line.startswith("PORT: ")


@pytest.mark.parametrize(
    ("count", "ids", "good"),
    [
        ("4", "0,3", True),
        ("4", "3, 0", True),
        ("4", "4", False),
        ("4", "-1", False),
        ("", "0", False),
        ("x", "0", False),
    ],
)
def test_shards(count: str, ids: str, good: bool) -> None:
    environ = {**TOKEN, "SHARD_COUNT": count, "SHARD_IDS": ids}
    if good:
        settings = load_settings(environ)
        assert settings.shard_ids == tuple(int(one) for one in ids.split(","))
    else:
        [line] = problems(environ)
        assert line.startswith("SHARD_COUNT: " if count == "x" else "SHARD_IDS: ")


def test_one_line_for_each_problem() -> None:
    lines = problems({name: "\x00nonsense" for name in NAMES if name not in FREE_TEXT})
    wrong = {*NAMES} - FREE_TEXT - {"PREMIUM_PLANS"} | {"DISCORD_TOKEN"}
    assert sorted(line.partition(":")[0] for line in lines) == sorted(wrong)
    assert not any("\n" in line for line in lines)


PLANTED = "Zq7-planted"


@given(st.dictionaries(st.sampled_from(NAMES), st.tuples(st.text(), st.text()), min_size=1))
def test_no_value_is_ever_repeated(values: dict[str, tuple[str, str]]) -> None:
    environ = {name: f"{left}{PLANTED}{right}" for name, (left, right) in values.items()}
    caught: SettingsError | None = None
    shown = []
    try:
        shown.append(repr(load_settings(environ)))
    except SettingsError as error:
        caught = error
    if caught is not None:
        shown += [str(caught), repr(caught), *caught.problems]
        # Nor by what Python prints of it when nobody catches it.
        assert (caught.__cause__, caught.__context__) == (None, None)
    assert not [text for text in shown if PLANTED in text]


def test_settings_show_nothing() -> None:
    settings = load_settings({**TOKEN, "INTERNAL_API_SECRET": PLANTED, "SENTRY_DSN": PLANTED})
    rich = list(settings.__rich_repr__())  # what rich prints instead of repr()
    assert PLANTED not in f"{settings!r} {settings} {rich}"


def test_file_lies_below_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lines = ["PLANNED=file", "BOTH=file", "export QUOTED='a b'", "# comment", "BARE", "EMPTY="]
    (tmp_path / ".env").write_text("\n".join(lines), "utf-8")
    monkeypatch.setenv("BOTH", "environment")
    for name in ("PLANNED", "QUOTED", "BARE", "EMPTY"):
        monkeypatch.delenv(name, raising=False)
    found = read_environment(tmp_path)
    assert [found[name] for name in ("PLANNED", "BOTH", "QUOTED", "EMPTY")] == [
        *("file", "environment", "a b", "")
    ]
    assert "BARE" not in found


def test_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ONLY_HERE", "x")
    monkeypatch.chdir(tmp_path)
    assert read_environment()["ONLY_HERE"] == "x"


def test_file_that_is_not_text(tmp_path: Path) -> None:
    (tmp_path / ".env").write_bytes(b"DISCORD_TOKEN=\xff\xfe" + PLANTED.encode())
    with pytest.raises(SettingsError) as caught:
        read_environment(tmp_path)
    assert PLANTED not in str(caught.value)
