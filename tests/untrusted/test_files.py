"""Archives, JSON and HDF5 that ask for far more than they are, which are refused first."""

import json
import zipfile

import h5py
import pytest

from keras_gcnn import untrusted
from tests.untrusted.hostile import CONFIG, WEIGHTS, pack, refuse, weights

pytestmark = pytest.mark.backend_free
JSONS = {
    "values": (b"[" + b"{}," * 2_000_000 + b"{}]", "its JSON has 400000. values"),
    "depth": (b"[" * 5_000 + b"]" * 5_000, "its JSON is nested 5000 deep"),
    "no dict": (b"3", "is no configuration"),
}


@pytest.mark.parametrize("case", JSONS)
def test_json(dense, tmp_path, case):
    text, match = JSONS[case]
    refuse(pack(tmp_path / "model.keras", {**dense, CONFIG: text}), match)


def test_brackets_in_strings_are_no_depth():
    text = json.dumps({"a": ['"' + "[" * 1000, "\\"]})
    assert untrusted.parse_json(text.encode()) == json.loads(text)


NAMES = {
    "/absolute": "no plain name",
    "assets/../../up": "no plain name",
    "back\\slash": "no plain name",
    "C:/drive": "no plain name",
    "new\nline": "no plain name",
    "a" * 300: "too long a name",
}


@pytest.mark.parametrize("name", NAMES)
def test_names_in_the_archive(dense, tmp_path, name):
    refuse(pack(tmp_path / "model.keras", {**dense, name: b""}), NAMES[name])


def test_an_entry_that_unpacks_to_much(dense, tmp_path):
    zeros = {**dense, "assets/zeros": bytes(40_000_000)}
    refuse(pack(tmp_path / "model.keras", zeros), "would unpack to 400.* which no model does")


def test_entries_that_overlap(dense, tmp_path):
    """Both lie in one place, so that a small file could unpack to terabytes."""
    path = pack(tmp_path / "model.keras", {**dense, "assets/a": bytes(1000), "assets/b": b""})
    content = bytearray(path.read_bytes())
    with zipfile.ZipFile(path) as archive:
        places = [archive.getinfo(name).header_offset for name in ("assets/a", "assets/b")]
    place, other = (one.to_bytes(4, "little") for one in places)
    last = content.rindex(b"PK\x01\x02")
    content[last:] = content[last:].replace(other, place, 1)
    path.write_bytes(content)
    refuse(path, r"its parts 'assets/\w' and 'assets/\w' overlap")


def test_two_entries_of_one_name(dense, tmp_path):
    path = pack(tmp_path / "model.keras", dense)
    with pytest.warns(UserWarning, match="Duplicate"), zipfile.ZipFile(path, "a") as archive:
        archive.writestr(CONFIG, b"{}")
    refuse(path, "two of its parts have the same name")


@pytest.mark.parametrize(
    ("times", "match"), [(12_000, "it has 120.. parts"), (50_000, "larger than that of any model")]
)
def test_a_directory_that_is_too_large(dense, tmp_path, times, match):
    """The entry of one part, many times."""
    path = pack(tmp_path / "model.keras", dense)
    content = path.read_bytes()
    first, end = content.index(b"PK\x01\x02"), content.rindex(b"PK\x05\x06")
    last = content.rindex(b"PK\x01\x02")
    directory = content[first:end] + times * content[last:end]
    size = len(directory).to_bytes(4, "little")
    tail = content[end : end + 12] + size + content[end + 16 :]
    path.write_bytes(content[:first] + directory + tail)
    refuse(path, match)


def _external(group, name):
    group.create_dataset(name, (4, 3), "f4", external=[("elsewhere", 0, 48)])


def _virtual(group, name):
    layout = h5py.VirtualLayout((4, 3), "f4")
    layout[:] = h5py.VirtualSource("elsewhere", "data", (4, 3))
    group.create_virtual_dataset(name, layout)


def _packed(group, name):
    data = group.create_dataset(name, (4, 2**25), "f4", chunks=(1, 2**22), compression="gzip")
    data[0, : 2**22] = 0


HDF5S = {
    "not there": (lambda g, n: g.create_dataset(n, (4, 2**26), "f4"), "do not fit into a file"),
    "packed": (_packed, "do not fit into a file"),
    "large pieces": (
        lambda g, n: g.create_dataset(
            n, (4, 3), "f4", chunks=(2**14, 2**13), maxshape=(None, None)
        ),
        "do not fit into a file",
    ),
    "external": (_external, "are kept in another file"),
    "virtual": (_virtual, "are kept in another file"),
    "soft link": (lambda g, n: g.__setitem__(n, h5py.SoftLink("/elsewhere")), "another place"),
    "link": (lambda g, n: g.__setitem__(n, h5py.ExternalLink("a.h5", "/")), "another place"),
    "texts": (lambda g, n: g.create_dataset(n, (4,), h5py.string_dtype()), "are no numbers"),
    "references": (lambda g, n: g.create_dataset(n, (4,), h5py.ref_dtype), "are no numbers"),
}


@pytest.mark.parametrize("case", HDF5S)
def test_hdf5(dense, tmp_path, case):
    make, match = HDF5S[case]
    refuse(pack(tmp_path / "model.keras", {**dense, WEIGHTS: weights(dense, make)}), match)
