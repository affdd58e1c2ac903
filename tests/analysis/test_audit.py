"""The audit names every layer that breaks equivariance, with a fix."""

import importlib
import pkgutil

import keras
import numpy as np
import pytest

from keras_gcnn import analysis, layers, zoo
from keras_gcnn.analysis.precision import dtype_policy
from keras_gcnn.layers import (
    GBatchNormalization,
    GConv2D,
    GGlobalPooling,
    GGroupNormalization,
    GLayerNormalization,
    GMaxPooling2D,
    GPReLU,
    LiftingConv2D,
    Restriction,
)

K = keras.layers


def chain(*stack, size=16, channels=3):
    return keras.Sequential([keras.Input((size, size, channels)), *stack])


def broken(model, group=None):
    return {finding.kind for finding in analysis.audit(model, group).problems}


@pytest.mark.parametrize("group", ["p4", "p4m"])
@pytest.mark.parametrize("size", [28, 29])
def test_networks_of_the_zoo_have_no_problems(group, size):
    audit = analysis.audit(zoo.lenet(group, (size, size, 1)))
    assert audit
    kinds = {finding.layer: (finding.field, finding.group) for finding in audit.findings}
    assert kinds["normalization"] == ("trivial", group)
    assert kinds["relu2"] == (f"regular ({group})", group)
    assert kinds["logits"] == ("trivial", group)


@pytest.mark.parametrize(
    ("layer", "fix"),
    [
        (lambda: K.Conv2D(8, 3), "GConv2D"),
        (lambda: K.Conv2D(8, 1), "GConv2D"),
        (lambda: K.DepthwiseConv2D(3), "GDepthwiseConv2D"),
        (lambda: K.Conv2DTranspose(8, 3), "GConv2DTranspose"),
        (lambda: K.BatchNormalization(), "GBatchNormalization"),
        (lambda: K.MaxPooling2D(3, 2), "GMaxPooling2D"),
        (lambda: K.AveragePooling2D(2, 2, padding="same"), "GAveragePooling2D"),
        (lambda: K.Flatten(), "GGlobalPooling"),
        (lambda: K.Dense(4), "GConv2D(units, 1)"),
        (lambda: K.LayerNormalization(), "GLayerNormalization"),
        (lambda: K.GroupNormalization(4), "GGroupNormalization"),
        (lambda: K.RMSNormalization(), "GRMSNormalization"),
        (lambda: K.PReLU(shared_axes=[1, 2]), "GPReLU"),
        (lambda: K.ZeroPadding2D(((0, 1), (0, 1))), "all four sides"),
        (lambda: K.Lambda(lambda x: x[..., 1:5]), "Restriction"),
        (lambda: GConv2D(2, 3, "p4", strides=2, equivariance="ignore"), "strides=1"),
        (lambda: GConv2D(2, 2, "p4", padding="same", equivariance="ignore"), "odd kernel_size"),
        (lambda: GMaxPooling2D(3, 2, equivariance="ignore"), "pool_size"),
    ],
)
@pytest.mark.thorough("jax", "tensorflow")
def test_a_layer_that_breaks_a_feature_map_is_named_with_the_fix(layer, fix):
    layer = layer()
    # 16 - 2 = 14 rows, except for stock pooling with padding, which needs an odd number to break.
    size = 17 if getattr(layer, "padding", None) == "same" else 16
    model = chain(LiftingConv2D(2, 3, "p4"), layer, size=size)
    (finding,) = analysis.audit(model).problems
    assert finding.layer == layer.name
    assert finding.group == "z2" or finding.kind == "Dense"
    assert fix in finding.fix
    assert finding.layer in str(analysis.audit(model))


@pytest.mark.parametrize(
    "layer",
    [
        lambda: K.ReLU(),
        lambda: K.Dropout(0.5),
        lambda: K.UpSampling2D(2),
        lambda: K.ZeroPadding2D(1),
        lambda: K.Cropping2D(1),
        lambda: K.MaxPooling2D(2),
        lambda: K.GlobalAveragePooling2D(),
        lambda: K.LayerNormalization(center=False, scale=False),
        lambda: GBatchNormalization("p4"),
        lambda: GLayerNormalization("p4"),
        lambda: GGroupNormalization(2, "p4"),
        lambda: GPReLU("p4"),
        lambda: K.Lambda(lambda x: 2 * x),
    ],
)
@pytest.mark.thorough("jax", "tensorflow")
def test_a_layer_that_breaks_nothing_is_not_named(layer):
    assert analysis.audit(chain(LiftingConv2D(2, 3, "p4"), layer()))


def test_one_walk_names_all_that_is_broken():
    model = chain(
        LiftingConv2D(4, 3, "p4m", strides=2, padding="same", equivariance="ignore"),
        K.BatchNormalization(),
        K.ReLU(),
        GConv2D(4, 3, "p4m", equivariance="ignore"),
        K.Flatten(),
        K.Dense(3),
    )
    assert broken(model) == {"LiftingConv2D", "BatchNormalization", "Flatten"}


def test_orientations_reach_a_dense_layer():
    assert broken(zoo.lenet("p4", head="orientations")) == {"Dense"}


def test_a_restriction_is_intended_and_the_naive_reading_is_not():
    def network(restrict):
        naive = GConv2D(2, 3, "p4", equivariance="ignore")
        return chain(LiftingConv2D(2, 3, "p4m"), *restrict, naive, GGlobalPooling(group="p4"))

    audit = analysis.audit(network([Restriction("p4m", "p4")]))
    assert audit
    assert audit.findings[-1].group == "p4"
    assert broken(network([])) == {"GConv2D"}


def test_a_model_without_groups_is_tried_under_the_largest():
    model = chain(K.Rescaling(2.0), K.Conv2D(4, 3), K.GlobalAveragePooling2D(), K.Dense(2))
    audit = analysis.audit(model)
    assert audit.asked == "p4m"
    assert [finding.kind for finding in audit.problems] == ["Conv2D"]


def test_branches_shared_layers_nested_models_and_operations():
    inputs = keras.Input((12, 12, 3))
    shared = GConv2D(2, 3, "p4", padding="same")
    x = LiftingConv2D(2, 3, "p4", padding="same")(inputs)
    x = x + shared(shared(x))
    x = K.Concatenate()([keras.ops.relu(x), x])
    inner = keras.Sequential([keras.Input((12, 12, 16)), K.ReLU(), K.BatchNormalization()])
    x = inner(x)
    with pytest.warns(layers.EquivarianceWarning, match="BatchNormalization"):
        outputs = GGlobalPooling(group="p4")(x)
    model = keras.Model(inputs, outputs)
    before = [weight.copy() for weight in model.get_weights()]
    audit = analysis.audit(model)
    assert [finding.layer for finding in audit.problems] == [
        f"{inner.name}/{inner.layers[-1].name}"
    ]
    assert sum(finding.layer == shared.name for finding in audit.findings) == 2
    for old, new in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)


class Odd(K.Layer):
    """A layer that cannot be copied, for want of its argument, and fails in the audit."""

    fails = False

    def __init__(self, size):
        super().__init__()
        self.scale = self.add_weight(shape=(size,), initializer="ones")

    def call(self, inputs):
        if self.fails:
            raise ArithmeticError
        return inputs * self.scale


def test_a_layer_that_fails_keeps_its_weights():
    odd = Odd(2)
    model = chain(LiftingConv2D(2, 3, "p4"), GGlobalPooling(group="p4"), odd)
    odd.fails = True
    with pytest.raises(ArithmeticError):
        analysis.audit(model)
    np.testing.assert_array_equal(odd.get_weights(), [[1, 1]])


class Residual(K.Layer):
    """A layer that makes layers by itself, in the policy of the moment."""

    def __init__(self, dtype=None, **options):
        super().__init__(dtype=dtype, **options)
        self.conv = GConv2D(4, 3, "p4", padding="same")

    def build(self, shape):
        self.conv.build(shape)

    def call(self, inputs):
        return inputs + keras.ops.tanh(self.conv(inputs))


class HalfResidual(Residual):
    """One whose inner layer computes in half precision in every copy."""

    def __init__(self, **options):
        super().__init__(**options)
        self.conv = GConv2D(4, 3, "p4", padding="same", dtype="mixed_bfloat16")


def test_layers_within_layers_in_half_precision_are_not_broken():
    with dtype_policy("mixed_bfloat16"):
        wrapped = K.SpectralNormalization(GConv2D(4, 3, "p4", padding="same"))
        stack = [LiftingConv2D(4, 3, "p4"), Residual(), wrapped, HalfResidual()]
        model = chain(*stack, GGlobalPooling("mean", group="p4"))
        broken_one = chain(LiftingConv2D(4, 3, "p4"), K.Conv2D(4, 3))
        assert analysis.audit(model)
        assert broken(broken_one) == {"Conv2D"}


def test_an_oblong_image_is_tried_without_quarter_turns():
    model = keras.Sequential(
        [keras.Input((8, 12, 1)), LiftingConv2D(2, 3, "p4m"), GGlobalPooling(group="p4m")]
    )
    audit = analysis.audit(model)
    assert audit.asked == "pmm"
    assert audit, audit


def test_channels_first():
    image = keras.Input((3, 16, 16))
    x = LiftingConv2D(2, 3, "p4", data_format="channels_first")(image)
    x = K.BatchNormalization(axis=1)(x)
    with pytest.warns(layers.EquivarianceWarning, match="BatchNormalization"):
        x = GGlobalPooling(group="p4", data_format="channels_first")(x)
    model = keras.Model(image, x)
    assert broken(model) == {"BatchNormalization"}


def test_a_model_without_a_graph_is_refused():
    class Own(keras.Model):
        def call(self, inputs):
            return inputs

    with pytest.raises(ValueError, match="equivariance_error"):
        analysis.audit(Own())


def test_a_model_of_open_size_is_audited_at_the_size_that_is_given():
    lifting = layers.LiftingConv2D(2, 3, strides=2)
    model = keras.Sequential([keras.Input((None, None, 1)), lifting, layers.GMaxPooling2D()])
    with pytest.raises(ValueError, match=r"unknown sizes.*input_shape=\(64, 64, 1\)"):
        analysis.audit(model)
    assert analysis.audit(model, input_shape=(13, 13, 1))
    (broken,) = analysis.audit(model, input_shape=(14, 14, 1)).problems
    assert broken.layer == lifting.name
    assert "15 or 13 rows and columns" in broken.fix
    for wrong in ((13, 13, 2), (13, 13), (0, 13, 1)):
        with pytest.raises(ValueError, match=r"does not fit the input .*\(None, None, 1\)"):
            analysis.audit(model, input_shape=wrong)


def test_a_large_model_is_summed_up():
    problems = [
        analysis.Finding(f"{kind}{one}", kind, "trivial", "z2", (8,), "broken", f"use G{kind}")
        for kind, number in (("Conv2D", 2), ("BatchNormalization", 53))
        for one in range(number)
    ]
    audit = analysis.Audit("large", "p4", "p4", tuple(problems))
    assert str(audit).splitlines() == [
        "large under p4: 55 layer(s) break equivariance",
        "2 Conv2D: use GConv2D",
        "    Conv2D0, Conv2D1",
        "53 BatchNormalization: use GBatchNormalization",
        "    BatchNormalization0, BatchNormalization1, BatchNormalization2, BatchNormalization3 "
        "and 49 more",
        "All 55 layers are in table().",
    ]
    assert len(audit.table().splitlines()) == 2 + 55 + 55  # as it was for models of any size


def test_a_small_model_is_shown_whole():
    audit = analysis.audit(chain(LiftingConv2D(2, 3, "p4"), K.BatchNormalization(name="bn")))
    assert str(audit) == audit.table()
    assert "regular (p4)  z2  <-- broken" in str(audit)
    assert audit.summary().splitlines()[1].startswith("1 BatchNormalization: use GBatch")


def test_no_submodule_replaces_the_function():
    import keras_gcnn.analysis.auditing.report
    from keras_gcnn.analysis import audit

    modules = pkgutil.walk_packages(analysis.__path__, "keras_gcnn.analysis.")
    for name in [module.name for module in modules]:
        importlib.import_module(name)
    assert analysis.audit is audit is keras_gcnn.analysis.auditing.report.audit
