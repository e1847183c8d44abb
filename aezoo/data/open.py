"""One door for all data: a name, a file, a folder, an array, a tensor or a torch dataset."""

from __future__ import annotations

import inspect
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from aezoo import registry
from aezoo.core.config import Config
from aezoo.core.spec import DataSpec
from aezoo.core.text import split_choice
from aezoo.data import builtin, hub
from aezoo.data import options as choices
from aezoo.data.binarize import binarized
from aezoo.data.dataset import Dataset
from aezoo.data.formats import arrays, counts, idx, safetensors, stores, ts
from aezoo.data.formats.labels import read_labels
from aezoo.data.images.files import has_images, is_archive
from aezoo.data.infer import from_arrays
from aezoo.data.tables import read, sheets
from aezoo.data.tables.files import ARROW, PARQUET, is_frame
from aezoo.data.tables.text import PACKED
from aezoo.data.tested import tested
from aezoo.data.windows import windowed
from aezoo.errors import STOPS, DataError, PluginError, UsageError, ZooError

STORES = (".h5", ".hdf5", ".mat", ".zarr", ".nc", ".nc4", ".cdf")
Reader = tuple[type[Config], Callable[..., Dataset]]
READERS: dict[str, Reader] = {
    ".npy": (choices.NpyOptions, arrays.npy),
    ".safetensors": (choices.SafetensorsOptions, safetensors.safetensors),
    ".npz": (choices.NpzOptions, arrays.npz),
    **dict.fromkeys((".csv", ".tsv", ".tab"), (choices.CsvOptions, read.text_table)),
    **dict.fromkeys(sheets.SHEETS, (choices.SheetOptions, sheets.spreadsheet)),
    ".ts": (choices.TsOptions, ts.ts),
    ".arff": (choices.TableFileOptions, sheets.weka),
    **dict.fromkeys(counts.LIBSVM, (choices.LibsvmOptions, counts.libsvm)),
    ".h5ad": (choices.AnndataOptions, counts.anndata),
    **dict.fromkeys(STORES, (choices.StoreOptions, stores.stored)),
    **dict.fromkeys((*PARQUET, *ARROW), (choices.TableFileOptions, read.table_file)),
}
NO_ARRAYS = (Dataset, torch.utils.data.Dataset, torch.utils.data.DataLoader, bytes, dict, set, type)


def _images(like: DataSpec | None = None, **chosen: Any) -> Dataset:
    # Pillow takes longer to import than most data to read
    from aezoo.data.images.read import image_folder

    return image_folder(like=like, **chosen)


IMAGES: Reader = (choices.ImagesOptions, _images)
PACKED_TEXT = tuple(f"{end}{packed}" for end in (".csv", ".tsv", ".tab") for packed in PACKED)
IDX: Reader = (choices.IdxFileOptions, idx.idx)
IDX_ENDS = ("ubyte", ".idx", "ubyte.gz", ".idx.gz")


def open_data(
    data: Any,
    *,
    labels: Any = None,
    data_dir: str | os.PathLike[str] | None = None,
    like: DataSpec | None = None,
    **options: Any,
) -> Dataset:
    """The dataset that ``data`` is or names.

    ``data`` is a registered name or a path to a .npy, .safetensors, .npz, .csv, .tsv, .parquet, .arrow, .feather or IDX
    file or a folder of IDX or Parquet files, either with options in the text ("swiss-roll,noise=0.1",
    "flowers.csv,label=species") or as keywords; or it is an array, a tensor, nested lists, a data frame, an Arrow
    table, a torch dataset, or a Dataset already. ``labels`` are those of an array or of a file that has none, or the
    path of a file of labels. ``data_dir`` is the folder of a named dataset that reads one. ``like`` is what a model was
    built for (``model.spec``): the columns of a table are matched to its by name, and their values are coded as there.
    Any data takes the option ``binarize`` ("digits,binarize=static"), see ``binarized``; a path takes ``clean``, that
    of the clean rows which are to be restored from its own ("noisy.npy,clean=clean.npy").
    Raises UnknownNameError, UsageError for options that do not fit, DataError for data that is missing or malformed.

    Examples:
        >>> aezoo.data.open_data("swiss-roll,rows=500,noise=0.1")
        Dataset('swiss-roll', 500 rows of shape (3,))
        >>> aezoo.data.open_data(np.zeros((20, 4)) + np.arange(4), labels=np.arange(20) % 2)
        Dataset('data', 20 rows of shape (4,))
        >>> aezoo.data.open_data("no-such.npy")
        Traceback (most recent call last):
            ...
        aezoo.errors.DataError: no file 'no-such.npy': check the path.
    """
    if isinstance(data, str) and data.startswith(hub.PREFIX):
        return _of_hub(data, options, like)
    if not isinstance(data, (str, os.PathLike)):
        return _in_memory(data, labels, data_dir, options, like)
    name, given = os.fspath(data), dict(options)
    if isinstance(data, str) and (data in registry.datasets or not _exists(data)):
        name, given = _parsed(data, options)
    if isinstance(data, os.PathLike) or (name not in registry.datasets and _looks_like_path(name)):
        if data_dir is not None:
            raise UsageError(f"{name!r} is a path already: leave --data-dir out.")
        how = {} if Path(name).is_dir() else _without_binarize(given)
        clean = given.pop("clean", None)
        return _in_ones(_paired(_from_path(Path(name), labels, given, like), clean), how)
    if labels is not None:
        raise UsageError(f"the dataset {name!r} brings its own labels: leave labels out.")
    own = "binarize" in registry.datasets[name].options.keys()  # noqa: SIM118 - not a mapping
    how = {} if own else _without_binarize(given)
    return _in_ones(_from_name(name, given, data_dir), how)


def _without_binarize(given: dict[str, Any]) -> dict[str, Any]:
    """Takes the one option that all data has out of those ``given``."""
    return {"binarize": given.pop("binarize")} if "binarize" in given else {}


def _paired(noisy: Dataset, clean: Any) -> Dataset:
    """The dataset of clean rows, read from a path, with the noisy ones beside them."""
    if clean is None:
        return noisy
    if not isinstance(clean, str | os.PathLike) or not os.fspath(clean):
        raise UsageError("clean is the path of the rows that are to be restored: clean=FILE.")
    path = Path(clean).absolute()
    target = _from_path(path, None, {})
    spec = target.spec.model_copy(update={"name": noisy.spec.name})
    source = {**noisy.source, "options": {**noisy.source["options"], "clean": str(path)}}
    return Dataset(target.x, noisy.labels, spec=spec, test=noisy.test, source=source, noisy=noisy.x)


def _in_ones(dataset: Dataset, how: dict[str, Any]) -> Dataset:
    """The dataset as zeros and ones, where that is asked for, and on record."""
    if not how:
        return dataset
    found = binarized(dataset, how["binarize"])
    if found is not dataset:
        found.source = {**dataset.source, "options": {**dataset.source["options"], **how}}
    return found


def reopen(
    source: dict[str, Any],
    *,
    labels: Any = None,
    data_dir: str | os.PathLike[str] | None = None,
    like: DataSpec | None = None,
) -> Dataset:
    """The dataset whose ``source`` was recorded; ``labels`` and ``data_dir`` replace the recorded ones.

    Raises as ``open_data``, and UsageError when the data was given in Python, so that nothing says where it is.

    Examples:
        >>> aezoo.data.reopen(run.dataset.source)
        Dataset('digits', 1797 rows of shape (1, 8, 8))
    """
    malformed = "what the run says of its data is not what aezoo train writes: name the data by --data."
    if not isinstance(source, dict):
        raise UsageError(malformed)
    if "name" not in source:
        raise UsageError("the run was trained on data given in Python: name it by --data.")
    name, given = source["name"], source.get("options") or {}
    whole = isinstance(given, dict) and not given.keys() & {"data", "data_dir"}
    known = (given.get("labels") or source.get("labels")) if whole else None
    if not whole or not isinstance(name, str) or not isinstance(known, str | None):
        raise UsageError(malformed)
    options = {key: value for key, value in given.items() if key != "labels"}
    if data_dir is not None:
        options.pop("folder", None)
    dataset = open_data(name, labels=labels or known, data_dir=data_dir, like=like, **options)
    return with_test(dataset, source["test"]) if "test" in source else dataset


def with_test(dataset: Dataset, test: Any) -> Dataset:
    """The dataset with other rows to measure on: a share, a number, a file of further rows, or 0 for none.

    Raises UsageError and DataError as ``open_data``.
    """
    return tested(dataset, test, lambda path: open_data(path, like=dataset.spec))


def _parsed(text: str, options: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    """Name and options of "name,option=value", or of "name=value" for the dataset's first option."""
    chosen = _split(text)
    name, given = chosen["name"], chosen["options"]
    if "value" in chosen:
        keys = registry.datasets[name].options.keys()
        if not keys:
            raise UsageError(f"the dataset {name!r} has no options: write {name} alone.")
        given = {keys[0]: chosen["value"], **given}
    twice = sorted(given.keys() & options.keys())
    if twice:
        raise UsageError(f"option {twice[0]!r} of {name!r} is given twice: give it once.")
    return name, {**given, **options}


def _split(text: str) -> dict[str, Any]:
    """The parts of "name,option=value"; raises UsageError."""
    try:
        return split_choice(text, "value")
    except ValueError:
        raise UsageError(f"data {text!r} is malformed: write NAME, or NAME,OPTION=VALUE.") from None


def _from_name(name: str, given: dict[str, Any], data_dir: str | os.PathLike[str] | None) -> Dataset:
    entry = registry.datasets[name]
    if data_dir is not None:
        if "folder" not in entry.options.keys():  # noqa: SIM118
            raise UsageError(f"the dataset {name!r} reads no folder: leave --data-dir out.")
        if "folder" in given:
            raise UsageError(f"the folder of {name!r} is given twice: give the option folder or --data-dir.")
        given = {**given, "folder": os.fspath(data_dir)}
    parsed = entry.options.parse(given, owner=name)
    try:
        dataset = entry.resolve()(**parsed.chosen())
    except ZooError as error:
        raise registry.signed(error, entry) from error.__cause__
    except MemoryError:
        raise DataError(f"the dataset {name!r} does not fit in memory with these options: ask for less.") from None
    except STOPS:
        raise
    except (Exception, SystemExit) as error:
        raise PluginError(
            f"the dataset {name!r} of plugin {entry.plugin!r} ({entry.distribution}) failed: "
            f"{type(error).__name__}: {error}."
        ) from error
    if not isinstance(dataset, Dataset):
        raise PluginError(
            f"the dataset {name!r} of {entry.source} returned {type(dataset).__name__}: "
            "it must return an aezoo.data.Dataset."
        )
    values = parsed.model_dump(mode="json")
    if "folder" in values:
        values["folder"] = str(Path(values["folder"]).absolute())
    dataset.source = {"name": name, "options": values}
    return dataset


def _from_path(path: Path, labels: Any, given: dict[str, Any], like: DataSpec | None = None) -> Dataset:
    if not _exists(str(path)):
        raise DataError(f"no file {str(path)!r}: check the path.")
    lower = path.name.lower()
    is_idx = lower.endswith(IDX_ENDS)
    reader = IDX if is_idx else READERS.get(path.suffix.lower())
    key = "path"
    if lower.endswith(PACKED_TEXT):
        reader = READERS[".csv"]
    if path.is_dir() and path.suffix.lower() != ".zarr":
        key, reader = "folder", (choices.IdxOptions, builtin.idx_folder)
        if any(file.suffix in PARQUET for file in path.rglob("*")):
            key, reader = "path", READERS[PARQUET[0]]
        elif hub.is_saved(path):
            key, reader = "path", (choices.SavedOptions, hub.saved)
        elif counts.is_tenx(path):
            key, reader = "path", (choices.TenxOptions, counts.tenx)
        elif has_images(path) and not any(path.glob("train-images*")):
            key, reader = "path", IMAGES
    if is_archive(path):
        reader = IMAGES
    if reader is None:
        raise DataError(
            f"{str(path)!r} is of no known kind: give .npy, .safetensors, .npz, .csv, .tsv, .parquet, .arrow, .feather "
            "or IDX (...-ubyte, .idx) files, or a folder, .zip or .tar of images."
        )
    labels_path = str(Path(labels).absolute()) if isinstance(labels, (str, os.PathLike)) else None
    if labels_path is not None:
        given, labels = ({**given, "labels": labels_path}, None) if is_idx else (given, read_labels(labels_path))
    kind, load = reader
    said = given.get("layout")
    if "layout" in kind.model_fields and "window" not in given:
        given = {**_layout_of(like), **given}
    parsed = kind.parse({**given, key: str(path)}, owner=str(path))
    chosen = parsed.chosen()
    window, stride = (chosen.pop("window"), chosen.pop("stride")) if _cuts(kind) else (None, 1)
    extra = {"like": like} if "like" in inspect.signature(load).parameters else {}
    dataset = load(**chosen, **extra)
    if _cuts(kind):
        chosen.update(window=window, stride=stride)
        dataset = _cut(dataset, window, stride, like)
    _refuse_uncut(dataset, said)
    if labels is not None:
        if dataset.labels is not None:
            raise UsageError(f"{path} has labels of its own: leave labels out.")
        dataset = _labelled(dataset, labels)
    del chosen[key]
    plain = parsed.model_dump(mode="json")
    dataset.source = {
        "name": str(path.absolute()),
        "options": {name: plain[name] for name, value in chosen.items() if value != kind.model_fields[name].default},
    } | ({} if is_idx or labels_path is None else {"labels": labels_path})
    return dataset


def _refuse_uncut(dataset: Dataset, layout: str | None) -> None:
    if layout == "image" and not dataset.spec.is_image:
        raise DataError(
            f"{dataset.spec.name} has rows of shape {dataset.spec.shape}, which are no images: give (N, H, W) or (N, "
            "C, H, W)."
        )
    if layout == "series" and not dataset.spec.series:
        raise DataError(
            f"{dataset.spec.name} is one series of {len(dataset)} steps: say how long the windows are that a row is "
            "(window=24)."
        )


def _cut(dataset: Dataset, window: int | None, stride: int, like: DataSpec | None) -> Dataset:
    """Windows of one series, as long as they are to be, or as a model has learned them; other data as it is."""
    if like is not None and like.series and dataset.spec.shape == like.shape[1:]:
        window = like.shape[0]
    return dataset if window is None else windowed(dataset, window, stride)


def _cuts(kind: type[Config]) -> bool:
    """Whether rows of these arrays may be the steps of one series."""
    return issubclass(kind, choices.ArrayOptions)


def _labelled(dataset: Dataset, labels: Any) -> Dataset:
    """The rows of a file with labels that stand in another."""
    if not dataset.spec.columns:
        return from_arrays(dataset.x, labels, dataset.spec.name, dataset.test)
    made = Dataset(dataset.x, labels, spec=dataset.spec, test=dataset.test)
    made.notes = dataset.notes
    return made


def _of_hub(text: str, options: dict[str, Any], like: DataSpec | None) -> Dataset:
    chosen = _split(text.removeprefix(hub.PREFIX))
    name = chosen["name"]
    parsed = choices.HubOptions.parse({**chosen["options"], **options}, owner=text)
    dataset = hub.named(name, like, **parsed.chosen())
    plain = parsed.model_dump(mode="json", exclude_defaults=True)
    dataset.source = {"name": f"{hub.PREFIX}{name}", "options": plain}
    return dataset


def _in_memory(data: Any, labels: Any, data_dir: Any, options: dict[str, Any], like: DataSpec | None) -> Dataset:
    if hub.is_hub(data) and data_dir is None:
        said = choices.HubOptions.parse(options, owner=type(data).__name__)
        return hub.of_hub(data, "data", like, **said.chosen())
    if is_frame(data) and data_dir is None:
        dataset = read.table_frame(data, choices.TableOptions.parse(options, owner=type(data).__name__), like)
        return dataset if labels is None else _labelled(dataset, labels)
    is_array = data is not None and not isinstance(data, NO_ARRAYS)
    if is_array and options.keys() <= {"layout", "holes", "window", "stride"} and data_dir is None:
        chosen = choices.ArrayOptions.parse({**_layout_of(like), **options}, owner=type(data).__name__)
        dataset = from_arrays(data, labels, layout=chosen.layout, holes=chosen.holes)
        dataset = _cut(dataset, chosen.window, chosen.stride, like)
        _refuse_uncut(dataset, options.get("layout"))
        return dataset
    if data_dir is not None or options:
        extra = "--data-dir" if data_dir is not None else f"option {next(iter(options))!r}"
        raise UsageError(f"{extra} is for data given by name or path, not for {type(data).__name__}: leave it out.")
    if isinstance(data, Dataset):
        if labels is not None:
            raise UsageError("a Dataset brings its own labels: leave labels out.")
        return data
    if data is None or isinstance(data, (bytes, dict, set, type)):
        raise UsageError(
            f"data {type(data).__name__} cannot be opened: give a name, a path, an array, a tensor or a torch dataset."
        )
    if isinstance(data, torch.utils.data.DataLoader):
        raise UsageError("data is a DataLoader: give the torch dataset that it reads; aezoo makes batches itself.")
    return from_arrays(data, labels)


def _layout_of(like: DataSpec | None) -> dict[str, str]:
    """The layout of arrays for a model that has learned from such."""
    if like is None or len(like.shape) == 1:
        return {}
    return {"layout": "series" if like.series else "image"} if like.series or like.is_image else {}


def _looks_like_path(name: str) -> bool:
    return "/" in name or os.sep in name or name.lower().endswith((*READERS, *IDX_ENDS)) or _exists(name)


def _exists(name: str) -> bool:
    try:
        return bool(name) and Path(name).exists()
    except (OSError, ValueError):
        return False
