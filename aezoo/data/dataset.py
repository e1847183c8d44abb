"""Raw data, its splits, and how their rows are read.

Shapes: N rows of the dataset, n of a split or batch, *X one datum.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from functools import cached_property
from numbers import Integral, Real
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset as TorchDataset
from torch.utils.data import IterableDataset

from aezoo.core.arrays import as_array, as_rows, as_tensor
from aezoo.core.mapped import Array, in_large_pages, mapped, physical_memory, rows_at
from aezoo.core.sparse import SparseRows
from aezoo.core.spec import DataSpec
from aezoo.data.checks import check_rows
from aezoo.data.describe import Description, describe
from aezoo.errors import DataError, UsageError

Index = np.ndarray[Any, np.dtype[np.int64]]
MOST_VALIDATION = 1000
# what the numbers of a row take while the splits are drawn
BYTES_OF_NUMBERS = 24


class Dataset:
    """Raw rows with their spec, labels and test split; validated when made.

    ``x`` is an array (a memory-mapped one stays on disk), a tensor, or a torch dataset of map style whose items are
    data or tuples that begin with one; such a dataset is read, and checked, as it is needed. ``labels`` are N whole
    numbers, or texts, which are numbered in sorted order and kept in ``label_names``. ``test`` holds the indices of
    the test split; without it a fifth of the rows is drawn, the same for every seed of training. ``source`` says what
    ``open_data`` reloads this from, ``truth`` holds the arrays that generated synthetic data. ``rates`` (N, *X) are
    probabilities of a one, by which each batch of training is drawn afresh while all else sees ``x``. ``noisy``
    (N, *X) is what an encoder gets to see of the clean rows ``x``: real noise, instead of a corruption. ``span`` says
    that the rows are in the order of time, and that each shares steps with so many that follow: those held out are then
    the last ones, and so many before them are left out of training.

    Raises DataError for values, labels or indices that do not fit.

    Examples:
        >>> data = aezoo.Dataset(np.zeros((10, 3)), spec=aezoo.DataSpec(name="zeros", shape=(3,)))
        >>> data
        Dataset('zeros', 10 rows of shape (3,))
        >>> len(data.test)
        2
    """

    def __init__(
        self,
        x: Any,
        labels: Any = None,
        *,
        spec: DataSpec,
        test: Any = None,
        source: dict[str, Any] | None = None,
        truth: dict[str, np.ndarray[Any, Any]] | None = None,
        rates: np.ndarray[Any, Any] | None = None,
        noisy: Any = None,
        span: int = 0,
    ) -> None:
        self.spec = spec
        in_large_pages(x)
        self.x = _checked(x, spec)
        self.labels, self.label_names = _numbered(labels, len(self), spec)
        self.source = dict(source or {})
        self.truth = dict(truth or {})
        self.span = span
        self.starts: Index | None = None
        """(N,) of windows of a series: the first step of each."""
        self.notes: list[str] = []
        """What a user should know of how the data was read, a line each."""
        self.noisy = None if noisy is None else _beside(noisy, self.x, spec)
        self.rates = None if rates is None else _probabilities(rates, self.x, spec)
        self.test = drawn(len(self), len(self) // 5, 0) if test is None else _indices(test, len(self), spec)

    def __len__(self) -> int:
        return len(self.x)

    def __repr__(self) -> str:
        return f"Dataset({self.spec.name!r}, {len(self)} rows of shape {self.spec.shape})"

    def changed(self, x: Any, spec: DataSpec, rates: np.ndarray[Any, Any] | None = None) -> Dataset:
        """The same rows in another form: with the same labels, test split, source, truth and pairs."""
        return self._with(x, spec, rates=rates, noisy=self.noisy)

    def _with(self, x: Any, spec: DataSpec, **more: Any) -> Dataset:
        names, numbers = self.label_names, self.labels
        labels = numbers if names is None or numbers is None else [names[number] for number in numbers]
        made = Dataset(x, labels, spec=spec, test=self.test, source=self.source, truth=self.truth, **more)
        made.notes, made.span, made.starts = self.notes, self.span, self.starts
        return made

    @cached_property
    def as_seen(self) -> Dataset:
        """Of pairs the rows that an encoder gets to see, by themselves; else the dataset itself."""
        return self if self.noisy is None else self._with(self.noisy, self.spec)

    def split(self, validation: float | int | None = None, seed: int = 0) -> Splits:
        """Disjoint train, validation and test splits of all rows, decided by the sizes and ``seed`` alone.

        ``validation`` is a fraction or a number of the rows outside the test split; left out, a tenth but at most
        1,000. Raises UsageError when it is neither, or when nothing is left to train on.
        """
        inside = np.ones(len(self), dtype=bool)
        inside[self.test] = False
        count = _validation_size(validation, len(self) - len(self.test), self.spec.name)
        rows = np.flatnonzero(inside)
        if self.span:
            held_out = rows[len(rows) - count :]
            inside[rows[max(1, len(rows) - count - self.span) :]] = False
        else:
            held_out = np.sort(rows[drawn(len(rows), count, seed)])
            inside[held_out] = False
        return Splits(Split(self, np.flatnonzero(inside)), Split(self, held_out), Split(self, np.sort(self.test)))

    def describe(self) -> Description:
        """What was understood of it: rows, columns, kinds, ranges, and what a model takes for it."""
        return describe(self)

    def all(self) -> Split:
        """Every row, in order."""
        return Split(self, np.arange(len(self)))


class Split:
    """Some rows of a dataset, in the order of ``index`` (n,).

    Examples:
        >>> split = run.splits.test
        >>> len(split), split.rows().shape, split.labels.shape
        (359, torch.Size([359, 1, 8, 8]), (359,))
    """

    def __init__(self, dataset: Dataset, index: Index) -> None:
        self.dataset = dataset
        self.index = index

    def __len__(self) -> int:
        return len(self.index)

    @property
    def labels(self) -> Index | None:
        """(n,) class numbers, or None."""
        return None if self.dataset.labels is None else self.dataset.labels[self.index]

    @property
    def streams(self) -> bool:
        """Whether the rows come one by one from a torch dataset, not from an array."""
        return isinstance(self.dataset.x, TorchDataset)

    def rows(self) -> Tensor:
        """(n, *X) raw values of all rows, in memory, apart from the dataset's own."""
        if not self.streams:
            return _taken(self.dataset.x, self.index)
        parts = list(self.batches(256))
        return torch.cat(parts) if parts else torch.empty(0, *self.dataset.spec.shape)

    def batches(self, size: int) -> Iterator[Tensor]:
        """Raw batches (at most ``size``, *X) in order, one in memory at a time.

        Raises DataError when an item of a torch dataset is not finite numbers of the shape *X.
        """
        rows = self.subset()
        for start in range(0, len(self), size):
            if self.streams:
                # not a DataLoader, which would draw from the global generator and so disturb a resumed run
                yield torch.stack([rows[i] for i in range(start, min(start + size, len(self)))])
            else:
                yield _taken(self.dataset.x, self.index[start : start + size])

    def take(self, positions: Tensor) -> Tensor:
        """The raw rows (n, *X) at ``positions`` (n,) within the split, of an array."""
        return _taken(self.dataset.x, self.index[positions.numpy()])

    @property
    def noisy(self) -> Split | None:
        """What an encoder gets to see of these rows, where the dataset brings pairs; else None."""
        return None if self.dataset.noisy is None else Split(self.dataset.as_seen, self.index)

    def part(self, positions: Any) -> Split:
        """The rows at ``positions`` within the split, in that order, as a split of their own."""
        return Split(self.dataset, self.index[positions])

    def redraw(self, positions: Tensor) -> Tensor:
        """Zeros and ones (n, *X) at ``positions`` (n,), drawn by the dataset's ``rates`` from torch's stream."""
        assert self.dataset.rates is not None
        return torch.bernoulli(_taken(self.dataset.rates, self.index[positions.numpy()]))

    @property
    def mapped(self) -> bool:
        """Whether the rows stay as they are stored, in a file that is mapped into memory or in a sparse matrix."""
        return isinstance(self.dataset.x, SparseRows) or mapped(self.dataset.x) is not None

    def subset(self) -> TorchDataset[Tensor]:
        """The rows as a torch dataset of raw data (*X), without labels."""
        return _Rows(self.dataset.x, self.index, self.dataset.spec)


class Splits(NamedTuple):
    """What is learned from, what decides when to stop, and what the result is measured on.

    Examples:
        >>> [len(split) for split in aezoo.data.open_data("digits").split(validation=100)]
        [1338, 100, 359]
    """

    train: Split
    validation: Split
    test: Split


class _Rows(TorchDataset[Tensor]):
    """Rows ``index`` of ``x`` as items; those of a torch dataset are checked one by one."""

    def __init__(self, x: Any, index: Index, spec: DataSpec) -> None:
        self.x, self.index, self.spec = x, index, spec

    def __len__(self) -> int:
        return len(self.index)

    def __getitem__(self, i: int) -> Tensor:
        row = int(self.index[i])
        if not isinstance(self.x, TorchDataset):
            return _taken(self.x, np.array([row]))[0]
        what = f"{self.spec.name}, item {row}"
        rows, _ = as_rows(_datum(self.x[row], what)[None], self.spec.shape, what, BUILT)
        check_rows(rows, self.spec, self.spec.name, first=row)
        return as_tensor(rows)[0]


BUILT = "its spec is of data of shape"


def first_item(x: TorchDataset[Any], name: str) -> Array:
    """The first datum of a torch dataset; raises DataError when the dataset is none that can be split."""
    _sized(x, name)
    return _datum(x[0], f"{name}, item 0")


def _datum(item: Any, what: str) -> Array:
    if isinstance(item, (tuple, list)) and not (item and isinstance(item[0], (int, float))):
        item = item[0] if item else None
    array = as_array(item, what)
    return array.detach() if isinstance(array, Tensor) else array


def _taken(x: Array, index: Index) -> Tensor:
    return as_tensor(rows_at(x, index))


def _checked(x: Any, spec: DataSpec) -> Any:
    if isinstance(x, TorchDataset):
        _sized(x, spec.name)
        return x
    rows, _ = as_rows(x, spec.shape, spec.name, BUILT)
    # before a pass over them
    if len(rows) * BYTES_OF_NUMBERS > physical_memory():
        raise DataError(f"{spec.name} has {len(rows):,} rows, more than this machine can number: give it fewer.")
    check_rows(rows, spec, spec.name)
    return rows.detach() if isinstance(rows, Tensor) else rows


def _probabilities(rates: np.ndarray[Any, Any], x: Any, spec: DataSpec) -> np.ndarray[Any, Any]:
    shape = (len(x), *spec.shape)
    if rates.shape != shape or not (rates.min() >= 0 and rates.max() <= 1):
        raise DataError(f"the rates of {spec.name} must be probabilities of the shape {shape}.")
    return rates


def _beside(noisy: Any, x: Any, spec: DataSpec) -> Array:
    """What is seen of the rows x, checked against them."""
    if isinstance(x, TorchDataset) or isinstance(noisy, TorchDataset):
        raise DataError(f"{spec.name}: pairs of noisy and clean rows are arrays, and this is a torch dataset.")
    rows, _ = as_rows(noisy, spec.shape, f"the noisy rows of {spec.name}", BUILT)
    if len(rows) != len(x):
        raise DataError(f"{spec.name} has {len(x)} clean rows and {len(rows)} noisy ones: pairs are as many of each.")
    check_rows(rows, spec, f"the noisy rows of {spec.name}")
    return rows.detach() if isinstance(rows, Tensor) else rows


def _sized(x: TorchDataset[Any], name: str) -> None:
    if isinstance(x, IterableDataset) or not hasattr(x, "__len__"):
        raise DataError(
            f"{name}: a torch {type(x).__name__} without a length cannot be split: give a dataset of map style, with "
            "__len__ and __getitem__, or an array."
        )
    if len(x) == 0:
        raise DataError(f"{name} has no rows: give it at least one.")


def _numbered(labels: Any, rows: int, spec: DataSpec) -> tuple[Index | None, tuple[str, ...] | None]:
    """The labels as class numbers (N,), and the names of the classes where they were texts."""
    if labels is None:
        return None, None
    if isinstance(labels, Tensor):
        labels = labels.detach().cpu().numpy()
    what = f"the labels of {spec.name}"
    names = None
    if isinstance(labels, list | tuple) and labels and all(isinstance(label, str) for label in labels):
        # an array of them would give the shortest text as much memory as the longest
        names = tuple(sorted({str(label) for label in labels}))
        place = {name: number for number, name in enumerate(names)}
        labels = np.array([place[label] for label in labels])
    try:
        values = np.asarray(labels)
    except ValueError:
        raise DataError(f"{what} are ragged: give one for each row.") from None
    if values.shape not in ((rows,), (rows, 1)):
        raise DataError(f"{what} have shape {values.shape}: give one for each of the {rows} rows.")
    values = values.reshape(rows)
    if values.dtype.kind == "U" and not _are_letters(values):
        raise DataError(f"{what} hold characters that do not exist: save them again.")
    if values.dtype.kind in "UO" and all(isinstance(value, str) for value in values):
        found, values = np.unique(values.astype(str), return_inverse=True)
        names = tuple(str(name) for name in found)
    if values.dtype.kind not in "buif" or (values.dtype.kind == "f" and not _whole(values)):
        raise DataError(f"{what} are not all whole numbers or all texts: number the classes from 0.")
    if values.dtype == np.uint64 and int(values.max()) > np.iinfo(np.int64).max:
        raise DataError(f"{what} hold {values.max()}, beyond 63 bits: number the classes from 0.")
    numbers = values.astype(np.int64)
    if spec.classes is not None and not 0 <= numbers.min() <= numbers.max() < spec.classes:
        raise DataError(
            f"{what} run from {numbers.min()} to {numbers.max()}: for {spec.classes} classes they are 0 to "
            f"{spec.classes - 1}."
        )
    return numbers, names


def _are_letters(values: np.ndarray[Any, Any]) -> bool:
    """Whether every character of an array of texts is one; Python takes those of a damaged file as they are."""
    if not values.dtype.itemsize:
        return True
    codes = np.ascontiguousarray(values, values.dtype.newbyteorder("=")).view(np.uint32)
    return int(codes.max(initial=0)) <= sys.maxunicode


def _whole(values: np.ndarray[Any, Any]) -> bool:
    with np.errstate(all="ignore"):
        numbers = values.astype(np.float64)
    return bool((np.isfinite(numbers) & (np.abs(numbers) < 2**53)).all() and (numbers == np.floor(numbers)).all())


def _indices(test: Any, rows: int, spec: DataSpec) -> Index:
    index = np.asarray(test.cpu() if isinstance(test, Tensor) else test)
    index = index.astype(np.int64) if index.size == 0 else index
    if index.ndim != 1 or index.dtype.kind not in "iu":
        raise DataError(
            f"the test split of {spec.name} must be a list of row numbers, got {index.dtype} {index.shape}."
        )
    if index.size and not (index.min() >= 0 and index.max() < rows and len(np.unique(index)) == len(index)):
        raise DataError(f"the test split of {spec.name} must name different rows from 0 to {rows - 1}.")
    return index.astype(np.int64)


def drawn(rows: int, count: int, seed: int) -> Index:
    """``count`` different row numbers (count,): the first of a random order of all of them."""
    # the short type holds many rows in half the memory, and is shuffled alike
    order = np.arange(rows, dtype=np.int32 if rows < 2**31 else np.int64)
    # the legacy generator's stream is frozen, so a later NumPy finds the same test rows and none leaks into training
    np.random.RandomState(seed % 2**32).shuffle(order)
    return order[:count].astype(np.int64)


def _validation_size(wanted: float | int | None, rows: int, name: str) -> int:
    if wanted is None:
        count = min(rows // 10, MOST_VALIDATION)
    elif isinstance(wanted, Integral) and not isinstance(wanted, bool) and wanted >= 0:
        count = int(wanted)
    elif isinstance(wanted, Real) and not isinstance(wanted, Integral) and 0 <= wanted < 1:
        count = min(max(1, round(float(wanted) * rows)), max(1, rows - 1)) if wanted > 0 else 0
    else:
        raise UsageError(f"validation {wanted!r} is neither a fraction below 1 nor a number of rows: try 0.1 or 500.")
    if count >= rows:
        raise UsageError(
            f"{name} has {rows} rows beside its test split, of which {count} for validation leave none to train on: "
            f"it needs {count + 1} at least, or a smaller validation split."
        )
    return count
