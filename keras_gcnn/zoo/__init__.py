"""Builders of equivariant networks, from images with pixels in [0, 1] to logits."""

from keras_gcnn.zoo import pretrained
from keras_gcnn.zoo.allcnn import allcnn
from keras_gcnn.zoo.autoencoder import VariationalAutoencoder
from keras_gcnn.zoo.cohen_cnn import cohen_cnn
from keras_gcnn.zoo.densenet import densenet
from keras_gcnn.zoo.lenet import lenet
from keras_gcnn.zoo.resnet import resnet, resnet20, resnet26, resnet44
from keras_gcnn.zoo.so2cnn import so2cnn
from keras_gcnn.zoo.so2unet import so2unet
from keras_gcnn.zoo.steerable_cnn import steerable_cnn
from keras_gcnn.zoo.unet import unet
from keras_gcnn.zoo.vae import vae
from keras_gcnn.zoo.wide_resnet import wide_resnet

BUILDERS = (
    *("lenet", "cohen_cnn", "allcnn", "resnet", "resnet20", "resnet26", "resnet44"),
    *("densenet", "wide_resnet", "so2cnn", "steerable_cnn"),
)
AUTOENCODERS = ("vae",)
SEGMENTERS = ("unet", "so2unet")  # the output is a map

__all__ = [
    "AUTOENCODERS",
    "BUILDERS",
    "SEGMENTERS",
    "VariationalAutoencoder",
    "allcnn",
    "available",
    "cohen_cnn",
    "densenet",
    "lenet",
    "resnet",
    "resnet20",
    "resnet26",
    "resnet44",
    "so2cnn",
    "so2unet",
    "steerable_cnn",
    "unet",
    "vae",
    "wide_resnet",
]


def available() -> dict[str, dict[str, tuple[str, ...]]]:
    """Lists the builders and their published weights.

    Returns:
        dict from the name of a builder to a dict from the name of the weights, which is that of
        the data set, to the groups and other arguments for which they exist. If the entry of
        `lenet` is `{"mnist": ("p4",)}`, then `keras_gcnn.zoo.lenet(group="p4", weights="mnist")`
        works.

    Example:

    >>> from keras_gcnn import zoo
    >>> "resnet44" in zoo.available()
    True
    """
    return pretrained.available(BUILDERS)
