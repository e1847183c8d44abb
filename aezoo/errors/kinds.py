"""The classes of errors that a user can meet, and how each is shown."""

from __future__ import annotations

from aezoo.errors.wording import one_line


class ZooError(Exception):
    """Base of all of aezoo's own errors; ``str(error)`` is one line.

    Examples:
        >>> try:
        ...     aezoo.load("nowhere")
        ... except aezoo.ZooError as error:
        ...     print(type(error).__name__, error.exit_status)
        CheckpointError 1
    """

    exit_status = 1

    def __str__(self) -> str:
        return one_line(str(self.args[0] if self.args else ""))


class UsageError(ZooError, ValueError):
    """An option, name or argument that cannot be used as given.

    Examples:
        >>> aezoo.train("vae", "digits", latent_dim=0)
        Traceback (most recent call last):
            ...
        aezoo.errors.UsageError: model 'vae': latent_dim: input should be greater than or equal to 1 (got 0)
    """

    exit_status = 2


class UnknownNameError(UsageError, KeyError):
    """A model, part, dataset or option that is not registered.

    Examples:
        >>> aezoo.registry.models["contractiv"]
        Traceback (most recent call last):
            ...
        aezoo.errors.UnknownNameError: no model 'contractiv'; did you mean 'contractive'?
    """


class CompositionError(UsageError):
    """Parts that do not fit together; raised when the model is built.

    Examples:
        >>> aezoo.train("vae", "swiss-roll", likelihood="bernoulli")
        Traceback (most recent call last):
            ...
        aezoo.errors.CompositionError: Bernoulli needs data in [0, 1], and this data is not bounded: use ...
    """


class CapabilityError(UsageError):
    """Something asked of a model that its parts cannot give, such as samples from a model without a prior.

    Examples:
        >>> linear.model.sample(3)
        Traceback (most recent call last):
            ...
        aezoo.errors.CapabilityError: sample needs a model with 'samples' (this one has none): use a variational ...
    """


class DataError(ZooError, ValueError):
    """Data that is missing, malformed, or does not fit the model.

    Examples:
        >>> aezoo.data.open_data([[1.0, float("nan")]])
        Traceback (most recent call last):
            ...
        aezoo.errors.DataError: data: row 0, column 1 (counted from 0), is NaN: remove such rows, or fill in the ...
    """


class CheckpointError(ZooError):
    """A checkpoint that is missing, broken, foreign, or needs something not installed.

    Examples:
        >>> aezoo.load("nowhere")
        Traceback (most recent call last):
            ...
        aezoo.errors.CheckpointError: no file or run folder nowhere: give a run's folder, as printed by aezoo ...
    """


class PluginError(ZooError):
    """A plugin that failed to import, clashes with another, or breaks its interface.

    Examples:
        >>> aezoo.Part("mine", "no_such_package:Mine", summary="Mine.").resolve()
        Traceback (most recent call last):
            ...
        aezoo.errors.PluginError: 'mine' of plugin '' () names 'no_such_package:Mine', which cannot be imported: ...
    """


class OutputError(ZooError):
    """A file or folder that cannot be written.

    Examples:
        >>> open("taken", "w").close()
        >>> aezoo.train("linear", "digits", epochs=1, out="taken/run")
        Traceback (most recent call last):
            ...
        aezoo.errors.OutputError: taken/run cannot be written (Not a directory): choose another place.
    """


class RunInterruptedError(ZooError):
    """Ctrl-C during a run.

    Examples:
        >>> aezoo.errors.RunInterruptedError("interrupted.").exit_status
        130
    """

    exit_status = 130


class TerminatedError(SystemExit):
    """SIGTERM during a run; no ``Exception``, so that nothing which retries on errors takes it for one.

    Examples:
        >>> issubclass(aezoo.errors.TerminatedError, SystemExit), aezoo.errors.TerminatedError().exit_status
        (True, 143)
    """

    exit_status = 143

    def __init__(self, message: str = "terminated.") -> None:
        super().__init__(message)
        self.code = self.exit_status


STOPS = (KeyboardInterrupt, TerminatedError)
"""What ends a command from outside: nobody's error, and nothing that catches everything may keep it."""


class DivergenceError(ZooError):
    """Training whose loss stopped being finite.

    Examples:
        >>> aezoo.train("linear", "digits", lr=1e30, optimizer="sgd", epochs=1)
        Traceback (most recent call last):
            ...
        aezoo.errors.DivergenceError: the loss stopped being finite at step 2: term 'reconstruction' is inf; try a ...
    """
