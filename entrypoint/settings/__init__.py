"""Flags, action inputs, `loadtest.yml` and the runner's event, read once. The only reader of the environment."""
