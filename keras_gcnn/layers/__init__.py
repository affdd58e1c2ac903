"""Keras layers for feature maps on groups, and for fields that rotate by any angle."""

from keras_gcnn.groups.fields import Fields
from keras_gcnn.layers.common.building import build_for
from keras_gcnn.layers.common.reporting import EquivarianceWarning
from keras_gcnn.layers.group.convolution import GConv2D, GConv2DTranspose, LiftingConv2D
from keras_gcnn.layers.group.depthwise import GDepthwiseConv2D
from keras_gcnn.layers.group.dropout import GDropout
from keras_gcnn.layers.group.image_normalization import (
    GGroupNormalization,
    GLayerNormalization,
    GRMSNormalization,
)
from keras_gcnn.layers.group.normalization import GBatchNormalization
from keras_gcnn.layers.group.orientation_pooling import GGlobalPooling, GPooling
from keras_gcnn.layers.group.per_field import GLayerScale, GPReLU
from keras_gcnn.layers.group.pose import GOrientation, TurnByVector
from keras_gcnn.layers.group.restriction import Restriction
from keras_gcnn.layers.group.separable import GSeparableConv2D
from keras_gcnn.layers.group.spatial_pooling import GAveragePooling2D, GMaxPooling2D
from keras_gcnn.layers.group.symmetrized import Symmetrized
from keras_gcnn.layers.latent.direction import UnitDirection
from keras_gcnn.layers.latent.sampling import GaussianSampling
from keras_gcnn.layers.latent.von_mises_fisher import (
    KLToUniform,
    VonMisesFisherHead,
    VonMisesFisherSampling,
)
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
    SteerableGroupNormalization,
    SteerableLayerNormalization,
    SteerablePooling,
    SteerableRestriction,
    ToFields,
    ToGroupMaps,
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
    "GDepthwiseConv2D",
    "GDropout",
    "GGlobalPooling",
    "GGroupNormalization",
    "GLayerNormalization",
    "GLayerScale",
    "GMaxPooling2D",
    "GOrientation",
    "GPReLU",
    "GPooling",
    "GRMSNormalization",
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
    "SteerableGroupNormalization",
    "SteerableLayerNormalization",
    "SteerablePooling",
    "SteerableRestriction",
    "Symmetrized",
    "ToFields",
    "ToGroupMaps",
    "TurnByVector",
    "UnitDirection",
    "VonMisesFisherHead",
    "VonMisesFisherSampling",
    "build_for",
]
