"""Files in a checkout, which anybody may have made: links that lead elsewhere, devices, files without or before their end."""

import errno
import os
import stat
from pathlib import Path


def read_small(path: Path, most: int) -> bytes:
    """What a regular file holds. A link is followed, for settings are shared by links, but not to a device or a pipe.

    Args:
        path: of the file.
        most: bytes that it may have.

    Raises:
        OSError: if there is none, or it is no such file; `strerror` says why.
    """
    with open(_opened(path), "rb") as file:
        mode = os.fstat(file.fileno()).st_mode
        if stat.S_ISDIR(mode):
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
        if not stat.S_ISREG(mode):
            raise OSError(errno.EINVAL, "it is no regular file", str(path))
        content = file.read(most + 1)
    if len(content) > most:
        raise OSError(errno.EFBIG, f"it is larger than {most // 2**20} MB", str(path))
    return content


def _opened(path: Path) -> int:
    try:
        # Without waiting: opening a pipe would wait for somebody to write to it.
        return os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except ValueError as error:  # a zero byte, or half a surrogate pair
        raise OSError(errno.EINVAL, "no file can have this name", str(path)) from error


def whole_lines(path: Path) -> list[str]:
    """The lines of a file that somebody may still have been writing when he was killed, or the disk was full.

    What follows the last line's end is left out; of a file that is not there, there are none.
    """
    return path.read_text(encoding="utf-8").split("\n")[:-1] if path.exists() else []


def write(path: Path, content: str | bytes) -> None:
    """Write a file. A link in its place is replaced, never followed."""
    if path.is_symlink():
        path.unlink()
    path.write_bytes(content.encode("utf-8") if isinstance(content, str) else content)


def make_folder(path: Path) -> None:
    """Make a folder that is written to, if need be.

    Raises:
        OSError: if a link leads there, or it cannot be made.
    """
    refuse_link(path)
    path.mkdir(parents=True, exist_ok=True)


def refuse_link(path: Path) -> None:
    """Refuse to go where a link of the checkout leads: it could be a file or a folder of the user's own.

    A link above the working directory is the machine's, not the checkout's.

    Raises:
        OSError: if the path, its folder, or what leads to it from the working directory is a link.
    """
    here = Path.cwd()
    path = here / path
    below = [*path.parents][: -len(here.parts)] if path.is_relative_to(here) else [path.parent]
    for part in (path, *below):
        if part != here and part.is_symlink():
            raise OSError(errno.ELOOP, f"`{part}` is a link to `{part.readlink()}`, and no link is followed", str(part))
