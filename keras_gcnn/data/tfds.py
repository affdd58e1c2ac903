"""Reads data sets through TensorFlow Datasets (TFDS), which keeps them on disk once prepared."""

from __future__ import annotations

import contextlib
import logging
import os
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any
from urllib.error import HTTPError
from urllib.parse import urlsplit
from urllib.request import Request, urlopen

import numpy as np

from keras_gcnn.data.catalogue import Entry
from keras_gcnn.data.dataset import Part, Source
from keras_gcnn.data.folders.cache import Progress, silent
from keras_gcnn.data.folders.stored import choose
from keras_gcnn.data.large import keep_split
from keras_gcnn.data.random_streams import generator, pick

_PROBE_SECONDS = 10
_CARVED_TEST = 0.2  # test share where the prepared files have a single split
_CARVE_SEED = 2017
_JPEG = b"\xff\xd8"


class DataNotFoundError(FileNotFoundError):
    """A data set is not on this disk and could not be downloaded, or its files are damaged."""


def read_prepared(
    entry: Entry,
    data_dir: str | Path | None = None,
    splits: tuple[str, ...] | None = None,
    *,
    cache: str | Path | None = None,
    progress: Progress = silent,
) -> Source:
    """Reads a data set as TFDS prepared it, and has TFDS download it first where necessary.

    Args:
        entry: `Entry`, the data set.
        data_dir: directory of prepared data sets; None for the environment variable
            TFDS_DATA_DIR, or the default of TFDS if that is not set.
        splits: published splits of training and test images to read; a single split is divided.
            None for those of the entry.
        cache: folder for the decoded images of large sets; None as in `keras_gcnn.data.load`.
        progress: shows progress while they are decoded.

    Returns:
        `Source` with upright images and labels from 0.

    Raises:
        DataNotFoundError: if the data are not there and cannot be downloaded, or are damaged.
        ImportError: if TensorFlow Datasets or what it needs is not installed.
    """
    tfds = _import_tfds()
    # TFDS reads the variable only when it is imported, which may have been before it was set.
    data_dir = data_dir or os.environ.get("TFDS_DATA_DIR")
    with _damage_reported(entry, data_dir or "the default directory of TensorFlow Datasets"):
        builder = tfds.builder(entry.tfds_name, data_dir=str(data_dir) if data_dir else None)
    if not (builder.data_path / "dataset_info.json").exists():
        _download(builder, entry)
    with _without_warnings(), _damage_reported(entry, builder.data_path):
        read: Callable[[str], Part]
        if entry.large:
            read = partial(keep_split, tfds, builder, cache=cache, progress=progress)
        else:
            read = partial(_read_split, tfds, builder, entry)
        return _read(tfds, builder, entry, splits or entry.splits, read)


@contextlib.contextmanager
def _without_warnings() -> Iterator[None]:
    """Silences the deprecation warnings of TFDS, about which its users can do nothing."""
    logger = logging.getLogger("absl")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(level)


@contextlib.contextmanager
def _damage_reported(entry: Entry, directory: str | Path) -> Iterator[None]:
    """Explains errors about files that end too early, are missing, or hold something else."""
    import tensorflow as tf
    from google.protobuf.json_format import ParseError  # of dataset_info.json

    damage = (
        FileNotFoundError,  # of dataset_info.json in earlier versions of TFDS, if it is no JSON
        ParseError,
        tf.errors.DataLossError,
        tf.errors.FailedPreconditionError,  # a file without a single record
        tf.errors.InvalidArgumentError,  # no image where one should be
        tf.errors.NotFoundError,
    )
    try:
        yield
    except DataNotFoundError:
        raise
    except damage as error:
        raise DataNotFoundError(
            f"The data set {entry.tfds_name!r} in {directory} cannot be read: files there are "
            f"damaged or missing ({type(error).__name__}: {error}). Delete it there and have "
            f"TensorFlow Datasets prepare it again (`tfds build {entry.tfds_name}`, or load it "
            "here while online)."
        ) from error


def _read(
    tfds: ModuleType,
    builder: Any,
    entry: Entry,
    wanted: tuple[str, ...],
    read: Callable[[str], Part],
) -> Source:
    splits = [name for name in wanted if name in builder.info.splits]
    if not splits:
        lack = " and no ".join(wanted)
        raise _not_found(builder, entry, f"the files there have no {lack} split")
    validation = None
    if len(splits) == 1:
        train, test, made = _divide(read(splits[0]), splits[0], entry, wanted)
    else:
        train, test = map(read, splits)
        made = f"{len(train[0]):,} training and {len(test[0]):,} test images, as published."
        if "validation" in builder.info.splits:
            validation = read("validation")
            made = f"{len(validation[0]):,} validation images, {made}"
    origin = f"Read with TensorFlow Datasets ({builder.info.full_name}). {made}"
    if _stored_as_jpeg(tfds, builder, splits[0]):
        origin += (
            " The files hold the images as JPEG, which loses detail: if the data set was "
            "published uncompressed, whoever prepared these files re-encoded it, and pixels "
            "differ slightly from the original."
        )
    text = f"{entry.description} {origin}"
    return Source(train, test, entry.classes, text, _is_single(entry), validation)


def _is_single(entry: Entry) -> bool:
    """Whether a data set was published as one split."""
    return len(entry.splits) == 1


def _divide(
    part: Part, split: str, entry: Entry, wanted: tuple[str, ...]
) -> tuple[Part, Part, str]:
    """Divides the images of one split at random; returns both parts, and what was done."""
    images, labels = part
    rng = generator(_CARVE_SEED, "published_split")
    count = round(_CARVED_TEST * len(images))
    is_test = pick(count, labels, rng, stratify=_is_single(entry))
    train, test = (
        (choose(images, index), labels[index])
        for index in (np.flatnonzero(~is_test), np.flatnonzero(is_test))
    )
    if _is_single(entry):
        whole, how, note = "Published is a single", "at random, by class in proportion,", ""
    else:
        only = "Read was only" if len(wanted) == 1 else "The prepared files hold only"
        whole, how = f"{only} the published {split}", "at random,"
        note = " Results do not compare with those on the published split."
    made = (
        f"{whole} split of {len(images):,} images; they were divided {how} always the same way, "
        f"into 80 % for training ({len(train[0]):,}) and 20 % for testing ({len(test[0]):,})."
    )
    return train, test, made + note


def _read_split(
    tfds: ModuleType, builder: Any, entry: Entry, split: str
) -> tuple[np.ndarray, np.ndarray]:
    """Returns images and labels in the order of the files."""
    wanted = tfds.decode.PartialDecoding({"image": True, "label": True})
    data = tfds.as_numpy(builder.as_dataset(split=split, batch_size=-1, decoders=wanted))
    images, labels = data["image"], data["label"].astype("int64") - entry.first_label
    return (images.swapaxes(1, 2) if entry.transposed else images), labels


def _stored_as_jpeg(tfds: ModuleType, builder: Any, split: str) -> bool:
    """Whether the first image is JPEG; the description of the data set may be wrong about it."""
    decoders = {"image": tfds.decode.SkipDecoding()}
    first = next(iter(tfds.as_numpy(builder.as_dataset(split=f"{split}[:1]", decoders=decoders))))
    return first["image"].startswith(_JPEG)


def _download(builder: Any, entry: Entry) -> None:
    """Downloads and prepares the data set; the error says what to do if that fails."""
    hosts = _hosts(builder.url_infos or ())
    if hosts and not any(_answers(host) for host in hosts):
        # TFDS itself would retry for more than three minutes.
        raise _not_found(builder, entry, f"{' and '.join(hosts)} cannot be reached to download it")
    try:
        builder.download_and_prepare()
    except Exception as error:  # TFDS wraps errors of network, disk, checksum and server
        reason = f"downloading it failed ({type(error).__name__}: {error})"
        raise _not_found(builder, entry, reason) from error


def _hosts(urls: Iterable[str]) -> list[str]:
    parts = {urlsplit(url) for url in urls}
    return sorted({f"{part.scheme}://{part.netloc}" for part in parts if part.netloc})


def _answers(host: str) -> bool:
    """Whether the server, or a proxy on the way to it, answers at all."""
    try:
        urlopen(Request(host, method="HEAD"), timeout=_PROBE_SECONDS).close()
    except HTTPError:
        return True  # the server is there, since it sent an error
    except OSError:
        return False
    return True


def _not_found(builder: Any, entry: Entry, reason: str) -> DataNotFoundError:
    return DataNotFoundError(
        f"The data set {entry.tfds_name!r} was not found in {builder.data_path}, and {reason}. "
        "Set data_dir or the environment variable TFDS_DATA_DIR to a directory where TensorFlow "
        f"Datasets prepared it (`tfds build {entry.tfds_name}`, or "
        f'`tensorflow_datasets.load("{entry.tfds_name}")` on a machine that is online), or go '
        "online so that it can be downloaded. The data set 'digits' needs no download."
    )


def _import_tfds() -> ModuleType:
    """Imports TensorFlow Datasets without its notes, and without taking all GPU memory."""
    os.environ.setdefault(
        "TF_CPP_MIN_LOG_LEVEL", "1"
    )  # hides notes about how TensorFlow was compiled
    try:
        import importlib_resources  # noqa: F401  TFDS needs it and does not declare it
        import tensorflow as tf  # before TFDS, which would fail later and less clearly
        import tensorflow_datasets as tfds
    except ImportError as error:
        raise ImportError(
            "This data set is read with TensorFlow Datasets, whatever the backend, and "
            f"{error.name or error} is missing: "
            "pip install tensorflow-datasets importlib_resources tensorflow-cpu. "
            "The data set 'digits' needs none of them."
        ) from error
    tfds.disable_progress_bar()
    for gpu in tf.config.list_physical_devices("GPU"):
        # TensorFlow takes a whole GPU when it starts, although data are read on the CPU. If it has
        # started already, because it is the backend, it refuses the change.
        with contextlib.suppress(RuntimeError, ValueError):
            tf.config.experimental.set_memory_growth(gpu, True)
    return tfds
