"""The scrubber without torch: importing this module imports :mod:`llmsafe.scrub.scrubber` lightly.

Presidio and spaCy look whether torch and transformers are installed, and where they are, import
them: ten seconds and half a gigabyte for each process, of which the scrubber uses nothing. Here
both are out of reach while they look, and only then: whatever imports torch later gets it. What
they set up for want of it stays, so a process that shall run a model of its own, or a recogniser
of the user's, imports the scrubber itself.
"""

import sys
from collections.abc import Generator
from contextlib import contextmanager

HEAVY = ("torch", "transformers")


@contextmanager
def without(*names: str) -> Generator[None]:
    """Make modules that are not imported yet impossible to import inside the block."""
    absent = [name for name in names if name not in sys.modules]
    # None is how the import system notes that a module must not be imported (PEP 328).
    sys.modules.update(dict.fromkeys(absent))  # type: ignore[arg-type]
    try:
        yield
    finally:
        for name in absent:
            del sys.modules[name]


with without(*HEAVY):
    import llmsafe.scrub.scrubber  # noqa: F401 # pyright: ignore[reportUnusedImport]
