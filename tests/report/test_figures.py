"""What is drawn is where the data say it is."""

from __future__ import annotations

import math
import re

import pytest

from llmsafe.artifacts import (
    Bound,
    BoundPoint,
    Exposure,
    Extraction,
    ExtractionPoint,
    Histogram,
    Membership,
    Rate,
)
from llmsafe.report.figures import (
    BLUE,
    INK,
    MUTED,
    ORANGE,
    bounds,
    exposure,
    extraction,
    histogram,
    roc,
)
from llmsafe.report.figures.canvas import GREEN, PURPLE
from llmsafe.stats import binomial_interval

HALF = Rate(value=0.5, low=0.4, high=0.6)


def result(*points: tuple[float, float], outsiders: int = 1000) -> Membership:
    return Membership(
        attack="a",
        population="canaries",
        members=10,
        non_members=outsiders,
        auc=HALF,
        tpr=[],
        roc=list(points),
    )


def paths(svg: str, colour: str) -> list[list[tuple[float, float]]]:
    """The points of every stroked path of a colour, in drawing order."""
    found = re.findall(r'<path d="([^"]*)"[^>]*style="([^"]*)"', svg)
    strokes = [d for d, style in found if f"stroke: {colour.lower()}" in style]
    pattern = r"[ML] ([-\d.]+) ([-\d.]+)"
    return [[(float(x), float(y)) for x, y in re.findall(pattern, d)] for d in strokes]


def fractions(points: list[tuple[float, float]]) -> list[tuple[float, float]]:
    """Positions relative to the first and the last point."""
    (x0, y0), (x1, y1) = points[0], points[-1]
    return [((x - x0) / (x1 - x0), (y - y0) / (y1 - y0)) for x, y in points]


def test_a_linear_curve_goes_through_its_points():
    svg = roc([result((1.0, 1.0), (0.0, 0.0), (0.5, 0.8))], name="r", log=False)
    [curve] = paths(str(svg), BLUE)
    assert fractions(curve) == [
        pytest.approx((0, 0)),
        pytest.approx((0.5, 0.8), abs=1e-4),
        pytest.approx((1, 1)),
    ]


def test_a_logarithmic_curve_spaces_decades_and_starts_with_what_is_reached():
    points = [(0.0, 0.1), (1e-4, 0.2), (0.1, 0.6), (1.0, 1.0)]
    svg = roc([result(*points)], name="r", log=True)
    [curve] = paths(str(svg), BLUE)
    # 1,000 outsiders: the axis runs over three decades, and at its left edge 20 % are reached.
    assert fractions(curve) == [
        pytest.approx((0, 0)),
        pytest.approx((2 / 3, math.log(0.6 / 0.2) / math.log(1 / 0.2)), abs=1e-4),
        pytest.approx((1, 1)),
    ]
    assert "0.1%" in str(svg)
    assert "0.01%" not in str(svg)


@pytest.mark.parametrize("log", [False, True])
def test_what_the_promise_rules_out_is_shaded_above_its_curve(log):
    from llmsafe.stats import dp_tpr_ceiling

    def allowed(fpr: float) -> float:
        return float(dp_tpr_ceiling(fpr, 1.0, 1e-5))

    points = result((0, 0), (0.25, allowed(0.25)), (1, 1), outsiders=100)
    svg = str(roc([points], name="r", log=log, allowed=allowed))
    [limit], [curve] = paths(svg, INK), paths(svg, BLUE)
    # An attack as good as the promise permits at one point touches the limit there.
    x, y = curve[1]
    near = min(limit, key=lambda at: abs(at[0] - x))
    assert near == pytest.approx((x, y), abs=1.5)
    assert "rules out" in svg
    assert not paths(str(roc([points], name="r", log=log)), INK)


def test_the_first_curve_lies_on_top():
    first, second = result((0, 0), (0.2, 0.9), (1, 1)), result((0, 0), (1, 1))
    svg = str(roc([first, second], name="r", log=False))
    assert len(paths(svg, BLUE)[0]) == 3
    assert svg.index(f"stroke: {ORANGE.lower()}") < svg.index(f"stroke: {BLUE.lower()}")


def test_without_a_curve_there_is_no_figure():
    assert roc([], name="r", log=True) is None
    assert roc([result()], name="r", log=True) is None
    assert roc([result((float("nan"), 0.1), (0.5, 0.5))], name="r", log=False) is None


def test_steps_are_as_high_as_their_counts():
    svg = histogram(Histogram(edges=[0, 1, 2], planted=[3, 6], withheld=[1, 0]), name="h")
    assert svg is not None
    assert "3 planted" not in svg
    assert "9 planted and 1 withheld" in svg
    ys = sorted({y for path in paths(str(svg), BLUE) for _, y in path}, reverse=True)
    ground, three, six = ys
    assert (ground - six) / (ground - three) == pytest.approx(2, abs=1e-4)


def bound(*curve: tuple[int, float, float], family: str = "dp") -> Bound:
    points = [
        BoundPoint(guesses=n, correct=n, epsilon_lower=lower, ceiling=ceiling)
        for n, lower, ceiling in curve
    ]
    return Bound(
        method="m",
        design="one-run",
        assumption="a",
        attack="x",
        delta=1e-5,
        confidence=0.95,
        canaries=1000,
        guesses=1,
        correct=1,
        epsilon_lower=0.0,
        ceiling=1.0,
        family=family,  # type: ignore[arg-type]
        curve=points,
    )


CURVE = ((10, 1.0, 2.0), (100, 3.0, 4.0), (1000, 2.0, 6.0))


def test_bounds_stand_at_their_guesses_under_their_ceilings():
    drawn = bounds([bound(*CURVE)], 5.0, name="b")
    assert drawn is not None
    svg = str(drawn.svg)
    ceiling, lower = [path for path in paths(svg, BLUE) if len(path) == 3]
    assert fractions(lower) == [
        pytest.approx((0, 0)),
        pytest.approx((0.5, 2), abs=1e-4),
        pytest.approx((1, 1)),
    ]
    # One scale for all: the ceiling rises by four where the bound rises by one.
    rise = (ceiling[0][1] - ceiling[2][1]) / (lower[0][1] - lower[2][1])
    assert rise == pytest.approx(4, abs=1e-4)
    claim = next(path for path in paths(svg, INK) if len(path) == 2 and path[0][1] == path[1][1])
    unit = lower[0][1] - lower[2][1]
    assert lower[0][1] - claim[0][1] == pytest.approx(4 * unit, abs=1e-3)
    assert [words for _, words in drawn.legend][-1] == "claimed ε = 5.00"
    assert "100 guesses: at least 3.00 of 4.00" in svg


def test_a_far_claim_is_in_the_legend_alone():
    near, far = (bounds([bound(*CURVE)], claim, name="b") for claim in (5.0, 50.0))
    none = bounds([bound(*CURVE)], None, name="b")
    assert near is not None
    assert far is not None
    assert none is not None
    assert str(far.svg) == str(none.svg) != str(near.svg)
    assert far.legend[-1][1] == "claimed ε = 50.00, far above this figure"
    assert not any("claimed" in words for _, words in none.legend)


def test_both_families_are_drawn_and_one_curve_of_each():
    other = bound((10, 0.5, 1.0), (100, 0.6, 1.0))
    gaussian = bound((10, 1.5, 2.5), (100, 3.5, 5.0), family="gaussian")
    drawn = bounds([bound(*CURVE), other, gaussian], None, name="b")
    assert drawn is not None
    assert len([p for p in paths(str(drawn.svg), BLUE) if len(p) == 3]) == 2
    assert not [p for p in paths(str(drawn.svg), BLUE) if len(p) == 2]
    assert [p for p in paths(str(drawn.svg), PURPLE) if len(p) == 2]
    assert [words for _, words in drawn.legend] == [
        "proved, for any mechanism",
        "ceiling, for any mechanism",
        "proved, for Gaussian mechanisms alone",
        "ceiling, for Gaussian mechanisms alone",
    ]


@pytest.mark.parametrize(
    "curve", [(), ((10, 1.0, 2.0),), ((10, 1.0, math.inf), (20, 1.0, 2.0)), ((0, 0, 1), (9, 0, 1))]
)
def test_a_bound_without_two_points_is_not_drawn(curve):
    assert bounds([bound(*curve)], 1.0, name="b") is None


def exposed(*curve: tuple[float, float], ceiling: float = 8.0) -> Exposure:
    return Exposure(
        canaries=100,
        references=255,
        mean_bits=2.0,
        max_bits=8.0,
        ceiling_bits=ceiling,
        null_mean_bits=1.44,
        excess_bits=HALF,
        curve=list(curve),
    )


def test_exposure_falls_in_steps_and_chance_halves_with_every_bit():
    drawn = exposure(exposed((1.0, 0.5), (4.0, 0.25), (8.0, 0.01)), name="e")
    assert drawn is not None
    svg = str(drawn.svg)
    [chance] = [path for path in paths(svg, MUTED) if len(path) > 20]
    [steps] = [path for path in paths(svg, BLUE) if len(path) > 4]
    left, right = chance[0], chance[-1]
    per_bit = (right[0] - left[0]) / 8
    down = (right[1] - left[1]) / 8  # of one halving
    corners = [((x - left[0]) / per_bit, (y - left[1]) / down) for x, y in steps]
    # Up to one bit half of them, up to four a quarter, up to eight one in a hundred, then none.
    expected = [(0, 0), (0, 1), (1, 1), (1, 2), (4, 2), (4, math.log2(100)), (8, math.log2(100))]
    assert corners[: len(expected)] == [pytest.approx(at, abs=2e-3) for at in expected]
    assert corners[-1][0] == pytest.approx(8, abs=2e-3)
    assert corners[-1][1] > math.log2(100)
    assert [words for _, words in drawn.legend] == ["planted secrets", "a secret never seen"]


@pytest.mark.parametrize(
    "found",
    [
        exposed(),
        exposed((1.0, 0.0)),
        exposed((math.nan, 0.5)),
        exposed((1.0, 0.5), ceiling=0.0),
        exposed((1.0, 0.5), ceiling=math.inf),
    ],
)
def test_exposure_without_a_curve_is_not_drawn(found):
    assert exposure(found, name="e") is None


def drawn_samples(*curve: tuple[int, int, int | None, int | None]) -> Extraction:
    points = [
        ExtractionPoint(n=n, extracted=ours, base_extracted=base, withheld_extracted=withheld)
        for n, ours, base, withheld in curve
    ]
    return Extraction(
        method="sampled",
        about="canaries",
        what="canary secrets",
        tried=100,
        extracted=0,
        rate=HALF,
        base_extracted=0,
        withheld_tried=50,
        withheld_extracted=0,
        curve=points,
    )


def test_extraction_rises_within_its_exact_interval():
    found = drawn_samples((1, 10, 0, 0), (100, 40, 10, 5), (10_000, 60, 20, 10))
    drawn = extraction(found, name="x")
    assert drawn is not None
    svg = str(drawn.svg)
    [ours], [base], [withheld] = (paths(svg, colour) for colour in (BLUE, ORANGE, GREEN))
    assert fractions(ours) == [
        pytest.approx((0, 0)),
        pytest.approx((0.5, 0.6), abs=1e-4),
        pytest.approx((1, 1)),
    ]
    unit = (ours[0][1] - ours[2][1]) / 0.5  # of a share of one
    ground = ours[0][1] + 0.1 * unit
    assert base[2][1] == pytest.approx(ground - 0.2 * unit, abs=1e-3)
    # Of fifty withheld, not of a hundred.
    assert withheld[2][1] == pytest.approx(ground - 0.2 * unit, abs=1e-3)
    # The band of the model is a filled path through the ends of its intervals.
    # matplotlib defines it once and uses it somewhere else.
    found_band = re.search(
        r'<path id="[^"]*" d="([^"]*z)[^>]*/>.*?<use[^>]* y="([\d.]+)"[^>]*fill-opacity',
        svg,
        re.DOTALL,
    )
    assert found_band is not None
    points = re.findall(r"[ML] ([-\d.]+) ([-\d.]+)", found_band[1])
    edge = [float(y) + float(found_band[2]) for _, y in points]
    for count in (10, 40, 60):
        interval = binomial_interval(count, 100)
        for end in (interval.low, interval.high):
            assert min(abs(y - (ground - end * unit)) for y in edge) < 0.01


def test_extraction_shows_the_controls_that_there_are():
    drawn = extraction(drawn_samples((1, 0, None, None), (10, 5, None, None)), name="x")
    assert drawn is not None
    assert [words for _, words in drawn.legend] == ["the model, with its 95% interval"]
    assert not paths(str(drawn.svg), ORANGE)
    both = extraction(drawn_samples((1, 0, 0, 0), (10, 5, 1, 1)), name="x")
    assert both is not None
    assert len(both.legend) == 3


@pytest.mark.parametrize("curve", [(), ((10, 1, 0, 0),), ((0, 1, 0, 0), (1, 1, 0, 0))])
def test_extraction_without_two_points_is_not_drawn(curve):
    assert extraction(drawn_samples(*curve), name="x") is None


def test_counts_that_cannot_be_are_drawn_within_the_axis():
    assert extraction(drawn_samples((1, -3, 0, 0), (10, 400, 0, 0)), name="x") is not None


def test_every_figure_is_the_same_each_time_and_names_its_own_ids():
    curve = exposed((1.0, 0.5), (8.0, 0.01))
    samples = drawn_samples((1, 0, 0, 0), (10, 5, 1, 1))
    makers = (
        lambda name: bounds([bound(*CURVE)], 5.0, name=name),
        lambda name: exposure(curve, name=name),
        lambda name: extraction(samples, name=name),
    )
    for make in makers:
        one, again, other = make("one"), make("one"), make("other")
        assert one == again
        ids = [set(re.findall(r' id="([^"]*)"', str(drawn.svg))) for drawn in (one, other)]
        assert ids[0]
        assert not ids[0] & ids[1]
        assert all(name.startswith("one-") for name in ids[0])
        outside = re.findall(r"(?:https?:)?//[^\"' )]+", str(one.svg))
        assert set(outside) == {"http://www.w3.org/2000/svg"}
        used = re.findall(r'href="([^"]*)"|url\(([^)]*)\)', str(one.svg))
        assert all((a or b).startswith("#one-") for a, b in used)
