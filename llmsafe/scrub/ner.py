"""Models of the user's own beside the embedded tagger: which, from where, and what they find.

``hf:PATH`` is a Hugging Face token classifier, ``gliner:PATH`` a GLiNER, ``spacy:NAME`` an
installed spaCy pipeline or its folder. A YAML file says more::

    models:
      - kind: hf
        model: /models/deid-roberta
        threshold: 0.5
        labels: {HCW: NAME, VENDOR: null}

Nothing here imports torch: the models are loaded in the processes that scrub
(:mod:`llmsafe.scrub.detect.models`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, get_args

from pydantic import Field, ValidationError

from llmsafe.config import Section, load_config
from llmsafe.errors import InputError
from llmsafe.files import sha256_files
from llmsafe.notes import CATEGORIES, FOREIGN_TYPES

Kind = Literal["hf", "gliner", "spacy"]
KINDS: tuple[Kind, ...] = get_args(Kind)

LABELS: Mapping[str, str | None] = {
    **FOREIGN_TYPES,
    # Token classifiers for notes (i2b2-2014 in groups) and for general text
    "HCW": "NAME", "PER": "NAME", "PERSONALNAME": "NAME", "FIRSTNAME": "NAME", "LASTNAME": "NAME",
    "MIDDLENAME": "NAME", "GIVENNAME": "NAME", "SURNAME": "NAME", "OTHERPHI": "OTHER_ID",
    "PHI": "OTHER_ID", "CONTACT": "PHONE", "VENDOR": "ORGANIZATION", "TELEPHONENUM": "PHONE",
    # spaCy's English and Chinese pipelines
    "FAC": "LOCATION", "NORP": None, "PRODUCT": None, "EVENT": None, "WORK_OF_ART": None,
    "LAW": None, "LANGUAGE": None, "TIME": None, "PERCENT": None, "MONEY": None, "QUANTITY": None,
    "ORDINAL": None, "CARDINAL": None, "MISC": None, "O": None,
}  # fmt: skip
"""What the labels of a model mean where the user does not say; ``None`` is left in the notes."""

ASKED: Mapping[str, str] = {
    "person name": "NAME",
    "address": "LOCATION",
    "city": "LOCATION",
    "hospital or organization": "ORGANIZATION",
    "date": "DATE",
    "phone number": "PHONE",
    "email": "EMAIL",
    "medical record number": "MRN",
    "identification number": "OTHER_ID",
}
"""What a GLiNER, which finds whatever it is asked for, is asked for."""


class NerModel(Section):
    """A model of the user's. ``lang``: of the notes that it reads, or all. ``threshold``: least
    score of a finding. ``labels``: what its labels mean, beyond :data:`LABELS`; ``null`` leaves
    what it finds in the notes. ``device``: as PyTorch names it.
    """

    kind: Kind
    model: str = Field(min_length=1)
    lang: Literal["en", "zh"] | None = None
    threshold: float = Field(default=0.4, ge=0.0, le=1.0)
    labels: dict[str, str | None] = Field(default_factory=dict[str, str | None])
    device: str = "cpu"

    @property
    def name(self) -> str:
        """How spans name it as their source: kind and last part of the path."""
        return f"{self.kind}:{Path(self.model).name}"

    def categories(self, labels: Iterable[str]) -> dict[str, str | None]:
        """The category of each of the model's ``labels``.

        Raises:
            InputError: what a label means is known neither here nor in :data:`LABELS`, or no label
                means PHI: what such a model finds would stay in the notes without a word.
        """
        known = {_plain(label): category for label, category in LABELS.items()}
        known |= {_plain(label): category for label, category in self.labels.items()}
        found = {label: known.get(_plain(label), "") for label in labels}
        strange = sorted(label for label, category in found.items() if category == "")
        if strange:
            raise InputError(
                f"{self.name} finds {', '.join(strange)}, of which no table knows the meaning; say "
                "it in a YAML file for --ner, under labels: a category, or null to leave it in"
            )
        if not any(found.values()):
            raise InputError(
                f"{self.name} finds nothing that is PHI (its labels: {', '.join(found) or 'none'})"
            )
        return found


class NerConfig(Section):
    """The YAML file of ``--ner``."""

    models: list[NerModel] = Field(min_length=1)


def _plain(label: str) -> str:
    return label.upper().replace("-", "_").replace(" ", "_")


def read_models(places: Sequence[str]) -> tuple[NerModel, ...]:
    """The models that ``--ner`` names: ``hf:PATH``, ``gliner:PATH``, ``spacy:NAME`` or YAML files.

    Raises:
        InputError: no such kind, path or file, a category that does not exist, or one model twice.
    """
    models: list[NerModel] = []
    for place in places:
        kind, colon, model = place.partition(":")
        if colon and kind in KINDS:
            try:
                models.append(NerModel(kind=kind, model=model))
            except ValidationError:
                raise InputError(f"--ner {place} names no model; write {kind}:PATH") from None
        elif Path(place).suffix in (".yaml", ".yml"):
            models += load_config(NerConfig, Path(place)).models
        else:
            raise InputError(
                f"--ner {place}: give hf:PATH, gliner:PATH, spacy:NAME or a YAML file of models"
            )
    for model in models:
        strange = sorted({c for c in model.labels.values() if c} - set(CATEGORIES))
        if strange:
            raise InputError(
                f"{model.name}: {', '.join(strange)} is no category; there are "
                f"{', '.join(CATEGORIES)}"
            )
    names = [model.name for model in models]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise InputError(f"--ner names {twice[0]} twice; spans are counted by that name")
    return tuple(models)


def describe(model: NerModel) -> dict[str, Any]:
    """What a manifest says of a model: its settings, and the digest of its files where they are."""
    folder = Path(model.model)
    files = sorted(path for path in folder.rglob("*") if path.is_file()) if folder.is_dir() else []
    digest = sha256_files(files) if files else "none"
    return {**model.model_dump(), "digest": digest}
