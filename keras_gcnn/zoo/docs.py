"""Documentation of the arguments and results that the builders on groups have in common."""

ARGUMENTS = """\
group: str or `keras_gcnn.groups.Group`: `"z2"` (an ordinary network), `"p4"`, `"p4m"`, ...
input_shape: rows, columns, channels (with `data_format="channels_first"`, the channels come
    first). Pixels are floats in [0, 1].
classes: int, number of classes.
widths: fields per convolution or stage, see above; after a restriction, fields of the
    remaining group. The default divides the widths of the ordinary network by `sqrt(|G|)`,
    which keeps the number of weights about equal for every group. With a budget, only the
    proportions of the widths count.
parameters: int, a budget: the builder scales the widths so that the network has at most this
    many trainable parameters and at least 99 % of them, or 98 % if 99 % cannot be reached.
multiply_adds: int, a budget of multiply-adds for one image instead, used to the same share; see
    `keras_gcnn.analysis.cost`.
head: `"invariant"` (pooling over positions and orientations: the logits do not change when
    the image is rotated), `"orientations"` (mean over positions; every orientation keeps its
    features) or `"flatten"` (all features of all positions); the logits of the last two are
    not invariant. After a restriction, invariant means invariant under the remaining group.
convolution: `"full"`, or `"g"` or `"gc"` for `GSeparableConv2D` wherever a kernel larger than
    1x1 acts on feature maps of a group: more fields for the same number of parameters.
restrict_after: where part of the equivariance ends: a dict from the name of a stage to the
    subgroup that remains after it, e.g. `{"1": "p4", "2": "z2"}`; the name of a stage alone
    means that the network is an ordinary one after it.
include_top: bool; False for a backbone, which returns the feature maps before the head.
classifier_activation: activation of the output; None returns logits.
weights: None for fresh weights; the name of published ones (see
    `keras_gcnn.zoo.available()`), which set the widths, the head and so on for the given
    group, convolution and restriction; or the path of a file of this network. A model file
    (`.keras`) of another group is refused; a weights file (`.weights.h5`) does not record the
    group, so one of another group of the same order loads without an error.
data_format: `"channels_last"`, `"channels_first"`, or None for Keras's configuration.
name: str, name of the model; default from the builder, the group and the convolution."""

RETURNS = """\
Returns:
    A functional `keras.Model` from images `(batch, rows, columns, channels)` to logits
    `(batch, classes)`, or to feature maps without the top. Its attributes `widths`, `stages`
    and `multiply_adds` hold the widths, which a budget may have set, the names of the stages,
    and the multiply-adds for one image; they are not saved with the model.

Raises:
    ValueError: for an unknown group, head, convolution, stage or subgroup, an image that is too
        small, two budgets, one that cannot be met to 2 %, weights that are not published, or a
        file of another network."""
