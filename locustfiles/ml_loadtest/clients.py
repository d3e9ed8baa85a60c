"""What a locustfile may build on: users that look at their answers, streams that are timed as they arrive, extra numbers.

    from ml_loadtest import JsonUser, SseUser, attach

Under plain `locust`, without our instrument, all of it works too; only the extra numbers then go nowhere.
"""

import json as json_text
import math
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from numbers import Integral, Real
from typing import Any

import gevent
from geventhttpclient.response import HTTPParseError
from locust import FastHttpUser, User
from locust.contrib.fasthttp import ResponseContextManager

from ml_loadtest.contract import CORRECT, EXTRA_NAME, FIELDS, MOST_EXTRAS
from ml_loadtest.users import Crew, LocustfileMistake, asking_user

_SHOWN = 100
# How long the end of a stream's HTTP message is waited for once its last event is here, so that the connection can be kept.
_CLOSING_S = 1.0


# Extra numbers --------------------------------------------------------------------------------------------------------


def attach(**numbers: float) -> None:
    """Store numbers beside the last request of this task: batch size, tokens, whatever a later analysis wants.

    Call it after the request, or inside its `with` block. Called again, it adds to what is there. `read_samples` has a column
    for each name. Under plain `locust` the numbers are checked and then forgotten.

    `attach(correct=answer["label"] == known)` says whether a prediction is right: the share of right ones is the metric
    `accuracy`. A wrong prediction is no failed request.

    Args:
        numbers: finite; names of at most 40 of the characters a-z, 0-9 and _; at most 20 different names in a run.

    Raises:
        LocustfileMistake: if a name or a number cannot be stored, or if no request came before.
    """
    extras = {name: _number(name, number) for name, number in numbers.items()}
    if len(extras) > MOST_EXTRAS:
        raise LocustfileMistake(f"attach() takes at most {MOST_EXTRAS} different names")
    if Crew.installed is not None:
        Crew.installed.attach(_asking_user(), extras)


def _number(name: str, number: object) -> float:
    if not EXTRA_NAME.fullmatch(name) or name in FIELDS:
        why = "every sample has one" if name in FIELDS else "at most 40 of the characters a-z, 0-9 and _"
        raise LocustfileMistake(f"attach() cannot take the name `{name}`: {why}")
    if name == CORRECT:
        if number in (0, 1):
            return int(number)
        raise LocustfileMistake(f"attach({CORRECT}={number!r}): expected True or False, or 1 or 0")
    if isinstance(number, Real) and not isinstance(number, bool):
        with suppress(OverflowError):
            if math.isfinite(exact := float(number)):
                return int(number) if isinstance(number, Integral) else exact
    raise LocustfileMistake(f"attach({name}={number!r}): not a finite number")


def _asking_user() -> User:
    user = asking_user()
    if user is None:
        raise LocustfileMistake("attach() belongs into a task of a user")
    return user


# JSON -----------------------------------------------------------------------------------------------------------------


class _PatientUser(FastHttpUser):
    """A user that does not wait for ever. Time-outs are in seconds, for each step on the network."""

    abstract = True
    connection_timeout = 10.0
    network_timeout = 30.0
    # Connections of one user. One is in use unless a task makes requests side by side; beyond ten those would queue here.
    concurrency = 10


class JsonUser(_PatientUser):
    """A user that asks with JSON, and whose answers must be JSON and right.

    `self.client` is Locust's own and works as ever. A user that also reads streams is a `JsonUser` and an `SseUser`.
    """

    abstract = True

    def ask(
        self,
        method: str,
        path: str,
        *,
        name: str,
        json: Any = None,
        headers: Mapping[str, str] | None = None,
        check: Callable[[Any], str | bool | None] | None = None,
    ) -> Any:
        """Make one request. A status other than 2xx, a body that is not JSON and a wrong answer are failures.

        Args:
            method: HTTP method.
            path: below the host, or a whole URL.
            name: of the row in the report; the same for every id in a path.
            json: the body; none if None.
            headers: beside Locust's own.
            check: given the parsed answer. None or True: it is right; a text or False: it is wrong. What it raises, too,
                says that it is wrong.

        Returns:
            The parsed answer; None if there was none or it was wrong.
        """
        asked = {"name": _named(name), "json": json, "headers": headers}
        with self.client.request(method.upper(), path, catch_response=True, **asked) as response:
            if _failed(response):
                return None
            answer, wrong = _parsed(response.content or b"")
            wrong = wrong or _judge(check, answer)
            if wrong:
                response.failure(wrong)
            return None if wrong else answer


def _named(name: str) -> str:
    if not isinstance(name, str) or not name:
        raise LocustfileMistake(f"name={name!r}: the request needs a name, a row of the report is made of it")
    return name


def _failed(response: ResponseContextManager) -> bool:
    """Whether the request failed already; a status below 400 that is none of 2xx, which Locust lets pass, fails here."""
    if response.request_meta["exception"] is not None:
        return True
    if not 200 <= response.status_code < 300:
        response.failure(f"status {response.status_code}, not 2xx")
        return True
    return False


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is no JSON")


_DECODER = json_text.JSONDecoder(parse_constant=_refuse)


def _parsed(body: bytes) -> tuple[Any, str]:
    """The JSON in a body and what is wrong with it, "" if nothing is."""
    if not body.strip():
        return None, "the body is empty, not JSON"
    try:
        return _DECODER.decode(body.decode("utf-8")), ""
    except (ValueError, RecursionError) as error:
        return None, f"not JSON ({error}): {_excerpt(body)}"


def _excerpt(body: bytes) -> str:
    text = " ".join(body[: 4 * _SHOWN].decode("utf-8", "replace").split())
    return text if len(text) <= _SHOWN else text[:_SHOWN] + "…"


def _judge(check: Callable[[Any], str | bool | None] | None, answer: Any) -> str:
    """What the locustfile finds wrong with an answer, "" if nothing."""
    try:
        verdict = check(answer) if check else None
    except Exception as error:
        return f"check raised {type(error).__name__}: {error}"
    if verdict is None or verdict is True:
        return ""
    if verdict is False:
        return "check said that the answer is wrong"
    if isinstance(verdict, str):
        return verdict or "check said that the answer is wrong"
    return f"check returned {type(verdict).__name__}, not None, True, False or a text"


# Server-sent events ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class StreamedAnswer:
    """A stream that came to its end.

    Attributes:
        text: all content, joined.
        chunks: events with content.
        tokens: of output, as the server counted them; the number of chunks if it did not say.
        usage: the server's own account, if it sent one.
        ttft_ms: from sending the request to the first content.
        total_ms: from sending the request to the last byte.
        gaps_ms: between one content and the next, `chunks - 1` of them.
    """

    text: str
    chunks: int
    tokens: int
    usage: Mapping[str, Any] | None
    ttft_ms: float
    total_ms: float
    gaps_ms: tuple[float, ...]

    @property
    def tpot_ms(self) -> float | None:
        """Time for each output token after the first, (total - ttft) / (tokens - 1), as vLLM and MLPerf define it."""
        return (self.total_ms - self.ttft_ms) / (self.tokens - 1) if self.tokens > 1 else None

    @property
    def extras(self) -> dict[str, float]:
        """What is stored beside the sample."""
        numbers = {"ttft_ms": self.ttft_ms, "tokens": self.tokens, "chunks": self.chunks, "tpot_ms": self.tpot_ms}
        if self.gaps_ms:
            numbers["itl_p95_ms"] = sorted(self.gaps_ms)[math.ceil(0.95 * len(self.gaps_ms)) - 1]
        return {name: number for name, number in numbers.items() if number is not None}


def openai_content(event: Any) -> str:
    """The visible text in a chunk of OpenAI's chat or text completions; "" in one with a role, a usage or nothing.

    Raises:
        ValueError: if the chunk reports an error, which servers do under a status of 200.
    """
    if event.get("error") or event.get("object") == "error":
        raise ValueError(event.get("error") or event)
    choices = event.get("choices") or ()
    return "".join((choice.get("delta") or {}).get("content") or choice.get("text") or "" for choice in choices)


class SseUser(_PatientUser):
    """A user whose answers are streams of server-sent events, such as a language model's.

    Attributes:
        last_event: the data that ends a stream; without it a stream was cut off. None if the service sends no such thing,
            and the end of the body is the end of the stream.
    """

    abstract = True
    last_event: str | None = "[DONE]"

    def stream(
        self,
        path: str,
        *,
        name: str,
        json: Any,
        method: str = "POST",
        headers: Mapping[str, str] | None = None,
        content: Callable[[Any], str] = openai_content,
        check: Callable[[StreamedAnswer], str | bool | None] | None = None,
    ) -> StreamedAnswer | None:
        """Make one request and read its events as they arrive. It is one sample, whose response time ends with the last byte.

        Beside the sample are stored `ttft_ms`, `tokens`, `chunks`, `tpot_ms` and `itl_p95_ms`; beside a failed one at most
        `ttft_ms` and `chunks`. A stream that breaks off, lacks its last event, has a chunk that is no JSON, or has no
        content is a wrong answer.

        Args:
            path: below the host, or a whole URL.
            name: of the row in the report.
            json: the body.
            method: HTTP method.
            headers: beside Locust's own.
            content: given the JSON of an event; its text, "" if there is none. What it raises makes the stream wrong.
            check: given the whole answer; see `JsonUser.ask`.

        Returns:
            The answer; None if there was none or it was wrong.
        """
        # The body is made here, so that nothing of note happens between this clock's reading and the sending.
        body = None if json is None else json_text.dumps(json)
        asked = {"name": _named(name), "data": body, "headers": _stream_headers(headers or {})}
        sent = time.perf_counter()
        with self.client.request(method.upper(), path, stream=True, catch_response=True, **asked) as response:
            if _failed(response):
                return None
            stream = _Stream(response, sent, content, self.last_event)
            try:
                wrong = stream.read()
            finally:
                stream.close()
            answer = stream.answer() if not wrong else None
            wrong = wrong or _judge(check, answer)
            response.request_meta |= {"response_time": stream.total_ms, "response_length": stream.length}
            self._attach(answer.extras if answer else stream.extras)
            if wrong:
                response.failure(wrong)
            return None if wrong else answer

    def _attach(self, extras: Mapping[str, float]) -> None:
        if Crew.installed is not None and extras:
            Crew.installed.attach(self, extras)


def _stream_headers(given: Mapping[str, str]) -> dict[str, str]:
    defaults = {"Content-Type": "application/json", "Accept": "text/event-stream", "Accept-Encoding": "identity"}
    names = {name.lower() for name in given}
    return {name: value for name, value in defaults.items() if name.lower() not in names} | dict(given)


class _MalformedError(Exception):
    """An event that cannot be read."""


class _Stream:
    """One stream while it is read: what came, and when.

    Read line by line from the socket, not by `client.iter_lines`, which waits until a kilobyte is there. A line is decoded
    when it is whole, so that no character is cut in two.

    Attributes:
        last: when the last byte came.
        length: bytes of the body.
    """

    def __init__(
        self, response: ResponseContextManager, sent: float, content: Callable[[Any], str], last_event: str | None
    ) -> None:
        self.last = time.perf_counter()
        self.length = 0
        self._sent = sent
        self._response = response
        self._source = response._response
        self._content = content
        self._last_event = last_event
        self._finished = last_event is None
        self._texts: list[str] = []
        self._arrivals: list[float] = []
        self._usage: Mapping[str, Any] | None = None

    @property
    def total_ms(self) -> float:
        """From sending the request to the last byte so far."""
        return (self.last - self._sent) * 1000

    @property
    def extras(self) -> dict[str, float]:
        """What may be said of a stream that failed."""
        first = {"ttft_ms": (self._arrivals[0] - self._sent) * 1000} if self._arrivals else {}
        return {**first, "chunks": len(self._arrivals)}

    def read(self) -> Exception | str:
        """Read to the end; what is wrong with the stream, "" if nothing."""
        try:
            self._read_events()
        except TimeoutError as error:
            self.last = time.perf_counter()
            return TimeoutError(f"{error or 'timed out'}, {self._so_far()}")
        except (OSError, HTTPParseError) as error:
            self.last = time.perf_counter()
            return f"the stream broke off, {self._so_far()}: {type(error).__name__}: {error}"
        except _MalformedError as error:
            return str(error)
        if not self._finished:
            return f"the stream ended without {self._last_event}, {self._so_far()}"
        return "" if self._arrivals else f"the stream had no content, {self._so_far()}"

    def _so_far(self) -> str:
        kind = self._response.headers.get("content-type", "no content type")
        return f"after {len(self._arrivals)} chunks and {self.length} bytes ({kind})"

    def _read_events(self) -> None:
        data: list[str] = []
        arrived = 0.0
        for line in self._lines():
            value = line.removeprefix("data:").removeprefix(" ")
            if line.startswith("data:") and value.strip() == self._last_event:
                self._finished = True
                break
            if line.startswith("data:"):
                data.append(value)
                arrived = self.last
            elif not line and data:
                self._take("\n".join(data), arrived)
                data = []
        if data:
            self._take("\n".join(data), arrived)

    def _lines(self) -> Iterator[str]:
        """The body's lines without their ends, each when it is whole."""
        while line := self._source.readline(b"\n") or self._source.read():
            self.last = time.perf_counter()
            self.length += len(line)
            try:
                yield line.decode("utf-8").rstrip("\r\n")
            except UnicodeDecodeError as error:
                raise _MalformedError(f"chunk {len(self._arrivals) + 1} is no UTF-8: {_excerpt(line)}") from error
        self.last = time.perf_counter()

    def _take(self, data: str, arrived: float) -> None:
        number = len(self._arrivals) + 1
        try:
            event = _DECODER.decode(data)
        except (ValueError, RecursionError) as error:
            raise _MalformedError(f"chunk {number} is not JSON ({error}): {_excerpt(data.encode())}") from error
        try:
            text = self._content(event) or ""
        except Exception as error:
            raise _MalformedError(f"chunk {number} is wrong: {type(error).__name__}: {error}") from error
        if not isinstance(text, str):
            raise _MalformedError(f"content returned {type(text).__name__} for chunk {number}, not a text")
        if text:
            self._texts.append(text)
            self._arrivals.append(arrived)
        if isinstance(event, dict) and isinstance(event.get("usage"), dict):
            self._usage = event["usage"]

    def answer(self) -> StreamedAnswer:
        """All of it, once `read` found nothing wrong."""
        chunks = len(self._arrivals)
        counted = (self._usage or {}).get("completion_tokens")
        return StreamedAnswer(
            text="".join(self._texts),
            chunks=chunks,
            tokens=counted if isinstance(counted, int) and counted > 0 else chunks,
            usage=self._usage,
            ttft_ms=(self._arrivals[0] - self._sent) * 1000,
            total_ms=self.total_ms,
            gaps_ms=tuple((b - a) * 1000 for a, b in zip(self._arrivals, self._arrivals[1:], strict=False)),
        )

    def close(self) -> None:
        """Keep the connection if the message ends in time, as it does; else close it."""
        try:
            if self._finished:
                with gevent.Timeout(_CLOSING_S, False), suppress(OSError, HTTPParseError):
                    self.length += len(self._source.read())
        finally:
            self._source.release()
