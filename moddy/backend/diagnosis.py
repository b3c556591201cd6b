"""What a test of the connection to the backend found, and what is likely behind it."""

from __future__ import annotations

import time
from enum import Enum
from typing import Any

from msgspec import Struct
from yarl import URL

from moddy.backend.calls import Caller, Endpoint
from moddy.backend.exchange import ExchangeFailed, Failure
from moddy.errors import (
    BackendContractBroken,
    BackendError,
    BackendNotFound,
    BackendRefused,
    BackendUnauthorized,
)


class Case(Enum):
    """The cases that a test of the connection tells apart."""

    OK = "ok"
    SECRET_NOT_SET = "secret_not_set"  # noqa: S105
    NAME_NOT_RESOLVED = "name_not_resolved"
    CONNECTION_REFUSED = "connection_refused"
    TLS_FAILED = "tls_failed"
    TIMEOUT = "timeout"
    UNAUTHORIZED = "unauthorized"
    CONTRACT_BROKEN = "contract_broken"
    UNAVAILABLE = "unavailable"


CAUSES: dict[Case, tuple[str, ...]] = {
    Case.OK: (),
    Case.SECRET_NOT_SET: (
        "INTERNAL_API_SECRET is unset, or holds a character that no HTTP header can carry",
    ),
    Case.NAME_NOT_RESOLVED: (
        "the service name in BACKEND_INTERNAL_URL is wrong",
        "the backend is in another project or environment; private names do not reach across",
        "the private DNS is not ready yet: it is not for the first seconds after start",
    ),
    Case.CONNECTION_REFUSED: (
        "the backend is down or still starting",
        "the port in BACKEND_INTERNAL_URL is not the one the backend listens on",
        "the backend listens on IPv4 only and the private network is IPv6 (it must bind ::)",
    ),
    Case.TLS_FAILED: (
        "BACKEND_INTERNAL_URL says https:// and the backend speaks plain HTTP",
        "the backend's certificate is not valid for this name",
    ),
    Case.TIMEOUT: (
        "the backend is overloaded, or waits for its database or for Stripe",
        "a firewall drops the packets",
        "the address is right and the port belongs to something that does not speak HTTP",
    ),
    Case.UNAUTHORIZED: (
        "INTERNAL_API_SECRET differs between Moddy and the backend",
        "one of the two was not restarted after the secret changed",
        "INTERNAL_SIGNING_SECRETS is set on one side only, or has no secret of the other",
        "white space or quotes became part of the secret on one side",
    ),
    Case.CONTRACT_BROKEN: (
        "BACKEND_INTERNAL_URL leads to another service, or to a proxy's page",
        "its path, or http:// against https://, is wrong (a redirect or 404 shows that)",
        "the backend is of a version with another contract",
    ),
    Case.UNAVAILABLE: (
        "the backend is starting, restarting or failing; its own logs say why",
        "it limits Moddy's requests (429)",
    ),
}
_CASE_OF_FAILURE = {
    Failure.NAME_NOT_RESOLVED: Case.NAME_NOT_RESOLVED,
    Failure.CONNECTION_REFUSED: Case.CONNECTION_REFUSED,
    Failure.TLS_FAILED: Case.TLS_FAILED,
    Failure.CONNECT_TIMEOUT: Case.TIMEOUT,
    Failure.TIMEOUT: Case.TIMEOUT,
    Failure.NOT_HTTP: Case.CONTRACT_BROKEN,
}
_NOT_THE_CONTRACT = (BackendContractBroken, BackendNotFound, BackendRefused)


class Diagnosis(Struct, frozen=True, kw_only=True):
    """The outcome of one test of the connection; nothing in it is secret.

    `url` is without user, password and query; `timeout` is in seconds; `secret_length` in
    characters, 0 when unset; `status` is the HTTP status, None without an answer; `milliseconds`
    is what the test took.
    """

    case: Case
    url: str
    timeout: float
    secret_length: int
    milliseconds: int
    found: str
    status: int | None = None

    @property
    def ok(self) -> bool:
        """Whether the backend answered as the contract says."""
        return self.case is Case.OK

    @property
    def causes(self) -> tuple[str, ...]:
        """What is likely behind the case, the likeliest first; empty on success."""
        return CAUSES[self.case]

    def lines(self) -> tuple[str, ...]:
        """Return the diagnosis for a log or a terminal, one fact per line."""
        return (
            f"Backend connection: {self.case.value} ({self.found}; {self.milliseconds} ms)",
            f"  URL: {self.url}",
            f"  timeout: {self.timeout:g} s",
            f"  secret: {self.secret_length} characters",
            *(f"  likely cause: {cause}" for cause in self.causes),
        )

    def __str__(self) -> str:
        return "\n".join(self.lines())


async def diagnose(caller: Caller, health: Endpoint[Any]) -> Diagnosis:
    """Call the `health` endpoint once and return what was met; raises nothing of its own."""
    started = time.monotonic()
    case, found, status = await _attempt(caller, health)
    return Diagnosis(
        case=case,
        url=_shown(caller.base_url),
        timeout=caller.seconds,
        secret_length=caller.secret_length,
        milliseconds=round((time.monotonic() - started) * 1000),
        found=found,
        status=status,
    )


async def _attempt(caller: Caller, health: Endpoint[Any]) -> tuple[Case, str, int | None]:
    try:
        headers = caller.headers()
    except BackendUnauthorized as error:
        return Case.SECRET_NOT_SET, str(error), None
    try:
        answer = await caller.send(health, headers)
        caller.read(health, answer)
    except ExchangeFailed as failed:
        case = _CASE_OF_FAILURE.get(failed.failure, Case.UNAVAILABLE)
        return case, failed.failure.value, None
    except BackendError as error:
        return _case_of_answer(error), str(error), error.status
    return Case.OK, "the backend answered as agreed", answer.status


def _case_of_answer(error: BackendError) -> Case:
    if isinstance(error, BackendUnauthorized):
        return Case.UNAUTHORIZED
    if isinstance(error, _NOT_THE_CONTRACT):
        return Case.CONTRACT_BROKEN
    return Case.UNAVAILABLE


def _shown(url: URL) -> str:
    """Return `url` without user, password, query and fragment."""
    return str(url.with_user(None).with_query(None).with_fragment(None))
