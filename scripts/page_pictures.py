"""Write the pictures of the page for README and docs from a running product: `python scripts/page_pictures.py`.

Starts an installation of its own, asks the built-in model, and writes `docs/images/page.png`, `page-dark.png`,
`page-phone.png` and the animation `page-animation.png` (an animated PNG).
"""

import asyncio
import struct
import sys
import zlib
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from playwright.async_api import Page, expect  # noqa: E402 - the checkout is a path first

from tests.support.browser import browser_window  # noqa: E402
from tests.support.installation import Installation, running  # noqa: E402

IMAGES = ROOT / "docs" / "images"
FRAMES = 24
FRAME_MS = 250
LAST_FRAME_MS = 2_500
PATIENCE_MS = 60_000
_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_WITH_ALPHA = 6


def animate(pictures: Sequence[bytes]) -> bytes:
    """Join PNG files of one size into an animated PNG, in which each frame has the rows that changed."""
    header, first = decode(pictures[0])
    out = [_SIGNATURE, join_chunk(b"IHDR", header), join_chunk(b"acTL", struct.pack(">II", len(pictures), 0))]
    width = struct.unpack(">I", header[:4])[0]
    number, previous_rows = 0, first
    for index, picture in enumerate(pictures):
        rows = decode(picture)[1]
        changed = [row for row in range(len(rows)) if rows[row] != previous_rows[row]] or [0]
        top, bottom = (0, len(rows)) if index == 0 else (changed[0], changed[-1] + 1)
        delay_ms = LAST_FRAME_MS if index == len(pictures) - 1 else FRAME_MS
        control = struct.pack(">IIIIIHHBB", number, width, bottom - top, 0, top, delay_ms, 1_000, 0, 0)
        data = zlib.compress(b"".join(b"\0" + row for row in rows[top:bottom]), 9)
        out.append(join_chunk(b"fcTL", control))
        out.append(
            join_chunk(b"IDAT", data) if index == 0 else join_chunk(b"fdAT", struct.pack(">I", number + 1) + data)
        )
        number += 1 if index == 0 else 2
        previous_rows = rows
    return b"".join([*out, join_chunk(b"IEND", b"")])


def decode(picture: bytes) -> tuple[bytes, list[bytes]]:
    """Return the header and the rows of pixels of a PNG file with 8 bits for each channel."""
    chunks = split_chunks(picture)
    header = next(body for kind, body in chunks if kind == b"IHDR")
    width, height, _, colour = struct.unpack(">IIBB", header[:10])
    step = 4 if colour == _WITH_ALPHA else 3
    data = zlib.decompress(b"".join(body for kind, body in chunks if kind == b"IDAT"))
    rows: list[bytes] = []
    above = bytearray(width * step)
    for number in range(height):
        start = number * (width * step + 1)
        row = bytearray(data[start + 1 : start + 1 + width * step])
        unfilter(data[start], row, above, step)
        rows.append(bytes(row))
        above = row
    return header, rows


def unfilter(kind: int, row: bytearray, above: bytearray, step: int) -> None:
    """Undo the filter of a row of a PNG file in place."""
    for index in range(len(row)):
        left = row[index - step] if index >= step else 0
        corner = above[index - step] if index >= step else 0
        up = above[index]
        if kind == 1:
            guess = left
        elif kind == 2:  # noqa: PLR2004 - the numbers of the filters in the PNG specification
            guess = up
        elif kind == 3:  # noqa: PLR2004
            guess = (left + up) // 2
        elif kind == 4:  # noqa: PLR2004
            guess = min((left, up, corner), key=lambda each: abs(left + up - corner - each))
        else:
            return
        row[index] = (row[index] + guess) & 0xFF


def split_chunks(picture: bytes) -> list[tuple[bytes, bytes]]:
    """Return the kinds and bodies of a PNG file's chunks."""
    chunks: list[tuple[bytes, bytes]] = []
    position = len(_SIGNATURE)
    while position < len(picture):
        (length,) = struct.unpack_from(">I", picture, position)
        kind = picture[position + 4 : position + 8]
        chunks.append((kind, picture[position + 8 : position + 8 + length]))
        position += length + 12
    return chunks


def join_chunk(kind: bytes, body: bytes) -> bytes:
    """Return a chunk with its length and checksum."""
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


async def ask(page: Page, text: str) -> None:
    """Ask the chosen agent, and wait until the answer is complete."""
    await page.locator("#text").fill(text)
    await page.keyboard.press("Enter")
    answer = page.locator(".message.ASSISTANT").last
    await expect(answer).to_have_attribute("data-status", "COMPLETE", timeout=PATIENCE_MS)


async def record(page: Page) -> list[bytes]:
    """Take pictures while an answer streams."""
    await page.locator("#text").fill("Write a story of 60 words about the sea.")
    await page.keyboard.press("Enter")
    pictures: list[bytes] = []
    for _ in range(FRAMES):
        pictures.append(await page.screenshot())
        await page.wait_for_timeout(FRAME_MS / 2)
    return pictures


async def take(port: int) -> None:
    """Take all pictures."""
    async with browser_window(port, width=760, height=480) as window:
        await window.page.goto("/")
        await expect(window.page.locator("#agent")).to_be_enabled(timeout=PATIENCE_MS)
        await ask(window.page, "What is 12 * 34?")
        (IMAGES / "page-animation.png").write_bytes(animate(await record(window.page)))
    async with browser_window(port) as window:
        page = window.page
        await page.goto("/")
        await expect(page.locator("#agent")).to_be_enabled(timeout=PATIENCE_MS)
        await ask(page, "What is 12 * 34?")
        await page.locator(".tool summary").click()
        await page.locator(".preferences summary").click()
        await page.get_by_role("button", name="Developer view").click()
        await page.locator(".preferences summary").click()
        await page.screenshot(path=IMAGES / "page.png")
        await page.emulate_media(color_scheme="dark")
        await page.screenshot(path=IMAGES / "page-dark.png")
        await page.emulate_media(color_scheme="light")
        await page.locator("#developer").get_by_role("button", name="Close").click()
        await page.set_viewport_size({"width": 390, "height": 780})
        await page.screenshot(path=IMAGES / "page-phone.png")


def main() -> None:
    """Start an installation and take the pictures."""
    with TemporaryDirectory() as folder, running(Installation(Path(folder) / "state")) as installation:
        asyncio.run(take(installation.port))


if __name__ == "__main__":
    main()
