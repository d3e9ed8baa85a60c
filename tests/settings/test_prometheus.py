"""What `service.prometheus` may say, and what is said of a mistake in it."""

import jsonschema
import pytest
import yaml

from entrypoint.errors import SettingsError
from entrypoint.measurement.metrics import METRICS, Direction
from entrypoint.settings.model import Config
from entrypoint.settings.plausible import refuse_impossible
from entrypoint.settings.prometheus import Prometheus, Selector, Series, parse_selector
from entrypoint.settings.reading import read_settings
from entrypoint.settings.schema import schema

INFERENCE = {
    "name": "inference-time",
    "series": 'request_seconds_sum{path="/predict"}',
    "per": 'request_seconds_count{path="/predict"}',
    "unit": "s",
}
WHOLE = """
service:
  command: serve {port}
  prometheus:
    series:
      - {name: inference-time, series: seconds_sum, per: seconds_count, unit: s}
      - {name: cache-hits, series: hits_total, per: success, better: higher}
load: {locustfile: users.py}
thresholds:
  - endpoint: (service)
    inference-time: {max: 20ms, max-increase: 10%, floor: 1ms}
    cache-hits: {min: 0.5}
"""


def service(series=(INFERENCE,), launcher=None, **more):
    return {**(launcher or {"command": "serve"}), "prometheus": {"series": list(series), **more}}


def config(series=(INFERENCE,), thresholds=(), launcher=None, with_="committed", **more):
    values = {"service": service(series, launcher, **more), "load": {"locustfile": __file__}}
    return Config.model_validate({**values, "thresholds": list(thresholds), "compare": {"with": with_}})


def refused(text, tmp_path):
    (tmp_path / "loadtest.yml").write_text(text)
    with pytest.raises(SettingsError) as caught:
        read_settings({}, {}, tmp_path)
    return str(caught.value)


@pytest.mark.parametrize(
    ("text", "selector"),
    [
        ("requests_total", Selector("requests_total", {})),
        ("requests_total{}", Selector("requests_total", {})),
        ('x_sum{path="/predict", code="200"}', Selector("x_sum", {"path": "/predict", "code": "200"})),
        (r'x{a="say \"hi\"\\ {b=~\"c\"}"}', Selector("x", {"a": 'say "hi"\\ {b=~"c"}'})),
        (":tensorflow:serving:request_count", Selector(":tensorflow:serving:request_count", {})),
        ('{"model.requests", a="b"}', Selector("model.requests", {"a": "b"})),
    ],
)
def test_a_series_is_written_as_its_page_writes_it(text, selector):
    assert parse_selector(text) == selector


@pytest.mark.parametrize(
    "text",
    ["", "# x", "x 5", "x 0", "x{", 'x{a="b"', "x{a=b}", "rate(x[5m])", 'x{a=~"b"}', 'x{a!="b"}', "x\ny", "9x", "a b",
     'sum(x{a="b"})', "x-y{}", "x{path}", "{}", "{a}", '{a="b"}', "x{=}", "x}{}"],
)  # fmt: skip
def test_what_is_no_series_is_refused(text):
    with pytest.raises(ValueError, match="expected a series such as requests_total"):
        parse_selector(text)


def test_a_figure_is_a_metric_of_the_service_in_the_unit_that_it_is_shown_in():
    chosen = config([INFERENCE, {"name": "hits", "series": "hits_total", "per": "success", "better": "higher"}])
    inference, hits = (chosen.metrics[key] for key in ("inference-time", "hits"))
    assert (inference.unit, inference.direction, inference.gate) == ("ms", Direction.LOWER_IS_BETTER, False)
    assert (hits.unit, hits.direction) == ("", Direction.HIGHER_IS_BETTER)
    assert inference.is_of("(service)")
    assert not inference.in_turns
    assert config().metrics.keys() - METRICS.keys() == {"inference-time"}


@pytest.mark.parametrize(
    ("unit", "per", "shown", "factor"),
    [
        ("s", "", "ms", 1000),
        ("us", "x_count", "ms", 0.001),
        ("ms", "window", "ms", 1),
        ("bytes", "", "MiB", 1 / 1048576),
        ("", "second", "1/s", 1),
        ("bytes", "second", "MiB", 1 / 1048576),
        ("", "success", "", 1),
    ],
)
def test_times_are_shown_in_ms_and_sizes_in_mib(unit, per, shown, factor):
    series = Series.model_validate({"name": "x", "series": "y", "unit": unit, "per": per})
    assert (series.shown_in, series.factor) == (shown, factor)
    assert series.divisor == ("x_count" if per == "x_count" else "")


def test_thresholds_of_them_are_read_in_their_units(tmp_path):
    (tmp_path / "loadtest.yml").write_text(WHOLE)
    read = read_settings({}, {}, tmp_path).config
    said = read.thresholds[0].metrics
    assert (said["inference-time"].max, said["inference-time"].max_increase, said["cache-hits"].min) == (20, 0.1, 0.5)
    prometheus = read.service.prometheus
    assert (prometheus.path, prometheus.port, prometheus.service) == ("/metrics", None, "")
    assert list(prometheus.selectors) == ["seconds_sum", "seconds_count", "hits_total"]
    jsonschema.validate(yaml.safe_load(WHOLE), schema())


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("name: inference-time", "name: Inference", "line 6, `service.prometheus.series.0.name`: expected small letters"),
        ("name: inference-time", "name: p50", "the name p50 is taken by a figure of ours; give another one, such as own-p50"),
        ("name: inference-time", "name: endpoint", "the name endpoint is taken"),
        ("name: cache-hits", "name: inference-time", "two of them have the name inference-time"),
        ("series: seconds_sum", "series: 'rate(x[5m])'", "line 6, `service.prometheus.series.0.series`: expected a series"),
        ("per: success", "per: each second", "got 'each second'; or one of success, second, window"),
        ("per: success, ", "", "cache-hits: hits_total is a counter by its name, whose mean says nothing; give per"),
        ("unit: s", "unit: minutes", "expected '', 's', 'ms', 'us' or 'bytes', got 'minutes'"),
        ("better: higher", "better: up", "expected 'lower' or 'higher', got 'up'"),
        ("{name: cache-hits, ", "{", "line 7, `service.prometheus.series.1.name`: it is missing"),
        ("  prometheus:", "  prometheus:\n    port: 8002", "prometheus.port and prometheus.service name a container of a"),
        ("  prometheus:", "  prometheus:\n    service: ml", "prometheus.port and prometheus.service name a container of a"),
        ("max: 20ms", "max: 20", "line 11, `thresholds.0.inference-time.max`: expected a duration with its unit"),
        ("max-increase", "max-decrease", "max-decrease does nothing on inference-time; what works there is max-increase"),
        ("min: 0.5", "min: 50%", "expected a number such as 90 or 2.5"),
        ("endpoint: (service)", "endpoint: GET *", "inference-time guards nothing there, for it is a figure of the service"),
        ("    cache-hits", "    cash-hits", "there is no metric 'cash-hits'; the metrics are p50, p90"),
    ],
)  # fmt: skip
def test_a_mistake_is_told_with_its_place_and_makes_no_other(tmp_path, old, new, said):
    message = refused(WHOLE.replace(old, new, 1), tmp_path)
    assert said in message
    assert "The settings have a mistake:" in message


@pytest.mark.parametrize("series", ["[]", "{}", "hits_total"])
def test_without_any_series_there_is_nothing_to_read(tmp_path, series):
    text = "service: {command: serve, prometheus: {series: SERIES}}\nload: {locustfile: users.py}\n"
    message = refused(text.replace("SERIES", series), tmp_path)
    assert "`service.prometheus.series`: " in message
    assert ("expected at least one series" in message) == (series == "[]")


def test_no_series_at_all_is_a_mistake_too(tmp_path):
    message = refused(WHOLE.replace("    series:", "    serie:"), tmp_path)
    assert "2 mistakes" in message
    assert "expected at least one series, each of which becomes a figure" in message
    assert "there is no such key; did you mean `series`?" in message


def test_a_threshold_of_a_figure_whose_section_is_wrong_is_no_second_mistake(tmp_path):
    """Nor is it one where the mistake is elsewhere in the service's section; a metric that nobody named stays one."""
    text = WHOLE.replace("command: serve {port}", "command: serve {port}\n  port: 99999")
    text = text.replace("    cache-hits: {min: 0.5}", "    cache-hits: {min: 0.5}\n  - p77: {max: 1ms}")
    message = refused(text, tmp_path)
    assert "2 mistakes" in message
    assert "`service.port`" in message
    assert "there is no metric 'p77'" in message


def test_compose_may_have_the_page_elsewhere():
    compose = {"compose-file": "compose.yml", "service": "web", "port": 80}
    assert config(launcher=compose).service.page_port == 80
    assert config(launcher=compose, port=8002, service="ml").service.page_port == 8002
    assert Config.model_validate({"service": compose, "load": {"locustfile": "a"}}).service.page_port is None


def test_side_by_side_it_is_not_read_so_nothing_of_it_can_be_asked():
    refuse_impossible(config(with_="base"))
    for said in ({"max": "20ms"}, {"max-increase": "10%"}):
        asked = config(thresholds=[{"endpoint": "(service)", "inference-time": said}], with_="base")
        with pytest.raises(SettingsError, match="is not read there, so nothing is known of inference-time"):
            refuse_impossible(asked)
    refuse_impossible(config(thresholds=[{"endpoint": "(service)", "inference-time": {"max": "20ms"}}]))


def test_a_search_for_the_capacity_may_have_one():
    limits = [{"p95": {"max": "1s"}}, {"endpoint": "(service)", "inference-time": {"max": "20ms"}}]
    values = {"service": service(), "load": {"locustfile": __file__}, "mode": "capacity", "thresholds": limits}
    refuse_impossible(Config.model_validate(values))


@pytest.mark.parametrize(
    ("values", "fits"),
    [
        ({"service": service()}, True),
        ({"service": service(series=[])}, True),
        ({"service": {"command": "x"}}, False),
        ({"service": {"command": "x"}, "extends": "other.yml"}, True),
        ({"service": service(port="metrics")}, False),
        ({"service": service(series=[{"name": "x"}])}, False),
    ],
)
def test_the_schema_knows_names_of_its_own_where_series_are_chosen(values, fits):
    limits = [{"endpoint": "(service)", "inference-time": {"max": "20ms"}}]
    whole = {"load": {"locustfile": "a.py"}, "thresholds": limits, **values}
    assert jsonschema.Draft202012Validator(schema()).is_valid(whole) == fits
    wrong = {**whole, "thresholds": [{"inference-time": {"most": 1}}]}
    assert not jsonschema.Draft202012Validator(schema()).is_valid(wrong)


@pytest.mark.parametrize(
    ("change", "where"),
    [
        ({"series": "other_sum"}, {}), ({"per": "success"}, {}), ({"unit": ""}, {}), ({"better": "higher"}, {}),
        ({}, {"service": "other"}), ({}, {"port": 8002}), ({}, {"path": "/other"}),
    ],
)  # fmt: skip
def test_another_series_unit_direction_or_page_makes_another_figure_of_the_same_name(change, where):
    def made_of(said, **page):
        return Prometheus.model_validate({"series": [said], **page}).chosen["inference-time"].made_of

    assert made_of(INFERENCE) == made_of(dict(INFERENCE)) != ""
    assert made_of({**INFERENCE, **change}, **where) != made_of(INFERENCE)
