"""Runs: begun, written down while they train, opened, taken up again, repeated."""
