"""Takes pictures of messages on SimCord's page, and looks whether they are fit to be seen."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

from msgspec import Struct, convert
from playwright.async_api import Locator, Page, expect

ROOT = Path(__file__).parents[2]
# Not in git. `make pictures` names it; without it, messages are looked at and no picture is kept.
FOLDER = "PICTURES"
SOON_MS = 10_000
LOADING_MS = 3_000
# What a container of components is as wide as: Discord's most, and what a phone leaves it.
WIDE, NARROW = 600, 300
# A heading alone is higher than that; nobody reads what is higher than this.
MIN_HEIGHT, MAX_HEIGHT = 60, 1600
# What SimCord's page gives a container that has no colour of its own.
NO_ACCENT = "rgb(88, 101, 242)"
# Markdown that was to become something else.
_UNRENDERED = re.compile(r"\*\*|<t:|<[@#]|^-# |^#+ |\\[*_~`|<>@#\[\]()\\]", re.MULTILINE)
# The page fills its images in one by one.
_LOADED = """
async (message, patience) => {
  const images = () => [...message.querySelectorAll("img")];
  const end = performance.now() + patience;
  while (images().some((one) => one.naturalWidth === 0) && performance.now() < end) {
    await new Promise((go) => setTimeout(go, 20));
  }
}
"""
_MEASURE = """
(message, narrow) => {
  const box = message.querySelector(".component-container");
  const all = () => [box, ...box.querySelectorAll("*")];
  const visible = (one) => one.getClientRects().length > 0;
  const named = (one) => `${one.className || one.tagName}: ${one.textContent.slice(0, 60)}`;
  const wider = () => {
    const right = box.getBoundingClientRect().right + 1;
    return all().filter(visible).filter((one) => {
      const style = getComputedStyle(one);
      const scrolls = one.clientWidth > 0 && one.scrollWidth > one.clientWidth + 1;
      const hidden = style.position === "absolute" || style.textOverflow === "ellipsis";
      return (scrolls && !hidden) || one.getBoundingClientRect().right > right;
    }).map(named);
  };
  const size = box.getBoundingClientRect();
  const style = getComputedStyle(box);
  const found = {
    width: size.width, height: size.height, text: box.innerText,
    accent: parseFloat(style.borderLeftWidth) > 0 ? style.borderLeftColor : null,
    wider: wider(),
    missing: [
      ...[...message.querySelectorAll("img")]
        .filter((one) => !one.complete || one.naturalWidth === 0),
      ...message.querySelectorAll("[class*=unavailable], [class*=fallback]"),
    ].map(named),
    empty: [...box.querySelectorAll(".text-display, .section-text, .component-row")]
      .filter((one) => one.getBoundingClientRect().height < 8).map(named),
  };
  const parent = box.parentElement;
  parent.style.width = `${narrow}px`;
  found.wider_on_a_phone = wider();
  parent.style.width = "";
  return found;
}
"""


class Look(Struct, frozen=True):
    """What there is to see of a message; sizes in CSS pixels."""

    width: float
    height: float
    text: str
    accent: str | None
    wider: list[str]
    wider_on_a_phone: list[str]
    missing: list[str]
    empty: list[str]

    def faults(self, *, literal: str = "") -> dict[str, list[str]]:
        """Return what is wrong with it, and where; `literal` is shown as it was written."""
        text = self.text.replace(literal, "") if literal else self.text
        found = {
            "wider than its box": self.wider,
            "wider than its box on a phone": self.wider_on_a_phone,
            "an image is missing": self.missing,
            "an empty block": self.empty,
            "markdown that was not rendered": _UNRENDERED.findall(text),
            "no coloured bar": [] if self.accent not in {None, NO_ACCENT} else [""],
            f"{self.width} pixels wide": [] if 200 <= self.width <= WIDE else [""],
            f"{self.height} pixels high": [] if MIN_HEIGHT <= self.height <= MAX_HEIGHT else [""],
        }
        return {fault: where for fault, where in found.items() if where}


class Gallery:
    """A page that shows one channel; messages are found on it by their ids."""

    def __init__(self, page: Page) -> None:
        self.page = page

    async def refresh(self) -> None:
        """Have the page show what has come."""
        await self.page.locator("#refresh").click()

    async def find(self, message_id: int) -> Locator:
        """Return a message, once the page shows it."""
        message = self.page.locator(f'article[data-message-id="{message_id}"]')
        await expect(message.locator(".component-container")).to_be_visible(timeout=SOON_MS)
        return message

    async def look(self, message: Locator) -> Look:
        """Return what there is to see of a message."""
        await _until_loaded(message)
        return convert(await message.evaluate(_MEASURE, NARROW), Look)

    async def keep(self, message: Locator, name: str) -> None:
        """Take a picture of a message into the folder that `PICTURES` names, if it does."""
        folder = os.environ.get(FOLDER)
        if folder:
            target = ROOT / folder / f"{name.replace(' ', '-')}.png"
            target.parent.mkdir(parents=True, exist_ok=True)
            await message.screenshot(animations="disabled", path=target)

    async def complaints(self) -> list[Any]:
        """Return what SimCord's page says that it could not show."""
        status = await self.page.evaluate("() => window.simcordPreview")
        return [one for one in status["diagnostics"] if one.get("severity") != "info"]


async def _until_loaded(message: Locator) -> None:
    """Return once each image of a message is there, or is not to be had within seconds."""
    await message.evaluate(_LOADED, LOADING_MS)
