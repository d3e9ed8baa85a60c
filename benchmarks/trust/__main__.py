"""python -m benchmarks.trust: how often the gate is wrong, measured.

`run` makes the comparisons of a campaign until its budget is spent; the same command goes on later. `table` judges what it kept,
again from the raw samples, by this product's rules and by those of others.
"""

import argparse
import sys
from pathlib import Path

from benchmarks import machine
from benchmarks.trust import campaign
from benchmarks.trust.table import tables
from benchmarks.trust.trials import read_trials
from entrypoint.console import Console
from entrypoint.interruption import Interrupted, interruptible
from entrypoint.settings.quantities import parse_duration


def main() -> int:
    """0 whatever the figures are: they are counts, not tests."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.trust", description=__doc__)
    parser.add_argument("do", choices=("run", "table"))
    parser.add_argument("--campaign", type=Path, default=Path("results-trust"), help="folder that keeps every sample")
    parser.add_argument(
        "--budget", type=parse_duration, default=parse_duration("3h"), help="no comparison begins later"
    )
    parser.add_argument(
        "--duration", type=parse_duration, default=parse_duration("60s"), help="of each target and look"
    )
    parser.add_argument(
        "--of-work", action="store_true", help="ask whether CPU time sees +5 %% of work: another campaign"
    )
    parser.add_argument("--python", default="", help="the services as processes of this interpreter, without docker")
    options = parser.parse_args()
    course = campaign.Course(duration_s=options.duration, of_work=options.of_work, python=options.python)
    console = Console(sys.stderr, lambda text: print(text, file=sys.stderr, flush=True))
    if options.do == "run":
        least, most = (seconds / 3600 for seconds in campaign.estimate_s(course))
        console.say(
            f"a whole campaign takes {least:.1f} to {most:.1f} hours; this part of it {options.budget / 3600:.1f}"
        )
        try:
            with interruptible(0):
                campaign.carry_on(options.campaign.absolute(), console, course, budget_s=options.budget)
        except Interrupted as interruption:  # the services are down by now
            console.say(f"{interruption.text} The same command goes on where this one stopped.")
            return interruption.exit_code
    print(f"{machine.describe()}\n\n{tables(read_trials(options.campaign))}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
