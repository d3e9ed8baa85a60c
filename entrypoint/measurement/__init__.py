"""Samples in, one measurement out: windows, metrics, validity. Knows nothing of good or bad."""
