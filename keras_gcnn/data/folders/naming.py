"""Names of files and classes in one spelling, whatever system wrote them."""

from __future__ import annotations

import unicodedata


def same_accents(name: str) -> str:
    """Returns a name whose accents are written in one way.

    An accent is one character or two, by the system that wrote the name.
    """
    return unicodedata.normalize("NFC", name)


def readable(name: str) -> str:
    r"""Returns a name with one spelling of its accents that every file and terminal can show.

    Bytes of a file name that are no UTF-8 become backslashes and numbers.

    Example:

    >>> readable("caf\udce9")
    'caf\\udce9'
    """
    return same_accents(name).encode("utf-8", "backslashreplace").decode("utf-8")
