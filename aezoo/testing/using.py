"""What must hold of a trained model in use: shapes, the same answer at every call, and what it says it can do."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch
from torch import Tensor

from aezoo.core.rng import random_stream
from aezoo.core.spec import DataSpec
from aezoo.errors import CapabilityError, PluginError, ZooError
from aezoo.model.autoencoder import Autoencoder
from aezoo.parts import Corruption
from aezoo.testing.result import Broken, Doubtful, Skipped
from aezoo.testing.rows import COLOURED, COLUMN, IMAGE, ODD, TABLE, binary_spec, dataset, image_spec, table_spec
from aezoo.testing.subject import UNLIKE_IN_TRAINING, Subject, first_difference, outputs, state_of

Rows = np.ndarray[Any, Any]
CALLS = ("encode", "reconstruct", "score")
# between passes of other sizes, whose sums round in another order; relative to the largest value
ROUNDING = 1e-4
# of passes of one size
SAME_ROUNDING = 3e-6
# where rounding tips a choice, such as the k largest of a code, a few rows may come out otherwise
TIPPED = 0.1
SPECS = (table_spec(TABLE), table_spec(COLUMN), image_spec(IMAGE), image_spec(ODD), image_spec(COLOURED))
BINARY = tuple(binary_spec(spec.shape) for spec in SPECS)


def shapes(subject: Subject) -> None:
    """Rows of any shape and number: tables, images, odd sizes, one row, batches of other sizes."""
    taken, refused = [], []
    # binary data where the model takes no other
    for spec in BINARY if subject.spec.levels == 2 else SPECS:
        try:
            model = subject.build(spec=spec)
        except PluginError as error:
            raise Broken(f"{spec.name}: {error}") from None
        except ZooError as error:
            refused.append((spec, str(error)))
            continue
        taken.append(spec)
        data = dataset(spec, rows=40, test=3)
        try:
            subject.trainer(model, data=data, epochs=1, batch_size=17).fit()
            _usable(model, np.asarray(data.x)[:7], spec)
        except Broken as found:
            raise Broken(f"{spec.name}: {found}") from None
        except Exception as error:
            raise Broken(f"{spec.name}: {type(error).__name__}: {error}") from None
    _of_one_row(subject)
    # a network of convolutions takes no table, but one that takes some images takes others
    for spec, said in refused:
        if any(len(other.shape) == len(spec.shape) for other in taken):
            raise Doubtful(f"{spec.name} are refused, and others of their kind are not: {said}")


def _of_one_row(subject: Subject) -> None:
    how: dict[str, Any] = {"batch_size": 1, "epochs": 1, "data": dataset(subject.spec, rows=8, test=2)}
    try:
        subject.trainer(subject.build(), **how).fit()
    except PluginError as error:
        raise Broken(f"batches of one row: {error}") from None
    except ZooError:
        # in a line of its own, as batch normalisation does
        return


def _usable(model: Autoencoder, x: Rows, spec: DataSpec) -> None:
    code = model.encode(x).shape[1:]
    wanted = {"encode": code, "reconstruct": spec.shape, "score": ()}
    for call, shape in wanted.items():
        method = getattr(model, call)
        for what, rows, found in (
            ("seven rows", (7,), method(x)),
            ("one row", (1,), method(x[:1])),
            ("one datum", (), method(x[0])),
            ("flat rows", (7,), method(x.reshape(7, -1))),
            ("passes of two", (7,), method(x, batch_size=2)),
            ("a tensor", (7,), method(torch.from_numpy(x)).numpy()),
        ):
            if found.shape != (*rows, *shape):
                raise Broken(f"{call} of {what} gives {found.shape}, not {(*rows, *shape)}")
            if not np.isfinite(found).all():
                raise Broken(f"{call} of {what} gives values that are not finite")
        if method(x).dtype != np.float32:
            raise Broken(f"{call} gives {method(x).dtype}, and the model is float32")
    for call, wanted_shape in (("encode", code), ("reconstruct", spec.shape)):
        drawn = getattr(model, call)(x, draws=2).shape
        if drawn != (2, 7, *wanted_shape):
            raise Broken(f"{call} with two draws gives {drawn}, not {(2, 7, *wanted_shape)}")


def repeats(subject: Subject) -> None:
    """Codes, scores, reconstructions and seeded draws are the same on two calls, which leave the model as it was."""
    for model in _in_use(subject):
        before, given = state_of(model), subject.x.copy()
        first = outputs(model, subject.x)
        if not np.array_equal(given, subject.x):
            raise Broken(f"the rows that are given are changed in place{_of(model, subject)}")
        torch.rand(5)
        name = first_difference(first, outputs(model, subject.x))
        if name:
            raise Broken(f"{name} differs between two calls{_of(model, subject)}")
        if not model.training and any(module.training for module in model.modules()):
            raise Broken("after use, a module is in training mode that was not")
        _sees_codes_alone(model, subject)
        # penalties are called too where a model is measured
        model.measure([model.prepare(torch.from_numpy(subject.x))])
        moved = first_difference(before, state_of(model))
        if moved:
            raise Broken(f"{moved} is another one after use{_of(model, subject)}")


def _sees_codes_alone(model: Autoencoder, subject: Subject) -> None:
    """Refuses a decoder that keeps something of the rows that the encoder saw last."""
    with torch.no_grad(), model.evaluating():
        u = model.prepare(torch.from_numpy(subject.x))
        z = model.code(u)
        first = model.decoder(z[None]).mean
        model.code(u.flip(0))
        if not torch.equal(first, model.decoder(z[None]).mean):
            raise Broken("the decoder's data for a code are others once the encoder has seen other rows: it sees more")


def alone(subject: Subject) -> None:
    """A row's code, score and reconstruction do not depend on its neighbours, nor on the size of the batch."""
    x = subject.x
    # others in the same range, as many of them: the rows turned round, and each of them the same row
    others = [np.concatenate([x[:4], np.roll(x[4:], 3, axis=-1)]), np.concatenate([x[:4], np.repeat(x[-1:], 20, 0)])]
    for model in _in_use(subject):
        for call in CALLS:
            method = getattr(model, call)
            together = method(x)
            for what, found in (
                ("one by one", np.stack([method(row) for row in x])),
                ("in passes of 7", method(x, batch_size=7)),
                ("in another order", method(x[::-1].copy())[::-1]),
                ("last of a thousand", method(np.concatenate([x] * 50), batch_size=5000)[-len(x) :]),
                ("in another number of threads", _threaded(method, x)),
            ):
                if not _close(found, together):
                    raise Broken(f"{call} of the same rows {what} is another{_of(model, subject)}")
            if not all(_close(method(rows)[:4], together[:4], SAME_ROUNDING) for rows in others):
                raise Broken(f"{call} of a row is another among other rows{_of(model, subject)}")


def _threaded(method: Callable[[Rows], Rows], x: Rows) -> Rows:
    threads = torch.get_num_threads()
    torch.set_num_threads(threads + 1)
    try:
        return method(x)
    finally:
        torch.set_num_threads(threads)


def _in_use(subject: Subject) -> Iterator[Autoencoder]:
    """The trained model, and one with a network that behaves otherwise in training, where the model takes one."""
    yield subject.trained.model
    try:
        unlike = subject.unlike
    except PluginError:
        raise
    except ZooError:
        return
    yield unlike


def _of(model: Autoencoder, subject: Subject) -> str:
    return "" if model is subject.trained.model else f", with network {UNLIKE_IN_TRAINING}"


def _close(a: Rows, b: Rows, tolerance: float = ROUNDING, tipped: float = TIPPED) -> bool:
    """Whether rows are the same but for rounding, which may tip a few of them."""
    apart = np.abs(a.astype("float64") - b).reshape(len(b), -1).max(1)
    size = np.abs(b).max() + 1e-6
    return bool((~(apart <= tolerance * size)).mean() <= (tipped if len(b) > 10 else 0))


def nan(subject: Subject) -> None:
    """NaN and infinity are refused by name of the row, and not swallowed on the way."""
    model = subject.trained.model
    for call in CALLS:
        for value in (math.nan, math.inf):
            for kind in (np.asarray, torch.tensor):
                x = subject.x[:3].copy()
                x[1].flat[0] = value
                try:
                    getattr(model, call)(kind(x))
                except ZooError:
                    continue
                raise Broken(f"{call} takes rows with {value}, where an error is due")
    with torch.no_grad(), model.evaluating():
        u = model.prepare(torch.from_numpy(subject.x[:3]))
        z = model.code(u)
        if "discrete" not in model.capabilities and torch.isfinite(model.code(torch.full_like(u, math.nan))).all():
            raise Broken("the encoder makes finite codes of NaN: a model that broke would not show it")
        if torch.isfinite(model.decoder(torch.full_like(z, math.nan)[None]).mean).all():
            raise Broken("the decoder makes finite data of NaN: a model that broke would not show it")
        if torch.isfinite(model.decoder(torch.full_like(z, math.nan)[None]).log_prob(u)).all():
            raise Broken("log p(x | z) is finite for codes of NaN: a model that broke would not show it")


def capabilities(subject: Subject) -> None:
    """Capabilities are true: what the model says it can do works, and nothing else does."""
    model, x = subject.trained.model, subject.x
    calls: dict[str, tuple[str, Callable[[], Any]]] = {
        "samples": ("sample", lambda: model.sample(3)),
        "bound": ("log_likelihood", lambda: model.log_likelihood(x, draws=8)),
        "score-function": ("score_function", lambda: model.score_function(x)),
    }
    for capability, (name, call) in calls.items():
        try:
            found = np.asarray(call())
        except Exception as error:
            if capability in model.capabilities:
                raise Broken(f"it says {capability!r}, and {name}() fails: {error}") from None
            if isinstance(error, CapabilityError):
                continue
            raise Broken(f"{name}() breaks, where a CapabilityError is due: {error}") from None
        if capability not in model.capabilities:
            raise Broken(f"{name}() works, and {capability!r} is not among its capabilities")
        if not np.isfinite(found).all():
            raise Broken(f"{name}() gives values that are not finite")
    _stochastic(model, x)
    _corrupts(model, x)
    if "bound" in model.capabilities:
        _bounded(model, x)


def _stochastic(model: Autoencoder, x: Rows) -> None:
    one, two = (model.encode(x, draws=4, seed=seed) for seed in (1, 2))
    spread = bool((one != one[:1]).any())
    if "discrete" in model.capabilities or "stochastic" not in model.capabilities:
        if "stochastic" not in model.capabilities and (spread or not np.array_equal(one[0], model.encode(x))):
            raise Broken("its codes have no density, and their draws differ")
        return
    if not spread or np.array_equal(one, two):
        raise Broken("it says 'stochastic', and the draws of a code do not differ, or not by their seed")
    if np.array_equal(model.score(x, draws=1), model.score(x, draws=5)):
        raise Broken("score() by five draws is that by one")
    if "bound" in model.capabilities and np.array_equal(*(model.log_likelihood(x, draws=n) for n in (1, 50))):
        raise Broken("log_likelihood() by fifty draws is that by one")
    twins = model.encode(np.repeat(x[:1], 4, 0), draws=1, seed=1)[0]
    if (twins == twins[:1]).all():
        raise Broken("the draws of equal rows are the same: noise that the rows of a batch share")
    # of many draws the mean is the posterior's
    draws = model.encode(x, draws=400, seed=3)
    error = np.abs(draws.mean(0) - model.encode(x)) / (draws.std(0) / math.sqrt(len(draws)) + 1e-9)
    if np.median(error) > 3:
        raise Broken("the mean of a code's draws is not the code")


def _corrupts(model: Autoencoder, x: Rows) -> None:
    """Of a corruption that says how much noise it adds: whether it adds as much."""
    corruption = model.corruption
    if corruption is None:
        return
    _noise_of_each_row(corruption, model.prepare(torch.from_numpy(x[:1])))
    if corruption.noise_variance is None:
        return
    u = model.prepare(torch.from_numpy(x)).repeat(40, *[1] * (x.ndim - 1))
    with random_stream(1):
        noise = (corruption(u.clone()) - u).double()
    said = corruption.noise_variance
    if not abs(float(noise.var()) - said) < 0.15 * said or not abs(float(noise.mean())) < 0.15 * math.sqrt(said):
        raise Broken(
            f"its corruption says that it adds noise of variance {said:.4g}, and adds {float(noise.var()):.4g}"
        )


def _noise_of_each_row(corruption: Corruption, u: Tensor) -> None:
    """Of a corruption that draws: whether it draws for each row and each step, of copies of one row ``u`` (1, *X)."""
    found = []
    for seed in (1, 2):
        with random_stream(seed):
            found.append(corruption(u.repeat(40, *[1] * (u.dim() - 1))))
    shared, fixed = all(torch.equal(rows, rows[:1].expand_as(rows)) for rows in found), torch.equal(*found)
    if shared and not fixed:
        raise Broken("its corruption does the same to all rows of a batch: noise that they share")
    if fixed and not shared and corruption.seed is None:
        raise Broken("its corruption does the same to a row at every step, by its place in the batch: noise that stays")


def _bounded(model: Autoencoder, x: Rows) -> None:
    likelihood, bound = model.log_likelihood(x, draws=300).mean(), -model.score(x, draws=300).mean()
    if not likelihood > bound - 1e-3 * abs(bound) - 1e-3:
        raise Broken(f"log p(x) is estimated as {likelihood:.4g} nats, below its own lower bound, {bound:.4g}")


def samples(subject: Subject) -> None:
    """Samples are finite, within the data's range and near its rows, and follow their seed."""
    model, spec = subject.trained.model, subject.spec
    if "samples" not in model.capabilities:
        raise Skipped("it has no prior to sample from")
    rows = np.asarray(subject.data.x)
    low, high = (rows.min(), rows.max()) if spec.low is None or spec.high is None else (spec.low, spec.high)
    width = high - low
    # the mean of a likelihood without bounds may leave the range: where codes are drawn that no row has, by far
    margin = 0.0 if model.decoder.likelihood.unit_interval else 5 * width
    found = model.sample(60, seed=1).numpy()
    if found.shape != (60, *spec.shape):
        raise Broken(f"60 samples have shape {found.shape}, not {(60, *spec.shape)}")
    if not (np.isfinite(found).all() and np.isfinite(noisy := model.sample(60, seed=1, noise=True).numpy()).all()):
        raise Broken("samples are not finite")
    if np.array_equal(found, noisy):
        raise Broken("samples with noise are those without")
    for n in (1, 1000):
        if (shape := tuple(model.sample(n).shape)) != (n, *spec.shape):
            raise Broken(f"sample({n}) has shape {shape}, not {(n, *spec.shape)}")
    # a likelihood's noise may be wider than the data
    for drawn in (found, noisy) if not margin else (found,):
        if drawn.min() < low - margin - 1e-4 or drawn.max() > high + margin + 1e-4:
            raise Broken(f"samples run from {drawn.min():.4g} to {drawn.max():.4g}, and data from {low:g} to {high:g}")
    if not np.array_equal(found, model.sample(60, seed=1).numpy()):
        raise Broken("samples of the same seed differ")
    if np.array_equal(found, model.sample(60, seed=2).numpy()):
        raise Broken("samples of two seeds are the same")
    if np.array_equal(found[0], found[1]):
        raise Broken("all samples are the same")
    if np.mean((found > low - width / 4) & (found < high + width / 4)) < 0.5:
        raise Broken(f"most values of samples lie outside {low:g} to {high:g}, where those of data lie")
    spread = np.ptp(found) / np.ptp(rows)
    if abs(found.mean() - rows.mean()) > 0.35 * width and spread < 0.2:
        raise Broken(f"samples are {found.mean():.4g} in the mean, and data {rows.mean():.4g}: are they in raw units?")


def double(subject: Subject) -> None:
    """In float64 the model trains, and gives what it gives in float32, more exactly."""
    model = subject.trained.model
    twin = subject.build().double()
    twin.load_state_dict(subject.trained.state)
    for call in CALLS:
        single, found = getattr(model, call)(subject.x), getattr(twin, call)(subject.x)
        if found.dtype != np.float64:
            raise Broken(f"{call} gives {found.dtype} in a float64 model")
        if not _close(single, found, 1e-3):
            raise Broken(f"{call} in float64 is not what it is in float32")
        # codes of a codebook are numbers that were stored
        exact = call == "encode" and "discrete" in model.capabilities
        if not exact and len(np.unique(found)) > 20 and (found == found.astype("float32")).all():
            raise Broken(f"{call} in float64 has the digits of float32 alone: something is computed in float32")
    history = subject.trainer(subject.build().double(), epochs=1).fit()
    if not math.isfinite(history[-1]["loss"]):
        raise Broken(f"trained in float64, the loss is {history[-1]['loss']}")


def gpu(subject: Subject) -> None:
    """On a GPU the model trains, and gives what it gives on the processor."""
    if not torch.cuda.is_available():
        _follows(subject)
        raise Skipped("no GPU here")
    model = subject.trained.model
    twin = subject.build()
    twin.load_state_dict(subject.trained.state)
    twin.to("cuda")
    for call in CALLS:
        if not _close(getattr(twin, call)(subject.x), getattr(model, call)(subject.x), 1e-2):
            raise Broken(f"{call} on the GPU is not what it is on the processor")
    if "samples" in model.capabilities and not torch.isfinite(twin.sample(4)).all():
        raise Broken("samples on the GPU are not finite")
    history = subject.trainer(subject.build(), epochs=1, device="cuda").fit()
    if not math.isfinite(history[-1]["loss"]):
        raise Broken(f"trained on the GPU, the loss is {history[-1]['loss']}")


def _follows(subject: Subject) -> None:
    """Without a GPU: on torch's device without memory, whether tensors are made elsewhere than where the model is."""
    model, x = subject.untrained()
    try:
        model.to("meta").step(x.to("meta"), 0)
    except Exception as error:
        # much else cannot be done without values
        if "not on the expected device" in str(error):
            raise Broken(f"a tensor is made on the processor, wherever the model is: {error}") from None
