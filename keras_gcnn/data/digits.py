"""Small handwritten digits that come with the library and need no download.

`digits.npz` holds the 1,797 images (uint8, 8x8, values 0 to 16) and labels that scikit-learn ships
as `sklearn.datasets.load_digits`, value for value and in the same order. They are the test part of
"Optical Recognition of Handwritten Digits", E. Alpaydin and C. Kaynak, UCI Machine Learning
Repository, 1998, https://doi.org/10.24432/C50P49, licensed CC BY 4.0.
"""

from __future__ import annotations

from importlib import resources

import numpy as np

from keras_gcnn.data.dataset import Source
from keras_gcnn.data.random_streams import generator, pick
from keras_gcnn.data.rotation import scipy_ndimage

_TEST = 500
_BOX, _SIZE = 20, 28  # the digit's box and the image, in pixels, as in MNIST
SIGNATURE = ((_SIZE, _SIZE, 1), 10)  # shape of an image, and number of classes
_SPLIT_SEED = 1998  # the test images are the same for everyone, whatever the seed of `load`


def read_digits() -> Source:
    """Returns the digits as 28x28 images with a fixed, stratified split.

    An 8x8 image becomes 20x20 in a border of 4 zeros, which leaves room to rotate it: a 20x20 box
    rotated by 45 degrees loses only its empty corners.

    Returns:
        `Source` with 1,297 training and 500 test images.
    """
    with resources.as_file(resources.files(__package__) / "digits.npz") as path:
        data = np.load(path)
        small, labels = data["images"], data["labels"].astype("int64")
    test = pick(_TEST, labels, generator(_SPLIT_SEED, "published_split"), stratify=True)
    images = _enlarge(small)
    return Source(
        train=(images[~test], labels[~test]),
        test=(images[test], labels[test]),
        classes=tuple("0123456789"),
        description=(
            "1,797 handwritten digits from scikit-learn, the test part of 'Optical Recognition of "
            "Handwritten Digits' (E. Alpaydin and C. Kaynak, UCI Machine Learning Repository, "
            "1998, CC BY 4.0). The 8x8 images were enlarged to 20x20 pixels with cubic splines, "
            "clipped, rounded to 8 bits and padded with 4 zeros on every side to 28x28. The split "
            "into 1,297 training and 500 test images is this library's own, fixed and stratified "
            "by class; the writers are not recorded, so the same person may have written training "
            "and test digits."
        ),
        stratify=True,
    )


def _enlarge(small: np.ndarray) -> np.ndarray:
    """Converts `(n, 8, 8)` with values 0 to 16 to uint8 `(n, 28, 28, 1)`.

    With `grid_mode` the pixels are squares that fill the image, so the scaling is symmetric about
    its centre and commutes with quarter turns; rounding to 8 bits makes that exact.
    """
    # A spline on a grid is a product of splines along rows and columns: both are this matrix.
    spline = scipy_ndimage().zoom(
        np.eye(small.shape[1]),
        (_BOX / small.shape[1], 1),
        order=3,
        mode="grid-constant",
        grid_mode=True,
    )
    large = np.clip(spline @ (small / 16.0) @ spline.T, 0.0, 1.0)
    border = (_SIZE - _BOX) // 2
    large = np.pad(large, ((0, 0), (border, border), (border, border)))
    return np.rint(large * 255).astype("uint8")[..., None]
