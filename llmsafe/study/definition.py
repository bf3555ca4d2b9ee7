"""What a study asks for: a YAML file, and the cells that its grids hold."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar, cast

import yaml
from pydantic import AfterValidator, Field, field_validator, model_validator

from llmsafe.canary import DEFAULT_KIND, FITTED_KINDS, KINDS
from llmsafe.config import Section, load_config
from llmsafe.errors import InputError
from llmsafe.files import sha256_json

T = TypeVar("T")
UnitName = Literal["patient", "note"]


def _six_digits(value: float) -> float:
    """ε as folders, tables and pages tell it: what they cannot tell apart is one."""
    return float(f"{value:g}")


Several = Annotated[tuple[T, ...], Field(min_length=1)]
Epsilon = Annotated[float, Field(gt=0, allow_inf_nan=True), AfterValidator(_six_digits)]
# It goes into tables and file names.
CorpusName = Annotated[str, Field(pattern=r"^\w[\w .-]*$")]

# What the study itself decides, and what its labels and stages rest on.
_TAKEN = frozenset(
    ("output", "seed", "data.corpus", "data.canaries", "data.text_column", "data.id_column",
     "data.patient_column", "data.date_column", "model.base", "model.lora_rank",
     "model.lora_alpha", "privacy.epsilon", "privacy.noise_multiplier", "privacy.delta",
     "privacy.population", "privacy.unit")
)  # fmt: skip


class CorpusSpec(Section):
    """One corpus: ``patients`` invented ones, or the notes at ``path``.

    ``population`` is a public number, about how many privacy units there are; of invented patients
    it is their number. ``label`` names a column that says what kind of note or section a text is:
    it is put in front of each note, and how well the model tells the kinds apart is the downstream
    task. ``known_identifiers`` are files for the scrubber; it knows invented patients anyway.
    """

    patients: int | None = Field(default=None, ge=10)
    path: str | None = None
    population: int | None = Field(default=None, ge=1)
    length: Literal["short", "mixed"] = "short"
    notes_per_patient: int = Field(default=1, ge=1)
    seed: int = Field(default=0, ge=0)
    label: str | None = None
    text_column: str = "text"
    id_column: str | None = None
    patient_column: str | None = None
    date_column: str | None = None
    known_identifiers: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _one_source(self) -> CorpusSpec:
        if (self.patients is None) == (self.path is None):
            raise ValueError("give either patients (invented) or path (your notes)")
        if self.path is not None and self.population is None:
            raise ValueError("a corpus by path needs population, a public number of its units")
        wrong = self.model_fields_set & (_OF_NOTES if self.path is None else _OF_INVENTED)
        if wrong:
            what = "invented patients" if self.path is None else "a corpus by path"
            raise ValueError(f"{min(wrong)} means nothing for {what}; leave it out")
        return self

    @property
    def units(self) -> int:
        """The declared population, without canaries."""
        found = self.population or self.patients
        assert found is not None
        return found


_OF_INVENTED = {"length", "notes_per_patient", "seed"}
_OF_NOTES = {"text_column", "id_column", "patient_column", "date_column", "known_identifiers"}


class Grid(Section):
    """Every combination of its values is a cell; what is not named has its default.

    A value may stand alone instead of a list. ``repetition`` is how many patients' notes hold each
    planted canary, ``unit`` what the guarantee is per, ``corpus`` names of corpora (default: all).
    """

    epsilon: Several[Epsilon] = (float("inf"), 8.0)
    seed: Several[Annotated[int, Field(ge=0)]] = (0,)
    unit: Several[UnitName] = ("patient",)
    kind: Several[str] = (DEFAULT_KIND,)
    repetition: Several[Annotated[int, Field(ge=1, le=64)]] = (1,)
    scrub: Several[bool] = (True,)
    rank: Several[Annotated[int, Field(ge=1)]] = (16,)
    base: Several[str] = ("llmsafe:base-en",)
    corpus: tuple[str, ...] = ()

    @model_validator(mode="before")
    @classmethod
    def _one_is_a_list(cls, data: Any) -> Any:
        if not isinstance(data, dict):
            return data
        values = cast("dict[str, Any]", data)
        lists = {k: v if isinstance(v, (list, tuple)) else [v] for k, v in values.items()}
        for key, several in lists.items():
            if key != "scrub" and any(isinstance(one, bool) for one in several):
                raise ValueError(f"{key} holds a truth value; give a number or a word")
        return lists

    @field_validator("kind")
    @classmethod
    def _known(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        unknown = [kind for kind in value if kind not in (*KINDS, *FITTED_KINDS)]
        if unknown:
            raise ValueError(f"canary kind {unknown[0]!r} is unknown (llmsafe canary --help)")
        return value


class Study(Section):
    """A study as its file says.

    Args:
        grids: their cells together; a cell that several hold is one.
        config: the training configuration by name or path; ``set`` are overrides of it.
        canaries: per cell, each planted by a fair coin.
        held_back: most notes of members, and of others, that an audit scores.
        identifiers: most true identifiers, of members and of others, that the study tries to get
            back.
        task_notes: most held-out notes of the downstream task.
    """

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$")
    about: str = ""
    corpora: dict[CorpusName, CorpusSpec] = Field(min_length=1)
    grids: Annotated[tuple[Grid, ...], Field(min_length=1)]
    config: str = "configs/default.yaml"
    set: dict[str, Any] = Field(default_factory=dict[str, Any])
    canaries: int = Field(default=400, ge=20)
    delta: float = Field(default=1e-5, gt=0, lt=1)
    held_back: int = Field(default=600, ge=10)
    identifiers: int = Field(default=300, ge=0)
    task_notes: int = Field(default=150, ge=0)

    @model_validator(mode="after")
    def _corpora_known(self) -> Study:
        for grid in self.grids:
            for name in grid.corpus:
                if name not in self.corpora:
                    known = ", ".join(self.corpora)
                    raise ValueError(f"grid names corpus {name!r}; corpora are: {known}")
        for key in self.set:
            if key in _TAKEN:
                raise ValueError(f"set holds {key}, which the study itself decides")
            if "." not in key:
                raise ValueError(f"set holds {key}; name one setting, as section.key")
        return self

    def cells(self) -> list[Cell]:
        """Every cell once, in the order of the file."""
        return list(dict.fromkeys(self._every()))

    def _every(self) -> Iterator[Cell]:
        for grid in self.grids:
            values = grid.model_dump()
            values["corpus"] = values["corpus"] or tuple(self.corpora)
            names = list(values)
            for point in itertools.product(*values.values()):
                yield Cell(**dict(zip(names, point, strict=True)))


@dataclass(frozen=True)
class Cell:
    """One point of the grid: one training and its audit."""

    epsilon: float
    seed: int
    unit: UnitName
    kind: str
    repetition: int
    scrub: bool
    rank: int
    base: str
    corpus: str

    @property
    def private(self) -> bool:
        """Whether it is trained with noise."""
        return self.epsilon != float("inf")

    def settings(self) -> dict[str, Any]:
        """As JSON values: ``None`` for ε = ∞."""
        return asdict(self) | {"epsilon": self.epsilon if self.private else None}

    @property
    def name(self) -> str:
        """What it is, in a few words."""
        epsilon = f"{self.epsilon:g}" if self.private else "inf"
        words = [f"epsilon {epsilon}", f"seed {self.seed}", self.kind, f"rank {self.rank}"]
        words += [f"{self.repetition} copies"] if self.repetition > 1 else []
        words += ["scrubbed" if self.scrub else "not scrubbed", f"per {self.unit}", self.corpus]
        return ", ".join(words)

    @property
    def cell_id(self) -> str:
        """A short digest of the point."""
        return sha256_json(self.settings()).removeprefix("sha256:")[:10]


def override(key: str, value: Any) -> str:
    """``key=value``, as :func:`llmsafe.config.load_config` reads it back to this very value."""
    plain = str(value) if isinstance(value, Path) else value
    text = yaml.safe_dump(plain, default_flow_style=True, allow_unicode=True, width=math.inf)
    return f"{key}={text.strip().removesuffix('...').strip()}"


def load_study(name: str) -> tuple[Study, Path]:
    """A study by path, or by the name that ``llmsafe ls studies`` shows; paths in it are from
    where the program runs.

    Raises:
        InputError: no such file, or one that asks for something unknown or impossible.
    """
    from llmsafe.cli.library import find

    path = Path(name) if Path(name).is_file() else find(_full(name)).path
    study = load_config(Study, path)
    for key, spec in study.corpora.items():
        if spec.path is not None and "/" in spec.path and not Path(spec.path).exists():
            raise InputError(f"{path.name}: corpora.{key}.path {spec.path} does not exist")
        for file in spec.known_identifiers:
            if not Path(file).is_file():
                raise InputError(
                    f"{path.name}: corpora.{key}.known_identifiers {file} is no file; paths are "
                    "from where the program runs"
                )
    return study, path


def _full(name: str) -> str:
    return name if name.endswith(".yaml") or "/" in name else f"studies/{name}.yaml"
