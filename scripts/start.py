"""Starts the conductor beside this folder as the action does: `python -I scripts/start.py COMMAND ...`.

With `-I` Python heeds no variable of the caller's, such as PYTHONINSPECT, which would turn every exit code into 0, and puts no
folder on its path. The conductor's own comes first, for nothing in it is named like a module of Python's.
"""

import runpy
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
runpy.run_module("entrypoint", run_name="__main__", alter_sys=True)
