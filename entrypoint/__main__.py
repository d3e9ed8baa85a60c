"""`python -P -m entrypoint`, as the action starts it."""

from entrypoint.cli import main

if __name__ == "__main__":
    main()
