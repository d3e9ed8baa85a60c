"""`python -m tests.report.pictures`: the HTML report in `docs/images/`, light and dark."""

import tempfile
from pathlib import Path

from entrypoint.report.render import render_html
from tests.browser import chromium
from tests.report.pages import slower

_IMAGES = Path(__file__).parents[2] / "docs/images"
_SIZE = {"width": 1280, "height": 1420}


def main() -> None:
    """The upper part of the page of a regression."""
    _IMAGES.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder, chromium() as browser:
        file = Path(folder) / "report.html"
        file.write_text(render_html(slower()), encoding="utf-8")
        for scheme in ("light", "dark"):
            page = browser.new_page(viewport=_SIZE, color_scheme=scheme, reduced_motion="reduce")
            page.goto(file.as_uri())
            page.locator(".canvas svg").first.wait_for()
            page.screenshot(path=_IMAGES / f"report-{scheme}.png")


if __name__ == "__main__":
    main()
