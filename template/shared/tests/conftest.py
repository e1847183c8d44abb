"""Lends the tests ``aezoo_check``: see test_contract.py."""

pytest_plugins = ["aezoo.testing"]
