"""Run configuration: a YAML file plus dotted overrides become one frozen, checked object.

``load_config(RunConfig, file, ["privacy.epsilon=4"])``. An unknown key is fatal and the nearest
known one is named, so a misspelt ``epsilom`` can never leave a run without its privacy.
"""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar, cast

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from llmsafe.corpus import Columns
from llmsafe.errors import InputError
from llmsafe.files import read_text

C = TypeVar("C", bound=BaseModel)


class Section(BaseModel):
    """A frozen part of a configuration; unknown keys are errors, and so is ``yes`` for a number."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    @model_validator(mode="before")
    @classmethod
    def _no_truth_for_numbers(cls, data: Any) -> Any:
        for name, value in cast("dict[str, Any]", data).items() if isinstance(data, dict) else ():
            field = cls.model_fields.get(name)
            if isinstance(value, bool) and field is not None and field.annotation is not bool:
                raise ValueError(f"{name} is {value}, a truth value; give a number or a word")
        return cast("Any", data)


class DataConfig(Section):
    """Where the notes come from and how they become privacy units.

    ``llmsafe:synthetic`` is made on the spot from ``synthetic_patients`` invented patients and
    ``synthetic_canaries`` canaries.
    """

    corpus: str = "llmsafe:synthetic"
    synthetic_patients: int = Field(default=600, ge=1)
    synthetic_canaries: int = Field(default=200, ge=0)
    canaries: str | None = None
    text_column: str = "text"
    id_column: str | None = None
    patient_column: str | None = None
    date_column: str | None = None
    max_tokens: int = Field(default=256, ge=8)
    max_notes_per_unit: int = Field(default=4, ge=1)
    held_out: float = Field(default=0.1, ge=0.0, lt=1.0)

    @property
    def columns(self) -> Columns:
        """The column names as the corpus reader wants them."""
        return Columns(self.text_column, self.id_column, self.patient_column, self.date_column)


class ModelConfig(Section):
    """The frozen base and the LoRA on top of it.

    ``dtype`` and ``quantisation`` (NF4 by bitsandbytes) are the frozen base's; LoRA is float32.
    """

    base: str = "llmsafe:base-en"
    lora_rank: int = Field(default=16, ge=1)
    lora_alpha: float = Field(default=32.0, gt=0, le=1e6)
    target_modules: str | Annotated[list[str], Field(min_length=1)] = "all-linear"
    dtype: Literal["float32", "bfloat16"] = "float32"
    quantisation: Literal["none", "4bit"] = "none"
    gradient_checkpointing: bool = False


class PrivacyConfig(Section):
    """The guarantee asked for. ``delta`` and ``population`` have no default: they are claims.

    Give ``epsilon`` (``.inf`` for the non-private control) or ``noise_multiplier``, not both.
    ``max_units_per_step`` cuts larger draws to a random subset; the corpus may then hold no more
    units than ``population``. ``unit`` demands a unit: a corpus that gives another is refused.
    """

    unit: Literal["patient", "note"] | None = None

    epsilon: float | None = Field(default=None, gt=0, allow_inf_nan=True)
    noise_multiplier: float | None = Field(default=None, ge=0)
    delta: float = Field(gt=0, lt=1)
    population: int = Field(ge=1)
    clip_norm: float = Field(default=1.0, ge=1e-6, le=1e6)
    noise: Literal["test", "standard", "secure"] = "standard"
    max_units_per_step: int | None = Field(default=None, ge=1)

    @model_validator(mode="after")
    def _one_of(self) -> PrivacyConfig:
        if (self.epsilon is None) == (self.noise_multiplier is None):
            raise ValueError("give exactly one of epsilon and noise_multiplier")
        return self


class TrainConfig(Section):
    """The optimiser and the size of a step; ``units_per_step`` is an expectation (Poisson)."""

    units_per_step: int = Field(default=64, ge=1)
    steps: int = Field(default=100, ge=1)
    learning_rate: float = Field(default=2e-3, gt=0, lt=1000)
    warmup: float = Field(default=0.05, ge=0, lt=1)
    weight_decay: float = Field(default=0.0, ge=0)
    tokens_per_batch: int = Field(default=4096, ge=64)
    checkpoint_every: int = Field(default=50, ge=0)


class RunConfig(Section):
    """Everything ``recipes/dp_lora.py`` reads."""

    output: str = "runs/dp_lora"
    seed: int = Field(default=0, ge=0, lt=2**63)
    processes: int | None = Field(default=None, ge=1)
    data: DataConfig = DataConfig()
    model: ModelConfig = ModelConfig()
    privacy: PrivacyConfig
    train: TrainConfig = TrainConfig()


def load_config(model: type[C], file: Path | None, overrides: Sequence[str] = ()) -> C:
    """Read ``file`` (YAML; may be ``None``), apply ``section.key=value`` overrides, validate.

    Override values are parsed as YAML scalars, so ``8``, ``true`` and ``[a, b]`` work; ``inf`` and
    ``1e-5``, which YAML 1.1 takes for strings, become numbers where the field is one.

    Raises:
        InputError: no such file, bad YAML, a malformed override, an unknown key (the nearest
            known one is named) or a value outside its range.
    """
    data: Any = {}
    if file is not None:
        try:
            data = yaml.safe_load(read_text(file)) or {}
        except OSError as error:
            raise InputError(f"cannot read config {file}: {error.strerror}") from error
        except (yaml.YAMLError, UnicodeDecodeError) as error:
            raise InputError(f"{file} is no valid YAML: {str(error).splitlines()[0]}") from error
        if not isinstance(data, dict):
            raise InputError(f"{file} holds no mapping; write section: {{key: value}}")
    tree = cast("dict[str, Any]", data)
    for override in overrides:
        _apply(tree, override)
    given = dict(override.split("=", 1) for override in overrides)
    noises = [given.get(f"privacy.{name}", "null") for name in ("epsilon", "noise_multiplier")]
    if "null" not in noises:
        raise InputError("give privacy.epsilon or privacy.noise_multiplier, not both")
    try:
        return model.model_validate(tree)
    except ValidationError as error:
        raise InputError(_explain(error, model)) from error


def dump_config(config: BaseModel) -> str:
    """The configuration as YAML that :func:`load_config` reads back to an equal object."""
    return yaml.safe_dump(config.model_dump(mode="python"), sort_keys=False, allow_unicode=True)


def _apply(tree: dict[str, Any], override: str) -> None:
    key, equals, raw = override.partition("=")
    if not equals or not key:
        raise InputError(f"override {override!r} is not section.key=value")
    try:
        value = yaml.safe_load(raw)
    except yaml.YAMLError:
        raise InputError(f"override {override!r}: the value is no YAML scalar or list") from None
    *sections, name = key.split(".")
    for section in sections:
        below = tree.setdefault(section, {})
        if not isinstance(below, dict):
            raise InputError(f"override {override!r}: {section!r} is a value, not a section")
        tree = cast("dict[str, Any]", below)
    if name in ("epsilon", "noise_multiplier"):
        # The two say the same thing in two ways: overriding one replaces the other.
        tree.pop({"epsilon": "noise_multiplier", "noise_multiplier": "epsilon"}[name], None)
    tree[name] = value


def _explain(error: ValidationError, model: type[BaseModel]) -> str:
    first = error.errors(include_url=False)[0]
    where = ".".join(str(part) for part in first["loc"])
    if first["type"] == "missing":
        return f"config: {where} is required; set it in the file or by {where}=VALUE"
    if first["type"] != "extra_forbidden":
        said = first["msg"].removeprefix("Value error, ")
        given = first["input"]
        if isinstance(given, (str, int, float)):
            said = f"{given!r} is refused: {said[0].lower()}{said[1:]}"
        return f"config: {where}: {said}" if where else f"config: {said}"
    known = _keys(model)
    close = difflib.get_close_matches(where, known, n=1) or difflib.get_close_matches(
        where.rsplit(".", 1)[-1], [k.rsplit(".", 1)[-1] for k in known], n=1
    )
    hint = f"; did you mean {close[0]!r}?" if close else f"; known: {', '.join(known)}"
    return f"config: unknown key {where!r}{hint}"


def _keys(model: type[BaseModel], prefix: str = "") -> list[str]:
    names: list[str] = []
    for name, info in model.model_fields.items():
        kind = info.annotation
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            names += _keys(kind, f"{prefix}{name}.")
        else:
            names.append(prefix + name)
    return names
