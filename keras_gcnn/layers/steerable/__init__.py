"""Layers for feature maps that rotate by any angle."""

from keras_gcnn.layers.steerable.activations import (
    FourierActivation,
    GatedActivation,
    NormActivation,
)
from keras_gcnn.layers.steerable.convolution import SteerableConv2D
from keras_gcnn.layers.steerable.dropout import SteerableDropout
from keras_gcnn.layers.steerable.image_normalization import (
    SteerableGroupNormalization,
    SteerableLayerNormalization,
)
from keras_gcnn.layers.steerable.invariants import InvariantMap, NormPooling, SteerablePooling
from keras_gcnn.layers.steerable.normalization import SteerableBatchNormalization
from keras_gcnn.layers.steerable.positions import DiscMask, SteerableAveragePooling2D
from keras_gcnn.layers.steerable.restriction import SteerableRestriction, ToFields, ToGroupMaps
from keras_gcnn.layers.steerable.transposed_convolution import SteerableConv2DTranspose

__all__ = [
    "DiscMask",
    "FourierActivation",
    "GatedActivation",
    "InvariantMap",
    "NormActivation",
    "NormPooling",
    "SteerableAveragePooling2D",
    "SteerableBatchNormalization",
    "SteerableConv2D",
    "SteerableConv2DTranspose",
    "SteerableDropout",
    "SteerableGroupNormalization",
    "SteerableLayerNormalization",
    "SteerablePooling",
    "SteerableRestriction",
    "ToFields",
    "ToGroupMaps",
]
