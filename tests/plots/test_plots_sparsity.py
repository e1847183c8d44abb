"""Pictures of sparse codes show the counts, rows and atoms that they name."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from matplotlib.image import imread
from torch import nn

from aezoo.core.spec import DataSpec
from aezoo.data import Dataset
from aezoo.evaluation import top_features
from aezoo.inspection import Subject, sparsity
from aezoo.inspection import options as look
from aezoo.model.autoencoder import Autoencoder
from aezoo.parts import Decoder, Gaussian, PointEncoder
from aezoo.plots import plot_activations, plot_features, save_figure
from aezoo.plots.canvas import mosaic
from aezoo.training import build_model

CODES = np.array(
    [[0.0, 1.0, 0.0, 2.0], [0.0, 3.0, 0.0, 0.0], [5.0, 2.0, 0.0, 0.0], [0.0, 3.0, 0.0, 1e-9], [0.0, 0.5, 0.0, 4.0]]
)


def dataset_of(x, **spec):
    return Dataset(x, spec=DataSpec(name="data", shape=x.shape[1:], **spec))


def same(dataset, network=None):
    """A model whose code is the rectified datum."""
    decoder = Decoder(nn.Identity() if network is None else network, Gaussian(dataset.spec))
    return Autoencoder(PointEncoder(nn.Flatten(), nn.ReLU()), decoder, spec=dataset.spec)


def shown(figure):
    return [np.asarray(image.get_array()) for axes in figure.axes for image in axes.images]


def texts(axis):
    return [label.get_text() for label in axis.get_ticklabels()]


def test_activations_are_counted_without_zeros_and_rates_are_sorted():
    left, right = plot_activations(CODES).axes
    assert sum(bar.get_height() for bar in left.patches) == 8
    assert left.get_yscale() == "log"
    assert left.get_title() == "60.0% of all activations are zero and left out"
    assert right.lines[0].get_ydata().tolist() == [1.0, 0.4, 0.2, 0.0]
    assert right.get_title() == "dead units: 1"


def test_where_nothing_is_zero_sizes_are_shown_for_rates():
    right = plot_activations(np.array([[0.1, -0.5], [0.3, -0.7]])).axes[1]
    assert right.lines[0].get_ydata().tolist() == pytest.approx([0.6, 0.2])
    assert "size" in right.get_ylabel()


def test_codes_that_are_all_zero(tmp_path):
    figure = plot_activations(np.zeros((5, 3)))
    save_figure(figure, tmp_path / "zero.png")
    assert figure.axes[1].get_title() == "dead units: 3"


def test_features_of_images_are_atom_and_rows_and_a_dead_unit_is_blank():
    dataset = dataset_of(CODES.reshape(5, 1, 2, 2), low=0.0, high=5.0)
    model = same(dataset)
    features = top_features(model, dataset.all(), units=(3, 2), count=3)
    figure = plot_features(model, dataset.all(), features)
    # the atom of unit j is pixel j alone: the largest value, next to zeros in the middle of the scale
    atoms = [np.where(np.arange(4) == unit, 5.0, 2.5).reshape(1, 2, 2) for unit in (3, 2)]
    blank = np.full((1, 2, 2), 5.0)
    images = [atoms[0], dataset.x[4], dataset.x[0], atoms[1], blank, blank]
    np.testing.assert_allclose(shown(figure)[0], mosaic(np.stack(images), 3, 0.0, 5.0), atol=1e-6)
    assert texts(figure.axes[0].yaxis) == ["unit 3 (40%)", "unit 2 (dead)"]
    assert texts(figure.axes[0].xaxis) == ["atom", "1", "2"]


def test_features_of_a_bent_decoder_have_no_atoms():
    dataset = dataset_of(CODES.reshape(5, 1, 2, 2), low=0.0, high=5.0)
    model = same(dataset, nn.ReLU())
    figure = plot_features(model, dataset.all(), top_features(model, dataset.all(), units=(1,), count=2))
    np.testing.assert_allclose(shown(figure)[0], mosaic(dataset.x[[1, 3]], 2, 0.0, 5.0), atol=1e-6)


def test_features_of_a_table_are_strips():
    dataset = dataset_of(CODES)
    model = same(dataset)
    figure = plot_features(model, dataset.all(), top_features(model, dataset.all(), units=(1, 2), count=2))
    first, second = shown(figure)
    np.testing.assert_allclose(first, [[0, 1, 0, 0], *CODES[[1, 3]]])
    np.testing.assert_allclose(second, [[0, 0, 1, 0]])
    assert texts(figure.axes[0].yaxis) == ["atom", "row 1", "row 3"]
    assert [axes.get_title() for axes in figure.axes[:2]] == ["unit 1 (100%)", "unit 2 (dead)"]


def test_only_a_dead_unit_of_a_bent_decoder(tmp_path):
    for x in (CODES, CODES.reshape(5, 1, 2, 2)):
        dataset = dataset_of(x)
        model = same(dataset, nn.ReLU())
        figure = plot_features(model, dataset.all(), top_features(model, dataset.all(), units=(2,)))
        save_figure(figure, tmp_path / "dead.png")


@pytest.mark.parametrize(
    ("name", "shape"),
    [("sparse", (1, 6, 5)), ("topk", (3, 6, 5)), ("sparse", (1, 1, 200)), ("sparse-kl", (7,)), ("undercomplete", (1,))],
)
def test_every_picture_can_be_opened_and_nothing_else_changes(name, shape, tmp_path):
    dataset = dataset_of(np.random.default_rng(0).standard_normal((60, *shape)))
    torch.manual_seed(0)
    model = build_model(name, {"latent_dim": 20, "hidden": []}, dataset.spec)
    model.preprocess.fit(dataset.all().batches(16))
    model.train()
    state = torch.get_rng_state()
    subject = Subject(model, dataset.split(), dataset.all())
    for finding in (
        sparsity.sparsity(subject, look.SparsityOptions()),
        sparsity.features(subject, look.FeaturesOptions()),
    ):
        save_figure(finding.picture, tmp_path / "picture.png")
        height, width = imread(tmp_path / "picture.png").shape[:2]
        assert 90 <= height <= 1700
        assert 200 <= width <= 1700
    assert model.training
    assert torch.equal(state, torch.get_rng_state())
