"""Bad fields: of a wrong type, missing, or out of range; each is named by its place."""

from __future__ import annotations

from typing import Any

import msgspec

from tests.web.api import Api
from tests.web.posting import ENDPOINTS, NOTIFY, ROLES, refused, send

FIELDS: list[tuple[str, dict[str, Any], str]] = [
    ("/internal/notify", {"action": None}, "$.action"),
    ("/internal/notify", {"action": "unheard_of"}, "$.action"),
    ("/internal/notify", {"action": "PLAN_UPGRADED"}, "$.action"),
    ("/internal/notify", {"action": ""}, "$.action"),
    ("/internal/notify", {"action": ["plan_upgraded"]}, "$.action"),
    ("/internal/notify", {"plan": 1}, "$.plan"),
    ("/internal/notify", {"plan": ["x"]}, "$.plan"),
    ("/internal/notify", {"metadata": []}, "$.metadata"),
    ("/internal/notify", {"metadata": "{}"}, "$.metadata"),
    ("/internal/notify", {"metadata": 0}, "$.metadata"),
    ("/internal/roles/update", {"plan": None}, "$.plan"),
    ("/internal/roles/update", {"plan": 1}, "$.plan"),
    ("/internal/roles/update", {"add_roles": "11"}, "$.add_roles"),
    ("/internal/roles/update", {"add_roles": ["11", 11]}, "$.add_roles[1]"),
    ("/internal/roles/update", {"remove_roles": {}}, "$.remove_roles"),
    ("/internal/roles/update", {"remove_roles": [None]}, "$.remove_roles[0]"),
    ("/internal/roles/update", {"remove_roles": ["11"]}, "$.remove_roles"),
]
BAD_IDS: list[Any] = [
    42, 42.0, None, True, [], {}, "", " ", "0", "00", "-1", "+1", "1 ", " 1", "1.0", "1e3", "0x1",
    "18446744073709551616", "000000000000000000001", "x", "4\u00002", "\u0000",
    "42\n", "\u0664\u0662", "\uff14\uff12",
]  # fmt: skip


async def test_a_wrong_value_is_named_by_its_place(lite: Api) -> None:
    bodies = dict(ENDPOINTS)
    cases = list(FIELDS)
    for path in bodies:
        cases += [(path, {"discord_id": bad}, "$.discord_id") for bad in BAD_IDS]
    cases += [("/internal/roles/update", {"add_roles": [bad]}, "$.add_roles[0]") for bad in BAD_IDS]
    for path, wrong, field in cases:
        body = msgspec.json.encode(bodies[path] | wrong)
        assert refused(await send(lite, body, path=path), 422, field), (path, wrong)
    for path, body_without in ENDPOINTS:
        for name in body_without:
            if name == "add_roles":
                continue
            rest = dict(body_without)
            del rest[name]
            response = await send(lite, msgspec.json.encode(rest), path=path)
            assert refused(response, 422, f"$.{name}")
        for other in (b"[]", b"null", b"1", b'"x"', b"true", b"[{}]"):
            assert refused(await send(lite, other, path=path), 422, "$")
    assert not await lite.rows()


async def test_an_error_never_repeats_a_value(lite: Api) -> None:
    for path, body in ENDPOINTS:
        for name in ("discord_id", "action", "plan", "metadata", "add_roles", "remove_roles"):
            for value in ("planted", ["planted"], {"planted": "planted"}, "planted\u0000"):
                wrong = msgspec.json.encode(body | {name: value})
                response = await send(lite, wrong, path=path)
                assert b"planted" not in response.body


async def test_zero_characters_are_kept_out_of_no_store(api: Api) -> None:
    """PostgreSQL takes no U+0000 in text."""
    zero = "a\u0000b"
    keys = ["message", "old_plan", "new_plan", "currency", "subscription_type", "email", "phone"]
    keys += ["canceled_at", "current_period_end", "customer_id", zero]
    metadata = dict.fromkeys(keys, zero) | {"changes": [zero, "\u0000"]}
    response = await api.notify(NOTIFY | {"plan": zero, "metadata": metadata})
    assert (response.status_code, response.json()["notification_sent"]) == (200, True)
    assert (await api.notify({zero: zero} | NOTIFY)).status_code == 200
    assert (await api.notify(NOTIFY | {"metadata": {"event_id": zero}})).status_code == 422
    assert (await api.notify(NOTIFY | {"action": zero})).status_code == 422
    api.roles.add_member("42")
    assert (await api.update_roles({"discord_id": "42", "plan": zero})).status_code == 200
    assert (await api.update_roles(ROLES | {"add_roles": [zero]})).status_code == 422
    assert len(await api.rows()) == 3


async def test_unknown_fields_are_ignored(api: Api) -> None:
    api.roles.add_member("42")
    api.roles.add_role("11")
    extra = {"unknown": {"a": [1, None]}, "Action": 1, "": 2, "😀": 3}
    assert (await api.notify(NOTIFY | extra)).status_code == 200
    assert (await api.update_roles(ROLES | extra)).status_code == 200
