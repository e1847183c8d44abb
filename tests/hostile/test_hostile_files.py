"""Files that were made to break their reader: each was read wrongly, or at too great a price, before it was refused."""

import gzip
import io
import os
import struct
import threading
import tracemalloc
import warnings
import zipfile

import numpy as np
import pytest

from aezoo.data import dataset, open_data
from aezoo.data.formats import arrays, guard, table
from aezoo.errors import DataError, UsageError

X = np.arange(60.0).reshape(20, 3)


def npy_bytes(array):
    buffer = io.BytesIO()
    np.save(buffer, array, allow_pickle=False)
    return buffer.getvalue()


def archive(path, method=zipfile.ZIP_DEFLATED, **members):
    with zipfile.ZipFile(path, "w", method) as opened:
        for name, content in members.items():
            opened.writestr(f"{name}.npy", content)
    return path


def refused(path, **options):
    """The one line by which a file is refused, and the most bytes that were allocated until then."""
    tracemalloc.start()
    try:
        with pytest.raises(DataError) as caught:
            open_data(str(path), **options)
        return str(caught.value), tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def long_header(blanks):
    return b"\x93NUMPY\x02\x00" + struct.pack("<I", blanks) + b" " * blanks


def test_a_header_of_blanks_is_not_unpacked(tmp_path):
    line, most = refused(archive(tmp_path / "a.npz", x=long_header(200 << 20)))
    assert "a header of 209715200 bytes" in line
    assert most < 20 << 20


def test_a_long_header_of_a_plain_file_is_not_read(tmp_path):
    (tmp_path / "a.npy").write_bytes(long_header(50 << 20))
    line, most = refused(tmp_path / "a.npy")
    assert "a header of 52428800 bytes" in line
    assert most < 1 << 20


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_only_what_unpacks_bit_by_bit_is_unpacked(tmp_path, method):
    line, most = refused(archive(tmp_path / "a.npz", method, x=npy_bytes(np.zeros((4 << 20, 8), "u1"))))
    assert "packed in a way that NumPy does not" in line
    assert most < 2 << 20


def test_an_archive_that_unpacks_to_more_than_a_quarter_of_the_memory_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(guard, "physical_memory", lambda: 4 << 20)
    path = archive(tmp_path / "a.npz", x=npy_bytes(np.zeros((2 << 20, 1), "u1")))
    assert "unpacks to 0.0 GiB and this machine has 0.0 GiB" in refused(path)[0]
    half = npy_bytes(np.zeros((700 << 10, 1), "u1"))
    assert len(open_data(str(archive(tmp_path / "b.npz", x=half)))) == 700 << 10
    assert "of which data may hold a quarter" in refused(archive(tmp_path / "c.npz", x_train=half, x_test=half))[0]


def test_what_grows_as_no_data_do_is_refused_before_it_is_unpacked(tmp_path, monkeypatch):
    monkeypatch.setattr(guard, "HARMLESS", 1 << 20)
    path = archive(tmp_path / "a.npz", x=npy_bytes(np.zeros((8 << 20, 1), "u1")))
    line, most = refused(path)
    assert "times its size, as no data do" in line
    assert most < 1 << 20
    (tmp_path / "x.idx.gz").write_bytes(gzip.compress(struct.pack(">HBB2I", 0, 8, 2, 8 << 20, 1) + bytes(8 << 20)))
    assert "times its size, as no data do" in refused(tmp_path / "x.idx.gz")[0]
    noise = np.frombuffer(np.random.default_rng(0).bytes(2 << 20), "u1").reshape(-1, 8)
    assert len(open_data(str(archive(tmp_path / "b.npz", x=npy_bytes(noise))))) == 256 << 10


def test_an_archive_of_too_many_members_is_not_listed(tmp_path, monkeypatch):
    monkeypatch.setattr(arrays, "MOST_DIRECTORY", 1000)
    path = archive(tmp_path / "a.npz", **{f"member{i}": b"" for i in range(40)})
    assert "lists too many members" in refused(path)[0]


def test_a_safetensors_header_of_a_hundred_megabytes_is_not_read(tmp_path):
    header = b"{" + b" " * (90 << 20) + b"}"
    (tmp_path / "a.safetensors").write_bytes(struct.pack("<Q", len(header)) + header)
    line, most = refused(tmp_path / "a.safetensors")
    assert "announces a header of 94371842 bytes" in line
    assert most < 1 << 20


@pytest.mark.parametrize("end", [b"\n", b"\r"])
def test_a_line_without_end_is_not_read(tmp_path, monkeypatch, end):
    monkeypatch.setattr(table, "MOST_LINE", 1 << 20)
    monkeypatch.setattr(table, "BLOCK", 1 << 16)
    for first in (b"", b"1" + end):
        (tmp_path / "a.csv").write_bytes(first + b"2" * (1 << 21))
        line, most = refused(tmp_path / "a.csv")
        assert "has a line of more than 1 MiB" in line
        assert most < 1 << 20
    # many short lines are no long one
    (tmp_path / "b.csv").write_bytes((b"1,2" + end) * (1 << 19))
    assert len(open_data(str(tmp_path / "b.csv"))) == 1 << 19


def test_a_quote_that_is_not_closed_takes_no_memory(tmp_path):
    (tmp_path / "a.csv").write_bytes(b"1,2\n3," + b'"' + b"4\n" * (4 << 20))
    line, most = refused(tmp_path / "a.csv")
    assert "field larger than field limit" in line
    assert most < 16 << 20


def test_more_columns_than_a_datum_may_have_are_refused_at_line_1(tmp_path):
    (tmp_path / "a.csv").write_bytes(b"0," * 1_000_001 + b"0\n")
    assert "1,000,002 cells, and a row has at most 1,000,000" in refused(tmp_path / "a.csv")[0]


def test_a_table_of_more_numbers_than_memory_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(table, "physical_memory", lambda: 4 << 20)
    (tmp_path / "a.csv").write_bytes(b"0,1\n" * 70_000)
    assert "GiB of numbers: save it as .npy" in refused(tmp_path / "a.csv")[0]
    (tmp_path / "b.csv").write_bytes(b"0,1\n" * 60_000)
    assert len(open_data(str(tmp_path / "b.csv"))) == 60_000


@pytest.mark.parametrize("mark", ["\n", "\r", '"'])
def test_a_delimiter_that_cannot_be_one(tmp_path, mark):
    (tmp_path / "a.csv").write_bytes(b"1,2\n3,4\n")
    with pytest.raises(UsageError, match="cannot stand between cells"):
        open_data(str(tmp_path / "a.csv"), delimiter=mark)


def test_one_long_label_does_not_make_all_of_them_long(tmp_path):
    (tmp_path / "y.txt").write_text("a" * 20_000 + "\n" + "b\n" * 1_999)
    np.save(tmp_path / "x.npy", np.zeros((2_000, 2)))
    (tmp_path / "t.csv").write_text("x,k\n1," + "a" * 20_000 + "\n" + "1,b\n" * 1_999)
    tracemalloc.start()
    try:
        beside = open_data(str(tmp_path / "x.npy"), labels=str(tmp_path / "y.txt"))
        inside = open_data(str(tmp_path / "t.csv"), label="k")
        again = inside.changed(inside.x, inside.spec)
        assert tracemalloc.get_traced_memory()[1] < 20 << 20
    finally:
        tracemalloc.stop()
    for found in (beside, inside, again):
        assert found.labels.tolist() == [0] + [1] * 1_999
        assert found.label_names == ("a" * 20_000, "b")


def test_texts_of_impossible_letters_are_refused(tmp_path):
    np.save(tmp_path / "x.npy", X)
    content = bytearray(npy_bytes(np.array(["ab"] * 20)))
    content[-1] = 0xFF
    (tmp_path / "y.npy").write_bytes(content)
    assert "characters that do not exist" in refused(tmp_path / "x.npy", labels=str(tmp_path / "y.npy"))[0]
    archive(tmp_path / "a.npz", x=npy_bytes(X), y=bytes(content))
    assert "characters that do not exist" in refused(tmp_path / "a.npz")[0]
    np.save(tmp_path / "y.npy", np.array(["b", "a"] * 10).astype(">U1"))
    assert open_data(str(tmp_path / "x.npy"), labels=str(tmp_path / "y.npy")).labels.tolist() == [1, 0] * 10


def test_labels_file_that_lies_about_its_size_allocates_nothing(tmp_path):
    np.save(tmp_path / "x.npy", X)
    header = npy_bytes(np.zeros(1, "u1"))[:128].replace(b"(1,), }" + b" " * 10, b"(9999999999,), } ")
    (tmp_path / "y.npy").write_bytes(header + bytes(20))
    line, most = refused(tmp_path / "x.npy", labels=str(tmp_path / "y.npy"))
    assert "cannot be read as labels" in line
    assert most < 1 << 20


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (np.full(20, 2**63, "u8"), "beyond 63 bits"),
        (np.full(20, np.inf, "f2"), "not all whole numbers"),
        (np.full(20, 1.5, "f2"), "not all whole numbers"),
    ],
)
def test_labels_that_no_number_of_a_class_can_be(labels, message):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(DataError, match=message):
            open_data(X, labels=labels)


def test_short_floats_can_be_labels():
    assert open_data(X, labels=np.array([0, 1] * 10, "f2")).labels.tolist() == [0, 1] * 10


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no named pipes here")
@pytest.mark.parametrize("name", ["a.csv", "a.npy", "a.npz", "a.idx", "a.safetensors"])
def test_a_pipe_is_refused_and_not_waited_for(tmp_path, name):
    os.mkfifo(tmp_path / name)
    said = []
    reader = threading.Thread(target=lambda: said.append(refused(tmp_path / name)[0]), daemon=True)
    reader.start()
    reader.join(20)
    assert said
    assert "is no file but a pipe or a device" in said[0]


def test_more_rows_than_can_be_numbered_are_refused_before_they_are_looked_at(tmp_path, monkeypatch):
    monkeypatch.setattr(dataset, "physical_memory", lambda: 1000)
    monkeypatch.setattr(dataset, "check_rows", lambda *_: pytest.fail("the rows were read"))
    np.save(tmp_path / "x.npy", np.zeros((100, 2)))
    assert "100 rows, more than this machine can number" in refused(tmp_path / "x.npy")[0]


@pytest.mark.parametrize("text", ["[" * 5000, "-" * 9000 + "1", "-" * 2000 + "1"], ids=["brackets", "signs", "fewer"])
def test_a_header_without_end_is_not_blamed_on_the_memory(tmp_path, text):
    header = text.encode() + b"\n"
    (tmp_path / "a.npy").write_bytes(b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header)
    line, _ = refused(tmp_path / "a.npy")
    assert "cannot be read as a .npy array" in line
    assert "memory" not in line
