"""`loadtest.yml` with every kind of wrong value, and a project that no run can be made of."""

from collections.abc import Callable
from functools import partial

from tests.faults.case import Group, Play
from tests.faults.scene import LOAD, PROCESS, Ended, Scene

FILE = Group("`loadtest.yml` as a file", {"code": 2})
VALUES = Group("Values of `loadtest.yml`", {"code": 2})
PLANS = Group("Plans that cannot be carried out", {"code": 2})


def _file(text: str | bytes) -> Play:
    def play(scene: Scene) -> Ended:
        scene.write("loadtest.yml", text)
        return scene.here("run")

    return play


def _plan(service: str = PROCESS, load: str = LOAD, more: str = "") -> Play:
    def play(scene: Scene) -> Ended:
        scene.plan(service, load, more)
        return scene.here("run")

    return play


_load = partial(_plan, PROCESS)
_more = partial(_plan, PROCESS, LOAD)


def _bomb() -> str:
    rows = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    rows += [f"a{n + 1}: &a{n + 1} [{', '.join([f'*a{n}'] * 10)}]" for n in range(9)]
    return "\n".join(rows)


@FILE.case("A file is named that does not exist", sees="`none.yml` does not exist. Write one with `ml-loadtest init`")
def _missing(scene: Scene) -> Ended:
    return scene.here("run", "--config", "none.yml")


@FILE.case("It is a folder", sees="`loadtest.yml` is a folder, not a file.")
def _folder(scene: Scene) -> Ended:
    (scene.work / "loadtest.yml").unlink()
    (scene.work / "loadtest.yml").mkdir()
    return scene.here("run")


for what, text, sees in (
    ("It is empty", "", "`service`: expected exactly one of compose-file, command and url, got none of them"),
    ("It is not YAML", "service: [", "`loadtest.yml` line 1 is not valid YAML: expected the node content"),
    ("It is a list", "- a", "`loadtest.yml` should hold keys and values, such as `service:`; it holds list."),
    ("It is not UTF-8", b"a: 1\nb: \xff", "`loadtest.yml` line 2 is not UTF-8 text. Save the file as UTF-8."),
    ("It holds a NUL", "a: \x00", "`loadtest.yml` is not valid YAML: unacceptable character #x0000"),
    ("It is nested 20,000 deep", "[" * 20_000, "`loadtest.yml` is not valid YAML: maximum recursion depth exceeded"),
    (
        "Its aliases stand for ten billion values",
        _bomb(),
        "has more than 100,000 values once its aliases are replaced",
    ),
    ("A key stands twice", "load: {}\nload: {}", "loadtest.yml line 2 gives `load` again; it stands at line 1 too."),
    ("It extends itself", "extends: loadtest.yml", "`loadtest.yml` extends itself, by way of `loadtest.yml`."),
    ("It extends a file that is not there", "extends: none.yml", "`none.yml` does not exist."),
):
    FILE.add(what, _file(text), sees=sees)

_VALUES: tuple[tuple[str, Play, str], ...] = (
    (
        "A key that there is not",
        _plan("{comand: x}"),
        "line 3, `service.comand`: there is no such key; did you mean `command`?",
    ),
    (
        "A word for a number",
        _load("{users: many}"),
        "`load.users`: input should be a valid integer, unable to parse string as an integer, got 'many'",
    ),
    ("`yes` for a number", _load("{users: yes}"), "`load.users`: expected a number, got true"),
    ("Nothing for a number", _load("{users: null}"), "`load.users`: input should be a valid integer, got nothing"),
    ("A negative number", _load("{users: -1}"), "`load.users`: input should be greater than or equal to 1, got -1"),
    (
        "Nought where one is the least",
        _load("{users: 0}"),
        "`load.users`: input should be greater than or equal to 1, got 0",
    ),
    (
        "A number of 5,000 digits",
        _load(f"{{users: {'9' * 5000}}}"),
        "`loadtest.yml` is not valid YAML: Exceeds the limit (4300 digits)",
    ),
    ("NaN", _load("{arrival-rate: .nan}"), "`load.arrival-rate`: input should be a finite number, got nan"),
    ("Infinity", _load("{arrival-rate: .inf}"), "`load.arrival-rate`: input should be a finite number, got inf"),
    (
        "A port above 65535",
        _plan("{port: 99999}"),
        "`service.port`: input should be less than or equal to 65535, got 99999",
    ),
    (
        "A duration in a unit of its own",
        _load("{duration: 60 parsecs}"),
        "`load.duration`: expected a duration such as 60s, 5m or 250ms, got '60 parsecs'",
    ),
    (
        "A date for a duration",
        _load("{duration: 2026-01-01}"),
        "`load.duration`: expected a duration such as 60s, 5m or 250ms, got",
    ),
    (
        "A share without its percent sign",
        _more("thresholds: {failures: {max: 1}}"),
        "`thresholds.0.failures.max`: expected a percentage such as 10%, got 1 (the sign is needed)",
    ),
    ("A list for a text", _plan("{command: [a]}"), "`service.command`: input should be a valid string, got a list"),
    (
        "A text for a section",
        _plan("fast"),
        "`service`: expected keys such as compose-file, service, port, … got 'fast'",
    ),
    (
        "A word that is no choice",
        _more("compare: {with: luck}"),
        "`compare.with`: expected 'committed', 'base' or 'none', got 'luck'",
    ),
    (
        "A metric that there is not",
        _more("thresholds: {p77: {max: 1s}}"),
        "`thresholds.0`: there is no metric 'p77'; the metrics are p50, p90, …",
    ),
    (
        "A header of two lines",
        _plan('{command: "x {port}", headers: {A: "b\\nc"}}'),
        "`service.headers`: the value of A has a line break, which a header cannot have",
    ),
    (
        "Two services",
        _plan('{command: a, url: "http://x"}'),
        "`service`: expected exactly one of compose-file, command and url, got command and url",
    ),
    (
        "Two kinds of load",
        _load("{locustfile: users.py, arrival-rate: 5, stages: 1x3s}"),
        "arrival-rate and stages contradict each other; give each stage its own arrival-rate",
    ),
)
for what, play, sees in _VALUES:
    VALUES.add(what, play, sees=sees)


@VALUES.case(
    "Several mistakes at once",
    sees="The settings have 3 mistakes: … line 3, `service.comand` … line 4, `load.users` … line 5, `compare.with`",
)
def _several(scene: Scene) -> Ended:
    scene.plan("{command: a, comand: x}", "{locustfile: users.py, users: many}", "compare: {with: luck}")
    return scene.here("run")


_PLANS: tuple[tuple[str, Callable[[Scene], Ended], str], ...] = (
    (
        "The locustfile is not there",
        _load("{locustfile: none.py}"),
        "`locustfile` names …/none.py, which is not a file.",
    ),
    (
        "The locustfile is a folder",
        _load("{locustfile: tmp}"),
        "`locustfile` names …/tmp, which is a folder, not a file.",
    ),
    (
        "The requirements are not there",
        _load("{locustfile: users.py, requirements: none.txt}"),
        "`requirements` names …/none.txt, which is not a file.",
    ),
    (
        "Users start too slowly for the warm-up",
        _load("{locustfile: users.py, users: 100, spawn-rate: 1, warm-up: 1s}"),
        "`spawn-rate` of 1 a second needs 100 s to start 100 users, longer than the longest warm-up of 1s",
    ),
    (
        "The time-out is shorter than the load",
        _more("policy: {timeout: 1s}"),
        "`timeout` of 1s is shorter than the 2s that the duration and the shortest warm-up take together",
    ),
    (
        "`command` does not say where the port goes",
        _plan("{command: sleep 60}"),
        "`command`: expected `{port}` where the port goes, got 'sleep 60'.",
    ),
    (
        "`command` is a program that there is not",
        _plan('{command: "no-such-program {port}"}'),
        "`command`: `no-such-program` could not be started in …: No such file or directory.",
    ),
)
for what, play, sees in _PLANS:
    PLANS.add(what, play, sees=sees)
