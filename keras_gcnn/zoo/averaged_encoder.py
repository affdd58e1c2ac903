"""An encoder whose outputs are averaged over the poses of an image."""

from __future__ import annotations

import keras

from keras_gcnn.layers import Symmetrized, UnitDirection
from keras_gcnn.types import AnyGroupLike

DIRECTION = "orientation"


def averaged(
    encoder: keras.Model,
    group: AnyGroupLike,
    already: AnyGroupLike | None,
    unit_outputs: tuple[str, ...],
    data_format: str,
) -> keras.Model:
    """Returns a model with the outputs of an encoder, averaged over the poses of the image.

    Args:
        encoder: from images to a dict of tensors. Those named `DIRECTION` rotate with the image,
            and all others do not depend on its pose.
        group: the poses.
        already: a subgroup under which the encoder is equivariant itself, or None.
        unit_outputs: names of outputs of length 1, which their averages get again.
        data_format: of the images.
    """
    kinds = {name: "vectors" if name == DIRECTION else "invariant" for name in encoder.output}
    image = keras.Input(encoder.input.shape[1:], dtype=encoder.input.dtype, name="image")
    layer = Symmetrized(
        encoder,
        group,
        already=already,
        outputs=kinds,
        data_format=data_format,
        name="symmetrized",
    )
    means = layer(image)
    for name in {DIRECTION, *unit_outputs} & means.keys():
        means[name] = UnitDirection(dtype=means[name].dtype, name=name)(means[name])
    return keras.Model(image, means, name=f"{encoder.name}_{layer.group.name}")
