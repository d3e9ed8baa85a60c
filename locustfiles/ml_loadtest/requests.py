"""The user of a load without Python: draws a request of `load.requests`, sends it, judges the answer.

The conductor writes a locustfile that hands `user_class` the document; what is in that is said in `contract`. Files are found
from the working directory, the folder of `loadtest.yml`.
"""

import itertools
import json
import os
import random
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gevent
from locust import FastHttpUser, between, task
from locust.contrib.fasthttp import LocustBadStatusCode, ResponseContextManager

from ml_loadtest.clients import attach
from ml_loadtest.expectations import Answer, Expectation
from ml_loadtest.payloads import Payload
from ml_loadtest.rows import Row, read_images, read_rows
from ml_loadtest.station import SHORTEST_SECRET
from ml_loadtest.templates import Image, Names, PayloadMistake, Templates
from ml_loadtest.users import LocustfileMistake

# The request's own time limit ends it before the client's, which is for each step on the network.
_BEYOND_S = 5.0


class RequestTimeout(gevent.Timeout):
    """The whole answer was not here in time."""

    def __str__(self) -> str:
        return f"no whole answer within {self.seconds:g} s"


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """One kind of request, with its valid payload or one invalid variant of it."""

    method: str
    name: str
    payload: Payload
    expectation: Expectation
    rows: tuple[Row, ...]
    images: tuple[Image, ...]
    timeout_s: float
    weight: float

    def names(self, n: int) -> dict[str, Any]:
        """What its templates may name in one request; a row and an image are drawn."""
        names: dict[str, Any] = {"n": n}
        if self.rows:
            names["row"] = random.choice(self.rows)
        if self.images:
            names["image"] = random.choice(self.images)
        return names


class RequestsUser(FastHttpUser):
    """Makes one request in each task.

    Attributes:
        kinds: what it may ask.
        upto: the kinds' weights, summed up.
        counts: for each target, counts requests of this process.
    """

    abstract = True
    kinds: tuple[Kind, ...] = ()
    upto: tuple[float, ...] = ()
    counts: Mapping[int, "itertools.count[int]"] = {}

    @task
    def ask(self) -> None:
        """Draw a request and make it."""
        (kind,) = random.choices(self.kinds, cum_weights=self.upto)
        try:
            names = kind.names(next(self.counts[getattr(self, "ml_loadtest_target", 0)]))
            sent = kind.payload.make(names)
            with RequestTimeout(kind.timeout_s):
                answer = self.client.request(
                    kind.method,
                    sent.path,
                    name=kind.name,
                    headers=sent.headers,
                    data=sent.body,
                    catch_response=True,
                    allow_redirects=kind.expectation.follows_redirects,
                )
            with answer:
                _judge(kind, answer, names)
        except PayloadMistake as mistake:
            raise LocustfileMistake(str(mistake)) from mistake


def _judge(kind: Kind, response: ResponseContextManager, names: Names) -> None:
    lost = response.request_meta["exception"]
    if lost is not None and not isinstance(lost, LocustBadStatusCode):
        return  # No whole answer is here, and Locust says why.
    elapsed_s = response.request_meta["response_time"] / 1000
    judgement = kind.expectation.judge(Answer(response.status_code, response.content or b"", elapsed_s), names)
    if judgement.correct is not None:
        attach(correct=int(judgement.correct))
    if judgement.failure is None:
        response.success()
    else:
        response.failure(judgement.failure)


def user_class(text: str) -> type[FastHttpUser]:
    """The user of a document.

    Args:
        text: the document, JSON.

    Raises:
        PayloadMistake, ValueError, OSError: for what the conductor has checked before it wrote the document.
    """
    document = json.loads(text)
    kinds = kinds_of(document, os.environ)
    low, high = document["wait"]
    longest = max(kind.timeout_s for kind in kinds) + _BEYOND_S
    members = {
        "kinds": kinds,
        "upto": tuple(itertools.accumulate(kind.weight for kind in kinds)),
        "counts": defaultdict(itertools.count),
        "wait_time": between(low, high),
        "network_timeout": longest,
        "connection_timeout": longest,
    }
    return type("Requests", (RequestsUser,), members)


def kinds_of(document: Mapping[str, Any], environ: Mapping[str, str]) -> tuple[Kind, ...]:
    """Everything that a document may ask, each invalid variant after its valid request.

    Args:
        document: see `contract`.
        environ: of the process; templates see the variables that the document names.
    """
    environment = {name: environ[name] for name in document["environment"] if name in environ}
    kinds: list[Kind] = []
    for number, request in enumerate(document["requests"]):
        kinds += _kinds(request, f"load.requests.{number}", environment)
    return tuple(kinds)


def _kinds(request: Mapping[str, Any], where: str, environment: Mapping[str, str]) -> list[Kind]:
    images = read_images(Path(request["images"]["folder"]), request["images"]["names"]) if request["images"] else {}
    templates = Templates(environment, images)
    secrets = tuple(value for value in environment.values() if len(value) >= SHORTEST_SECRET)
    files = {name: Image(Path(name).name, Path(name).read_bytes()) for name in request["uploads"]}
    rows = read_rows(Path(request["rows"])) if request["rows"] else ()
    made = []
    for number, variant in enumerate([None, *request["invalid"]]):
        here = f"{where}.invalid.{number - 1}" if variant else where
        expect = (variant or request)["expect"]
        made.append(
            Kind(
                method=request["method"],
                name=request["name"] + (f" (invalid: {variant['said']})" if variant else ""),
                payload=Payload(request, templates, where, variant, files),
                expectation=Expectation(
                    expect, templates, f"{here}.expect", is_invalid=variant is not None, secrets=secrets
                ),
                rows=rows,
                images=tuple(images.values()),
                timeout_s=request["timeout_s"],
                weight=request["weight"] * (variant["weight"] if variant else 1),
            )
        )
    return made
