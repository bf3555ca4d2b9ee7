"""The page of an audit of which everything was measured; and of one that lacks one part."""

from __future__ import annotations

import math
import re

import pytest

from llmsafe.artifacts import Audit, Rate, Unmeasured
from llmsafe.report import drawings
from llmsafe.report.html import render

NEW = {
    "generated": None,
    "scoring": None,
    "phi": [],
    "extraction": [],
    "bounds": [],
    "exposure": None,
    "membership": [],
    "utility": None,
    "canaries": None,
    "privacy": None,
    "policy": None,
    "blind_auc": None,
}
"""Every part that may be absent, and what it is then."""


@pytest.fixture(scope="module")
def html(everything) -> str:
    return render(everything)


@pytest.fixture(scope="module")
def light(everything) -> Audit:
    """The same without the figures that take longest to draw."""
    flat = [result.model_copy(update={"roc": []}) for result in everything.membership]
    return everything.model_copy(update={"membership": flat})


def test_the_page_is_whole_and_safe(html, page):
    seen = page.check(html)
    assert page.addresses(html) == {"http://www.w3.org/2000/svg"}
    # Two gauges, a histogram, two pairs of curves; guesses, exposure, samples.
    assert sum(value == "img" for name, value in seen.attributes if name == "role") == 10
    assert "None" not in seen.text


def test_every_new_figure_is_told_in_words_and_numbers(html, everything, page):
    text = page.Page(html).text
    bound, gaussian, repeated = everything.bounds
    for needed in (
        # bounds
        f"{bound.method} base_difference {bound.epsilon_lower:.2f} {bound.ceiling:.2f}",
        f"{gaussian.epsilon_lower:.2f} {gaussian.ceiling:.2f}",
        f"{repeated.correct} / 200 of 200 runs 8",
        "it is shown, but nothing is judged by it",
        "so the best may be quoted",
        # exposure
        "4,096 random ones of the same form 27 beyond every sample: at least so many bits 300 "
        "1.20 (0.90 to 1.55) 2.64 (2.55 to 2.76) 1.44 1.47 1.39 12.00",
        "22 of 27 fits held; an estimate, no bound 22 – 17.20 (15.80 to 19.10)",
        "37 of 40 ranks exact, the others bounded 40 2.00 (1.14 to 2.84) 3.24 to 3.64 1.44 1.52 "
        "1.36 to 1.41 29.90",
        # extraction
        "temperature 1, top-k 40; counts if they hold it with probability 50%",
        "21 of 512 4.1% (2.6% to 6.2%) 0 4.1% 0 of 488",
        "canary secrets told from others of their form 6 of 40 15% (5.7% to 30%) 0 15% 0 of 40 1%",
        "10 25% 10% 10% 10%",
        # generated texts
        "1,000 texts (214,330 tokens) were drawn from the model, and 1,000 from its base",
        "the beginning of a note: BOS and nothing else",
        "but for 5 edits 6 of 1,000 0.6% (0.2% to 1.3%) 0 0.6% 11",
        # identifiers
        "Each different value of a category counts once",
        "NAME 2,140 9 0.4% 42 35 412 371",
        # cost
        "4,000 texts (1,004,122 tokens) were scored in 413 s",
        "neighbourhood 10",
    ):
        assert needed in text, needed


def test_page_one_names_what_was_copied_and_emitted(html, page):
    front = page.Page(html[html.index("<main>") + 6 : html.index("<section>")]).text
    assert "Of 1,000 texts that the model wrote, 6 hold a long passage" in front
    assert "NAME (42 against 35)" in front
    assert "200 trainings by the same settings" in front
    assert "None" not in front


def test_the_table_holds_all_attacks_and_the_figure_six(html, everything, page):
    text = page.Page(html).text
    on_canaries = [m for m in everything.membership if m.population == "canaries"]
    assert len(on_canaries) == 13
    table = re.search(r"Telling planted from withheld.*?</table>", html, re.DOTALL)
    assert table is not None
    rows = re.findall(r'<th scope="row">(\w+)</th>', table[0])
    best = sorted(on_canaries, key=lambda m: -m.auc.value)
    others = [m.attack for m in best if not m.primary]
    assert rows == ["base_difference", *others]
    figure = drawings.drawings(everything, [("x", everything)])["canary_curves"]
    drawn = [words.split(",")[0] for _, words in figure.legend]
    assert drawn == ["base_difference", *others[:5], "ruled out by the promise"]
    assert figure.left_out == 7
    assert "the table has 7 more" in text
    assert "The best of 13 attacks flatters the attacker" in text


def test_an_attack_without_an_auc_comes_last(everything):
    nowhere = Rate(value=math.nan, low=0.0, high=1.0)
    first, *rest = [m for m in everything.membership if m.population == "canaries"]
    unknown = rest[0].model_copy(update={"auc": nowhere})
    order = drawings.by_auc([unknown, *rest[1:], first])
    assert order[0] is first
    assert order[-1] is unknown


def test_equal_audits_give_equal_bytes(html, everything):
    assert render(Audit.model_validate_json(everything.to_json())) == html


@pytest.mark.parametrize("part", NEW)
def test_a_part_that_was_not_measured_is_left_out_or_named(light, page, part):
    text = page.check(render(light.model_copy(update={part: NEW[part]}))).text
    assert "None" not in text
    assert "nan" not in text.split()


def test_an_audit_from_before_the_new_fields_looks_right(example, page):
    old = example.audit()
    assert old.generated is None
    assert old.scoring is None
    text = page.check(render(old)).text
    for absent in (
        "None",
        "What it cost",
        "Choices tried",
        "By chance –",
        "Boilerplate",
        "Of that form",
    ):
        assert absent not in text
    assert "No texts were generated, or none were shown to the audit." in text
    assert "likeliest words canary secrets, given the text before them 0 of 512" in text


def test_controls_that_were_not_run_are_dashes(light, page):
    sampled, searched = light.exposure.sampled, light.exposure.searched
    assert sampled is not None
    assert searched is not None
    bare = light.exposure.model_copy(
        update={
            "curve": [],
            "sampled": sampled.model_copy(
                update={
                    "base_mean_bits": None,
                    "withheld_mean_bits": None,
                    "extrapolated": sampled.extrapolated.model_copy(
                        update={
                            "fitting": 0,
                            "mean_bits": None,
                            "mean_low": None,
                            "mean_high": None,
                        }
                    ),
                }
            ),
            "searched": searched.model_copy(
                update={
                    "base_mean_low": None,
                    "base_mean_high": None,
                    "withheld_mean_low": None,
                    "withheld_mean_high": None,
                }
            ),
        }
    )
    extraction = [
        found.model_copy(
            update={"base_extracted": None, "withheld_tried": None, "withheld_extracted": None}
        )
        for found in light.extraction
    ]
    audit = light.model_copy(update={"exposure": bare, "extraction": extraction})
    text = page.check(render(audit)).text
    assert "None" not in text
    assert "– of –" not in text
    assert "0 of 27 fits held; an estimate, no bound 0 – – –" in text
    assert (
        "37 of 40 ranks exact, the others bounded 40 2.00 (1.14 to 2.84) 3.24 to 3.64 1.44 – –"
        in text
    )


def test_texts_from_a_file_and_without_a_base_are_said_to_be(light, page):
    found = light.generated.model_copy(update={"source": "file", "base_texts": None})
    text = page.check(render(light.model_copy(update={"generated": found}))).text
    assert "were read from a file that another program made; none from its base" in text


def test_places_and_values_are_not_mixed_up(light, page):
    places = [leak.model_copy(update={"counted": "places"}) for leak in light.phi]
    text = page.check(render(light.model_copy(update={"phi": places}))).text
    assert "Every place where an identifier stands counts." in text
    unknown = [leak.model_copy(update={"in_corpus": None}) for leak in light.phi[:1]]
    text = page.check(render(light.model_copy(update={"phi": unknown}))).text
    assert "NAME – 9 – 42 35" in text
    mixed = [*places[:1], *light.phi[1:]]
    text = page.check(render(light.model_copy(update={"phi": mixed}))).text
    assert "NAME places 2,140" in text
    assert "DATE values 4,871" in text


def test_a_bound_that_breaks_the_claim_is_marked_whichever_it_is(light, page):
    _, _, repeated = light.bounds
    higher = repeated.model_copy(update={"epsilon_lower": 9.5, "ceiling": 10.0})
    audit = light.model_copy(update={"bounds": [*light.bounds[:2], higher]})
    text = page.check(render(audit)).text
    assert "Alarm" in text
    assert "▲ 9.50" in text
    assert "▲ marks a bound above the claimed ε = 8.00" in text
    # One that holds for a family alone refutes nothing.
    gaussian = light.bounds[1].model_copy(update={"epsilon_lower": 9.5, "ceiling": 10.0})
    audit = light.model_copy(update={"bounds": [light.bounds[0], gaussian]})
    text = page.check(render(audit)).text
    assert "Alarm" not in text
    assert "▲ 9.50" not in text


def test_bounds_at_different_terms_have_a_column_for_them(light, page):
    first, second, _ = light.bounds
    other = second.model_copy(update={"delta": 1e-6, "confidence": 0.9})
    text = page.check(render(light.model_copy(update={"bounds": [first, other]}))).text
    assert "1 × 10⁻⁶ 90%" in text


def test_values_without_sense_are_shown_and_not_drawn(light, page):
    bound = light.bounds[0]
    point = bound.curve[0].model_copy(update={"epsilon_lower": math.nan, "ceiling": math.inf})
    sampled = light.exposure.sampled.model_copy(
        update={"mean_high": math.inf, "samples": 0, "beyond": 0}
    )
    found = light.extraction[1]
    odd = found.curve[0].model_copy(update={"n": 0, "extracted": -1})
    audit = light.model_copy(
        update={
            "bounds": [bound.model_copy(update={"curve": [point, point]})],
            "exposure": light.exposure.model_copy(
                update={"curve": [(math.nan, 2.0), (math.inf, 0.5)], "sampled": sampled}
            ),
            "extraction": [found.model_copy(update={"tried": 0, "curve": [odd, odd]})],
        }
    )
    seen = page.check(render(audit))
    # Two gauges and a histogram are left.
    assert "2.64 (2.55 to ∞)" in seen.text
    assert sum(value == "img" for name, value in seen.attributes if name == "role") == 3


@pytest.mark.parametrize("doubt", ["canaries", "members", "length", "claim"])
def test_every_section_names_its_doubt(light, doubt, page):
    assert "In doubt" not in page.Page(render(light)).text
    missing = [*light.unmeasured, Unmeasured(what="w", why="y", doubt=doubt)]
    html = render(light.model_copy(update={"unmeasured": missing}))
    page.check(html)
    text = page.Page(html).text
    expected = {"canaries": 3, "members": 1, "length": 4, "claim": 1}
    assert text.count("In doubt: ") == expected[doubt]
    assert ("Members were trained on" in text) == (doubt in ("canaries", "claim"))
