"""What runs inside Locust, and what a locustfile may import from us.

The conductor imports `ml_loadtest.contract` from here without Locust installed, so nothing is imported until it is asked for.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .clients import JsonUser, SseUser, attach

__all__ = ["JsonUser", "SseUser", "attach"]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from . import clients

    return getattr(clients, name)
