"""Canaries: texts that nobody may find anywhere but where they were put."""

from __future__ import annotations

import base64
import json
from collections.abc import Collection
from urllib.parse import quote

from msgspec import Struct


class Find(Struct, frozen=True):
    """A canary that got out: which, and around it what was found."""

    place: str
    text: str
    around: str


class Canaries:
    """Plants texts, and looks for them in what comes out."""

    def __init__(self) -> None:
        self._planted: dict[str, str] = {}

    def _plant(self, place: str, kind: str, text: str) -> str:
        self._planted[text] = f"{place} ({kind})"
        return text

    def secret(self, place: str) -> str:
        """Return a secret, of characters that any setting and header takes."""
        number = len(self._planted)
        return self._plant(place, "secret", f"canary-secret-{number:03}-{place.replace(' ', '-')}")

    def signing_secret(self, place: str) -> str:
        """Return a secret as Standard Webhooks has them."""
        return "whsec_" + base64.b64encode(self.secret(place).encode()).decode()

    def email(self, place: str) -> str:
        """Return somebody's address."""
        number = len(self._planted)
        return self._plant(place, "e-mail", f"canary.{number:03}@people.example")

    def phone(self, place: str) -> str:
        """Return somebody's number."""
        return self._plant(place, "phone", f"+33612{len(self._planted):06}")

    def words(self, place: str) -> str:
        """Return what somebody wrote: an address, a number and words."""
        number = len(self._planted)
        words = self._plant(place, "words", f"canary words {number:03}")
        return f"{words} {self.email(place)} {self.phone(place)}"

    def find(self, text: str, *, beside: Collection[str] = ()) -> list[Find]:
        """Return what of it is in a text, however it is spelt there.

        What was planted in the places `beside` may be there.
        """
        found = []
        for planted, place in self._planted.items():
            if place.rpartition(" (")[0] in beside:
                continue
            for spelling in spellings(planted):
                at = text.find(spelling)
                if at >= 0:
                    around = text[max(at - 200, 0) : at + len(spelling) + 80]
                    found.append(Find(place, planted, around))
                    break
        return found


def spellings(text: str) -> set[str]:
    """Return a text as it is, in JSON, in a repr(), in a URL, in hex and in base64."""
    raw = text.encode()
    return {
        text,
        json.dumps(text)[1:-1],
        repr(text)[1:-1],
        quote(text),
        quote(text, safe=""),
        raw.hex(),
        base64.b64encode(raw).decode().rstrip("="),
    }
