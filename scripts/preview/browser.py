"""A preview page in Chromium without a window: what became of its charts, and a picture of it."""

import tempfile
from dataclasses import dataclass
from pathlib import Path

from playwright.sync_api import sync_playwright


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """What a preview page says of itself once its charts are drawn.

    Attributes:
        drawn: how many charts.
        refused: mermaid's words on those that it did not draw.
    """

    drawn: int
    refused: str


def show(html: str, *, chromium: str, width: int, picture: Path | None = None) -> Shown:
    """Open a preview page, wait for its charts, and take a picture of the whole if one is wanted.

    Args:
        html: the page.
        chromium: the browser's path.
        width: of the window in pixels.
        picture: the PNG to write.
    """
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        file = Path(folder) / "page.html"
        file.write_text(html, encoding="utf-8")
        browser = playwright.chromium.launch(executable_path=chromium)
        page = browser.new_page(viewport={"width": width, "height": 400})
        page.goto(file.as_uri())
        body = page.locator("body[data-drawn]")
        body.wait_for(state="attached", timeout=60_000)
        shown = Shown(
            drawn=int(body.get_attribute("data-drawn") or 0), refused=body.get_attribute("data-refused") or ""
        )
        if picture:
            page.screenshot(path=picture, full_page=True)
        browser.close()
    return shown
