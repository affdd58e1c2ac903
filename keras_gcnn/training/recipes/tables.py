"""The tables of a recipe, each key checked by itself."""

from __future__ import annotations

import math
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    field_validator,
    model_validator,
)

from keras_gcnn.former_names import update_table

Backend = Literal["tensorflow", "jax", "torch"]
NAME = r"^[\w.+-]+$"  # of a network, which names a folder


def _check_finite(value: Any) -> Any:
    """Rejects inf and nan at any depth; a run's recipe.json could not be compared with them."""
    for one in value.values() if isinstance(value, dict) else value:
        if isinstance(one, dict | list | tuple):
            _check_finite(one)
        elif isinstance(one, float) and not math.isfinite(one):
            raise ValueError("Numbers should be finite")
    return value


def _check_differ(seeds: tuple[int, ...]) -> tuple[int, ...]:
    if len(set(seeds)) < len(seeds):
        raise ValueError("Seeds should differ, since each has its folder")
    return seeds


# As large as NumPy and Keras allow.
Seeds = Annotated[
    tuple[Annotated[int, Field(ge=0, lt=2**32)], ...],
    Field(min_length=1),
    AfterValidator(_check_differ),
]
Arguments = Annotated[dict[str, Any], AfterValidator(_check_finite)]


def _has_no_rate(value: dict[str, Any]) -> dict[str, Any]:
    if "learning_rate" in value:  # which would not be heeded
        raise ValueError("Set training.learning_rate instead of learning_rate in here")
    return value


OptimizerArguments = Annotated[Arguments, AfterValidator(_has_no_rate)]


class Table(BaseModel):
    # Strict: what a user wrote is used as it is, or rejected; no "3" becomes 3, no true 1. Only
    # TOML's lists become tuples, where a field says so.
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


class DataTable(Table):
    """`[data]`: arguments of `keras_gcnn.data.load`."""

    name: str = "digits"
    validation: float | int = 0.1
    subset: Annotated[int, Field(gt=0)] | None = None
    test_subset: Annotated[int, Field(gt=0)] | None = None
    rotate: tuple[Literal["train", "validation", "test"], ...] = Field((), strict=False)

    @field_validator("validation", mode="before")
    @classmethod
    def _is_share_or_number(cls, value: Any) -> Any:
        # As one check: of a union, pydantic would report every member.
        number = isinstance(value, int | float) and not isinstance(value, bool)
        if number and value > 0 and (isinstance(value, int) or value < 1):
            return value
        raise ValueError(
            "Input should be a share of the images, a float above 0 and below 1, or a number of "
            "images, an integer from 1"
        )


class TrainingTable(Table):
    """`[training]`: how every network is trained."""

    epochs: int = Field(30, gt=0)
    patience: int = Field(5, gt=0)
    monitor: Literal["val_loss", "val_accuracy"] = "val_loss"
    batch_size: int = Field(64, gt=0)
    optimizer: str = "adam"
    learning_rate: float = Field(1e-3, gt=0)
    schedule: Literal["constant", "cosine"] = "constant"  # cosine: to zero at the last epoch
    optimizer_arguments: OptimizerArguments = {}
    # Whose weights are kept: those of the epoch that the monitor says, or of the last one, which
    # are better after a cosine schedule if there are too few validation images to choose by.
    keep: Literal["best", "last"] = "best"
    rotate: bool = False  # every training image by a random angle, anew in every epoch
    # Every pixel black or white, its value being the chance: of training images anew in every
    # epoch, of others once. For autoencoders.
    binarize: bool = False
    # Images turned anew in every epoch go in, and as they were they are to be drawn: for
    # autoencoders, whose latent vectors are then trained not to tell the angle.
    straighten: bool = False


class EvaluationTable(Table):
    """`[evaluation]`: the columns of the table and the pictures."""

    turned: bool = True  # columns for quarter turns, mirror images and any angle
    angles: bool = True  # a picture of accuracy by angle
    confusion: bool = False  # a picture of which class is taken for which
    losses: bool = False  # columns for the mean cross-entropy
    angle_step: float = Field(15, ge=1, le=180)
    picture_images: int = Field(2000, gt=0)


class LatentTable(Table):
    """`[latent]`: the networks are autoencoders, and this is measured of them."""

    invariance: bool = True  # what latent vectors keep of the class, and of how an image is turned
    labels: tuple[Annotated[int, Field(gt=0)], ...] = Field((100, 600, 1000), strict=False)
    images: int = Field(2000, ge=40)  # test images for it, at most
    likelihood_samples: int = Field(0, ge=0)  # by which the log-likelihood is estimated; 0 for none
    likelihood_images: int = Field(500, gt=0)  # test images for it, at most
    pictures: bool = True  # of turned images with what is drawn of them, and of latent vectors


class BuilderTable(Table):
    """A table with the keys `builder` and `arguments`, in the names of version 0.1 or today's."""

    @model_validator(mode="before")
    @classmethod
    def _update_names(cls, table: Any) -> Any:
        return update_table(table)


class ModelTable(BuilderTable):
    """`[[models]]`: one network, a builder of `keras_gcnn.zoo` with its arguments."""

    name: str = Field(pattern=NAME)
    builder: str
    arguments: Arguments = {}
    epochs: Annotated[int, Field(gt=0)] | None = None  # at most, if fewer than training.epochs
    seeds: Seeds | None = Field(None, strict=False)  # instead of the recipe's
    optimizer: str | None = None  # instead of that of [training], as the following
    learning_rate: Annotated[float, Field(gt=0)] | None = None
    optimizer_arguments: OptimizerArguments = {}  # before those of [training]
