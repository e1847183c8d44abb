"""What a training takes beside its model, in one place for all that begin one or go on with one."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Literal, TypeVar

from aezoo.data import Dataset, open_data, reopen
from aezoo.data.open import with_test
from aezoo.errors import UsageError
from aezoo.storage.folder import RunFolder

F = TypeVar("F", bound=Callable[..., Any])


@dataclass(frozen=True)
class Job:
    """What a training takes beside its model.

    Args:
        data: a registered name, a file, an array, a tensor, or a torch Dataset.
        out: the run's folder: config, metrics, checkpoint, results and pictures; None writes nothing.
        overwrite: replace a run that is there.
        labels: of the rows, for the linear probe and the pictures.
        data_dir: folder of a dataset that is read from one, such as mnist.
        layout: what an array of three axes is, ``"image"``, ``"series"`` or ``"table"``; guessed and said, if not given.
        test: rows to measure on: a share, a number, a file of further rows, or 0 for none; a fifth if not given.
        train_on: ``"all"`` rows, with neither a test split nor rows held out for validation, as for a detector of what
            is to come; or all but those, ``"train"``.
        trackers: objects with training hooks (``aezoo_epoch_end`` ...).
        progress: show it; None shows it on a terminal.
        options: options of the model and of training, by name (``latent_dim=8, epochs=20``).
    """

    data: Any = None
    out: str | Path | RunFolder | None = None
    overwrite: bool = False
    labels: Any = None
    data_dir: str | Path | None = None
    layout: str | None = None
    test: Any = None
    train_on: Literal["train", "all"] = "train"
    trackers: Iterable[Any] = ()
    progress: bool | None = None
    options: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, arguments: Mapping[str, Any], without: Iterable[str] = ()) -> Job:
        """The job that keyword arguments ask for; those that are none of its own, or ``without``, are options."""
        own = {each.name for each in fields(cls)} - {"options", *without}
        options = {name: value for name, value in arguments.items() if name not in own}
        return cls(**{name: value for name, value in arguments.items() if name in own}, options=options)

    def opened(self, source: dict[str, Any] | None = None) -> Dataset:
        """Its data, or, where it names none, what a run has on record as the ``source`` of its own."""
        if self.data is None and source is not None:
            return reopen(source, labels=self.labels, data_dir=self.data_dir)
        if self.train_on not in ("train", "all"):
            raise UsageError(f"train_on {self.train_on!r} is neither 'train' nor 'all'.")
        if self.train_on == "all" and self.test is not None:
            raise UsageError("train_on 'all' learns from every row, and test holds rows out: give one of them.")
        how: dict[str, Any] = {} if self.layout is None else {"layout": self.layout}
        dataset = open_data(self.data, labels=self.labels, data_dir=self.data_dir, **how)
        test = 0 if self.train_on == "all" else self.test
        return dataset if test is None else with_test(dataset, test)


def takes_a_job(*without: str) -> Callable[[F], F]:
    """Shows the arguments of a :class:`Job`, but for those ``without``, in a function's signature."""

    def shown(function: F) -> F:
        signature = inspect.signature(function)
        *own, _ = signature.parameters.values()
        names = {parameter.name for parameter in own} | {"options", *without}
        more = [
            inspect.Parameter(each.name, inspect.Parameter.KEYWORD_ONLY, default=each.default, annotation=each.type)
            for each in fields(Job)
            if each.name not in names
        ]
        rest = inspect.Parameter("options", inspect.Parameter.VAR_KEYWORD, annotation="Any")
        function.__signature__ = signature.replace(parameters=[*own, *more, rest])  # type: ignore[attr-defined]
        return function

    return shown
