"""Pictures and figures of the data's shape hold the numbers that they claim to show, and bad asks get one line."""

import numpy as np
import pytest
import torch
from torch import nn

from aezoo.core.spec import DataSpec
from aezoo.data import Dataset
from aezoo.errors import CapabilityError, DataError, UsageError, ZooError
from aezoo.evaluation import displacement, jacobian_spectrum, tangents, walk
from aezoo.inspection import Subject, look
from aezoo.plots import plane_grid, plot_field, plot_pca, plot_spectrum, plot_tangents, save_figure
from aezoo.training import build_model


def draw():
    return np.random.default_rng(0)


def plane(rows=60, scale=(1.0, 1.0)):
    x = draw().standard_normal((rows, 2)) * scale + [3.0, 1.0]
    return Dataset(x, spec=DataSpec(name="plane", shape=(2,), scaling="standardize"))


def table(dim=6, rows=60, scale=1.0):
    x = scale * draw().standard_normal((rows, dim)) @ np.diag(2.0 ** -np.arange(dim))
    return Dataset(x, spec=DataSpec(name="table", shape=(dim,), scaling="none"))


def pictures(channels=1, size=(6, 5)):
    x = draw().integers(0, 256, (40, channels, *size)).astype(np.uint8)
    spec = DataSpec(name="bytes", shape=x.shape[1:], low=0.0, high=255.0, levels=256, scaling="scale")
    return Dataset(x, spec=spec)


def subject(name, dataset, rows=None, **options):
    torch.manual_seed(0)
    model = build_model(name, {"hidden": [8], "latent_dim": 3, **options}, dataset.spec)
    splits = dataset.split()
    model.preprocess.fit(splits.train.batches(16))
    return Subject(model, splits, splits.test if rows is None else rows, 0)


def drawn_to(figure, path):
    """Whether the picture can be drawn, with all of it inside."""
    save_figure(figure, path / "picture.png")
    return (path / "picture.png").stat().st_size > 2000


# ------------------------------------------------------------------ the field


@pytest.mark.parametrize("scale", [(1.0, 1.0), (1000.0, 0.01)])
def test_the_arrows_are_the_field_and_the_lines_are_walks(scale, tmp_path):
    dataset = plane(scale=scale)
    seen = subject("denoising", dataset)
    figure = plot_field(seen.model, seen.rows, points=7, steps=4)
    axes = figure.axes[0]
    arrows = axes.collections[1]
    grid = plane_grid(seen.rows, 7)
    np.testing.assert_allclose(arrows.XY, grid)
    field = displacement(seen.model, grid)
    np.testing.assert_allclose(arrows.get_array(), np.hypot(*field.T), rtol=1e-5)
    # the same directions, and twice the length for four times the field
    turn = field[:, 0] * arrows.V - field[:, 1] * arrows.U
    np.testing.assert_allclose(turn, 0, atol=1e-6 * np.abs(field).max() ** 2)
    cells = field / ((grid[-1] - grid[0]) / 6)
    drawn = np.stack([arrows.U, arrows.V], 1) / ((grid[-1] - grid[0]) / 6)
    ratio = np.square(np.hypot(*drawn.T)) / np.hypot(*cells.T)
    np.testing.assert_allclose(ratio, ratio[0], rtol=1e-4)
    line = axes.lines[5].get_xydata()
    np.testing.assert_allclose(line, walk(seen.model, line[0], 4), rtol=1e-4, atol=1e-4 * min(scale))
    rows = seen.rows.rows().numpy()
    assert (grid.min(0) < rows.min(0)).all()
    assert (grid.max(0) > rows.max(0)).all()
    assert drawn_to(figure, tmp_path)


def test_the_figures_of_the_field():
    seen = subject("denoising", plane(), corruption="gaussian=0.3")
    figures = look(seen, "field", points=5, steps=3, rate=0.5).figures
    rows = seen.rows.rows()
    assert figures["noise"] == pytest.approx(0.3)
    length = displacement(seen.model, rows).norm(dim=1).mean()
    assert figures["length_at_data"] == pytest.approx(float(length), rel=1e-5)
    grid = plane_grid(seen.rows, 5)
    train = seen.model.prepare(seen.splits.train.rows())
    for name, places in (("before", grid), ("after", walk(seen.model, grid, 3, 0.5)[-1])):
        away = torch.cdist(seen.model.prepare(torch.from_numpy(places)).double(), train.double()).min(1).values
        assert figures[f"distance_{name}_walk"] == pytest.approx(float(away.mean()), rel=1e-5)


# ------------------------------------------------------------------ the spectrum


def test_the_spectrum_shows_its_quartiles():
    values = draw().uniform(1, 2, (41, 5)) * [16, 8, 4, 2, 1]
    axes = plot_spectrum(values).axes[0]
    assert axes.get_yscale() == "log"
    np.testing.assert_allclose(axes.lines[0].get_ydata(), np.median(values, axis=0))
    edge = axes.collections[0].get_paths()[0].vertices
    for quarter in (25, 75):
        for index, value in enumerate(np.percentile(values, quarter, axis=0)):
            assert any(np.allclose(point, [index + 1, value]) for point in edge)


@pytest.mark.parametrize("values", [np.zeros((3, 4)), np.array([[1.0, 1e-12]] * 3), np.ones((1, 1)), np.ones((2, 99))])
def test_spectra_of_all_kinds_can_be_drawn(values, tmp_path):
    assert drawn_to(plot_spectrum(values), tmp_path)


def test_rounding_does_not_stretch_the_axis_of_the_spectrum():
    spectrum = np.array([[1.24, 0.35, 1.3e-7, 0.5e-7]] * 3)
    axes = plot_spectrum(spectrum).axes[0]
    assert axes.get_ylim()[0] > 0.1
    assert all(tick == int(tick) for tick in plot_spectrum(spectrum[:, :1]).axes[0].get_xticks())


def test_the_figures_of_the_spectrum():
    seen = subject("contractive", table())
    figures = look(seen, "spectrum", rows=9).figures
    assert figures["examples"] == 9
    seen = subject("contractive", table())
    figures = look(seen, "spectrum").figures
    values = jacobian_spectrum(seen.model, seen.rows)
    assert figures["mean_norm"] == pytest.approx(np.sqrt((values**2).sum(1)).mean())
    assert figures["singular_values"] == pytest.approx(values.mean(0).tolist())
    assert 1 < figures["effective_rank"] < 3
    assert figures["saturated"] == 0
    assert "saturated" not in look(subject("vae", table()), "spectrum").figures


# ------------------------------------------------------------------ tangents


def test_tangents_of_an_image_are_images(tmp_path):
    seen = subject("contractive", pictures())
    finding = look(seen, "tangents", index=2, count=2)
    x = seen.rows.rows()[2]
    found = tangents(seen.model, x, 2)
    panels = finding.picture.axes
    np.testing.assert_allclose(panels[0].images[0].get_array()[..., 0], x[0].numpy() / 255)
    for index in range(2):
        image = panels[index + 1].images[0]
        np.testing.assert_allclose(image.get_array(), found.directions[index, 0].numpy(), atol=1e-6)
        low, high = image.get_clim()
        assert low == -high == pytest.approx(-float(found.directions[index].abs().max()), rel=1e-5)
        assert panels[index + 1].get_title() == f"{float(found.stretch[index]):.2g}"
    assert finding.figures["row"] == 2
    assert finding.figures["stretch"] == pytest.approx(found.stretch.tolist())
    np.testing.assert_allclose(finding.figures["tangents"], found.directions.tolist(), atol=1e-6)
    assert drawn_to(finding.picture, tmp_path)


@pytest.mark.parametrize(
    "dataset", [pictures(3), pictures(size=(1, 90)), pictures(size=(90, 1)), table(), table(60), table(1), plane()]
)
def test_tangents_of_all_kinds_can_be_drawn(dataset, tmp_path):
    finding = look(subject("undercomplete", dataset), "tangents")
    assert 1 <= finding.figures["directions"] <= 3
    assert drawn_to(finding.picture, tmp_path)


def test_bars_of_a_table_are_its_directions():
    seen = subject("contractive", table())
    x = seen.rows.rows()[0]
    found = tangents(seen.model, x, 2)
    panels = plot_tangents(seen.model, x, found).axes
    for axes, values in zip(panels, [x, *found.directions], strict=True):
        np.testing.assert_allclose([bar.get_height() for bar in axes.patches], values.numpy(), rtol=1e-5)


# ------------------------------------------------------------------ PCA


def test_pca_shows_angles_and_variances(tmp_path):
    figure = plot_pca(np.array([0.5, 30.0]), np.array([4.0, 2.0, 1.0, 0.0]), np.array([4.0, 1.5]), 0.7)
    left, right = figure.axes
    assert [bar.get_height() for bar in left.patches] == [0.5, 30]
    assert [list(line.get_ydata()[:2]) for line in right.lines] == [[4, 2], [4, 1.5], [0.7, 0.7]]
    assert drawn_to(figure, tmp_path)
    assert drawn_to(plot_pca(np.zeros(0), np.zeros(1), np.zeros(1)), tmp_path)


def exact_ppca(train):
    """A variational model set to probabilistic PCA of ``train``, in double precision."""
    torch.manual_seed(0)
    options = {"hidden": [], "latent_dim": 2, "likelihood": "gaussian,scale=shared"}
    model = build_model("vae", options, train.dataset.spec).double()
    x = train.rows()
    mean = x.mean(0)
    values, axes = torch.linalg.eigh((x - mean).T @ (x - mean) / len(x))
    variance = values[:-2].mean()
    weight = axes[:, -2:] * (values[-2:] - variance).sqrt()
    inner = weight.T @ weight + variance * torch.eye(2)
    up, down = model.encoder.network[1], model.decoder.network[0]
    gain = torch.linalg.solve(inner, weight.T)
    up.weight.data = torch.cat([gain, torch.zeros(2, 6)])
    up.bias.data = torch.cat([-gain @ mean, (variance / inner.diagonal()).log()])
    down.weight.data, down.bias.data = weight, mean
    scale = 0.5 * variance.log() + 6
    model.decoder.likelihood.log_scale.data = torch.log(torch.expm1(scale)) - 6
    return model


def test_a_linear_variational_model_at_its_optimum_is_probabilistic_pca():
    splits = table(rows=200, scale=3.0).split()
    model = exact_ppca(splits.train)
    figures = look(Subject(model, splits, splits.train, 0), "pca").figures
    assert figures["components"] == 2
    assert figures["largest_angle"] < 1e-6
    assert figures["noise_variance"] == pytest.approx(figures["ppca_noise_variance"], rel=1e-10)
    assert figures["log_likelihood"] == pytest.approx(figures["ppca_log_likelihood"], rel=1e-10)
    # the posterior is exact, so bound and likelihood meet, but for the draws
    assert figures["elbo"] == pytest.approx(figures["log_likelihood"], abs=0.1)
    assert figures["model_variances"] == pytest.approx(figures["pca_variances"][:2], rel=1e-8)


def test_an_untrained_linear_model_is_beside_pca_but_not_upon_it():
    seen = subject("linear", table(), hidden=[])
    found = look(seen, "pca", rows=50)
    assert found.figures["largest_angle"] > 5
    assert len(found.figures["angles"]) == 3
    assert found.figures["squared_error"] > found.figures["pca_squared_error"]
    assert "elbo" not in found.figures
    assert found.figures["training_examples"] == len(seen.splits.train)
    codes = seen.model.reconstruct(seen.splits.train.rows()).double().numpy()
    expected = np.linalg.eigvalsh(np.cov(codes, rowvar=False, bias=True))[::-1][:3]
    assert found.figures["model_variances"] == pytest.approx(expected, rel=1e-4)


# ------------------------------------------------------------------ what cannot be looked at


@pytest.mark.parametrize(
    ("make", "name", "options", "error", "message"),
    [
        (lambda: subject("contractive", plane()), "field", {}, CapabilityError, "'score-function'.*--model denoising"),
        (
            lambda: subject("denoising", plane(), corruption="masking=0.3"),
            "field",
            {},
            CapabilityError,
            "--corruption gaussian",
        ),
        (lambda: subject("denoising", table()), "field", {}, DataError, "data of two values, and this has 6: .* moons"),
        (lambda: subject("denoising", plane()), "field", {"rate": -1.0}, UsageError, "rate"),
        (
            lambda: subject("denoising", plane()),
            "field",
            {"rate": 1e6},
            UsageError,
            "by rate 1e[+]06 ends nowhere: lower",
        ),
        (lambda: subject("undercomplete", table(), network="mlp,norm=batch"), "spectrum", {}, CapabilityError, "norm="),
        (lambda: subject("undercomplete", table(), network="mlp,norm=batch"), "tangents", {}, CapabilityError, "norm="),
        (lambda: subject("contractive", table()), "tangents", {"index": 12}, UsageError, "there is no row 12"),
        (lambda: subject("undercomplete", table()), "pca", {}, CapabilityError, "linear decoder"),
        (
            lambda: subject("vae", table(), hidden=[], latent_dim=6),
            "pca",
            {},
            UsageError,
            r"takes 0 to 5 components \(got 6\): use a smaller code",
        ),
    ],
)
def test_bad_asks_get_one_line(make, name, options, error, message):
    with pytest.raises(error, match=message) as caught:
        look(make(), name, **options)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "inspection"), [("denoising", "field"), ("contractive", "spectrum"), ("contractive", "tangents")]
)
def test_a_split_without_rows(name, inspection):
    dataset = plane(rows=4)
    assert len(dataset.split().test) == 0
    with pytest.raises(ZooError, match=r"no rows|no row 0"):
        look(subject(name, dataset), inspection)


def test_a_code_that_does_not_move_has_no_tangents():
    seen = subject("contractive", table())
    for layer in seen.model.encoder.network:
        if isinstance(layer, nn.Linear):
            layer.weight.data.zero_()
    with pytest.raises(DataError, match="does not move with the data at this row"):
        look(seen, "tangents")
    assert look(seen, "spectrum").figures["mean_norm"] == 0


def test_looking_changes_nothing():
    seen = subject("denoising", plane())
    seen.model.train()
    state, weights = torch.get_rng_state(), [p.clone() for p in seen.model.parameters()]
    for name in ("field", "spectrum", "tangents"):
        assert look(seen, name).figures == look(seen, name).figures
    assert seen.model.training
    assert torch.equal(torch.get_rng_state(), state)
    assert all(torch.equal(a, b) for a, b in zip(weights, seen.model.parameters(), strict=True))
