"""The one loop: what moves, by what, and that it can be repeated to the bit."""

import copy
import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from aezoo.core.spec import DataSpec
from aezoo.data import Dataset
from aezoo.errors import CompositionError, DivergenceError, UsageError
from aezoo.model.autoencoder import Autoencoder
from aezoo.parts import (
    Decoder,
    Gaussian,
    PointEncoder,
    Regularizer,
    Reset,
    StandardNormal,
    Weighted,
)
from aezoo.training import TrainConfig, Trainer, build_model, pick_device

D, Z = 6, 3
SPEC = DataSpec(shape=(D,), scaling="none")


def data(rows=40, scale=1.0, seed=0):
    x = scale * np.random.default_rng(seed).normal(size=(rows, D)).astype(np.float32)
    return Dataset(x, spec=SPEC, test=[])


def splits(rows=40, validation=0, **options):
    return data(rows, **options).split(validation=validation)


def made(*regularizers, **options):
    torch.manual_seed(0)
    encoder = PointEncoder(nn.Sequential(nn.Linear(D, 8), nn.Tanh(), nn.Linear(8, Z)))
    decoder = Decoder(nn.Linear(Z, D), Gaussian(SPEC))
    weighted = [r if isinstance(r, Weighted) else Weighted("mine", r) for r in regularizers]
    return Autoencoder(encoder, decoder, spec=SPEC, regularizers=weighted, **options)


def trainer(model, rows=None, **config):
    rows = splits() if rows is None else rows
    values = {"epochs": 1, "batch_size": 1000, "device": "cpu", **config}
    on_epoch = values.pop("on_epoch", None)
    return Trainer(model, rows, TrainConfig(**values), on_epoch)


def flat(model):
    return torch.cat([p.detach().flatten() for p in model.parameters()])


def bits(model):
    return {name: value.clone() for name, value in model.state_dict().items()}


def same(a, b):
    return all(torch.equal(a[name], b[name]) for name in a)


# ---------------------------------------------------------------- learning


@pytest.mark.parametrize("name", ["undercomplete", "vae", "contractive", "denoising", "sparse-kl"])
def test_training_lowers_the_loss_on_both_splits(name):
    torch.manual_seed(0)
    model = build_model(name, {"latent_dim": 4, "hidden": (16,)}, SPEC)
    history = trainer(model, splits(200, 50), epochs=15, batch_size=32, lr=1e-2).fit()
    assert [line["epoch"] for line in history] == list(range(1, 16))
    assert [line["step"] for line in history] == [5 * n for n in range(1, 16)]
    for figure in ("loss", "validation_loss"):
        assert history[-1][figure] < history[0][figure]


def test_the_metrics_of_an_epoch_are_means_over_its_rows():
    model = made()
    rows = splits(40)
    x = rows.train.rows()
    # a rate too small to move anything
    (line,) = trainer(model, rows, batch_size=16, lr=1e-30).fit()
    assert line["loss"] == pytest.approx(model.measure([x])["loss"], rel=1e-6)
    norm = float(flat(model).double().norm())
    assert line.pop("parameter_norm") == pytest.approx(norm, rel=1e-12)
    assert line == {"epoch": 1, "loss": line["loss"], "reconstruction": line["loss"], "step": 3}


def test_one_step_of_sgd_is_the_gradient_times_the_rate():
    model = made()
    rows = splits()
    before, x = flat(model), rows.train.rows()
    gradient = torch.autograd.grad(model.step(x).loss, list(model.parameters()))
    trainer(model, rows, optimizer="sgd", lr=0.1).fit()
    wanted = before - 0.1 * torch.cat([g.flatten() for g in gradient])
    torch.testing.assert_close(flat(model), wanted)


class Seen(Regularizer):
    """Notes the rows of each training step."""

    def __init__(self):
        super().__init__()
        self.batches = []

    def forward(self, x):
        if self.training:
            self.batches.append(x.clone())
        return 0 * x.sum()

    def check(self, encoder, decoder):
        self.eval()


class Items(torch.utils.data.Dataset):
    """A torch dataset of (datum, label)."""

    def __init__(self, x):
        self.x = x

    def __len__(self):
        return len(self.x)

    def __getitem__(self, i):
        return self.x[i], 1


@pytest.mark.parametrize("kind", ["array", "tensor", "torch dataset"])
def test_every_epoch_sees_every_row_once_in_a_new_order(kind):
    x = data().x
    source = {"array": x, "tensor": torch.from_numpy(x), "torch dataset": Items(torch.from_numpy(x))}[kind]
    rows = Dataset(source, spec=SPEC, test=[]).split(validation=5)
    seen = Seen()
    history = trainer(made(seen), rows, epochs=2, batch_size=16).fit()
    assert [len(batch) for batch in seen.batches] == [16, 16, 3] * 2
    first, second = torch.cat(seen.batches[:3]), torch.cat(seen.batches[3:])
    assert not torch.equal(first, second)
    everything = sorted(map(tuple, rows.train.rows().tolist()))
    assert sorted(map(tuple, first.tolist())) == sorted(map(tuple, second.tolist())) == everything
    assert math.isfinite(history[-1]["validation_loss"])


def test_preprocessing_is_fitted_on_the_training_split_alone():
    spec = DataSpec(shape=(D,), scaling="standardize")
    x = np.random.default_rng(0).normal(size=(40, D)) * 7 + 3
    rows = Dataset(x, spec=spec).split(validation=8)
    model = build_model("undercomplete", {"latent_dim": 2}, spec)
    trainer(model, rows, lr=1e-9).fit()
    own = x[rows.train.index]
    np.testing.assert_allclose(model.preprocess.shift, own.mean(0), rtol=1e-9)
    np.testing.assert_allclose(model.preprocess.scale, 1 / own.std(0), rtol=1e-9)


def test_schedules_of_weights_follow_the_step():
    class Constant(Regularizer):
        def forward(self, x):
            return x.sum() * 0 + 1

    from aezoo.core.schedules import Linear

    model = made(Weighted("ramp", Constant(), Linear(start=0.0, end=8.0, steps=4)))
    history = trainer(model, splits(40, 4), epochs=6, lr=1e-30).fit()
    extra = [line["loss"] - line["reconstruction"] for line in history]
    assert extra == pytest.approx([0, 2, 4, 6, 8, 8], abs=1e-4)
    # validation is measured at the weights that the schedule ends with, so that its epochs can be compared
    extra = [line["validation_loss"] - line["validation_reconstruction"] for line in history]
    assert extra == pytest.approx([8] * 6, abs=1e-4)


# ---------------------------------------------------------------- repeatable


def run(seed=0, weights=0, **options):
    torch.manual_seed(weights)
    model = build_model(
        "vae",
        {"latent_dim": 3, "hidden": (8,), "network": "mlp,dropout=0.3", "corruption": "masking=0.2", **options},
        SPEC,
    )
    history = trainer(model, splits(40, 8), epochs=3, batch_size=8, seed=seed).fit()
    return bits(model), history


def test_the_same_seed_gives_the_same_bits_and_another_seed_others():
    first, history = run()
    torch.manual_seed(12345)
    again, repeated = run()
    other, _ = run(seed=1)
    assert same(first, again)
    assert history == repeated
    assert not same(first, other)


def test_a_run_leaves_the_callers_random_streams_alone():
    model = build_model("vae", {"latent_dim": 3, "network": "mlp,dropout=0.3"}, SPEC)
    rows = splits(40, 8)
    before, ours = torch.get_rng_state(), np.random.get_state()[1].copy()
    trainer(model, rows, epochs=2, batch_size=8).fit()
    torch_rows = Dataset(Items(torch.from_numpy(data().x)), spec=SPEC).split(validation=8)
    trainer(model, torch_rows, epochs=2, batch_size=8).fit()
    assert torch.equal(torch.get_rng_state(), before)
    assert np.array_equal(np.random.get_state()[1], ours)


def test_watching_a_run_does_not_change_it():
    plain = made()
    trainer(plain, splits(40, 8), epochs=3, batch_size=8).fit()
    watched = made()
    trainer(watched, splits(40, 8), epochs=3, batch_size=8, on_epoch=lambda metrics, keep: torch.rand(7)).fit()
    # the order of the data has a generator of its own, and this model draws nothing else
    assert same(bits(plain), bits(watched))


# ---------------------------------------------------------------- rates, decay, clipping


def rates(total, **config):
    found = []
    it = trainer(made(), epochs=total, on_epoch=lambda m, k: found.append(it.optimizer.param_groups[0]["lr"]), **config)
    it.fit()
    return found


def test_learning_rates_at_known_steps():
    assert rates(3, lr=0.1) == pytest.approx([0.1] * 3)
    assert rates(5, lr=0.1, warmup=4) == pytest.approx([0.025, 0.05, 0.075, 0.1, 0.1])
    half = math.cos(math.pi / 4) / 2
    assert rates(4, lr=0.1, schedule="cosine") == pytest.approx([0.1, 0.1 * (0.5 + half), 0.05, 0.1 * (0.5 - half)])
    assert rates(6, lr=0.1, schedule="cosine", warmup=2) == pytest.approx(
        [0.05, 0.1, 0.1, 0.1 * (0.5 + half), 0.05, 0.1 * (0.5 - half)]
    )
    assert rates(2, lr=0.1, schedule="cosine", warmup=50) == pytest.approx([0.002, 0.004])


def test_clipping_bounds_the_step_and_keeps_its_direction():
    rows = splits(scale=100.0)
    moved = {}
    for clip in (None, 1e-3):
        model = made()
        before = flat(model)
        trainer(model, rows, optimizer="sgd", lr=1.0, clip_norm=clip).fit()
        moved[clip] = flat(model) - before
    assert moved[None].norm() > 1
    assert moved[1e-3].norm().item() == pytest.approx(1e-3, rel=1e-3)
    torch.testing.assert_close(moved[1e-3] / moved[1e-3].norm(), moved[None] / moved[None].norm(), atol=1e-3, rtol=1e-2)


@pytest.mark.parametrize("optimizer", ["sgd", "adamw"])
def test_weight_decay_shrinks_the_weights_by_rate_times_decay(optimizer):
    ended = {}
    for decay in (0.0, 0.5):
        model = made()
        before = flat(model)
        trainer(model, optimizer=optimizer, lr=0.01, weight_decay=decay).fit()
        ended[decay] = flat(model)
    torch.testing.assert_close(ended[0.0] - ended[0.5], 0.01 * 0.5 * before, atol=1e-7, rtol=1e-3)


def test_weight_decay_of_adam_is_a_penalty():
    ended = []
    for decay in (0.0, 0.5):
        model = made()
        trainer(model, optimizer="adam", lr=0.01, weight_decay=decay).fit()
        ended.append(flat(model))
    assert not torch.equal(*ended)


def test_momentum_adds_the_last_step_to_the_next():
    path = {}
    for momentum in (0.0, 0.9):
        model = made()
        it = trainer(model, optimizer="sgd", lr=1e-3, momentum=momentum, epochs=2)
        path[momentum] = weights = [flat(model)]
        it.on_epoch = lambda metrics, keep, model=model, weights=weights: weights.append(flat(model))
        it.fit()
    torch.testing.assert_close(path[0.0][1], path[0.9][1])
    step = path[0.0][1] - path[0.0][0]
    torch.testing.assert_close(path[0.9][2] - path[0.0][2], 0.9 * step, atol=1e-7, rtol=1e-3)


# ---------------------------------------------------------------- opponents, and state that moves after the step


class Adversary(Regularizer):
    """An opponent tells codes from the prior; the encoder is to fool it."""

    def __init__(self):
        super().__init__()
        self.opponent = nn.Sequential(nn.Linear(Z, 16), nn.ReLU(), nn.Linear(16, 1))

    def forward(self, z):
        return F.softplus(-self.opponent(z)).squeeze(-1)

    def opponent_loss(self, z, prior):
        assert not z.requires_grad
        real = prior.sample(z.shape[:2])
        return F.softplus(self.opponent(z)).mean() + F.softplus(-self.opponent(real)).mean()


def adversarial(weight=1.0):
    model = made(Weighted("adversary", Adversary(), weight), prior=StandardNormal((Z,)))
    # codes that begin far from the prior
    model.encoder.network[2].bias.data += torch.tensor([4.0, -4.0, 4.0])
    return model


def test_the_main_optimizer_does_not_own_the_opponent():
    model = adversarial()
    it = trainer(model)
    opponent = {id(p) for p in model.regularizers["adversary"].opponent.parameters()}
    assert len(opponent) == 4
    main = {id(p) for group in it.optimizer.param_groups for p in group["params"]}
    theirs = {id(p) for group in it.opponents["adversary"].param_groups for p in group["params"]}
    assert theirs == opponent
    assert not main & opponent
    assert main | opponent == {id(p) for p in model.parameters()}
    assert list(model.opponents()) == ["adversary"]


def test_an_opponent_may_not_ask_for_what_carries_gradients():
    class Cheat(Adversary):
        def opponent_loss(self, q):
            return q.mean.sum()

    with pytest.raises(CompositionError, match=r"opponent_loss .* asks for 'q'.*may ask for x, x_in, z, encode, prior"):
        made(Cheat())


def test_each_side_moves_by_its_own_loss_alone():
    model, rows = adversarial(weight=3.0), splits()
    before = copy.deepcopy(model)
    trainer(model, rows, optimizer="sgd", lr=0.1).fit()
    x = rows.train.rows()
    penalty, was = before.regularizers["adversary"], before.regularizers["adversary"].opponent
    # the model's own loss, with the opponent held still
    own = before.own_parameters()
    gradient = torch.autograd.grad(before.step(x).loss, own)
    for p, q, g in zip(model.own_parameters(), own, gradient, strict=True):
        torch.testing.assert_close(p, q - 0.1 * g)
    # the opponent's, on the codes of before the step; its draws of the prior are the first of the run's stream
    torch.manual_seed(0)
    loss = penalty.opponent_loss(before.code(x)[None].detach(), before.prior_distribution())
    gradient = torch.autograd.grad(loss, list(was.parameters()))
    moved = model.regularizers["adversary"].opponent
    for p, q, g in zip(moved.parameters(), was.parameters(), gradient, strict=True):
        torch.testing.assert_close(p, q - 0.1 * g)


def test_an_opponent_brings_the_codes_nearer_to_the_prior():
    distance = []
    for weight in (0.0, 3.0):
        model = adversarial(weight)
        rows = splits(200)
        trainer(model, rows, epochs=40, batch_size=100, lr=2e-2).fit()
        codes = model.encode(rows.train.rows())
        # Kullback-Leibler divergence of the Gaussian with the codes' moments from the standard normal
        covariance = torch.cov(codes.T)
        mean = codes.mean(0)
        distance.append(0.5 * (covariance.trace() + mean @ mean - Z - torch.logdet(covariance)).item())
    assert distance[0] > 10
    assert distance[1] < 0.2 * distance[0]


class Centre(Regularizer):
    """Keeps a moving average of the codes, moved after each step, and asks for a row of moments to be forgotten."""

    def __init__(self, reset=False):
        super().__init__()
        self.register_buffer("mean", torch.zeros(Z))
        self.reset = reset
        self.notes = []

    def forward(self, z):
        return (z - self.mean).square().sum(-1)

    def after_step(self, z, encoder, step):
        assert not torch.is_grad_enabled()
        self.notes.append((step, z.mean((0, 1)).detach().clone()))
        self.mean.lerp_(z.mean((0, 1)), 0.25)
        return [Reset(encoder.network[0].weight, torch.tensor([1, 5]))] if self.reset else None


def test_state_moves_after_every_step_and_is_saved_with_the_model():
    centre = Centre()
    model = made(centre)
    trainer(model, epochs=3, batch_size=16).fit()
    assert [step for step, _ in centre.notes] == list(range(9))
    mean = torch.zeros(Z)
    for _, each in centre.notes:
        mean = 0.75 * mean + 0.25 * each
    torch.testing.assert_close(centre.mean, mean)
    assert torch.equal(model.state_dict()["regularizers.mine.mean"], centre.mean)


def test_measuring_does_not_move_state():
    centre = Centre()
    model = made(centre)
    model.measure([torch.randn(4, D)])
    assert not centre.notes


@pytest.mark.parametrize(("optimizer", "moments"), [("adam", ["exp_avg", "exp_avg_sq"]), ("sgd", ["momentum_buffer"])])
def test_a_reset_forgets_the_moments_of_just_those_rows(optimizer, moments):
    model = made(Centre(reset=True))
    it = trainer(model, optimizer=optimizer, momentum=0.9 if optimizer == "sgd" else 0.0, epochs=2)
    it.fit()
    weight = model.encoder.network[0].weight
    state = it.optimizer.state[weight]
    kept = [row for row in range(8) if row not in (1, 5)]
    for moment in moments:
        assert (state[moment][[1, 5]] == 0).all()
        assert (state[moment][kept] != 0).all()
    other = it.optimizer.state[model.encoder.network[2].weight]
    assert all((other[moment] != 0).all() for moment in moments)
    if optimizer == "adam":
        assert state["step"] == 2


# ---------------------------------------------------------------- stopping


def test_early_stopping_keeps_the_best_weights(monkeypatch):
    model, kept = made(), []
    losses = iter([5.0, 3.0, 4.0, 2.0, 2.0, 9.0, 2.5, 1.0])
    monkeypatch.setattr(model, "measure", lambda batches: {"loss": next(losses)})
    it = trainer(
        model,
        splits(40, 8),
        epochs=20,
        batch_size=32,
        patience=3,
        on_epoch=lambda metrics, keep: kept.append((keep, bits(model))),
    )
    history = it.fit()
    assert [line["validation_loss"] for line in history] == [5.0, 3.0, 4.0, 2.0, 2.0, 9.0, 2.5]
    assert [keep for keep, _ in kept] == [True, True, False, True, False, False, False]
    assert same(bits(model), kept[3][1])
    assert not same(kept[3][1], kept[6][1])
    assert it.notes == ["stopped after epoch 7: the best validation loss was epoch 4's."]


def test_without_patience_the_last_weights_stay():
    model, kept = made(), []
    trainer(model, splits(40, 8), epochs=4, on_epoch=lambda metrics, keep: kept.append((keep, bits(model)))).fit()
    assert all(keep for keep, _ in kept)
    assert same(bits(model), kept[-1][1])


def test_a_batch_larger_than_the_data_is_clipped_and_noted():
    it = trainer(made(), splits(40, 8), batch_size=500, epochs=2)
    assert it.batch_size == 32
    assert it.notes == ["batch size 500 is more than the training rows: 32 used."]
    assert [line["step"] for line in it.fit()] == [1, 2]
    assert trainer(made(), splits(40, 8), batch_size=32).notes == []


@pytest.mark.parametrize(("rows", "batch", "epochs"), [(40, 40, 2000), (400, 1, 10), (400, 2, 10), (40, 8, 400)])
def test_the_default_is_enough_epochs_for_two_thousand_steps(rows, batch, epochs):
    assert trainer(made(), splits(rows), batch_size=batch, epochs=None).epochs == epochs


class Bomb(Regularizer):
    """A penalty that stops being finite at its fifth step."""

    def __init__(self, value):
        super().__init__()
        self.value, self.steps = value, 0

    def forward(self, z):
        self.steps += self.training
        return z.sum() * 0 + (self.value if self.steps == 5 else 1.0)

    def check(self, encoder, decoder):
        self.eval()


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_a_term_that_stops_being_finite_is_named_with_its_step(value):
    bomb = Bomb(value)
    model = made(Weighted("bomb", bomb, 0.5))
    with pytest.raises(DivergenceError, match=f"at step 5: term 'bomb' is {value:g}; try a lower lr") as caught:
        trainer(model, batch_size=10, epochs=3).fit()
    assert "a smaller weight of 'bomb'" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_rate_far_too_high_is_a_divergence_of_the_reconstruction():
    with pytest.raises(DivergenceError, match=r"term 'reconstruction' is (inf|nan); try a lower lr, clip_norm=1, or"):
        trainer(made(), optimizer="sgd", lr=1e20, epochs=5).fit()


# ---------------------------------------------------------------- devices and arithmetic


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"precision": "fp16"}, "fp16 needs a CUDA device: use --precision bf16 or fp32"),
        ({"device": "quantum"}, "device 'quantum' cannot be used: use --device auto"),
        ({"device": "meta"}, "device 'meta' cannot be used: use --device auto"),
        ({"device": "cuda:99"}, "device 'cuda:99' cannot be used .*use --device auto or cpu"),
        ({"patience": 3}, "no rows are held out: raise validation"),
    ],
)
def test_what_this_machine_or_these_rows_cannot_do_is_refused(config, message):
    with pytest.raises(UsageError, match=message) as caught:
        trainer(made(), **config)
    assert "\n" not in str(caught.value)


def test_a_model_that_nothing_can_move_is_refused():
    model = made()
    for parameter in model.parameters():
        parameter.requires_grad_(False)
    with pytest.raises(CompositionError, match="no parameter that training could move"):
        trainer(model)


class Counting(nn.Linear):
    """Keeps what no safetensors file can hold."""

    def get_extra_state(self):
        return {"calls": 1}


def test_what_no_checkpoint_holds_is_refused_before_the_first_step_where_something_is_saved():
    model = made()
    model.decoder.network = Counting(model.decoder.network.in_features, model.decoder.network.out_features)
    Trainer(model, splits(), TrainConfig(epochs=1, validation=0))
    with pytest.raises(CompositionError, match=r"decoder\.network \(Counting\) keeps something by get_extra_state"):
        Trainer(model, splits(), TrainConfig(epochs=1, validation=0), on_save=lambda state: None)


def test_auto_is_the_processor_where_there_is_nothing_else(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert pick_device("auto") == torch.device("cpu")


@pytest.mark.parametrize("name", ["undercomplete", "vae", "contractive"])
def test_bfloat16_trains_with_weights_and_losses_in_full_precision(name):
    torch.manual_seed(0)
    model = build_model(name, {"latent_dim": 4, "hidden": (16,)}, SPEC)
    exact = copy.deepcopy(model)
    history = trainer(model, splits(200, 20), epochs=8, batch_size=32, lr=1e-2, precision="bf16").fit()
    assert history[-1]["loss"] < history[0]["loss"]
    assert {p.dtype for p in model.parameters()} == {torch.float32}
    full = trainer(exact, splits(200, 20), epochs=8, batch_size=32, lr=1e-2).fit()
    assert history[-1]["loss"] == pytest.approx(full[-1]["loss"], rel=0.05)
    # but it is another arithmetic, not the same
    assert history[-1]["loss"] != full[-1]["loss"]


def test_float64_models_train_in_float64():
    model = made().double()
    (line,) = trainer(model, lr=1e-30).fit()
    x = splits().train.rows().double()
    assert line["loss"] == pytest.approx(model.measure([x])["loss"], rel=1e-13)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"momentum": 0.9}, "momentum is an option of sgd, and the optimizer is adam"),
        ({"validation": 1.0}, "validation as a share must be below 1"),
        ({"patience": 2, "validation": 0}, "patience watches the validation loss, and validation is 0"),
        ({"lr": 0.0}, "train: lr: .*greater than 0"),
        ({"lr": "fast"}, "train: lr: .*valid number"),
        ({"epochs": 0}, "train: epochs: .*greater than or equal to 1"),
        ({"optimizer": "lion"}, "train: optimizer: .*'adamw'"),
        ({"learning_rate": 0.1}, "train has no option 'learning_rate'"),
    ],
)
def test_options_of_training_that_make_no_sense_are_refused(values, message):
    with pytest.raises(UsageError, match=message):
        TrainConfig.parse(values, owner="train")


@pytest.mark.parametrize("stream", [False, True])
def test_a_lone_last_row_joins_the_batch_before_it(stream):
    rows = torch.randn(21, 5, generator=torch.Generator().manual_seed(0))
    data = torch.utils.data.TensorDataset(rows) if stream else rows
    dataset = Dataset(data, spec=DataSpec(shape=(5,)), test=[20, 19, 18, 17])
    model = build_model("undercomplete", {"network": "mlp,norm=batch", "hidden": [4], "latent_dim": 2}, dataset.spec)
    trainer = Trainer(model, dataset.split(0), TrainConfig(epochs=1, batch_size=8, validation=0))
    assert [len(x) for x in trainer.train.epoch(8, torch.Generator().manual_seed(1))] == [8, 9]
    trainer.fit()
    assert trainer.step == trainer.total_steps == 2
    with pytest.raises(UsageError, match="norm=layer"):
        Trainer(model, dataset.split(0), TrainConfig(epochs=1, batch_size=1, validation=0))


@pytest.mark.parametrize("validation", [0, 9])
def test_weights_ruined_by_the_last_step_of_an_epoch_are_never_kept(validation):
    dataset = Dataset(np.random.default_rng(0).normal(size=(60, 5)), spec=DataSpec(shape=(5,), scaling="none"))
    model = build_model("undercomplete", {"hidden": [4], "latent_dim": 2}, dataset.spec)
    kept = []
    config = TrainConfig(epochs=1, batch_size=99, optimizer="sgd", lr=1e40, validation=validation)
    trainer = Trainer(model, dataset.split(validation), config, on_epoch=lambda metrics, keep: kept.append(metrics))
    with pytest.raises(DivergenceError, match="step 1"):
        trainer.fit()
    assert kept == []


def test_a_learned_scale_survives_sgd_and_keeps_pace_under_adam():
    dataset = Dataset(np.random.default_rng(0).normal(size=(200, 6)) * 0.05, spec=DataSpec(shape=(6,), scaling="none"))
    for optimizer in ("sgd", "adam"):
        torch.manual_seed(0)
        model = build_model("vae", {"hidden": [8], "latent_dim": 2}, dataset.spec)
        before = model.decoder.likelihood.log_scale.item()
        Trainer(model, dataset.split(), TrainConfig(epochs=20, optimizer=optimizer, batch_size=32)).fit()
        moved = before - model.decoder.likelihood.log_scale.item()
        assert 0 < moved < 3
        # 100 steps of Adam alone move a parameter by 0.1 at most
        assert moved > 0.3


def test_scaling_is_fitted_once_and_not_under_trained_weights():
    data = np.random.default_rng(0).normal(size=(80, 4))
    first = Dataset(data, spec=DataSpec(shape=(4,)))
    model = build_model("undercomplete", {"hidden": [4], "latent_dim": 2}, first.spec)
    Trainer(model, first.split(), TrainConfig(epochs=1)).fit()
    shift = model.preprocess.shift.clone()
    assert not torch.equal(shift, torch.zeros(4, dtype=torch.float64))
    Trainer(model, Dataset(data + 50, spec=first.spec).split(), TrainConfig(epochs=1)).fit()
    assert torch.equal(model.preprocess.shift, shift)


def test_a_warm_up_longer_than_the_run_is_said():
    dataset = Dataset(np.random.default_rng(0).normal(size=(80, 4)), spec=DataSpec(shape=(4,)))
    model = build_model("undercomplete", {"hidden": [4], "latent_dim": 2}, dataset.spec)
    assert any("warmup" in note for note in Trainer(model, dataset.split(), TrainConfig(epochs=1, warmup=99)).notes)


def test_a_mapped_file_too_large_to_hold_is_read_batch_by_batch(tmp_path, monkeypatch):
    from aezoo.data import open_data
    from aezoo.training import batches

    np.save(tmp_path / "rows.npy", np.random.default_rng(0).normal(size=(90, 5)).astype(np.float32))
    dataset = open_data(tmp_path / "rows.npy")
    results = []
    for held in (batches.HELD_BYTES, 0):
        monkeypatch.setattr(batches, "HELD_BYTES", held)
        torch.manual_seed(0)
        model = build_model("undercomplete", {"hidden": [4], "latent_dim": 2}, dataset.spec)
        trainer = Trainer(model, dataset.split(), TrainConfig(epochs=3, batch_size=16))
        assert type(trainer.train).__name__ == ("Mapped" if held == 0 else "Resident")
        results.append(trainer.fit()[-1])
    # the same batches, whose rows only stand in another order
    assert results[0] == pytest.approx(results[1], rel=1e-5)


def test_validation_is_measured_under_a_cyclical_weight_too():
    dataset = Dataset(np.random.default_rng(0).normal(size=(60, 4)), spec=DataSpec(shape=(4,)))
    options = {"beta": "cyclical:0:20:10", "hidden": [4], "latent_dim": 2}
    model = build_model("beta-vae", options, dataset.spec)
    for line in Trainer(model, dataset.split(), TrainConfig(epochs=10, batch_size=43)).fit():
        expected = line["validation_reconstruction"] + 20 * line["validation_kl"]
        assert line["validation_loss"] == pytest.approx(expected, rel=1e-5)


class Late(Regularizer):
    """A penalty on weights of its own that begins at the third step."""

    def __init__(self):
        super().__init__()
        self.shift = nn.Parameter(torch.ones(Z))
        self.steps = 0

    def forward(self, z):
        self.steps += 1
        return (z + self.shift).square().sum(-1) if self.steps > 5 else z.square().sum(-1)


@pytest.mark.parametrize("momentum", [0.0, 0.9])
def test_a_gradient_that_comes_late_is_followed_under_sgd(momentum):
    model = made(Late())
    trainer(model, optimizer="sgd", momentum=momentum, lr=1e-3, batch_size=8, epochs=3).fit()
    assert not torch.equal(model.regularizers["mine"].shift, torch.ones(Z))


def test_an_expanded_buffer_is_refused_before_the_first_step():
    model = made()
    model.encoder.register_buffer("wide", torch.ones(1).expand(4))
    with pytest.raises(CompositionError, match=r"encoder\.wide is an expanded tensor.*clone"):
        trainer(model)
