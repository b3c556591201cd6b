"""Signatures: what is accepted, what is refused, and that any other implementation agrees."""

from __future__ import annotations

import base64
import itertools
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from standardwebhooks import Webhook

from moddy.errors import SignatureRefused
from moddy.signing import ID, SIGNATURE, TIMESTAMP, Signer

OLD = "whsec_" + base64.b64encode(b"the old secret of this test").decode()
NEW = base64.b64encode(b"the new secret of this test").decode()
BODY = '{"discord_id":"1","plan":"é"}'.encode()


def test_another_implementation_verifies_what_is_signed() -> None:
    headers = Signer([NEW]).headers("msg_1", BODY)
    assert Webhook(NEW).verify(BODY, headers) == {"discord_id": "1", "plan": "é"}


def test_what_another_implementation_signs_is_verified() -> None:
    now = datetime.now(UTC)
    headers = {
        "webhook-id": "msg_1",
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": Webhook(OLD).sign("msg_1", now, BODY.decode()),
    }
    assert Signer([NEW, OLD]).verify(headers, BODY) == "msg_1"


def test_rotation_has_no_pause() -> None:
    """Either side may be the first to know the new secret, or the last to know the old one."""
    sides = [Signer([OLD]), Signer([OLD, NEW]), Signer([NEW])]
    for one, other in itertools.pairwise(sides):
        assert other.verify(one.headers("a", BODY), BODY) == "a"
        assert one.verify(other.headers("b", BODY), BODY) == "b"
    with pytest.raises(SignatureRefused):
        sides[0].verify(sides[2].headers("c", BODY), BODY)


@pytest.mark.parametrize("name", [ID, TIMESTAMP, SIGNATURE])
@pytest.mark.parametrize("value", [None, "", "x", "nan", "v1,", "v1,é", "v2,abcd"])
def test_headers_that_are_missing_or_wrong(name: str, value: str | None) -> None:
    headers: dict[str, str] = Signer([NEW]).headers("msg_1", BODY)
    headers |= {name: value} if value is not None else {}
    if value is None:
        del headers[name]
    with pytest.raises(SignatureRefused):
        Signer([NEW]).verify(headers, BODY)


@pytest.mark.parametrize(
    ("minutes", "accepted"), [(-6, False), (-4, True), (0, True), (4, True), (6, False)]
)
def test_tolerance(minutes: int, accepted: bool) -> None:
    moment = datetime.now(UTC) + timedelta(minutes=minutes)
    headers = {
        ID: "msg_1",
        TIMESTAMP: str(int(moment.timestamp())),
        SIGNATURE: Webhook(NEW).sign("msg_1", moment, BODY.decode()),
    }
    if accepted:
        assert Signer([NEW]).verify(headers, BODY) == "msg_1"
    else:
        with pytest.raises(SignatureRefused, match="timestamp"):
            Signer([NEW]).verify(headers, BODY)


@given(
    st.dictionaries(st.sampled_from([ID, TIMESTAMP, SIGNATURE]), st.text(max_size=40)),
    st.binary(max_size=40),
)
def test_nothing_else_is_accepted_and_nothing_else_is_raised(
    headers: Mapping[str, str], body: bytes
) -> None:
    with pytest.raises(SignatureRefused):
        Signer([NEW, OLD]).verify(headers, body)


@pytest.mark.parametrize(
    "secrets", [[], [""], ["whsec_"], ["é"], ["c2hvcnQ="], [f"{NEW} "], [NEW, ""]]
)
def test_secrets_that_are_none(secrets: list[str]) -> None:
    with pytest.raises(ValueError):
        Signer(secrets)
