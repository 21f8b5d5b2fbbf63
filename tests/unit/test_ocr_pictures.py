"""Which pictures are opened at all."""

from __future__ import annotations

import io
import struct
import zlib

import pytest
from PIL import Image

from core.errors import InvalidInput
from tools.ocr.picture import MAX_PIXELS, is_picture, open_picture


def encoded(picture: Image.Image, kind: str = "PNG", **options: object) -> bytes:
    out = io.BytesIO()
    picture.save(out, kind, **options)
    return out.getvalue()


def bomb(width: int, height: int) -> bytes:
    """A PNG of a few hundred bytes that says it is huge, as bombs do."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    data = zlib.compress(b"\0" * 4096)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", data) + chunk(b"IEND", b"")


def test_pngs_and_jpegs_are_opened_as_rgb() -> None:
    grey = Image.new("L", (40, 30), 200)
    assert open_picture(encoded(grey)).mode == "RGB"
    assert open_picture(encoded(grey, "JPEG")).size == (40, 30)
    assert not is_picture(encoded(grey, "GIF"))


def test_what_is_transparent_stands_on_white() -> None:
    clear = Image.new("RGBA", (40, 30), (0, 0, 0, 0))
    assert open_picture(encoded(clear)).getpixel((5, 5)) == (255, 255, 255)
    palette = Image.new("P", (40, 30), 0)
    assert open_picture(encoded(palette, transparency=0)).getpixel((5, 5)) == (255, 255, 255)


def test_the_orientation_that_metadata_claims_is_ignored() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # turned by 90 degrees
    assert open_picture(encoded(Image.new("RGB", (60, 30)), "JPEG", exif=exif)).size == (60, 30)


@pytest.mark.parametrize(("width", "height"), [(20_000, 20_000), (65_000, 65_000), (40_000, 20), (5, 400)])
def test_bombs_and_slivers_are_refused_by_their_header(width: int, height: int) -> None:
    with pytest.raises(InvalidInput):
        open_picture(bomb(width, height))


def test_the_pixels_of_a_bomb_within_the_limit_are_missing() -> None:
    with pytest.raises(InvalidInput, match="damaged"):
        open_picture(bomb(6000, MAX_PIXELS // 6000 - 1))


@pytest.mark.parametrize("kind", ["PNG", "JPEG"])
def test_damaged_pictures_are_refused(kind: str) -> None:
    body = encoded(Image.effect_noise((200, 200), 50), kind)
    for broken in (body[:20], body[: len(body) // 2], body[:8] + b"\0" * 400):
        with pytest.raises(InvalidInput):
            open_picture(broken)


@pytest.mark.parametrize("body", [b"", b"GIF89a....", b"%PDF-1.7", b"BM....", b"\x89PNG", b"<svg/>"])
def test_other_kinds_are_refused(body: bytes) -> None:
    with pytest.raises(InvalidInput):
        open_picture(body)
