"""What an audit is asked to measure, beyond what two forward passes give for nothing."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

from llmsafe.artifacts import Policy
from llmsafe.corpus import Columns
from llmsafe.errors import InputError

VariantName = Literal["lowercase", "recall", "neighbourhood"]
ProbeName = Literal["exposure", "candidates"]
VARIANTS: tuple[VariantName, ...] = get_args(VariantName)
EXTRAS: tuple[str, ...] = (*VARIANTS, *get_args(ProbeName))
"""What ``also`` may name: attacks on altered copies, and searches for the canaries' secrets."""


@dataclass(frozen=True, repr=False)
class Request:
    """What to compare, what to measure, and how to judge.

    ``canaries``, ``members``, ``non_members``: evidence that the run itself does not bring (files).
    ``also``: of ``EXTRAS``. ``shadows``: runs with other splits, for LiRA and RMIA. ``repeats``:
    runs like this one with canaries of their own, for the bound over repeated runs. ``generate``:
    texts to draw; ``generations``: texts that another program drew. ``gold`` and ``spans``: the
    notes before scrubbing, with their gold spans, and what the scrubber found. ``max_texts`` caps
    members and non-members alike; canaries are all scored. ``seed`` draws the sample of notes,
    copies, candidates and texts, and breaks ties.

    Raises:
        InputError: parts that need each other, an unknown name, a negative count.
    """

    canaries: Path | None = None
    members: str | None = None
    non_members: str | None = None
    columns: Columns | None = None
    policy: Policy | None = None
    also: frozenset[str] = frozenset()
    shadows: tuple[str, ...] = ()
    repeats: tuple[str, ...] = ()
    generate: int = 0
    generations: Path | None = None
    gold: str | None = None
    spans: Path | None = None
    max_texts: int = 2000
    max_tokens: int | None = None
    batch_tokens: int | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        if (self.members is None) != (self.non_members is None):
            raise InputError("--members and --non-members go together: the attack compares the two")
        unknown = sorted(self.also - set(EXTRAS))
        if unknown:
            raise InputError(f"--also {unknown[0]!r} is unknown; choose from {', '.join(EXTRAS)}")
        if self.seed < 0:
            raise InputError(f"--seed {self.seed}: give 0 or more")
        if self.generate < 0:
            raise InputError(f"--generate {self.generate}: give 0 or more texts")
        if self.generate and self.generations is not None:
            raise InputError("--generate draws texts and --generations reads them: give one")
        if self.spans is not None and self.gold is None:
            raise InputError("--spans says what the scrubber found in the notes of --gold: add it")


DEFAULT = Request()
