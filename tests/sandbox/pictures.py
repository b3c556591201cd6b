"""Pictures for the documents."""

from __future__ import annotations

from collections.abc import Sequence
from io import BytesIO
from pathlib import Path

from PIL import Image

GAP = 12  # pixels


def side_by_side(shots: Sequence[bytes], target: Path) -> None:
    """Write PNG screenshots next to each other as one PNG."""
    images = [Image.open(BytesIO(shot)).convert("RGB") for shot in shots]
    width = sum(image.width for image in images) + GAP * (len(images) - 1)
    whole = Image.new("RGB", (width, max(image.height for image in images)), "#8a8f98")
    left = 0
    for image in images:
        whole.paste(image, (left, 0))
        left += image.width + GAP
    target.parent.mkdir(parents=True, exist_ok=True)
    whole.save(target, optimize=True)
