"""Connections that were idle for long are not trusted, in both of Locust's clients."""

import pytest

USERS = """
class Caller({client}):
    wait_time = constant({think})
    @task
    def ask(self):
        self.client.post("/a", data=b"x")
"""


@pytest.mark.parametrize("client", ["FastHttpUser", "HttpUser"])
def test_a_connection_that_a_server_would_close_soon_is_opened_anew(load, web, client):
    run = load(USERS.format(client=client, think=4.2), users=1, warm_up="5s", duration="5s")

    assert len(run.samples) >= 2
    assert web.connections == len(run.samples)
    assert set(run.outcomes()) == {"ok"}


@pytest.mark.parametrize("client", ["FastHttpUser", "HttpUser"])
def test_a_connection_in_use_is_kept(load, web, client):
    run = load(USERS.format(client=client, think=0.5), users=1, duration="3s")

    assert len(run.samples) >= 4
    assert web.connections == 1
