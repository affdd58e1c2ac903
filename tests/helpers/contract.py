"""What Keras expects of every layer: one case for each layer, and models made of them.

A new layer needs one more `Case` here, and a line in `OUTPUTS` of `tests/layers/test_contract.py`
if it returns another type than it takes; that file notices a layer that has no case.
"""

import dataclasses
import inspect

import keras
import numpy as np

from keras_gcnn import layers
from keras_gcnn.layers import Fields
from tests.helpers.layers import randomize, to_format

SIZE = 6
CHANNELS = 8  # one field of P4M, two of P4
# Fields of as many channels: of all rotations, of a finite group with mirrors, whose irreps "0-"
# and "4-" are single channels that change their sign, and of all rotations and mirrors.
FIELDS = {0: 2, 1: 2, 2: 1}
MIRRORED = Fields({0: 2, "0-": 1, 1: 1, 3: 1, "4-": 1}, group="d8")
TWO_SHEETS = Fields.regular(1, 1, "o2") + Fields({0: 1, "0-": 1}, "o2")
REGULAR = Fields.regular(2, group="c4")


@dataclasses.dataclass(frozen=True)
class Case:
    """A layer and its arguments.

    Args:
        arguments: those of the calls.
        variants: further ones for the round trip of the configuration; together they leave no
            argument at its default.
    """

    layer_class: type
    arguments: dict
    variants: tuple[dict, ...] = ({},)

    def make(self, data_format="channels_last", **more):
        # Normalisations say where the channels are in their own way, like Keras's.
        key, value = "data_format", data_format
        if "axis" in constructor_arguments(self.layer_class):
            key, value = "axis", 1 if data_format == "channels_first" else -1
        return self.layer_class(**{**self.arguments, key: value, **more})

    def inputs(self, data_format="channels_last", batch=2):
        array = np.random.default_rng(1).normal(size=(batch, SIZE, SIZE, CHANNELS))
        return to_format(array.astype("float32"), data_format)


_CONVOLUTION = {
    "padding": "same",
    "dilation_rate": (2, 2),
    "activation": "relu",
    "kernel_initializer": "he_normal",
    "bias_initializer": "ones",
    "kernel_regularizer": "l2",
    "bias_regularizer": "l1",
    "activity_regularizer": "l2",
    "kernel_constraint": "max_norm",
    "bias_constraint": "non_neg",
    "equivariance": "strict",
}
_CONVOLUTIONS = (_CONVOLUTION, {"strides": (2, 3), "use_bias": False})
_FROM_MAP = ({"padding": "circular", "strides": 2}, {"padding": "reflect", "dilation_rate": 2})
# What replaces the settings of the kernel where it is a product of two.
_PRODUCT = {
    **{key: value for key, value in _CONVOLUTION.items() if not key.startswith("kernel_")},
    "kernel_size": 1,
    "variant": "g",
    "depthwise_initializer": "he_normal",
    "pointwise_initializer": "he_normal",
    "depthwise_regularizer": "l2",
    "pointwise_regularizer": "l1",
    "depthwise_constraint": "max_norm",
    "pointwise_constraint": "non_neg",
}
_DEPTHWISE = {
    "depth_multiplier": 2,
    **{key.replace("kernel_", "depthwise_"): value for key, value in _CONVOLUTION.items()},
}
_STEERABLE = {
    "band_limit": 0.2,
    **{key: value for key, value in _CONVOLUTION.items() if key != "activation"},
}
_BETWEEN_FIELDS = {"fields_in": FIELDS, "fields_out": {0: 2, 1: 1}}
_BETWEEN_MIRRORED = {
    "fields_in": MIRRORED,
    "fields_out": Fields({0: 1, "0-": 1, 2: 1, 4: 1}, group="d8"),
}
_BETWEEN_TWO_SHEETS = {
    "fields_in": TWO_SHEETS,
    "fields_out": Fields({0: 1, "0-": 1, 2: 1}, group="o2"),
}
_NORMALIZATION = {
    "momentum": 0.5,
    "epsilon": 0.01,
    "beta_initializer": "ones",
    "gamma_initializer": "he_normal",
    "moving_mean_initializer": "ones",
    "moving_variance_initializer": "he_normal",
    "beta_regularizer": "l1",
    "gamma_regularizer": "l2",
    "beta_constraint": "non_neg",
    "gamma_constraint": "max_norm",
    "center": False,
    "scale": False,
}
_IMAGE_NORMALIZATION = {
    key: value for key, value in _NORMALIZATION.items() if not key.startswith("mo")
}
_INVARIANTS = {
    "activation": "relu",
    "use_bias": False,
    "kernel_initializer": "he_normal",
    "bias_initializer": "ones",
    "kernel_regularizer": "l2",
    "bias_regularizer": "l1",
    "kernel_constraint": "max_norm",
    "bias_constraint": "non_neg",
}
_POOLING = {"pool_size": (2, 2), "strides": (1, 1), "padding": "same", "equivariance": "ignore"}

CASES = [
    Case(
        layers.LiftingConv2D,
        {"filters": 2, "kernel_size": 3, "group": "p4m"},
        (*_CONVOLUTIONS, {"groups": 2}),
    ),
    Case(
        layers.GConv2D,
        {"filters": 2, "kernel_size": 3, "group": "p4m"},
        (*_CONVOLUTIONS, *_FROM_MAP, {"groups": 2, "group": "p4"}),
    ),
    Case(
        layers.GSeparableConv2D,
        {"filters": 2, "kernel_size": 3, "group": "p4m"},
        (_PRODUCT, _CONVOLUTIONS[1], *_FROM_MAP),
    ),
    Case(
        layers.GDepthwiseConv2D,
        {"kernel_size": 3, "group": "p4m"},
        (_DEPTHWISE, {"strides": 2, "use_bias": False}, *_FROM_MAP),
    ),
    Case(
        layers.GConv2DTranspose,
        {"filters": 2, "kernel_size": 3, "group": "p4m"},
        (*_CONVOLUTIONS, {"strides": 2, "output_padding": (1, 1)}),
    ),
    Case(layers.GBatchNormalization, {"group": "p4m"}, (_NORMALIZATION,)),
    Case(layers.GLayerNormalization, {"group": "p4m"}, (_IMAGE_NORMALIZATION,)),
    Case(layers.GRMSNormalization, {"group": "p4m"}, ({**_IMAGE_NORMALIZATION, "center": True},)),
    Case(
        layers.GGroupNormalization,
        {"groups": 2, "group": "p4"},
        (_IMAGE_NORMALIZATION, {"groups": -1, "group": "p4m"}),
    ),
    Case(layers.GLayerScale, {"group": "p4", "init_values": 0.5}, ({"init_values": 0.1},)),
    Case(
        layers.GPReLU,
        {"group": "p4"},
        (
            {
                "alpha_initializer": "he_normal",
                "alpha_regularizer": "l1",
                "alpha_constraint": "non_neg",
            },
        ),
    ),
    Case(layers.GPooling, {"group": "p4m"}, ({"mode": "mean"},)),
    Case(layers.GGlobalPooling, {"group": "p4m"}, ({"mode": "mean", "keepdims": True},)),
    Case(layers.GOrientation, {"group": "p4m"}),
    Case(layers.GDropout, {"rate": 0.5, "group": "p4m"}, ({"spatial": True, "seed": 7},)),
    Case(layers.Restriction, {"group": "p4m", "subgroup": "p4"}),
    Case(layers.GMaxPooling2D, {}, (_POOLING,)),
    Case(layers.GAveragePooling2D, {}, (_POOLING,)),
    Case(
        layers.SteerableConv2D,
        {**_BETWEEN_MIRRORED, "kernel_size": 3},
        (_STEERABLE, {**_CONVOLUTIONS[1], **_BETWEEN_FIELDS}, *_FROM_MAP),
    ),
    Case(
        layers.SteerableConv2DTranspose,
        {**_BETWEEN_TWO_SHEETS, "kernel_size": 3},
        (_STEERABLE, _CONVOLUTIONS[1], {"strides": 2, "output_padding": (1, 1)}),
    ),
    Case(layers.SteerableBatchNormalization, {"fields": MIRRORED}, (_NORMALIZATION,)),
    Case(
        layers.SteerableLayerNormalization,
        {"fields": FIELDS},
        ({**_IMAGE_NORMALIZATION, "fields": TWO_SHEETS},),
    ),
    Case(
        layers.SteerableGroupNormalization,
        {"fields": TWO_SHEETS, "groups": 2},
        (_IMAGE_NORMALIZATION, {"groups": -1, "fields": MIRRORED}),
    ),
    Case(
        layers.FourierActivation,
        {"fields": MIRRORED},
        ({"activation": "relu", "samples": 20, "fields": TWO_SHEETS}, {"fields": FIELDS}),
    ),
    Case(
        layers.NormActivation,
        {"fields": MIRRORED},
        ({"activation": "elu", "epsilon": 0.1, "bias_initializer": "ones", "fields": FIELDS},),
    ),
    Case(
        layers.GatedActivation,
        {"fields": TWO_SHEETS},
        ({"activation": "elu", "gate": "tanh", "fields": MIRRORED},),
    ),
    Case(
        layers.SteerableDropout,
        {"fields": FIELDS, "rate": 0.5},
        ({"spatial": True, "seed": 7, "fields": MIRRORED},),
    ),
    Case(layers.InvariantMap, {"fields": TWO_SHEETS, "filters": 3}, (_INVARIANTS,)),
    Case(layers.NormPooling, {"fields": MIRRORED}, ({"epsilon": 0.1, "fields": FIELDS},)),
    Case(
        layers.SteerablePooling,
        {"fields": TWO_SHEETS},
        ({"mode": "mean", "samples": 20}, {"fields": MIRRORED, "mode": "mean"}),
    ),
    Case(
        layers.SteerableRestriction,
        {"fields": MIRRORED, "subgroup": "c4"},
        ({"subgroup": "d2"}, {"fields": TWO_SHEETS, "subgroup": "so2"}),
    ),
    Case(layers.ToFields, {"group": "p4"}, ({"group": "p4m"},)),
    Case(layers.ToGroupMaps, {"fields": REGULAR}, ({"fields": Fields.regular(1, group="d4")},)),
    Case(layers.SteerableAveragePooling2D, {}, ({"fields": FIELDS, "strides": 3, "sigma": 1.5},)),
    Case(layers.DiscMask, {}, ({"fields": MIRRORED, "margin": 2.0},)),
]


def constructor_arguments(layer_class):
    """Names of all arguments that the class and its parents, up to Keras's base, take."""
    names = set()
    for parent in layer_class.__mro__[: layer_class.__mro__.index(keras.Layer)]:
        if "__init__" not in vars(parent):
            continue
        for name, parameter in inspect.signature(parent.__init__).parameters.items():
            if parameter.kind not in (parameter.VAR_KEYWORD, parameter.VAR_POSITIONAL):
                names.add(name)
    return names - {"self"}


def functional(layer, inputs):
    """A model of this layer alone, for inputs of a known shape but an unknown batch size."""
    tensor = keras.Input(inputs.shape[1:])
    return keras.Model(tensor, layer(tensor))


def side_by_side(layers_, inputs):
    """A model with one output for each layer."""
    tensor = keras.Input(inputs.shape[1:])
    return keras.Model(tensor, [layer(tensor) for layer in layers_])


def trainable_model(layers_, data_format):
    """The sum of all layers, each behind weights that only gradients through the layer can fit."""
    tensor, outputs = keras.Input((SIZE, SIZE, CHANNELS)), []
    # The layer does not look back beyond this one, else it would warn of Dense.
    order = (3, 1, 2) if data_format == "channels_first" else (1, 2, 3)
    for layer in layers_:
        dense = keras.layers.Dense(CHANNELS, name=f"before_{layer.name}")
        maps = layer(keras.layers.Permute(order)(dense(tensor)))
        outputs.append(keras.layers.Dense(1)(keras.layers.Flatten()(maps)))
    return keras.Model(tensor, keras.layers.Add()(outputs))


def randomized(model):
    randomize(model, np.random.default_rng(2))
    return model


def predict(model, inputs):
    """Inference in one call: `model.predict` would compile."""
    return keras.tree.map_structure(
        lambda outputs: keras.ops.convert_to_numpy(keras.ops.cast(outputs, "float32")),
        model(inputs, training=False),
    )
