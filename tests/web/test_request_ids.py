"""Request ids: on every answer, and on every log line that the request caused."""

from __future__ import annotations

import re

from tests.web.api import SECRET, Api
from tests.web.conftest import Log
from tests.web.raw import exchange, request

NEW = re.compile(r"[0-9a-f]{32}")
BODY = {"discord_id": "42", "action": "plan_upgraded"}


async def test_every_answer_has_an_id(lite: Api) -> None:
    async def ask(
        *headers: bytes, method: str = "GET", path: str = "/", secret: str | None = None
    ) -> str:
        response = await exchange(lite.port, request(method, path, *headers, secret=secret))
        statuses.add(response.status)
        return response.headers["x-request-id"]

    statuses: set[int] = set()
    mine = b"X-Request-ID: Abc-1_2.3"
    for path in ("/", "/nowhere", "/internal/health", "/internal/nowhere", "/internal/notify"):
        for method in ("GET", "POST"):
            for secret in (SECRET, "wrong"):
                assert await ask(mine, method=method, path=path, secret=secret) == "Abc-1_2.3"
                first = await ask(method=method, path=path, secret=secret)
                second = await ask(method=method, path=path, secret=secret)
                assert NEW.fullmatch(first)
                assert NEW.fullmatch(second)
                assert first != second
            assert await ask(mine, method=method, path=path) == "Abc-1_2.3"
    assert statuses == {200, 401, 403, 404, 405, 415}


GOOD = [b"a", b"Z" * 64, b"-._", b"0"]
BAD = [b"", b"x" * 65, b"a b", b"a\xc3\xa9", b"a/b", b"a,b", b"{}", b"\xff", b"a\tb", b"%0a"]


async def test_a_valid_id_is_kept_and_another_replaced(lite: Api) -> None:
    for good in GOOD:
        response = await exchange(lite.port, request("GET", "/", b"X-Request-ID: " + good))
        assert response.headers["x-request-id"] == good.decode()
    for bad in BAD:
        response = await exchange(lite.port, request("GET", "/", b"X-Request-ID: " + bad))
        assert response.status == 200
        assert NEW.fullmatch(response.headers["x-request-id"])


async def test_the_log_lines_of_a_request_carry_its_id(api: Api, log: Log) -> None:
    response = await api.notify(BODY, {"X-Request-ID": "from-the-backend"})
    assert response.headers["X-Request-ID"] == "from-the-backend"
    (line,) = log.lines(message="request", request_id="from-the-backend")
    assert (line["method"], line["route"], line["status"]) == ("POST", "/internal/notify", 200)
    (line,) = log.lines(message="delivery attempted", request_id="from-the-backend")
    assert (line["state"], line["tries"]) == ("delivered", 1)
    refused = await api.notify({}, {"X-Request-ID": "refused"})
    assert refused.status_code == 422
    (line,) = log.lines(request_id="refused")
    assert line["status"] == 422
    (row,) = await api.rows()
    assert row["request_id"] == "from-the-backend"


async def test_the_answer_does_not_say_what_serves_it(lite: Api) -> None:
    for path in ("/", "/nowhere", "/internal/health"):
        assert (await lite.client.get(path)).headers["Server"] == "Moddy"
