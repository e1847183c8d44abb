"""Needs a newer aezoo, and its metadata keeps quiet about it."""

from aezoo import Telepathy  # noqa: F401
