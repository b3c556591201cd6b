"""Ids of deliveries."""

from __future__ import annotations

import re
import time

from moddy.services.intake import new_delivery_id


def test_ids_differ_and_fit_a_nonce() -> None:
    ids = [new_delivery_id() for _ in range(10_000)]
    assert len(set(ids)) == len(ids)
    assert all(re.fullmatch(r"[0-9a-f]{24}", one) for one in ids)


def test_later_ids_come_later() -> None:
    ids = []
    for _ in range(3):
        ids.append(new_delivery_id())
        time.sleep(0.002)
    assert ids == sorted(ids)
