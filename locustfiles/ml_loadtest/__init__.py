"""What runs inside Locust, and what a locustfile may import from us.

The conductor imports `ml_loadtest.contract` from here without Locust installed, so nothing is imported until it is asked for.
"""
