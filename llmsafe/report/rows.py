"""Rows of the page's tables whose cells take some thought."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from llmsafe.artifacts import (
    Exposure,
    Extraction,
    ExtrapolatedExposure,
    SampledExposure,
    SearchedExposure,
)
from llmsafe.report import words

METHODS = {
    "greedy": "likeliest words",
    "sampled": "sampling",
    "candidates": "told from others",
    "generated": "generated texts",
}
"""How a reader knows the methods of extraction; one that is not here is shown as it is."""
FAMILIES = {
    "dp": "any mechanism",
    "gaussian": "Gaussian mechanisms alone; nothing is judged by it",
}
"""For which mechanisms a bound holds."""


@dataclass(frozen=True)
class ExposureRow:
    """Exposure by one way of ranking secrets; ``remark`` says how much of it is certain."""

    among: str
    secrets: str
    mean: str
    remark: str
    excess: str = words.ABSENT
    chance: str = words.ABSENT
    base: str = words.ABSENT
    withheld: str = words.ABSENT
    most: str = words.ABSENT


def exposure_rows(found: Exposure) -> list[ExposureRow]:
    """One row for each way in which the secrets were ranked; the first one judges."""
    rows = [
        ExposureRow(
            among=f"{words.count(found.references)} withheld twins",
            secrets=words.count(found.canaries),
            mean=words.number(found.mean_bits),
            remark=f"largest {words.number(found.max_bits)}",
            excess=words.interval(found.excess_bits),
            chance=words.number(found.null_mean_bits),
            most=words.number(found.ceiling_bits),
        )
    ]
    if found.sampled is not None:
        rows.append(_sampled(found.sampled))
        if found.sampled.extrapolated is not None:
            rows.append(_extrapolated(found.sampled.extrapolated))
    if found.searched is not None:
        rows.append(_searched(found.searched))
    return rows


def _sampled(found: SampledExposure) -> ExposureRow:
    return ExposureRow(
        among=f"{words.count(found.samples)} random ones of the same form",
        secrets=words.count(found.secrets),
        mean=_within(found.mean_bits, found.mean_low, found.mean_high),
        remark=f"{words.count(found.beyond)} beyond every sample: at least so many bits",
        excess=words.interval(found.excess_bits),
        chance=words.number(found.null_mean_bits),
        base=words.number(found.base_mean_bits),
        withheld=words.number(found.withheld_mean_bits),
        most=words.number(math.log2(found.samples + 1)),
    )


def _extrapolated(found: ExtrapolatedExposure) -> ExposureRow:
    fits = f"{words.count(found.fitting)} of {words.count(found.secrets)} fits held"
    return ExposureRow(
        among="the same, extrapolated beyond the samples",
        secrets=words.count(found.fitting),
        mean=_within(found.mean_bits, found.mean_low, found.mean_high),
        remark=f"{fits}; an estimate, no bound",
    )


def _searched(found: SearchedExposure) -> ExposureRow:
    closed = f"{words.count(found.closed)} of {words.count(found.secrets)} ranks exact"
    return ExposureRow(
        among="all of the same form, by a search",
        secrets=words.count(found.secrets),
        mean=_between(found.mean_low, found.mean_high),
        remark=closed if found.closed == found.secrets else f"{closed}, the others bounded",
        excess=words.interval(found.excess_bits),
        chance=words.number(found.null_mean_bits),
        base=_between(found.base_mean_low, found.base_mean_high),
        withheld=_between(found.withheld_mean_low, found.withheld_mean_high),
        most=words.number(found.space_bits),
    )


def _within(value: float | None, low: float | None, high: float | None) -> str:
    if value is None or low is None or high is None:
        return words.number(value)
    return f"{words.number(value)} ({words.number(low)} to {words.number(high)})"


def _between(low: float | None, high: float | None) -> str:
    ends = [words.number(low), words.number(high)]
    return ends[0] if ends[0] == ends[1] else " to ".join(ends)


def method(found: Extraction) -> str:
    """The method in a reader's words."""
    return METHODS.get(found.method, found.method)


def manner(found: Extraction) -> str | None:
    """How texts were drawn and when a secret counts, where the method leaves that open."""
    said = [found.sampler] if found.sampler else []
    if found.probability is not None:
        said.append(f"counts if they hold it with probability {words.percent(found.probability)}")
    return "; ".join(said) or None


def counted(leaks: Sequence[str]) -> str:
    """What a count of identifiers is, from ``PhiLeak.counted`` of every row."""
    match sorted(set(leaks)):
        case ["values"]:
            return "Each different value of a category counts once, however often it stands there."
        case ["places"]:
            return "Every place where an identifier stands counts."
        case _:
            return "The column “counts” says whether different values or all places are meant."
