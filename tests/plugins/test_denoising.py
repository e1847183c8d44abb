"""Corruptions: their moments, shares, ranges and random streams; and the score that denoising learns."""

import math

import pytest
import torch
from torch import distributions as td
from torch import nn

from aezoo.core.spec import DataSpec
from aezoo.data import make_preprocess
from aezoo.errors import CapabilityError, CompositionError, UsageError
from aezoo.model.autoencoder import Autoencoder
from aezoo.parts import Decoder, Gaussian, PointEncoder, build_part
from aezoo.training import build_model
from aezoo_denoising.noise import GaussianNoise, Masking, SaltAndPepper

EXACT = {"rtol": 1e-10, "atol": 1e-10}
UNIT = DataSpec(shape=(4,), low=-0.5, high=2.0, scaling="none")
N = 100_000


def make(kind, **options):
    return kind(**options) if kind is GaussianNoise else kind(UNIT, **options)


KINDS = [GaussianNoise, Masking, SaltAndPepper]


def inside(rows=N):
    """Data strictly inside the range, and never zero."""
    generator = torch.Generator().manual_seed(0)
    return torch.rand(rows, 4, generator=generator, dtype=torch.float64) * 1.8 + 0.1


@pytest.mark.parametrize("strength", [0.1, 0.7])
def test_gaussian_noise_has_its_standard_deviation_and_its_shape(strength):
    torch.manual_seed(0)
    noise = (GaussianNoise(strength)(inside()) - inside()).flatten()
    n = len(noise)
    assert noise.mean().abs() < 4 * strength / math.sqrt(n)
    assert (noise.std() / strength - 1).abs() < 4 / math.sqrt(2 * n)
    for level in (0.1, 0.5, 0.9):
        share = (td.Normal(0.0, strength).cdf(noise) < level).double().mean()
        assert (share - level).abs() < 4 * math.sqrt(level * (1 - level) / n)
    assert GaussianNoise(strength).noise_variance == pytest.approx(strength**2)


@pytest.mark.parametrize("strength", [0.1, 0.7])
def test_masking_zeroes_its_share_and_nothing_else(strength):
    torch.manual_seed(0)
    x = inside()
    out = Masking(UNIT, strength)(x)
    share = (out == 0).double().mean()
    assert (share - strength).abs() < 4 * math.sqrt(strength * (1 - strength) / x.numel())
    assert torch.equal(out[out != 0], x[out != 0])
    # value by value, not row by row
    assert 0 < ((out == 0).all(1)).double().mean() < 2 * strength**4 + 1e-3
    assert Masking(UNIT, strength).noise_variance is None


@pytest.mark.parametrize("strength", [0.1, 0.7])
def test_salt_and_pepper_goes_to_either_end_by_a_fair_coin(strength):
    torch.manual_seed(0)
    x = inside()
    out = SaltAndPepper(UNIT, strength)(x)
    half = strength / 2
    for end in (-0.5, 2.0):
        share = (out == end).double().mean()
        assert (share - half).abs() < 4 * math.sqrt(half * (1 - half) / x.numel())
    left = (out != -0.5) & (out != 2.0)
    assert torch.equal(out[left], x[left])
    assert out.dtype == x.dtype


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("kind", KINDS)
def test_corruption_gives_a_new_tensor_and_leaves_the_clean_one_alone(kind, dtype):
    x = inside(50).to(dtype)
    before = x.clone()
    out = make(kind)(x)
    assert torch.equal(x, before)
    assert out.data_ptr() != x.data_ptr()
    assert (out.shape, out.dtype) == (x.shape, dtype)
    assert not torch.equal(out, x)
    assert not torch.equal(out, make(kind)(x))


@pytest.mark.parametrize("kind", KINDS)
def test_a_seed_makes_a_stream_of_its_own(kind):
    x = inside(50)
    state = torch.get_rng_state()
    first = make(kind, seed=5)
    a, b = first(x), first(x)
    assert torch.equal(torch.get_rng_state(), state)
    torch.manual_seed(99)
    again, other = make(kind, seed=5), make(kind, seed=6)
    # the streams are independent of each other, too
    c, d = again(x), other(x)
    assert torch.equal(again(x), b)
    assert torch.equal(a, c)
    assert not torch.equal(a, b)
    assert not torch.equal(a, d)


@pytest.mark.parametrize("kind", KINDS)
def test_without_a_seed_the_runs_stream_decides(kind):
    x, corruption = inside(50), make(kind)
    torch.manual_seed(1)
    a = corruption(x)
    torch.manual_seed(1)
    assert torch.equal(a, corruption(x))
    assert not torch.equal(a, corruption(x))


def test_salt_and_pepper_needs_a_range_after_preprocessing():
    with pytest.raises(CompositionError, match="known range: use --preprocess minmax, or --corruption masking"):
        SaltAndPepper(DataSpec(shape=(4,)))
    with pytest.raises(CompositionError, match="known range"):
        build_model("denoising", {"corruption": "salt-and-pepper", "preprocess": "standardize"}, UNIT)
    model = build_model("denoising", {"corruption": "salt-and-pepper=0.4", "preprocess": "minmax"}, UNIT)
    assert (model.corruption.low, model.corruption.high, model.corruption.strength) == (0.0, 1.0, 0.4)


@pytest.mark.parametrize("text", ["gaussian=0", "gaussian=-1", "masking=1", "masking=0", "salt-and-pepper=1.5"])
def test_strengths_out_of_range_are_refused(text):
    with pytest.raises(UsageError, match=f"corruption '{text.split('=')[0]}': strength: "):
        build_part("corruption", text, spec=UNIT)


def test_the_denoising_model_hides_from_the_encoder_what_it_targets():
    torch.manual_seed(0)
    model = build_model("denoising", {"corruption": "masking=0.999999", "latent_dim": 2}, UNIT).double().train()
    x = inside(20)
    outcome = model.step(x)
    assert (outcome.values["x_in"] == 0).all()
    blind = model.decoder(model.code(torch.zeros_like(x))[None])
    torch.testing.assert_close(outcome.loss, -blind.log_prob(x).mean(), **EXACT)


# ---------------------------------------------------------------- the score of the smoothed density


def test_the_best_linear_denoiser_of_gaussian_data_has_tweedies_slope():
    torch.manual_seed(0)
    s, sigma = 1.5, 0.8
    x = s * torch.randn(400_000, 1, dtype=torch.float64)
    seen = GaussianNoise(sigma)(x)
    slope = (x * seen).mean() / seen.square().mean()
    assert slope.item() == pytest.approx(s**2 / (s**2 + sigma**2), rel=0.01)


def denoiser(s, sigma, preprocess=None, spec=None):
    """The optimal denoiser r(x) = s²/(s²+σ²)·x of data N(0, s²) in preprocessed units, put together by hand."""
    spec = spec or DataSpec(shape=(3,), scaling="none")
    up, down = nn.Linear(3, 3, bias=False), nn.Linear(3, 3, bias=False)
    up.weight.data, down.weight.data = torch.eye(3), torch.eye(3) * 1.0
    decoder = Decoder(down, Gaussian(spec))
    corruption = GaussianNoise(sigma)
    model = Autoencoder(PointEncoder(up), decoder, spec=spec, corruption=corruption, preprocess=preprocess).double()
    down.weight.data *= s**2 / (s**2 + sigma**2)
    return model


def log_density_gradient(mean, variance, x):
    """∇log N(x; mean, variance), by automatic differentiation."""
    x = x.clone().requires_grad_()
    density = td.Normal(torch.as_tensor(mean).double(), torch.as_tensor(variance, dtype=torch.float64).sqrt())
    return torch.autograd.grad(density.log_prob(x).sum(), x)[0]


def test_the_score_function_is_the_gradient_of_the_smoothed_log_density():
    s, sigma = 1.5, 0.8
    x = torch.linspace(-3, 3, 21, dtype=torch.float64).reshape(7, 3)
    truth = log_density_gradient(0.0, s**2 + sigma**2, x)
    torch.testing.assert_close(denoiser(s, sigma).score_function(x), truth, **EXACT)


def test_the_score_function_is_per_raw_unit():
    spec = DataSpec(shape=(3,), scaling="standardize")
    preprocess = make_preprocess("standardize", spec)
    torch.manual_seed(0)
    raw = torch.randn(500, 3, dtype=torch.float64) * torch.tensor([0.1, 1, 20]) + torch.tensor([5.0, 0, -7])
    preprocess.fit([raw])
    spread, center = raw.std(0, correction=0), raw.mean(0)
    s, sigma = 1.0, 0.5
    # in raw units the data spread by s·spread about the centre, and the noise by σ·spread
    truth = log_density_gradient(center, spread**2 * (s**2 + sigma**2), raw[:9])
    got = denoiser(s, sigma, preprocess, spec).score_function(raw[:9])
    torch.testing.assert_close(got, truth, **EXACT)


def test_the_score_function_knows_the_range_of_images():
    spec = DataSpec(shape=(3,), low=0.0, high=16.0, scaling="scale")
    x = torch.rand(9, 3, dtype=torch.float64) * 16
    got = denoiser(1.0, 0.5, make_preprocess("scale", spec), spec).score_function(x)
    torch.testing.assert_close(got, log_density_gradient(0.0, 16**2 * 1.25, x), **EXACT)


def test_the_score_function_takes_arrays_and_passes():
    model = denoiser(1.0, 0.5)
    x = torch.randn(7, 3, dtype=torch.float64)
    whole = model.train().score_function(x)
    torch.testing.assert_close(torch.from_numpy(model.score_function(x.numpy(), batch_size=2)), whole)
    torch.testing.assert_close(model.score_function(x[2]), whole[2])


@pytest.mark.parametrize(
    ("model", "options"),
    [("undercomplete", {}), ("denoising", {"corruption": "masking=0.3"}), ("vae", {})],
)
def test_only_gaussian_corruption_gives_a_score_function(model, options):
    built = build_model(model, options, UNIT)
    with pytest.raises(CapabilityError, match=r"score_function needs .*'score-function'.*use the corruption gaussian"):
        built.score_function(torch.zeros(2, 4))


@pytest.mark.parametrize("model", ["denoising", "contractive", "vae"])
def test_any_model_with_gaussian_corruption_has_a_score_function(model):
    built = build_model(model, {"corruption": "gaussian=0.2"}, UNIT)
    assert "score-function" in built.capabilities
    assert built.score_function(torch.zeros(2, 4)).shape == (2, 4)
