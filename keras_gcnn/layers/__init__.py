"""Keras layers for feature maps on groups, and for fields that turn by any angle."""

from keras_gcnn.groups.fields import Fields
from keras_gcnn.layers import inference_convolution  # noqa: F401 - registers its layer
from keras_gcnn.layers.base import EquivarianceWarning
from keras_gcnn.layers.building import build_for
from keras_gcnn.layers.convolution import GConv2D, LiftingConv2D
from keras_gcnn.layers.direction import UnitDirection
from keras_gcnn.layers.dropout import GDropout
from keras_gcnn.layers.normalization import GBatchNormalization
from keras_gcnn.layers.orientation import GOrientation, TurnByVector
from keras_gcnn.layers.pooling import GGlobalPooling, GPooling
from keras_gcnn.layers.restriction import Restriction
from keras_gcnn.layers.sampling import GaussianSampling
from keras_gcnn.layers.separable import GSeparableConv2D
from keras_gcnn.layers.spatial_pooling import GAveragePooling2D, GMaxPooling2D
from keras_gcnn.layers.steerable import (
    DiscMask,
    FourierActivation,
    GatedActivation,
    InvariantMap,
    NormActivation,
    NormPooling,
    SteerableAveragePooling2D,
    SteerableBatchNormalization,
    SteerableConv2D,
    SteerableConv2DTranspose,
    SteerableDropout,
)
from keras_gcnn.layers.transposed import GConv2DTranspose
from keras_gcnn.layers.von_mises_fisher import (
    KLToUniform,
    VonMisesFisherHead,
    VonMisesFisherSampling,
)

__all__ = [
    "DiscMask",
    "EquivarianceWarning",
    "Fields",
    "FourierActivation",
    "GAveragePooling2D",
    "GBatchNormalization",
    "GConv2D",
    "GConv2DTranspose",
    "GDropout",
    "GGlobalPooling",
    "GMaxPooling2D",
    "GOrientation",
    "GPooling",
    "GSeparableConv2D",
    "GatedActivation",
    "GaussianSampling",
    "InvariantMap",
    "KLToUniform",
    "LiftingConv2D",
    "NormActivation",
    "NormPooling",
    "Restriction",
    "SteerableAveragePooling2D",
    "SteerableBatchNormalization",
    "SteerableConv2D",
    "SteerableConv2DTranspose",
    "SteerableDropout",
    "TurnByVector",
    "UnitDirection",
    "VonMisesFisherHead",
    "VonMisesFisherSampling",
    "build_for",
]
