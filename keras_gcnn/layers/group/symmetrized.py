"""A model of any layers, made equivariant by running it on the orbit of every image."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
from keras import ops

from keras_gcnn import groups
from keras_gcnn.arguments import check_choice
from keras_gcnn.backend.ops import widened
from keras_gcnn.groups.vectors import COMPONENTS, check_components
from keras_gcnn.layers.common.base import MapLayer
from keras_gcnn.layers.group.orbit import (
    check_plane,
    find_poses,
    finite_group,
    fold_orbit,
    pixel_group,
    repeat_for_orbit,
    unfold_orbit,
)
from keras_gcnn.layers.group.orbit_outputs import KINDS, kind_of, move_back, row_axis
from keras_gcnn.layers.group.orbit_reductions import (
    REDUCTIONS,
    check_reduction,
    from_ops,
    name_in_ops,
)
from keras_gcnn.model_graph import find_data_format
from keras_gcnn.types import AnyGroupLike, Shape, Tensor


@keras.saving.register_keras_serializable(package="keras_gcnn")
class Symmetrized(MapLayer):
    """Runs a model on all rotated and mirrored copies of its images, and combines the outputs.

    The layer is equivariant under the group whatever the model computes, at every size and with the
    weights that the model has: `F(x) = reduce_g g^-1 f(g x)`. It is so exactly under the elements
    that move pixels to pixels; rotations by other angles interpolate. `keras_gcnn.symmetrize` makes
    a model of the layer and describes the arguments; it can also be a part of a larger model.

    Args:
        model: `keras.Model` or layer, which is shared and not copied.
        group: str, `keras_gcnn.groups.Group`, or a finite group such as `"c8"` or `"d16"`.
        already: the subgroup under which the model is equivariant already, or None.
        reduce: `"mean"`, `"max"`, `"logmeanexp"`, or a function `(tensor, axis) -> tensor`.
        outputs: `"invariant"`, `"maps"` or `"vectors"`, one for each output in their structure, or
            None for maps where an output has four axes and invariant where it has two.
        components: directions in which the components of vectors count.
        data_format: `"channels_last"`, `"channels_first"`, or None for that of the model.
        **kwargs: arguments of `keras.Layer`, such as `name`.

    Input shape:
        What the model takes. Tensors with four axes are images, square for a group with quarter
        turns; tensors with two axes are features, which stay.

    Output shape:
        That of the model's outputs.

    Raises:
        TypeError: if `model` is no layer.
        ValueError: for images that are not square under quarter turns, other axes, unknown choices,
            or an output that the choice does not fit.

    Example:

    >>> import keras, numpy as np
    >>> from keras_gcnn.layers import Symmetrized
    >>> convolution = keras.layers.Conv2D(4, 3, strides=2, padding="same")
    >>> tuple(Symmetrized(convolution, "p4m")(np.zeros((1, 9, 9, 1))).shape)
    (1, 5, 5, 4)

    References:
        Yarotsky 2018, "Universal approximations of invariant maps by neural networks", section 2;
        Puny et al. 2022, "Frame Averaging for Invariant and Equivariant Network Design".
    """

    exact_by_construction = True  # the audit tries it with the weights that it has

    def __init__(
        self,
        model: keras.Layer,
        group: AnyGroupLike = "p4",
        *,
        already: AnyGroupLike | None = None,
        reduce: str | Callable = "mean",
        outputs: Any = None,
        components: tuple[str, str] = COMPONENTS,
        data_format: str | None = None,
        **kwargs: Any,
    ) -> None:
        if not isinstance(model, keras.Layer):
            raise TypeError(
                f"model is of type {type(model).__name__}. Give a Keras model or layer; "
                "keras.saving.load_model reads one from a file."
            )
        # No autocast: the model converts its inputs itself, as without this layer.
        kwargs = {"autocast": False, **kwargs}
        super().__init__(data_format=data_format or find_data_format(model), **kwargs)
        self.model = model
        self.group = finite_group(group)
        self.already = None if already is None else finite_group(already, "already")
        self.poses = find_poses(self.group, self.already or groups.get("z2"))
        if callable(reduce):
            check_reduction(reduce, len(self.poses))
        else:
            check_choice("reduce", reduce, (*REDUCTIONS,))
        self.reduce = reduce
        self.outputs = outputs
        self.components = check_components(components)
        for kind in self._kinds:
            if kind is not None:
                check_choice("outputs", kind, KINDS)
        if self.makes_vectors and isinstance(reduce, str) and reduce != "mean":
            raise ValueError(
                f'reduce={reduce!r} treats every component of a vector by itself. Use "mean" for '
                'outputs="vectors".'
            )

    @property
    def symmetry(self) -> groups.Group:
        """The elements of the group that move pixels to pixels, under which the layer is exact."""
        return pixel_group(self.group)

    @property
    def map_in(self) -> groups.Group:
        """Z2: channels are ordinary."""
        return groups.get("z2")

    @property
    def map_out(self) -> groups.Group:
        """Z2: channels are ordinary."""
        return groups.get("z2")

    @property
    def makes_vectors(self) -> bool:
        """Whether some output holds vectors."""
        return "vectors" in self._kinds

    @property
    def metrics(self) -> list[keras.metrics.Metric]:
        """None: a model around this layer has those of the model's layers, and of its `compile`.

        Those with which `model` itself was compiled belong to its own training, and Keras would
        report them, never updated, in place of those of the model around this layer.
        """
        return []

    @property
    def _kinds(self) -> list[str | None]:
        return keras.tree.flatten(self.outputs)

    def build(self, input_shape: Any) -> None:
        # Here and not in the call alone, whose errors Keras puts into long ones.
        inputs = self._symbolic(input_shape)
        for tensor in keras.tree.flatten(inputs):
            self._check_input(tensor)
        if all(len(tensor.shape) != 4 for tensor in keras.tree.flatten(inputs)):
            raise ValueError(
                f"{type(self).__name__} {self.name!r} rotates images, and {self.model.name!r} "
                "takes none: its inputs are features, which stay. Let it begin with an input of "
                "four axes, e.g. keras.Input((28, 28, 1)) and Flatten."
            )
        if not self.model.built:
            self.model(inputs)
        if outputs := getattr(self.model, "outputs", None):
            # A sequential model, with a single output, has no `output`.
            self._with_kinds(getattr(self.model, "output", outputs[0]))
        self._built_for = input_shape
        self.built = True

    def _symbolic(self, shapes: Any) -> Any:
        """Returns symbolic tensors of the given shapes in their structure."""
        known = getattr(self.model, "inputs", None) or ()
        dtypes = [tensor.dtype for tensor in known] or [self.compute_dtype]
        tensors = keras.tree.map_shape_structure(keras.KerasTensor, shapes)
        flat = keras.tree.flatten(tensors)
        if len(dtypes) < len(flat):
            dtypes = dtypes[:1] * len(flat)
        typed = [
            keras.KerasTensor(*pair) for pair in zip([x.shape for x in flat], dtypes, strict=True)
        ]
        return keras.tree.pack_sequence_as(tensors, typed)

    def call(self, inputs: Tensor, training: bool | None = None) -> Tensor:
        del training  # Keras passes it on, to models that take it
        return self._combine(self.model(self._fold(inputs)))

    def graph(self) -> keras.Model:
        """Returns the built layer as a functional model of the model and operations of Keras."""
        inputs = keras.tree.map_structure(
            lambda tensor: keras.Input(batch_shape=(None, *tensor.shape[1:]), dtype=tensor.dtype),
            self._symbolic(self._built_for),
        )
        return keras.Model(inputs, self._combine(self.model(self._fold(inputs))), name=self.name)

    def _fold(self, inputs: Tensor) -> Tensor:
        return keras.tree.map_structure(self._fold_one, inputs)

    def _fold_one(self, tensor: Tensor) -> Tensor:
        self._check_input(tensor)
        if len(tensor.shape) == 2:
            return repeat_for_orbit(tensor, len(self.poses))
        return fold_orbit(tensor, self.poses, row_axis(4, self.channel_axis))

    def _check_input(self, tensor: Tensor) -> None:
        """Raises a `ValueError` unless it is a batch of images that can rotate, or of features."""
        about = f"{type(self).__name__} {self.name!r}"
        if len(tensor.shape) not in (2, 4):
            raise ValueError(
                f"{about} takes images with four axes and features with two; it received the shape "
                f"{tuple(tensor.shape)}. Give images without channels an axis of one channel."
            )
        if len(tensor.shape) == 4:
            check_plane(tensor, row_axis(4, self.channel_axis), self.group, f"{about} takes images")

    def _combine(self, outputs: Tensor) -> Tensor:
        combined = [self._combine_one(*pair) for pair in self._with_kinds(outputs)]
        return keras.tree.pack_sequence_as(outputs, combined)

    def _with_kinds(self, outputs: Any) -> list[tuple[Tensor, str]]:
        """Returns pairs of an output and what it is, in the order of the outputs."""
        kinds = dict(keras.tree.flatten_with_path(self.outputs))
        found = keras.tree.flatten_with_path(outputs)
        if () in kinds:
            kinds = {path: kinds[()] for path, _ in found}
        if kinds.keys() != {path for path, _ in found}:
            raise ValueError(
                f"outputs={self.outputs!r} has another structure than the {len(found)} outputs of "
                f"{self.model.name!r}. Give one choice for all of them, or a list or dict like "
                "theirs."
            )
        rounds = self.reduce in ("mean", "logmeanexp")
        arguments = (self.group, self.channel_axis, rounds, self.model.name)
        return [(output, kind_of(output, kinds[path], *arguments)) for path, output in found]

    def _combine_one(self, output: Tensor, kind: str) -> Tensor:
        parts = [
            move_back(part, pose, kind, self.components, self.channel_axis)
            for part, pose in zip(unfold_orbit(output, len(self.poses)), self.poses, strict=True)
        ]
        reduce = REDUCTIONS[self.reduce] if isinstance(self.reduce, str) else self.reduce
        # In half precision the order of the sum would show, and with it the pose of the image.
        stacked = widened(ops.stack(parts, axis=0))
        return ops.cast(reduce(stacked, axis=0), output.dtype)

    def compute_output_shape(self, input_shape: Any) -> Shape:
        spec = self.compute_output_spec(self._symbolic(input_shape))
        return keras.tree.map_structure(lambda tensor: tensor.shape, spec)

    def compute_output_spec(self, inputs: Any, training: bool | None = None) -> Any:
        # Of `Layer` it would ask for the shape alone, and the model may change the type.
        outputs = keras.Operation.compute_output_spec(self, inputs, training=training)
        # On PyTorch the layers within then seem to compute in float32, whatever their policy.
        typed = getattr(self.model, "outputs", None) or keras.tree.flatten(
            self.model.compute_output_spec(inputs)
        )
        pairs = zip(keras.tree.flatten(outputs), typed, strict=True)
        return keras.tree.pack_sequence_as(
            outputs, [keras.KerasTensor(one.shape, other.dtype) for one, other in pairs]
        )

    def get_config(self) -> dict:
        reduce = self.reduce
        if not isinstance(reduce, str):
            reduce = name_in_ops(reduce) or keras.saving.serialize_keras_object(reduce)
        return {
            **super().get_config(),
            "model": keras.saving.serialize_keras_object(self.model),
            "group": self.group.name,
            "already": None if self.already is None else self.already.name,
            "reduce": reduce,
            "outputs": self.outputs,
            "components": list(self.components),
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Symmetrized:
        read = {
            name: keras.saving.deserialize_keras_object(config[name])
            for name in ("model", "reduce")
            if isinstance(config.get(name), dict)
        }
        reduce = config.get("reduce")
        if isinstance(reduce, str) and (function := from_ops(reduce)) is not None:
            read["reduce"] = function
        return super().from_config({**config, **read})
