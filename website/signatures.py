"""Sphinx extension: the reference shows the arguments of layers.

A Keras layer has a `__new__` that takes any arguments, which Python and Sphinx show for its
signature; the arguments are those of its `__init__`.
"""

import inspect

from sphinx.application import Sphinx


def show_arguments(
    app: Sphinx, what: str, name: str, value: object, options: dict, signature: str, result: str
) -> tuple[str, str] | None:
    """Returns the signature of `__init__` for a class whose own one is open."""
    if what != "class" or signature != "(*args, **kwargs)":
        return None
    _, *parameters = inspect.signature(value.__init__).parameters.values()
    bare = [parameter.replace(annotation=inspect.Parameter.empty) for parameter in parameters]
    return str(inspect.Signature(bare)), result


def setup(app: Sphinx) -> dict:
    """Registers the extension with Sphinx."""
    app.setup_extension("sphinx.ext.autodoc")
    app.connect("autodoc-process-signature", show_arguments)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
