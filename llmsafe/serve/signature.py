"""Whether what is about to be served is what was released: the one place that asks."""

from __future__ import annotations

from pathlib import Path

from llmsafe.errors import EvidenceError

SIGNATURES = ("model.sig", "release.sig")
"""Files by which a release says that it is signed."""


def check_signature(release: Path) -> bool:
    """Whether the folder carries a signature, which then was verified.

    Raises:
        EvidenceError: it carries one that does not hold, or that this version cannot verify.
    """
    signed = [name for name in SIGNATURES if (release / name).exists()]
    if not signed:
        return False
    # Verifying belongs to the release; until it is built a signature is refused, never ignored.
    raise EvidenceError(
        f"{release} carries {signed[0]}, which this version cannot verify, so it is not served"
    )
