"""Adds the layers of a converted network and keeps track of how their outputs transform."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

import keras
from keras import ops

from keras_gcnn.layers import GPooling
from keras_gcnn.rewriting.equivariant.configs import config_of, made_anew
from keras_gcnn.rewriting.equivariant.roles import Role, has_positions
from keras_gcnn.rewriting.translator import Translator
from keras_gcnn.types import Shape, Tensor

if TYPE_CHECKING:
    from keras_gcnn.rewriting.equivariant.book import GroupBook


class GroupTranslator(Translator):
    """Adds the layers that replace one call of a layer or operation.

    Several calls of one layer share the layers that replace it.

    Args:
        book: the rule book, which holds what all translators share.
        operation: the layer or operation being translated.
        name, change, taken: as for `Translator`.
    """

    def __init__(
        self, book: GroupBook, operation: keras.Operation, name: str, change: Any, taken: set[str]
    ):
        super().__init__(operation, name, change, taken)
        self.book = book
        self.group = book.group
        self.channel_axis = book.channel_axis
        self.training: bool | None = None  # what the layer was called with

    @property
    def config(self) -> dict[str, Any]:
        """The configuration of the plain layer, to make an untrained one."""
        return config_of(self.layer)

    def role(self, tensor: Tensor) -> Role:
        """Returns how a tensor of the new network transforms."""
        return self.book.role(tensor)

    def mark(self, tensor: Tensor, role: Role) -> Tensor:
        """Notes how a tensor transforms, and returns it."""
        self.book.mark(tensor, role)
        return tensor

    def note(self, change: str) -> None:
        """Adds to the report what changed with this layer."""
        self.book.record(self.layer).note(change)

    def has_positions(self, tensor: Tensor) -> bool:
        """Whether a tensor is a map of more than one position."""
        return has_positions(tensor.shape, self.channel_axis)

    def note_features(self, channels: int) -> None:
        """Adds to the report how many features are left after pooling over orientations."""
        if self.group.order > 1:
            features = channels // self.group.order
            self.note(f"{channels} channels became {features} features without orientations")

    def report(self, problem: str, fix: str) -> None:
        """Puts into the report why this layer is not exact, and how to make it so."""
        record = self.book.record(self.layer)
        record.problem, record.fix = problem, fix

    def report_orientations(self) -> None:
        """Puts into the report that the features keep their orientations."""
        problem = "the layers behind it read every orientation by itself"
        self.report(problem, 'use head="invariant"')

    def fields(self, channels: int) -> int:
        """Returns the number of fields in place of plain channels, and reports a rounding.

        Parts of a concatenation are rounded so that together they have the fields of the whole.
        """
        offset = self.book.flow.offsets.get(id(self.layer), 0)
        fields, exact = self.book.widths.fields(offset + channels)
        if offset:
            before, even = self.book.widths.fields(offset)
            fields, exact = max(1, fields - before), exact and even
        if not exact:
            self.note(f"{channels} channels became {fields} fields")
        return fields

    def plain_shapes(self) -> tuple[Shape, Shape]:
        """Returns the shapes of input and output of the layer in the plain model."""
        return self.book.flow.shapes[id(self.layer)][0]

    def fail(self, reason: str, fix: str) -> ValueError:
        """Returns the error for a layer that cannot be converted."""
        name = f"{type(self.layer).__name__} {self.layer.name!r}"
        return ValueError(f"{name} cannot be converted: it {reason}. {fix}")

    def add(
        self, layer_class: type[keras.Layer], inputs: Tensor, *arguments: Any, **options: Any
    ) -> Tensor:
        """Calls a new layer; its outputs transform as its inputs unless the rule marks them."""
        if not isinstance(self.layer, keras.Layer):  # an operation has no policy of its own
            dtypes = [each.dtype for each in keras.tree.flatten(inputs) if _is_symbolic(each)]
            options = {"dtype": dtypes[0], **options}
        outputs = super().add(layer_class, inputs, *arguments, **options)
        self._inherit(inputs, outputs)
        return outputs

    def keep(self, *args: Any, **kwargs: Any) -> Tensor:
        """Calls a copy of the layer with fresh weights, or the operation itself."""
        if isinstance(self.layer, keras.Layer):
            layer = self.layer
            new = self._shared((type(layer),), lambda: made_anew(layer, name=self.name))
            outputs = self._call(new, *args, **kwargs)
            if isinstance(self.layer, keras.layers.Normalization):  # it holds statistics of data
                new.set_weights(self.layer.get_weights())
                new.finalize_state()
        else:
            outputs = self._call(self.layer, *args, **kwargs)
        self._inherit((args, kwargs), outputs)
        return outputs

    def restyle(self, inputs: Tensor, part: str = "", **changes: Any) -> Tensor:
        """Calls a copy of the layer with some entries of its configuration changed."""
        name = f"{self.name}_{part}" if part else self.name
        key = (type(self.layer), part, str(changes))
        new = self._shared(key, lambda: made_anew(self.layer, name=name, **changes))
        outputs = self._call(new, inputs)
        self._inherit(inputs, outputs)
        return outputs

    def _shared(self, key: tuple[Any, ...], make: Callable[[], keras.Layer]) -> keras.Layer:
        """Returns the new layer that all calls of the plain one share.

        Calls on an image and on maps need layers of different classes.
        """
        made = self.book.made
        key = (id(self.layer), *key)
        if key not in made:
            others = [old for old in made if old[0] == key[0] and old[2:] == key[2:]]
            if others:
                self.note("its calls on images and on maps have weights of their own")
            made[key] = self._tried(make)
        return made[key]

    def _tried(self, make: Callable[[], Any]) -> Any:
        """Returns what a function makes, with errors that name the layer of the plain model."""
        try:
            return make()
        except ValueError as error:
            message = str(error).splitlines()[0] if str(error) else type(error).__name__
            raise self.fail(
                f"has no such counterpart ({message})",
                "Change its sizes or widths, or use keras_gcnn.symmetrize, which takes any model.",
            ) from error

    def _create(
        self, layer_class: type[keras.Layer], *arguments: Any, part: str, **options: Any
    ) -> keras.Layer:
        return self._shared(
            (layer_class, part),
            lambda: super(GroupTranslator, self)._create(
                layer_class, *arguments, part=part, **options
            ),
        )

    def _place(self, layer: keras.Layer, inputs: Tensor, weights: Any) -> Tensor:
        if len(weights):
            return super()._place(layer, inputs, weights)
        return self._call(layer, inputs)

    def _call(self, layer: keras.Operation, *args: Any, **kwargs: Any) -> Tensor:
        if self.training and "training" in inspect.signature(layer.call).parameters:
            kwargs = {**kwargs, "training": True}
        try:
            outputs = layer(*args, **kwargs)
        except ValueError as error:
            message = str(error).splitlines()[0] if str(error) else type(error).__name__
            raise self.fail(
                f"became {type(layer).__name__}, which refuses its inputs ({message})",
                "Change the sizes or widths there, or convert the model in parts.",
            ) from error
        shape = keras.tree.map_structure(lambda each: getattr(each, "shape", ()), args[0])
        self.book.record(self.layer).add(layer, shape, outputs)
        return outputs

    def _inherit(self, inputs: Any, outputs: Any) -> None:
        roles = [self.role(each) for each in keras.tree.flatten(inputs) if _is_symbolic(each)]
        for tensor in keras.tree.flatten(outputs):
            if _is_symbolic(tensor) and not self.book.is_marked(tensor):
                self.mark(tensor, max(roles, default=Role.INVARIANT))

    def pool_orientations(self, tensor: Tensor, mode: str = "max", part: str = "pooled") -> Tensor:
        """Pools a tensor on the group over its orientations."""
        if self.group.order > 1:
            tensor = self.add(
                GPooling, tensor, mode, self.group, data_format=self.book.data_format, part=part
            )
        return self.mark(tensor, Role.IMAGE if self.has_positions(tensor) else Role.INVARIANT)

    def on_group(self, tensor: Tensor) -> Tensor:
        """Repeats the channels of an image or vector for all orientations."""
        if self.role(tensor) is Role.ON_GROUP:
            return tensor
        repeated = ops.repeat(tensor, self.group.order, axis=self.axis_of(tensor.shape))
        return self.mark(repeated, Role.ON_GROUP)

    def check_axes(self, tensors: Iterable[Tensor]) -> None:
        """Raises a `ValueError` if a tensor moves, and it is unknown which are its channels.

        A map of one channel may have lost that axis, and one of one row the axis of the rows.
        """
        for tensor in tensors:
            if self.role(tensor) is not Role.INVARIANT and len(tensor.shape) not in (2, 4):
                raise self.fail(
                    f"reads a map of shape {tuple(tensor.shape[1:])}, in which rows, columns and "
                    "channels cannot be told apart",
                    "Keep maps in rows, columns and channels, e.g. leave Reshape and "
                    "keras.ops.squeeze out.",
                )

    def axis_of(self, shape: Shape) -> int:
        """Returns the axis of the channels of a map or vector."""
        return self.channel_axis if len(shape) == 4 else -1

    def channels_of(self, shape: Shape) -> int:
        """Returns the channels of a map or vector."""
        channels = shape[self.axis_of(shape)]
        if channels is None:
            raise self.fail("reads unknown channels", "State the channels of the input.")
        return channels


def _is_symbolic(each: Any) -> bool:
    return isinstance(each, keras.KerasTensor)
