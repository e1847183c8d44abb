"""The model under check, in the forms that the checks need; each is made once, when it is first asked for."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from copy import copy
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from aezoo.core.options import TrainConfig
from aezoo.core.rng import random_stream
from aezoo.core.spec import DataSpec
from aezoo.data import Dataset
from aezoo.errors import PluginError, ZooError
from aezoo.model.assembly import complete
from aezoo.model.autoencoder import Autoencoder
from aezoo.registry import Entry, Model
from aezoo.testing.fresh import Fresh
from aezoo.testing.rows import COLOURED, binary_spec, dataset, image_spec, table_spec
from aezoo.testing.world import changes, settings
from aezoo.training import Header, Metrics, Trainer, build_model, save_model

# not 0, by which a checkpoint is rebuilt: weights that were never saved would come out right by chance
SEED, OTHER_SEED = 7, 8
USED = 24
# wide enough that rectified units do not all die
LATENT, HIDDEN = 8, (16,)
FEW, MANY = 2, 40
BATCH = 32
# batch normalisation and dropout behave in training as they must not in use
UNLIKE_IN_TRAINING = "mlp,norm=batch,dropout=0.3"
Outputs = dict[str, np.ndarray[Any, Any]]
"""What a user gets from a model, by the name of the call."""


@dataclass
class Trained:
    """A trained model, its splits' rows to use it on, and the metrics of each epoch."""

    model: Autoencoder
    history: list[Metrics]

    @property
    def state(self) -> dict[str, Tensor]:
        """Copies of all that a checkpoint would hold."""
        return state_of(self.model)


class Subject:
    """A registered model, small, and data to train it on.

    Args:
        entry: the model.
        folder: for files.
        fresh: another process; None leaves out what needs one.
        plugins: names and distributions of the plugins of all models that are checked.
    """

    def __init__(
        self, entry: Model, folder: Path, fresh: Fresh | None = None, plugins: Sequence[tuple[str, str]] = ()
    ) -> None:
        self.entry = entry
        self.folder = folder
        self.fresh = fresh
        self.plugins = list(plugins)
        self.changed = ""

    @property
    def owner(self) -> Entry:
        """What is checked, for which its author is asked."""
        return self.entry

    @cached_property
    def _chosen(self) -> tuple[DataSpec, dict[str, Any]]:
        """The first kind of data, and the smallest options, with which the model can be built."""
        # its modules are imported now, if they were not before
        before = settings()
        try:
            return self._tried()
        finally:
            self.changed = changes(before, settings())

    def _tried(self) -> tuple[DataSpec, dict[str, Any]]:
        first: ZooError | None = None
        for spec in (image_spec(), table_spec(), binary_spec()):
            for values in self._small():
                try:
                    self._built(values, spec)
                except PluginError as error:
                    first = first if isinstance(first, PluginError) else error
                except ZooError as error:
                    first = first or error
                else:
                    return spec, values
        assert first is not None
        raise first

    def _small(self) -> Iterator[dict[str, Any]]:
        fields = self.entry.options.model_fields
        usual = fields["latent_dim"].default
        # a plugin may have made something else of it
        sizes = {"latent_dim": min(LATENT, usual) if isinstance(usual, int) and usual else LATENT, "hidden": HIDDEN}
        yield sizes
        # what the defaults of other options do not allow, such as fewer units than are to be active
        yield {"hidden": HIDDEN}
        yield {"latent_dim": sizes["latent_dim"]}
        yield {}

    def _built(self, values: dict[str, Any], spec: DataSpec, seed: int = SEED) -> Autoencoder:
        with random_stream(seed):
            return build_model(self.entry.name, values, spec)

    @cached_property
    def can_be_built(self) -> bool:
        """Whether some data and options give a model."""
        try:
            return bool(self._chosen)
        except KeyboardInterrupt:
            raise
        except BaseException:
            return False

    @property
    def spec(self) -> DataSpec:
        """Of the data that most checks use."""
        return self._chosen[0]

    @property
    def values(self) -> dict[str, Any]:
        """The options that make the model small."""
        return self._chosen[1]

    @cached_property
    def data(self) -> Dataset:
        """Made-up rows of ``spec``."""
        return dataset(self.spec)

    @cached_property
    def x(self) -> np.ndarray[Any, Any]:
        """Rows (24, *X) to use a trained model on."""
        return np.asarray(self.data.x)[-USED:]

    def build(self, seed: int = SEED, spec: DataSpec | None = None, **options: Any) -> Autoencoder:
        """The model with other options than its small ones, not trained."""
        return self._built({**self.values, **options}, spec or self.spec, seed)

    def trainer(self, model: Autoencoder, seed: int = SEED, *, data: Dataset | None = None, **how: Any) -> Trainer:
        """What trains ``model`` for a few epochs, unless told otherwise."""
        told = {name: how.pop(name) for name in ("on_save", "state") if name in how}
        config = TrainConfig(**{"epochs": FEW, "batch_size": BATCH, "lr": 3e-3, "seed": seed, "device": "cpu", **how})
        # rows are held out by the same numbers for every seed, so that seeds differ by what the model draws
        return Trainer(model, (data or self.data).split(seed=0), config, **told)

    def train(self, seed: int = SEED, how: dict[str, Any] | None = None, **options: Any) -> Trained:
        """A model of its own, trained."""
        model = self.build(seed, **options)
        return Trained(model, self.trainer(model, seed, **(how or {})).fit())

    def on_other_data(self) -> Iterator[Subject]:
        """The same with data of each other kind, which the model may refuse."""
        made = {name for name, value in vars(Subject).items() if isinstance(value, cached_property)}
        for spec in (table_spec(), image_spec(COLOURED)):
            if spec != self.spec:
                other = copy(self)
                for name in made:
                    vars(other).pop(name, None)
                vars(other)["_chosen"] = spec, self.values
                yield other

    @cached_property
    def briefly(self) -> Trained:
        """Trained for a few epochs; not to be changed."""
        return self.train()

    @cached_property
    def trained(self) -> Trained:
        """Trained until it fits; not to be changed."""
        return self.train(how={"epochs": MANY, "lr": 5e-3})

    @cached_property
    def unlike(self) -> Autoencoder:
        """Trained with a network that behaves otherwise in training; ZooError where the model takes none."""
        return self.train(network=UNLIKE_IN_TRAINING).model

    def untrained(self, x: np.ndarray[Any, Any] | None = None) -> tuple[Autoencoder, Tensor]:
        """A built model whose preprocessing is fitted, in training mode, and a scaled batch (B, *X) for it."""
        model = self.build()
        self.trainer(model)
        rows = torch.as_tensor(np.asarray(self.data.x)[:BATCH] if x is None else x)
        return model.train(), model.prepare(rows)

    @cached_property
    def saved(self) -> Path:
        """The checkpoint of ``trained``."""
        entry, model = self.entry, self.trained.model
        config = complete(entry.options.parse(self.values)).model_dump(mode="json")
        header = Header(
            model=entry.name, config=config, data=self.spec, plugin=entry.plugin, distribution=entry.distribution
        )
        path = self.folder / f"{entry.name}.safetensors"
        save_model(path, model, header)
        return path


def state_of(model: Autoencoder) -> dict[str, Tensor]:
    """Copies of a model's parameters and buffers, by name."""
    return {name: tensor.detach().clone() for name, tensor in model.state_dict().items()}


@contextmanager
def buffers_kept(model: Autoencoder) -> Iterator[None]:
    """After it, the model's buffers are what they were."""
    kept = {name: buffer.clone() for name, buffer in model.named_buffers()}
    yield
    with torch.no_grad():
        for name, buffer in model.named_buffers():
            buffer.copy_(kept[name])


@contextmanager
def in_training(model: Autoencoder) -> Iterator[None]:
    """Within it the model is in training mode, with gradients; after it, as it was."""
    mode = model.training
    with torch.enable_grad(), buffers_kept(model):
        try:
            model.train()
            yield
        finally:
            model.train(mode)


def outputs(model: Autoencoder, x: np.ndarray[Any, Any]) -> Outputs:
    """All that a user can ask of a model for rows ``x``, by the name of the call."""
    found = {
        "encode": model.encode(x),
        "reconstruct": model.reconstruct(x),
        "score": model.score(x),
        "encode with draws": model.encode(x, draws=3, seed=2),
        "score with draws": model.score(x, draws=3, seed=2),
    }
    if "samples" in model.capabilities:
        found["sample"] = model.sample(4, seed=2).numpy()
        found["sample with noise"] = model.sample(4, seed=2, noise=True).numpy()
    if "bound" in model.capabilities:
        found["log_likelihood"] = model.log_likelihood(x, draws=8, seed=2)
    if "score-function" in model.capabilities:
        found["score_function"] = model.score_function(x)
    return found


def first_difference(a: dict[str, Any], b: dict[str, Any]) -> str | None:
    """The first name under which two collections of arrays or tensors are not the same to the bit."""
    for name in [*a, *(name for name in b if name not in a)]:
        if name not in a or name not in b or not _same(a[name], b[name]):
            return name
    return None


def _same(a: Any, b: Any) -> bool:
    a, b = (np.ascontiguousarray(value.detach().cpu() if isinstance(value, Tensor) else value) for value in (a, b))
    return bool(a.shape == b.shape and a.dtype == b.dtype and a.tobytes() == b.tobytes())
