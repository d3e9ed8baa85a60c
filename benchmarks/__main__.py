"""`make bench`: every benchmark, or one of them, and the table of their figures."""

import argparse
import sys
import time

from benchmarks import disk, machine, reading, recording, scaling, truth
from benchmarks.figures import table

_BENCHMARKS = {
    "recording": recording.run,
    "scaling": scaling.run,
    "disk": disk.run,
    "reading": reading.run,
    "truth": truth.run,
}


def main() -> int:
    """Print the machine, then the table. 0 whatever the figures are: they are ratios, not tests."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--only", choices=tuple(_BENCHMARKS), help="run this one alone")
    only = parser.parse_args().only
    print(f"{machine.describe()}\n", flush=True)
    figures = []
    for name in (only,) if only else tuple(_BENCHMARKS):
        began = time.monotonic()
        figures += _BENCHMARKS[name]()
        print(f"{name}: {time.monotonic() - began:.0f} s", file=sys.stderr, flush=True)
    print(table(figures))
    return 0


if __name__ == "__main__":
    sys.exit(main())
