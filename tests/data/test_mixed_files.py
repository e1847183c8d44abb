"""Tables of words, dates and holes: what is found in them, and that rows are matched by name."""

import csv
import datetime as dt
import gzip

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.feather
import pyarrow.parquet
import pytest

import aezoo
from aezoo.data import open_data
from aezoo.errors import DataError, UsageError

RNG = np.random.default_rng(0)
ROWS = 60
TABLE = {
    "age": [None if i % 7 == 3 else float(20 + i % 40) for i in range(ROWS)],
    "city": [None if i % 9 == 1 else ["Oslo", "Köln", "Rome"][i % 3] for i in range(ROWS)],
    "member": [["no", "yes"][i % 2] for i in range(ROWS)],
    "joined": [dt.date(2020, 1, 1) + dt.timedelta(days=i) for i in range(ROWS)],
    "visits": [i % 5 for i in range(ROWS)],
    "size": [["S", "M", "L"][i % 3] for i in range(ROWS)],
}
KINDS = "visits:count;size:ordinal:S<M<L"


def written(path, columns, delimiter=",", decimal="."):
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, delimiter=delimiter)
        writer.writerow(columns)
        for row in zip(*columns.values(), strict=True):
            writer.writerow(
                ["" if v is None else str(v).replace(".", decimal) if isinstance(v, float) else v for v in row]
            )
    return path


@pytest.fixture
def people(tmp_path):
    return written(tmp_path / "people.csv", TABLE)


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    path = written(tmp_path_factory.mktemp("t") / "people.csv", TABLE)
    options = {"epochs": 2, "latent_dim": 2, "progress": False}
    return aezoo.train("vae", f"{path},kinds={KINDS}", **options).model


def by_hand():
    """The table as numbers, told apart from the code by dictionaries written out."""
    levels = {
        "city": {"Köln": 0, "Oslo": 1, "Rome": 2},
        "member": {"no": 0, "yes": 1},
        "size": {"S": 0, "M": 1, "L": 2},
    }
    start = dt.datetime(1970, 1, 1)
    return np.array(
        [
            [
                np.nan
                if value is None
                else levels[name][value]
                if name in levels
                else (dt.datetime.combine(value, dt.time()) - start).total_seconds()
                if name == "joined"
                else value
                for name, value in zip(TABLE, row, strict=True)
            ]
            for row in zip(*TABLE.values(), strict=True)
        ]
    )


def forms(tmp_path):
    table = pa.table(TABLE)
    pyarrow.parquet.write_table(table, tmp_path / "t.parquet", row_group_size=7)
    pyarrow.feather.write_feather(table, str(tmp_path / "t.feather"))
    folder = tmp_path / "parts"
    folder.mkdir()
    for i in range(3):
        pyarrow.parquet.write_table(table.slice(20 * i, 20), folder / f"{i}.parquet")
    (tmp_path / "t.csv.gz").write_bytes(gzip.compress(written(tmp_path / "t.csv", TABLE).read_bytes()))
    written(tmp_path / "t.tsv", TABLE, "\t")
    written(tmp_path / "german.csv", TABLE, ";", ",")
    yield from (tmp_path / name for name in ("t.csv", "t.csv.gz", "t.tsv", "german.csv", "t.parquet", "t.feather"))
    yield folder
    yield from (table, pd.DataFrame(TABLE), pl.DataFrame(TABLE), pd.DataFrame(TABLE).convert_dtypes())


def test_every_form_of_a_table_gives_the_same_rows(tmp_path):
    truth = by_hand()
    for form in forms(tmp_path):
        data = open_data(form, kinds=KINDS)
        assert np.array_equal(np.asarray(data.x, dtype=np.float64), truth, equal_nan=True), form
        kinds = [column.kind for column in data.spec.columns]
        assert kinds == ["number", "category", "binary", "date", "count", "ordinal"]
        assert [column.holes for column in data.spec.columns] == [True, True, False, False, False, False]
        assert data.spec.columns[5].levels == ("S", "M", "L")


def test_what_was_asked_is_on_record_and_read_again(people):
    data = open_data(people, kinds=KINDS, drop="joined", label="member")
    again = aezoo.data.reopen(data.source)
    assert again.spec == data.spec
    assert data.spec.aside == ("member", "joined")
    assert np.array_equal(again.x, data.x, equal_nan=True)
    assert data.label_names == ("no", "yes")
    assert aezoo.data.digest_of(again) == aezoo.data.digest_of(data)


def test_rows_are_matched_by_name_in_any_order(model, tmp_path):
    names = list(TABLE)
    truth = model.score(by_hand())
    for order in (names, names[::-1], names[3:] + names[:3]):
        moved = {name: TABLE[name] for name in order}
        for frame in (pd.DataFrame(moved), pl.DataFrame(moved), pa.table(moved)):
            assert np.array_equal(model.score(frame), truth)
        data = open_data(written(tmp_path / "moved.csv", moved), like=model.spec)
        assert np.array_equal(model.score(data.x), truth)


def test_tables_of_numbers_alone_are_matched_by_name_too(tmp_path):
    x = RNG.normal(size=(50, 3)) * [1, 100, 1e6]
    path = written(tmp_path / "n.csv", dict(zip("abc", x.T.tolist(), strict=True)))
    run = aezoo.train("undercomplete", path, epochs=1, latent_dim=2, progress=False)
    assert [column.name for column in run.model.spec.columns] == ["a", "b", "c"]
    assert str(run.config.likelihood) == "gaussian,scale=unit,min_log_scale=-6.0,mean=linear"
    truth = run.model.score(x)
    moved = written(tmp_path / "m.csv", {name: x[:, "abc".index(name)].tolist() for name in "cab"})
    assert np.array_equal(run.model.score(open_data(moved, like=run.model.spec).x), truth)
    assert np.array_equal(run.model.score(pd.DataFrame(x[:, ::-1], columns=list("cba"))), truth)
    with pytest.raises(DataError, match="lacks column 'b', which the model was trained on"):
        run.model.score(pd.DataFrame({"a": [1.0], "c": [2.0]}))
    with pytest.raises(DataError, match=r"m.csv lacks column 'a'"):
        open_data(written(tmp_path / "m.csv", {"b": [1, 2], "c": [1, 2]}), like=run.model.spec)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: {k: v for k, v in t.items() if k != "age"}, "lacks column 'age'"),
        (lambda t: {**t, "more": t["age"]}, r"has column 'more', which the model knows nothing of.*drop=more"),
        (
            lambda t: {**t, "city": ["Rome", "Wien", *t["city"][2:]]},
            r"column 'city' is 'Wien' in row 1 .*unseen=missing",
        ),
        (lambda t: {**t, "visits": [1.5, *t["visits"][1:]]}, "column 'visits' is 1.5 in row 0 .*no count"),
        (lambda t: {**t, "age": ["old"] * ROWS}, "column 'age' holds 'old' in row 0 .*numbers were learned"),
        (lambda t: {**t, "joined": t["visits"]}, "column 'joined' holds int64, and dates were learned"),
        (lambda t: {**t, "member": [None, *t["member"][1:]]}, "column 'member' is missing, and no row to learn from"),
        (lambda t: {**t, "age": [np.inf, *t["age"][1:]]}, "column 'age' is infinite in row 0"),
    ],
)
def test_rows_that_do_not_fit_are_refused_by_name(model, change, message):
    with pytest.raises(DataError, match=message):
        model.score(pa.table(change(TABLE)))


def test_levels_never_seen_are_missing_values_where_that_is_asked(people):
    options = {"epochs": 1, "latent_dim": 2, "progress": False}
    run = aezoo.train("vae", f"{people},unseen=missing,kinds={KINDS}", **options)
    new, lacking = ({**TABLE, "member": [value, *TABLE["member"][1:]]} for value in ("perhaps", None))
    assert np.array_equal(run.model.score(pa.table(new)), run.model.score(pa.table(lacking)))


def test_whole_numbers_beyond_floats_are_names_or_refused(tmp_path):
    big = [2**53 + i for i in range(4)] * 10 + [None]
    path = tmp_path / "big.parquet"
    pyarrow.parquet.write_table(pa.table({"id": pa.array(big, pa.int64()), "x": np.arange(41.0)}), path)
    with pytest.raises(DataError, match=r"column 'id' holds whole numbers beyond 2⁵³"):
        open_data(path)
    data = open_data(path, kinds="id:category")
    assert data.spec.columns[0].levels == tuple(str(2**53 + i) for i in range(4))
    assert np.array_equal(data.x[:4, 0], [0, 1, 2, 3])
    assert np.isnan(data.x[40, 0])


def test_lists_of_fixed_size_keep_their_rows_where_some_are_null(tmp_path):
    rows = [[1.0, 2.0], None, [3.0, 4.0], [5.0, None]]
    path = tmp_path / "lists.feather"
    pyarrow.feather.write_feather(
        pa.table({"v": pa.array(rows, pa.list_(pa.float64(), 2)), "s": [{"a": 1}, {"a": 2}] * 2}), path
    )
    data = open_data(path)
    assert [column.name for column in data.spec.columns] == ["v[0]", "v[1]", "s.a"]
    nan = np.nan
    assert np.array_equal(data.x, [[1, 2, 1], [nan, nan, 2], [3, 4, 1], [5, nan, 2]], equal_nan=True)


def test_moments_are_the_same_in_every_time_zone(tmp_path):
    noon = dt.datetime(2024, 7, 1, 12, tzinfo=dt.UTC)
    for zone in ("UTC", "Asia/Tokyo", "America/New_York"):
        table = pa.table({"t": pa.array([noon] * 3, pa.timestamp("us", zone)), "x": [1.0, 2.0, 3.0]})
        assert open_data(table).x[0, 0] == noon.timestamp()


def test_a_saved_index_stands_aside_and_is_told(tmp_path):
    frame = pd.DataFrame(RNG.normal(size=(20, 2)), columns=["a", "b"])
    frame.to_csv(tmp_path / "f.csv")
    data = open_data(tmp_path / "f.csv")
    assert data.spec.shape == (2,)
    assert "column '' numbers the rows: set aside" in data.notes[0]
    assert np.allclose(data.x, frame.to_numpy())
    frame.assign(w=["x", "y"] * 10).to_csv(tmp_path / "g.csv")
    assert [column.name for column in open_data(tmp_path / "g.csv").spec.columns] == ["a", "b", "w"]
    frame["w"] = ["x", "y"] * 10
    frame[frame.a > frame.a.min()].to_parquet(tmp_path / "h.parquet")
    assert [column.name for column in open_data(tmp_path / "h.parquet").spec.columns] == ["a", "b", "w"]


@pytest.mark.parametrize(
    ("text", "rows", "told"),
    [
        ("2000,2001,2002\n1,2,9\n4,5,6\n", 2, "counts up from 2000"),
        ("0,1,2\n1.5,2,3\n4,5,6\n", 2, "counts up from 0"),
        ("1,2,3\n2,3,4\n3,4,5\n", 3, "taken for a row"),
        ("7,3,9\n1,2,3\n", 2, "taken for a row"),
        ("7.5,3,9\n1,2,3\n", 2, ""),
    ],
)
def test_a_first_line_of_numbers(tmp_path, text, rows, told):
    path = tmp_path / "h.csv"
    path.write_text(text)
    data = open_data(path)
    assert len(data) == rows
    assert told in " ".join(data.notes)
    assert bool(data.notes) == bool(told)
    assert len(open_data(path, header=False)) == text.count("\n")


@pytest.mark.parametrize("words", [False, True])
def test_a_number_that_stands_for_none_is_told_and_can_be_named(tmp_path, words):
    x = RNG.normal(size=(40, 2))
    x[::8, 1] = -999
    columns = {"a": x[:, 0].tolist(), "b": x[:, 1].tolist()}
    path = written(tmp_path / "m.csv", {**columns, "w": ["u", "v"] * 20} if words else columns)
    assert any("'b' is -999 in 5 rows" in line and "missing=-999" in line for line in open_data(path).notes)
    data = open_data(path, missing=-999)
    assert not data.notes
    assert np.array_equal(np.isnan(data.x[:, 1]), x[:, 1] == -999)
    assert np.array_equal(data.x[:, 0], x[:, 0])
    assert not open_data(written(tmp_path / "f.csv", {"a": [*range(-5, 35)], "b": [*range(40)]})).notes


@pytest.mark.parametrize(
    ("options", "kinds"),
    [
        ({}, ["number", "binary", "category"]),
        ({"kinds": "a:category"}, ["category", "binary", "category"]),
        ({"kinds": {"a": "count"}}, ["count", "binary", "category"]),
        ({"columns": "a;w"}, ["number", "category"]),
        ({"drop": ["w", "id"]}, ["number"]),
        ({"levels": 2}, ["number", "binary"]),
        ({"kinds": "id:category"}, ["number", "binary", "category", "category"]),
    ],
)
def test_columns_are_what_they_are_said_to_be(tmp_path, options, kinds):
    columns = {"a": [1, 2, 3] * 10, "z": [0, 1] * 15, "w": ["u", "v", "x"] * 10, "id": [f"n{i}" for i in range(30)]}
    data = open_data(written(tmp_path / "c.csv", columns), **options)
    # zeros and ones of a table of numbers alone stay what they were
    expected = kinds if "drop" not in options else ["number", "number"]
    assert [column.kind for column in data.spec.columns] == expected


def test_levels_of_numbers_are_called_alike_with_and_without_holes(tmp_path):
    whole = open_data(pd.DataFrame({"a": [1, 2, 3] * 5, "x": np.arange(15.0)}), kinds="a:category")
    holed = open_data(pd.DataFrame({"a": [1, 2, None] * 5, "x": np.arange(15.0)}), kinds="a:category")
    assert whole.spec.columns[0].levels == ("1", "2", "3")
    assert holed.spec.columns[0].levels == ("1", "2")


def test_names_of_rows_and_empty_columns_stand_aside_and_are_told():
    columns = {"x": np.arange(30.0), "name": [f"n{i}" for i in range(30)], "none": [None] * 30, "same": ["u"] * 30}
    data = open_data(pa.table(columns))
    assert [column.name for column in data.spec.columns] == ["x"]
    assert data.spec.aside == ("name", "none", "same")
    assert [line.split(":")[0] for line in data.notes] == [
        "column 'name' holds 30 texts in 30 rows",
        "column 'none' is empty",
        "column 'same' is 'u' in all rows",
    ]


@pytest.mark.parametrize(
    ("content", "options", "message"),
    [
        ("a,b\n1,x\n2,y\n", {"drop": "c"}, "has no column 'c'.*Its columns: a, b"),
        ("a,b\n1,x\n2,y\n", {"columns": "a;d"}, "has no column 'd'"),
        ("a,b\n1,x\n2,y\n", {"drop": "a;b"}, "no column beside those left out"),
        ("a,b\n1,x\n2,y\n", {"kinds": "b:number"}, "column 'b' is to be a number, and holds 'x'"),
        ("a,b\n-1,x\n2,y\n", {"kinds": "a:count"}, "column 'a' is to be a count, and holds -1"),
        ("a,b\n1,x\n2,y\n", {"kinds": "b:date"}, "column 'b' is to be a date, and holds string"),
        ("a,b\n1,x\n2,y\n", {"kinds": "b:ordinal"}, "the order of its levels must be said"),
        ("a,b\n1,x\n2,y\n", {"kinds": "b:ordinal:x<z"}, "holds 'y', which is none of the levels given: x, z"),
        ("a,b\n1,x\n2,y\n3,z\n", {"kinds": "b:binary"}, "to be binary, and has 3 levels"),
        ("a,b\n1,x\n2,y\n", {"kinds": "q:count"}, "has no column 'q'"),
        ("a,b\n1,x\n2,y\n", {"kinds": "b:word"}, "'word' is no kind of column"),
        ("a,b\n1,x\n2,y\n", {"encoding": "klingon"}, "no text in KLINGON"),
        ("a,a\n1,x\n2,y\n", {}, "two columns called 'a', 0 and 1"),
        ("a,a\n1,2\n2,3\n", {}, "two columns called 'a'"),
        ("a,b\n1,x\n2\n", {}, "Expected 2 columns, got 1"),
        ("a,b\n1,x\n2,\n3,y\n", {"label": "b"}, "line 3: the label is empty"),
        ("a,b\n1,x\n\n2,7\n3,8\n4,9\n", {}, "line 2, column 'b': 'x' is no number, and 3 of the others are"),
        ("a,b\n1,7\n\n2,x\n3,8\n4,9\n", {}, "line 4, column 'b': 'x' is no number"),
        ("a,b\n,\n,\n", {}, "no column to learn from: column 'a' is empty"),
    ],
)
def test_bad_tables_get_one_line(tmp_path, content, options, message):
    path = tmp_path / "bad.csv"
    path.write_text(content)
    with pytest.raises((DataError, UsageError), match=message) as caught:
        open_data(path, **options)
    assert "\n" not in str(caught.value)


def test_bytes_of_another_encoding(tmp_path):
    path = tmp_path / "latin.csv"
    path.write_bytes("city,x\nKöln,1\nOslo,2\n".encode("latin-1"))
    with pytest.raises(DataError, match="no text in UTF-8: name its encoding"):
        open_data(path)
    assert open_data(path, encoding="latin-1").spec.columns[0].levels == ("Köln", "Oslo")
    path.write_bytes("city,x\nKöln,1\nOslo,2\n".encode("utf-16"))
    assert open_data(path, encoding="utf-16").spec.columns[0].levels == ("Köln", "Oslo")


def test_files_that_end_early_are_named(tmp_path):
    for name, write in (("t.parquet", pyarrow.parquet.write_table), ("t.feather", pyarrow.feather.write_feather)):
        path = tmp_path / name
        write(pa.table(TABLE), str(path))
        path.write_bytes(path.read_bytes()[:-200])
        with pytest.raises(DataError, match=rf"{name} cannot be read .*cut short or damaged"):
            open_data(path)


def test_frames_of_mixed_cells_and_columns_without_values_are_named():
    with pytest.raises(DataError, match=r"cannot be read as a table .*values of one type"):
        open_data(pd.DataFrame({"a": [1, "x", 2.5], "b": [1, 2, 3]}, dtype=object))
    with pytest.raises(DataError, match=r"column 'v' holds list<.*leave it out \(drop=v\)"):
        open_data(pa.table({"v": [[1], [1, 2]], "x": [1, 2]}))


def test_control_characters_of_a_file_are_shown_as_text(tmp_path):
    columns = {"a\x1b[31m": [1.0, 2.0, 3.0, 4.0], "w": ["u\x07", "v", "u\x07", "v"]}
    data = open_data(pa.table(columns))
    found = data.describe()
    with pytest.raises(DataError) as caught:
        open_data(pa.table({**columns, "w": ["u", "v", "u", "v"]}), like=data.spec)
    assert "\x1b" not in str(caught.value)
    assert found.columns[1].levels == {"u\x07": 2, "v": 2}


def test_a_description_says_what_was_understood(people):
    found = open_data(people, kinds=KINDS, label="member").describe()
    facts = {column.name: column for column in found.columns}
    ages = [value for value in TABLE["age"] if value is not None]
    assert (found.rows, found.test, found.likelihood) == (ROWS, ROWS // 5, "table")
    assert found.labels == {"no": 30, "yes": 30}
    assert (facts["age"].low, facts["age"].high) == (min(ages), max(ages))
    assert facts["age"].mean == pytest.approx(np.mean(ages))
    assert facts["age"].missing == pytest.approx(1 - len(ages) / ROWS)
    assert facts["city"].levels == {name: TABLE["city"].count(name) for name in ("Köln", "Oslo", "Rome")}
    assert found.first["joined"][0] == "2020-01-01T00:00:00"
    assert found.first["age"][3] is None


def test_without_pyarrow_numbers_are_read_and_words_say_what_to_install(tmp_path, monkeypatch):
    import importlib

    real = importlib.import_module

    def lacking(name, *rest):
        if name.startswith("pyarrow"):
            raise ImportError(name)
        return real(name, *rest)

    monkeypatch.setattr("aezoo.core.extras.importlib.import_module", lacking)
    monkeypatch.setattr("aezoo.data.tables.read.importlib.util.find_spec", lambda name: None)
    frame = pd.DataFrame({"a": [1.0, 2.0, 3.0], "b": [4.0, 5.0, 6.0]})
    data = open_data(frame)
    assert [column.name for column in data.spec.columns] == ["a", "b"]
    assert np.array_equal(open_data(frame[["b", "a"]], like=data.spec).x, data.x)
    with pytest.raises(DataError, match=r"data lacks column 'b'"):
        open_data(frame[["a"]], like=data.spec)
    with pytest.raises(DataError, match=r"pip install 'aezoo\[tables\]'"):
        open_data(pd.DataFrame({"a": [1.0], "w": ["x"]}))
    assert len(open_data(written(tmp_path / "n.csv", {"a": [1, 2], "b": [3, 4]}))) == 2
    for name, columns in (("w.csv", {"a": [1, 2], "b": ["x", "y"]}), ("t.parquet", None)):
        path = tmp_path / name
        pyarrow.parquet.write_table(pa.table(TABLE), path) if columns is None else written(path, columns)
        with pytest.raises(DataError, match=r"pip install 'aezoo\[tables\]'"):
            open_data(path)


def test_what_is_more_than_memory_should_hold_is_mapped_from_a_file(tmp_path, monkeypatch):
    folder = tmp_path / "parts"
    folder.mkdir()
    for i in range(3):
        pyarrow.parquet.write_table(pa.table(TABLE).slice(20 * i, 20), folder / f"{i}.parquet", row_group_size=6)
    held = open_data(folder, kinds=KINDS)
    monkeypatch.setenv("AEZOO_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr("aezoo.data.tables.encode.HELD_BYTES", 100)
    large = open_data(folder, kinds=KINDS)
    assert large.split().train.mapped
    assert np.array_equal(large.x, held.x, equal_nan=True)
    assert len(list((tmp_path / "cache").iterdir())) == 1
    assert np.array_equal(open_data(folder, kinds=KINDS).x, held.x, equal_nan=True)
    with pytest.raises(DataError, match="more than memory: save it as Parquet"):
        open_data(pa.table(TABLE))


def test_spaces_around_cells_are_none_of_theirs(tmp_path):
    rows = [
        f"{20 + i}, {['Private', '?', 'State'][i % 3]}, {['Male', 'Female'][i % 2]}, {'NA' if i == 4 else i}"
        for i in range(30)
    ]
    (tmp_path / "a.csv").write_text("\n".join(rows))
    data = open_data(tmp_path / "a.csv")
    assert [(c.kind, c.levels, c.holes) for c in data.spec.columns] == [
        ("number", (), False),
        ("binary", ("Private", "State"), True),
        ("binary", ("Female", "Male"), False),
        ("number", (), True),
    ]
    assert np.isnan(data.x[:, 1]).sum() == 10


@pytest.mark.parametrize(
    ("texts", "said"),
    [
        ([f"{1 + i % 28:02d}/{1 + i % 12:02d}/2024" for i in range(60)], "seem to be dates: write them as 2026-01-31"),
        ([f"{1000 + 37 * i:,}.50" for i in range(60)], "numbers with marks between thousands"),
        ([f"{i}.5 %" for i in range(60)], "numbers with a unit"),
        ([f"name {i}" for i in range(60)], "60 texts in 60 rows"),
    ],
)
def test_words_that_would_be_dates_or_numbers_are_told(texts, said):
    notes = open_data(pa.table({"x": np.arange(60.0), "t": texts})).notes
    assert len(notes) == 1
    assert said in notes[0]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ((2, 1, 3.0), r"row 2 \(counted from 0\), column 'city' is 3, and its 3 levels are numbered from 0"),
        ((2, 1, 0.5), r"column 'city' is 0.5, and its 3 levels are numbered from 0"),
        ((4, 2, np.nan), r"row 4 .* column 'member' is missing, and no row to learn from lacked it"),
        ((5, 4, -1.0), r"column 'visits' is -1: counts are whole numbers from 0 on"),
        ((6, 0, -np.inf), r"column 'age' is -inf: remove such rows"),
    ],
)
def test_arrays_are_checked_by_the_columns_that_they_have(model, change, message):
    rows = by_hand()
    row, column, value = change
    rows[row, column] = value
    with pytest.raises(DataError, match=message):
        aezoo.Dataset(rows, spec=model.spec)
    with pytest.raises(DataError, match=message):
        model.score(rows)
