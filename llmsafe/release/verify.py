"""What a receiver checks: the signature over every file, and that the files speak of each other."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from llmsafe.artifacts import Audit, PrivacyStatement, Release
from llmsafe.audit.evidence import check_base_digest
from llmsafe.audit.loading import Place, locate
from llmsafe.audit.verdict import audit_age, expired, overstated
from llmsafe.errors import EvidenceError, InputError
from llmsafe.release import signing

NOTE, CLAIM, AUDIT = "release.json", "privacy.json", "audit.json"


@dataclass(frozen=True)
class Verified:
    """A release that is what it says; ``remarks`` are what a reader must know besides."""

    note: Release
    statement: PrivacyStatement
    audit: Audit
    remarks: tuple[str, ...]


def verify_release(folder: Path, public_key: Path) -> Verified:
    """Check signature and content of a release; nothing is loaded but small JSON files.

    The signature says that no file changed since its maker signed. Then: weights, claim and
    audit belong together, and the verdict follows from the figures that lie there.

    Raises:
        InputError: no such folder, or no public key.
        EvidenceError: a file was changed, added, removed or renamed, or what was signed does not
            belong together.
        SetupError: the package that verifies is not installed.
    """
    signing.verify(folder, public_key)
    note = Release.load(folder / NOTE)
    statement = PrivacyStatement.load(folder / CLAIM)
    audit = Audit.load(folder / AUDIT)
    place = Place("release", note.name, folder, None, adapter=note.form == "adapter")
    wrong = _contradiction(note, statement, audit, place)
    if wrong is not None:
        raise EvidenceError(f"{folder} is signed, but {wrong}; do not use it")
    return Verified(note, statement, audit, tuple(_remarks(statement, audit)))


def verify_served(path: str, public_key: Path | None, *, base: str | None) -> tuple[str, ...]:
    """Before a model is loaded to be served: a release must be one, on the base it was made for.

    What is no release (a run, an adapter, a model of the user's own) is nobody's word, and passes
    unless a key says that it should be one. Returns what an operator must know besides.

    Raises:
        InputError: nothing to serve there, or a release without the key that it is checked with.
        EvidenceError: as :func:`verify_release`; no release, though a key is given; or an adapter
            on another base.
        SetupError: the package that verifies is not installed.
    """
    place = locate(path)
    folder = place.weights
    marks = (folder / signing.SIGNATURE, folder / NOTE)
    if public_key is None and any(mark.exists() or mark.is_symlink() for mark in marks):
        raise InputError(
            f"{path} is a signed release; give its maker's public key, got by another way than "
            "the release: --signed-by FILE"
        )
    if public_key is None:
        return ()
    found = verify_release(folder, public_key)
    unknown = (
        check_base_digest(base or place.base_name(), found.note.base_digest)
        if place.adapter
        else []
    )
    return (*found.remarks, *(f"{one.what} is not known: {one.why}" for one in unknown))


def _contradiction(
    note: Release, statement: PrivacyStatement, audit: Audit, place: Place
) -> str | None:
    try:
        digest = place.digest()
    except OSError:
        return "its weights are not there"
    if not digest == note.weights_digest == audit.model.weights_digest:
        return "its audit or its note is about other weights"
    if audit.privacy != statement:
        return "its audit was made for another privacy statement"
    if audit.policy is None or audit.verdict.status != "pass":
        return f"its audit did not pass a policy (verdict {audit.verdict.status})"
    if overstated(audit):
        return "its verdict does not follow from its figures"
    return None


def _remarks(statement: PrivacyStatement, audit: Audit) -> list[str]:
    policy = audit.policy
    assert policy is not None
    found: list[str] = []
    if not statement.private:
        found.append("NOT PRIVATE: its training promises nothing; ask its maker why it left")
    if expired(policy):
        found.append(
            f"policy {policy.name!r} expired on {policy.expires}: ask whether the release still "
            "stands"
        )
    if policy.max_audit_age_days is not None:
        age = audit_age(audit, policy.max_audit_age_days)
        if age.status != "pass":
            found.append(f"{age.why}: ask for a new release")
    return found
