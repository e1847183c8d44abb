"""Pictures hold the numbers that they claim to show, and none is drawn that makes no sense."""

from __future__ import annotations

from itertools import pairwise

import matplotlib as mpl
import numpy as np
import pytest
import torch
from matplotlib import _pylab_helpers
from matplotlib.image import imread

from aezoo.core.spec import DataSpec
from aezoo.data import Dataset, Split
from aezoo.data.infer import from_arrays
from aezoo.errors import OutputError
from aezoo.evaluation import encode_split
from aezoo.plots import draw_run, plot_codes, plot_loss, plot_reconstructions, plot_samples, save_figure
from aezoo.plots.canvas import mosaic, new_figure, plain, plain_log
from aezoo.training import build_model


def draw():
    return np.random.default_rng(0)


HISTORY = [
    {"epoch": e, "loss": 9.0 / e, "reconstruction": 8.0 / e, "l1": 5.0**-e, "validation_loss": 10.0 / e, "step": 9 * e}
    for e in (1, 2, 3)
]


def pictures(rows=60, channels=1, labels=None, size=(6, 5)):
    x = draw().integers(0, 256, (rows, channels, *size)).astype(np.uint8)
    spec = DataSpec(name="bytes", shape=x.shape[1:], low=0.0, high=255.0, levels=256, scaling="scale")
    return Dataset(x, np.arange(rows) % 10 if labels is None else labels, spec=spec)


def table(dim=3, rows=60, labels=None):
    return Dataset(draw().standard_normal((rows, dim)) * 4 + 9, labels, spec=DataSpec(name="table", shape=(dim,)))


def built(name, dataset, latent_dim=3, **options):
    torch.manual_seed(0)
    model = build_model(name, {"hidden": [8], "latent_dim": latent_dim, **options}, dataset.spec)
    model.preprocess.fit(dataset.all().batches(16))
    return model


CASES = {
    "images": (pictures, "sparse", {}, ["loss", "reconstructions", "codes"]),
    "images that a model samples": (pictures, "vae", {}, ["loss", "reconstructions", "samples", "codes"]),
    "a narrow table": (table, "vae", {"latent_dim": 2}, ["loss", "reconstructions", "samples", "codes"]),
    "a wide table": (lambda: table(50), "vae", {}, ["loss", "reconstructions", "samples", "codes"]),
    "one column": (lambda: table(1), "vae", {"latent_dim": 1}, ["loss", "reconstructions", "codes"]),
    "two rows": (lambda: table(9, rows=5), "contractive", {}, ["loss", "reconstructions", "codes"]),
    "no test row": (lambda: pictures(rows=4), "sparse", {}, ["loss"]),
    "strips": (lambda: pictures(size=(1, 200)), "vae", {}, ["loss", "reconstructions", "samples", "codes"]),
    "pillars": (lambda: pictures(size=(200, 1)), "vae", {}, ["loss", "reconstructions", "samples", "codes"]),
}


@pytest.mark.parametrize("case", CASES)
def test_a_run_is_drawn_and_nothing_else_changes(case, tmp_path):
    data, name, options, expected = CASES[case]
    dataset = data()
    model = built(name, dataset, **options).train()
    settings, state = dict(mpl.rcParams), torch.get_rng_state()
    paths = draw_run(tmp_path, model, dataset.split(), HISTORY)
    assert paths == [tmp_path / f"{picture}.png" for picture in expected]
    assert sorted(tmp_path.iterdir()) == sorted(paths)
    for path in paths:
        height, width = imread(path).shape[:2]
        assert 90 <= height <= 1500
        assert 200 <= width <= 1700
    assert model.training
    assert dict(mpl.rcParams) == settings
    assert torch.equal(torch.get_rng_state(), state)
    assert not _pylab_helpers.Gcf.get_all_fig_managers()


def test_the_same_run_gives_the_same_bytes(tmp_path):
    dataset = table()
    model = built("vae", dataset)
    first, again = (
        [path.read_bytes() for path in draw_run(tmp_path, model, dataset.split(), HISTORY)] for _ in range(2)
    )
    assert first == again
    assert not any(b"matplotlib" in picture.lower() for picture in first)


def test_a_folder_that_is_not_there(tmp_path):
    dataset = pictures()
    with pytest.raises(OutputError, match="cannot be written"):
        draw_run(tmp_path / "missing", built("sparse", dataset), dataset.split(), HISTORY)


def test_loss_curves_hold_the_history_a_panel_a_term():
    figure = plot_loss(HISTORY)
    panels = {axes.get_title(): axes for axes in figure.axes}
    assert list(panels) == ["loss", "reconstruction", "l1"]
    training, validation = panels["loss"].lines
    assert np.array_equal(training.get_xydata(), [(h["epoch"], h["loss"]) for h in HISTORY])
    assert np.array_equal(validation.get_xydata(), [(h["epoch"], h["validation_loss"]) for h in HISTORY])
    assert [text.get_text() for text in panels["loss"].get_legend().get_texts()] == ["training", "validation"]
    assert len(panels["l1"].lines) == 1
    assert panels["loss"].get_ylabel() == "nats per example"
    assert panels["loss"].get_xlabel() == "epoch"
    # 10 / 3 and 8 to 8/3 are within a decade, 1/5 to 1/125 is not
    assert [axes.get_yscale() for axes in panels.values()] == ["linear", "linear", "log"]


def test_losses_below_zero_or_not_finite_stay_linear():
    history = [{"epoch": e, "loss": value} for e, value in enumerate([100.0, 1.0, -0.1, np.nan], start=1)]
    (axes,) = plot_loss(history).axes
    assert axes.get_yscale() == "linear"
    assert len(axes.lines[0].get_xydata()) == 3
    assert plot_loss([]) is None


def test_one_epoch_is_a_marked_point_and_a_lone_term_has_no_panel(tmp_path):
    figure = plot_loss([{"epoch": 1, "loss": 2.0, "reconstruction": 2.0, "step": 4}])
    (axes,) = figure.axes
    assert axes.lines[0].get_marker() == "o"
    assert list(axes.get_xticks()) == [1]
    save_figure(figure, tmp_path / "x.png")


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_a_mosaic_puts_every_pixel_in_its_place(channels):
    images = draw().uniform(2, 4, (5, channels, 4, 3))
    sheet = mosaic(images, 3, 2.0, 4.0)
    assert sheet.shape == (2 * 4 + 1, 3 * 3 + 2, 3)
    fourth = (images[3] - 2) / 2
    expected = fourth if channels == 3 else np.repeat(fourth[:1], 3, axis=0)
    assert np.allclose(sheet[5:9, 0:3], expected.transpose(1, 2, 0))
    assert (sheet[4] == 1).all()
    assert (sheet[5:, 8:] == 1).all()
    assert mosaic(images, 3, 9.0, 9.5).max() == 1
    assert np.isfinite(mosaic(images * np.nan, 3, 0.0, 0.0)).all()


def test_originals_stand_above_their_reconstructions():
    dataset = pictures()
    model, split = built("sparse", dataset), dataset.split().test
    (axes,) = plot_reconstructions(model, split).axes
    (shown,) = axes.get_images()
    assert shown.get_interpolation() == "nearest"
    raw = split.rows()[:10].numpy()
    sheet = np.asarray(shown.get_array())
    assert np.allclose(sheet[:6, 6:11, 0], raw[1, 0] / 255, atol=1e-6)
    assert np.allclose(sheet[7:, 6:11, 0], np.clip(model.reconstruct(raw)[1, 0] / 255, 0, 1), atol=1e-5)
    assert [label.get_text() for label in axes.get_yticklabels()] == ["original", "reconstruction"]


def test_rows_of_a_table_are_profiles_in_the_models_units():
    dataset = table(20)
    model, split = built("linear", dataset, hidden=[]), dataset.split().test
    panels = plot_reconstructions(model, split).axes
    raw = split.rows()[:4]
    assert len(panels) == 4
    original, rebuilt = panels[2].lines
    assert np.allclose(original.get_ydata(), model.prepare(raw)[2], atol=1e-5)
    assert np.allclose(rebuilt.get_ydata(), model.prepare(model.reconstruct(raw))[2], atol=1e-5)


def test_a_series_is_a_line_for_each_of_its_channels():
    dataset = from_arrays(draw().normal([0, 50], size=(60, 8, 2)), layout="series")
    model, split = built("undercomplete", dataset, hidden=[]), dataset.split().test
    panels = plot_reconstructions(model, split).axes
    raw = split.rows()[:4]
    for line, data in zip(panels[1].lines, (raw, model.reconstruct(raw)), strict=True):
        seen = model.prepare(data)[1].numpy()
        first, gap, second = np.split(line.get_ydata(), [8, 9])
        assert np.allclose(first, seen[:, 0], atol=1e-5)
        assert np.allclose(second[:8], seen[:, 1], atol=1e-5)
        assert np.isnan(gap).all()
    assert [label.get_text() for label in panels[-1].get_xticklabels()] == ["0", "1"]
    assert "step" in panels[-1].get_xlabel()


def test_a_narrow_table_is_points_in_raw_units():
    dataset = table(3)
    model, split = built("linear", dataset, hidden=[]), dataset.split().test
    first, *_, last = plot_reconstructions(model, split).axes
    original, rebuilt = first.collections
    assert np.allclose(original.get_offsets(), split.rows()[:, :2], atol=1e-5)
    assert np.allclose(rebuilt.get_offsets(), model.reconstruct(split.rows())[:, :2], atol=1e-4)
    assert (last.get_xlabel(), last.get_ylabel()) == ("column 1", "column 2")


def test_samples_are_the_models():
    dataset = pictures()
    model, split = built("vae", dataset), dataset.split().test
    (axes,) = plot_samples(model, split, seed=3).axes
    sheet = np.asarray(axes.get_images()[0].get_array())
    assert sheet.shape == (8 * 7 - 1, 8 * 6 - 1, 3)
    assert np.allclose(sheet[7:13, :5, 0], (model.sample(64, seed=3)[8, 0] / 255).clamp(0, 1), atol=1e-5)
    assert plot_samples(built("sparse", dataset), split) is None
    assert plot_samples(built("vae", table(1)), table(1).all()) is None


def test_samples_of_a_table_lie_over_its_data_and_take_the_noise():
    dataset = table(2)
    model = built("vae", dataset)
    (axes,) = plot_samples(model, dataset.all(), seed=3).axes
    data, samples = axes.collections
    assert np.allclose(data.get_offsets(), dataset.x, atol=1e-5)
    assert np.allclose(samples.get_offsets(), model.sample(1000, seed=3, noise=True), atol=1e-5)


def test_codes_of_two_values_are_shown_as_they_are_coloured_by_class():
    names = np.array(["_hidden", "$5", "plain"])[np.arange(60) % 3]
    dataset = pictures(labels=names)
    model = built("sparse", dataset, latent_dim=2)
    (axes,) = plot_codes(model, dataset.all()).axes
    (points,) = axes.collections
    assert np.allclose(points.get_offsets(), encode_split(model, dataset.all()))
    legend = axes.get_legend()
    assert [text.get_text() for text in legend.get_texts()] == [plain(name) for name in ("$5", "_hidden", "plain")]
    expected = [legend.legend_handles[(1, 0, 2)[row % 3]].get_color() for row in range(60)]
    assert np.allclose(points.get_facecolors(), expected)
    assert len(np.unique(expected, axis=0)) == 3
    assert plain("$5") == r"\$5"


def test_larger_codes_are_shown_by_their_principal_components():
    dataset = table(6)
    model = built("linear", dataset, latent_dim=4, hidden=[])
    (axes,) = plot_codes(model, dataset.all()).axes
    codes = encode_split(model, dataset.all()).astype(float)
    u, s, _ = np.linalg.svd(codes - codes.mean(0), full_matrices=False)
    shown = np.asarray(axes.collections[0].get_offsets())
    assert np.allclose(np.abs(shown), np.abs(u[:, :2] * s[:2]), atol=1e-4)
    share = s**2 / (s**2).sum()
    assert axes.get_xlabel() == f"component 1 ({share[0]:.0%} of the variance)"
    assert axes.get_ylabel() == f"component 2 ({share[1]:.0%} of the variance)"
    assert axes.get_legend() is None


@pytest.mark.parametrize("labels", [None, np.arange(60) % 2, np.arange(60)])
def test_codes_of_one_value_are_a_histogram_of_all_rows(labels):
    dataset = table(4, labels=labels)
    (axes,) = plot_codes(built("linear", dataset, latent_dim=1, hidden=[]), dataset.all()).axes
    assert sum(bar.get_height() for bar in axes.patches) == pytest.approx(60)
    assert (axes.get_legend() is not None) == (labels is not None and labels.max() == 1)


def test_many_classes_have_a_colour_bar(tmp_path):
    dataset = table(4, labels=np.arange(60))
    figure = plot_codes(built("linear", dataset, hidden=[]), dataset.all())
    axes, bar = figure.axes
    assert bar.get_ylabel() == "label"
    assert np.array_equal(axes.collections[0].get_array(), np.arange(60))
    save_figure(figure, tmp_path / "x.png")


@pytest.mark.parametrize(("latent_dim", "offset"), [(1, 0.0), (1, 1e6), (2, 1e6), (3, 0.0)])
def test_constant_codes_and_single_rows_are_drawn(latent_dim, offset, tmp_path):
    dataset = pictures()
    model = built("undercomplete", dataset, latent_dim=latent_dim)
    last = model.encoder.network[-1]
    torch.nn.init.zeros_(last.weight)
    torch.nn.init.constant_(last.bias, offset)
    for split in (dataset.all(), Split(dataset, np.array([3]))):
        save_figure(plot_codes(model, split), tmp_path / "x.png")
    torch.nn.init.constant_(last.bias, np.nan)
    assert plot_codes(model, dataset.all()) is None


class Counting(torch.utils.data.Dataset):
    def __init__(self):
        self.read = set()

    def __len__(self):
        return 1_000_000

    def __getitem__(self, i):
        self.read.add(i)
        return torch.full((1, 4, 4), float(i % 7))


def test_of_a_huge_split_a_few_rows_are_read():
    source = Counting()
    dataset = Dataset(source, spec=DataSpec(name="huge", shape=(1, 4, 4), low=0.0, high=6.0, scaling="scale"))
    model = build_model("vae", {"hidden": [4], "latent_dim": 2}, dataset.spec)
    split = Split(dataset, np.arange(1_000_000))
    assert plot_reconstructions(model, split) is not None
    assert plot_samples(model, split) is not None
    assert plot_codes(model, split) is not None
    assert len(source.read) <= 5100
    assert max(source.read) > 900_000


@pytest.mark.parametrize("ends", [(0.15, 3.3), (0.9, 1.3), (1e-5, 40.0), (2.0, 2.1)])
def test_numbers_at_a_logarithmic_axis_do_not_run_into_each_other(ends):
    figure = new_figure(6.5, 4.2)
    axes = figure.add_subplot()
    plain_log(axes.xaxis)
    axes.set_xlim(*ends)
    figure.canvas.draw()
    labels = [label for label in axes.get_xticklabels(which="both") if label.get_text()]
    extents = sorted((label.get_window_extent() for label in labels), key=lambda box: box.x0)
    assert len(extents) >= 2
    assert all("times" not in label.get_text() for label in labels)
    assert all(a.x1 < b.x0 for a, b in pairwise(extents))
