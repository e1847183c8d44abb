"""What a user calls from Python: ``train``, ``load`` and ``inspect``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from aezoo.data import open_data
from aezoo.inspection import Finding, Subject, look
from aezoo.model.autoencoder import Autoencoder
from aezoo.runs.job import Job, takes_a_job
from aezoo.runs.open import open_run, rows_of, splits_of
from aezoo.runs.prepare import prepare
from aezoo.runs.run import Run
from aezoo.storage.checkpoint import load_model


@takes_a_job()
def train(model: str | Autoencoder = "contractive", data: Any = "digits", **arguments: Any) -> Run:
    """Trains a model, evaluates it on the test split, and, with ``out``, leaves a run folder.

    Args:
        model: a registered name, or an Autoencoder composed by hand.
        data: a registered name, a file, an array, a tensor, or a torch Dataset.
        out: the run's folder: config, metrics, checkpoint, results and pictures; None writes nothing.
        overwrite: replace a run that is there.
        labels: of the rows, for the linear probe and the pictures.
        data_dir: folder of a dataset that is read from one, such as mnist.
        layout: what an array of three axes is, ``"image"``, ``"series"`` or ``"table"``; guessed if not given.
        test: rows to measure on: a share, a number, a file of further rows, or 0 for none; a fifth if not given.
        train_on: ``"all"`` rows, with neither a test split nor rows held out, or ``"train"``, all but those.
        trackers: objects with training hooks (``aezoo_epoch_end`` ...).
        progress: show it; None shows it on a terminal.
        **options: options of the model and of training, by name (``latent_dim=8, epochs=20``).

    Raises:
        UsageError: an unknown name, or an option that does not exist, is out of range or does not fit.
        DataError: data that is missing, malformed or does not fit the model.
        OutputError: the folder exists or cannot be written.
        DivergenceError: the loss stopped being finite; what was written before stays.

    Examples:
        >>> run = aezoo.train("contractive", "digits", latent_dim=4, epochs=2, out="runs/mine")
        >>> run.model.encode(run.splits.test.rows()).shape
        torch.Size([359, 4])
        >>> aezoo.train("contractive", "digits", latent_dims=4)
        Traceback (most recent call last):
            ...
        aezoo.errors.UnknownNameError: model 'contractive' has no option 'latent_dims', nor has training; did you ...
    """
    return prepare(model, Job.of({"data": data, **arguments})).go()


def load(path: str | Path, *, into: Autoencoder | None = None, device: str = "cpu") -> Autoencoder:
    """The trained model of a run's folder or a .safetensors file, in evaluation mode; nothing else is needed.

    Args:
        path: the folder or file.
        into: a model composed by hand, as it was given to ``train``, whose weights are to be set.
        device: where to.

    Raises:
        CheckpointError: the file is missing, broken or foreign, or its model is not installed.

    Examples:
        >>> model = aezoo.load("runs/vae")
        >>> x = np.zeros((4, 1, 8, 8))
        >>> model.encode(x).shape, model.reconstruct(x).shape, model.score(x, draws=10).shape
        ((4, 2), (4, 1, 8, 8), (4,))
    """
    return load_model(path, device, into)[0]


def inspect(
    run: Run | str | Path,
    name: str,
    *,
    data: Any = None,
    data_dir: str | Path | None = None,
    labels: Any = None,
    split: str = "test",
    seed: int = 0,
    device: str = "auto",
    **options: Any,
) -> Finding:
    """Looks at a trained model in one of the registered ways, as ``aezoo inspect`` does; writes nothing.

    Args:
        run: what ``train`` returned, a run's folder, or a .safetensors file.
        name: of the inspection (``aezoo.registry.inspections`` lists them).
        data, data_dir, labels: other data than the run was trained on, as for ``train``.
        split: ``"train"``, ``"validation"``, ``"test"`` or ``"all"``.
        seed: of every draw.
        device: where to, for a run that is loaded.
        **options: of the inspection.

    Raises:
        UsageError, DataError, CheckpointError: something unknown, out of range, missing, or that does not fit.
        CapabilityError: the model's parts cannot give what is asked.

    Examples:
        >>> found = aezoo.inspect("runs/vae", "dimensions")
        >>> found.figures["code_size"], found.picture is not None
        (2, True)
    """
    if isinstance(run, Run):
        model = run.model
        splits = run.splits if data is None else open_data(data, labels=labels, data_dir=data_dir).split()
    else:
        model, header = open_run(run, device)
        splits = splits_of(run, header, data, data_dir=data_dir, labels=labels)
    return look(Subject(model, splits, rows_of(splits, split), seed), name, **options)


__all__ = ["Run", "inspect", "load", "train"]
