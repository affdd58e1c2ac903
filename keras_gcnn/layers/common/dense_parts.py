"""Dense layers inside a layer: what Keras's `quantize` and `enable_lora` make of them is kept.

Keras reaches layers inside layers when it quantizes, adds LoRA or saves weights, but only the outer
layer has a configuration. The outer one therefore keeps what has changed in its own.
"""

from __future__ import annotations

import keras


def changes_of(layers: tuple[keras.layers.Dense, ...], policy) -> list[dict] | None:
    """What the layers need to be made again, or None if they are as they were made.

    Args:
        layers: inside a layer.
        policy: dtype policy of the outer layer, with which they were made.
    """
    same = all(
        layer.dtype_policy == policy
        and layer.lora_rank is None
        and layer.quantization_config is None
        for layer in layers
    )
    if same:
        return None
    return [
        {
            "dtype": keras.dtype_policies.serialize(layer.dtype_policy),
            "lora_rank": layer.lora_rank,
            "lora_alpha": layer.lora_alpha,
            "quantization_config": keras.saving.serialize_keras_object(layer.quantization_config),
        }
        for layer in layers
    ]


def change(layers: tuple[keras.layers.Dense, ...], changes: list[dict] | None) -> None:
    """Has layers that are not built yet be built with what `changes_of` returned."""
    for layer, entry in zip(layers, changes or [{}] * len(layers), strict=True):
        for name, value in entry.items():
            match name:
                case "dtype":
                    layer.dtype_policy = keras.dtype_policies.deserialize(value)
                case "quantization_config":
                    layer.quantization_config = keras.saving.deserialize_keras_object(value)
                case "lora_rank" | "lora_alpha":
                    setattr(layer, name, value)


def build(layers: tuple[keras.layers.Dense, ...], input_shape: tuple) -> None:
    """Builds the layers, with the LoRA they have to have."""
    for layer in layers:
        alpha = layer.lora_alpha
        layer.build(input_shape)
        if layer.lora_enabled:
            layer.lora_alpha = alpha  # which Keras sets to the rank
