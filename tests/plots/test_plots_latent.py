"""Pictures of the latent space show the data that were decoded, where they were decoded."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from matplotlib.image import imread
from torch import nn

from aezoo.core.spec import DataSpec
from aezoo.data import Dataset
from aezoo.errors import DataError
from aezoo.evaluation import class_means, latent_interpolation, latent_plane, latent_traversal
from aezoo.inspection import Subject, latent
from aezoo.inspection import options as look
from aezoo.model.autoencoder import Autoencoder
from aezoo.parts import Decoder, Gaussian, PointEncoder
from aezoo.plots import (
    plot_class_means,
    plot_dimensions,
    plot_interpolation,
    plot_plane,
    plot_traversal,
    save_figure,
)
from aezoo.plots.canvas import mosaic
from aezoo.plots.grids import image_rows
from aezoo.training import build_model


def pictures(rows=60, size=(6, 5), channels=1, labels=None):
    x = np.random.default_rng(0).integers(0, 256, (rows, channels, *size)).astype(np.uint8)
    spec = DataSpec(name="bytes", shape=x.shape[1:], low=0.0, high=255.0, levels=256, scaling="scale")
    return Dataset(x, labels, spec=spec)


def table(dim=6, rows=60, labels=None):
    x = np.random.default_rng(0).standard_normal((rows, dim)) * np.arange(1, dim + 1)
    return Dataset(x, labels, spec=DataSpec(name="table", shape=(dim,)))


def same(dataset):
    """A model whose code is the datum and whose reconstruction is the code."""
    return Autoencoder(PointEncoder(nn.Flatten()), Decoder(nn.Identity(), Gaussian(dataset.spec)), spec=dataset.spec)


def built(name, dataset, latent_dim=3):
    torch.manual_seed(0)
    model = build_model(name, {"hidden": [8], "latent_dim": latent_dim}, dataset.spec)
    model.preprocess.fit(dataset.all().batches(16))
    return model


def shown(figure):
    """The arrays of all images in a figure, but for its colour bar's."""
    return [np.asarray(image.get_array()) for axes in figure.axes for image in axes.images]


def texts(axis):
    return [label.get_text() for label in axis.get_ticklabels()]


def test_a_plane_of_images_grows_to_the_right_and_upwards():
    dataset = pictures()
    model = same(dataset)
    plane = latent_plane(model, dataset.all(), points=3, dims=(7, 2))
    figure = plot_plane(model, plane)
    (sheet,) = shown(figure)
    cells = [plane.data[i, j] for i in (2, 1, 0) for j in range(3)]
    np.testing.assert_allclose(sheet, mosaic(np.stack(cells), 3, 0.0, 255.0, gap=1))
    (axes,) = figure.axes
    assert axes.get_title() == "decoded at quantiles of the codes, other values at their mean"
    assert figure.get_supxlabel().startswith("code value 7 (variance")
    assert figure.get_supylabel().startswith("code value 2 (variance")
    assert texts(axes.xaxis) == [f"{value:.2g}" for value in plane.across]
    assert texts(axes.yaxis) == [f"{value:.2g}" for value in plane.up]
    assert axes.get_yticks().tolist() == [0, 1, 2]
    assert list(axes.images[0].get_extent()) == [-0.5, 2.5, -0.5, 2.5]


def test_a_plane_of_a_vae_names_the_prior():
    dataset = pictures()
    model = built("vae", dataset, 2)
    figure = plot_plane(model, latent_plane(model, dataset.all(), points=3))
    assert figure.axes[0].get_title() == "decoded at quantiles of the prior"
    assert "(KL " in figure.get_supxlabel()


def test_a_plane_of_a_table_is_a_map_a_column():
    dataset = table()
    model = same(dataset)
    plane = latent_plane(model, dataset.all(), points=4)
    figure = plot_plane(model, plane)
    maps = [axes for axes in figure.axes if axes.images]
    assert [axes.get_title() for axes in maps] == [f"column {j}" for j in range(6)]
    for j, array in enumerate(shown(figure)):
        np.testing.assert_allclose(array, plane.data[::-1, :, j], rtol=1e-6)


def test_of_many_columns_those_that_vary_most_are_mapped():
    dataset = table(dim=30)
    model = built("vae", dataset)
    plane = latent_plane(model, dataset.all(), points=3)
    scaled = model.prepare(torch.from_numpy(plane.data.reshape(9, -1))).numpy()
    most = sorted(np.argsort(-scaled.var(0))[:12].tolist())
    maps = [axes for axes in plot_plane(model, plane).axes if axes.images]
    assert [axes.get_title() for axes in maps] == [f"column {j}" for j in most]


def test_an_interpolation_of_images_has_the_data_at_both_ends():
    dataset = pictures()
    model = same(dataset)
    found = latent_interpolation(model, dataset.all(), between=(4, 9), steps=3)
    figure = plot_interpolation(model, found)
    (sheet,) = shown(figure)
    a, b = dataset.x[[4, 9]].astype(float)
    images = [a, a, *found.ways["straight"][1:2], b, b, a, a, *found.ways["sphere"][1:2], b, b]
    np.testing.assert_allclose(sheet, mosaic(np.stack(images), 5, 0.0, 255.0), atol=1e-6)
    assert texts(figure.axes[0].yaxis) == ["straight", "on the sphere"]
    assert texts(figure.axes[0].xaxis) == ["row 4", "0", "0.5", "1", "row 9"]


def test_an_interpolation_of_a_table_is_two_panels():
    dataset = table()
    found = latent_interpolation(same(dataset), dataset.all(), between=(4, 9), steps=3)
    figure = plot_interpolation(same(dataset), found)
    straight, sphere = shown(figure)
    np.testing.assert_allclose(straight[[0, -1]], dataset.x[[4, 9]], rtol=1e-6)
    np.testing.assert_allclose(straight[2], dataset.x[[4, 9]].mean(0), rtol=1e-5)
    np.testing.assert_allclose(sphere[1:-1], found.ways["sphere"], rtol=1e-6)
    assert [axes.get_title() for axes in figure.axes[:2]] == ["straight", "on the sphere"]


def test_a_traversal_of_images_has_a_row_a_dimension():
    dataset = pictures()
    model = same(dataset)
    found = latent_traversal(model, dataset.all(), index=5, dims=(3, 8), steps=4)
    figure = plot_traversal(model, found)
    images = [image for line in found.data for image in (dataset.x[5], *line)]
    np.testing.assert_allclose(shown(figure)[0], mosaic(np.stack(images), 5, 0.0, 255.0), atol=1e-6)
    assert [label[:11] for label in texts(figure.axes[0].yaxis)] == ["3 (variance", "8 (variance"]
    assert texts(figure.axes[0].xaxis) == ["the row", "12%", "38%", "62%", "88%"]


def test_a_traversal_of_a_table_has_a_panel_a_dimension():
    dataset = table()
    found = latent_traversal(same(dataset), dataset.all(), index=5, dims=(3, 0, 1, 2, 4), steps=4)
    figure = plot_traversal(same(dataset), found)
    for array, data in zip(shown(figure), found.data, strict=True):
        np.testing.assert_allclose(array, data, rtol=1e-6)
    assert texts(figure.axes[0].yaxis) == [f"{value:.2g}" for value in found.values[0]]


def test_class_means_of_images_are_named_and_in_order():
    dataset = pictures(labels=[("ape", "bee", "cat")[i % 3] for i in range(60)])
    figure = plot_class_means(same(dataset), dataset.all())
    assert [axes.get_title() for axes in figure.axes] == ["ape", "bee", "cat"]
    for index, image in enumerate(shown(figure)):
        np.testing.assert_allclose(image[:, :, 0], dataset.x[index::3, 0].mean(0) / 255, rtol=1e-5)


def test_class_means_of_a_table_are_strips():
    dataset = table(labels=np.arange(60) % 4)
    figure = plot_class_means(same(dataset), dataset.all())
    np.testing.assert_allclose(shown(figure)[0], class_means(same(dataset), dataset.all()).means, rtol=1e-6)
    assert texts(figure.axes[0].yaxis) == ["0", "1", "2", "3"]
    with pytest.raises(DataError, match="no labels"):
        plot_class_means(same(table()), table().all())


def test_dimensions_are_sorted_bars_and_those_not_active_are_grey():
    figure = plot_dimensions(np.array([0.1, 3.0, 0.0, 2.0]), np.array([False, True, False, True]))
    bars = figure.axes[0].patches
    assert [bar.get_height() for bar in bars] == [3.0, 2.0, 0.1, 0.0]
    assert texts(figure.axes[0].xaxis) == ["1", "3", "0", "2"]
    colours = [bar.get_facecolor() for bar in bars]
    assert colours[0] == colours[1] != colours[2] == colours[3]
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["active (2)", "not active (2)"]


CASES = {
    "images": (lambda: pictures(labels=np.arange(60) % 10), 3),
    "colours": (lambda: pictures(channels=3, labels=np.arange(60) % 2), 3),
    "strips": (lambda: pictures(size=(1, 200), labels=np.arange(60) % 2), 3),
    "pillars": (lambda: pictures(size=(200, 1), labels=np.arange(60) % 2), 3),
    "large images": (lambda: pictures(rows=10, size=(200, 180), labels=np.arange(10) % 2), 3),
    "classes of images": (lambda: pictures(labels=np.arange(60) // 5), 3),
    "one column": (lambda: table(dim=1, labels=np.arange(60) % 2), 2),
    "a wide code": (lambda: table(dim=5, labels=np.arange(60)), 60),
}


@pytest.mark.parametrize("case", CASES)
def test_every_picture_can_be_opened_and_nothing_else_changes(case, tmp_path):
    data, code = CASES[case]
    dataset = data()
    model = built("vae", dataset, code).train()
    state = torch.get_rng_state()
    subject = Subject(model, dataset.split(), dataset.all())
    findings = [
        latent.plane(subject, look.PlaneOptions(points=5)),
        latent.interpolation(subject, look.InterpolationOptions()),
        latent.traversal(subject, look.TraversalOptions()),
        latent.classes(subject, look.ClassesOptions()),
        latent.dimensions(subject, look.DimensionsOptions()),
    ]
    for index, finding in enumerate(findings):
        path = tmp_path / f"{index}.png"
        save_figure(finding.picture, path)
        height, width = imread(path).shape[:2]
        assert 90 <= height <= 1700
        assert 200 <= width <= 1700
    assert model.training
    assert torch.equal(state, torch.get_rng_state())


def test_a_way_and_a_line_of_many_steps_stay_in_bounds(tmp_path):
    for dataset in (pictures(), table()):
        model = built("vae", dataset, 10)
        subject = Subject(model, dataset.split(), dataset.all())
        for finding in (
            latent.interpolation(subject, look.InterpolationOptions(steps=64)),
            latent.traversal(subject, look.TraversalOptions(steps=64, dims=(0,))),
        ):
            save_figure(finding.picture, tmp_path / "picture.png")
            assert max(imread(tmp_path / "picture.png").shape[:2]) <= 2000


def test_long_labels_beside_images_stay_in_the_picture():
    images = np.zeros((8, 10, 1, 8, 8))
    figure = image_rows(images, (0, 1), [f"{j} (variance 0.0532)" for j in range(10, 18)], ["the row"] * 10, "a title")
    # as it is saved: the layout settles a figure in more than one drawing, and a file has only one
    figure.canvas.draw()
    labels = [*figure.axes[0].get_yticklabels(), *figure.axes[0].get_xticklabels()]
    assert min(label.get_window_extent().x0 for label in labels) >= 0
    assert max(label.get_window_extent().x1 for label in labels) <= figure.bbox.x1
