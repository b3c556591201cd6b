"""Sending a body, right or wrong, and reading a refusal."""

from __future__ import annotations

from typing import Any

from tests.web.api import SECRET, Api
from tests.web.raw import RawResponse, exchange, request

NOTIFY: dict[str, Any] = {"discord_id": "42", "action": "plan_upgraded"}
ROLES: dict[str, Any] = {"discord_id": "42", "plan": "x", "add_roles": ["11"]}
ENDPOINTS = [("/internal/notify", NOTIFY), ("/internal/roles/update", ROLES)]


async def send(
    api: Api, body: bytes, *headers: bytes, path: str = "/internal/notify"
) -> RawResponse:
    """Send a body; says that it is JSON unless a header says otherwise."""
    if not any(header.lower().startswith(b"content-type") for header in headers):
        headers = (*headers, b"Content-Type: application/json")
    length = f"Content-Length: {len(body)}".encode()
    data = request("POST", path, *headers, length, secret=SECRET)
    return await exchange(api.port, data + body)


def refused(response: RawResponse, status: int, field: str | None = None) -> bool:
    """Tell whether an answer is a refusal in the contract's form."""
    body = response.json()
    assert isinstance(body, dict)
    assert response.headers["content-type"] == "application/json"
    assert isinstance(body["error"], str)
    assert set(body) == ({"error"} if field is None else {"error", "field"})
    return response.status == status and body.get("field") == field
