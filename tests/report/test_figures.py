"""What is drawn is where the data say it is."""

from __future__ import annotations

import math
import re

import pytest

from llmsafe.artifacts import Histogram, Membership, Rate
from llmsafe.report.figures import BLUE, INK, ORANGE, histogram, roc

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
