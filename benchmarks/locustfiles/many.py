"""As many requests as the generator can send, to so many endpoints as ENDPOINTS says, 200 unless it does."""

import os
import random

from locust import FastHttpUser, constant, task

_ENDPOINTS = int(os.environ.get("ENDPOINTS", "200"))


class Caller(FastHttpUser):
    wait_time = constant(0)

    @task
    def ask(self) -> None:
        path = f"/predict/{random.randrange(_ENDPOINTS)}"
        self.client.get(path, name=path)
