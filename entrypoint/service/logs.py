"""Log files: their end is what matters."""

from pathlib import Path

LARGEST = 5 * 1024 * 1024
_LINES = 20
_NAMES_OF_OURS = {"build", "setup", "prepare"}


def log_file(folder: Path, service: str) -> Path:
    """The log of a compose service or process; `build.log`, `setup.log` and `prepare.log` are ours."""
    return folder / (f"service-{service}.log" if service in _NAMES_OF_OURS else f"{service}.log")


def last_lines(text: str, count: int = _LINES) -> str:
    """The last lines that are not blank at the end."""
    return "\n".join(text.rstrip().splitlines()[-count:])


def tail(path: Path, count: int = _LINES) -> str:
    """The last lines of a file, or "" where there is none."""
    try:
        with path.open("rb") as file:
            file.seek(max(0, path.stat().st_size - 64 * 1024))
            return last_lines(file.read().decode("utf-8", "replace"), count)
    except OSError:
        return ""


def of_services(folder: Path, count: int) -> dict[str, str]:
    """The last lines that each service wrote, by the name of its log without the ending; without those that wrote nothing."""
    paths = (path for path in sorted(folder.glob("*.log")) if path.stem not in _NAMES_OF_OURS)
    found = {path.stem: tail(path, count) for path in paths}
    return {name: lines for name, lines in found.items() if lines.strip()}


def shorten(path: Path, largest: int = LARGEST) -> None:
    """Keep the last `largest` bytes of a file, from the beginning of a line."""
    try:
        size = path.stat().st_size
        if size <= largest:
            return
        with path.open("rb") as file:
            file.seek(size - largest)
            kept = file.read()
    except OSError:
        return
    first_end = kept.find(b"\n") + 1
    path.write_bytes(b"[earlier lines are left out]\n" + kept[first_end:])
