"""`python -P -m entrypoint`; the action starts it by `scripts/start.py`."""

from entrypoint.cli import main

if __name__ == "__main__":
    main()
