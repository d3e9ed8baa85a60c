"""What `service.prometheus` may say: which series of the service's own page for Prometheus become figures of the service."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from pydantic import Field, field_validator

from entrypoint.measurement.metrics import METRICS, Direction, Metric, chosen
from entrypoint.settings.quantities import Whole
from entrypoint.settings.section import Section

_NAME = r"[a-z][a-z0-9]*(-[a-z0-9]+)*"
# What the growth of a counter may be divided by, beside the growth of another one.
_WORDS = ("success", "second", "window")
# How no gauge's name ends, by the convention of those who export them; what `_sum` and `_count` are of, the page says.
_OF_COUNTERS = ("_total", "_bucket")
# What a series counts in: the unit in which it is shown, and by how much it is multiplied for that.
_SHOWN = {"": ("", 1.0), "s": ("ms", 1000.0), "ms": ("ms", 1.0), "us": ("ms", 0.001), "bytes": ("MiB", 2.0**-20)}
# How a series begins, its name in quotes where it has other characters; and the whole of one without labels.
_BARE = r"\s*[a-zA-Z_:][a-zA-Z0-9_:]*\s*"
_QUOTED, _WITH_LABELS, _ALONE = (
    re.compile(r'\s*\{\s*"'),
    re.compile(rf"{_BARE}\{{"),
    re.compile(rf"{_BARE}(\{{\s*\}}\s*)?\Z"),
)
_NOT_A_SERIES = 'expected a series such as requests_total or requests_total{path="/predict"}'


@dataclass(frozen=True, slots=True)
class Selector:
    """Which series are meant: those of a name whose labels have these values, whatever their other labels are."""

    name: str
    labels: Mapping[str, str]


def parse_selector(text: str) -> Selector:
    """A series as a page writes it, without its value.

    Raises:
        ValueError: for anything else.
    """
    from prometheus_client.parser import text_string_to_metric_families

    if re.search(r"[\r\n]", text) or re.search(r"=~|!=|!~", re.sub(r'"(\\.|[^"\\])*"', "", text)):
        raise ValueError(f"{_NOT_A_SERIES} on one line, with labels that are equal to something, got {text!r}")
    try:
        # With a value it is a line of such a page, so that the library reads names, quotes and escapes.
        samples = [sample for family in text_string_to_metric_families(f"{text} 0\n") for sample in family.samples]
    except (ValueError, IndexError):
        samples = []
    one = len(samples) == 1 and samples[0].value == 0 and samples[0].timestamp is None
    if not one or not _is_whole(text, with_labels=bool(samples[0].labels)):
        raise ValueError(f"{_NOT_A_SERIES}, got {text!r}")
    return Selector(samples[0].name, dict(samples[0].labels))


def _is_whole(text: str, *, with_labels: bool) -> bool:
    """Whether nothing of a text was passed over.

    The library takes nearly anything for a name, and labels without a value for none.
    """
    if text.lstrip().startswith("{"):
        return _QUOTED.match(text) is not None
    return (_WITH_LABELS if with_labels else _ALONE).match(text) is not None


class Series(Section):
    """One figure of the service as a whole, made of series of its page."""

    name: str = Field(
        max_length=40, description="The figure's name in thresholds and reports, such as `inference-time`"
    )
    series: str = Field(
        description='Name of the series, with labels or without, such as `requests_total{path="/predict"}`; all that have '
        "them are summed"
    )
    per: str = Field(
        "",
        description="By what a counter's growth in the measured window is divided: the growth of another series, `success` (of "
        "the load), `second`, or `window` for the growth itself. Without it the series is a gauge, and its mean is taken",
    )
    unit: Literal["", "s", "ms", "us", "bytes"] = Field(
        "",
        description="What the series counts in, `s`, `ms`, `us` or `bytes`; times are shown in ms, bytes in MiB, anything else "
        "as a plain number",
    )
    better: Literal["lower", "higher"] = Field("lower", description="Which way is better, `lower` or `higher`")

    @field_validator("name")
    @classmethod
    def _free(cls, value: str) -> str:
        if not re.fullmatch(_NAME, value):
            raise ValueError(f"expected small letters, digits and single dashes, as in inference-time, got {value!r}")
        if value in METRICS or value == "endpoint":
            raise ValueError(f"the name {value} is taken by a figure of ours; give another one, such as own-{value}")
        return value

    @field_validator("series")
    @classmethod
    def _readable(cls, value: str) -> str:
        parse_selector(value)
        return value

    @field_validator("per")
    @classmethod
    def _known(cls, value: str) -> str:
        if value and value not in _WORDS:
            try:
                parse_selector(value)
            except ValueError as error:
                raise ValueError(f"{error}; or one of {', '.join(_WORDS)}") from None
        return value

    @property
    def divisor(self) -> str:
        """The series by whose growth this one's is divided, "" if it is none."""
        return "" if self.per in _WORDS else self.per

    @property
    def shown_in(self) -> str:
        """The unit of the figure."""
        unit, _ = _SHOWN[self.unit]
        return "1/s" if self.per == "second" and not unit else unit

    @property
    def factor(self) -> float:
        """From what the series counts in to the unit of the figure."""
        return _SHOWN[self.unit][1]

    def as_metric(self, page: str) -> Metric:
        """The figure as one of the metrics.

        Args:
            page: where its series is read.
        """
        made_of = (
            f"{self.series} per {self.per or 'read'}, in {self.unit or 'numbers'}, {self.better} is better, of {page}"
        )
        return chosen(self.name, self.shown_in, Direction.better(self.better), made_of=made_of)


class Prometheus(Section):
    """Where the page is, and what of it is wanted."""

    path: str = Field("/metrics", description="Path of the page")
    port: Whole | None = Field(
        None,
        ge=1,
        le=65535,
        description="Compose: port of the page inside the container, published on a free loopback port; `service.port` if not "
        "given",
    )
    service: str = Field(
        "",
        description="Compose: the service that has the page, each of its containers by itself; the one that takes the load if "
        "not given",
    )
    series: list[Series] = Field(
        [], validate_default=True, description="The figures, a list of mappings with the keys below"
    )

    @field_validator("series")
    @classmethod
    def _some_of_different_names(cls, value: list[Series]) -> list[Series]:
        if not value:
            raise ValueError("expected at least one series, each of which becomes a figure of the service")
        names = [one.name for one in value]
        if twice := [name for name in names if names.count(name) > 1]:
            raise ValueError(f"two of them have the name {twice[0]}")
        if means := [one for one in value if not one.per and parse_selector(one.series).name.endswith(_OF_COUNTERS)]:
            raise ValueError(
                f"{means[0].name}: {means[0].series} is a counter by its name, whose mean says nothing; give per, another "
                f"series or one of {', '.join(_WORDS)}"
            )
        return value

    @property
    def chosen(self) -> dict[str, Metric]:
        """The figures as metrics, by name. Runs are held against each other only where all that makes one is the same."""
        page = f"{self.service or 'the service'}{'' if self.port is None else f':{self.port}'} {self.path}"
        return {one.name: one.as_metric(page) for one in self.series}

    @property
    def selectors(self) -> dict[str, Selector]:
        """Every series that has to be read, by the text that names it."""
        texts = [text for one in self.series for text in (one.series, one.divisor) if text]
        return {text: parse_selector(text) for text in texts}
