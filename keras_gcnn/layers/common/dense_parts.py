"""Dense layers inside a layer, with the changes that `quantize`, `enable_lora` and freezing make.

Keras reaches inner layers when it quantizes, adds LoRA or saves weights, but only the outer layer
has a configuration. The outer layer therefore stores the changes of the inner ones in its own.
"""

from __future__ import annotations

import keras

from keras_gcnn.types import Shape


def changes_of(layers: tuple[keras.layers.Dense, ...], outer: keras.Layer) -> list[dict] | None:
    """Returns what changed since the layers were made, or None if nothing did.

    Args:
        layers: the inner layers.
        outer: the outer layer, with whose dtype policy they were made, trainable if it is.
    """
    unchanged = all(
        layer.dtype_policy == outer.dtype_policy
        and layer.trainable == outer.trainable
        and layer.lora_rank is None
        and layer.quantization_config is None
        for layer in layers
    )
    if unchanged:
        return None
    return [
        {
            "dtype": keras.dtype_policies.serialize(layer.dtype_policy),
            "trainable": layer.trainable,
            "lora_rank": layer.lora_rank,
            "lora_alpha": layer.lora_alpha,
            "quantization_config": keras.saving.serialize_keras_object(layer.quantization_config),
        }
        for layer in layers
    ]


def change(layers: tuple[keras.layers.Dense, ...], changes: list[dict] | None) -> None:
    """Applies what `changes_of` returned to layers that are not built yet."""
    for layer, entry in zip(layers, changes or [{}] * len(layers), strict=True):
        for name, value in entry.items():
            match name:
                case "dtype":
                    layer.dtype_policy = keras.dtype_policies.deserialize(value)
                case "quantization_config":
                    layer.quantization_config = keras.saving.deserialize_keras_object(value)
                case "trainable" | "lora_rank" | "lora_alpha":
                    setattr(layer, name, value)


def build(layers: tuple[keras.layers.Dense, ...], input_shape: Shape) -> None:
    """Builds the layers, and adds LoRA where their settings ask for it."""
    for layer in layers:
        alpha = layer.lora_alpha
        layer.build(input_shape)
        if layer.lora_enabled:
            layer.lora_alpha = alpha  # Keras has set it to the rank
