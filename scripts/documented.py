"""The workflows that our pages and templates show, as files for the checks of workflows: python -m scripts.documented FOLDER."""

import re
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
_BLOCK = re.compile(r"^```yaml\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def workflows() -> Iterator[tuple[str, str]]:
    """Every whole workflow that is shown, with a name that says where."""
    for page in sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), *ROOT.glob("examples/*/*.md")]):
        blocks = [
            block for block in _BLOCK.findall(page.read_text(encoding="utf-8")) if re.search(r"^on:", block, re.M)
        ]
        name = "-".join(page.relative_to(ROOT).with_suffix("").parts)
        yield from ((f"{name}-{number}.yml", block) for number, block in enumerate(blocks, 1))
    for template in sorted(ROOT.glob("entrypoint/templates/*workflow*.yml")):
        yield f"template-{template.name}", template.read_text(encoding="utf-8")


if __name__ == "__main__":
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    for left in folder.iterdir():
        left.unlink()
    for name, text in workflows():
        (folder / name).write_text(text, encoding="utf-8")
