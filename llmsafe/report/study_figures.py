"""Which figures a study has, what is in each, and the table behind it."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from llmsafe.report.figures.study import Axes, Plot, Point, Reference, Seed, Series, plot
from llmsafe.report.study_rows import Row, Setting, finite
from llmsafe.report.study_summary import (
    ALL,
    Level,
    epsilon_name,
    level,
    levels,
    protections,
    setting_names,
)

EPSILON = "Privacy budget ε asked for (∞: no noise)"
_CHANCE = 0.5


@dataclass(frozen=True)
class Figure:
    """One figure with its caption; ``table`` is drawn from and names the rows of study.csv."""

    name: str
    title: str
    caption: str
    plot: Plot
    table: list[dict[str, Any]]


def figures(rows: Sequence[Row]) -> list[Figure]:
    """Every figure that the rows have data for."""
    once = [row for row in rows if row.repetition == 1]
    found = [*(_against_epsilon(once, spec) for spec in _AGAINST_EPSILON)]
    found += [_frontier(once), _contrast(once, "identifier_auc"), _contrast(once, "canary_auc")]
    found += [_repetition(rows, measure) for measure in ("canary_auc", "exposure_excess_bits",
              "extraction_greedy")]  # fmt: skip
    found += [_length(once, "canaries"), _length(once, "notes")]
    return [figure for figure in found if figure is not None]


# --- against ε ------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Spec:
    name: str
    measure: str
    title: str
    y: str
    about: str
    references: tuple[str, ...] = ()
    percent: bool = False
    log_y: bool = False
    linear_to: float | None = None
    least: float | None = 0.0
    most: float | None = None
    chance: float | None = None


_AGAINST_EPSILON = (
    _Spec(
        "epsilon", "epsilon_lower", "Proved privacy loss against the budget",
        "Lower bound on ε (95 %; log above 1)",
        "What the attack proves about the training. Above the dashed line the training would be "
        "broken; above the dotted line this design could not have proved anything.",
        ("theory", "ceiling"), linear_to=1.0,
    ),
    _Spec(
        "tpr", "canary_tpr_at_1pct_fpr", "Canaries identified at 1 % false alarms",
        "TPR at 1 % FPR (log above 5 %)",
        "The share of planted canaries that are picked out while 1 in 100 withheld ones is wrongly "
        "flagged. The dashed line is the most that (ε, δ) permits.",
        ("theory",), percent=True, linear_to=0.05, most=1.1, chance=0.01,
    ),
    _Spec(
        "auc", "canary_auc", "How well planted canaries are told from withheld ones",
        "AUC of the canary game",
        "0.5 is guessing. The dashed line is the largest area that (ε, δ) permits.",
        ("theory",), least=None, most=1.02, chance=_CHANCE,
    ),
    _Spec(
        "exposure", "exposure_excess_bits", "Exposure of planted secrets over chance",
        "Exposure above chance, bits",
        "How many bits sooner a guesser comes upon a planted secret than upon one never seen.",
        ("ceiling",), least=None, chance=0.0,
    ),
    _Spec(
        "extraction-greedy", "extraction_greedy", "Secrets that the likeliest words spell out",
        "Secrets extracted, greedy",
        "Given what stands before a planted secret, the model's likeliest continuation is it.",
        ("base",), percent=True,
    ),
    _Spec(
        "extraction-sampled", "extraction_sampled", "Secrets that sampling brings out",
        "Secrets extracted, sampled",
        "Share of planted secrets that many samples hold with probability one half.",
        ("base",), percent=True,
    ),
    _Spec(
        "identifiers", "identifier_auc", "True identifiers of people trained on",
        "AUC, members against others",
        "Identifiers in the notes as they were before scrubbing: those of people trained on "
        "against those of people held out, by what the model gained over its base. 0.5 is "
        "guessing. Notes without gold spans have those that the scrubber found, which flatters it.",
        (), least=None, most=1.02, chance=_CHANCE,
    ),
    _Spec(
        "perplexity", "perplexity", "Utility: perplexity of held-out notes",
        "Held-out perplexity (log scale; lower is better)",
        "About the number of words that the model hesitates between. Scrubbed and other notes are "
        "other texts: compare along a line, not across.",
        ("base",), log_y=True, least=None,
    ),
    _Spec(
        "task", "task_accuracy", "Utility: telling kinds of notes apart",
        "Held-out notes classified right",
        "The kind whose first line makes the note likeliest.",
        ("base", "majority"), percent=True, most=1.02,
    ),
)  # fmt: skip


def _against_epsilon(rows: Sequence[Row], spec: _Spec) -> Figure | None:
    found = levels(rows, spec.measure)
    if not found:
        return None
    ticks = _epsilons(one for several in found.values() for one in several)
    place = {epsilon: index for index, (epsilon, _) in enumerate(ticks)}
    names = setting_names(found)
    series = [
        Series(
            _legend(names[setting], several),
            tuple(_point(one, place[one.epsilon]) for one in several),
        )
        for setting, several in found.items()
    ]
    every = [one for several in found.values() for one in several]
    references = [
        drawn
        for sort in spec.references
        if (
            drawn := _reference(
                sort,
                rows if sort == "majority" else [row for one in every for row in one.rows],
                place,
            )
        )
    ]
    if spec.chance is not None:
        ends = ((-0.4, spec.chance), (len(ticks) - 0.6, spec.chance))
        references.append(Reference("chance", "chance", ends))
    axes = Axes(
        EPSILON, spec.y, tuple((index, name) for index, (_, name) in enumerate(ticks)),
        log_y=spec.log_y, linear_to=spec.linear_to, percent=spec.percent, least=spec.least,
        most=spec.most,
    )  # fmt: skip
    return _figure(
        spec.name, spec.title, f"{spec.about} {_read_as(every)}", series, references, axes,
        _table(found, names),
    )  # fmt: skip


def _epsilons(every: Iterable[Level]) -> list[tuple[float, str]]:
    return [(e, epsilon_name(e)) for e in sorted({one.epsilon for one in every})]


def _point(one: Level, x: float, name: str = "") -> Point:
    seeds = tuple(Seed(row.value, row.low, row.high) for row in one.rows)
    return Point(x, one.mean, one.low, one.high, seeds if len(seeds) > 1 else _alone(one), name)


def _alone(one: Level) -> tuple[Seed, ...]:
    [row] = one.rows
    return (Seed(row.value, row.low, row.high),) if row.low is not None else ()


def _legend(name: str, several: Sequence[Level]) -> str:
    """A setting with its n: seeds times what was judged in each run."""
    seeds = [len(one.rows) for one in several]
    sizes = sorted(row.n for one in several for row in one.rows)
    n = f"{sizes[0]:,}" if sizes[0] == sizes[-1] else f"{sizes[0]:,}–{sizes[-1]:,}"
    times = f"{min(seeds)}" if min(seeds) == max(seeds) else f"{min(seeds)}–{max(seeds)}"
    own = "mean over seeds" if name == ALL else name
    return f"{own} (n = {times} × {n})"


def _reference(sort: str, rows: Sequence[Row], place: dict[float, int]) -> Reference | None:
    """A line to compare with, of the mean over all settings.

    At each ε what the claim permits or the design could show; for what does not depend on ε, the
    base model and the commonest kind, one height.
    """
    points: list[tuple[float, float]] = []
    if sort == "majority":
        values = [row.value for row in rows if row.measure == "task_majority"]
        points = _level_line(values, place)
    elif sort == "base":
        points = _level_line(finite(row.base for row in rows), place)
    else:
        for epsilon, x in place.items():
            values = finite(getattr(row, sort) for row in rows if row.epsilon == epsilon)
            points += [(x, sum(values) / len(values))] if values else []
    if not points:
        return None
    words = {
        "theory": "most that (ε, δ) permits",
        "ceiling": "most that the design could show",
        "base": "base model, untrained",
        "majority": "always the commonest kind",
    }
    return Reference(words[sort], sort, tuple(points))


def _level_line(values: Sequence[float], place: dict[float, int]) -> list[tuple[float, float]]:
    if not values:
        return []
    height = sum(values) / len(values)
    return [(min(place.values()) - 0.3, height), (max(place.values()) + 0.3, height)]


def _read_as(every: Sequence[Level], *, seeds_drawn: bool = True) -> str:
    """n and the intervals, in words."""
    seeds = sorted({len(one.rows) for one in every})
    sizes = sorted({row.n for one in every for row in one.rows})
    over = next((row.interval for one in every for row in one.rows if row.interval), "")
    count = f"{sizes[0]:,}" if len(sizes) == 1 else f"{sizes[0]:,} to {sizes[-1]:,}"
    n = f"{seeds[0]}" if len(seeds) == 1 else f"{seeds[0]} to {seeds[-1]}"
    words = f"n = {count} a run; {n} seed{'s' * (seeds[-1] > 1)}."
    if seeds[-1] > 1:
        words += " Filled: mean over seeds with Student's 95 % interval"
        words += ", or that of the runs' own where it is wider" if over else ""
        words += "; open: the seeds" if seeds_drawn else ""
        words += f", each with its interval ({over})." if over and seeds_drawn else "."
    elif over:
        words += f" Thin bar: {over}."
    return words


def _table(found: dict[Setting, list[Level]], names: dict[Setting, str]) -> list[dict[str, Any]]:
    return [_line(names[setting], one) for setting, several in found.items() for one in several]


def _line(name: str, one: Level, **more: Any) -> dict[str, Any]:
    first = one.rows[0]
    return {
        "setting": name,
        **more,
        "epsilon": epsilon_name(one.epsilon),
        "mean": one.mean,
        "low": one.low,
        "high": one.high,
        "seeds": len(one.rows),
        "n": first.n,
        "theory": first.theory,
        "ceiling": first.ceiling,
        "base": first.base,
        "rows": " ".join(row.row for row in one.rows),
    }


def _figure(
    name: str,
    title: str,
    caption: str,
    series: Sequence[Series],
    references: Sequence[Reference],
    axes: Axes,
    table: list[dict[str, Any]],
) -> Figure:
    drawn = plot(series, references, axes, name=name, title=title, about=caption)
    return Figure(name, title, caption, drawn, table)


# --- other axes -----------------------------------------------------------------------------------


def _frontier(rows: Sequence[Row]) -> Figure | None:
    """Leakage over utility: one point for each setting and ε."""
    leak, use = levels(rows, "canary_auc"), levels(rows, "perplexity")
    names = setting_names(leak)
    series: list[Series] = []
    table: list[dict[str, Any]] = []
    for setting, several in leak.items():
        costs = {one.epsilon: one for one in use.get(setting, [])}
        shared = [one for one in several if one.epsilon in costs]
        points = [
            Point(costs[one.epsilon].mean, one.mean, one.low, one.high, (),
                  "" if series else f"ε {epsilon_name(one.epsilon)}")
            for one in shared
        ]  # fmt: skip
        if points:
            series.append(Series(_legend(names[setting], several), tuple(points)))
        table += [_line(names[setting], one, perplexity=costs[one.epsilon].mean) for one in shared]
    if not table:
        return None
    xs = [point.x for one in series for point in one.points]
    chance = Reference("chance", "chance", ((min(xs), _CHANCE), (max(xs), _CHANCE)))
    axes = Axes("Held-out perplexity (log scale; lower is better)", "AUC of the canary game",
                _log_ticks(xs), log_x=True, most=1.02)  # fmt: skip
    caption = (
        "Down and to the left is better: little leaked, much learned. Along a line ε falls from "
        "left to right; scrubbed and other notes are other texts, so lines are not compared "
        "sideways. "
        f"{_read_as([one for several in leak.values() for one in several], seeds_drawn=False)}"
    )
    return _figure("frontier", "The privacy–utility frontier", caption, series, [chance], axes,
                   table)  # fmt: skip


def _log_ticks(xs: Sequence[float]) -> tuple[tuple[float, str], ...]:
    low, high = min(xs), max(xs)
    found = [s * 10.0**p for p in range(-1, 5) for s in (1, 1.5, 2, 3, 4, 5, 7)]
    inside = [tick for tick in found if low <= tick <= high] or [low, high]
    return tuple((tick, f"{tick:.3g}") for tick in inside)


_CONTRAST = {
    "identifier_auc": (
        "contrast-identifiers", "Scrubbing alone, privacy alone, both: true identifiers",
        "AUC, members against others",
        "True identifiers of people trained on against those of people held out. Scrubbing takes "
        "them out of the notes; noise keeps the model from learning any one patient's.",
    ),
    "canary_auc": (
        "contrast-canaries", "Scrubbing alone, privacy alone, both: what the scrubber misses",
        "AUC of the canary game",
        "Canaries are planted after scrubbing: they stand for an identifier that the scrubber has "
        "missed. Against those scrubbing can do nothing, and noise can.",
    ),
}  # fmt: skip


def _contrast(rows: Sequence[Row], measure: str) -> Figure | None:
    """Neither, scrubbing alone, DP alone, both."""
    every = protections(rows, measure)
    if not every:
        return None
    budget = epsilon_name(every[0].budget)
    ticks = ("neither", "scrubbed", f"ε = {budget}", f"scrubbed,\nε = {budget}")
    lines = {one.name: (one.neither, one.scrubbed, one.private, one.both) for one in every}
    series = [
        Series(_legend(label, four), tuple(_point(one, i) for i, one in enumerate(four)))
        for label, four in lines.items()
    ]
    name, title, y, about = _CONTRAST[measure]
    chance = Reference("chance", "chance", ((-0.4, _CHANCE), (3.4, _CHANCE)))
    axes = Axes("", y, tuple(enumerate(ticks)), joined=False, most=1.02)
    table = [
        _line(label, one, protection=tick.replace("\n", " "))
        for label, four in lines.items()
        for tick, one in zip(ticks, four, strict=True)
    ]
    caption = f"{about} {_read_as([one for four in lines.values() for one in four])}"
    return _figure(name, title, caption, series, [chance], axes, table)


_REPEATED = {
    "canary_auc": ("repetition-auc", "Memorisation against repetition", "AUC of the canary game",
                   _CHANCE, 1.02, False),
    "exposure_excess_bits": ("repetition-exposure", "Exposure against repetition",
                             "Exposure above chance, bits", 0.0, None, False),
    "extraction_greedy": ("repetition-extraction", "Extraction against repetition",
                          "Secrets extracted, greedy", None, 1.02, True),
}  # fmt: skip


def _repetition(rows: Sequence[Row], measure: str) -> Figure | None:
    """A measure against the number of patients whose notes hold the secret."""
    found = levels(rows, measure)
    lines: dict[tuple[Setting, float], list[tuple[int, Level]]] = {}
    for setting, several in found.items():
        for one in several:
            key = (setting._replace(repetition=1), one.epsilon)
            lines.setdefault(key, []).append((setting.repetition, one))
    lines = {key: sorted(line, key=_first) for key, line in lines.items() if len(line) > 1}
    if not lines:
        return None
    labels = _line_names(lines)
    series = [
        Series(
            _legend(labels[key], [one for _, one in line]),
            tuple(_point(one, copies) for copies, one in line),
        )
        for key, line in lines.items()
    ]
    name, title, y, chance, most, percent = _REPEATED[measure]
    counts = sorted({copies for line in lines.values() for copies, _ in line})
    every = [one for line in lines.values() for _, one in line]
    references: list[Reference] = []
    if chance is not None:
        ends = ((counts[0] * 0.9, chance), (counts[-1] * 1.1, chance))
        references.append(Reference("chance", "chance", ends))
    axes = Axes(
        "Patients whose notes hold the secret (log scale)", y,
        tuple((count, f"{count}") for count in counts), log_x=True, percent=percent, most=most,
        least=0.0 if percent else None,
    )  # fmt: skip
    about = (
        "The guarantee is per patient: for a secret of k patients it is one of kε with a larger δ. "
        "The population grows with the copies, so each is drawn a little less often."
    )
    table = [
        _line(labels[key], one, repetition=copies)
        for key, line in lines.items()
        for copies, one in line
    ]
    caption = f"{about} {_read_as(every)}"
    return _figure(name, title, caption, series, references, axes, table)


def _line_names(lines: Iterable[tuple[Setting, float]]) -> dict[tuple[Setting, float], str]:
    keys = list(lines)
    names = setting_names(setting for setting, _ in keys)
    alone = len(names) == 1
    return {
        (setting, epsilon): f"ε = {epsilon_name(epsilon)}"
        + ("" if alone else f", {names[setting]}")
        for setting, epsilon in keys
    }


def _first(pair: tuple[int, Level]) -> int:
    return pair[0]


def _length(rows: Sequence[Row], population: str) -> Figure | None:
    """The AUC of texts by thirds of their length: without privacy, and at the smallest ε."""
    chosen = [row for row in rows if row.measure == f"{population}_auc_by_length"]
    private = [row.epsilon for row in chosen if not math.isinf(row.epsilon)]
    chosen = [row for row in chosen if row.epsilon in (math.inf, min(private, default=math.inf))]
    lines: dict[tuple[Setting, float], list[tuple[float, Level]]] = {}
    for key, mine in _grouped(chosen, lambda row: (row.setting, row.epsilon)).items():
        thirds = _grouped(mine, partial(_third_of, among=mine))
        lines[key] = [
            (sum(row.x or 0.0 for row in part) / len(part), level(key[1], part))
            for _, part in sorted(thirds.items())
        ]
    lines = {key: line for key, line in lines.items() if len(line) > 1}
    if not lines:
        return None
    names = setting_names(setting for setting, _ in lines)
    ends = sorted(lines, key=lambda key: (key[0] != next(iter(names)), -key[1]))
    lines = {key: lines[key] for key in ends}
    labels = _line_names(lines)
    series = [
        Series(
            _legend(labels[key], [one for _, one in line]),
            tuple(_point(one, x) for x, one in line),
        )
        for key, line in lines.items()
    ]
    xs = [x for line in lines.values() for x, _ in line]
    chance = Reference("chance", "chance", ((min(xs), _CHANCE), (max(xs), _CHANCE)))
    axes = Axes(f"Length of the {population}, tokens (mean of a third)", "AUC", most=1.02)
    table = [_line(labels[key], one, tokens=x) for key, line in lines.items() for x, one in line]
    caption = (
        "Whether short or long texts are remembered better, by thirds of their length. "
        f"{_read_as([one for line in lines.values() for _, one in line])}"
    )
    title = f"Memorisation against length: {population}"
    return _figure(f"length-{population}", title, caption, series, [chance], axes, table)


def _grouped(rows: Iterable[Row], key: Callable[[Row], Any]) -> dict[Any, list[Row]]:
    found: dict[Any, list[Row]] = {}
    for row in rows:
        found.setdefault(key(row), []).append(row)
    return found


def _third_of(row: Row, among: Sequence[Row]) -> int:
    """Which third of its run's texts a row is of: the thirds differ a little between seeds."""
    own = sorted(one.x or 0.0 for one in among if one.cell == row.cell)
    return own.index(row.x or 0.0)
