"""What a study's rows say together: means over seeds, paired comparisons, multiplicity."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from llmsafe.report.study_rows import Row, Setting
from llmsafe.stats import Interval, Paired, holm, paired_difference, seed_interval

CONFIDENCE = 0.95
ALL = "all cells"
PRIMARY = ("canary_auc", "perplexity")
"""Their change from no privacy to each ε, in the first setting, is what a study asks."""

# Measures compared in pairs, and whether by their ratio (on a log scale).
COMPARED = {
    "perplexity": True,
    "canary_auc": False,
    "exposure_excess_bits": False,
    "people_auc": False,
    "identifier_auc": False,
    "task_accuracy": False,
}
# Scrubbed and other notes are other texts, and other people are held out of them: what is said of
# the notes themselves cannot be compared across scrubbing.
ACROSS_SCRUBBING = ("canary_auc", "exposure_excess_bits", "identifier_auc")


@dataclass(frozen=True)
class Level:
    """The rows of one measure, setting and ε, one a seed, and their mean with its interval.

    The interval is Student's over seeds, or that of the runs' own intervals where it is wider (a
    few seeds may agree by luck); ``None`` for one seed, and where all seeds give one value: nothing
    is known then of how much they vary. Perplexity is averaged by its logarithm.
    """

    epsilon: float
    rows: tuple[Row, ...]
    mean: float
    low: float | None
    high: float | None


@dataclass(frozen=True)
class Compared:
    """One paired comparison: ``one`` against ``other``, seed by seed.

    ``adjusted`` is its p-value by Holm among the primary, or among the other comparisons.
    """

    measure: str
    setting: str
    one: str
    other: str
    difference: Interval
    ratio: bool
    pairs: int
    p_value: float
    primary: bool
    rows: tuple[str, ...]
    adjusted: float = 1.0


@dataclass(frozen=True)
class ControlLeak:
    """Whether the controls of a setting leak: seeds whose interval of the AUC lies above 0.5.

    ``bounds`` is in how many the bound on ε is above 0, ``None`` if there is none.
    """

    setting: str
    seeds: int
    significant: int
    lowest: float
    bounds: int | None


@dataclass(frozen=True)
class Protection:
    """One measure with neither protection, each alone, and both; ``budget`` is the private ε."""

    name: str
    budget: float
    neither: Level
    scrubbed: Level
    private: Level
    both: Level


def levels(rows: Iterable[Row], measure: str) -> dict[Setting, list[Level]]:
    """Settings with their levels of ε, the smallest first."""
    groups: dict[Setting, dict[float, list[Row]]] = {}
    for row in rows:
        if row.measure == measure:
            groups.setdefault(row.setting, {}).setdefault(row.epsilon, []).append(row)
    return {
        setting: [level(epsilon, found) for epsilon, found in sorted(by_epsilon.items())]
        for setting, by_epsilon in groups.items()
    }


def level(epsilon: float, rows: Sequence[Row]) -> Level:
    """Rows of several seeds as one."""
    ordered = tuple(sorted(rows, key=lambda row: row.seed))
    down, up = _scales(rows[0].measure)
    values = [down(row.value) for row in ordered]
    mean = sum(values) / len(values)
    if len(set(values)) == 1:
        return Level(epsilon, ordered, up(mean), None, None)
    found = seed_interval(values, CONFIDENCE)
    half = max(found.high - mean, _own_half(ordered))
    low, high = _within(rows[0], up(mean - half), up(mean + half))
    return Level(epsilon, ordered, up(mean), low, high)


def _own_half(rows: Sequence[Row]) -> float:
    """Half the 95 % interval of the mean, by the intervals that each run has of its own.

    None for one-sided ones, and for perplexity, which has none.
    """
    halves = [
        (row.high - row.low) / 2 for row in rows if row.low is not None and row.high is not None
    ]
    return math.hypot(*halves) / len(rows) if len(halves) == len(rows) else 0.0


def _within(row: Row, low: float, high: float) -> tuple[float, float]:
    """Student's interval knows no borders; a rate has some."""
    rate = row.measure not in ("perplexity", "exposure_excess_bits", "epsilon_lower")
    if row.measure == "epsilon_lower":
        low = max(0.0, low)
    if rate:
        low = max(0.0, low)
    top = row.ceiling if row.ceiling is not None else math.inf
    return low, min(high, max(top, row.value))


def _scales(measure: str) -> tuple[Callable[[float], float], Callable[[float], float]]:
    if COMPARED.get(measure):
        return math.log, math.exp
    return (lambda value: value), (lambda value: value)


def setting_names(settings: Iterable[Setting]) -> dict[Setting, str]:
    """Settings by what tells them apart from one another;
    :data:`ALL` if there is only one."""
    every = list(dict.fromkeys(settings))
    differs = [len(set(values)) > 1 for values in zip(*every, strict=True)]
    return {
        setting: ", ".join(
            _word(part, value)
            for part, value, told in zip(Setting._fields, setting, differs, strict=True)
            if told
        )
        or ALL
        for setting in every
    }


def _word(part: str, value: Any) -> str:
    match part:
        case "unit":
            return f"per {value}"
        case "repetition":
            return "planted once" if value == 1 else f"{value} copies"
        case "scrub":
            return "scrubbed" if value else "not scrubbed"
        case "rank":
            return f"rank {value}"
        case "kind":
            return f"{value} canaries"
        case _:
            return str(value)


def epsilon_name(epsilon: float) -> str:
    """``∞`` or the number."""
    return "∞" if math.isinf(epsilon) else f"{epsilon:g}"


def compare(rows: Sequence[Row]) -> list[Compared]:
    """Every paired comparison of the study, adjusted by Holm; the primary ones first.

    Primary: each ε against none, of each measure in :data:`PRIMARY`, in the first setting that has
    both. They are one family, all others another: neighbouring levels of ε and each against none,
    of each measure in :data:`COMPARED`; scrubbed against not at the same ε, and scrubbing alone
    against privacy alone, of those in :data:`ACROSS_SCRUBBING`. Pairs have the seed in common.
    """
    found: list[Compared] = []
    for measure in COMPARED:
        settings = levels(rows, measure)
        names = setting_names(settings)
        main = next((s for s, several in settings.items() if len(several) > 1), None)
        for setting, several in settings.items():
            first = setting == main and measure in PRIMARY
            found += _epsilon_pairs(measure, names[setting], several, first)
        if measure in ACROSS_SCRUBBING:
            found += _scrub_pairs(measure, settings, names)
            for four in protections(rows, measure):
                words = ("scrubbed alone", f"ε = {epsilon_name(four.budget)} alone")
                found += _pair(measure, four.name, words, four.scrubbed, four.private)
    every: list[Compared] = []
    for primary in (True, False):
        family = [one for one in found if one.primary is primary]
        adjusted = holm([one.p_value for one in family])
        every += [replace(one, adjusted=p) for one, p in zip(family, adjusted, strict=True)]
    return every


def _epsilon_pairs(
    measure: str, setting: str, several: Sequence[Level], main: bool
) -> Iterator[Compared]:
    pairs = list(itertools.pairwise(several))
    if len(several) > 2:
        pairs += [(one, several[-1]) for one in several[:-2]]
    for low, high in pairs:
        words = (f"ε = {epsilon_name(low.epsilon)}", f"ε = {epsilon_name(high.epsilon)}")
        primary = main and math.isinf(high.epsilon)
        yield from _pair(measure, setting, words, low, high, primary=primary)


def _scrub_pairs(
    measure: str, settings: dict[Setting, list[Level]], names: dict[Setting, str]
) -> Iterator[Compared]:
    for setting, several in settings.items():
        if not setting.scrub:
            continue
        bare = setting._replace(scrub=False)
        other = {one.epsilon: one for one in settings.get(bare, [])}
        for one in several:
            if one.epsilon in other:
                at = f" at ε = {epsilon_name(one.epsilon)}"
                words = (f"scrubbed{at}", f"not scrubbed{at}")
                yield from _pair(measure, names[setting], words, one, other[one.epsilon])


def _pair(
    measure: str,
    setting: str,
    words: tuple[str, str],
    one: Level,
    other: Level,
    *,
    primary: bool = False,
) -> Iterator[Compared]:
    """None where there are no two pairs, or no spread in them from which to know the noise."""
    test = paired(one, other)
    if test is None:
        return
    ratio = COMPARED[measure]
    _, up = _scales(measure)
    shown = Interval(*map(up, test.difference))
    seeds = {row.seed for row in one.rows} & {row.seed for row in other.rows}
    rows = tuple(row.row for side in (one, other) for row in side.rows if row.seed in seeds)
    yield Compared(measure, setting, *words, shown, ratio, test.pairs, test.p_value, primary, rows)


def paired(one: Level, other: Level) -> Paired | None:
    """``one`` less ``other``, seed by seed; of perplexity, the logarithms.

    ``None`` where there are no two common seeds, or all differ by the same: nothing is known then
    of the noise.
    """
    down, _ = _scales(one.rows[0].measure)
    values = [{row.seed: down(row.value) for row in side.rows} for side in (one, other)]
    common = sorted(values[0].keys() & values[1].keys())
    if len({round(values[0][seed] - values[1][seed], 9) for seed in common}) < 2:
        return None
    ours, theirs = ([side[seed] for seed in common] for side in values)
    return paired_difference(ours, theirs, CONFIDENCE)


def protections(rows: Sequence[Row], measure: str) -> list[Protection]:
    """Settings that were run with neither protection, scrubbing alone, privacy alone, and both.

    The ε is that of most such settings, of several the smallest.
    """
    found = levels(rows, measure)
    budgets = _shared_budgets(found)
    cells: dict[Setting, dict[tuple[bool, bool], Level]] = {}
    for setting, several in found.items():
        for one in several:
            if math.isinf(one.epsilon) or one.epsilon in budgets[:1]:
                place = (setting.scrub, not math.isinf(one.epsilon))
                cells.setdefault(setting._replace(scrub=True), {})[place] = one
    order = ((False, False), (True, False), (False, True), (True, True))
    whole = {rest: four for rest, four in cells.items() if len(four) == len(order)}
    names = setting_names(whole)
    return [
        Protection(names[rest], budgets[0], *(four[place] for place in order))
        for rest, four in whole.items()
    ]


def _shared_budgets(found: dict[Setting, list[Level]]) -> list[float]:
    """Private ε at which there are both scrubbed and other cells, that of most settings first."""
    count: dict[float, int] = {}
    for setting, several in found.items():
        if not setting.scrub:
            scrubbed = {one.epsilon for one in found.get(setting._replace(scrub=True), [])}
            for one in several:
                if not math.isinf(one.epsilon) and one.epsilon in scrubbed:
                    count[one.epsilon] = count.get(one.epsilon, 0) + 1
    return sorted(count, key=lambda epsilon: (-count[epsilon], epsilon))


def control_leaks(rows: Sequence[Row]) -> list[ControlLeak]:
    """How many non-private controls leak, by setting: the interval over canaries decides."""
    found = levels(rows, "canary_auc")
    bounds = levels(rows, "epsilon_lower")
    names = setting_names(found)
    leaks: list[ControlLeak] = []
    for setting, several in found.items():
        controls = [row for one in several if math.isinf(one.epsilon) for row in one.rows]
        if not controls:
            continue
        bounded = [
            row for one in bounds.get(setting, []) if math.isinf(one.epsilon) for row in one.rows
        ]
        proved = sum(row.value > 0 for row in bounded) if bounded else None
        clear = [row for row in controls if row.low is not None and row.low > 0.5]
        lowest = min(row.low if row.low is not None else row.value for row in controls)
        leaks.append(ControlLeak(names[setting], len(controls), len(clear), lowest, proved))
    return leaks


def above_theory(rows: Sequence[Row]) -> list[Row]:
    """Rows whose *lower* end is above what the claim permits: the training would be broken."""
    return [
        row
        for row in rows
        if row.theory is not None and row.low is not None and row.low > row.theory + 1e-9
    ]
