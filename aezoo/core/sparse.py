"""Rows of a sparse matrix, which become dense a few at a time.

Shapes: N rows, D columns, n rows asked for.
"""

from __future__ import annotations

from typing import Any

import numpy as np


class SparseRows:
    """A compressed sparse matrix (N, D) that is indexed by rows alone, each of them dense when it is taken.

    It stands where an array of rows stands; the whole is never dense.
    """

    ndim = 2

    def __init__(self, matrix: Any) -> None:
        self.matrix = matrix
        self.shape: tuple[int, int] = matrix.shape
        self.dtype: np.dtype[Any] = matrix.dtype

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, rows: Any) -> np.ndarray[Any, Any]:
        """(n, D) of a slice or an array of row numbers, (D,) of one."""
        if isinstance(rows, int | np.integer):
            return np.asarray(self.matrix[[int(rows)]].toarray()[0])
        return np.asarray(self.matrix[rows].toarray())

    @property
    def values(self) -> np.ndarray[Any, Any]:
        """All that is stored, without the zeros between."""
        return np.asarray(self.matrix.data)

    def reshape(self, *shape: int) -> SparseRows:
        """Itself; raises ValueError for another shape."""
        if tuple(shape) != self.shape:
            raise ValueError(f"sparse rows of {self.shape} have no other shape")
        return self


def as_sparse(x: Any) -> SparseRows | None:
    """``x`` as sparse rows, where it is a matrix or array of scipy.sparse; else None."""
    if isinstance(x, SparseRows):
        return x
    if not hasattr(x, "tocsr") or not hasattr(x, "nnz"):
        return None
    matrix = x.tocsr()
    if matrix.ndim != 2:
        return None
    # counts of genes and words; whole numbers that no float32 holds stay as they are
    few = matrix.nnz == 0 or (matrix.data.min() >= -(2**24) and matrix.data.max() <= 2**24)
    if matrix.dtype.kind in "iu" and matrix.dtype.itemsize > 4 and few:
        matrix = matrix.astype(np.float32)
    return SparseRows(matrix)
