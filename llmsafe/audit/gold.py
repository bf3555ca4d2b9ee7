"""Notes with gold labels, as they were before scrubbing, beside what the scrubber found in them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from llmsafe.audit.phi import Labelled
from llmsafe.errors import InputError
from llmsafe.files import read_text
from llmsafe.gold import read_gold
from llmsafe.notes import FOREIGN_TYPES, PhiSpan


def labelled(gold: str, spans: Path | None) -> Iterator[Labelled]:
    """The notes of ``gold`` (a corpus with a column ``spans``, i2b2 XML, BRAT) with their spans.

    Types that are no personal data here (a country, a profession) are left out; one that nobody
    knows counts as ``OTHER_ID``: its name may be anything, and is not published. ``spans`` is the
    file that ``llmsafe scrub --spans`` wrote from the same notes.

    Raises:
        InputError: gold that cannot be read, or notes that the scrubber's file does not know.
    """
    found = _found_spans(spans) if spans is not None else None
    for item in read_gold(gold):
        seen = found.get(item.note.note_id) if found is not None else None
        if found is not None and seen is None:
            raise InputError(
                f"--spans {spans} does not know every note of --gold; write it by "
                "`llmsafe scrub --spans` from the very same notes"
            )
        named = ((span, FOREIGN_TYPES.get(span.category, "OTHER_ID")) for span in item.spans)
        own = [replace(span, category=category) for span, category in named if category]
        yield Labelled(item.note.text, own, seen)


def _found_spans(path: Path) -> dict[str, list[PhiSpan]]:
    found: dict[str, list[PhiSpan]] = {}
    try:
        # Not splitlines: other line separators may stand inside a JSON string.
        for line in read_text(path).split("\n"):
            if not line.strip():
                continue
            row: Any = json.loads(line)
            found[row["note_id"]] = [
                PhiSpan(int(s["start"]), int(s["end"]), str(s["category"])) for s in row["spans"]
            ]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(
            f"--spans {path}: {type(error).__name__}; give the file that `llmsafe scrub --spans` "
            "wrote"
        ) from None
    return found
