"""The website backend over HTTP: `BackendClient` implements `moddy.ports.Backend`."""

from moddy.backend.client import BackendClient, open_backend_client, open_session
from moddy.backend.diagnosis import Case, Diagnosis
from moddy.backend.retries import RetryPolicy

__all__ = [
    "BackendClient",
    "Case",
    "Diagnosis",
    "RetryPolicy",
    "open_backend_client",
    "open_session",
]
