"""The commands that make other models and files of a saved model."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from keras_gcnn.cli.app import BackendOption, app, console
from keras_gcnn.export.format_names import FILE_FORMATS
from keras_gcnn.training.backend import choose_backend

if TYPE_CHECKING:
    import numpy as np

    ExportFormat = str
else:
    ExportFormat = Literal[tuple(FILE_FORMATS)]
Keep = Literal["channels", "parameters", "fields"]
Downsampling = Literal["stride", "exact"]
Head = Literal["invariant", "orientations"]
Quantize = Literal["int8"]
_CALIBRATION_IMAGES = 500


@app.command()
def export(
    model: Annotated[Path, typer.Argument(help="A saved model, MODEL.keras.")],
    format: Annotated[
        ExportFormat,
        typer.Option(
            help="File format. `keras` can only be opened where keras_gcnn is installed; all "
            "others run without it."
        ),
    ] = "onnx",
    output: Annotated[
        Path | None,
        typer.Option(
            help="Where to write it; default beside the model, or MODEL/1 for a SavedModel."
        ),
    ] = None,
    classes: Annotated[
        str | None,
        typer.Option(help="Names of the classes, separated by commas; default the model's."),
    ] = None,
    scale: Annotated[
        float | None,
        typer.Option(help="Multiply inputs by this first, e.g. 0.00392157 for 8-bit pixels."),
    ] = None,
    quantize: Annotated[
        Quantize | None,
        typer.Option(help="Compute convolutions of an ONNX file with 8 bits; needs --calibration."),
    ] = None,
    calibration: Annotated[
        Path | None,
        typer.Option(
            help="Folder of images, such as those of training, by which the ranges of the 8-bit "
            "numbers are chosen; at most 500 of them are read."
        ),
    ] = None,
    backend: BackendOption = None,
) -> None:
    """Write a saved model for serving, and check that the file computes what the model does."""
    if (quantize is None) != (calibration is None):
        raise ValueError(
            "--quantize int8 and --calibration FOLDER belong together: the folder has images by "
            "which the ranges of the 8-bit numbers are chosen. Give both, or leave both out."
        )
    choose_backend(backend)
    from keras_gcnn import export as exporting
    from keras_gcnn.export import metadata
    from keras_gcnn.export.saving import save_and_compare
    from keras_gcnn.training.predictions.files import check_not_read

    loaded = exporting.load(model)
    kept = _kept(metadata.read(model), loaded)
    if output is None:
        output = Path(f"{model.with_suffix('')}{FILE_FORMATS[format].ending}")
    check_not_read(output, [model])  # the file of a run has the state of its optimizer too
    if classes is not None:
        kept["classes"] = [name.strip() for name in classes.split(",")]
    path, _ = save_and_compare(
        loaded,
        output,
        format,
        scale=scale,
        **kept,
        quantize=quantize,
        calibration=None if calibration is None else _images_in(calibration, model, scale),
    )
    if quantize is None:
        console.print(f"{path} computes what {model} does.")
        return
    comparison = metadata.read(path)["int8"]
    if "agreement" in comparison:
        same = f"gives the same answer as {model} for {100 * comparison['agreement']:.1f} % of"
    else:
        same = f"differs from {model} by {comparison['difference']:.2g} of the largest output on"
    console.print(f"{path} {same} the {comparison['images']} images.")


def _kept(known: dict[str, Any], model: Any) -> dict[str, Any]:
    """Returns the metadata of a model's file that a file made from this model gets too.

    Names of classes are left out unless there is one for each output: earlier versions wrote an
    empty list for networks that predict a number, and names for autoencoders.
    """
    from keras_gcnn.export.checks import are_names

    kept: dict[str, Any] = {
        name: known[name] for name in ("classes", "images", "target") if name in known
    }
    names = kept.get("classes", [])
    if not names or not are_names(names, model):
        kept.pop("classes", None)
    return kept


def _images_in(folder: Path, model: Path, scale: float | None) -> np.ndarray:
    """Images of a folder, as many as calibration needs, as the file of a model takes them."""
    from keras_gcnn.training.predictions.batches import images_of
    from keras_gcnn.training.predictions.files import find_images
    from keras_gcnn.training.predictions.opening import load_predictor
    from keras_gcnn.training.progress import Bar

    paths = find_images([folder])
    some = paths[:: -(-len(paths) // _CALIBRATION_IMAGES)]
    return images_of(some, load_predictor(model).shape, Bar(console)) / (scale or 1)


@app.command()
def predict(
    model: Annotated[Path, typer.Argument(help="A saved model, MODEL.keras or MODEL.onnx.")],
    images: Annotated[list[Path], typer.Argument(help="Image files, or folders of them.")],
    csv: Annotated[
        Path | None, typer.Option(help="Write the table here, as CSV; default it is printed.")
    ] = None,
    proba: Annotated[
        bool, typer.Option("--proba", help="Probabilities of all classes, not only the best.")
    ] = False,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="Folder for masks and overlays of a network for them."),
    ] = None,
    backend: BackendOption = None,
) -> None:
    """Name the class, the labels or the number of images, or write masks, as the model learned to.

    Sizes, colours and names of classes are those of the training. A network for masks writes for
    each image NAME-mask.png, whose pixels are indices of classes, and NAME-overlay.png; its table
    has the share of each class in the pixels.
    """
    choose_backend(backend)
    from keras_gcnn.training import atomic_files
    from keras_gcnn.training.predictions.files import check_table, check_written, find_images
    from keras_gcnn.training.predictions.masks import Segmenter, table_of_masks
    from keras_gcnn.training.predictions.opening import load_predictor
    from keras_gcnn.training.predictions.tables import table_of
    from keras_gcnn.training.progress import Bar

    paths = find_images(images)
    if csv is not None:
        check_written(csv, [model, *paths])
        check_table(csv)
    predictor = load_predictor(model)
    if not isinstance(predictor, Segmenter):
        if output is not None:
            raise ValueError(f"--output is for masks, and {model} predicts none. Use --csv.")
        text, problems = table_of(predictor, paths, proba, Bar(console))
    else:
        if output is None or proba:
            raise ValueError(
                f"{model} predicts masks: name a folder for them by --output"
                + (", and leave out --proba." if proba else ".")
            )
        text, problems = table_of_masks(predictor, paths, output, Bar(console))
        console.print(f"Masks and overlays are in {output}.", markup=False)
    if csv is None:
        console.print(text, end="", soft_wrap=True, markup=False)
    elif csv.exists() and output is not None and output.resolve() in csv.resolve().parents:
        raise ValueError(f"{csv} was written for a mask. Choose another file for the table.")
    else:
        atomic_files.write_text(csv, text)
        console.print(f"{len(paths)} predictions are in {csv}.", markup=False)
    if problems:
        lines = "\n".join(f"{path}: {reason}" for path, reason in problems.items())
        raise ValueError(f"{len(problems)} of {len(paths)} images could not be read:\n{lines}")


@app.command()
def convert(
    model: Annotated[Path, typer.Argument(help="A saved model, MODEL.keras.")],
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="Where to write it; default MODEL-GROUP.keras."),
    ] = None,
    group: Annotated[
        str, typer.Option(help="The group, such as p4 or p4m; with --symmetrize also c8 or d8.")
    ] = "p4m",
    keep: Annotated[
        Keep | None,
        typer.Option(
            help="What stays equal: channels and cost (the default), parameters, or fields."
        ),
    ] = None,
    downsampling: Annotated[
        Downsampling | None,
        typer.Option(help="Keep strides (the default), or make them exact at every size."),
    ] = None,
    head: Annotated[
        Head | None,
        typer.Option(help="Outputs are invariant (the default), or keep the orientations."),
    ] = None,
    parameters: Annotated[
        int | None, typer.Option(help="A budget of parameters, in place of --keep.")
    ] = None,
    multiply_adds: Annotated[
        int | None,
        typer.Option(help="A budget of multiply-adds of one image, in place of --keep."),
    ] = None,
    size: Annotated[
        int | None, typer.Option(help="Rows and columns of the images; default the model's.")
    ] = None,
    symmetrize: Annotated[
        bool,
        typer.Option(
            "--symmetrize",
            help="Keep the weights, and run the model on the images in all orientations instead.",
        ),
    ] = False,
    already: Annotated[
        str | None,
        typer.Option(
            help="With --symmetrize: the group under which the model is equivariant already, so "
            "that fewer orientations are run."
        ),
    ] = None,
    backend: BackendOption = None,
) -> None:
    """Make a saved model equivariant, untrained, and print what became of each layer."""
    choose_backend(backend)
    import keras_gcnn
    from keras_gcnn.export import load, metadata
    from keras_gcnn.export.saving import save_and_compare
    from keras_gcnn.training.predictions.files import check_written

    options: dict[str, Any] = {
        "keep": keep,
        "downsampling": downsampling,
        "head": head,
        "parameters": parameters,
        "multiply_adds": multiply_adds,
        "size": size,
    }
    given = {name: value for name, value in options.items() if value is not None}
    if symmetrize and given:
        names = ", ".join(f"--{name.replace('_', '-')}" for name in given)
        raise ValueError(
            f"--symmetrize keeps the model as it is, so that {names} would change nothing. Leave "
            "one of them out."
        )
    if already is not None and not symmetrize:
        raise ValueError("--already is for --symmetrize. Give both, or leave it out.")
    path = output or model.with_name(f"{model.stem}-{group}.keras")
    check_written(path, [model])  # the weights of a trained model would be lost
    plain = load(model)
    known = metadata.read(model)
    if symmetrize:
        network = keras_gcnn.symmetrize(plain, group, already=already)
        count = len(network.layers[-1].poses)
        report = f"{network.name} keeps its weights, and runs on every image in {count} poses."
    else:
        if (side := given.pop("size", None)) is not None:
            given["input_shape"] = _with_size(plain, side)
            if "images" in known:
                known["images"] |= {"rows": side, "columns": side}
        network = keras_gcnn.convert(plain, group, **given)
        report = str(network.conversion)
    save_and_compare(network, path, "keras", **_kept(known, network))
    console.print(report, soft_wrap=True)
    console.print(f"Written to {path}.")


def _with_size(model: Any, size: int) -> tuple[int | None, ...] | None:
    """Returns the shape of one image of a model with this number of rows and columns.

    None if the model's inputs are not known or are no images, which `keras_gcnn.convert` explains.
    """
    from keras_gcnn.model_graph import find_data_format

    inputs = getattr(model, "inputs", None) or ()
    images = [tensor for tensor in inputs if len(tensor.shape) == 4]
    if not images:
        return None
    shape = list(images[0].shape[1:])
    first = 1 if find_data_format(model) == "channels_first" else 0
    shape[first : first + 2] = [size, size]
    return tuple(shape)
