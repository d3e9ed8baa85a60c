"""Whatever a pull request brings: each parser gives a value or our own error with a sentence, in a moment and a little memory.

`corpus/` holds what once broke a parser, and what is likely to; each of its files is replayed. More examples than usual:
`FUZZ_EXAMPLES=20000 pytest tests/fuzz`.
"""

import json
import os
import resource
import tempfile
import time
from pathlib import Path

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from entrypoint.errors import LoadError, LoadTestError
from entrypoint.load.measure import read_closing
from locustfiles.ml_loadtest import contract
from locustfiles.ml_loadtest.contract import Health
from tests.fuzz.mutations import mutated
from tests.fuzz.parsers import CORPUS, PARSERS, zipped
from tests.measurement.test_measure import closing, write
from tests.report.results import hostile, no_baseline, regression, soak

ROOT = Path(__file__).parents[2]
EXAMPLES = int(os.environ.get("FUZZ_EXAMPLES", "60"))
LONGEST_S = 10.0
MOST_MB = 600

fuzzed = settings(
    max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck), derandomize="FUZZ_EXAMPLES" not in os.environ
)  # fmt: skip
SETTINGS = [
    *(yaml.safe_load(path.read_text()) for path in sorted(ROOT.glob("examples/*/*.yml")) if "service" in path.read_text()),
    {"service": {"command": "serve {port}"}, "load": {"locustfile": "users.py", "stages": "10x5s, 20x5s"}},
    {"service": {"url": "http://127.0.0.1:1"}, "load": {"requests": [{"path": "/", "expect": {"status": 200}}]}},
    {
        "service": {"command": "serve {port}", "prometheus": {"series": [
            {"name": "inference-time", "series": 's_sum{path="/a"}', "per": "s_count", "unit": "s"},
            {"name": "hits", "series": "hits_total", "per": "success", "better": "higher"},
        ]}},
        "load": {"locustfile": "users.py"},
        "thresholds": [{"endpoint": "(service)", "inference-time": {"max": "20ms"}, "hits": {"min": 0.5}}],
    },
]  # fmt: skip
FINGERPRINT = {"machine": "m", "launcher": "compose", "plan": "b4c1d2e3f405"}
BASELINES = [
    {
        "schema_version": 1,
        "groups": [
            {
                "fingerprint": FINGERPRINT,
                "runs": [
                    {
                        "occasion": str(number % 3),
                        "commit": "a" * 40,
                        "date": "2026-11-25",
                        "endpoints": {
                            name: {
                                "requests": 1000,
                                "failures": number,
                                "values": {"p50": 10.0 + number, "p95": 20.0, "throughput": 30.0},
                                "quantiles": {"0.5": 10.0},
                                "shares": {"wrong": [1, 1000]},
                            }
                            for name in ("GET /health", "POST /predict")
                        },
                    }
                    for number in range(5)
                ],
            }
        ],
    }
]
RESULTS = [json.loads(made().model_dump_json()) for made in (regression, no_baseline, hostile, soak)]
HITS = {"key": "hits", "better": "higher", "missing": "no page was read"}
ROW = {
    "endpoint": "(service)",
    "metric": "hits",
    "unit": "",
    "status": "regressed",
    "gated": True,
    "higher_is_better": True,
}
RESULTS.append(
    {
        **RESULTS[0],
        "measurement": {**RESULTS[0]["measurement"], "chosen": [HITS]},
        "changes": [
            *RESULTS[0]["changes"],
            {**ROW, "baseline": 0.5, "candidate": 0.25, "change": -0.5, "threshold": 0.1},
        ],
    }
)


def as_json(value: object) -> bytes:
    return json.dumps(value).encode("utf-8", "surrogatepass")


def as_yaml(value: object) -> bytes:
    return yaml.safe_dump(value, allow_unicode=True).encode("utf-8", "surrogatepass")


def holds(parser: str, content: bytes) -> None:
    """The property."""
    began = time.process_time()
    with tempfile.TemporaryDirectory() as name:
        said = "a value"
        try:
            PARSERS[parser](content, Path(name))
        except LoadTestError as error:
            said = error.what
    assert said.strip()
    assert all(letter.isprintable() or letter == "\n" for letter in said)
    assert time.process_time() - began < LONGEST_S
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss < MOST_MB * 1024


@fuzzed
@given(st.one_of(mutated(SETTINGS).map(as_yaml), mutated(SETTINGS).map(as_json), st.binary(max_size=200)))
def test_any_settings_are_read_or_refused(content):
    holds("settings", content)


@fuzzed
@given(st.text("abc:&*!<>[]{}-?|>%@`'\"#,\n 01.~_=", max_size=60).map(str.encode))
def test_any_yaml_is_read_or_refused(content):
    holds("settings", content)


@fuzzed
@given(st.one_of(mutated(BASELINES).map(as_json), st.binary(max_size=200)))
def test_any_baseline_is_read_or_refused(content):
    holds("baseline", content)


@fuzzed
@given(st.one_of(mutated(RESULTS).map(as_json), st.binary(max_size=200)))
def test_any_result_of_a_fork_is_read_or_refused(content):
    holds("result", content)


@fuzzed
@given(st.data())
def test_any_archive_of_a_fork_is_read_or_refused(data):
    good = bytearray(zipped(as_json(RESULTS[0])[:3000]))
    for at in data.draw(st.lists(st.integers(0, len(good) - 1), max_size=8)):
        good[at] = data.draw(st.integers(0, 255))
    holds("archive", bytes(good))


@fuzzed
@given(st.one_of(mutated([{"id": "1", "schema_version": 1}]).map(as_json), st.binary(max_size=200)))
def test_any_history_is_read_or_refused(content):
    holds("history", content)


@st.composite
def recordings(draw):
    """The files of a good run, one of them or one of their lines replaced."""
    samples = [(0, 0, 0, 1.5 + number / 10, 10.0 + number) for number in range(8)]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write(folder, samples, health=[Health(*range(1, len(Health.__dataclass_fields__) + 1))])
        (folder / "extras-0.jsonl").write_text('[0, {"items": 3}]\n[1, {"correct": 1}]\n')
        contract.write_whole(folder / "closing.json", closing(samples))
        files = {
            path.name: path.read_bytes().hex() if path.suffix == ".bin" else path.read_text()
            for path in folder.iterdir()
        }
    which = draw(st.sampled_from(sorted(files)))
    if which.endswith(".bin"):
        data = bytearray.fromhex(files[which])
        for at in draw(st.lists(st.integers(0, len(data) - 1), min_size=1, max_size=8)):
            data[at] = draw(st.sampled_from([0, 1, 127, 128, 255]))
        files[which] = data[: draw(st.integers(0, len(data)))].hex() if draw(st.booleans()) else data.hex()
    else:
        lines = [json.loads(line) for line in files[which].splitlines()]
        files[which] = "".join(json.dumps(draw(mutated([line]))) + "\n" for line in lines)
    return as_json(files)


PAGE = """# TYPE s histogram
s_bucket{path="/a",le="+Inf"} 2
s_sum{path="/a"} 0.5
s_count{path="/a"} 2 # {id="1"} 0.5
# TYPE hits counter
hits_total{a="\\\"\\n"} 7 1700000000
process_start_time_seconds 1.7e9
# EOF
"""


@st.composite
def pages(draw):
    """A page with a few of its letters replaced, taken away or put in."""
    letters = list(PAGE)
    for at in draw(st.lists(st.integers(0, len(letters) - 1), max_size=8)):
        letters[at] = draw(
            st.sampled_from(["", " ", "\n", "{", "}", '"', "=", ",", "#", "\\", "e", "-", "NaN", "\x00", "\u2028"])
        )
    return "".join(letters).encode()


@fuzzed
@given(st.one_of(pages(), st.binary(max_size=200)))
def test_any_page_of_a_service_is_read_or_refused(content):
    holds("page", content)


@fuzzed
@given(recordings())
def test_any_recording_is_read_or_refused(content):
    holds("recording", content)


@pytest.mark.parametrize("path", sorted(CORPUS.glob("*/*")), ids=lambda path: f"{path.parent.name}-{path.name}")
def test_what_once_broke_a_parser_or_is_likely_to_is_read_or_refused(path):
    holds(path.parent.name, path.read_bytes())


@pytest.mark.parametrize(
    "name", ["span-without-end", "span-that-is-a-list", "versions-that-are-a-number", "closing-deep"]
)
def test_a_closing_record_that_cannot_be_is_refused_and_not_made_into_figures(name, tmp_path):
    files = json.loads((CORPUS / f"recording/{name}.json").read_text())
    (tmp_path / "closing.json").write_text(files["closing.json"])

    with pytest.raises(LoadError, match=r"closing\.json"):
        read_closing(tmp_path / "closing.json")
