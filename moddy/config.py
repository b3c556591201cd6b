"""Settings: the one place that reads the environment.

A bad value is reported by the variable's name and what it should be, never by its value.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from enum import Enum
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import urlsplit

import msgspec
from dotenv import dotenv_values
from msgspec import Meta, Struct
from yarl import URL

from moddy.errors import SettingsError
from moddy.models import Snowflake
from moddy.signing import Signer

Port = Annotated[int, Meta(ge=1, le=65535)]
DATABASE_SCHEMES = ("sqlite", "postgres", "postgresql")


class LogLevel(Enum):
    """How much is logged."""

    DEBUG = "DEBUG"
    INFO = "INFO"
    WARNING = "WARNING"
    ERROR = "ERROR"
    CRITICAL = "CRITICAL"


class LogFormat(Enum):
    """`json` for machines (Railway), `console` for people, `auto`: console on a terminal."""

    AUTO = "auto"
    JSON = "json"
    CONSOLE = "console"


class Settings(Struct, frozen=True, kw_only=True, rename="upper"):
    """Everything that can be configured; each field is the environment variable of its name."""

    discord_token: str | None = None
    internal_api_secret: str | None = None
    internal_api_secret_previous: str | None = None
    internal_signing_secrets: tuple[str, ...] | None = None
    internal_port: Port = 3000
    port: Port | None = None
    backend_internal_url: URL = URL("http://website-backend.railway.internal:8080")
    database_url: str = "sqlite:///moddy.db"
    moddy_guild_id: Snowflake | None = None
    moddy_premium_role_id: Snowflake | None = None
    moddy_notify_channel_id: Snowflake | None = None
    moddy_staff_log_channel_id: Snowflake | None = None
    premium_plans: frozenset[str] = frozenset({"moddy_max"})
    past_due_grace_days: Annotated[int, Meta(ge=0, le=365)] = 7
    delivery_retention_days: Annotated[int, Meta(ge=1, le=3650)] = 30
    developer_ids: frozenset[Snowflake] = frozenset()
    moddy_website_url: URL | None = None
    refund_approval_above: Annotated[int, Meta(ge=0, le=10**12)] = 5_000
    refund_daily_cap: Annotated[int, Meta(ge=0, le=10**12)] = 50_000
    reconcile_minutes: Annotated[int, Meta(ge=1, le=1440)] = 5
    reconcile_brake: Annotated[int, Meta(ge=0, le=1_000_000)] = 5
    report_messages: bool = False
    dm_opens_per_minute: Annotated[int, Meta(ge=1, le=100_000)] = 60
    discord_api_base_url: URL | None = None
    shard_count: Annotated[int, Meta(ge=1, le=10_000)] | None = None
    shard_ids: tuple[int, ...] | None = None
    log_level: LogLevel = LogLevel.INFO
    log_format: LogFormat = LogFormat.AUTO
    sentry_dsn: str | None = None

    def __repr__(self) -> str:
        return "Settings(…)"  # several fields are secrets

    def __rich_repr__(self) -> list[tuple[str, Any]]:
        return []  # Rich prints this in place of repr(); msgspec's own has every value


_SNOWFLAKE = "a Discord id (1 to 20 digits)"
_PORT = "a port number from 1 to 65535"
_EXPECTED: Mapping[str, str] = {
    "INTERNAL_SIGNING_SECRETS": "secrets (24 bytes or more, in base64) separated by commas",
    "INTERNAL_PORT": _PORT,
    "PORT": f"{_PORT}, other than INTERNAL_PORT",
    "BACKEND_INTERNAL_URL": "an http:// or https:// address without query",
    "DATABASE_URL": "a sqlite:///path, postgres:// or postgresql:// address",
    "MODDY_GUILD_ID": _SNOWFLAKE,
    "MODDY_PREMIUM_ROLE_ID": _SNOWFLAKE,
    "MODDY_NOTIFY_CHANNEL_ID": _SNOWFLAKE,
    "MODDY_STAFF_LOG_CHANNEL_ID": _SNOWFLAKE,
    "PREMIUM_PLANS": "plan names separated by commas",
    "PAST_DUE_GRACE_DAYS": "a whole number of days from 0 to 365",
    "DELIVERY_RETENTION_DAYS": "a whole number of days from 1 to 3650",
    "DEVELOPER_IDS": "Discord ids separated by commas",
    "MODDY_WEBSITE_URL": "an http:// or https:// address without query",
    "REFUND_APPROVAL_ABOVE": "a whole number of minor units (cents), 0 or more",
    "REFUND_DAILY_CAP": "a whole number of minor units (cents), 0 or more",
    "RECONCILE_MINUTES": "a whole number of minutes from 1 to 1440",
    "RECONCILE_BRAKE": "a whole number, 0 or more",
    "REPORT_MESSAGES": "true or false",
    "DM_OPENS_PER_MINUTE": "a whole number from 1 to 100000",
    "DISCORD_API_BASE_URL": "an http:// or https:// address ending in its version, as /api/v10",
    "SHARD_COUNT": "a whole number from 1 to 10000",
    "SHARD_IDS": "shard numbers below SHARD_COUNT separated by commas, with SHARD_COUNT set",
    "LOG_LEVEL": "DEBUG, INFO, WARNING, ERROR or CRITICAL",
    "LOG_FORMAT": "json, console or auto",
}
_API_VERSION = re.compile(r"/v[0-9]+/?$", re.ASCII)
_LISTS = {"INTERNAL_SIGNING_SECRETS", "PREMIUM_PLANS", "DEVELOPER_IDS", "SHARD_IDS"}
# Amounts in minor units: "50.00" would be taken for 50 cents.
_AMOUNTS = {"REFUND_APPROVAL_ABOVE", "REFUND_DAILY_CAP"}


def read_environment(directory: Path | None = None) -> dict[str, str]:
    """Return the process's environment, with a ``.env`` file of `directory` below it.

    Raises:
        SettingsError: the file is not text.
    """
    path = (directory or Path.cwd()) / ".env"
    try:
        from_file = dotenv_values(path) if path.is_file() else {}
    except UnicodeDecodeError:
        raise SettingsError([".env: expected text in UTF-8"]) from None
    return {name: value for name, value in from_file.items() if value is not None} | dict(
        os.environ
    )


def load_settings(environ: Mapping[str, str], *, need_token: bool = True) -> Settings:
    """Return the settings that `environ` describes.

    Variables that are empty or only white space count as unset; white space around a value is
    dropped (no header or id could carry it).

    Raises:
        SettingsError: with one line per variable that is missing or wrong.
    """
    given: dict[str, Any] = {}
    problems: list[str] = []
    for item in msgspec.structs.fields(Settings):
        name = item.encode_name
        text = environ.get(name, "").strip()
        if not text:
            continue
        try:
            given[item.name] = _convert(name, text, item.type)
        except (msgspec.ValidationError, ValueError):
            problems.append(f"{name}: expected {_EXPECTED[name]}")
    if need_token and "discord_token" not in given:
        problems.append(
            "DISCORD_TOKEN: missing; the token of the bot, from Discord's developer portal"
        )
    settings = Settings(**given)
    problems += _conflicts(settings, problems)
    if problems:
        raise SettingsError(problems)
    return settings


def _convert(name: str, text: str, kind: Any) -> Any:
    value: Any = text
    if name in _LISTS:
        value = [part.strip() for part in text.split(",") if part.strip()]
        if not value:
            raise ValueError(name)
        if name == "INTERNAL_SIGNING_SECRETS":
            Signer(value)
    elif name in {"LOG_LEVEL", "LOG_FORMAT"}:
        value = text.upper() if name == "LOG_LEVEL" else text.lower()
    elif name == "DATABASE_URL":
        _check_database(text)
    elif (name == "DISCORD_API_BASE_URL" and not _API_VERSION.search(text)) or (
        name in _AMOUNTS and not text.isdecimal()
    ):
        raise ValueError(name)
    return msgspec.convert(value, kind, strict=False, dec_hook=_decode_hook)


def _decode_hook(kind: type, value: object) -> object:
    if kind is URL:
        return _read_url(str(value))
    return Snowflake.parse(value)


def _read_url(text: str) -> URL:
    url = URL(text)
    _check_scheme(url.scheme, ("http", "https"))
    if not url.host or url.query_string or url.fragment:
        raise ValueError("a URL without query")
    return url


def _check_database(text: str) -> None:
    scheme, separator, rest = text.partition("://")
    _check_scheme(scheme if separator else "", DATABASE_SCHEMES)
    if scheme != "sqlite":
        _ = urlsplit(text).port  # raises unless it is a number
    elif not rest.startswith("/") or rest == "/":
        # Without a path SQLite would keep everything in memory, and lose it at the end.
        raise ValueError("path")


def _check_scheme(scheme: str, allowed: tuple[str, ...]) -> None:
    if scheme not in allowed:
        raise ValueError("scheme")


def _conflicts(settings: Settings, problems: list[str]) -> list[str]:
    """Return what is wrong between variables, leaving out those already reported."""
    reported = {line.partition(":")[0] for line in problems}
    found = []
    if settings.port == settings.internal_port and not reported & {"PORT", "INTERNAL_PORT"}:
        found.append("PORT")
    ids, count = settings.shard_ids, settings.shard_count
    bad_ids = ids is not None and (count is None or not all(0 <= one < count for one in ids))
    if bad_ids and not reported & {"SHARD_COUNT", "SHARD_IDS"}:
        found.append("SHARD_IDS")
    return [f"{name}: expected {_EXPECTED[name]}" for name in found]
