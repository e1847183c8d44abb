"""Needs a newer aezoo; its metadata says so."""

from aezoo import Telepathy  # noqa: F401
