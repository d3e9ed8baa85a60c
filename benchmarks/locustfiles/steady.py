"""A hundred requests a second from fifty users, each told apart from all others in its URL.

Bare Locust paces it by `constant_throughput`; in our open load the arrival rate does, and the wait time is not asked.
"""

from locust import FastHttpUser, constant_throughput, task


class Caller(FastHttpUser):
    wait_time = constant_throughput(2)

    @task
    def ask(self) -> None:
        ticket = self.context().get("ml_loadtest")
        identity = f"{ticket.segment}.{ticket.number}" if ticket else "bare"
        self.client.get(f"/work?id={identity}", name="/work")
