"""Something that goes on beside a measurement, in a thread."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def beside(work: Callable[..., None], *arguments: object) -> Iterator[None]:
    """Run `work` for as long as the block takes.

    Args:
        work: called with the arguments and then an event; it returns soon after that is set.
        arguments: the others.
    """
    over = threading.Event()
    thread = threading.Thread(target=work, args=(*arguments, over))
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
