"""Plots of layers and models show what the layers compute."""

import itertools

import keras
import numpy as np
import pytest

from keras_gcnn import analysis, groups, layers
from keras_gcnn.analysis.plots.base import COLOURS
from keras_gcnn.layers import Fields

GROUP = groups.get("p4")
IMAGE = np.random.default_rng(0).normal(size=(9, 9, 1)).astype("float32")


@pytest.fixture(scope="module")
def lifting():
    return built(layers.LiftingConv2D(3, 3, "p4"), 1)


def built(layer, channels):
    keras.utils.set_random_seed(0)
    layer.build((None, 9, 9, channels))
    return layer


def output_of(target, image):
    return keras.ops.convert_to_numpy(target(image[None]))[0]


def planes_in(axes):
    return [np.asarray(shown.get_array()) for shown in axes.images]


def rows_of(figure):
    """The axes of `plot_equivariance`, four in a row."""
    axes = [each for each in figure.axes if each.get_label() != "<colorbar>"]
    return [axes[start : start + 4] for start in range(0, len(axes), 4)]


def number_in(title):
    return float(title.removeprefix("difference: at most "))


def test_both_sides_of_a_group_layer_are_equal(lifting):
    figure = analysis.plot_equivariance(lifting, IMAGE, field=1)
    ((image, moved, expected, difference),) = rows_of(figure)
    rotated = GROUP.act_on_plane(IMAGE, 1, (0, 1))
    shown = np.asarray(image.images[0].get_array())
    scaled = (rotated[..., 0] - IMAGE.min()) / (IMAGE.max() - IMAGE.min())
    np.testing.assert_allclose(shown, scaled, atol=1e-6)
    field = output_of(lifting, rotated)[..., 4:8]
    np.testing.assert_allclose(planes_in(moved), np.moveaxis(field, -1, 0), atol=1e-5)
    by_hand = GROUP.act_on_plane(output_of(lifting, IMAGE)[..., 4:8], 1, (0, 1))
    by_hand = np.roll(by_hand, 1, axis=-1)  # a quarter turn moves the orientations on by one
    np.testing.assert_allclose(planes_in(expected), np.moveaxis(by_hand, -1, 0), atol=1e-6)
    assert np.abs(planes_in(difference)).max() < 1e-5
    assert number_in(difference.get_title()) < 1e-5
    assert [text.get_text() for text in moved.texts] == ["e", "r", "r2", "r3"]


def test_both_sides_of_a_plain_layer_differ(lifting):
    plain = built(keras.layers.Conv2D(3, 3), 1)
    figure = analysis.plot_equivariance({"plain": plain, "P4": lifting}, IMAGE, "p4")
    first, second = rows_of(figure)
    errors = analysis.equivariance_error(plain, "p4", inputs=IMAGE[None])
    assert number_in(first[3].get_title()) == pytest.approx(errors["r"], rel=0.05)
    assert np.abs(planes_in(first[3])).max() > 0.1
    np.testing.assert_allclose(
        planes_in(first[3]), np.subtract(planes_in(first[1]), planes_in(first[2])), atol=1e-6
    )
    assert number_in(second[3].get_title()) < 1e-5
    assert [row[0].get_ylabel().splitlines()[0] for row in (first, second)] == ["plain", "P4"]
    assert first[0].get_ylabel().splitlines()[1] == "g = r, 90°"


@pytest.mark.parametrize(
    ("elements", "names"),
    [("r2", ["r2"]), (["m", "mr"], ["m", "mr"]), ("all", [*groups.get("p4m").elements[1:]])],
)
def test_elements_are_rows(elements, names):
    figure = analysis.plot_equivariance(
        built(layers.LiftingConv2D(1, 3, "p4m"), 1), IMAGE, elements=elements
    )
    labels = [row[0].get_ylabel() for row in rows_of(figure)]
    assert [label.split()[2].rstrip(",") for label in labels] == names


def test_invariant_features_are_bars(lifting):
    model = keras.Sequential([keras.Input((9, 9, 1)), lifting, layers.GGlobalPooling("max", "p4")])
    ((_, moved, expected, difference),) = rows_of(analysis.plot_equivariance(model, IMAGE))
    heights = [[bar.get_height() for bar in axes.patches] for axes in (moved, expected, difference)]
    features = output_of(model, IMAGE)
    np.testing.assert_allclose(heights, [features, features, 0 * features], atol=1e-5)
    ends = np.array([min(0, features.min()), max(0, features.max())])
    np.testing.assert_allclose(
        [axes.get_ylim() for axes in (moved, difference)], [1.1 * ends] * 2, atol=1e-5
    )


def test_vectors_without_positions_are_bars(lifting):
    model = keras.Sequential([keras.Input((9, 9, 1)), lifting, layers.GOrientation("p4")])
    figure = analysis.plot_equivariance(model, IMAGE, output_type="vectors")
    ((_, moved, expected, _),) = rows_of(figure)
    right, up = output_of(model, IMAGE).T
    rotated = np.stack([-up, right], axis=-1).ravel()
    for axes in (moved, expected):
        np.testing.assert_allclose([bar.get_height() for bar in axes.patches], rotated, atol=1e-5)


@pytest.mark.parametrize("data_format", ["channels_last", "channels_first"])
def test_a_mask_is_one_channel(data_format):
    first = data_format == "channels_first"
    image = np.moveaxis(IMAGE, -1, 0) if first else IMAGE
    model = keras.Sequential(
        [
            keras.Input(image.shape),
            layers.LiftingConv2D(2, 3, "p4", data_format=data_format),
            layers.GPooling("max", "p4", data_format=data_format),
        ]
    )
    ((_, moved, _, difference),) = rows_of(analysis.plot_equivariance(model, image, field=1))
    mask = output_of(model, GROUP.act_on_plane(image, 1, (1, 2) if first else (0, 1)))
    (shown,) = planes_in(moved)
    np.testing.assert_allclose(shown, mask[1] if first else mask[..., 1], atol=1e-5)
    assert np.abs(planes_in(difference)).max() < 1e-5


def test_a_model_that_ends_in_fields_is_measured_with_them():
    fields = Fields.regular(2, max_frequency=1)
    convolution = layers.SteerableConv2D(Fields.trivial(1), fields, 3)
    model = keras.Sequential([keras.Input((9, 9, 1)), convolution])
    analysis.assert_equivariant(model, "p4")
    ((_, moved, expected, difference),) = rows_of(analysis.plot_equivariance(model, IMAGE, field=1))
    maps = output_of(model, IMAGE)
    (shown,) = planes_in(expected)
    np.testing.assert_allclose(shown, np.rot90(maps[..., 3]), atol=1e-6)
    assert len(moved.collections) == 1  # the arrows
    assert not len(difference.collections[0].get_offsets())


@pytest.mark.filterwarnings("ignore:invalid value")
def test_outputs_that_are_not_finite_are_shown():
    for function in (lambda x: np.log(np.array(x)), lambda x: np.log(np.array(x)[:, 0, :, 0])):
        ((*_, axes),) = rows_of(analysis.plot_equivariance(function, IMAGE, "p4"))
        assert axes.get_title() == "difference: at most nan"


def test_outputs_of_different_shapes_have_no_difference():
    oblong = built(layers.LiftingConv2D(1, 3, "p4", padding="same"), 1)
    figure = analysis.plot_equivariance(oblong, IMAGE[:5])
    assert np.abs(planes_in(figure.axes[3])).max() < 1e-5
    figure = analysis.plot_equivariance(keras.layers.AveragePooling2D((2, 1)), IMAGE, "p4")
    assert figure.axes[3].get_title() == "outputs of different shapes"


@pytest.mark.parametrize(
    ("image", "options", "message"),
    [
        (IMAGE[..., 0], {}, r"shape \(9, 9\)\. Give one image with an axis for its channels"),
        (np.stack([IMAGE, IMAGE]), {}, r"images\[0\] of a batch"),
        (IMAGE, {"elements": "m"}, "p4 has e, r, r2, r3"),
        (IMAGE, {"elements": []}, "Name one or several of them"),
        (IMAGE, {"elements": 1}, "elements=1: p4 has e, r, r2, r3"),
        (IMAGE, {"field": 3}, "There is no field 3. Choose from 0 to 2"),
        (IMAGE, {"field": 0.5}, "There is no field 0.5. Choose from 0 to 2"),
    ],
)
def test_a_mistake_is_explained(lifting, image, options, message):
    with pytest.raises(ValueError, match=message):
        analysis.plot_equivariance(lifting, image, **options)


def test_a_wrong_target_or_argument_is_explained(lifting):
    with pytest.raises(ValueError, match="an empty mapping"):
        analysis.plot_equivariance({}, IMAGE)
    with pytest.raises(TypeError, match=r"no argument 'colour'\. Of those of equivariance_error"):
        analysis.plot_equivariance(lifting, IMAGE, colour="red")
    for plot in (analysis.plot_fields, lambda *args: analysis.plot_equivariance(*args, "p4")):
        with pytest.raises(TypeError, match=r"None is of type NoneType\. Give a layer"):
            plot(None, IMAGE)


def test_the_folder_of_a_file_is_made(lifting, tmp_path):
    path = tmp_path / "new" / "folder" / "filters.png"
    analysis.plot_filters(lifting, path, filters=[0])
    assert path.exists()


def test_filters_are_those_of_the_expanded_kernel(lifting):
    figure = analysis.plot_filters(lifting, filters=(2, 0))
    kernel = lifting.expanded_kernel()
    assert [axes.get_title() for axes in figure.axes[:4]] == ["e", "r", "r2", "r3"]
    for place, axes in enumerate(figure.axes[:8]):
        filter_number, orientation = (2, 0)[place // 4], place % 4
        (plane,) = planes_in(axes)
        np.testing.assert_array_equal(plane, kernel[:, :, 0, 4 * filter_number + orientation])
        low, high = axes.images[0].get_clim()
        assert -low == high == pytest.approx(np.abs(kernel[..., [0, 1, 2, 3, 8, 9, 10, 11]]).max())


@pytest.mark.parametrize(
    ("layer", "channels"),
    [
        (layers.GConv2D(2, 3, "p4"), 12),
        (layers.GConv2DTranspose(2, 3, "p4"), 12),
        (layers.GSeparableConv2D(2, 3, "p4"), 12),
        (layers.GDepthwiseConv2D(3, "p4", depth_multiplier=2), 4),
    ],
)
def test_planes_move_and_change_places(layer, channels):
    """From one orientation to the next, by a quarter turn."""
    input_field = 2 if channels == 12 else 0
    figure = analysis.plot_filters(built(layer, channels), input_field=input_field)
    planes = [planes_in(axes) for axes in figure.axes[:8]]
    expected = 1 if isinstance(layer, layers.GDepthwiseConv2D) else 4
    assert {len(each) for each in planes} == {expected}
    for first, second in itertools.pairwise(planes[:4]):
        moved = np.roll([np.rot90(plane) for plane in first], 1, axis=0)
        np.testing.assert_allclose(second, moved, atol=1e-7)
    assert np.abs(planes[0]).max() > 0


def test_steerable_filters_have_a_column_for_each_channel():
    fields = Fields({0: 2, 1: 1})
    layer = built(layers.SteerableConv2D(Fields.trivial(2), fields, 5), 2)
    figure = analysis.plot_filters(layer, input_field=1)
    kernel = layer.expanded_kernel()[:, :, 1]
    shown = [axes for axes in figure.axes if axes.images]
    titles = [axes.get_title() for axes in shown]
    assert titles == ["0", "1 x", "1 y", "0"]
    for axes, channel in zip(shown, range(4), strict=True):
        np.testing.assert_array_equal(planes_in(axes), [kernel[..., channel]])


def test_layers_without_such_filters_are_refused(lifting):
    with pytest.raises(TypeError, match=r"Dense has no filters in orientations\. Give a conv"):
        analysis.plot_filters(keras.layers.Dense(2))
    with pytest.raises(ValueError, match=r"input field 1\. Choose from 0 to 0"):
        analysis.plot_filters(lifting, input_field=1)
    with pytest.raises(ValueError, match=r"no filter 7\. Choose from 0 to 2"):
        analysis.plot_filters(lifting, filters=[7])
    with pytest.raises(ValueError, match=r"1 is no list of indices, such as \[0\]\. Choose from"):
        analysis.plot_filters(lifting, filters=1)
    with pytest.raises(ValueError, match="has no kernel yet"):
        analysis.plot_filters(layers.LiftingConv2D(1, 3))


def test_fields_of_a_layer_in_a_model(lifting):
    model = keras.Sequential(
        [keras.Input((9, 9, 1)), lifting, keras.layers.ReLU(name="relu"), keras.layers.Flatten()]
    )
    figure = analysis.plot_fields(model, IMAGE, fields=[2, 0])  # of the last layer with a map
    assert figure.get_suptitle() == "relu, a map on p4"
    maps = np.maximum(output_of(lifting, IMAGE), 0)
    shown = [planes_in(axes) for axes in figure.axes[1:]]
    order = [8, 9, 10, 11, 0, 1, 2, 3]
    np.testing.assert_allclose(np.concatenate(shown), np.moveaxis(maps[..., order], -1, 0))
    before = analysis.plot_fields(model, IMAGE, lifting.name, fields=[2])
    assert np.min(planes_in(before.axes[1])) < 0
    first = analysis.plot_fields(lifting, IMAGE)  # those that vary most, of a layer alone
    assert len(first.axes) == 1 + 3 * 4


def test_fields_of_a_steerable_layer_have_a_panel_for_each_irrep():
    fields = Fields({0: 1, 1: 1, 2: 1})
    layer = layers.SteerableConv2D(Fields.trivial(1), fields, 5)
    figure = analysis.plot_fields(layer, IMAGE)
    titles = [axes.get_title() for axes in figure.axes[1:]]
    assert titles == ["frequency 0", "frequency 1", "frequency 2"]
    maps = output_of(layer, IMAGE)
    for axes, values in zip(
        figure.axes[1:],
        (maps[..., 0], np.hypot(maps[..., 1], maps[..., 2]), np.hypot(maps[..., 3], maps[..., 4])),
        strict=True,
    ):
        np.testing.assert_allclose(planes_in(axes), [values], atol=1e-6)
    (arrows,) = figure.axes[2].collections
    lengths = np.hypot(maps[..., 1], maps[..., 2])
    long = lengths > 0.1 * max(lengths.max(), np.hypot(maps[..., 3], maps[..., 4]).max())
    np.testing.assert_allclose(
        np.arctan2(arrows.V, arrows.U), np.arctan2(maps[..., 2], maps[..., 1])[long], atol=1e-5
    )


def test_channels_of_a_plain_map():
    plain = built(keras.layers.Conv2D(6, 3), 1)
    maps = output_of(plain, IMAGE)
    figure = analysis.plot_fields(plain, IMAGE, fields=range(6))
    shown = np.concatenate([planes_in(axes) for axes in figure.axes[1:]])
    np.testing.assert_allclose(shown, np.moveaxis(maps, -1, 0), atol=1e-6)
    assert len({axes.images[0].get_clim() for axes in figure.axes[1:]}) == 1


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"layer": "conv"}, "a functional or sequential model that is built"),
        ({"channels": "p4"}, "The map has 6 channels, which cannot be"),
        ({"fields": [6]}, "There is no field 6. Choose from 0 to 5"),
        ({"fields": "12"}, "'12' is no list of indices"),
        ({"fields": 2}, "2 is no list of indices"),
    ],
)
def test_maps_that_cannot_be_plotted_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        analysis.plot_fields(built(keras.layers.Conv2D(6, 3), 1), IMAGE, **options)


def test_the_input_of_a_model_has_no_fields(lifting):
    model = keras.Sequential([keras.Input((9, 9, 1), name="image"), lifting])
    functional = keras.Model(model.inputs, model.outputs)
    with pytest.raises(ValueError, match="layer='image' is the input of"):
        analysis.plot_fields(functional, IMAGE, "image")


def test_features_are_no_map():
    with pytest.raises(ValueError, match=r"shape \(1, 81\), which is no map"):
        analysis.plot_fields(keras.layers.Flatten(), IMAGE)


@pytest.mark.filterwarnings("ignore::keras_gcnn.layers.EquivarianceWarning")
def test_the_audit_has_a_bar_for_each_layer():
    model = keras.Sequential(
        [
            keras.Input((9, 9, 1)),
            layers.LiftingConv2D(2, 3, "p4", name="lift"),
            keras.layers.BatchNormalization(name="norm"),
            layers.Restriction("p4", "p2", name="restrict"),
            layers.GGlobalPooling("max", "p2", name="pool"),
        ]
    )
    audit = analysis.audit(model)
    errors = {finding.layer: finding.error for finding in audit.findings}
    assert errors["lift"] < 1e-5
    assert errors["norm"] > 1e-2
    assert errors["restrict"] is None
    axes = analysis.plot_audit(audit).axes[0]
    names = [label.get_text() for label in axes.get_yticklabels()]
    assert [name.split()[0] for name in names] == list(errors)
    measured = [error for error in errors.values() if error is not None]
    ends = [bar.get_x() + bar.get_width() for bar in axes.patches]
    np.testing.assert_allclose(ends, np.clip(measured, 1e-9, 10))
    assert [bar.get_hatch() for bar in axes.patches] == [None, "///", None]
    markers = [line.get_marker() for line in axes.lines if len(line.get_xdata()) == 1]
    assert markers == ["o", "X", "o"]
    texts = [text.get_text() for text in axes.texts]
    assert "goes on with p2" in texts
    assert any("GBatchNormalization" in text for text in texts)
    assert len(analysis.plot_audit(audit, most=2).axes[0].get_yticklabels()) == 2


def test_only_audits_are_plotted_as_audits(lifting):
    with pytest.raises(TypeError, match="takes the result of audit"):
        analysis.plot_audit(lifting)
    audit = analysis.audit(keras.Sequential([keras.Input((9, 9, 1)), lifting]))
    with pytest.raises(ValueError, match="most=0 has to be a positive integer"):
        analysis.plot_audit(audit, most=0)


@pytest.mark.backend_free
def test_the_colours_differ_in_brightness_or_hue():
    assert len({*COLOURS}) == 10
