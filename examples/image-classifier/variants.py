"""Two ways to answer with the same networks. `VARIANT` says which: `mended`, or `flawed` as in the original."""

import os
from collections.abc import Callable
from functools import lru_cache, partial

from download import client, decode, download
from networks import build

VARIANT = os.environ.get("VARIANT") or "mended"
KEPT = 128  # pictures; fewer than the load has, and it asks for some more often than for others

Classify = Callable[[str, str], tuple[str, float]]


def mended() -> Classify:
    """Everything that does not depend on the request is there before the first one."""
    networks = {route: build(route) for route in ("torch", "tf")}
    # By address and without an end: right for files that never change under their name, as these. Failures are not kept.
    kept = lru_cache(KEPT)(partial(download, client()))

    def classify(route: str, address: str) -> tuple[str, float]:
        return networks[route].classify(decode(kept(address)))

    return classify


def flawed() -> Classify:
    """Everything anew in each request: the connection, the download, the network from its file."""

    def classify(route: str, address: str) -> tuple[str, float]:
        with client() as pool:
            image = decode(download(pool, address))
        return build(route).classify(image)

    return classify


if VARIANT not in ("mended", "flawed"):
    raise SystemExit(f"VARIANT is {VARIANT!r}; expected `mended` or `flawed`")
classify = mended() if VARIANT == "mended" else flawed()
