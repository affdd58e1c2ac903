"""Markdown pages on the published networks: a model card each, and the table of the zoo."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from keras_gcnn import groups
from keras_gcnn.training.recipes.tables import AugmentTable, TrainingTable

Card = Mapping[str, Any]
_COLUMNS = (
    "network",
    "parameters",
    "head",
    "data",
    "error, %",
    "seeds",
    "epochs",
    "minutes",
    "command",
    "file",
)


def error(card: Card) -> str:
    """Returns the mean test error and, for several seeds, the standard deviation."""
    spread = card["test error, standard deviation, %"]
    mean = f"{card['test error, mean, %']:.2f}"
    return mean if spread is None else f"{mean} ± {spread:.2f}"


def _group(card: Card) -> str:
    """Returns the name of the group; a network without the argument is for all rotations."""
    return card["arguments"].get("group", "so2").upper()


_ELSEWHERE = "At other angles the pixel grid changes them, and training can enlarge this change."


def _invariance(card: Card) -> str:
    """Returns a sentence on the transformations under which the logits are invariant."""
    arguments = card["arguments"]
    if "group" not in arguments:
        return f"The logits are invariant: exactly under quarter turns. {_ELSEWHERE}"
    group = [arguments["group"], *(arguments.get("restrict_after") or {}).values()][-1].upper()
    if group in ("Z2", "C1"):
        return "The logits change when the image is rotated."
    if "head" not in arguments and group.lower() not in groups.names():  # fields of a point group
        return (
            f"The logits are invariant under {group}: exactly under the elements that move pixels "
            f"to pixels. {_ELSEWHERE}"
        )
    if arguments.get("head", "invariant") == "invariant":
        return f"The logits are exactly invariant under {group}."
    return (
        f"The features are equivariant under {group}; the logits are not invariant, since the head "
        f'`"{arguments["head"]}"` keeps the positions and orientations of the features.'
    )


def _augmentation(card: Card) -> str:
    """Returns the end of the sentence on what the network was trained on."""
    augment = TrainingTable.model_validate(card["training"]).augment
    if augment == AugmentTable():
        return "without augmentation, and only on images like those above."
    return f"only on images like those above, each changed at random: {augment}."


def model_card(identity: str, card: Card) -> str:
    """Returns the card of a network as Markdown."""
    environment = ", ".join(f"{key}: {value}" for key, value in card["environment"].items())
    training = ", ".join(f"{key}: {value}" for key, value in card["training"].items())
    arguments = card["arguments"]
    lines = [
        f"# {identity}",
        "",
        f"A `{card['builder']}` on the group {_group(card)} with "
        f"{card['parameters']:,} trainable parameters:",
        "",
        "```python",
        "from keras_gcnn import zoo",
        "",
        f"network = {card['call']}",
        "```",
        "",
        f"Images of shape {tuple(arguments['input_shape'])} with pixels in [0, 1] in, logits of "
        f"{arguments['classes']} classes out. {_invariance(card)}",
        "",
        f"**Data.** {card['data']}",
        "",
        f"**Training.** `{card['command']}`: {training}. {card['minutes of training']} minutes "
        "by the clock.",
        "",
        f"**Test error.** {error(card)} % over seeds {', '.join(map(str, card['seeds']))}; this "
        f"file, of seed {card['seed of this file']}, {card['test error of this file, %']:.2f} %. "
        f"See [the whole table](../results/{card['recipe']}/results.md).",
        "",
        f"**Measured with.** {environment}.",
        "",
        "**Limits.** The network is meant for comparing groups and for trying the library out. It "
        f"was trained {_augmentation(card)}",
    ]
    return "\n".join(lines) + "\n"


def readme(cards: Mapping[str, Card], results: Mapping[str, Path]) -> str:
    """Returns the table of all published networks and the list of results as Markdown.

    Args:
        cards: dict from the identity of a network to its card.
        results: dict from the name of a recipe to its `results.json`.
    """
    lines = [
        "# The published zoo",
        "",
        "Written by `python zoo/publish.py`. Every error was printed by the command in its row; "
        "data, seeds, versions, hardware and date are in the model card, linked from the name of "
        "the network, and in the results of the recipe. Errors and minutes are means over the "
        "seeds (minutes of wall-clock time, possibly beside other work); the weights are those of "
        "the first seed. They are in `keras_gcnn/zoo/trained` and ship with the package. The "
        "logits are invariant under rotations only with an invariant head.",
        "",
        "| " + " | ".join(_COLUMNS) + " |",
        "|" + "---|" * len(_COLUMNS),
    ]
    for identity, card in sorted(cards.items(), key=lambda item: (item[1]["recipe"], item[0])):
        cells = (
            f"[`{card['call']}`](cards/{identity}.md)",
            f"{card['parameters']:,}",
            card["arguments"].get("head", "invariant"),
            card["weights"],
            error(card),
            str(len(card["seeds"])),
            str(card["epochs"]),
            f"{card['minutes of training']:.1f}",
            f"`{card['command']}`",
            f"`{card['file']}`",
        )
        lines.append("| " + " | ".join(cells) + " |")
    lines += ["", "## Results", ""]
    for name, path in sorted(results.items()):
        title = json.loads(path.read_text(encoding="utf-8"))["title"]
        lines.append(f"- [{title}](results/{name}/results.md)")
    return "\n".join(lines) + "\n"
