"""From an address to a picture, with care: whoever may name an address could have this service ask its own neighbours.

Therefore only http and https, only from hosts that are allowed, no redirects (they lead elsewhere), and neither long nor large.
"""

import io
import os
import ssl
import time

import httpx
from PIL import Image

# An address without a host is one of this server's, whose port only the launcher knows: `digits/0003-3.png`.
IMAGES_URL = httpx.URL(os.environ.get("IMAGES_URL") or "http://images:8001")
# `ALLOWED_HOSTS=images:8001,photos.example`; a port that is not the scheme's own belongs to the host.
ALLOWED = {IMAGES_URL.netloc.decode(), *os.environ.get("ALLOWED_HOSTS", "").lower().replace(" ", "").split(",")} - {""}
TIMEOUT_S = 3.0
MOST_BYTES, MOST_PIXELS = 1_000_000, 4_000_000

# Loading the authorities takes longer than anything else here. The flawed variant is not about that.
_tls = ssl.create_default_context()


class NotLoadable(Exception):
    """Nothing at this address that is a picture, or nothing that we would fetch."""


def client() -> httpx.Client:
    """Connections that are kept for the next download.

    Shorter than servers do (uvicorn 5 s), or now and then one is used while it is being closed, and a good picture is a 404.
    No proxy from the environment: it would decide for us where an address leads. Nothing packed: a small file may be a large one.
    """
    return httpx.Client(
        verify=_tls,
        timeout=TIMEOUT_S,
        limits=httpx.Limits(keepalive_expiry=2),
        headers={"Accept-Encoding": "identity"},
        follow_redirects=False,
        trust_env=False,
    )


def download(pool: httpx.Client, address: str) -> bytes:
    """The file at an address, absolute or relative to `IMAGES_URL`."""
    deadline = time.monotonic() + TIMEOUT_S
    content = b""
    try:
        with pool.stream("GET", allowed(address)) as response:
            if response.status_code != 200:
                raise NotLoadable
            for part in response.iter_raw():
                content += part
                if len(content) > MOST_BYTES or time.monotonic() > deadline:
                    raise NotLoadable
    except httpx.HTTPError as error:
        raise NotLoadable from error
    return content


def allowed(address: str) -> httpx.URL:
    try:
        url = IMAGES_URL.join(address)
    except (httpx.InvalidURL, ValueError) as error:
        raise NotLoadable from error
    if url.scheme not in ("http", "https") or url.netloc.decode() not in ALLOWED:
        raise NotLoadable
    return url


def decode(content: bytes) -> Image.Image:
    try:
        image = Image.open(io.BytesIO(content))
        if image.width * image.height > MOST_PIXELS:  # known before it is unpacked
            raise NotLoadable
        image.load()
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:  # Pillow's ways to say no
        raise NotLoadable from error
    return image
