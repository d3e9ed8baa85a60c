"""Whether a service answers: real requests, until one succeeds or the time is over."""

import base64
import http.client
import ssl
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from entrypoint.service.deadline import Deadline
from entrypoint.settings.plausible import is_loopback

_PAUSE_S = 0.1
_FIRST_PATIENCE_S = 2.0


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
class Answer:
    """What became of one request.

    Attributes:
        ready: whether the status was below 400.
        said: the status, or why there was none, as a sentence.
        timed_out: whether there was no answer in time.
    """

    ready: bool
    said: str
    timed_out: bool = False


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """A redirect is an answer: whoever gives it is up."""

    def redirect_request(self, *_: object) -> None:
        return None


def ask(url: str, access: Access, timeout_s: float) -> Answer:
    """Make one GET request. It never raises for what a server or a network can do."""
    try:
        request = _request(url, access.headers)
        opener = urllib.request.build_opener(
            urllib.request.ProxyHandler(_proxies(request.host, access.environment)),
            urllib.request.HTTPSHandler(context=access.tls),
            _NoRedirect(),
        )
        with opener.open(request, timeout=timeout_s) as response:
            return Answer(ready=True, said=f"it answered with status {response.status}")
    except urllib.error.HTTPError as error:
        error.close()
        return Answer(ready=error.code < 400, said=f"it answered with status {error.code}")
    except urllib.error.URLError as error:
        return _no_answer(error.reason)
    except (OSError, http.client.HTTPException, ValueError) as error:
        return _no_answer(error)


def _no_answer(reason: object) -> Answer:
    if isinstance(reason, TimeoutError):
        return Answer(ready=False, said="it did not answer in time", timed_out=True)
    said = (str(reason) or type(reason).__name__) if isinstance(reason, BaseException) else str(reason)
    return Answer(ready=False, said=f"there was no answer: {said}")


def _request(url: str, headers: Mapping[str, str]) -> urllib.request.Request:
    """The request, with `user:password@` of the address turned into a header as Locust's client does."""
    parts = urllib.parse.urlsplit(url)
    login, _, host = parts.netloc.rpartition("@")
    sent = {"User-Agent": "ml-loadtest", "Accept": "*/*", "Connection": "close", **headers}
    if login:
        sent.setdefault("Authorization", f"Basic {base64.b64encode(urllib.parse.unquote(login).encode()).decode()}")
    return urllib.request.Request(parts._replace(netloc=host).geturl(), headers=sent)  # noqa: S310 (settings allow http and https alone)


def _proxies(host: str, environment: Mapping[str, str]) -> dict[str, str]:
    """The proxies that the environment names for this host."""
    named = {name.lower(): value for name, value in environment.items() if name.lower().endswith("_proxy") and value}
    bare = urllib.parse.urlsplit(f"//{host}").hostname or ""
    bypassed = urllib.request.proxy_bypass_environment  # type: ignore[attr-defined]  # typeshed does not know it
    if is_loopback(bare) or bypassed(host, {"no": named.get("no_proxy", "")}):
        return {}
    return {scheme: named[f"{scheme}_proxy"] for scheme in ("http", "https") if f"{scheme}_proxy" in named}


def wait_until_ready(look: Callable[[], str], access: Access, deadline: Deadline) -> str:
    """Ask until the service is ready or the deadline is over.

    A request that times out is given twice the time the next time: the first one may have a model to load.

    Args:
        look: gives the address to ask, "" while there is none, and raises when waiting is of no more use.
        access: how to ask.
        deadline: until when.

    Returns:
        "" when it is ready; else what the last request met.
    """
    said, patience = "no port of it was open", _FIRST_PATIENCE_S
    while True:
        if url := look():
            answer = ask(url, access, max(0.1, min(patience, deadline.left_s)))
            if answer.ready:
                look()
                return ""
            said = answer.said
            patience *= 2 if answer.timed_out else 1
        if not deadline.left_s:
            return said
        time.sleep(min(_PAUSE_S, deadline.left_s))
