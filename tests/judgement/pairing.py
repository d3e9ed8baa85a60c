"""Small builders of pairs of turns, as a side by side comparison has them."""

import numpy as np

from entrypoint.judgement.comparison import compare
from entrypoint.judgement.paired import Paired
from entrypoint.measurement.measure import measure_endpoint
from entrypoint.measurement.model import Measurement
from entrypoint.measurement.pairs import Pairs, Ratio, Side
from entrypoint.measurement.samples import DTYPE
from entrypoint.settings.model import Threshold
from locustfiles.ml_loadtest import contract

from .building import measurement


def side(times_ms, failed=(), pairs=None):
    """A side from response times of shape (pairs, requests a pair); `failed` numbers requests that answered 500."""
    times_ms = np.asarray(times_ms, dtype=float)
    count, each = times_ms.shape
    rows = np.zeros(count * each, DTYPE)
    rows["response_ms"] = times_ms.ravel()
    rows["outcome"][list(failed)] = contract.Outcome.SERVER_ERROR
    pair = np.repeat(np.arange(count), each)
    order = np.argsort(np.where(rows["outcome"] > 0, np.inf, rows["response_ms"]), kind="stable")
    return Side(rows[order], pair[order].astype(np.intp), np.ones(pairs or count))


def pairs_of(endpoints, service=None):
    """Pairs from {endpoint: (candidate's side, base's side)} and {metric: (candidate's ratio, base's)}; who begins alternates."""
    parts = [sides[0].window_s for sides in endpoints.values()] + [sides[0].count for sides in (service or {}).values()]
    first = np.arange(len(parts[0])) % 4 % 3 == 0
    return Pairs(endpoints=endpoints, candidate_first=first, service=service or {})


def ratio(amount, count=40.0):
    """So much in each pair for each of `count` requests; shape (pairs,)."""
    amount = np.asarray(amount, dtype=float)
    return Ratio(amount * count, np.full(len(amount), count))


def lucky(pairs=40, seed=1, base=8.0, shared=0.10, own=0.03):
    """CPU ms for each request on two sides, shape (2, pairs): luck that both turns of a pair share, and luck of each turn."""
    random = np.random.default_rng(seed)
    return base * np.exp(random.normal(0, shared, pairs) + random.normal(0, own, (2, pairs)))


def noisy(pairs=45, each=40, seed=1, base_ms=10.0, spread=0.25):
    """Response times in ms with a heavy tail, and luck that a pair's requests share; shape (pairs, each)."""
    random = np.random.default_rng(seed)
    luck = random.normal(0, 0.05, (pairs, 1))
    return base_ms * np.exp(random.normal(0, spread, (pairs, each)) + luck)


def candidate_of(pairs):
    """The measurement of the candidate's side."""
    endpoints = {name: measure_endpoint(ours.samples) for name, (ours, _) in pairs.endpoints.items() if len(ours.rows)}
    whole: Measurement = measurement(p50=1.0)
    return whole.model_copy(update={"endpoints": endpoints, "service": pairs.figures_of_service()})


def judged(endpoints, *thresholds, rate=0.01, service=None):
    """Rows by (endpoint, metric), and the comparison."""
    pairs = pairs_of(endpoints, service)
    rules = [Threshold.model_validate(threshold) for threshold in thresholds]
    comparison = compare(candidate_of(pairs), Paired(pairs), rules, rate)
    return {(change.endpoint, change.metric): change for change in comparison.changes}, comparison
