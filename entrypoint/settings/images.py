"""Which files `images` means: those of a folder, or those that a pattern fits."""

from pathlib import Path

_WILD = "*?["


def find_images(given: Path) -> tuple[Path, list[str]]:
    """The folder that the images lie in, and their names below it, sorted; hidden files are left out.

    Args:
        given: a folder, a file, or a pattern such as `photos/**/*.jpg`.
    """
    parts = given.parts
    fixed = next((index for index, part in enumerate(parts) if any(letter in part for letter in _WILD)), len(parts))
    folder = Path(*parts[:fixed])
    if fixed == len(parts) and not folder.is_dir():
        return folder.parent, [folder.name] if folder.is_file() else []
    found = folder.glob("/".join(parts[fixed:]) or "*")
    return folder, sorted(
        path.relative_to(folder).as_posix() for path in found if path.is_file() and not path.name.startswith(".")
    )
