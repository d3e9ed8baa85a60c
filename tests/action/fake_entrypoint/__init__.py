"""Stands in for the conductor where a test is about action.yml alone."""
