"""The load: the plan, Locust's life and death, and the loop that decides how it goes on. Knows no statistics."""
