"""Screenshots as text: `PictureReader.read(picture)`."""

from tools.ocr.mend import Vocabulary
from tools.ocr.picture import is_picture
from tools.ocr.reader import PictureReader, PictureText

__all__ = ["PictureReader", "PictureText", "Vocabulary", "is_picture"]
