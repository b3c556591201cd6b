"""Moddy's own errors: each has a stable code and says whether trying again can help.

They carry no secret, no personal data and no message text; `str()` of one may be logged.
"""

from __future__ import annotations

from typing import ClassVar

from moddy.staff import Refusal


class ModdyError(Exception):
    """The parent of all errors that Moddy raises on purpose."""

    code: ClassVar[str] = "error"
    retryable: ClassVar[bool] = False


class SettingsError(ModdyError):
    """The environment cannot be used. `problems` has one line per variable, without values."""

    code = "bad_settings"

    def __init__(self, problems: list[str]) -> None:
        super().__init__("; ".join(problems))
        self.problems = problems


class AddressInUse(ModdyError):
    """A port that Moddy is to serve on is taken."""

    code = "address_in_use"


class HttpParserMissing(ModdyError):
    """aiohttp fell back to its HTTP parser in Python."""

    code = "http_parser_missing"


class SignatureRefused(ModdyError):
    """A request is not signed as it has to be; the text says what is wrong, without a value."""

    code = "signature_refused"


# --- the store ---------------------------------------------------------------------------


class StoreUnavailable(ModdyError):
    """The database did not answer, is locked, or is full."""

    code = "store_unavailable"
    retryable = True


class SchemaTooNew(ModdyError):
    """The database was migrated by a newer Moddy; running would damage it."""

    code = "schema_too_new"


class SchemaTooOld(ModdyError):
    """The database has to be migrated before it can be used."""

    code = "schema_too_old"


class StoreNotEmpty(ModdyError):
    """A store is to be copied into one that has rows already."""

    code = "store_not_empty"


class IdempotencyConflict(ModdyError):
    """An Idempotency-Key came again with a different body."""

    code = "idempotency_conflict"


# --- Discord -----------------------------------------------------------------------------


class DiscordError(ModdyError):
    """Discord did not do what was asked.

    `discord_code` is Discord's JSON error code, 0 when there is none. Source:
    https://discord.com/developers/docs/topics/opcodes-and-status-codes#json
    """

    code = "discord_error"

    def __init__(self, message: str, *, discord_code: int = 0) -> None:
        super().__init__(message)
        self.discord_code = discord_code


class DiscordUnavailable(DiscordError):
    """Discord is slow, failing or refusing Moddy itself; the same call may work later.

    `retry_after` is in seconds, None when Discord did not say. `outage`: Discord failed, rather
    than refused. `maybe_done`: the call may have had its effect all the same.
    """

    code = "discord_unavailable"
    retryable = True

    def __init__(
        self,
        message: str,
        *,
        discord_code: int = 0,
        retry_after: float | None = None,
        outage: bool = False,
        maybe_done: bool = False,
    ) -> None:
        super().__init__(message, discord_code=discord_code)
        self.retry_after = retry_after
        self.outage = outage
        self.maybe_done = maybe_done


class DirectMessagesClosed(DiscordError):
    """The user takes no direct messages from Moddy (50007, 50278)."""

    code = "dms_closed"


class UserNotFound(DiscordError):
    """No Discord user has this id (10013)."""

    code = "user_not_found"


class MemberNotFound(DiscordError):
    """The user is not in the guild (10007)."""

    code = "member_not_found"


class RoleNotFound(DiscordError):
    """The guild has no such role (10011)."""

    code = "role_not_found"


class GuildNotFound(DiscordError):
    """Moddy is not in the guild (10004)."""

    code = "guild_not_found"


class MissingPermissions(DiscordError):
    """Moddy lacks a permission, or its top role stands too low (50001, 50013)."""

    code = "missing_permissions"


class DiscordRefused(DiscordError):
    """Discord refused for good, for another reason."""

    code = "discord_refused"


class DiscordLoginRefused(ModdyError):
    """Discord will never let this process in as it is configured; the text says what to mend."""

    code = "discord_login_refused"


# --- support staff ------------------------------------------------------------------------


class StaffRefused(ModdyError):
    """Somebody may not do what they asked for, or it cannot be done. Nothing was done."""

    code = "staff_refused"

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(refusal.value)
        self.refusal = refusal


# --- people at Discord -------------------------------------------------------------------


class ControlOutOfDate(ModdyError):
    """A button, menu or form of an older version, of something that is over, or tampered with."""

    code = "control_out_of_date"


class ControlNotYours(ModdyError):
    """A button, menu or form that was shown to somebody else."""

    code = "control_not_yours"


class TooSoon(ModdyError):
    """A person asks faster than Moddy answers them; `retry_after` is in seconds."""

    code = "too_soon"

    def __init__(self, *, retry_after: float) -> None:
        super().__init__("asked too often")
        self.retry_after = retry_after


# --- the website backend -----------------------------------------------------------------


class BackendError(ModdyError):
    """The backend did not do what was asked. `status` is its HTTP status, None without one.

    `reason` is the backend's own text, None without one. It is for staff who may act on it: it is
    not part of `str()`, so it is neither logged nor shown to customers.
    """

    code = "backend_error"

    def __init__(
        self, message: str, *, status: int | None = None, reason: str | None = None
    ) -> None:
        super().__init__(message)
        self.status = status
        self.reason = reason


class BackendUnavailable(BackendError):
    """No answer, or a passing failure (timeout, reset, 408, 429, 5xx).

    `retry_after` is in seconds, None when the backend did not say.
    """

    code = "backend_unavailable"
    retryable = True

    def __init__(
        self,
        message: str,
        *,
        status: int | None = None,
        reason: str | None = None,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(message, status=status, reason=reason)
        self.retry_after = retry_after


class BackendTimeout(BackendUnavailable):
    """No answer in time, or no connection."""

    code = "backend_timeout"


class BackendPaused(BackendUnavailable):
    """Nothing was sent: the backend did not answer lately, and it is not asked for a while."""

    code = "backend_paused"

    def __init__(self, *, retry_after: float) -> None:
        super().__init__(
            "not called: the backend did not answer the last calls", retry_after=retry_after
        )


class BackendUnauthorized(BackendError):
    """The backend does not accept Moddy's secret (401, 403)."""

    code = "backend_unauthorized"


class BackendNotFound(BackendError):
    """The backend knows no such endpoint or customer (404)."""

    code = "backend_not_found"


class BackendContractBroken(BackendError):
    """The answer is not what the wire contract says."""

    code = "backend_contract_broken"


class BackendRefused(BackendError):
    """The backend said no, in words: here `reason` is always a text."""

    code = "backend_refused"
    reason: str

    def __init__(self, reason: str, *, status: int) -> None:
        super().__init__(f"the backend refused with status {status}", status=status, reason=reason)


class RefundOutcomeUnknown(BackendError):
    """A refund was sent and its outcome is not known; only a person may ask again.

    `idempotency_key` is the key to ask again with.
    """

    code = "refund_outcome_unknown"

    def __init__(
        self,
        message: str,
        *,
        idempotency_key: str,
        status: int | None = None,
        reason: str | None = None,
    ) -> None:
        super().__init__(message, status=status, reason=reason)
        self.idempotency_key = idempotency_key
