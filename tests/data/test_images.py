"""Folders and archives of images: pixels as a person sees them, classes, sizes, and what is broken."""

import io
import tarfile
import zipfile

import numpy as np
import pytest
from PIL import Image

import aezoo
from aezoo.core.mapped import mapped as is_mapped
from aezoo.data import open_data
from aezoo.errors import DataError, UsageError

RNG = np.random.default_rng(0)
GREY = RNG.integers(0, 256, (6, 5), dtype=np.uint8)
RGB = RNG.integers(0, 256, (6, 5, 3), dtype=np.uint8)
WORD = RNG.integers(0, 65536, (6, 5), dtype=np.uint16)


def saved(path, image, **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    image.save(path, **options)
    return path


def only(folder, **options):
    return open_data(folder, **options).all().rows()[0].numpy()


def palette(image):
    return Image.fromarray(image).convert("P", palette=Image.Palette.ADAPTIVE, colors=256)


def test_each_mode_is_what_a_person_sees(tmp_path):
    bits = Image.fromarray(GREY > 127)
    colours = palette(RGB)
    alpha = np.dstack([RGB, np.full((6, 5), 255, np.uint8)])
    alpha[0, 0, 3] = 0
    grey_alpha = np.dstack([GREY, np.where(np.arange(30).reshape(6, 5) == 0, 0, 255).astype(np.uint8)])
    white = np.where(alpha[..., 3:] == 0, 255, RGB)
    cmyk = Image.fromarray(RGB).convert("CMYK")
    wanted = {
        "grey": (Image.fromarray(GREY), GREY[None]),
        "rgb": (Image.fromarray(RGB), RGB.transpose(2, 0, 1)),
        "bit": (bits, (GREY > 127).astype(np.uint8)[None]),
        "palette": (colours, np.asarray(colours.convert("RGB")).transpose(2, 0, 1)),
        "grey-palette": (palette(np.repeat(GREY[..., None] // 16 * 16, 3, 2)), (GREY // 16 * 16)[None]),
        "alpha": (Image.fromarray(alpha), white.transpose(2, 0, 1)),
        "grey-alpha": (Image.fromarray(grey_alpha, "LA"), np.where(np.arange(30).reshape(6, 5) == 0, 255, GREY)[None]),
        "word": (Image.fromarray(WORD), WORD[None]),
        "cmyk": (cmyk, np.asarray(cmyk.convert("RGB")).transpose(2, 0, 1)),
        "float": (Image.fromarray(WORD.astype(np.float32) / 7), (WORD.astype(np.float32) / 7)[None]),
    }
    for name, (image, pixels) in wanted.items():
        end = "tif" if name in ("cmyk", "float") else "png"
        saved(tmp_path / name / f"a.{end}", image)
        data = open_data(tmp_path / name)
        assert np.array_equal(np.asarray(data.x)[0], pixels), name
        known = {"bit": (0, 1, 2), "word": (0, 65535, 65536), "float": (None, None, None)}.get(name, (0, 255, 256))
        assert (data.spec.low, data.spec.high, data.spec.levels) == known
        assert bool(data.notes) == ("alpha" in name)
    run = aezoo.train("undercomplete", saved_many(tmp_path / "words"), epochs=1, progress=False)
    assert run.model.spec.high == 65535


def saved_many(folder, count=12):
    for i in range(count):
        saved(folder / f"{i}.png", Image.fromarray(np.roll(WORD, i)))
    return folder


def test_a_camera_held_on_its_side_is_upright(tmp_path):
    upright = np.asarray(Image.fromarray(RGB))
    for orientation, turn in (
        (6, Image.Transpose.ROTATE_90),
        (8, Image.Transpose.ROTATE_270),
        (3, Image.Transpose.ROTATE_180),
    ):
        stored = Image.fromarray(RGB).transpose(turn)
        exif = Image.Exif()
        exif[0x0112] = orientation
        saved(tmp_path / str(orientation) / "a.png", stored, exif=exif)
        assert np.array_equal(only(tmp_path / str(orientation)), upright.transpose(2, 0, 1))


@pytest.mark.parametrize("end", ["jpg", "webp", "bmp", "gif", "tif"])
def test_formats(tmp_path, end):
    saved(tmp_path / f"a.{end}", Image.fromarray(RGB))
    with Image.open(tmp_path / f"a.{end}") as image:
        truth = np.asarray(image.convert("RGB"))
    assert np.array_equal(only(tmp_path), truth.transpose(2, 0, 1))


def test_depths_and_colours_that_mix_lose_nothing(tmp_path):
    saved(tmp_path / "a.png", Image.fromarray(GREY))
    saved(tmp_path / "b.png", Image.fromarray(WORD))
    x = np.asarray(open_data(tmp_path).x)
    assert np.array_equal(x, np.stack([GREY[None].astype(np.uint16) * 257, WORD[None]]))
    saved(tmp_path / "b.png", Image.fromarray(RGB))
    x = np.asarray(open_data(tmp_path).x)
    assert np.array_equal(x[0], np.repeat(GREY[None], 3, 0))
    assert open_data(tmp_path, mode="grey").spec.shape == (1, 6, 5)


def test_classes_are_the_first_folders(tmp_path):
    for name in ("cat/a/1.png", "cat/2.PNG", "dog/3.png"):
        saved(tmp_path / name, Image.fromarray(GREY), format="png")
    (tmp_path / "dog" / "notes.txt").write_text("no image")
    data = open_data(tmp_path)
    assert data.label_names == ("cat", "dog")
    assert data.labels.tolist() == [0, 0, 1]
    assert data.spec.classes == 2
    saved(tmp_path / "stray.png", Image.fromarray(GREY))
    assert open_data(tmp_path).labels is None


@pytest.mark.parametrize("kind", ["zip", "tar", "tar.gz", "tgz", "shards"])
def test_archives_hold_the_same_rows(tmp_path, kind):
    folder = tmp_path / "images"
    for i in range(6):
        saved(folder / ["a", "b"][i % 2] / f"{i}.png", Image.fromarray(np.roll(GREY, i)))
    truth = open_data(folder)
    files = sorted(folder.rglob("*.png"))
    if kind == "zip":
        path = tmp_path / "x.zip"
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            for file in files:
                archive.write(file, f"images/{file.relative_to(folder)}")
            archive.writestr("__MACOSX/images/a/._0.png", b"no image")
    elif kind == "shards":
        path = tmp_path / "shards"
        path.mkdir()
        for shard, part in enumerate((files[:3], files[3:])):
            with tarfile.open(path / f"{shard}.tar", "w") as archive:
                for file in part:
                    archive.add(file, file.name)
                    text = file.parent.name.encode()
                    info = tarfile.TarInfo(f"{file.stem}.cls")
                    info.size = len(text)
                    archive.addfile(info, io.BytesIO(text))
    else:
        path = tmp_path / f"x.{kind}"
        with tarfile.open(path, "w:gz" if "g" in kind else "w") as archive:
            archive.add(folder, "images")
    data = open_data(path)
    assert np.array_equal(data.x, truth.x)
    assert [data.label_names[i] for i in data.labels] == ["a", "a", "a", "b", "b", "b"]
    again = aezoo.data.reopen(data.source)
    assert np.array_equal(again.x, data.x)


def test_names_with_dots_in_shards_are_told(tmp_path):
    with tarfile.open(tmp_path / "x.tar", "w") as archive:
        for i in range(5):
            path = saved(tmp_path / f"scan.{i:03d}.png", Image.fromarray(np.roll(GREY, i)))
            archive.add(path, path.name)
    data = open_data(tmp_path / "x.tar")
    assert len(data) == 5
    assert "5 images share the part of their name before its first dot" in data.notes[0]


def test_sizes_are_chosen_or_told(tmp_path):
    saved(tmp_path / "a.png", Image.new("L", (8, 4), 255))
    saved(tmp_path / "b.png", Image.new("L", (4, 4), 255))
    saved(tmp_path / "c.png", Image.new("L", (4, 4), 0))
    with pytest.raises(DataError, match=r"several sizes, 4×4 \(2\), 4×8 \(1\): choose one"):
        open_data(tmp_path)
    for fit, wanted in (("resize", 255), ("crop", 255), ("pad", 127.5)):
        x = np.asarray(open_data(tmp_path, size=4, fit=fit).x)
        assert x.shape == (3, 1, 4, 4)
        assert x[0].mean() == pytest.approx(wanted, abs=1)
        assert x[1].mean() == 255
    assert open_data(f"{tmp_path},size=6;3").spec.shape == (1, 6, 3)
    saved(tmp_path / "bits" / "d.png", Image.fromarray(np.indices((8, 8)).sum(0) % 2 == 0))
    small = open_data(tmp_path / "bits", size=4)
    assert small.spec.levels == 256
    assert set(np.unique(small.x)) - {0, 255}
    with pytest.raises(UsageError, match="a size is a number of pixels"):
        open_data(tmp_path, size="4x4")


def test_a_broken_image_is_named_and_skipped_only_when_asked(tmp_path):
    for i in range(4):
        saved(tmp_path / f"{i}.png", Image.fromarray(RNG.integers(0, 256, (60, 60), dtype=np.uint8)))
    content = (tmp_path / "2.png").read_bytes()
    (tmp_path / "2.png").write_bytes(content[: len(content) // 2])
    with pytest.raises(DataError, match=r"image '2.png' cannot be read .*skip_broken=true"):
        open_data(tmp_path)
    (tmp_path / "3.png").write_bytes(b"no image")
    data = open_data(tmp_path, skip_broken=True)
    assert len(data) == 2
    assert data.notes == ["2 of 4 images are broken and left out, such as '2.png'."]


def test_models_take_the_images_that_they_learned(tmp_path):
    for i in range(20):
        saved(tmp_path / "bits" / f"{i}.png", Image.fromarray(np.roll(GREY, i) > 127))
        saved(tmp_path / "grey" / f"{i}.png", Image.fromarray(np.roll(GREY, i)))
    model = aezoo.train("undercomplete", tmp_path / "grey", epochs=1, progress=False).model
    data = open_data(tmp_path / "bits", like=model.spec)
    assert np.array_equal(np.unique(data.x), [0, 255])
    saved(tmp_path / "large" / "a.png", Image.new("L", (10, 12)))
    with pytest.raises(DataError, match=r"images of 12×10, and the model learned 6×5: give size=6;5"):
        open_data(tmp_path / "large", like=model.spec)


def test_pixels_may_be_kept_on_disk(tmp_path, monkeypatch):
    for i in range(5):
        saved(tmp_path / "in" / f"{i}.png", Image.fromarray(np.roll(GREY, i)))
    held = open_data(tmp_path / "in")
    mapped = open_data(tmp_path / "in", cache=str(tmp_path / "cache"))
    assert is_mapped(mapped.x) is not None
    assert np.array_equal(mapped.x, held.x)
    (kept,) = (tmp_path / "cache").iterdir()
    first = kept.stat().st_mtime_ns
    open_data(tmp_path / "in", cache=str(tmp_path / "cache"))
    assert kept.stat().st_mtime_ns == first
    # what changed is decoded anew, and beyond memory the user's own folder is taken
    saved(tmp_path / "in" / "0.png", Image.fromarray(255 - GREY))
    monkeypatch.setenv("AEZOO_CACHE", str(tmp_path / "own"))
    monkeypatch.setattr("aezoo.data.images.read.HELD_BYTES", 100)
    assert np.array_equal(np.asarray(open_data(tmp_path / "in").x)[0, 0], 255 - GREY)
    assert len(list((tmp_path / "own").iterdir())) == 1


@pytest.mark.parametrize("name", ["../out.png", "/etc/out.png", "a/../../out.png", "c:\\out.png"])
def test_archives_that_leave_their_folder_are_not_read(tmp_path, name):
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as archive:
        archive.writestr(name, b"")
    with pytest.raises(DataError, match="leaves its folder"):
        open_data(tmp_path / "x.zip")


def test_archives_that_grow_without_measure_are_not_read(tmp_path, monkeypatch):
    monkeypatch.setattr("aezoo.data.images.files.HARMLESS", 1000)
    with zipfile.ZipFile(tmp_path / "x.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.bmp", bytes(10_000_000))
    with pytest.raises(DataError, match="times its size, as no images do"):
        open_data(tmp_path / "x.zip")


def test_images_larger_than_any_are_refused(tmp_path, monkeypatch):
    saved(tmp_path / "a.png", Image.new("L", (100, 100)))
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 5000)
    with pytest.raises(DataError, match=r"image 'a.png' cannot be read"):
        open_data(tmp_path)


def test_a_picture_beside_idx_files_is_no_data(tmp_path):
    (tmp_path / "train-images-idx3-ubyte").write_bytes(b"\0\0\x08\x03\0\0\0\x0a\0\0\0\2\0\0\0\2" + bytes(40))
    saved(tmp_path / "sheet.png", Image.fromarray(GREY))
    assert open_data(tmp_path).spec.shape == (1, 2, 2)


def test_folders_without_images_and_with_both(tmp_path):
    (tmp_path / "x.txt").write_text("")
    with pytest.raises(DataError, match="no train-images-idx3-ubyte"):
        open_data(tmp_path)
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as archive:
        archive.writestr("a.txt", b"")
    with pytest.raises(DataError, match=r"holds no images: put .png"):
        open_data(tmp_path / "x.zip")
    saved(tmp_path / "a.png", Image.fromarray(GREY))
    with pytest.raises(DataError, match="images and archives of images: give one"):
        open_data(tmp_path)
    (tmp_path / "y.zip").write_bytes(b"PK no archive")
    with pytest.raises(DataError, match=r"y.zip"):
        open_data(tmp_path / "y.zip")
