import contextlib
import gzip
import io
import mmap
import pickle
import struct
import zipfile

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from aezoo.data.dataset import Dataset
from aezoo.data.formats import arrays, idx
from aezoo.data.tables import read
from aezoo.errors import DataError, UsageError

X = np.random.default_rng(0).normal(size=(12, 3))
Y = np.arange(12) % 4


def idx_bytes(array, code=None):
    code = code or {"|u1": 8, "|i1": 9, ">i2": 11, ">i4": 12, ">f4": 13, ">f8": 14}[array.dtype.str]
    return struct.pack(f">HBB{array.ndim}I", 0, code, array.ndim, *array.shape) + array.tobytes()


def packed(content):
    # the same name of a test at any time
    return gzip.compress(content, mtime=0)


def npz_bytes(compressed=True, **arrays):
    buffer = io.BytesIO()
    (np.savez_compressed if compressed else np.savez)(buffer, **arrays)
    return buffer.getvalue()


def npy_bytes(array, **options):
    buffer = io.BytesIO()
    np.save(buffer, array, **options)
    return buffer.getvalue()


def written(tmp_path, name, content):
    path = tmp_path / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


@pytest.mark.parametrize("x", [X, X.astype(">f4"), np.asfortranarray(X), (X > 0), np.arange(24).reshape(2, 3, 4)])
def test_npy_stays_on_disk(tmp_path, x):
    data = arrays.npy(written(tmp_path, "rows.npy", npy_bytes(x)))
    assert data.spec.name == "rows"
    base = data.x
    while isinstance(base, np.ndarray):
        base = base.base
    assert isinstance(base, mmap.mmap)
    assert np.array_equal(data.all().rows().numpy().reshape(x.shape), x)


@pytest.mark.parametrize("x", [X, np.asfortranarray(X), X.astype("f2")])
@pytest.mark.parametrize("compressed", [False, True])
def test_npz_of_rows_and_labels(tmp_path, x, compressed):
    data = arrays.npz(written(tmp_path, "a.npz", npz_bytes(compressed, X=x, y=Y)))
    assert np.array_equal(data.all().rows(), x)
    assert data.labels.tolist() == Y.tolist()
    assert data.spec.classes == 4


def test_npz_names(tmp_path):
    assert np.array_equal(arrays.npz(written(tmp_path, "a.npz", npz_bytes(rows=X, labels=Y))).all().rows(), X)
    own = arrays.npz(written(tmp_path, "b.npz", npz_bytes(x_train=X[:9], x_test=X[9:], y_train=Y[:9], y_test=Y[9:])))
    assert own.split().test.index.tolist() == [9, 10, 11]
    assert np.array_equal(own.all().rows(), X)
    assert own.labels.tolist() == Y.tolist()


@pytest.mark.parametrize(
    ("text", "options", "rows", "labels"),
    [
        ("1,2\n3,4\n", {}, [[1, 2], [3, 4]], None),
        ("a,b\n1,2\n3,4", {}, [[1, 2], [3, 4]], None),
        ("\ufeffa;b\r\n\r\n1;2\r\n3;4\r\n", {}, [[1, 2], [3, 4]], None),
        ("1\t-2e3\n3\t4\n", {}, [[1, -2000], [3, 4]], None),
        ("1|2\n3|4\n", {"delimiter": "|"}, [[1, 2], [3, 4]], None),
        ('"a, b",c\n"1","2"\n', {}, [[1, 2]], None),
        ("5\n6\n", {}, [[5], [6]], None),
        ("1,2\n3,4\n", {"header": True}, [[3, 4]], None),
        ("a,kind,b\n1,x,2\n3,w,4\n", {"label": "kind"}, [[1, 2], [3, 4]], [1, 0]),
        ("1,x,2\n3,w,4\n", {"label": 1}, [[1, 2], [3, 4]], [1, 0]),
        ("1,2,7\n3,4,3\n", {"label": -1}, [[1, 2], [3, 4]], [7, 3]),
        ("0,1,y\n1,2,0\n3,4,1\n", {"label": "y"}, [[1, 2], [3, 4]], [0, 1]),
    ],
)
def test_csv(tmp_path, text, options, rows, labels):
    data = read.text_table(written(tmp_path, "t.csv", text), **options)
    assert data.all().rows().tolist() == rows
    assert data.all().rows().dtype.is_floating_point
    assert (None if data.labels is None else data.labels.tolist()) == labels


def test_csv_keeps_every_digit(tmp_path):
    path = tmp_path / "t.csv"
    np.savetxt(path, X, delimiter=",", fmt="%.17g")
    assert np.array_equal(read.text_table(path).all().rows(), X)


@pytest.mark.parametrize(
    ("text", "options", "message"),
    [
        ("a,b\n1,2\n3,abc\n", {}, r"t.csv, line 3, column 'b': 'abc' is no number, and 1 of the others are"),
        ("1,2\n\n3,4_0\n", {}, "line 3, column '1': '4_0' is no number"),
        ("1,x\n2,3\n", {}, "line 1, column '1': 'x' is no number"),
        ("1,2\n3\n", {}, "line 2: 1 cells where line 1 has 2"),
        ("a,b\n1,2,3\n4,5,6\n", {}, "line 2: 3 cells where line 1 has 2"),
        ("a,b,c\n1,2,3\n4,5,6,7\n", {"label": "c"}, "line 3: 4 cells where line 1 has 3"),
        ("a,k\n1,x\n2, \n", {"label": "k"}, "line 3: the label is empty"),
        ("a,k\nq,x\n", {"label": "k"}, "no column to learn from: column 'a' is 'q' in all rows"),
        ("1,2.5\n3,4\n", {"label": 1}, "the labels of t are not all whole numbers"),
        ("k\nx\n", {"label": "k"}, "no column beside the label"),
        ("", {}, "is empty"),
        ("\n\n", {}, "is empty"),
        ("a,b\n", {}, "has no rows"),
        ("a,k\n", {"label": "k"}, "has no rows"),
        ("1,2\nnan,4\n", {}, "row 1, column 0 .* is NaN"),
        (b"1,2\n\xff\xfe,3\n", {}, "UTF-8"),
        ("1,2\x00\n", {}, "t.csv"),
        ('1,"' + "9" * 200_000 + "\n", {}, "t.csv"),
    ],
)
def test_bad_csv(tmp_path, text, options, message):
    with pytest.raises(DataError, match=message):
        read.text_table(written(tmp_path, "t.csv", text), **options)


@pytest.mark.parametrize(
    ("label", "message"), [("kin", "no column 'kin'; did you mean 'kind'"), (3, "its 2 columns"), (-3, "no column -3")]
)
def test_csv_without_that_column(tmp_path, label, message):
    with pytest.raises(UsageError, match=message):
        read.text_table(written(tmp_path, "t.csv", "a,kind\n1,2\n"), label=label)


@pytest.mark.parametrize("kind", ["|u1", "|i1", ">i2", ">i4", ">f4", ">f8"])
@pytest.mark.parametrize("zipped", [False, True])
def test_idx_types(tmp_path, kind, zipped):
    x = np.arange(-4, 20).reshape(2, 3, 4).astype(kind) if kind != "|u1" else np.arange(24, dtype="u1").reshape(2, 3, 4)
    content = idx_bytes(x)
    path = written(tmp_path, "x.idx.gz" if zipped else "x.idx", packed(content) if zipped else content)
    labels = written(tmp_path, "y.idx", idx_bytes(np.array([1, 0], "u1")))
    data = idx.idx(path, labels)
    assert data.spec.shape == (1, 3, 4)
    assert np.array_equal(data.all().rows()[:, 0], x.astype(x.dtype.newbyteorder("=")))
    assert data.labels.tolist() == [1, 0]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("x.idx", b"", "ends within its header"),
        ("x.idx", b"\0\0\x08\x03\0\0", "ends within its header"),
        ("x.idx", b"PK\x03\x04" + bytes(20), "does not begin as an IDX file"),
        ("x.idx", b"\0\0\x07\x01\0\0\0\x01\0", "does not begin as an IDX file"),
        ("x.idx", struct.pack(">HBB2I", 0, 8, 2, 2, 3) + bytes(5), "announces 6 bytes of values and holds 5"),
        ("x.idx", struct.pack(">HBB2I", 0, 8, 2, 2, 3) + bytes(7), "announces 6 bytes of values and holds more"),
        ("x.idx", struct.pack(">HBB2I", 0, 8, 2, 0, 3), "no rows"),
        ("x.idx", struct.pack(">HBB3I", 0, 14, 3, *[2**32 - 1] * 3), "announces"),
        ("x.idx.gz", packed(struct.pack(">HBB3I", 0, 14, 3, *[2**32 - 1] * 3)), "GiB and this machine has"),
        ("x.idx.gz", packed(struct.pack(">HBBI", 0, 8, 1, 10**8) + bytes(9)), "and holds 9: fetch"),
        ("x.idx.gz", packed(struct.pack(">HBB2I", 0, 8, 2, 2, 3) + bytes(10**6)), "holds more"),
        ("x.idx.gz", packed(idx_bytes(np.zeros((99, 99), ">f8")))[:-9], "cannot be read as an IDX file"),
        ("x.idx.gz", b"not gzip at all", "cannot be read as an IDX file"),
        ("x.npy", npy_bytes(X)[:-1], "cannot be read as a .npy array"),
        ("x.npy", npy_bytes(X)[:30], "cannot be read as a .npy array"),
        ("x.npy", b"", "cannot be read as a .npy array"),
        ("x.npy", npz_bytes(x=X), "cannot be read as a .npy array"),
        ("x.npy", pickle.dumps(X), "cannot be read as a .npy array"),
        ("x.npy", npy_bytes(np.array([[{}]]), allow_pickle=True), "pickled Python objects, which are never loaded"),
        ("x.npy", npy_bytes(np.array([["a"]])), "dtype <U1"),
        ("x.npy", npy_bytes(np.zeros((0, 3))), "has no rows"),
        ("x.npy", npy_bytes(np.zeros(3)), r"reshape\(-1, 1\)"),
        ("x.npz", npy_bytes(X), "cannot be read as a .npz archive"),
        ("x.npz", npz_bytes(x=X)[:-30], "cannot be read as a .npz archive"),
        ("x.npz", npz_bytes(a=X, b=X), "holds 'a', 'b': name the data x"),
        ("x.npz", npz_bytes(y=Y), "holds 'y': name the data x"),
        ("x.npz", npz_bytes(), "holds nothing"),
        ("x.npz", npz_bytes(x=X, y=Y[1:]), "the labels of x have shape"),
        ("x.npz", npz_bytes(x_train=X, x_test=X[:, 1:]), "cannot be read as a .npz archive"),
        ("x.npz", npz_bytes(x=np.array([[None]])), "pickled Python objects"),
    ],
)
def test_broken_files(tmp_path, name, content, message):
    read = {"idx": idx.idx, "npy": arrays.npy, "npz": arrays.npz, "gz": idx.idx}[name.split(".")[-1]]
    with pytest.raises(DataError, match=message) as raised:
        read(written(tmp_path, name, content))
    assert name.split(".")[0] in str(raised.value)
    assert "\n" not in str(raised.value)


def test_an_archive_that_lies_about_its_size_allocates_nothing(tmp_path):
    header = npy_bytes(np.zeros((1, 1)))[:128].replace(b"(1, 1), }" + b" " * 11, b"(99999999999, 9), }  ")
    path = tmp_path / "x.npz"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("x.npy", header + bytes(80))
    with pytest.raises(DataError, match=r"unpacks to 6705\.5 GiB and this machine has"):
        arrays.npz(path)


@pytest.mark.parametrize("read", [arrays.npy, arrays.npz, read.text_table, idx.idx])
def test_missing_files_and_folders(tmp_path, read):
    with pytest.raises(DataError, match=r"no file .*absent': check the path"):
        read(tmp_path / "absent")
    with pytest.raises(DataError, match="IsADirectoryError"):
        read(tmp_path)


SAMPLES = {
    "x.idx": (idx.idx, idx_bytes(np.arange(60, dtype=">i2").reshape(5, 3, 4))),
    "x.idx.gz": (idx.idx, packed(idx_bytes(np.arange(60, dtype="u1").reshape(5, 12)))),
    "x.npy": (arrays.npy, npy_bytes(X)),
    "x.npz": (arrays.npz, npz_bytes(x=X, y=Y)),
    "y.npz": (arrays.npz, npz_bytes(False, x_train=X, x_test=X[:3])),
    "x.csv": (read.text_table, "a,b\n" + "".join(f"{a:.3f},{b:.3f}\n" for a, b, _ in X)),
}


@pytest.mark.parametrize("name", SAMPLES)
@given(data=st.data())
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_damaged_bytes_give_data_or_a_data_error(tmp_path, name, data):
    read, content = SAMPLES[name]
    damaged = bytearray(content.encode() if isinstance(content, str) else content)
    for _ in range(data.draw(st.integers(0, 3))):
        # headers stand at the beginning and, in archives, at the end
        where = data.draw(st.one_of(st.integers(0, min(140, len(damaged) - 1)), st.integers(0, len(damaged) - 1)))
        damaged[where] = data.draw(st.integers(0, 255))
    damaged = damaged[: data.draw(st.one_of(st.just(len(damaged)), st.integers(0, len(damaged))))]
    with contextlib.suppress(DataError):
        read_back = read(written(tmp_path, name, bytes(damaged)))
        assert isinstance(read_back, Dataset)
        assert len(read_back.all().rows()) == len(read_back) > 0
