"""What an answer of the backend means: a Struct of the wire, or one of the `BackendError`s.

Pure functions. The texts of the errors name the endpoint and the status only; what the backend
wrote itself travels apart, as `BackendError.reason`.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, TypeVar

import msgspec

from moddy.backend.exchange import MAX_ANSWER_BYTES, Answer, ExchangeFailed, Failure
from moddy.errors import (
    BackendContractBroken,
    BackendError,
    BackendNotFound,
    BackendRefused,
    BackendTimeout,
    BackendUnauthorized,
    BackendUnavailable,
    RefundOutcomeUnknown,
)

T = TypeVar("T")

MAX_REASON_CHARACTERS = 300
_DELAY_SECONDS = re.compile(r"[0-9]{1,9}", re.ASCII)
_UNPRINTABLE = re.compile(r"[\s\x00-\x1f\x7f]+")


def decode(answer: Answer, decoder: msgspec.json.Decoder[T], *, endpoint: str) -> T:
    """Return the Struct that a 2xx answer carries.

    Raises:
        BackendContractBroken: the body is not what the contract says.
    """
    problem = f"more than {MAX_ANSWER_BYTES} bytes"
    if answer.body is not None:
        try:
            return decoder.decode(answer.body)
        except msgspec.DecodeError as error:
            problem = str(error)  # names the place and the types, never a value
        except (ValueError, RecursionError):
            problem = "JSON that cannot be decoded"
    raise BackendContractBroken(
        f"{endpoint}: the answer is not the contract's: {problem}", status=answer.status
    )


def refusal(
    answer: Answer, *, endpoint: str, now: Callable[[], datetime] = lambda: datetime.now(UTC)
) -> BackendError | None:
    """Return the error that an answer's status means, None for a 2xx."""
    status = answer.status
    if 200 <= status < 300:
        return None
    message = f"{endpoint}: the backend answered {status}"
    reason = read_reason(answer.body)
    if status < 400:
        return BackendContractBroken(f"{message}, a redirect", status=status, reason=reason)
    if status in {401, 403}:
        return BackendUnauthorized(
            f"{message}: it does not accept INTERNAL_API_SECRET", status=status, reason=reason
        )
    if status == 404:
        return BackendNotFound(message, status=status, reason=reason)
    if status in {408, 429} or status >= 500:
        return BackendUnavailable(
            message,
            status=status,
            reason=reason,
            retry_after=read_retry_after(answer.retry_after, now=now),
        )
    return BackendRefused(reason or f"HTTP status {status} without a text", status=status)


def no_answer(failed: ExchangeFailed, *, endpoint: str) -> BackendError:
    """Return the error for an exchange without an answer."""
    message = f"{endpoint}: {failed.failure.value}"
    if failed.failure is Failure.NOT_HTTP:
        return BackendContractBroken(message)
    if failed.failure in {Failure.CONNECT_TIMEOUT, Failure.TIMEOUT}:
        return BackendTimeout(message)
    return BackendUnavailable(message)


def is_outage(error: Exception) -> bool:
    """Tell whether a call that ended with `error` shows that the backend is down.

    A 408 or a 429 does not: somebody answered.
    """
    if isinstance(error, ExchangeFailed):
        return error.failure not in {Failure.NOT_HTTP, Failure.CLOSED}
    if isinstance(error, BackendUnavailable):
        return error.status is None or error.status >= 500
    return False


def refund_outcome(error: BackendError, *, idempotency_key: str) -> BackendError:
    """Return what `error`, met after a refund was sent, says about its outcome.

    The backend's 4xx are certain: it did not refund. All else (timeout, reset, 408, 5xx, an
    answer that cannot be read) leaves the outcome unknown.
    """
    if error.status is not None and 400 <= error.status < 500 and error.status != 408:
        return error
    return RefundOutcomeUnknown(
        f"{error}; the refund's outcome is unknown",
        idempotency_key=idempotency_key,
        status=error.status,
        reason=error.reason,
    )


def read_retry_after(text: str | None, *, now: Callable[[], datetime]) -> float | None:
    """Return a ``Retry-After`` header in seconds from now, at least 0; None when unusable.

    Source: https://www.rfc-editor.org/rfc/rfc9110#section-10.2.3 (seconds, or an HTTP date).
    """
    text = (text or "").strip()
    if _DELAY_SECONDS.fullmatch(text):
        return float(text)
    try:
        moment = parsedate_to_datetime(text)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    if moment.tzinfo is None:  # "-0000"
        moment = moment.replace(tzinfo=UTC)
    return max(0.0, (moment - now()).total_seconds())


def read_reason(body: bytes | None) -> str | None:
    """Return the text of ``{"error"}`` or ``{"detail"}`` on one short line, None without one.

    FastAPI's ``detail`` of a 422 is a list; its entries are told as ``place: message``. Source:
    https://fastapi.tiangolo.com/tutorial/handling-errors/
    """
    try:
        content = msgspec.json.decode(body or b"")
    except (ValueError, RecursionError):
        return None
    if not isinstance(content, dict):
        return None
    for key in ("error", "detail"):
        text = _UNPRINTABLE.sub(" ", _told(content.get(key))).strip()
        if text:
            return text[:MAX_REASON_CHARACTERS]
    return None


def _told(value: Any) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, list):
        return "; ".join(filter(None, map(_entry, value)))
    return ""


def _entry(entry: Any) -> str:
    """Return one entry of FastAPI's list; its `input`, what the caller sent, is left out."""
    message = entry.get("msg") if isinstance(entry, dict) else None
    if not isinstance(message, str):
        return ""
    place = entry.get("loc")
    if not isinstance(place, list) or not place:
        return message
    return f"{'.'.join(str(part) for part in place)}: {message}"
