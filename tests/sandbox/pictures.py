"""Pictures for the documents: small PNGs, written when `UPDATE_PICTURES` says so."""

from __future__ import annotations

import os
from collections.abc import Sequence
from io import BytesIO
from pathlib import Path

from PIL import Image

DOCS = Path(__file__).parents[2] / "docs"
GAP = 12  # pixels
BACKGROUND = "#8a8f98"
# Enough for the few colours of a page; a picture for a document stays well below 150 kB.
COLOURS = 128


def updates() -> bool:
    """Tell whether the pictures in ``docs/`` are to be written anew."""
    return bool(os.environ.get("UPDATE_PICTURES"))


def side_by_side(shots: Sequence[bytes]) -> bytes:
    """Return PNG screenshots next to each other as one PNG."""
    images = [Image.open(BytesIO(shot)).convert("RGB") for shot in shots]
    width = sum(image.width for image in images) + GAP * (len(images) - 1)
    whole = Image.new("RGB", (width, max(image.height for image in images)), BACKGROUND)
    left = 0
    for image in images:
        whole.paste(image, (left, 0))
        left += image.width + GAP
    return _small(whole)


def one_above_another(shots: Sequence[bytes]) -> bytes:
    """Return PNG screenshots one above another as one PNG."""
    images = [Image.open(BytesIO(shot)).convert("RGB") for shot in shots]
    height = sum(image.height for image in images) + GAP * (len(images) - 1)
    whole = Image.new("RGB", (max(image.width for image in images), height), BACKGROUND)
    top = 0
    for image in images:
        whole.paste(image, (0, top))
        top += image.height + GAP
    return _small(whole)


def write_small(picture: bytes, name: str) -> None:
    """Write a PNG into ``docs/``."""
    (DOCS / name).write_bytes(_small(Image.open(BytesIO(picture)).convert("RGB")))


def _small(image: Image.Image) -> bytes:
    target = BytesIO()
    image.quantize(COLOURS, dither=Image.Dither.NONE).save(target, "PNG", optimize=True)
    return target.getvalue()
