"""Services that already run, with and without https."""

import ssl
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import trustme

from entrypoint.errors import ServiceError, SettingsError
from entrypoint.service import running
from tests.service.conftest import settings


class NeedsKey(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200 if self.headers.get("X-Key") == "7" else 401)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture(scope="module")
def https(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Path]]:
    """Address and authority of a server that asks for a key."""
    authority = trustme.CA()
    ca = tmp_path_factory.mktemp("ca") / "ca.pem"
    authority.cert_pem.write_to_path(ca)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)
    with ThreadingHTTPServer(("127.0.0.1", 0), NeedsKey) as server:
        server.socket = context.wrap_socket(server.socket, server_side=True)
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        yield f"https://localhost:{server.server_port}", ca
        server.shutdown()
        thread.join()


def test_https_with_its_own_authority_and_headers(https, place, say):
    url, ca = https
    service = settings(url=f"{url}/", ca=ca, headers={"X-Key": 7})
    with running(service, name="candidate", place=place, say=say) as target:
        assert target.url == url
        assert target.faults() == []
        assert target.facts() == {"launcher": "url", "url": url}
        assert target.readiness is None
    assert target.timing["teardown"] < 1
    assert list(place.ledger.iterdir()) == []


def test_an_unknown_authority(https, place, say):
    service = settings(url=https[0], headers={"X-Key": 7}, ready={"timeout": "300ms"})
    with pytest.raises(ServiceError) as caught, running(service, name="candidate", place=place, say=say):
        pass
    assert "CERTIFICATE_VERIFY_FAILED" in caught.value.cause
    assert "`ca`" in caught.value.remedy


def test_a_missing_key(https, place, say):
    service = settings(url=https[0], ca=https[1], ready={"timeout": "300ms"})
    with pytest.raises(ServiceError) as caught, running(service, name="candidate", place=place, say=say):
        pass
    assert "status 401" in caught.value.cause


@pytest.mark.parametrize("text", [None, "no certificate"])
def test_an_authority_that_is_none(place, say, text):
    ca = place.root / "ca.pem"
    if text:
        ca.write_text(text)
    with (
        pytest.raises(SettingsError, match="`ca`"),
        running(settings(url="https://localhost", ca=ca), name="candidate", place=place, say=say),
    ):
        pass


def test_the_address_is_shown_without_login_and_query(place):
    from entrypoint.service.url import UrlService

    target = UrlService(settings(url="https://me:secret@service.example/v1?key=secret"), "candidate", place)
    assert target.facts()["url"] == "https://service.example/v1"
