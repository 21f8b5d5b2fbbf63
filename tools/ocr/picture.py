"""Opens a picture that somebody sent: PNG or JPEG only, checked before a pixel of it is unpacked."""

from __future__ import annotations

import io
import struct
import warnings
import zlib
from typing import TYPE_CHECKING

from core.errors import InvalidInput

if TYPE_CHECKING:
    from PIL.Image import Image

PNG = b"\x89PNG\r\n\x1a\n"
JPEG = b"\xff\xd8\xff"
#: Names of files that are taken for pictures.
SUFFIXES = frozenset({".png", ".jpg", ".jpeg"})
MAX_BYTES = 10 * 1024 * 1024
#: A screenshot of three wide monitors has 25 million pixels; unpacked this takes 120 MB at most.
MAX_PIXELS = 40_000_000
MIN_SIDE, MAX_SIDE = 12, 30_000


def is_picture(head: bytes) -> bool:
    """Whether a file that begins like this is a PNG or a JPEG."""
    return head.startswith((PNG, JPEG))


def open_picture(body: bytes) -> Image:
    """The picture in RGB, on white where it was transparent; of an animation the first frame.

    Neither its metadata nor its orientation tag is looked at.

    Raises:
        InvalidInput: It is no PNG or JPEG, is broken, or unpacks to more than `MAX_PIXELS`.
    """
    from PIL import Image, UnidentifiedImageError

    if not is_picture(body):
        raise InvalidInput("It is neither a PNG nor a JPEG picture.")
    if len(body) > MAX_BYTES:
        raise InvalidInput(f"The picture has more than {MAX_BYTES // 1024 // 1024} MiB.")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            picture = Image.open(io.BytesIO(body), formats=("PNG", "JPEG"))
            _check_size(*picture.size)
            return _on_white(picture)
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise InvalidInput(_TOO_LARGE) from error
    # Pillow says what is wrong with a file in all these ways.
    except (
        UnidentifiedImageError,
        OSError,
        SyntaxError,
        ValueError,
        EOFError,
        struct.error,
        zlib.error,
    ) as e:
        raise InvalidInput("The picture is damaged and can't be opened.", hint="Take it again.") from e


_TOO_LARGE = f"The picture has more than {MAX_PIXELS // 1_000_000} million pixels."


def _check_size(width: int, height: int) -> None:
    if width * height > MAX_PIXELS:
        raise InvalidInput(_TOO_LARGE, hint="Cut out the part with the error.")
    if min(width, height) < MIN_SIDE or max(width, height) > MAX_SIDE:
        raise InvalidInput(f"A picture of {width} x {height} pixels can't be read as text.")


def _on_white(picture: Image) -> Image:
    from PIL import Image

    if "A" not in picture.getbands() and "transparency" not in picture.info:
        return picture.convert("RGB")
    above = picture.convert("RGBA")
    white = Image.new("RGBA", above.size, "white")
    return Image.alpha_composite(white, above).convert("RGB")
