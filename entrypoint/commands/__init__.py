"""What the command line can do beside `run`; a module for each command."""
