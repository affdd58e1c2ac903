"""The tables of a recipe; here each key is checked by itself."""

from __future__ import annotations

import math
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    Field,
    field_validator,
    model_validator,
)

from keras_gcnn import groups
from keras_gcnn.former_names import update_table
from keras_gcnn.groups.point_group import LARGEST_TURNS, point_group
from keras_gcnn.training.recipes.table import Table

NAME = r"^[\w.+-]+$"  # of a network, after which a folder is named
MOST_EPOCHS = 100_000  # a longer history could not be read again (see user_files.MOST_DATA)


def _check_finite(value: Any) -> Any:
    """Rejects inf and nan at any depth: with nan, no two recipes would be equal."""
    for item in value.values() if isinstance(value, dict) else value:
        if isinstance(item, dict | list | tuple):
            _check_finite(item)
        elif isinstance(item, float) and not math.isfinite(item):
            raise ValueError("Numbers should be finite")
    return value


def _check_differ(seeds: tuple[int, ...]) -> tuple[int, ...]:
    if len(set(seeds)) < len(seeds):
        raise ValueError("Seeds should differ, since each has its own folder")
    return seeds


# The largest seeds that NumPy and Keras take.
Seeds = Annotated[
    tuple[Annotated[int, Field(ge=0, lt=2**32)], ...],
    Field(min_length=1, strict=False),
    AfterValidator(_check_differ),
]
Arguments = Annotated[dict[str, Any], AfterValidator(_check_finite)]
APPLICATIONS = "keras.applications."
"""Beginning of the names of Keras's own builders."""


def _check_no_rate(value: dict[str, Any]) -> dict[str, Any]:
    if "learning_rate" in value:  # it would be ignored
        raise ValueError("Set training.learning_rate instead of learning_rate in here")
    return value


def check_group(name: str) -> None:
    """Checks the name of a group; this takes no time, before Keras and data are loaded.

    Raises:
        ValueError: if no builder knows such a group.
    """
    if name in groups.names():
        return
    try:
        point_group(name)
    except ValueError:
        raise ValueError(
            f"Unknown group {name!r}. Choose one of {', '.join(groups.names())}, or, for steerable "
            "networks and autoencoders, so2, o2, c8 or d8 with any number from 1 to "
            f"{LARGEST_TURNS} in place of 8; your own groups have to be registered with "
            "keras_gcnn.groups.register first"
        ) from None


OptimizerArguments = Annotated[Arguments, AfterValidator(_check_no_rate)]


class AugmentTable(Table):
    """`augment`: how training images are changed at random, anew in every epoch.

    Rotation, zoom and shift put zeros where nothing of the image is.
    """

    rotate: Literal["none", "quarter", "any"] = "none"  # by quarter turns, or by any angle
    # Mirror left and right in half of the images, or left and right and also top and bottom.
    flip: Literal["none", "horizontal", "both"] = "none"
    # Enlarge or shrink about the centre: 0.2 is up to 1.2 times as large or as small.
    zoom: float = Field(0.0, ge=0, le=1)
    # Bend as rubber does: pixels by which the image typically moves, independently at 5 x 5 points.
    elastic: float = Field(0.0, ge=0)
    shift: int = Field(0, ge=0)  # at most so many pixels in each direction
    # Shift by up to half a pixel more, between the pixels, so that the grid differs in every epoch.
    subpixel: bool = False
    # Of rotations by any angle, zooms and bends; "cubic" blurs less.
    interpolation: Literal["bilinear", "cubic"] = "bilinear"

    @model_validator(mode="after")
    def _check_interpolation(self) -> AugmentTable:
        changed = self.rotate == "any" or self.zoom or self.elastic
        if self.interpolation != "bilinear" and not changed:  # it would do nothing
            raise ValueError(
                f'interpolation = "{self.interpolation}" is for rotate = "any", zoom and elastic, '
                "and there is none of them; leave it out"
            )
        return self

    def __str__(self) -> str:
        """Returns what is changed, in words, or "unchanged"."""
        turns = {"quarter": "rotated by quarter turns", "any": "rotated by any angle"}
        flips = {"horizontal": "mirrored left and right", "both": "mirrored both ways"}
        parts = [turns.get(self.rotate), flips.get(self.flip)]
        parts += [f"zoomed by up to {100 * self.zoom:g} %"] if self.zoom else []
        parts += [f"bent by about {self.elastic:g} pixels"] if self.elastic else []
        parts += [f"shifted by up to {self.shift} pixels"] if self.shift else []
        parts += ["shifted between the pixels"] if self.subpixel else []
        parts += ["interpolated by cubic splines"] if self.interpolation == "cubic" else []
        return ", ".join(filter(None, parts)) or "unchanged"


class TrainingTable(Table):
    """`[training]`: how every network is trained."""

    epochs: int = Field(30, gt=0, le=MOST_EPOCHS)
    patience: int = Field(5, gt=0)
    monitor: Literal["val_loss", "val_accuracy"] = "val_loss"
    batch_size: int = Field(64, gt=0)
    optimizer: str = "adam"
    learning_rate: float = Field(1e-3, gt=0)
    schedule: Literal["constant", "cosine"] = "constant"  # cosine: to zero at the last epoch
    optimizer_arguments: OptimizerArguments = Field({})
    # The weights that are kept: of the best epoch by the monitor, or of the last epoch, which are
    # better after a cosine schedule if there are too few validation images to choose by.
    keep: Literal["best", "last"] = "best"
    # Keras's dtype policy in training; the network that is kept computes in float32. In
    # mixed_bfloat16, processors and GPUs that multiply in bfloat16 take about half of the time.
    dtype: Literal["float32", "mixed_bfloat16"] = "float32"
    augment: AugmentTable = AugmentTable()
    # "balanced": the loss of an image is weighted by how rare its class is. For classifiers.
    class_weights: Literal["none", "balanced"] = "none"
    # Make every pixel black or white, with its value as the probability of white: anew in every
    # epoch in training images, once in other images. For autoencoders.
    binarize: bool = False
    # The input is the training image rotated anew in every epoch, and the target the upright image.
    # For autoencoders, whose latent vectors then learn to ignore the angle.
    straighten: bool = False

    @model_validator(mode="before")
    @classmethod
    def _update_rotate(cls, table: Any) -> Any:
        """Reads `rotate = true` of version 0.1, which is now `augment = { rotate = "any" }`."""
        if not isinstance(table, dict) or not isinstance(table.get("rotate"), bool):
            return table
        if table["rotate"] and "augment" in table:
            raise ValueError('write augment = { rotate = "any" } instead of rotate = true')
        table = dict(table)
        return {**table, "augment": {"rotate": "any"}} if table.pop("rotate") else table


class EvaluationTable(Table):
    """`[evaluation]`: the columns of the table, and the plots."""

    turned: bool = True  # columns for quarter turns, mirror images and any angle
    angles: bool = True  # a plot of accuracy by angle
    confusion: bool = False  # a plot of which class is taken for which
    losses: bool = False  # columns for the mean cross-entropy
    auc: bool = False  # columns and a plot for the area under the curve
    angle_step: float = Field(15, ge=1, le=180)
    picture_images: int = Field(2000, gt=0)


class LatentTable(Table):
    """`[latent]`: the networks are autoencoders, and what is measured of them."""

    invariance: bool = True  # what latent vectors keep of the class and of the pose
    labels: tuple[Annotated[int, Field(gt=0)], ...] = Field((100, 600, 1000), strict=False)
    images: int = Field(2000, ge=40)  # the most test images for it
    likelihood_samples: int = Field(0, ge=0)  # for an estimate of the log-likelihood; 0 for none
    likelihood_images: int = Field(500, gt=0)  # the most test images for it
    pictures: bool = True  # plots of reconstructed rotated images, and of latent vectors


class BuilderTable(Table):
    """A table with the keys `builder` and `arguments`, also by the names of version 0.1."""

    @model_validator(mode="before")
    @classmethod
    def _update_names(cls, table: Any) -> Any:
        return update_table(table)


class ConvertTable(Table):
    """`convert` of `[[models]]`: arguments of `keras_gcnn.convert`."""

    group: str = "p4m"
    keep: Literal["channels", "parameters", "fields"] | None = None
    downsampling: Literal["stride", "exact"] = "stride"
    head: Literal["invariant", "orientations"] = "invariant"
    parameters: Annotated[int, Field(gt=0)] | None = None  # a budget, in place of keep
    multiply_adds: Annotated[int, Field(gt=0)] | None = None

    @model_validator(mode="after")
    def _check_budget(self) -> ConvertTable:
        given = [
            name
            for name in ("keep", "parameters", "multiply_adds")
            if getattr(self, name) is not None
        ]
        if len(given) > 1:
            raise ValueError(f"{' and '.join(given)} exclude each other; leave one")
        return self

    @field_validator("group")
    @classmethod
    def _check_group(cls, name: str) -> str:
        check_group(name)
        return name


class SymmetrizeTable(Table):
    """`symmetrize` of `[[models]]`: arguments of `keras_gcnn.symmetrize` after the training."""

    group: str
    already: str | None = None

    def __str__(self) -> str:
        """Returns the groups, in words."""
        return self.group + (f", already {self.already}" if self.already else "")

    @field_validator("group", "already")
    @classmethod
    def _check_group(cls, name: str | None) -> str | None:
        if name is not None:
            check_group(name)
        return name


class ModelTable(BuilderTable):
    """`[[models]]`: one network, made by a builder with these arguments.

    The builder is one of `keras_gcnn.zoo`, or a classifier of Keras such as
    `keras.applications.MobileNetV2`, which `convert` makes equivariant. With `symmetrize`, the
    trained network, or the encoder of an autoencoder, is run on every image in several poses: it is
    measured and kept like that.
    """

    name: str = Field(pattern=NAME)
    builder: str
    arguments: Arguments = Field({})
    convert: ConvertTable | None = None
    symmetrize: SymmetrizeTable | None = None
    epochs: Annotated[int, Field(gt=0, le=MOST_EPOCHS)] | None = None  # fewer than training.epochs
    seeds: Seeds | None = None  # instead of the seeds of the recipe
    optimizer: str | None = None  # this and the following override [training]
    learning_rate: Annotated[float, Field(gt=0)] | None = None
    optimizer_arguments: OptimizerArguments = Field({})
    augment: AugmentTable | None = None

    @model_validator(mode="after")
    def _check_convert(self) -> ModelTable:
        if self.convert is not None and not self.builder.startswith(APPLICATIONS):
            raise ValueError(
                f"convert is for builders of {APPLICATIONS.rstrip('.')}; the networks of the zoo "
                "take arguments = { group = ... }"
            )
        return self

    @field_validator("arguments")
    @classmethod
    def _check_group(cls, arguments: dict[str, Any]) -> dict[str, Any]:
        restriction = arguments.get("restrict_after")
        later = restriction.values() if isinstance(restriction, dict) else ()
        for name in (arguments.get("group"), *later):
            if isinstance(name, str):  # the builder reports other types
                check_group(name)
        return arguments
