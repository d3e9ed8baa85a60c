"""The action as GitHub's runner would run it."""
