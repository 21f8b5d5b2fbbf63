"""Screenshots of terminals and browsers, drawn for the tests."""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

_FONTS = Path("/usr/share/fonts/truetype")
WIDTH = 1100


@dataclass(frozen=True)
class Look:
    """How a screenshot looks. A `font` that this machine lacks is replaced by the one that pillow brings."""

    font: str = ""
    size: int = 14
    ink: str = "black"
    paper: str = "white"
    quality: int | None = None  # of a JPEG; None is a PNG


LOOKS = {
    "dark": Look("dejavu/DejaVuSansMono.ttf", 14, "#d4d4d4", "#1e1e1e"),
    "small": Look("liberation/LiberationMono-Regular.ttf", 12),
    "red_jpeg": Look("noto/NotoSansMono-Regular.ttf", 13, "#aa0000", "#fff5f5", 70),
    "browser": Look("dejavu/DejaVuSans.ttf", 13, "#222222", "#ffffff", 85),
    "terminal": Look("liberation/LiberationMono-Regular.ttf", 16, "#00ff66", "black", 40),
    "plain": Look("", 15),
}


def screenshot(text: str, look: Look | None = None, *, width: int = WIDTH) -> bytes:
    """A PNG or JPEG of a text, its long lines wrapped as a terminal wraps them."""
    look = look or Look()
    path = _FONTS / look.font
    font = (
        ImageFont.truetype(str(path), look.size)
        if look.font and path.is_file()
        else ImageFont.load_default(look.size)
    )
    columns = max(20, int((width - 20) // font.getlength("n")))
    lines = [
        line[at : at + columns]
        for line in text.expandtabs(4).splitlines()
        for at in range(0, len(line) or 1, columns)
    ]
    height = int(look.size * 1.35)
    picture = Image.new("RGB", (width, height * len(lines) + 20), look.paper)
    pen = ImageDraw.Draw(picture)
    for number, line in enumerate(lines):
        pen.text((10, 10 + number * height), line, font=font, fill=look.ink)
    out = io.BytesIO()
    if look.quality is None:
        picture.save(out, "PNG")
    else:
        picture.save(out, "JPEG", quality=look.quality)
    return out.getvalue()
