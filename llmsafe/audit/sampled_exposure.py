"""Exposure of a secret among random ones of its form: by sampling, and beyond it by a fitted curve.

Where a search for the rank is too long, and for every model, losses of secrets drawn from the form
say where the planted one lies among all; how far that can be told is an exact interval. A secret
likelier than every sample has at least so many bits; a curve fitted to the samples goes on from
there, with a test of its fit (Carlini et al. 2019, arXiv 1802.08232, section 4.3).
"""

from __future__ import annotations

import random
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from llmsafe.artifacts import Canary, ExtrapolatedExposure, SampledExposure
from llmsafe.audit.attacks import Scores
from llmsafe.audit.decoding import Prefix
from llmsafe.audit.membership import as_rate
from llmsafe.audit.secret_space import space_of
from llmsafe.audit.secrets_search import Speller, common_start, parts_of
from llmsafe.stats import (
    Extrapolation,
    Interval,
    exposure_by_extrapolation,
    exposure_by_sampling,
    exposure_excess,
    exposure_null_mean,
)

if TYPE_CHECKING:
    from transformers import PreTrainedModel

    from llmsafe.audit.target import Target

SAMPLES = 500
"""Random secrets that each planted one is compared with."""
MOST_EXTRAPOLATED = 8
"""Secrets beyond all samples for which a curve is fitted: each fit is a bootstrap of its own."""
_REPLICATES = 99
FIT = 0.05
"""p-value under which a fitted curve is taken to be wrong."""


def has_space(canary: Canary, lang: str) -> bool:
    """Whether it is known which secrets this canary might have had instead, and there are many."""
    space = space_of(canary, lang)
    return space is not None and space.size > 2 * SAMPLES


def sampled_exposure(
    target: Target,
    planted: Sequence[Canary],
    withheld: Sequence[Canary],
    rng: random.Random,
    *,
    lang: str,
    samples: int = SAMPLES,
) -> SampledExposure | None:
    """Exposure of the planted secrets against ``samples`` random ones each, of target and base.

    ``lang`` is the manifest's. Withheld twins go through the same and have the mean of chance. No
    random secret is that of another canary. ``None`` without a planted canary; each must have a
    space (:func:`has_space`).

    Raises:
        InputError: a secret that stands at the very beginning of its text.
    """
    if not planted:
        return None
    speller = Speller(target.tokenizer)
    taken = {parts_of(canary)[1] for canary in (*planted, *withheld)}
    questions = [_question(c, lang, taken, samples, rng) for c in (*planted, *withheld)]
    ours = [_losses(target.model, speller, question) for question in questions]
    inside, outside = ours[: len(planted)], ours[len(planted) :]
    bases: list[Scores] = []
    if target.has_base:
        with target.base() as base:
            bases = [_losses(base, speller, question) for question in questions[: len(planted)]]
    sizes = [question.size for question in questions]
    found = _exposures(inside, sizes[: len(planted)])
    excess = exposure_excess([one.value for one in found], samples)
    beyond = [losses for losses in inside if losses[0] < losses[1:].min()]
    return SampledExposure(
        secrets=len(found),
        samples=samples,
        beyond=len(beyond),
        mean_bits=_mean([one.value for one in found]),
        mean_low=_mean([one.low for one in found]),
        mean_high=_mean([one.high for one in found]),
        null_mean_bits=exposure_null_mean(samples),
        excess_bits=as_rate(excess),
        base_mean_bits=_mean_exposure(bases, sizes[: len(bases)]),
        withheld_mean_bits=_mean_exposure(outside, sizes[len(planted) :]),
        extrapolated=_extrapolate(beyond[:MOST_EXTRAPOLATED]),
    )


@dataclass(frozen=True, repr=False)
class _Question:
    before: str
    candidates: tuple[str, ...]  # the secret itself comes first
    size: int


def _question(
    canary: Canary, lang: str, taken: Collection[str], samples: int, rng: random.Random
) -> _Question:
    space = space_of(canary, lang)
    assert space is not None
    before, secret = parts_of(canary)
    drawn: dict[str, None] = {}
    while len(drawn) < samples:
        one = space.draw(rng)
        if one not in taken:
            drawn[one] = None
    return _Question(before, (secret, *drawn), space.size)


def _losses(model: PreTrainedModel, speller: Speller, question: _Question) -> Scores:
    """Losses [1 + samples], the secret's first; what all candidates share is run once."""
    texts = [speller.tokens(question.before + candidate) for candidate in question.candidates]
    shared = common_start(texts)
    return -Prefix(model, texts[0][:shared]).logp([text[shared:] for text in texts])


def _exposures(losses: Sequence[Scores], sizes: Sequence[int]) -> list[Interval]:
    return [
        exposure_by_sampling(float(one[0]), one[1:], space=size)
        for one, size in zip(losses, sizes, strict=True)
    ]


def _mean_exposure(losses: Sequence[Scores], sizes: Sequence[int]) -> float | None:
    return _mean([one.value for one in _exposures(losses, sizes)]) if losses else None


def _extrapolate(beyond: Sequence[Scores]) -> ExtrapolatedExposure | None:
    if not beyond:
        return None
    fits = [exposure_by_extrapolation(float(o[0]), o[1:], replicates=_REPLICATES) for o in beyond]
    good: list[Extrapolation] = [fit for fit in fits if fit.p_value >= FIT]
    return ExtrapolatedExposure(
        secrets=len(fits),
        fitting=len(good),
        mean_bits=_mean([fit.bits for fit in good]) if good else None,
        mean_low=_mean([fit.low for fit in good]) if good else None,
        mean_high=_mean([fit.high for fit in good]) if good else None,
    )


def _mean(values: Sequence[float]) -> float:
    return float(np.mean(values))
