"""What can go wrong, case by case; the table of docs/reliability.md is made from these cases, and `test_faults.py` plays each."""
