"""Notes how it was called, then does what the test asked for in the job's environment."""

import json
import os
import signal
import sys
import time
from pathlib import Path

command = sys.argv[1]
results = Path(sys.argv[sys.argv.index("--out") + 1]) if command == "run" else None


def note(**more: object) -> None:
    call = {
        "command": command,
        "arguments": sys.argv[2:],
        "environ": dict(os.environ),
        "cwd": str(Path.cwd()),
        "safe_path": sys.flags.safe_path,
        "prefix": sys.prefix,
        "ignores": [
            number.name for number in (signal.SIGINT, signal.SIGTERM) if signal.getsignal(number) == signal.SIG_IGN
        ],
        **more,
    }
    with (Path(os.environ["RUNNER_TEMP"]) / "calls.jsonl").open("a") as file:
        file.write(json.dumps(call) + "\n")


def output(**values: str) -> None:
    with Path(os.environ["GITHUB_OUTPUT"]).open("a") as file:
        file.writelines(f"{name}={value}\n" for name, value in values.items())


def stop(number: int, _: object) -> None:
    note(stopped_by=signal.Signals(number).name)
    output(verdict="invalid")
    sys.exit(130)


if command == "run" and os.environ.get("FAKE_HANGS"):
    signal.signal(signal.SIGINT, stop)
    output(**{"artifact-name": "ml-loadtest-fake"})
    os.write(1, b"measuring\n")
    time.sleep(60)

note()
if results:
    (results / "result.json").write_text("{}")
    (results / "report.html").write_text("")
    paths = {"result": str(results / "result.json"), "report": str(results / "report.html")}
    output(
        verdict=os.environ.get("FAKE_VERDICT", "pass"),
        regressions="0",
        **paths,
        **{"artifact-name": "ml-loadtest-fake"},
    )
    sys.exit(int(os.environ.get("FAKE_EXIT", "0")))
if command == "open-check-run":
    output(**{"check-run": "ml-loadtest-fake"})
    if os.environ.get("FAKE_OPENING") == "crash":
        sys.exit(70)
    if os.environ.get("FAKE_OPENING"):
        os.write(1, b"opening\n")
        time.sleep(60)
if command == os.environ.get("FAKE_SLOW"):
    time.sleep(0.5)
    note(finished=True)
if command == "comment":
    output(**{"comment-url": "https://github.com/org/service/pull/7#issuecomment-1"})
