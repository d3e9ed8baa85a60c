"""What measuring costs, and how true it is: ratios from one run on one machine, never a timed test."""
