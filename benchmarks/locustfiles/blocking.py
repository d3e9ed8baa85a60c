"""As `steady.py`, with tasks that now and then keep the whole generator busy, as parsing a large answer does.

BLOCK_MS says for how long, BLOCK_EVERY after how many requests of the process.
"""

import os
import time
from itertools import count

from locust import FastHttpUser, task

_BLOCK_S = float(os.environ.get("BLOCK_MS", "0")) / 1000
_EVERY = int(os.environ.get("BLOCK_EVERY", "1"))
_requests = count(1)


class Caller(FastHttpUser):
    @task
    def ask(self) -> None:
        ticket = self.context().get("ml_loadtest")
        self.client.get(f"/work?id={ticket.segment}.{ticket.number}", name="/work")
        if next(_requests) % _EVERY == 0:
            until = time.perf_counter() + _BLOCK_S
            while time.perf_counter() < until:
                pass
