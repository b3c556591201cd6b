"""The website backend over HTTP: `BackendClient` implements `moddy.ports.Backend`."""

from moddy.backend.answers import is_outage
from moddy.backend.client import BackendClient, open_backend_client, open_session
from moddy.backend.diagnosis import Case, Diagnosis
from moddy.backend.retries import RetryPolicy

__all__ = [
    "BackendClient",
    "Case",
    "Diagnosis",
    "RetryPolicy",
    "is_outage",
    "open_backend_client",
    "open_session",
]
