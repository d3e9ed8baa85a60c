"""A service that is already running: nothing to start, nothing to take down."""

import ssl
import urllib.parse
from pathlib import Path

from entrypoint.errors import SettingsError
from entrypoint.service.deadline import Deadline
from entrypoint.service.place import Place
from entrypoint.service.readiness import Access, Readiness, headers_of
from entrypoint.service.resources import Gauge
from entrypoint.service.target import Fault
from entrypoint.settings import model


class UrlService:
    """The service at `url`."""

    hint = "Is it the right address, can this machine reach it, and do `headers` and `ca` say what it needs?"

    def __init__(self, service: model.Service, name: str, place: Place) -> None:
        self.name = name
        self.url = service.url.rstrip("/")
        self.timing: dict[str, float] = {}
        self.readiness: Readiness | None = None
        self.image_bytes: int | None = None
        self.access = Access(
            headers=headers_of(service.headers),
            tls=_authority(service.ca) if service.ca else None,
            environment=place.environment,
        )

    def prepare(self) -> None:
        """Nothing to prepare."""

    def start(self, _deadline: Deadline, /) -> None:
        """Nothing to start."""

    def look(self) -> str:
        """Its address; whether it lives is for the request to find out."""
        return self.url

    @property
    def replicas(self) -> int:
        """One, as far as can be seen."""
        return 1

    def settle(self) -> None:
        """Nothing to watch."""

    def gauges(self) -> list[Gauge]:
        """Its machine is out of reach."""
        return []

    def addresses(self) -> dict[str, str]:
        """Its address."""
        return {self.name: self.url}

    def log_tail(self) -> str:
        """Its log is out of reach."""
        return ""

    def save_logs(self) -> None:
        """Its log is out of reach."""

    def release(self) -> None:
        """Nothing is held."""

    def faults(self) -> list[Fault]:
        """None: its processes are out of reach."""
        return []

    def facts(self) -> dict[str, str]:
        """The launcher, and the address without login and query."""
        return {"launcher": "url", "url": shown(self.url)}


def shown(url: str) -> str:
    """An address as it may be printed: without login, query and fragment."""
    parts = urllib.parse.urlsplit(url)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2], query="", fragment="").geturl()


def _authority(path: Path) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=path)
    except (OSError, ssl.SSLError) as error:
        raise SettingsError(
            f"`ca`: {path} cannot be read as a certificate authority: {error.strerror or error}.",
            remedy="Name a file with one or more certificates in PEM form.",
        ) from None
