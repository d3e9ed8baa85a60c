"""How many replicas a rate takes by the original's rule, and by the closed-loop law what rate there ought to have been.

    python replicas.py --results DIR [--wait 1.5]

Reads the `result.json` of a run with closed load.
"""

import argparse
import json
import math
import re
import sys
from pathlib import Path

BUSY = 0.7  # how busy a replica may be


def closed_loop(users: int, response_s: float, wait_s: float) -> float:
    """Requests per second of users who each wait for their answer, then pause: N / (R + Z)."""
    return users / (response_s + wait_s)


def replicas(rate: float, processing_s: float) -> int:
    """ceil(rate * t / 0.7), where t is the time that a replica works on a request, not the time that it waits in a queue."""
    return math.ceil(rate * processing_s / BUSY)


def measured(result: dict) -> tuple[int, float, float]:
    """Users, requests per second, and mean response time of the successes in seconds."""
    measurement = result["measurement"]
    users = re.search(r"(\d+) users", measurement["plan_text"])
    if measurement["model"] != "closed" or users is None:
        sys.exit("the law is about closed load of one number of users, and this run had another")
    rows = [row for row in measurement["endpoints"].values() if row["metrics"]["mean"] is not None]
    answered = sum(row["requests"] - row["failures"] for row in rows)
    if not answered:
        sys.exit("no request of this run succeeded, so nothing can be said about its response time")
    total_ms = sum(row["metrics"]["mean"] * (row["requests"] - row["failures"]) for row in rows)
    requests = sum(row["requests"] for row in measurement["endpoints"].values())
    return int(users[1]), requests / measurement["window_s"], total_ms / answered / 1000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--results", type=Path, required=True, help="folder of the run")
    parser.add_argument("--wait", type=float, default=1.5, help="mean pause of a user in seconds")
    options = parser.parse_args()
    file = options.results / "result.json"
    if not file.exists():
        sys.exit(f"there is no {file}; give the folder that a run wrote with --out")
    users, rate, response_s = measured(json.loads(file.read_text()))
    law = closed_loop(users, response_s, options.wait)
    print(f"requests per second: {rate:.1f} measured")
    print(
        f"  by the law: {users} / ({response_s:.4f} s + {options.wait} s) = {law:.1f}, {rate / law - 1:+.1%} measured"
    )
    print(f"replicas, at most {BUSY:.0%} busy: {replicas(rate, response_s)}")
    print(
        f"  by the rule: ceil({rate:.1f}/s * {response_s:.4f} s / {BUSY}); one replica carries {BUSY / response_s:.0f}/s"
    )


if __name__ == "__main__":
    main()
