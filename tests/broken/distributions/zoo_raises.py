"""Raises on import."""

raise RuntimeError("no such\nluck")
