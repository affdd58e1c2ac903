"""What is written about published networks: a model card each, and the table of the zoo."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

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
    """Mean test error and, over several seeds, standard deviation."""
    spread = card["test error, standard deviation, %"]
    mean = f"{card['test error, mean, %']:.2f}"
    return mean if spread is None else f"{mean} ± {spread:.2f}"


def _group(card: Card) -> str:
    """The group's name; without one the network is for all rotations."""
    return card["arguments"].get("group", "so2").upper()


def _invariance(card: Card) -> str:
    """Under what the logits do not change."""
    arguments = card["arguments"]
    if "group" not in arguments:
        return "The logits stay, exactly under quarter turns and nearly so at every angle."
    group = [arguments["group"], *(arguments.get("restrict_after") or {}).values()][-1].upper()
    if group == "Z2":
        return "The logits change when the image is turned."
    if arguments["head"] == "invariant":
        return f"The logits are invariant under {group}: exactly the same for the turned image."
    return (
        f"The features are equivariant under {group}, the logits are not invariant: the head is "
        f'`"{arguments["head"]}"`, which keeps where and how the features lie.'
    )


def model_card(identity: str, card: Card) -> str:
    """The card of a network, as Markdown."""
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
        "**Limits.** For comparing groups and for trying the library out; trained without "
        "augmentation, on images like those above only.",
    ]
    return "\n".join(lines) + "\n"


def readme(cards: Mapping[str, Card], results: Mapping[str, Path]) -> str:
    """The table of all published networks and the list of results, as Markdown.

    Args:
        cards: by identity.
        results: from the name of a recipe to its `results.json`.
    """
    lines = [
        "# The published zoo",
        "",
        "Written by `python zoo/publish.py`. Every error was printed by the command beside it; "
        "data, seeds, versions, hardware and date are in the card that the network's name leads "
        "to, and in the results of its recipe. Errors and minutes (by the clock, other work may "
        "have run beside) are means over the seeds, the weights those of the first. They are in "
        "`keras_gcnn/zoo/trained` and come with the package. Only with an invariant head do logits "
        "stay when the image is turned.",
        "",
        "| " + " | ".join(_COLUMNS) + " |",
        "|" + "---|" * len(_COLUMNS),
    ]
    for identity, card in sorted(cards.items(), key=lambda one: (one[1]["recipe"], one[0])):
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
