"""Whether a service answers, and rightly: real requests, until several in a row succeed or the time is over."""

import base64
import http.client
import json
import ssl
import statistics
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from queue import Empty, Queue
from threading import Thread
from typing import TypeVar

from entrypoint.service.deadline import Deadline
from entrypoint.settings.document import texts_in
from entrypoint.settings.plausible import is_loopback
from locustfiles.ml_loadtest import contract

_T = TypeVar("_T")
_PAUSE_S = 0.1
_FIRST_PATIENCE_S = 2.0
_LONGEST_ANSWER = 10_000_000
_SOCKETS_FIRST_S = 0.1
_SHOWN = 100
_MOST_READ = 10_000
# Shorter words of a header, such as `Basic`, are no secrets.
_SHORTEST_SECRET = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """How the request is made.

    Attributes:
        headers: sent with it.
        tls: what an https certificate is checked with; None for the machine's authorities.
        environment: where proxies may be named; never used for loopback.
    """

    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    tls: ssl.SSLContext | None = None
    environment: Mapping[str, str] = field(default_factory=dict, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What is asked, and what has to be found in the answer.

    Attributes:
        path: follows the service's address.
        body: JSON of a POST; None for a GET.
        expect: JMESPath that has to find something, neither null nor false nor empty; "" where the status is enough.
    """

    path: str = ""
    body: bytes | None = None
    expect: str = ""

    @property
    def method(self) -> str:
        """GET, or POST with a body."""
        return "GET" if self.body is None else "POST"

    @property
    def wanted(self) -> str:
        """What a right answer is, in words."""
        found = f", and `{self.expect}` found in it" if self.expect else ""
        return f"`{self.method} {self.path}` has to be answered with a status below 400{found}"


ANY_ANSWER = Question()


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What became of one request.

    Attributes:
        ready: whether it was right.
        said: the status, or why there was none or what was wrong, as a sentence.
        timed_out: whether there was no answer in time.
        ms: how long it took.
    """

    ready: bool
    said: str
    timed_out: bool = False
    ms: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Readiness:
    """How the wait ended.

    Attributes:
        said: "" when the service is ready; else what the last request met.
        first_ms: how long the first right answer took; 0 without any.
        usual_ms: the median of those that followed it.
    """

    said: str
    first_ms: float = 0.0
    usual_ms: float = 0.0


def headers_of(given: Mapping[str, object]) -> dict[str, str]:
    """Headers as the settings have them, whose values may be numbers."""
    return {name: str(value) for name, value in given.items()}


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """A redirect is an answer: whoever gives it is up."""

    def redirect_request(self, *_: object) -> None:
        return None


def ask(url: str, access: Access, timeout_s: float, question: Question = ANY_ANSWER) -> Answer:
    """Make one request. It never raises for what a server or a network can do, and takes no longer than `timeout_s`.

    A socket's own time limit begins anew with every byte, so a server that sends one now and then could keep us for ever.
    """
    late = _no_answer(TimeoutError(), question, access)
    return within(timeout_s, lambda: _ask(url, access, timeout_s, question), late)


def within(timeout_s: float, work: Callable[[], _T], late: _T) -> _T:
    """What some work in a thread of its own comes to, or `late`; then the thread is left behind."""
    answers: Queue[_T] = Queue()
    Thread(target=lambda: answers.put(work()), daemon=True).start()
    try:
        return answers.get(timeout=timeout_s + _SOCKETS_FIRST_S)
    except Empty:
        return late


def opened(url: str, access: Access, timeout_s: float, body: bytes | None = None) -> http.client.HTTPResponse:
    """The answer to one request on a connection of its own, its status below 300; redirects are not followed.

    Raises:
        OSError, http.client.HTTPException, ValueError: there is none; a `urllib.error.HTTPError` has the status.
    """
    request = _request(url, access.headers, body)
    opener = urllib.request.build_opener(
        urllib.request.ProxyHandler(_proxies(request.host, access.environment)),
        urllib.request.HTTPSHandler(context=access.tls),
        _NoRedirect(),
    )
    answer: http.client.HTTPResponse = opener.open(request, timeout=timeout_s)
    return answer


def _ask(url: str, access: Access, timeout_s: float, question: Question) -> Answer:
    began = time.perf_counter()
    try:
        with opened(url + question.path, access, timeout_s, question.body) as response:
            said = f"it answered with status {response.status}"
            read = response.read(_LONGEST_ANSWER) if question.expect else b""
            wrong = _wrong(read, question, access) if question.expect else ""
            ms = (time.perf_counter() - began) * 1000
            return Answer(ready=not wrong, said=f"{said} and {wrong}" if wrong else said, ms=ms)
    except urllib.error.HTTPError as error:
        error.close()
        ready = error.code < 400 and not question.expect
        return Answer(ready=ready, said=f"it answered with status {error.code}")
    except urllib.error.URLError as error:
        return _no_answer(error.reason, question, access)
    except (OSError, http.client.HTTPException, ValueError) as error:
        return _no_answer(error, question, access)


def _wrong(body: bytes, question: Question, access: Access) -> str:
    """What an answer lacks, "" if nothing."""
    import jmespath

    expect = question.expect
    text = " ".join(body[:_MOST_READ].decode("utf-8", "replace").split())
    # Before it is cut: half a secret would not be found.
    text = _without_secrets(text, question, access)[:_SHOWN]
    try:
        found = jmespath.search(expect, json.loads(body))
    except jmespath.exceptions.JMESPathError as error:
        said = _without_secrets(" ".join(str(error).split()), question, access)[: 2 * _SHOWN]
        return f"an answer in which `{expect}` cannot be looked up: {said}"
    except (ValueError, RecursionError):
        return f"no JSON: {text}"
    nothing = found is None or found is False or found in ("", [], {})
    return f"nothing at `{expect}`: {text}" if nothing else ""


def _without_secrets(text: str, question: Question, access: Access) -> str:
    """A text without what was sent: headers and bodies may hold secrets, and servers repeat them."""
    sent = [part for value in access.headers.values() for part in (value, *value.split())]
    with suppress(ValueError):
        sent += [text for _, text in texts_in(json.loads(question.body or b"null"))]
    longest_first = sorted({part for part in sent if len(part) >= _SHORTEST_SECRET}, key=len, reverse=True)
    return contract.without(text, longest_first)


def _no_answer(reason: object, question: Question, access: Access) -> Answer:
    if isinstance(reason, TimeoutError):
        return Answer(ready=False, said="it did not answer in time", timed_out=True)
    said = (str(reason) or type(reason).__name__) if isinstance(reason, BaseException) else str(reason)
    return Answer(ready=False, said=f"there was no answer: {_without_secrets(said, question, access)}")


def _request(url: str, headers: Mapping[str, str], body: bytes | None) -> urllib.request.Request:
    """The request, with `user:password@` of the address turned into a header as Locust's client does."""
    parts = urllib.parse.urlsplit(url)
    login, _, host = parts.netloc.rpartition("@")
    sent = {"User-Agent": "ml-loadtest", "Accept": "*/*", "Connection": "close"}
    sent |= ({"Content-Type": "application/json"} if body is not None else {}) | dict(headers)
    if login:
        sent.setdefault("Authorization", f"Basic {base64.b64encode(urllib.parse.unquote(login).encode()).decode()}")
    address = parts._replace(netloc=host).geturl()
    return urllib.request.Request(address, data=body, headers=sent)  # noqa: S310 (settings allow http and https alone)


def _proxies(host: str, environment: Mapping[str, str]) -> dict[str, str]:
    """The proxies that the environment names for this host."""
    named = {name.lower(): value for name, value in environment.items() if name.lower().endswith("_proxy") and value}
    bare = urllib.parse.urlsplit(f"//{host}").hostname or ""
    bypassed = urllib.request.proxy_bypass_environment  # type: ignore[attr-defined]  # typeshed does not know it
    if is_loopback(bare) or bypassed(host, {"no": named.get("no_proxy", "")}):
        return {}
    return {scheme: named[f"{scheme}_proxy"] for scheme in ("http", "https") if f"{scheme}_proxy" in named}


def wait_until_ready(
    look: Callable[[], str],
    access: Access,
    deadline: Deadline,
    question: Question = ANY_ANSWER,
    in_a_row: Callable[[], int] = lambda: 1,
) -> Readiness:
    """Ask until the service is ready or the deadline is over. Each request has a connection of its own, so that a balancer
    in front of replicas leads them to one after the other.

    A request that times out is given twice the time the next time: the first one may have a model to load.

    Args:
        look: gives the service's address, "" while there is none, and raises when waiting is of no more use.
        access: how to ask.
        deadline: until when.
        question: what to ask.
        in_a_row: how many right answers are wanted one after the other; asked anew each time, for replicas may still come.
    """
    said, patience = "no port of it was open", _FIRST_PATIENCE_S
    right: list[float] = []
    in_row = 0
    while True:
        if url := look():
            answer = ask(url, access, max(0.1, min(patience, deadline.left_s)), question)
            said = answer.said
            patience *= 2 if answer.timed_out else 1
            in_row = in_row + 1 if answer.ready else 0
            right += [answer.ms] if answer.ready else []
            if in_row >= in_a_row():
                look()
                return Readiness(said="", first_ms=right[0], usual_ms=statistics.median(right[1:] or right))
        if not deadline.left_s:
            return Readiness(said=f"{said}, after {in_row} right answers of {in_a_row()} in a row" if in_row else said)
        time.sleep(min(0.0 if in_row else _PAUSE_S, deadline.left_s))
