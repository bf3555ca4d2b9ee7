"""What a study's rows say together: means over seeds, paired comparisons, multiplicity."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from llmsafe.report.study_rows import Row, Setting
from llmsafe.stats import Interval, holm, paired_difference, seed_interval

CONFIDENCE = 0.95
ALL = "all cells"
# Measures compared in pairs, and whether by their ratio (on a log scale).
COMPARED = {
    "perplexity": True,
    "canary_auc": False,
    "exposure_excess_bits": False,
    "people_auc": False,
    "identifier_auc": False,
    "task_accuracy": False,
}


@dataclass(frozen=True)
class Level:
    """The rows of one measure, setting and ε, one a seed, and their mean with its interval.

    The interval is Student's over seeds; ``None`` for one seed. Perplexity is averaged by its
    logarithm.
    """

    epsilon: float
    rows: tuple[Row, ...]
    mean: float
    low: float | None
    high: float | None


@dataclass(frozen=True)
class Compared:
    """One paired comparison: ``one`` against ``other``, seed by seed."""

    measure: str
    setting: str
    one: str
    other: str
    difference: Interval
    ratio: bool
    pairs: int
    p_value: float
    adjusted: float
    rows: tuple[str, ...]


@dataclass(frozen=True)
class ControlLeak:
    """Whether the controls of a setting leak: seeds whose interval of the AUC lies above 0.5."""

    setting: str
    seeds: int
    significant: int
    lowest: float
    bounds: int


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
    found = seed_interval([down(row.value) for row in ordered], CONFIDENCE)
    if len(ordered) == 1:
        return Level(epsilon, ordered, ordered[0].value, None, None)
    low, high = _within(rows[0], up(found.low), up(found.high))
    return Level(epsilon, ordered, up(found.value), low, high)


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
    """Every paired comparison of the study, adjusted by Holm as one family.

    Each ε against none, neighbouring levels of ε, scrubbed against not scrubbed at the same ε, and
    scrubbing alone against privacy alone; of each measure in :data:`COMPARED`. Pairs have the seed
    in common, and with it split, canaries and first adapter.
    """
    found: list[Compared] = []
    for measure, ratio in COMPARED.items():
        settings = levels(rows, measure)
        names = setting_names(settings)
        for setting, several in settings.items():
            pairs = list(itertools.pairwise(several))
            if len(several) > 2:
                pairs += [(one, several[-1]) for one in several[:-2]]
            for low, high in pairs:
                words = (f"ε = {epsilon_name(low.epsilon)}", f"ε = {epsilon_name(high.epsilon)}")
                found += _pair(measure, names[setting], words, low.rows, high.rows, ratio)
        found += _scrub_pairs(measure, settings, names, ratio)
        for four in protections(rows, measure):
            words = ("scrubbed alone", f"ε = {epsilon_name(four.budget)} alone")
            found += _pair(measure, four.name, words, four.scrubbed.rows, four.private.rows, ratio)
    adjusted = holm([one.p_value for one in found])
    return [replace(one, adjusted=value) for one, value in zip(found, adjusted, strict=True)]


def _scrub_pairs(
    measure: str,
    settings: dict[Setting, list[Level]],
    names: dict[Setting, str],
    ratio: bool,
) -> list[Compared]:
    found: list[Compared] = []
    for setting, several in settings.items():
        if not setting.scrub:
            continue
        bare = setting._replace(scrub=False)
        other = {one.epsilon: one for one in settings.get(bare, [])}
        for one in several:
            if one.epsilon in other:
                at = f" at ε = {epsilon_name(one.epsilon)}"
                words = (f"scrubbed{at}", f"not scrubbed{at}")
                found += _pair(
                    measure, names[setting], words, one.rows, other[one.epsilon].rows, ratio
                )
    return found


def _pair(
    measure: str,
    setting: str,
    words: tuple[str, str],
    one: Sequence[Row],
    other: Sequence[Row],
    ratio: bool,
) -> list[Compared]:
    seeds = {row.seed: row for row in one}, {row.seed: row for row in other}
    common = sorted(seeds[0].keys() & seeds[1].keys())
    if len(common) < 2:
        return []
    down, up = _scales(measure)
    values = [[down(side[seed].value) for seed in common] for side in seeds]
    test = paired_difference(values[0], values[1], CONFIDENCE)
    shown = Interval(*map(up, test.difference)) if ratio else test.difference
    rows = tuple(side[seed].row for side in seeds for seed in common)
    return [Compared(measure, setting, *words, shown, ratio, test.pairs, test.p_value, 1.0, rows)]


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
            for one in several:
                if not math.isinf(one.epsilon):
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
        proved = [
            row
            for one in bounds.get(setting, [])
            if math.isinf(one.epsilon)
            for row in one.rows
            if row.value > 0
        ]
        clear = [row for row in controls if row.low is not None and row.low > 0.5]
        lowest = min(row.low if row.low is not None else row.value for row in controls)
        leaks.append(ControlLeak(names[setting], len(controls), len(clear), lowest, len(proved)))
    return leaks


def above_theory(rows: Sequence[Row]) -> list[Row]:
    """Rows whose *lower* end is above what the claim permits: the training would be broken."""
    return [
        row
        for row in rows
        if row.theory is not None and row.low is not None and row.low > row.theory + 1e-9
    ]
