"""Hard cases for the audit: broken models that look sound, and sound ones that look broken."""

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

pytestmark = pytest.mark.backend_free

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


class Position(K.Layer):
    """Adds a vector of its own to every token, as a position embedding does."""

    def build(self, shape):
        self.positions = self.add_weight(shape=shape[1:], initializer="ones")

    def call(self, inputs):
        return inputs + self.positions


class Drifting(K.Layer):
    """Scales by a number that grows with every call."""

    def __init__(self):
        super().__init__()
        self.scale = self.add_weight(shape=(), trainable=False)

    def call(self, inputs):
        self.scale.assign(self.scale + 1.0)
        return inputs * self.scale


class ClassToken(K.Layer):
    def build(self, shape):
        self.token = self.add_weight(shape=(1, 1, shape[-1]))

    def call(self, inputs):
        token = ops.broadcast_to(self.token, (ops.shape(inputs)[0], 1, inputs.shape[-1]))
        return ops.concatenate([token, inputs], axis=1)


def attention(*before, pool=True, size=(6, 6), data_format="channels_last"):
    """Attention between the positions of a map, channels last or first."""
    first = data_format == "channels_first"
    x = inputs = keras.Input((3, *size) if first else (*size, 3))
    x = LiftingConv2D(4, 3, "p4", padding="same", data_format=data_format)(x)
    if pool:
        x = GPooling(group="p4", data_format=data_format)(x)
    tokens, channels = size[0] * size[1], x.shape[1 if first else -1]
    x = K.Reshape((channels, tokens) if first else (tokens, channels))(x)
    x = K.Permute((2, 1))(x) if first else x
    for layer in before:
        x = layer(x)
    x = K.LayerNormalization()(x) if pool else x
    x = x + K.MultiHeadAttention(2, 3, name="attention")(x, x)
    x = K.GlobalAveragePooling1D()(x)
    return keras.Model(inputs, x)


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
    "attention with a position embedding": lambda: attention(Position()),
    "attention between oriented channels": lambda: attention(pool=False),
    "attention with a class token": lambda: attention(ClassToken()),
    "attention on an input that counts as images": lambda: keras.Model(
        tokens := keras.Input((6, 6)), K.MultiHeadAttention(2, 3)(tokens, tokens)
    ),
    "a wrapped convolution": lambda: after_lifting(K.SpectralNormalization(K.Conv2D(8, 3))),
    "one that insists on its shape": lambda: keras.Sequential(
        [keras.Input((8, 8, 1)), K.Reshape((16, 4, 1)), K.Reshape((8, 8, 1))]
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
    "attention between the positions of a map": attention,
    "attention in an oblong image": lambda: attention(size=(4, 6)),
    "attention, channels first": lambda: attention(data_format="channels_first"),
    "a wrapper whose state moves in training": lambda: chain(
        K.SpectralNormalization(LiftingConv2D(2, 3, "p4")),
        K.SpectralNormalization(GConv2D(2, 3, "p4")),
        GGlobalPooling(group="p4"),
    ),
    "a layer whose weights move in every call": lambda: after_lifting(Drifting()),
    "a mean over the channels": lambda: after_lifting(
        K.Lambda(lambda x: ops.mean(x, axis=-1)), K.Reshape((10, 10, 1)), LiftingConv2D(2, 3, "p4")
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


def problem_of(model, layer):
    (found,) = [one for one in analysis.audit(model).problems if one.layer == layer]
    return found


def test_the_audit_names_layers_that_it_cannot_judge():
    token = ClassToken(name="token")
    (found,) = analysis.audit(attention(token)).problems
    assert found.layer == "token"
    assert "cannot judge this layer and what follows" in found.problem
    assert "equivariance_error" in found.fix
    found = problem_of(attention(Position(name="position")), "position")
    assert "place of a token" in found.fix
    assert "6 x 6 tokens, trivial" in found.problem
    assert "GPooling" in problem_of(attention(pool=False), "attention").fix
    tokens = keras.Input((6, 6))
    outputs = K.MultiHeadAttention(2, 3, name="attention")(tokens, tokens)
    found = problem_of(keras.Model(tokens, outputs), "attention")
    assert "takes for images without channels" in found.problem


def test_the_pooling_that_left_orientations_is_named():
    pooling = K.GlobalAveragePooling2D(name="pooling")
    model = chain(
        LiftingConv2D(2, 3, "p4"), pooling, K.ReLU(), K.LayerNormalization(name="normalization")
    )
    found = problem_of(model, "normalization")
    assert "which pooling left oriented" in found.problem
    assert found.fix == "use GGlobalPooling in place of pooling"


def test_a_wrapped_layer_is_audited_under_its_group():
    model = chain(K.SpectralNormalization(LiftingConv2D(2, 3, "p4m")), GPooling(group="p4m"))
    assert analysis.audit(model).asked == "p4m"
    assert analysis.audit(model, "p4")  # by its field on p4m, which nothing else names


def test_an_error_that_is_not_of_the_turn_is_shown():
    class Failing(K.Layer):
        calls = 0

        def call(self, inputs):
            if not isinstance(inputs, keras.KerasTensor):
                Failing.calls += 1
                if Failing.calls > 2:
                    raise ValueError("a fault of its own")
            return inputs

    model = after_lifting(Failing())
    Failing.calls = 0  # the audit calls it on its own input twice, and then on the turned one
    with pytest.raises(ValueError, match="a fault of its own"):
        analysis.audit(model)


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


def test_a_model_with_a_call_of_its_own_is_refused():
    with pytest.raises(ValueError, match="call of its own"):
        analysis.audit(Ramp([keras.Input((12, 12, 3)), GPooling(group="z2")]))
    with pytest.raises(ValueError, match="not built"):
        analysis.audit(keras.Sequential([K.ReLU()]))

    class Inner(keras.Model):
        def call(self, inputs):
            return inputs * ops.arange(10.0)[:, None, None]

    # Inside another model it is measured like any layer.
    assert [one.kind for one in analysis.audit(after_lifting(Inner())).problems] == ["Inner"]
