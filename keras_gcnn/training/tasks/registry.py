"""All tasks, and which of them a recipe or a builder is for."""

from __future__ import annotations

from keras_gcnn.training.recipes.data_table import DataTable
from keras_gcnn.training.recipes.tables import APPLICATIONS, EvaluationTable, LatentTable
from keras_gcnn.training.tasks.autoencoding import Autoencoding
from keras_gcnn.training.tasks.classification import Classification
from keras_gcnn.training.tasks.folder_tasks import Labelling, Regression
from keras_gcnn.training.tasks.segmentation import Segmentation
from keras_gcnn.training.tasks.task import Task

TASKS: tuple[type[Task], ...] = (Classification, Autoencoding, Regression, Labelling, Segmentation)
_BY_TARGET: dict[str, type[Task]] = {
    "number": Regression,
    "labels": Labelling,
    "mask": Segmentation,
}


def make_task(
    latent: LatentTable | None,
    evaluation: EvaluationTable | None = None,
    data: DataTable | None = None,
) -> Task:
    """Returns what the networks of a recipe are trained for.

    Args:
        latent: `[latent]` of the recipe, which only recipes of autoencoders have.
        evaluation: `[evaluation]` of the recipe; None for its defaults.
        data: `[data]` of the recipe; None for classes.
    """
    if latent is not None:
        return Autoencoding(latent)
    if data is not None and data.target in _BY_TARGET:
        return _BY_TARGET[data.target]()
    return Classification(evaluation)


def check_builder(task: Task, builder: str, key: str = "models.builder") -> None:
    """Checks that a builder makes networks for a task.

    Args:
        task: the task.
        builder: name of the builder.
        key: where it stands in the recipe, for the message.

    Raises:
        ValueError: if there is no such builder, or it makes networks for another task.
    """
    for_vectors = not isinstance(task, Autoencoding | Segmentation)
    keras_s_own = builder.startswith(APPLICATIONS) and for_vectors
    if builder in task.builders or keras_s_own:
        return
    hint = ""
    if any(builder in known.builders for known in TASKS):
        hint = (
            " A recipe trains autoencoders if it has [latent], networks for masks if data.target "
            'is "mask", and else classifiers.'
        )
    raise ValueError(
        f"{key} = {builder!r} is no builder of {task.networks} in keras_gcnn.zoo.{hint} "
        f"Choose one of {', '.join(task.builders)}."
    )
