"""Lines that name the line before them by its hash: what ledger and access log have in common.

Every line has an ``index``, the hash of the line before (``previous``) and its own ``hash`` over
all its other fields. Edits, deletions in the middle and reorderings show. Cutting whole lines off
the end does not: whoever knows the length, or a hash that was there, must say so.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from llmsafe.disk import sha256_json

GENESIS = "sha256:" + "0" * 64


def linked(fields: Mapping[str, Any], index: int, previous: str) -> dict[str, Any]:
    """A line of ``fields`` that stands at ``index`` after the line with the hash ``previous``."""
    body = {**fields, "index": index, "previous": previous}
    return body | {"hash": sha256_json(body)}


def fault(line: Mapping[str, Any], index: int, previous: str) -> str | None:
    """Why a line cannot stand at ``index`` after the hash ``previous``; ``None`` if it can."""
    body = {name: value for name, value in line.items() if name != "hash"}
    if line.get("hash") != sha256_json(body):
        return "was changed: its hash does not match"
    if line.get("previous") != previous or line.get("index") != index:
        return "does not follow the line before it"
    return None
