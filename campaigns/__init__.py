"""Broken and hostile inputs by the hundred thousand: what reads a file must read it, or refuse it in one line."""
