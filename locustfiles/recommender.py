"""Load for `examples/recommender`: one health check now and then, and users who ask for recommendations.

    locust -f locustfiles/recommender.py --headless -u 20 -r 20 -t 30s --host http://127.0.0.1:8000

A plain Locust file. Only `random` is drawn from: it is seeded for each run, so that two runs ask the same questions.
"""

import ast
import random

from locust import FastHttpUser, between, task
from locust.contrib.fasthttp import ResponseContextManager

USERS = ["17850", "13047", "12583", "13748", "15100", "15291", "14688", "17809", "15311", "16098"]
ITEMS = ["85123A", "71053", "84406B", "84029G", "84029E", "22752", "21730", "22633", "22632", "84879"]


class HealthCheck(FastHttpUser):
    """Somebody's monitoring. Exactly one: by weight it would be half of all users, and the load half of what it says."""

    fixed_count = 1
    wait_time = between(10, 15)

    @task
    def health(self) -> None:
        self.client.get("/")


class Recommender(FastHttpUser):
    """Asks for users and for items in equal parts.

    FastHttpUser costs a fraction of HttpUser's time for each request, and generator and service share this machine's cores.
    The pauses keep one worker about a third busy with 20 users: response times, not the length of the queue.
    """

    wait_time = between(0.1, 0.3)

    @task
    def for_user(self) -> None:
        self.predict("user", random.choice(USERS))

    @task
    def for_item(self) -> None:
        self.predict("item", random.choice(ITEMS))

    def predict(self, kind: str, asked: str) -> None:
        # One name for all ids, or the table would have a row for each and every row too few requests.
        name = f"/predict/{kind}/{{{kind}_id}}"
        with self.client.get(f"/predict/{kind}/{asked}", name=name, catch_response=True) as response:
            if response.status_code == 200:
                check(response, kind, asked)


def check(response: ResponseContextManager, kind: str, asked: str) -> None:
    """A 200 with a wrong body is a failure, and says what was wrong with it. Other statuses fail by themselves."""
    try:
        answer = response.json()
        right = answer["success"] is True and answer["type"] == f"{kind}_based" and list(answer["data"]) == [asked]
        # The list comes as a text.
        right = right and isinstance(ast.literal_eval(answer["data"][asked]), list)
    except (ValueError, SyntaxError, KeyError, TypeError):
        right = False
    if not right:
        response.failure(f"not a recommendation for {kind} {asked}: {(response.text or '')[:100]}")
