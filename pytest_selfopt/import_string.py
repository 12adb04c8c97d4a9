"""Import paths "module:NAME", by which any process can find an object."""

from __future__ import annotations

import importlib


def imported(name: str) -> object:
    """Import the object at a path.

    Raises:
        ValueError: if it cannot be imported; the message says why.
    """
    module, separator, attribute = name.partition(":")
    if not (separator and module and attribute.isidentifier()):
        raise ValueError(f'{name!r}: expected "module:NAME"')
    try:
        return getattr(importlib.import_module(module), attribute)
    except ImportError as problem:
        raise ValueError(f"{name!r} cannot be imported: {problem}") from None
    except AttributeError:
        raise ValueError(f"{name!r}: the module {module} has no attribute {attribute!r}") from None
    # Importing a module runs the project's code, which may raise anything.
    except Exception as problem:
        raise ValueError(f"{name!r} cannot be imported: {type(problem).__name__}: {problem}") from problem
