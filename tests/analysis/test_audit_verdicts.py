"""Cases in which a hasty audit would call the broken sound, or the sound broken."""

import keras
import numpy as np
import pytest
from keras import ops

from keras_gcnn import analysis, groups, zoo
from keras_gcnn.layers import (
    GBatchNormalization,
    GConv2D,
    GGlobalPooling,
    GPooling,
    LiftingConv2D,
    Restriction,
)

K = keras.layers


def chain(*stack, size=12):
    return keras.Sequential([keras.Input((size, size, 3)), *stack])


def after_lifting(*stack, group="p4"):
    return chain(LiftingConv2D(2, 3, group), *stack, GGlobalPooling(group=group))


class PerChannel(K.Layer):
    """Scales every channel by itself; cannot be copied, and is harmless while it is fresh."""

    def __init__(self, channels):
        super().__init__()
        self.scale = self.add_weight(shape=(channels,), initializer="ones")

    def call(self, inputs):
        return inputs * self.scale


class OwnNormalization(K.BatchNormalization):
    def __init__(self):
        super().__init__()


class Ramp(keras.Sequential):
    def call(self, inputs, training=None, mask=None):
        return super().call(inputs * ops.arange(12.0)[:, None, None])


BROKEN = {
    "an operation that mixes the images of a batch": lambda: after_lifting(
        K.Lambda(lambda x: x - ops.mean(x, axis=0, keepdims=True))
    ),
    "one that normalises over the batch": lambda: after_lifting(K.UnitNormalization(axis=0)),
    "one that leaves no batch": lambda: chain(
        LiftingConv2D(2, 3, "p4"), K.Lambda(lambda x: ops.mean(x, axis=0, keepdims=True))
    ),
    "a fresh layer that cannot be copied": lambda: after_lifting(PerChannel(8)),
    "a normalisation of one's own": lambda: after_lifting(OwnNormalization()),
    "a restriction of another group": lambda: chain(  # from a file, since a new one is refused
        LiftingConv2D(2, 3, "p4"),
        Restriction.from_config(Restriction("p4m", "p4").get_config()),
        GConv2D(2, 3, "p4"),
    ),
    "volumes": lambda: chain(
        K.Reshape((3, 12, 12, 1)), K.Conv3D(2, 3, padding="same"), K.Flatten()
    ),
}


@pytest.mark.parametrize("make", BROKEN.values(), ids=BROKEN)
def test_broken(make):
    model = make()
    assert not analysis.audit(model)


def squeeze_and_excite():
    inputs = keras.Input((12, 12, 3))
    x = LiftingConv2D(2, 3, "p4")(inputs)
    scale = GGlobalPooling(group="p4", keepdims=True)(x)
    scale = K.Dense(2, activation="sigmoid")(scale)
    x = x * ops.repeat(scale, 4, axis=-1)
    return keras.Model(inputs, GGlobalPooling(group="p4")(x))


def block():
    inner = [K.Dropout(0.5), GBatchNormalization("p4"), K.ReLU()]
    return after_lifting(keras.Sequential([keras.Input((10, 10, 8)), *inner]))


SOUND = {
    "squeeze and excite": squeeze_and_excite,
    "a nested block with dropout": block,
    "augmentation": lambda: chain(
        K.RandomFlip(), K.RandomRotation(0.2), LiftingConv2D(2, 3, "p4"), GPooling(group="p4")
    ),
    "images without a channel axis": lambda: keras.Sequential(
        [
            keras.Input((12, 12)),
            K.Reshape((12, 12, 1)),
            LiftingConv2D(2, 3, "p4"),
            GGlobalPooling(group="p4"),
        ]
    ),
    "a logarithm of what may be negative": lambda: after_lifting(K.Lambda(ops.log)),
    "a group of one's own": lambda: after_lifting(
        K.ReLU(),
        group=groups.Group("columns2", {"e": [[1, 0], [0, 1]], "c": [[1, 0], [0, -1]]}),
    ),
}


@pytest.mark.parametrize("make", SOUND.values(), ids=SOUND)
@pytest.mark.filterwarnings("ignore:invalid value")
def test_sound(make):
    audit = analysis.audit(make())
    assert audit, audit


@pytest.mark.parametrize(
    ("group", "subgroup"),
    [("p4m", "p4"), ("p4m", "z2"), ("p4", "z2"), ("pmm", "p2"), ("pm", "z2"), ("p4m", "pm")],
)
def test_a_restriction_leaves_its_subgroup(group, subgroup):
    model = chain(LiftingConv2D(2, 3, group), Restriction(group, subgroup), GConv2D(2, 3, subgroup))
    audit = analysis.audit(model)
    assert audit, audit
    assert (audit.asked, audit.group) == (group, subgroup)
    assert f"under {subgroup} in the end" in str(audit)


@pytest.mark.parametrize("group", ["p4", "p2", "pmm"])
def test_a_network_obeys_the_subgroups_too(group):
    audit = analysis.audit(zoo.lenet("p4m"), group)
    assert audit, audit
    assert audit.findings[1].field == "regular (p4m)"


def test_branches_that_split_and_join():
    inputs = keras.Input((12, 12, 3))
    x = LiftingConv2D(4, 3, "p4")(inputs)
    left, right = ops.split(x, 2, axis=-1)
    joined = K.Concatenate()([left, right])
    model = keras.Model(inputs, [GGlobalPooling(group="p4")(joined), GPooling(group="p4")(left)])
    assert analysis.audit(model)


def test_images_with_metadata():
    images, metadata = keras.Input((12, 12, 3)), keras.Input((5,))
    x = GGlobalPooling(group="p4")(LiftingConv2D(2, 3, "p4")(images))
    outputs = K.Dense(3)(K.Concatenate()([x, metadata]))
    assert analysis.audit(keras.Model([images, metadata], outputs))


def test_a_layer_that_cannot_be_copied_is_left_as_it_was():
    model = after_lifting(OwnNormalization())
    before = [weight.copy() for weight in model.get_weights()]
    analysis.audit(model)
    for old, new in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)


def test_what_is_more_than_the_graph_of_its_layers_is_refused():
    with pytest.raises(ValueError, match="call of its own"):
        analysis.audit(Ramp([keras.Input((12, 12, 3)), GPooling(group="z2")]))
    with pytest.raises(ValueError, match="not built"):
        analysis.audit(keras.Sequential([K.ReLU()]))

    class Inner(keras.Model):
        def call(self, inputs):
            return inputs * ops.arange(10.0)[:, None, None]

    # Inside another model it is measured like any layer.
    assert [one.kind for one in analysis.audit(after_lifting(Inner())).problems] == ["Inner"]
