"""Files of many arrays, spreadsheets, ARFF and sparse tables, written by the libraries that others write them with."""

import datetime as dt
import gzip

import numpy as np
import pytest
import scipy.io
import scipy.sparse

import aezoo
from aezoo.core.sparse import SparseRows
from aezoo.data import open_data
from aezoo.errors import DataError, UsageError

RNG = np.random.default_rng(0)
X = RNG.normal(size=(30, 4))
Y = np.arange(30) % 3
CUBE = RNG.normal(size=(30, 6, 5)).astype(np.float32)
COUNTS = RNG.poisson(0.4, size=(40, 6))


def written_hdf5(path):
    h5py = pytest.importorskip("h5py")
    with h5py.File(path, "w") as file:
        file.create_dataset("group/x", data=X, chunks=(7, 2))
        file["y"] = Y
        file["words"] = np.array([b"a", b"b"])
        file["cube"] = CUBE


def written_zarr(path):
    zarr = pytest.importorskip("zarr")
    root = zarr.create_group(path)
    root.create_array("group/x", data=X, chunks=(7, 2))
    root.create_array("y", data=Y)
    root.create_array("cube", data=CUBE, chunks=(4, 3, 5))


def written_netcdf(path):
    netcdf = pytest.importorskip("netCDF4")
    with netcdf.Dataset(path, "w") as file:
        for name, array in (("group_x", X), ("y", Y), ("cube", CUBE)):
            for axis, size in enumerate(array.shape):
                if f"{name}{axis}" not in file.dimensions:
                    file.createDimension(f"{name}{axis}", size)
            variable = file.createVariable(name, array.dtype, tuple(f"{name}{axis}" for axis in range(array.ndim)))
            variable[:] = array


def written_matlab(path):
    scipy.io.savemat(path, {"group_x": X, "y": Y[:, None], "cube": CUBE, "words": "text"})


def written_matlab_7_3(path):
    h5py = pytest.importorskip("h5py")
    # as MATLAB writes: the axes the other way round
    with h5py.File(path, "w", userblock_size=512) as file:
        for name, array in (("group_x", X), ("y", Y[:, None]), ("cube", CUBE)):
            file[name] = array.transpose()
    with path.open("r+b") as file:
        file.write(b"MATLAB 7.3 MAT-file, Platform: GLNXA64".ljust(128))


@pytest.mark.parametrize(
    ("end", "write", "key"),
    [
        ("h5", written_hdf5, "group/x"),
        ("zarr", written_zarr, "group/x"),
        ("nc", written_netcdf, "group_x"),
        ("mat", written_matlab, "group_x"),
        ("mat", written_matlab_7_3, "group_x"),
    ],
)
def test_arrays_of_a_store(tmp_path, end, write, key, monkeypatch):
    path = tmp_path / f"s.{end}"
    write(path)
    data = open_data(path, key=key)
    assert np.array_equal(data.x, X)
    assert np.array_equal(data.labels, Y)
    cube = open_data(path, key="cube", layout="series")
    assert np.array_equal(cube.x, CUBE)
    assert cube.spec.series
    assert np.array_equal(aezoo.data.reopen(cube.source).x, CUBE)
    with pytest.raises(DataError, match=r"holds no array 'cub'; did you mean 'cube'"):
        open_data(path, key="cub")
    with pytest.raises(DataError, match=r"or name one \(key=…\)"):
        open_data(path)
    # what is more than memory should hold is read block by block into a file
    monkeypatch.setattr("aezoo.data.formats.stores.HELD_BYTES", 100)
    monkeypatch.setattr("aezoo.data.formats.stores.BLOCK", 300)
    monkeypatch.setenv("AEZOO_CACHE", str(tmp_path / "cache"))
    large = open_data(path, key="cube", layout="series")
    assert np.array_equal(large.x, CUBE)
    assert large.split().train.mapped


@pytest.mark.parametrize(("end", "write"), [("h5", written_hdf5), ("mat", written_matlab), ("nc", written_netcdf)])
def test_stores_that_end_early_are_named(tmp_path, end, write):
    path = tmp_path / f"s.{end}"
    write(path)
    path.write_bytes(path.read_bytes()[:300])
    with pytest.raises(DataError, match=rf"s\.{end}"):
        open_data(path, key="cube")


def test_arrays_in_other_files_are_not_followed(tmp_path):
    h5py = pytest.importorskip("h5py")
    written_hdf5(tmp_path / "a.h5")
    with h5py.File(tmp_path / "b.h5", "w") as file:
        file["x"] = h5py.ExternalLink("a.h5", "/group/x")
        file["own"] = X[:3]
    assert len(open_data(tmp_path / "b.h5")) == 3


def test_masked_values_are_missing(tmp_path):
    netcdf = pytest.importorskip("netCDF4")
    with netcdf.Dataset(tmp_path / "m.nc", "w") as file:
        file.createDimension("row", 30)
        file.createDimension("column", 4)
        variable = file.createVariable("x", "i2", ("row", "column"), fill_value=-1)
        variable.scale_factor = 0.5
        variable[:] = np.ma.masked_equal(np.arange(120.0).reshape(30, 4), 7.0)
    data = open_data(tmp_path / "m.nc", holes=True)
    assert np.isnan(data.x).sum() == 1
    assert np.isnan(data.x[1, 3])
    assert data.x[2, 0] == 8.0
    assert [column.holes for column in data.spec.columns] == [False, False, False, True]
    with pytest.raises(DataError, match=r"column 3 .* is NaN: remove such rows, or take NaN for missing values"):
        open_data(tmp_path / "m.nc")


def test_holes_of_arrays_are_learned_from(tmp_path):
    x = X.copy()
    x[::5, 1] = np.nan
    np.save(tmp_path / "x.npy", x)
    run = aezoo.train("vae", f"{tmp_path}/x.npy,holes=true", epochs=1, latent_dim=2, progress=False)
    assert np.isfinite(run.model.score(x)).all()
    with pytest.raises(DataError, match="missing values are for tables"):
        open_data(np.zeros((5, 3, 3)), holes=True)


@pytest.fixture
def book(tmp_path):
    openpyxl = pytest.importorskip("openpyxl")
    pytest.importorskip("python_calamine")
    work = openpyxl.Workbook()
    sheet = work.active
    sheet.title = "people"
    sheet.append(["age", "city", "joined", "member"])
    for i in range(20):
        row = [
            20.5 + i if i != 3 else None,
            ["Oslo", "Rome"][i % 2] if i != 4 else "?",
            dt.date(2024, 1, 1 + i),
            i % 3 == 0,
        ]
        sheet.append(row)
    work.create_sheet("mixed").append(["a"])
    for value in (1, "x", 2):
        work["mixed"].append([value])
    work.create_sheet("empty")
    work.save(tmp_path / "b.xlsx")
    return tmp_path / "b.xlsx"


def test_spreadsheets(book):
    data = open_data(book)
    assert [(c.name, c.kind, c.holes) for c in data.spec.columns] == [
        ("age", "number", True),
        ("city", "binary", True),
        ("joined", "date", False),
        ("member", "binary", False),
    ]
    start = dt.datetime(2024, 1, 1, tzinfo=dt.UTC).timestamp()
    assert np.array_equal(data.x[:, 2], start + 86400 * np.arange(20))
    assert np.array_equal(data.x[:, 3], np.arange(20) % 3 == 0)
    assert np.isnan(data.x[3, 0])
    assert np.isnan(data.x[4, 1])
    with pytest.raises(
        DataError, match=r"sheet 'mixed', column 'a' holds values of several types, \w+ \(line 2: '1.*line 3: 'x'"
    ):
        open_data(book, sheet="mixed")
    with pytest.raises(DataError, match="sheet 'empty' is empty"):
        open_data(book, sheet=2)
    for sheet in ("peopel", 9):
        with pytest.raises(UsageError, match="has no sheet"):
            open_data(book, sheet=sheet)


@pytest.mark.parametrize("sparse", [False, True])
def test_arff(tmp_path, sparse):
    pytest.importorskip("arff")
    rows = "1.5,red,yes\n?,green,no\n0,blue,?\n" if not sparse else "{0 1.5, 2 yes}\n{1 green}\n{1 blue, 2 ?}\n"
    head = "@relation t\n@attribute size numeric\n@attribute colour {red,green,blue}\n"
    head += "@attribute 'sold out' {no,yes}\n@data\n"
    (tmp_path / "t.arff").write_text(head + "% a remark\n" + rows)
    data = open_data(tmp_path / "t.arff")
    assert [column.levels for column in data.spec.columns] == [(), ("red", "green", "blue"), ("no", "yes")]
    first = 0.0 if sparse else np.nan
    assert np.array_equal(data.x, [[1.5, 0, 1], [first, 1, 0], [0, 2, np.nan]], equal_nan=True)
    labelled = open_data(tmp_path / "t.arff", label="colour")
    assert labelled.spec.shape == (2,)
    assert [labelled.label_names[i] for i in labelled.labels] == ["red", "green", "blue"]


def test_libsvm_stays_sparse(tmp_path):
    from sklearn.datasets import dump_svmlight_file

    matrix = scipy.sparse.random_array((50, 8), density=0.2, rng=RNG, format="csr")
    dump_svmlight_file(matrix, np.arange(50) % 2, str(tmp_path / "s.libsvm"), zero_based=False)
    data = open_data(tmp_path / "s.libsvm", columns=8)
    assert isinstance(data.x, SparseRows)
    assert np.allclose(data.all().rows(), matrix.toarray())
    assert data.labels.tolist() == (np.arange(50) % 2).tolist()


def test_sparse_rows_train_to_the_same_bits_as_dense_ones():
    matrix = scipy.sparse.random_array((200, 12), density=0.3, rng=np.random.default_rng(1), format="coo")
    dense = matrix.toarray()
    runs = [aezoo.train("vae", x, epochs=2, latent_dim=2, progress=False) for x in (dense, matrix)]
    for a, b in zip(*(run.model.state_dict().values() for run in runs), strict=True):
        assert np.array_equal(a.numpy(), b.numpy())
    assert runs[0].results == runs[1].results
    model = runs[0].model
    assert np.array_equal(model.score(dense), model.score(matrix.tocsr()))
    assert np.array_equal(model.encode(dense), model.encode(matrix.tocsc()))
    described = runs[1].dataset.describe()
    assert described.columns[3].high == pytest.approx(dense[:, 3].max())


def test_sparse_values_are_checked_where_they_stand():
    matrix = scipy.sparse.csr_array(np.eye(5))
    matrix.data[3] = np.nan
    with pytest.raises(DataError, match=r"row 3, column 3 .* is nan"):
        open_data(matrix)


def annotated(path, x, **more):
    anndata = pytest.importorskip("anndata")
    pandas = pytest.importorskip("pandas")
    obs = pandas.DataFrame({"kind": ["a", "b"] * (len(COUNTS) // 2)}, index=[f"c{i}" for i in range(len(COUNTS))])
    var = pandas.DataFrame(index=[f"g{i}" for i in range(COUNTS.shape[1])])
    anndata.AnnData(x, obs=obs, var=var, layers=more).write_h5ad(path)
    return path


@pytest.mark.parametrize("backed", [False, True])
def test_annotated_counts_stay_sparse_and_whole(tmp_path, backed):
    counts = scipy.sparse.csr_matrix(COUNTS.astype(np.float32))
    path = annotated(tmp_path / "a.h5ad", scipy.sparse.csr_matrix(np.log1p(COUNTS).astype(np.float32)), counts=counts)
    data = open_data(path, layer="counts", label="kind", backed=backed)
    assert isinstance(data.x, SparseRows)
    assert np.array_equal(data.all().rows(), COUNTS)
    assert {column.kind for column in data.spec.columns} == {"count"}
    assert data.label_names == ("a", "b")
    assert not data.notes
    logs = open_data(path, backed=backed)
    assert {column.kind for column in logs.spec.columns} == {"number"}
    assert "holds other values than raw counts" in logs.notes[0]
    with pytest.raises(UsageError, match="has no layer 'count'; did you mean 'counts'"):
        open_data(path, layer="count")
    with pytest.raises(UsageError, match="has no column 'kin' in obs"):
        open_data(path, label="kin")


def test_genes_are_matched_by_name(tmp_path):
    path = annotated(tmp_path / "a.h5ad", scipy.sparse.csr_matrix(COUNTS.astype(np.float32)))
    run = aezoo.train("vae", path, epochs=2, latent_dim=2, progress=False)
    assert run.config.likelihood.name == "counts"
    truth = run.model.score(COUNTS)
    order = [3, 1, 5, 0, 2, 4]
    folder = tmp_path / "tenx"
    folder.mkdir()
    scipy.io.mmwrite(folder / "matrix.mtx", scipy.sparse.coo_matrix(COUNTS[:, order].T))
    (folder / "features.tsv.gz").write_bytes(gzip.compress("\n".join(f"g{i}\tname" for i in order).encode()))
    data = open_data(folder, like=run.model.spec)
    assert np.allclose(run.model.score(data.all().rows().numpy()), truth)
    assert open_data(folder).spec.columns[0].name == "g3"
    (folder / "features.tsv.gz").write_bytes(gzip.compress(b"\n".join(b"h%d" % i for i in order)))
    with pytest.raises(DataError, match="lacks column 'g0' and 5 more"):
        open_data(folder, like=run.model.spec)
    (folder / "features.tsv.gz").write_bytes(gzip.compress(b"one"))
    with pytest.raises(DataError, match="has 1 features and a matrix of 6"):
        open_data(folder)


@pytest.mark.parametrize(
    ("module", "name", "extra"),
    [
        ("h5py", "x.h5", "arrays"),
        ("zarr", "x.zarr", "arrays"),
        ("netCDF4", "x.nc", "arrays"),
        ("python_calamine", "x.xlsx", "sheets"),
        ("arff", "x.arff", "arff"),
        ("anndata", "x.h5ad", "anndata"),
    ],
)
def test_what_is_lacking_says_what_to_install(tmp_path, monkeypatch, module, name, extra):
    import importlib

    real = importlib.import_module

    def lacking(wanted, *rest):
        if wanted == module:
            raise ImportError(wanted)
        return real(wanted, *rest)

    monkeypatch.setattr("aezoo.core.extras.importlib.import_module", lacking)
    (tmp_path / name).mkdir() if name.endswith("zarr") else (tmp_path / name).write_bytes(b"content")
    with pytest.raises(DataError, match=rf"pip install 'aezoo\[{extra}\]'"):
        open_data(tmp_path / name)


def test_netcdf_is_read_after_hdf5_in_one_process(tmp_path):
    """Some versions of the two bring HDF5 libraries that do not go together: the extra asks for others."""
    pytest.importorskip("h5py")
    written_hdf5(tmp_path / "a.h5")
    assert len(open_data(tmp_path / "a.h5", key="group/x")) == 30
    written_netcdf(tmp_path / "b.nc")
    assert len(open_data(tmp_path / "b.nc", key="group_x")) == 30
