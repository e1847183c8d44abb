"""Sparse tables: libsvm's text, AnnData's .h5ad, and the folders of 10x Genomics. They stay sparse.

Shapes: N rows, D columns.
"""

from __future__ import annotations

import gzip
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from aezoo.core.extras import extra
from aezoo.core.sparse import SparseRows, as_sparse
from aezoo.core.spec import Column, DataSpec
from aezoo.data.dataset import Dataset
from aezoo.data.formats.guard import reading, refuse_double
from aezoo.data.infer import from_arrays, told_classes
from aezoo.errors import DataError, UsageError, near_misses

LIBSVM = (".libsvm", ".svmlight", ".svm")
MATRIX = ("matrix.mtx", "matrix.mtx.gz")
MOST_NAMES = 100_000


def libsvm(path: str | Path, columns: int | None = None, like: DataSpec | None = None) -> Dataset:
    """A text of sparse rows, ``label column:value …``; columns are counted from 1, unless one is called 0.

    ``columns`` says how many there are, for files that do not mention the last one. Raises DataError for what is none.
    """
    path = Path(path)
    with reading(path, "a libsvm file"):
        from sklearn.datasets import load_svmlight_file

        columns = like.size if like is not None else columns
        x, y = load_svmlight_file(str(path), n_features=columns)
        return from_arrays(x, y, path.stem)


def anndata(
    path: str | Path,
    label: str | None = None,
    layer: str | None = None,
    backed: bool = False,
    like: DataSpec | None = None,
) -> Dataset:
    """The matrix X, or a layer, of an .h5ad file, sparse where it is stored so; labels from a column of obs.

    Columns are called as the variables are, and matched by name to those that a model learned. Whole numbers from 0 on
    are counts. Raises DataError for a file that is none, and UsageError for a column or layer that is not there.
    """
    path = Path(path)
    with reading(path, "an .h5ad file"):
        library = extra("anndata", "anndata", ".h5ad files are")
        found = library.read_h5ad(path, backed="r" if backed else None)
        if layer is not None and layer not in found.layers:
            raise UsageError(f"{path} has no layer {layer!r}{near_misses(layer, list(found.layers))}")
        x = found.X if layer is None else found.layers[layer]
        if backed:
            x = x[:]
        labels = None
        if label is not None:
            if label not in found.obs:
                raise UsageError(f"{path} has no column {label!r} in obs{near_misses(label, list(found.obs.columns))}")
            labels = found.obs[label].astype(str).tolist()
        return _named(x, [str(name) for name in found.var_names], labels, path.stem, str(path), like)


def tenx(path: str | Path, like: DataSpec | None = None) -> Dataset:
    """A folder of 10x Genomics: matrix.mtx, features.tsv (or genes.tsv) and barcodes.tsv, gzipped or not.

    The file has a column for each cell, and here is a row for each. Raises DataError for a file that is missing.
    """
    path = Path(path)
    with reading(path, "a 10x folder"):
        from scipy.io import mmread

        x = mmread(_among(path, *MATRIX)).T.tocsr()
        lines = _lines(_among(path, "features.tsv.gz", "features.tsv", "genes.tsv.gz", "genes.tsv"))
        names = [line.split("\t")[0] for line in lines]
        if len(names) != x.shape[1]:
            raise DataError(f"{path} has {len(names):,} features and a matrix of {x.shape[1]:,}: fetch it again.")
        return _named(x, names, None, path.resolve().name, str(path), like)


def is_tenx(path: Path) -> bool:
    """Whether a folder is one of 10x Genomics."""
    return any((path / name).is_file() for name in MATRIX)


def _among(path: Path, *names: str) -> Path:
    found = next((path / name for name in names if (path / name).is_file()), None)
    if found is None:
        raise DataError(f"{path} lacks {names[0]}: fetch it again.")
    return found


def _lines(path: Path) -> list[str]:
    content = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    return content.decode("utf-8").splitlines()


def _named(
    x: Any, names: Sequence[str], labels: Sequence[str] | None, name: str, what: str, like: DataSpec | None
) -> Dataset:
    sparse = as_sparse(x)
    refuse_double(what, names)
    rows: Any = sparse if sparse is not None else np.asarray(x)
    if like is not None and like.columns:
        rows = _in_order(rows, names, like, what)
        return Dataset(rows, labels, spec=like.model_copy(update={"name": name}))
    values = rows.values if sparse is not None else rows
    are_counts = bool(len(names) <= MOST_NAMES and (values >= 0).all() and (values == np.floor(values)).all())
    notes = []
    if not are_counts:
        notes.append(
            f"{what} holds other values than raw counts, which are whole numbers from 0 on: likelihood counts needs "
            "those (layer=… of an .h5ad file may have them)."
        )
    kind: Any = "count" if are_counts else "number"
    spec = DataSpec(
        name=name,
        shape=(len(names),),
        columns=tuple(Column(name=one, kind=kind) for one in names) if len(names) <= MOST_NAMES else (),
        scaling="none" if are_counts else "standardize",
    )
    dataset = told_classes(Dataset(rows, labels, spec=spec))
    dataset.notes += notes
    return dataset


def _in_order(rows: Any, names: Sequence[str], like: DataSpec, what: str) -> Any:
    place = {name: i for i, name in enumerate(names)}
    lacking = [column.name for column in like.columns if column.name not in place]
    if lacking:
        raise DataError(
            f"{what} lacks column {lacking[0]!r}{f' and {len(lacking) - 1:,} more' if len(lacking) > 1 else ''}, "
            "which the model was trained on: add what is missing."
        )
    if len(names) > len(like.columns):
        known = {column.name for column in like.columns}
        further = next(name for name in names if name not in known)
        raise DataError(f"{what} has column {further!r}, which the model knows nothing of: leave it out.")
    order = [place[column.name] for column in like.columns]
    if order == list(range(len(order))):
        return rows
    return SparseRows(rows.matrix[:, order]) if isinstance(rows, SparseRows) else rows[:, order]
