"""What is named by where it can be imported from, so that any process can find it: "module:NAME"."""

from __future__ import annotations

import importlib


def imported(name: str) -> object:
    """The thing of that name.

    Raises:
        ValueError: saying why there is none.
    """
    module, separator, attribute = name.partition(":")
    if not (separator and module and attribute.isidentifier()):
        raise ValueError(f'{name!r}: expected "module:NAME"')
    try:
        return getattr(importlib.import_module(module), attribute)
    except ImportError as problem:
        raise ValueError(f"{name!r} cannot be imported: {problem}") from None
    except AttributeError:
        raise ValueError(f"{name!r}: the module {module} has nothing called {attribute!r}") from None
    # What a module does when it is imported is somebody else's code.
    except Exception as problem:
        raise ValueError(f"{name!r} cannot be imported: {type(problem).__name__}: {problem}") from problem
