"""Members of one batched model against each of them trained alone by the ordinary loop."""

import math

import numpy as np
import pytest
import torch

from aezoo.core.rng import random_stream
from aezoo.core.spec import DataSpec
from aezoo.data import Dataset
from aezoo.errors import DivergenceError
from aezoo.model.autoencoder import Autoencoder
from aezoo.parts import Decoder, Gaussian, PointEncoder, Regularizer, Weighted
from aezoo.training import NotTogetherError, Together, TrainConfig, Trainer, build_model, pays

D = 6
SPEC = DataSpec(shape=(D,), low=0.0, high=1.0, scaling="none")
# of a weight, after these few steps; products of a batch may be summed in another order
CLOSE = {"rtol": 1e-5, "atol": 1e-6}
SMALL = {"hidden": (8,), "latent_dim": 4}


def data(rows=60, rates=False):
    x = np.random.default_rng(0).random((rows, D)).astype(np.float32)
    if rates:
        return Dataset((x > 0.5).astype(np.float32), spec=SPEC, test=[], rates=x)
    return Dataset(x, spec=SPEC, test=[])


def trainer(model, seed=0, dataset=None, **training):
    """An ordinary trainer that notes its history; ``model`` is (name, options) or a function that makes one."""
    config = TrainConfig(**{"seed": seed, "epochs": 3, "batch_size": 16, "validation": 12, "lr": 0.01, **training})
    dataset = dataset or data()
    with random_stream(seed):
        made = build_model(model[0], model[1], dataset.spec) if isinstance(model, tuple) else model()
    history = []
    found = Trainer(made, dataset.split(config.validation, seed), config, lambda metrics, keep: history.append(metrics))
    found.lines = history
    return found


def assert_same(joint, alone):
    assert len(joint.lines) == len(alone.lines)
    for ours, theirs in zip(joint.lines, alone.lines, strict=True):
        assert ours == pytest.approx(theirs, rel=1e-5, abs=1e-6)
    theirs = alone.model.state_dict()
    for name, tensor in joint.model.state_dict().items():
        torch.testing.assert_close(tensor, theirs[name], **CLOSE, msg=name)
    assert joint.notes == alone.notes


def by_hand(*regularizers):
    encoder, decoder = torch.nn.Linear(D, 3), torch.nn.Linear(3, D)
    return Autoencoder(PointEncoder(encoder), Decoder(decoder, Gaussian(SPEC)), spec=SPEC, regularizers=regularizers)


ALIKE = {
    "clipped": ("undercomplete", SMALL, {"clip_norm": 0.05}),
    "last batch smaller, nothing held out": ("undercomplete", SMALL, {"validation": 0, "epochs": 2}),
    "l1 with unit atoms": ("sparse", {"latent_dim": 12}, {"optimizer": "sgd", "momentum": 0.9}),
    "topk": (
        "topk",
        {"latent_dim": 12, "k": 3},
        {"optimizer": "adamw", "weight_decay": 0.1, "schedule": "cosine", "warmup": 3},
    ),
    "batch-topk, a buffer that follows": ("batch-topk", {"latent_dim": 12, "k": 3}, {}),
    "noise and dropout, tied": ("denoising", {**SMALL, "network": "mlp,dropout=0.3,tied=true"}, {}),
    "contractive": ("contractive", SMALL, {}),
    "contractive, projections": ("contractive", {**SMALL, "projections": 2}, {}),
    "vae": ("vae", SMALL, {}),
    "schedule, optimal scale": (
        "beta-vae",
        {**SMALL, "beta": "linear:0:4:6", "likelihood": "gaussian=optimal", "preprocess": "standardize"},
        {},
    ),
    "iwae": ("iwae", SMALL, {}),
    "score function": ("vae", {**SMALL, "gradient": "score-function", "draws": 3}, {}),
}


@pytest.mark.parametrize("case", ALIKE)
def test_each_member_ends_as_alone(case):
    name, options, training = ALIKE[case]
    seeds = (3, 4, 11)
    members = [trainer((name, options), seed, **training) for seed in seeds]
    before = torch.get_rng_state()
    assert Together(members, alike=True).fit() == [None] * 3
    assert torch.equal(before, torch.get_rng_state())
    for seed, member in zip(seeds, members, strict=True):
        alone = trainer((name, options), seed, **training)
        alone.fit()
        assert_same(member, alone)


def test_batch_normalisation_moves_each_members_own_statistics():
    """A bias before a normalisation has no gradient but rounding, which Adam blows up: so by plain descent."""
    options = {**SMALL, "network": "mlp,norm=batch"}
    members = [trainer(("undercomplete", options), seed, optimizer="sgd") for seed in (0, 1)]
    Together(members, alike=True).fit()
    for seed, member in enumerate(members):
        alone = trainer(("undercomplete", options), seed, optimizer="sgd")
        alone.fit()
        assert_same(member, alone)


def test_sixteen_bits_end_near():
    members = [trainer(("undercomplete", SMALL), seed, precision="bf16") for seed in (0, 1)]
    Together(members, alike=True).fit()
    for seed, member in enumerate(members):
        alone = trainer(("undercomplete", SMALL), seed, precision="bf16")
        alone.fit()
        assert member.lines[-1] == pytest.approx(alone.lines[-1], rel=1e-2)


def test_a_member_that_stops_keeps_its_best_weights_while_others_go_on():
    training = {"epochs": 40, "patience": 2, "lr": 0.05}
    members = [trainer(("vae", SMALL), seed, **training) for seed in range(4)]
    Together(members, alike=True).fit()
    lengths = {len(member.lines) for member in members}
    assert len(lengths) > 1
    assert min(lengths) < 40
    for seed, member in enumerate(members):
        alone = trainer(("vae", SMALL), seed, **training)
        alone.fit()
        assert_same(member, alone)


def test_settings_that_enter_a_step_as_numbers():
    every = [
        ({"l1": 0.01}, {}),
        ({"l1": "linear:0:0.2:5"}, {"lr": 0.001, "epochs": 5}),
        ({"l1": 0.1}, {"clip_norm": 0.1, "patience": 1}),
        ({"l1": 0.1}, {"optimizer": "sgd", "weight_decay": 0.1, "schedule": "cosine"}),
    ]
    members = [trainer(("sparse", {"latent_dim": 8, **options}), **training) for options, training in every]
    Together(members).fit()
    for (options, training), member in zip(every, members, strict=True):
        alone = trainer(("sparse", {"latent_dim": 8, **options}), **training)
        alone.fit()
        assert_same(member, alone)


def test_one_that_diverges_leaves_the_others_alone():
    every = [{"lr": 0.01}, {"lr": 1e30}, {"lr": 0.02}]
    members = [trainer(("undercomplete", SMALL), **training) for training in every]
    errors = Together(members).fit()
    assert [error is None for error in errors] == [True, False, True]
    with pytest.raises(DivergenceError) as alone:
        trainer(("undercomplete", SMALL), lr=1e30).fit()
    assert str(errors[1]) == str(alone.value)
    assert members[1].lines == []
    for k in (0, 2):
        other = trainer(("undercomplete", SMALL), **every[k])
        other.fit()
        assert_same(members[k], other)


def test_a_loss_that_stops_being_finite_is_said_with_its_step_and_term():
    class Late(Regularizer):
        """Overflows once the code has grown."""

        def forward(self, z):
            return (z.square().sum(-1) * 60).exp()

    def made():
        return by_hand(Weighted("late", Late(), 1e-30))

    members = [trainer(made, seed, lr=3.0, optimizer="sgd", clip_norm=1.0) for seed in (0, 1)]
    errors = Together(members).fit()
    with pytest.raises(DivergenceError, match=r"step .*'late'") as alone:
        trainer(made, 0, lr=3.0, optimizer="sgd", clip_norm=1.0).fit()
    assert str(errors[0]) == str(alone.value)


def test_an_epochs_end_sees_the_members_own_weights_of_that_time():
    seen = {"joint": {}, "alone": {}}

    def watched(where, seed):
        made = trainer(("undercomplete", SMALL), seed)
        noted = made.on_epoch

        def on_epoch(metrics, keep):
            noted(metrics, keep)
            seen[where][seed, metrics["epoch"]] = float(made.model.encoder.network[1].weight.detach().norm())

        made.on_epoch = on_epoch
        return made

    Together([watched("joint", seed) for seed in (0, 1)], alike=True).fit()
    for seed in (0, 1):
        watched("alone", seed).fit()
    assert seen["joint"] == pytest.approx(seen["alone"], rel=1e-5)


def test_afterwards_each_model_owns_its_tensors():
    members = [trainer(("undercomplete", SMALL), seed) for seed in (0, 1, 2)]
    Together(members, alike=True).fit()
    for member in members:
        for tensor in member.model.state_dict().values():
            assert tensor.untyped_storage().nbytes() == tensor.nbytes


class Counting(Regularizer):
    """Has a state that no tensor holds."""

    def __init__(self):
        super().__init__()
        self.calls = 0

    def forward(self, z):
        self.calls += 1
        return z.square().sum(-1) * self.calls


class Looking(Regularizer):
    """Decides by values."""

    def forward(self, z):
        return z.square().sum(-1) if float(z.detach().sum()) > 0 else z.abs().sum(-1)


class Leaning(Regularizer):
    """Holds a number of its own at random, which is no buffer."""

    def __init__(self):
        super().__init__()
        self.towards = torch.randn(3)

    def forward(self, z):
        return (z - self.towards).square().sum(-1)


class Stepping(Regularizer):
    """Needs the step's values afterwards."""

    def forward(self, z):
        return z.square().sum(-1)

    def after_step(self, z):
        pass


class Playing(Regularizer):
    """Has an opponent."""

    def __init__(self):
        super().__init__()
        self.opponent = torch.nn.Linear(3, 1)

    def forward(self, z):
        return self.opponent(z).square().sum(-1)

    def opponent_loss(self, z):
        return self.opponent(z).square().mean()


def penalised(kind):
    return lambda: by_hand(Weighted("mine", kind()))


REFUSED = {
    "differ in time": [(penalised(Counting), {})] * 2,
    "no fixed list of operations": [(penalised(Looking), {})] * 2,
    "'loss' of member 2 differs": [(penalised(Leaning), {"seed": 0}), (penalised(Leaning), {"seed": 1})],
    "more than the model's own tensors": [(penalised(Stepping), {})] * 2,
    "networks of their own": [(penalised(Playing), {})] * 2,
    "stream of its own": [(("denoising", {**SMALL, "corruption": "gaussian=0.3,seed=1"}), {})] * 2,
    "drawn, or transformed, afresh": [(("undercomplete", SMALL), {"dataset": data(rates=True)})] * 2,
    "compiled by itself": [(("undercomplete", SMALL), {"compile": True})] * 2,
    "names or shapes": [(("undercomplete", SMALL), {}), (("undercomplete", {**SMALL, "latent_dim": 5}), {})],
    "other things than the first": [(("topk", {"latent_dim": 9, "k": k}), {}) for k in (2, 3)],
    "batch size": [(("undercomplete", SMALL), {"batch_size": size}) for size in (16, 8)],
    "different regularizers": [(by_hand, {}), (penalised(Stepping), {})],
}


@pytest.mark.parametrize("reason", REFUSED)
def test_who_cannot_be_trained_together_is_refused_with_the_reason(reason):
    members = [trainer(model, **training) for model, training in REFUSED[reason]]
    # only the one whose members differ by seed alone is taken for alike, to reach what the proof alone can find
    with pytest.raises(NotTogetherError, match=reason):
        Together(members, alike="differs" in reason)


def test_a_refusal_leaves_weights_and_buffers_as_they_were():
    members = [trainer(penalised(Leaning), seed) for seed in (0, 1)]
    before = [{name: tensor.clone() for name, tensor in member.model.state_dict().items()} for member in members]
    with pytest.raises(NotTogetherError):
        Together(members, alike=True)
    for member, state in zip(members, before, strict=True):
        for name, tensor in member.model.state_dict().items():
            assert torch.equal(tensor, state[name])


def test_small_models_pay_and_wide_ones_do_not():
    small = trainer(("batch-topk", {"latent_dim": 12, "k": 3}))
    wide = trainer(("undercomplete", {"hidden": (3000,), "latent_dim": 3000}), batch_size=54, epochs=1)
    state = {name: tensor.clone() for name, tensor in small.model.state_dict().items()}
    before = torch.get_rng_state()
    assert pays(small)
    assert not pays(wide)
    assert torch.equal(before, torch.get_rng_state())
    assert all(torch.equal(tensor, state[name]) for name, tensor in small.model.state_dict().items())
    assert math.isfinite(small.model.measure(small.train.epoch(16))["loss"])
