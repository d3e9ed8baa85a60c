"""As many requests as the generator can send: what Locust's own documentation measures."""

from locust import FastHttpUser, constant, task


class Caller(FastHttpUser):
    wait_time = constant(0)

    @task
    def ask(self) -> None:
        self.client.get("/")
