"""What the vault of a run says about its training, believed only as far as digests confirm it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from llmsafe.artifacts import Lineage, LineageStep, PrivacyStatement, Split, Unmeasured
from llmsafe.audit.loading import ADAPTER_CONFIG, ADAPTER_WEIGHTS, Place
from llmsafe.corpus import Columns
from llmsafe.errors import EvidenceError
from llmsafe.files import sha256_file
from llmsafe.models import weights_digest


@dataclass(frozen=True, repr=False)
class Evidence:
    """The train step of the lineage, the split and the canaries; every part may be absent.

    ``canaries`` is the manifest in the vault; ``canaries_digest`` is what training recorded
    (``"none"`` when it planted none). ``audited`` are the digests that the last audit left.
    """

    vault: Path | None = None
    train: LineageStep | None = None
    split: Split | None = None
    canaries: Path | None = None
    audited: Mapping[str, str] = field(default_factory=dict[str, str])

    @property
    def canaries_digest(self) -> str | None:
        """Digest of the canary manifest that training used; ``None`` when nobody recorded it."""
        return self.train.inputs.get("canaries") if self.train else None

    @property
    def names_weights(self) -> bool:
        """Whether the lineage names the very weights under audit, so that it speaks of them."""
        return self.train is not None and "adapter" in self.train.outputs

    @property
    def names_split(self) -> bool:
        """Whether it also names the split: only then is known whom the weights were trained on."""
        return (
            self.names_weights
            and self.split is not None
            and self.train is not None
            and "split" in self.train.outputs
        )

    @property
    def names_claim(self) -> bool:
        """Whether it also names the privacy statement."""
        return self.names_weights and self.train is not None and "privacy" in self.train.outputs

    @property
    def base(self) -> str | None:
        """The base model as training was given it; a local path stays in the vault."""
        return self._setting("base", str)

    @property
    def corpus_digest(self) -> str | None:
        """Digest of the corpus trained on."""
        return self.train.inputs.get("corpus") if self.train else None

    @property
    def corpus_path(self) -> str | None:
        """Where the corpus was at training."""
        return self._setting("corpus_path", str)

    @property
    def max_tokens(self) -> int | None:
        """Tokens per note in training, BOS and EOS included."""
        return self._setting("max_tokens", int)

    @property
    def max_notes_per_unit(self) -> int | None:
        """Notes of one unit that training took at most (the latest)."""
        return self._setting("max_notes_per_unit", int)

    @property
    def columns(self) -> Columns:
        """Column names that training read the corpus with."""
        found: dict[str, Any] = self._setting("columns", dict) or {}
        try:
            return Columns(**{name.removesuffix("_column"): found[name] for name in found})
        except TypeError as error:
            raise EvidenceError(
                "lineage.json: columns of the train step are not text, id, patient and date; "
                "train anew with this version of llmsafe"
            ) from error

    def _setting(self, name: str, kind: type[Any]) -> Any:
        value = self.train.settings.get(name) if self.train else None
        if value is not None and not isinstance(value, kind):
            raise EvidenceError(
                f"lineage.json: {name} of the train step is {type(value).__name__}, "
                f"not {kind.__name__}; the file was changed"
            )
        return value


def read_evidence(place: Place) -> tuple[PrivacyStatement | None, Evidence, list[Unmeasured]]:
    """The privacy statement, the evidence in the vault, and what of both is missing.

    A digest that the lineage records must fit; one that it lacks proves nothing, and is told.

    Raises:
        EvidenceError: a file that is no valid artifact, or weights or statement that are not
            those the lineage names.
    """
    missing: list[Unmeasured] = []
    statement = place.weights / "privacy.json"
    privacy = PrivacyStatement.load(statement) if statement.is_file() else None
    if privacy is None:
        missing.append(
            Unmeasured(what="privacy claim", why="there is no privacy.json beside the weights")
        )
    evidence = _read_vault(place, missing)
    if privacy is not None and not evidence.names_claim:
        why = "no lineage names both this privacy.json and these weights"
        what = "whether the privacy claim is of this model"
        missing.append(Unmeasured(what=what, why=why, doubt="claim"))
    return privacy, evidence, missing


def _read_vault(place: Place, missing: list[Unmeasured]) -> Evidence:
    if place.vault is None:
        why = "there is no vault folder: lineage, split and canaries of the training are unknown"
        missing.append(Unmeasured(what="training evidence", why=why))
        return Evidence()
    lineage = place.vault / "lineage.json"
    steps = Lineage.load(lineage).steps if lineage.is_file() else []
    train = next((step for step in reversed(steps) if step.step == "train"), None)
    if train is None:
        missing.append(
            Unmeasured(what="lineage", why="the vault has no lineage.json with a train step")
        )
    else:
        _check_outputs(place, train)
    split = place.vault / "split.json"
    canaries = place.vault / "canaries.json"
    audit = next((step for step in reversed(steps) if step.step == "audit"), None)
    return Evidence(
        audited=audit.outputs if audit else {},
        vault=place.vault,
        train=train,
        split=Split.load(split) if split.is_file() else None,
        canaries=canaries if canaries.is_file() else None,
    )


def check_base(name: str, evidence: Evidence) -> list[Unmeasured]:
    """Refuse a base whose weights are not those that were trained on.

    Returns a line when it cannot be told: a hub id against a local folder.

    Raises:
        EvidenceError: the digests differ.
    """
    return check_base_digest(name, evidence.train.inputs.get("base") if evidence.train else None)


def check_base_digest(name: str, expected: str | None) -> list[Unmeasured]:
    """:func:`check_base` against the digest that was noted, if one was."""
    actual = weights_digest(name)
    if expected in (None, actual):
        return []
    if expected.startswith("hub:") or actual.startswith("hub:"):
        why = "one of the two is a hub id, so their weights cannot be compared"
        return [Unmeasured(what="whether the base is the one trained on", why=why)]
    raise EvidenceError(
        f"base {Path(name).name} is not the one that was trained on (its digest differs from "
        "the one noted then); name the right one with --base"
    )


def _check_outputs(place: Place, train: LineageStep) -> None:
    assert place.vault is not None
    files = {"privacy": place.weights / "privacy.json", "split": place.vault / "split.json"}
    if place.made is None:
        files["adapter"] = place.weights / ADAPTER_WEIGHTS
        files["adapter_config"] = place.weights / ADAPTER_CONFIG
    elif (
        place.made.inputs.get("adapter") != train.outputs.get("adapter")
        or place.made.inputs.get("base") != train.inputs.get("base")
        or place.made.outputs.get("weights") != place.digest()
    ):
        raise EvidenceError(
            f"{place.name}: these weights are not known to be made of the adapter and the base "
            "that the lineage names; make them again from the run"
        )
    for key, path in files.items():
        expected, name = train.outputs.get(key), path.name
        if expected is None:
            continue
        if not path.is_file():
            raise EvidenceError(
                f"{place.name}: {name} is missing, but the lineage names it; restore it"
            )
        if sha256_file(path) != expected:
            raise EvidenceError(
                f"{place.name}: {name} is not the file that training wrote (its digest differs "
                "from lineage.json); restore it or train again"
            )
