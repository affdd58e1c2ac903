"""Training steps of a converted ResNet20 against the plain one, and the time to convert ResNet50.

The plain network is of stock layers, for 64x64 colour images. Converted with `keep="channels"` it
has as many channels and multiply-adds; the difference is the cost of expanding kernels and of
shared statistics. Converting is timed beside building `keras.applications.ResNet50`, in one
process; the first call of each is left out, since it imports or compiles.

    python -m benchmarks.suite.converted
    python -m benchmarks.suite.converted --backend jax --group p4 --steps 30
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from benchmarks.common import command, harness, report
from benchmarks.common.environments import Environment
from benchmarks.suite.layers import Groups

PLAIN = "plain"
GROUPS = ("p4", "p4m")
STEP_TARGET = 1.10
CONVERT_TARGET = 2.0
SIZE, CLASSES = 64, 10
WIDTHS = (16, 32, 64)  # those of ResNet20
APPLICATION_SIZE = 225  # a size that all strides of ResNet50 fit
SMALLEST = {"batch_size": 2, "steps": 2, "blocks": 1, "application": "MobileNetV3Small"}


def resnet(blocks: int):
    """A plain residual network of stock layers, with `blocks` blocks in each of three stages."""
    import keras
    from keras import layers

    axis = 1 if keras.config.image_data_format() == "channels_first" else -1

    def normalized(x, width, size, strides=1):
        x = layers.Conv2D(width, size, strides=strides, padding="same", use_bias=False)(x)
        return layers.BatchNormalization(axis)(x)

    keras.utils.set_random_seed(0)
    image = keras.Input(harness.in_format((SIZE, SIZE, 3)))
    x = layers.ReLU()(normalized(image, WIDTHS[0], 3))
    for width in WIDTHS:
        for _ in range(blocks):
            strides = 2 if width != x.shape[axis] else 1
            branch = layers.ReLU()(normalized(x, width, 3, strides))
            branch = normalized(branch, width, 3)
            short = x if strides == 1 else normalized(x, width, 1, strides)
            x = layers.ReLU()(layers.Add()([short, branch]))
    x = layers.GlobalAveragePooling2D()(x)
    return keras.Model(image, layers.Dense(CLASSES)(x))


def time_steps(groups: list[str], blocks: int, batch_size: int, steps: int) -> harness.Timed:
    """Times training steps of the plain network and of its conversions in turn."""
    import keras_gcnn

    data = harness.batch(batch_size, harness.in_format((SIZE, SIZE, 3)), CLASSES)
    plain = resnet(blocks)
    models = {PLAIN: plain, **{group: keras_gcnn.convert(plain, group) for group in groups}}
    return harness.alternate(
        {
            name: partial(harness.compile_classifier(model).train_on_batch, *data)
            for name, model in models.items()
        },
        steps,
    )


def time_converting(application: str, steps: int) -> harness.Timed:
    """Times building a network of Keras and converting it in turn."""
    import keras

    import keras_gcnn

    shape = harness.in_format((APPLICATION_SIZE, APPLICATION_SIZE, 3))
    build = partial(getattr(keras.applications, application), weights=None, input_shape=shape)
    plain = build()
    actions = {"build": build, "convert": partial(keras_gcnn.convert, plain, "p4m")}
    return harness.alternate(actions, steps, warm_up=1)


def compare(
    environment: Environment,
    batch_size: command.BatchSize = 32,
    steps: command.Steps = 10,
    groups: Groups = GROUPS,
    blocks: int = 3,
    application: str = "ResNet50",
) -> Iterator[report.Row]:
    """The rows of one environment."""
    timed = environment.run(time_steps, list(groups), blocks, batch_size, steps)
    for group in groups:
        what = f"ResNet20 converted to {group}, training step"
        yield report.times(what, timed, group, PLAIN, STEP_TARGET)
    timed = environment.run(time_converting, application, steps)
    what = f"converting {application} to p4m against building it"
    yield report.times(what, timed, "convert", "build", CONVERT_TARGET)


if __name__ == "__main__":
    command.run("converted", compare, steps=10)
