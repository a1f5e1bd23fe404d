"""A picture that somebody sent (PNG, JPEG, GIF, WebP, BMP, TIFF) → the text in it, by Tesseract.

Pillow (MIT-CMU) opens these kinds alone, and none of more than MOST_OPENED pixels. A picture is turned as its
camera says, laid on white, made dark on light, and brought to a size at which Tesseract reads best: screens
have letters of half the height of a scan's. Of a TIFF all pages are read, within the rules' time.
"""

# pyright: reportUnknownMemberType=false
from __future__ import annotations

import io
from collections.abc import Iterator

from PIL import Image, ImageOps, ImageStat

from core.phrases import mark
from core.records import Section
from pages.fetched import PageUnreadable
from pages.parse.extracted import Extracted
from pages.parse.ocr import MOST_PIXELS, OcrReader, OcrText, open_reader

MOST_OPENED = 60_000_000
"""Most pixels of a picture that is opened at all."""
_FORMATS = ("PNG", "JPEG", "GIF", "WEBP", "BMP", "TIFF")
_SMALL = 1_800
"""Longest edge of a picture that is enlarged, pixels."""
_DARK = 110
"""Mean brightness, 0 to 255, below which letters are taken to be light on dark."""
OFF = mark(
    "I cannot read pictures: reading their text is not switched on here. Please type what it "
    "says, or send the file that it was taken from."
)
TOO_LARGE = mark("That picture is too large to be read; please send a part of it.")
DAMAGED = mark("That picture is damaged, or of a kind that I cannot open.")
NO_TEXT = mark(
    "I found no text in that picture. Please send one with larger and sharper letters, or type what it says."
)


def read_picture(body: bytes) -> Extracted:
    """Return the text in a picture. Raises PageUnreadable."""
    reader = open_reader()
    if reader is None:
        raise PageUnreadable(OFF)
    try:
        found = list(_read_all(body, reader))
    except Image.DecompressionBombError:
        raise PageUnreadable(TOO_LARGE) from None
    except (OSError, ValueError, SyntaxError, EOFError):
        raise PageUnreadable(DAMAGED) from None
    finally:
        reader.close()
    if not found:
        raise PageUnreadable(NO_TEXT)
    sections = tuple(Section("", "", one.text) for one in found)
    sure = min(one.sure for one in found)
    said = f"The text of the picture was recognised; it may have mistakes ({sure} % sure)."
    return Extracted("", sections, left_out=(said,))


def _read_all(body: bytes, reader: OcrReader) -> Iterator[OcrText]:
    """Yield the text of each page of a picture that has any."""
    with Image.open(io.BytesIO(body), formats=_FORMATS) as picture:
        pages = getattr(picture, "n_frames", 1) if picture.format == "TIFF" else 1
        for number in range(pages):
            if not reader.has_time():
                return
            picture.seek(number)
            if picture.width * picture.height > MOST_OPENED:
                raise Image.DecompressionBombError
            prepared = _prepare(picture)
            found = reader.read(prepared.tobytes(), prepared.width, prepared.height)
            if found is not None:
                yield found


def _prepare(picture: Image.Image) -> Image.Image:
    """Return a picture as Tesseract reads it best: upright, grey, dark on light, of a good size."""
    upright = ImageOps.exif_transpose(picture)
    if upright.has_transparency_data:
        coloured = upright.convert("RGBA")
        ground = Image.new("RGBA", coloured.size, "white")
        ground.alpha_composite(coloured)
        upright = ground
    grey = upright.convert("L")
    if ImageStat.Stat(grey).mean[0] < _DARK:
        grey = ImageOps.invert(grey)
    scale = min(2.0 if max(grey.size) <= _SMALL else 1.0, (MOST_PIXELS / (grey.width * grey.height)) ** 0.5)
    size = (max(1, int(grey.width * scale)), max(1, int(grey.height * scale)))
    return grey if size == grey.size else grey.resize(size, Image.Resampling.LANCZOS)
