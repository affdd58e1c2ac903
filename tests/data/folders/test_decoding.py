"""Image files of every kind become the same arrays, and bad ones have a reason."""

import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from keras_gcnn.data.folders import decoding
from keras_gcnn.data.folders.decoding import BadImageError, decode, read_header

pytestmark = pytest.mark.backend_free


def header(path):
    found = read_header(path)
    return found.rows, found.columns, found.channels, found.bits


@pytest.mark.parametrize(
    ("name", "shape", "dtype"),
    [
        ("a.png", (5, 7, 3), "uint8"),
        ("a.tif", (5, 7, 3), "uint8"),
        ("a.bmp", (5, 7, 3), "uint8"),
        ("grey.png", (5, 7), "uint8"),
        ("grey16.png", (5, 7), "uint16"),
        ("grey16.tiff", (5, 7), "uint16"),
    ],
)
def test_pixels_are_those_of_the_file(write, tmp_path, name, shape, dtype):
    pixels = write(name, shape, dtype)
    found = decode(tmp_path / name)
    np.testing.assert_array_equal(found, pixels.reshape(5, 7, -1))
    assert found.dtype == dtype
    assert header(tmp_path / name) == (*found.shape, 8 * found.itemsize)


def test_palettes_become_colours_and_transparent_pixels_black(tmp_path):
    palette = Image.new("P", (2, 1))
    palette.putpalette([255, 0, 0, 0, 0, 255])
    palette.putdata([0, 1])
    palette.save(tmp_path / "palette.png")
    assert decode(tmp_path / "palette.png").tolist() == [[[255, 0, 0], [0, 0, 255]]]
    palette.save(tmp_path / "clear.png", transparency=1)
    assert decode(tmp_path / "clear.png").tolist() == [[[255, 0, 0], [0, 0, 0]]]
    Image.fromarray(np.array([[[200, 100, 50, 51]]], "uint8")).save(tmp_path / "alpha.png")
    assert decode(tmp_path / "alpha.png").tolist() == [[[40, 20, 10]]]  # a fifth of it
    Image.fromarray(np.array([[[200, 51]]], "uint8"), "LA").save(tmp_path / "grey.png")
    assert decode(tmp_path / "grey.png").tolist() == [[[40]]]
    Image.new("1", (2, 1), 1).save(tmp_path / "bits.png")
    assert decode(tmp_path / "bits.png").tolist() == [[[255], [255]]]


def part(name, content):
    check = zlib.crc32(name + content)
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", check)


@pytest.mark.parametrize(
    ("bits", "colour", "row", "key", "expected"),
    [
        (8, 2, bytes([255, 255, 255, 255, 255, 7]), (255, 255, 255), [[0, 0, 0], [255, 255, 7]]),
        (8, 0, bytes([255, 7]), (255,), [[0], [7]]),
        (4, 0, bytes([0x37]), (3,), [[0], [0x77]]),
        (2, 0, bytes([0b10110000]), (2,), [[0], [255]]),
        (1, 0, bytes([0b10000000]), (1,), [[0], [0]]),
        (16, 0, struct.pack(">HH", 770, 771), (770,), [[0], [771]]),
        (16, 2, struct.pack(">6H", *[770] * 3, *[9000] * 3), [770] * 3, [[0] * 3, [35] * 3]),
    ],
)
def test_the_colour_that_a_png_declares_transparent_becomes_black(
    tmp_path, bits, colour, row, key, expected
):
    content = (
        b"\x89PNG\r\n\x1a\n"
        + part(b"IHDR", struct.pack(">IIBBBBB", 2, 1, bits, colour, 0, 0, 0))
        + part(b"tRNS", struct.pack(f">{len(key)}H", *key))
        + part(b"IDAT", zlib.compress(b"\0" + row))
        + part(b"IEND", b"")
    )
    (tmp_path / "key.png").write_bytes(content)
    assert decode(tmp_path / "key.png").tolist() == [expected]
    assert decode(tmp_path / "key.png", indices=True).any(axis=-1)[0, 0]  # of a mask it is a class


def test_the_orientation_that_a_camera_noted_is_applied(tmp_path):
    pixels = np.arange(12, dtype="uint8").reshape(2, 6)
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was held a quarter turn counter-clockwise
    Image.fromarray(pixels).save(tmp_path / "turned.png", exif=exif)
    np.testing.assert_array_equal(decode(tmp_path / "turned.png")[..., 0], np.rot90(pixels, -1))
    assert header(tmp_path / "turned.png")[:2] == (6, 2)


TURNS = {
    1: lambda x: x,
    2: lambda x: x[:, ::-1],
    3: lambda x: x[::-1, ::-1],
    4: lambda x: x[::-1],
    5: lambda x: x.swapaxes(0, 1),
    6: lambda x: np.rot90(x, -1),
    7: lambda x: x[::-1, ::-1].swapaxes(0, 1),
    8: lambda x: np.rot90(x, 1),
}
"""What is to be seen of the pixels in a file, by the value of the tag (TIFF 6.0, Orientation)."""


@pytest.mark.parametrize("orientation", TURNS)
@pytest.mark.parametrize("compression", [None, "tiff_lzw"])
@pytest.mark.parametrize(
    ("shape", "dtype"), [((4, 6), "uint8"), ((4, 6), "uint16"), ((4, 6, 3), "uint8")]
)
def test_the_orientation_of_tiff(write, tmp_path, shape, dtype, compression, orientation):
    options = {"compression": compression} if compression else {}
    pixels = write("a.tif", shape, dtype, tiffinfo={274: orientation}, **options)
    expected = TURNS[orientation](pixels.reshape(4, 6, -1))
    np.testing.assert_array_equal(decode(tmp_path / "a.tif"), expected)
    assert header(tmp_path / "a.tif") == (*expected.shape, 8 * expected.itemsize)


@pytest.mark.parametrize("orientation", [*TURNS, 9])
def test_the_orientation_of_tiff_that_pillow_does_not_read(tmp_path, rng, orientation):
    tifffile = pytest.importorskip("tifffile")
    tag = {"extratags": [(274, "H", 1, orientation, True)]}
    pixels = rng.integers(0, 65536, (4, 6, 3), "uint16")
    tifffile.imwrite(tmp_path / "a.tif", pixels, photometric="rgb", **tag)
    expected = TURNS.get(orientation, TURNS[1])(pixels)
    np.testing.assert_array_equal(decode(tmp_path / "a.tif"), expected)
    assert header(tmp_path / "a.tif") == (*expected.shape, 16)


def test_colours_of_16_bits(tmp_path, rng):
    tifffile = pytest.importorskip("tifffile")
    pixels = rng.integers(0, 65536, (4, 5, 3), "uint16")
    tifffile.imwrite(tmp_path / "a.tif", pixels, photometric="rgb")
    np.testing.assert_array_equal(decode(tmp_path / "a.tif"), pixels)
    assert header(tmp_path / "a.tif") == (4, 5, 3, 16)
    planes = pixels.transpose(2, 0, 1)  # red, green and blue lie one after the other
    tifffile.imwrite(tmp_path / "p.tif", planes, photometric="rgb", planarconfig="separate")
    np.testing.assert_array_equal(decode(tmp_path / "p.tif"), pixels)
    four = np.stack([pixels[..., 0]] * 4)
    tifffile.imwrite(tmp_path / "q.tif", four, photometric="rgb", planarconfig="separate")
    with pytest.raises(BadImageError, match=r"shape \(4, 4, 5\).*; save one channel"):
        decode(tmp_path / "q.tif")
    floats = rng.uniform(size=(4, 5)).astype("float32")
    tifffile.imwrite(tmp_path / "f.tif", floats)
    np.testing.assert_array_equal(decode(tmp_path / "f.tif")[..., 0], floats)
    tifffile.imwrite(tmp_path / "g.tif", floats * 300)
    with pytest.raises(BadImageError, match=r"outside \[0, 1\]"):
        decode(tmp_path / "g.tif")


@pytest.mark.parametrize(
    ("pixels", "reason"),
    [
        (np.array([[5, -5]], "int16"), "has negative numbers; write it with unsigned integers of"),
        (np.array([[5, -5]], "int8"), "has negative numbers; write it with unsigned integers of 8"),
        (np.array([[5, 65536]], "int32"), "has numbers above 65,535; write it with unsigned int"),
        (np.full((2, 2, 3), 5, "int16"), "has pixels of type int16; write it with unsigned int"),
    ],
)
def test_integers_that_are_no_brightness(tmp_path, pixels, reason):
    tifffile = pytest.importorskip("tifffile")
    photometric = "minisblack" if pixels.ndim == 2 else "rgb"
    tifffile.imwrite(tmp_path / "a.tif", pixels, photometric=photometric)
    with pytest.raises(BadImageError, match=reason):
        decode(tmp_path / "a.tif")
    if pixels.ndim == 2:  # the other numbers of such a file are what they are
        tifffile.imwrite(tmp_path / "b.tif", pixels[:, :1], photometric=photometric)
        assert decode(tmp_path / "b.tif").tolist() == [[[5]]]


@pytest.mark.parametrize("by_tifffile", [False, True])
@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
def test_a_zero_that_is_white_is_white_in_images_and_zero_in_masks(
    tmp_path, monkeypatch, dtype, by_tifffile
):
    tifffile = pytest.importorskip("tifffile")
    monkeypatch.setattr(decoding.tiff, "is_deep", lambda image: by_tifffile)
    white = 1 if dtype == "float32" else np.iinfo(dtype).max
    pixels = np.array([[0, white]], dtype)
    tifffile.imwrite(tmp_path / "a.tif", pixels, photometric="miniswhite")
    assert decode(tmp_path / "a.tif").tolist() == [[[white], [0]]]
    assert decode(tmp_path / "a.tif", indices=True).tolist() == [[[0], [white]]]


def truncated(path, write):
    write(path.name, (64, 64, 3))
    path.write_bytes(path.read_bytes()[:300])


def huge(path, write):
    write(path.name)
    content = bytearray(path.read_bytes())
    content[16:24] = (40_000).to_bytes(4, "big") * 2  # width and height in the header of a PNG
    content[29:33] = zlib.crc32(content[12:29]).to_bytes(4, "big")
    path.write_bytes(content)


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (lambda path, write: path.write_text("hello"), "is no image"),
        (lambda path, write: path.write_bytes(b""), "is no image"),
        (lambda path, write: path.write_bytes(b"II*\0" + bytes(30)), "damaged|tifffile|no image"),
        (truncated, "is damaged"),
        (huge, "40,000 x 40,000 pixels, more than|too many pixels"),
        (lambda path, write: None, "does not exist"),
    ],
)
def test_files_that_are_no_images_have_a_reason(tmp_path, write, make, reason):
    path = tmp_path / "bad.png"
    make(path, write)
    for read in (decode, read_header):
        if make is truncated and read is read_header:
            continue  # its header is whole
        with pytest.raises(BadImageError, match=reason):
            read(path)


def test_a_size_that_fits_is_not_refused():
    decoding.check_size((8192, 8192))
    with pytest.raises(BadImageError, match="cut it into tiles"):
        decoding.check_size((8193, 8192))
