"""Where the networks and the pictures are. Made first, if nobody has made them yet."""

import subprocess
import sys
from pathlib import Path

MADE = Path(__file__).with_name("made")


def made() -> Path:
    if not MADE.exists():
        # In a process of its own, that a service does not keep what only training needs.
        subprocess.run([sys.executable, Path(__file__).with_name("train.py")], check=True)
    return MADE
