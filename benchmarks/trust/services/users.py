"""Asks either service for predictions; a 200 without a score is a failure."""

import random

from locust import FastHttpUser, task


class Client(FastHttpUser):
    @task
    def predict(self) -> None:
        number = random.randrange(10_000)
        with self.client.post("/predict", json={"number": number}, catch_response=True) as response:
            if response.status_code == 200 and "score" not in response.json():
                response.failure("no score")
