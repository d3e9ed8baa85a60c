"""Each parser of what a pull request brings, as a function of bytes: it gives a value, or raises our own error.

The value is put to its first use too, for what is wrong with it may show only there.
"""

import io
import json
import zipfile
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path

from entrypoint.baseline.file import read_baseline
from entrypoint.baseline.model import Baseline
from entrypoint.commands.check import check
from entrypoint.commands.collecting import _checked
from entrypoint.console import Console
from entrypoint.errors import SettingsError
from entrypoint.history.entries import entry_of
from entrypoint.history.file import read as read_history
from entrypoint.judgement.committed import Committed
from entrypoint.judgement.comparison import compare
from entrypoint.judgement.edits import describe_edits
from entrypoint.load.measure import read_closing
from entrypoint.measurement.measure import measure_recording
from entrypoint.measurement.samples import read_samples
from entrypoint.measurement.series import Window, figures_of_series
from entrypoint.publish.artifacts import Fetched, UnfitError, read_member
from entrypoint.report.render import render
from entrypoint.service import prometheus
from entrypoint.settings.glance import suite_of, wants_check_run
from entrypoint.settings.prometheus import Prometheus
from entrypoint.settings.reading import baseline_path, history_path, read_settings
from tests.measurement.test_measure import PLAN
from tests.report.results import measurement as made_measurement
from tests.report.results import quiet_endpoints

LOCUSTFILE = (
    "from locust import HttpUser, task\n\nclass Caller(HttpUser):\n    @task\n    def ask(self): self.client.get('/')\n"
)
CHOSEN = Prometheus.model_validate({"series": [
    {"name": "mean-time", "series": "s_sum", "per": "s_count", "unit": "s"},
    {"name": "hits", "series": "hits_total", "per": "window"},
]})  # fmt: skip
CORPUS = Path(__file__).parent / "corpus"


def parse_settings(content: bytes, folder: Path) -> None:
    """loadtest.yml, as `check`, the glances of other steps, and other commands read it."""
    (folder / "users.py").write_text(LOCUSTFILE)
    (folder / "loadtest.yml").write_bytes(content)
    wants_check_run(None, {}, folder)
    suite_of(None, None, {}, folder)
    baseline_path(None, None, {}, folder)
    history_path(None, None, {}, folder)
    settings = read_settings({}, {}, folder)
    check(settings, Console(io.StringIO(), lambda _: None))


def parse_baseline(content: bytes, folder: Path) -> None:
    """The committed baseline, compared with a run and with itself."""
    (folder / "baseline.json").write_bytes(content)
    found = read_baseline(folder / "baseline.json")
    assert found is not None
    for group in found.groups:
        describe_edits(Baseline(), found, group.fingerprint, [])
        if group.runs:
            compare(made_measurement(quiet_endpoints()), Committed(group), [], 0.01)


def parse_result(content: bytes, folder: Path) -> None:
    """A fork's result.json, as the workflow that comments takes it, and every report of it."""
    result = _checked(Fetched(name="ml-loadtest-x", url="", content=content))
    render(result, folder)
    entry_of(result, 7).model_dump_json()


def parse_archive(content: bytes, folder: Path) -> None:
    """The artifact that holds it."""
    try:
        member = read_member(io.BytesIO(content))
    except UnfitError as unfit:
        raise SettingsError(str(unfit)) from unfit
    parse_result(member, folder)


def parse_history(content: bytes, folder: Path) -> None:
    """The history file of a checkout, and its page."""
    (folder / "history.jsonl").write_bytes(content)
    read_history(folder / "history.jsonl")


def parse_recording(content: bytes, folder: Path) -> None:
    """What the instrument leaves, which code of the locustfile can write to as well: each file of it as a text in JSON."""
    for name, text in json.loads(content).items():
        data = bytes.fromhex(text) if name.endswith(".bin") else text.encode("utf-8", "surrogatepass")
        (folder / name).write_bytes(data)
    closing = read_closing(folder / "closing.json")
    measure_recording(folder, PLAN, closing, plan_key="k", plan_text="t").model_dump_json()
    read_samples(folder)


def parse_page(content: bytes, _folder: Path) -> None:
    """A service's page for Prometheus in both of its formats, and what is told by two reads of it."""
    looks = []
    for kind, end in (("text/plain", ""), ("application/openmetrics-text", "\n# EOF")):
        try:
            looks.append(prometheus.parse_page(content.decode() + end, kind, CHOSEN.selectors))
        except prometheus.UNFIT:
            continue
    for look in looks:
        reads = [replace(look, at=at) for at in (0.0, 1.0, 2.0, 3.0)]
        figures, told = figures_of_series(CHOSEN, reads, Window(begin=0.5, end=3.0, successes=5, answers=()))
        found = made_measurement(quiet_endpoints()).model_copy(update={"service": figures, "chosen": told})
        compare(found, None, [], 0.01)
        json.dumps(asdict(look))


PARSERS: dict[str, Callable[[bytes, Path], None]] = {
    "settings": parse_settings,
    "baseline": parse_baseline,
    "result": parse_result,
    "archive": parse_archive,
    "history": parse_history,
    "recording": parse_recording,
    "page": parse_page,
}


def zipped(content: bytes, name: str = "result.json") -> bytes:
    """An archive with one member."""
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr(name, content)
    return made.getvalue()
