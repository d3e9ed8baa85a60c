"""What the service says of itself: its own page for Prometheus, read every few seconds while it is loaded.

Of each page what the settings chose is kept, in a file, a line for each read. No figure is made here.
"""

import http.client
import itertools
import json
import math
import threading
import time
import urllib.error
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import IO, TYPE_CHECKING

from entrypoint.files import whole_lines
from entrypoint.service.readiness import Access, opened, within
from entrypoint.service.resources import beside
from entrypoint.settings.prometheus import Prometheus, Selector

if TYPE_CHECKING:
    from prometheus_client.metrics_core import Metric

PAGES = "prometheus.jsonl"
_TIMEOUT_S = 2.0
_LARGEST, _PIECE = 10_000_000, 65_536
# A page is work for the service: reading it may fill a hundredth of the time, and is put off for no longer than ten seconds.
_EVERY_S, _SELDOM_S, _TIMES = 2.0, 10.0, 100.0
# Parsing takes this process some work too: so much is a fifth of a second.
_MOST_KEPT = 1_000_000
# A first answer takes longer than those that follow: so often it is read at once, before a pause is chosen by what it takes.
_AT_FIRST = 3
# So often once the load is over, one read after the other: of several processes that take turns each is met then. The last of
# them begins so soon: the service is waiting to be taken down.
_AT_REST, _REST_S = 12, 2.0
# Every client library that tells it uses this name.
_BEGAN = "process_start_time_seconds"
_TEXT = "text/plain;version=0.0.4"
_OPEN_METRICS = "application/openmetrics-text"
# What a series' name has behind its family's.
_PARTS = ("_sum", "_count", "_bucket", "_total", "_created")


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """One read of one page.

    Attributes:
        at: seconds since 1970.
        source: whose page it is: a container's name, or the launcher's.
        values: for each series that the settings name, by their text, each one that is meant by it, by its labels.
        kinds: what the page says that they are, such as `counter`.
        began: when the process that answered was started, in seconds since 1970; None if the page does not say.
        took_s: how long the answer took; 0 if there was none.
        trouble: why it could not be read, "" if it could.
    """

    at: float
    source: str
    values: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    kinds: Mapping[str, str] = field(default_factory=dict)
    began: float | None = None
    took_s: float = 0.0
    trouble: str = ""


# What parsing raises of what is no page.
UNFIT = (ValueError, IndexError, KeyError)


class Unreadable(ValueError):  # noqa: N818 (what it is, as in a sentence)
    """A page that cannot be used, with the reason in words."""


@contextmanager
def watched(addresses: Mapping[str, str], wanted: Prometheus | None, access: Access, path: Path) -> Iterator[None]:
    """Read every page of a service now and then while the block runs, into a file; nothing where none is wanted.

    Args:
        addresses: of the services that have a page, by the name of each.
        wanted: the settings.
        access: how to ask.
        path: the file.
    """
    if wanted is None:
        yield
        return
    asking = replace(access, headers={"Accept": _TEXT, **access.headers})
    pages = {source: f"{address}/{wanted.path.lstrip('/')}" for source, address in addresses.items()}
    broken = threading.Event()
    # The reads under way when it is over, and those at rest, of all pages one after the other.
    longest_s = _REST_S + 2 * len(pages) * (_TIMEOUT_S + 1.0)
    with beside(partial(_watch, pages, wanted.selectors, asking, path, broken), longest_s):
        try:
            yield
        except BaseException:
            broken.set()
            raise


def _watch(
    pages: Mapping[str, str],
    wanted: Mapping[str, Selector],
    access: Access,
    path: Path,
    broken: threading.Event,
    over: threading.Event,
) -> None:
    """Until it is over, and some times more then, but for a run that is broken off."""
    with path.open("w", encoding="utf-8") as file:
        work_s = math.inf
        for number in itertools.count(1):
            looks = _read_all(pages, wanted, access, file)
            # Under load an answer waits for its turn: the quickest one is nearest to what the page itself takes.
            work_s = min(work_s, max((look.took_s for look in looks if look.took_s), default=math.inf))
            if over.wait(0.0 if number < _AT_FIRST and math.isfinite(work_s) else _pause_s(work_s)):
                break
        until = time.monotonic() + _REST_S
        for _ in range(_AT_REST):
            if broken.is_set() or time.monotonic() > until:
                return
            if any(look.trouble for look in _read_all(pages, wanted, access, file)):
                return


def _pause_s(work_s: float) -> float:
    return min(_SELDOM_S, max(_EVERY_S, _TIMES * work_s)) if math.isfinite(work_s) else _EVERY_S


def _read_all(pages: Mapping[str, str], wanted: Mapping[str, Selector], access: Access, file: IO[str]) -> list[Look]:
    """One read of each, into the file."""
    looks = [_read(source, url, wanted, access) for source, url in pages.items()]
    file.writelines(json.dumps(asdict(look)) + "\n" for look in looks)
    file.flush()
    return looks


def _read(source: str, url: str, wanted: Mapping[str, Selector], access: Access) -> Look:
    """One read of a page, which takes no longer than the time limit, whatever the server does."""
    began = time.time()
    late = Look(at=began, source=source, trouble=_late())
    return within(_TIMEOUT_S, lambda: _look(source, url, wanted, access), late)


def _late() -> str:
    return f"there was no whole answer within {_TIMEOUT_S:g} s"


def _look(source: str, url: str, wanted: Mapping[str, Selector], access: Access) -> Look:
    began = time.time()
    if url.startswith("/"):
        return Look(at=began, source=source, trouble="the container has no such port")
    try:
        with opened(url, access, _TIMEOUT_S) as response:
            page = _body(response, time.monotonic() + _TIMEOUT_S)
            # That the connection ended too early is told by the library only where it was asked for all there is.
            left = response.length
            kind = response.headers.get("Content-Type", "")
        took_s = time.time() - began
        if len(page) > _LARGEST:
            return Look(at=began, source=source, trouble=f"it is larger than {_LARGEST / 1e6:g} MB")
        if left:
            return Look(at=began, source=source, trouble="it was cut short")
        found = parse_page(page.decode("utf-8"), kind, wanted)
        return replace(found, at=began + took_s / 2, source=source, took_s=took_s)
    except urllib.error.HTTPError as error:
        error.close()
        trouble = f"it answered with status {error.code}"
    except (OSError, http.client.HTTPException) as error:
        # The system's own words for it; those of others may name what the settings hide.
        reason = getattr(error, "reason", error)
        said = f" ({reason.strerror})" if isinstance(reason, OSError) and reason.strerror else ""
        trouble = _late() if isinstance(reason, TimeoutError) else f"there was no answer{said}"
    except Unreadable as error:
        trouble = str(error)
    except UNFIT:
        trouble = "it is no page for Prometheus, neither its text format nor OpenMetrics"
    return Look(at=began, source=source, trouble=trouble)


def _body(response: http.client.HTTPResponse, until: float) -> bytes:
    """What a page holds, and a little more than the most that is read. Who sends a byte now and then is not waited for.

    Raises:
        TimeoutError: it was not whole by then, in seconds of the monotonic clock.
    """
    page = bytearray()
    while len(page) <= _LARGEST and (piece := response.read1(_PIECE)):
        page += piece
        if time.monotonic() > until:
            raise TimeoutError
    return bytes(page)


def parse_page(text: str, kind: str, wanted: Mapping[str, Selector]) -> Look:
    """What a page has of the wanted series, without time and source.

    Args:
        text: the page.
        kind: its content type; OpenMetrics has a grammar of its own.
        wanted: the series, by the text that names them.

    Raises:
        UNFIT: the page is not in the format, or `Unreadable`.
    """
    own = Selector(_BEGAN, {})
    values: dict[str, dict[str, float]] = {name: {} for name in wanted}
    kinds: dict[str, str] = {}
    began = None
    for family in _families(text, kind, [own.name, *(selector.name for selector in wanted.values())]):
        for sample in family.samples:
            labels = ",".join(f"{name}={json.dumps(value)}" for name, value in sorted(sample.labels.items()))
            began = sample.value if _is_meant(own, family, sample.name, sample.labels) else began
            for name, selector in wanted.items():
                if _is_meant(selector, family, sample.name, sample.labels):
                    if labels in values[name]:
                        raise Unreadable(f"it has a series of `{name}` twice, with the same labels")
                    values[name][labels] = float(sample.value)
                    kinds[name] = family.type
    return Look(at=0.0, source="", values=values, kinds=kinds, began=began)


def _is_meant(selector: Selector, family: "Metric", name: str, labels: Mapping[str, str]) -> bool:
    """Whether a sample is one of the series. The library gives counters the ending that not every page writes."""
    own = name == selector.name or (family.type == "counter" and selector.name == family.name == name[: -len("_total")])
    return own and selector.labels.items() <= labels.items()


def _families(text: str, kind: str, names: Iterable[str]) -> Iterable["Metric"]:
    """The families that these series belong to; of a long page the others are not looked at."""
    from prometheus_client.openmetrics.parser import text_string_to_metric_families as in_open_metrics
    from prometheus_client.parser import text_string_to_metric_families as in_text

    stems = tuple({_stem(name) for name in names})
    kept = "\n".join(line for line in text.split("\n") if _named(line).startswith(stems))
    if len(kept) > _MOST_KEPT:
        raise Unreadable(f"it has more than {_MOST_KEPT / 1e6:g} MB of series with names like these")
    if kind.startswith(_OPEN_METRICS):
        if not text.rstrip().endswith("# EOF"):
            raise Unreadable("it was cut short")
        found: Iterable[Metric] = in_open_metrics(f"{kept}\n# EOF\n")  # type: ignore[no-untyped-call]  # it has no types
        return found
    return in_text(f"{kept}\n")


def _stem(name: str) -> str:
    return next((name.removesuffix(part) for part in _PARTS if name.endswith(part)), name)


def _named(line: str) -> str:
    """Where a line names what it is of, the rest of it behind the name included."""
    words = line.split(None, 2)
    said = words[2] if len(words) > 2 and words[0] == "#" else line
    return said.lstrip(' \t{"')


def looks_at(path: Path) -> Sequence[Look]:
    """All reads, in order."""
    return [Look(**json.loads(line)) for line in whole_lines(path)]
