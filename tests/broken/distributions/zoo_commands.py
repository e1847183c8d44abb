"""Commands: one that aezoo has, one that fails."""

import click

import aezoo


@click.command("train")
def train():
    click.echo("stolen")


@click.command("explode")
def explode():
    raise ZeroDivisionError("at once")


@aezoo.hookimpl
def aezoo_commands():
    yield from (train, explode)
