"""The data sets that are read through TensorFlow Datasets."""

from __future__ import annotations

from dataclasses import dataclass
from string import ascii_lowercase, ascii_uppercase, digits


@dataclass(frozen=True)
class Entry:
    """A data set of TensorFlow Datasets, with what its files do not contain.

    Args:
        tfds_name: str, its name in TensorFlow Datasets.
        classes: names of the classes.
        description: str, what it is and who made it.
        image_shape: rows, columns and channels of the images.
        first_label: int, the label of `classes[0]` in the files.
        transposed: bool, whether rows and columns are exchanged in the files.
        splits: the published ones of training and test images; a single one is divided.
        large: bool, whether the images are kept in a file and read as they are needed; they have to
            be upright, with labels from 0.
    """

    tfds_name: str
    classes: tuple[str, ...]
    description: str
    image_shape: tuple[int, int, int] = (28, 28, 1)
    first_label: int = 0
    transposed: bool = False
    splits: tuple[str, ...] = ("train", "test")
    large: bool = False


# EMNIST merges the 15 lower-case letters that look like their capitals: only 11 have their own
# class (Cohen et al. 2017, section II; the mapping files of the data set).
_MERGED = (*digits, *ascii_uppercase, *"abdefghnqrt")
_EMNIST_CLASSES = {
    "bymerge": _MERGED,
    "balanced": _MERGED,
    "byclass": (*digits, *ascii_uppercase, *ascii_lowercase),
    "letters": tuple(ascii_uppercase),
    "digits": tuple(digits),
    "mnist": tuple(digits),
}


def _emnist(config: str) -> Entry:
    return Entry(
        tfds_name=f"emnist/{config}",
        classes=_EMNIST_CLASSES[config],
        description=(
            f"EMNIST ({config}), handwritten characters in 28x28 grey pixels (G. Cohen et al., "
            "'EMNIST: an extension of MNIST to handwritten letters', 2017). The files hold them "
            "with rows and columns exchanged; here they are upright."
        ),
        first_label=1 if config == "letters" else 0,
        transposed=True,
    )


CATALOGUE = {
    "mnist": Entry(
        "mnist",
        tuple(digits),
        "MNIST, handwritten digits in 28x28 grey pixels (Y. LeCun, C. Cortes and C. Burges).",
    ),
    "fashion_mnist": Entry(
        "fashion_mnist",
        (
            "T-shirt/top",
            "Trouser",
            "Pullover",
            "Dress",
            "Coat",
            "Sandal",
            "Shirt",
            "Sneaker",
            "Bag",
            "Ankle boot",
        ),
        "Fashion-MNIST, articles of clothing in 28x28 grey pixels (H. Xiao, K. Rasul and "
        "R. Vollgraf, 2017).",
    ),
    "cifar10": Entry(
        "cifar10",
        (
            "airplane",
            "automobile",
            "bird",
            "cat",
            "deer",
            "dog",
            "frog",
            "horse",
            "ship",
            "truck",
        ),
        "CIFAR-10, photographs in 32x32 colour pixels (A. Krizhevsky, 2009).",
        image_shape=(32, 32, 3),
    ),
    "patch_camelyon": Entry(
        "patch_camelyon",
        ("normal", "tumor"),
        "PatchCamelyon, tissue of lymph nodes in 96x96 colour pixels, with tumour at the centre or "
        "without (B. Veeling et al., 'Rotation Equivariant CNNs for Digital Pathology', 2018).",
        image_shape=(96, 96, 3),
        large=True,
    ),
    "colorectal_histology": Entry(
        "colorectal_histology",
        ("tumor", "stroma", "complex", "lympho", "debris", "mucosa", "adipose", "empty"),
        "Textures of colorectal cancer in 150x150 colour pixels (J. Kather et al., 'Multi-class "
        "texture analysis in colorectal cancer histology', 2016). Training and test images may be "
        "of the same tissue sample.",
        image_shape=(150, 150, 3),
        splits=("train",),
        large=True,
    ),
    "eurosat": Entry(
        "eurosat/rgb",
        (
            "AnnualCrop",
            "Forest",
            "HerbaceousVegetation",
            "Highway",
            "Industrial",
            "Pasture",
            "PermanentCrop",
            "Residential",
            "River",
            "SeaLake",
        ),
        "EuroSAT, land in satellite images of 64x64 colour pixels (P. Helber et al., 'EuroSAT: A "
        "Novel Dataset and Deep Learning Benchmark for Land Use and Land Cover Classification', "
        "2017).",
        image_shape=(64, 64, 3),
        splits=("train",),
        large=True,
    ),
    "emnist": _emnist("bymerge"),
    **{f"emnist/{config}": _emnist(config) for config in _EMNIST_CLASSES},
}
