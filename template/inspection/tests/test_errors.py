"""The figures, against a truth that was not computed by them."""

from pathlib import Path

import aezoo
import numpy as np
import pytest
from aezoo.inspection import Subject, look
from sklearn.metrics import mean_squared_error


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> aezoo.Run:
    folder = tmp_path_factory.mktemp("run") / "run"
    return aezoo.train("undercomplete", "digits", epochs=3, latent_dim=4, out=folder)


def test_the_errors_are_those_of_scikit_learn(run: aezoo.Run) -> None:
    subject = Subject(run.model, run.splits, run.splits.test)
    found = look(subject, "my-model").figures
    x = run.splits.test.rows()
    flat, rebuilt = (rows.numpy().reshape(len(x), -1) for rows in (x, run.model.reconstruct(x)))
    expected = mean_squared_error(flat, rebuilt, multioutput="raw_values")
    np.testing.assert_allclose(found["mean_squared_error"], expected, rtol=1e-5)
    assert found["worst_value"] == expected.argmax()
    assert found["rows"] == len(x)


def test_the_worst_tenth_has_more_than_its_share(run: aezoo.Run) -> None:
    found = look(Subject(run.model, run.splits, run.splits.test), "my-model").figures
    assert 0.1 < found["share_of_worst_rows"] < 1


def test_a_row_alone_has_all_of_the_error(run: aezoo.Run) -> None:
    found = look(Subject(run.model, run.splits, run.splits.test), "my-model", rows=1).figures
    assert (found["rows"], found["share_of_worst_rows"]) == (1, 1.0)


@pytest.mark.parametrize("data", ["digits", "moons"])
def test_there_is_a_picture_of_images_and_of_tables(data: str, tmp_path: Path) -> None:
    trained = aezoo.train("undercomplete", data, epochs=1, latent_dim=1)
    found = look(Subject(trained.model, trained.splits, trained.splits.test), "my-model")
    assert found.picture is not None
    found.picture.savefig(tmp_path / "picture.png")
    assert (tmp_path / "picture.png").stat().st_size > 1000
