"""`python -m scripts.preview results/comment.md`: the file as GitHub shows it, in light and dark, as pictures beside it."""

import argparse
import subprocess
import sys
from pathlib import Path

from scripts.preview.browser import show
from scripts.preview.page import page
from tests.browser import NAMES, chromium_path


def main() -> int:
    """Draw each file twice. 1 if a chart could not be drawn."""
    parser = argparse.ArgumentParser(prog="python -m scripts.preview", description=__doc__)
    parser.add_argument("files", nargs="+", type=Path, help="Markdown files")
    parser.add_argument("--out", type=Path, help="where the pictures go; beside each file if not given")
    parser.add_argument("--unfold", action="store_true", help="open what is folded")
    parser.add_argument("--width", type=int, default=960, help="of the pictures in pixels")
    asked = parser.parse_args()
    chromium = chromium_path()
    if chromium is None:
        sys.exit(f"none of {', '.join(NAMES)} is on PATH; Debian's package is called chromium")
    subprocess.run([Path(__file__).with_name("run"), "true"], check=True)
    refused = ""
    for file in asked.files:
        for scheme in ("light", "dark"):
            picture = (asked.out or file.parent) / f"{file.stem}-{scheme}.png"
            picture.parent.mkdir(parents=True, exist_ok=True)
            html = page(file.read_text(encoding="utf-8"), scheme=scheme, unfold=asked.unfold)
            shown = show(html, chromium=chromium, width=asked.width, picture=picture)
            refused += shown.refused
            print(f"{picture}: {shown.drawn} charts{', refused: ' + shown.refused if shown.refused else ''}")
    return 1 if refused else 0


if __name__ == "__main__":
    sys.exit(main())
