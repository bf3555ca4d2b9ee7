"""Numbers and sentences: what a reader is told follows from the numbers alone."""

from __future__ import annotations

import math

import pytest

from llmsafe.artifacts import Rate, TprAtFpr, Unmeasured
from llmsafe.report import headline, words
from llmsafe.report.gauge import Mark, gauge
from llmsafe.report.sentences import plain_words


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (None, "–"),
        (math.nan, "not a number"),
        (math.inf, "∞"),
        (-math.inf, "−∞"),
        (0.42, "0.42"),
        (-0.3, "−0.30"),
        (-0.001, "0.00"),
        (1234.5, "1,234.50"),
    ],
)
def test_number(value, shown):
    assert words.number(value) == shown


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (1e-5, "1 × 10⁻⁵"),
        (6.8e-6, "6.8 × 10⁻⁶"),
        (52.71, "52.7"),
        (1.0, "1"),
        (100.0, "100"),
        (0.064, "0.064"),
        (12345.6, "12,346"),
        (0.0, "0"),
        (None, "–"),
    ],
)
def test_significant(value, shown):
    assert words.significant(value) == shown


@pytest.mark.parametrize(
    ("share", "shown"),
    [
        (0.0, "0%"),
        (1.0, "100%"),
        (0.0004, "under 0.1%"),
        (0.9996, "over 99.9%"),
        (0.016, "1.6%"),
        (0.4321, "43%"),
        (-0.02, "−2%"),
        (1 - 0.95, "5%"),
        (None, "–"),
    ],
)
def test_percent_never_rounds_something_to_nothing(share, shown):
    assert words.percent(share) == shown


def test_hidden_characters_are_spelt_out():
    assert words.visible("a\u202eb\x1b[0m\u200b\ud800") == "a⟨U+202E⟩b⟨U+001B⟩[0m⟨U+200B⟩⟨U+D800⟩"
    assert words.visible("多行\n名") == "多行 名"
    assert words.shorten("x" * 50, 10) == "x" * 9 + "…"


def test_the_headline_bound_is_chosen_by_attack_and_not_by_size(example):
    audit = example.audit()
    larger = audit.bounds[0].model_copy(update={"attack": "other", "epsilon_lower": 3.0})
    both = audit.model_copy(update={"bounds": [larger, audit.bounds[0]]})
    assert headline.headline_bound(both) is audit.bounds[0]
    assert headline.headline_bound(audit.model_copy(update={"bounds": [larger]})) is larger


def said(audit, about: str):
    return next(s for s in plain_words(audit) if s.about == about)


def test_a_claim_is_explained_by_what_it_allows(example):
    tight = example.audit(epsilon=1.0)
    # e^1 · 0.01 + 1e-5 = 2.72 %, the closed form of (ε, δ)-DP at a false positive rate of 1 %.
    assert "up to 2.7% of patients" in said(tight, "The promise").text
    assert "2.7 times" in said(tight, "The promise").text
    assert "nearly all patients" in said(example.audit(epsilon=8.0), "The promise").text


def test_too_few_outsiders_fall_back_to_pairs(example):
    text = said(example.audit(), "Real patients").text
    assert "53% (49% to 56%)" in text
    assert "The 248 outsiders are too few" in text


def test_only_an_attack_beyond_chance_is_marked(example):
    audit = example.audit()
    assert said(audit, "Planted test patients").tone == "plain"
    result = audit.membership[0]

    def with_low(low: float):
        at = TprAtFpr(fpr=0.01, tpr=Rate(value=0.2, low=low, high=0.3), meaningful=True)
        return audit.model_copy(update={"membership": [result.model_copy(update={"tpr": [at]})]})

    assert said(with_low(0.009), "Planted test patients").tone == "plain"
    assert said(with_low(0.011), "Planted test patients").tone == "bad"


def test_a_blind_baseline_above_guessing_voids_the_comparison(example):
    leaky = example.control()
    assert said(leaky, "Real patients").tone == "bad"
    assert "says nothing" not in said(leaky, "Real patients").text
    void = leaky.model_copy(update={"blind_auc": Rate(value=0.6, low=0.53, high=0.66)})
    assert "says nothing" in said(void, "Real patients").text
    assert said(void, "Real patients").tone == "plain"


def test_extraction_is_judged_against_the_base(example):
    def with_counts(extracted: int, base: int | None):
        audit = example.audit(extracted=extracted)
        found = audit.extraction[0].model_copy(update={"base_extracted": base})
        return audit.model_copy(update={"extraction": [found]})

    assert said(with_counts(0, 0), "Secrets").tone == "good"
    assert said(with_counts(2, 2), "Secrets").tone == "good"
    assert said(with_counts(3, 2), "Secrets").tone == "bad"
    assert said(with_counts(1, None), "Secrets").tone == "bad"
    assert headline.excess(with_counts(1, None).extraction[0]) is None


def test_passages_are_not_called_planted_secrets(example):
    audit = example.audit()
    passage = audit.extraction[0].model_copy(update={"about": "notes"})
    abouts = [s.about for s in plain_words(audit.model_copy(update={"extraction": [passage]}))]
    assert "Secrets" not in abouts


def test_the_bound_is_weighed_against_claim_and_ceiling(example):
    def with_bound(epsilon: float | None, lower: float, ceiling: float):
        audit = example.audit(epsilon=epsilon)
        bound = audit.bounds[0].model_copy(update={"epsilon_lower": lower, "ceiling": ceiling})
        return said(audit.model_copy(update={"bounds": [bound]}), "The promise tested")

    assert "too small to contradict" in with_bound(8.0, 0.4, 4.0).text
    assert with_bound(3.0, 0.4, 4.0).tone == "good"
    assert with_bound(3.0, 3.0, 4.0).tone == "good"
    assert "broken" in with_bound(3.0, 3.01, 4.0).text
    assert with_bound(3.0, 3.01, 4.0).tone == "bad"
    assert "proves no leak" in with_bound(3.0, 0.0, 4.0).text
    assert "no claim" in with_bound(None, 3.0, 4.0).text


def test_secrets_by_sampling_are_told_and_judged(everything, example):
    both = said(everything, "Secrets")
    assert "wrote out 0 of 512 planted secrets" in both.text
    assert "it would give away 21, the base model 0." in both.text
    assert both.tone == "bad"
    greedy, sampled, *others = everything.extraction
    alone = everything.model_copy(update={"extraction": [sampled, *others]})
    assert "enough samples of the model would hold 21 of 512" in said(alone, "Secrets").text
    assert "Drawn many times" not in said(alone, "Secrets").text
    equal = sampled.model_copy(update={"base_extracted": 21})
    fine = everything.model_copy(update={"extraction": [equal, greedy]})
    assert said(fine, "Secrets").text == both.text.replace(
        "the base model 0.", "the base model 21."
    )
    assert said(fine, "Secrets").tone == "good"


def test_secrets_told_from_others_are_not_called_written_out(everything):
    told = [found for found in everything.extraction if found.method == "candidates"]
    assert told
    abouts = [s.about for s in plain_words(everything.model_copy(update={"extraction": told}))]
    assert "Secrets" not in abouts


def test_copied_passages_are_judged_against_the_base(everything):
    copies = everything.extraction[-1]

    def with_counts(ours: int, base: int | None, match: str = copies.match):
        update = {"extracted": ours, "base_extracted": base, "match": match, "boilerplate": None}
        return everything.model_copy(update={"extraction": [copies.model_copy(update=update)]})

    found = said(with_counts(3, 0), "Copied passages")
    assert "Of 1,000 texts that the model wrote, 3 hold" in found.text
    assert found.text.endswith("word for word or nearly so; of as many by the base model, 0.")
    assert found.tone == "bad"
    assert said(with_counts(2, 2), "Copied passages").tone == "good"
    assert said(with_counts(1, None), "Copied passages").tone == "bad"
    assert "base" not in said(with_counts(1, None), "Copied passages").text
    exact = said(with_counts(3, 0, "verbatim"), "Copied passages")
    assert "nearly" not in exact.text
    assert "In 11 more the passages are nobody’s own" in said(everything, "Copied passages").text


def test_identifiers_above_the_base_are_named(everything):
    name, date, *rest = everything.phi

    def with_phi(*leaks):
        return said(everything.model_copy(update={"phi": list(leaks)}), "Identifiers")

    quiet = name.model_copy(update={"emitted_by_model": 35})
    assert with_phi(quiet).tone == "good"
    assert "Above the base" not in with_phi(quiet).text
    # A category that leaks is not hidden by others that the base emits more of.
    fewer = name.model_copy(update={"emitted_by_model": 1})
    found = with_phi(fewer, date)
    assert found.tone == "bad"
    assert found.text.endswith("Above the base: DATE (29 against 18).")
    assert (
        "Of 7,011 different identifiers in the notes the scrubber missed 13 (0.2%)." in found.text
    )
    assert (
        "hold 30 of them; texts of the base model, which never saw the notes, hold 53."
        in found.text
    )
    assert with_phi(name, date, *rest).text.endswith("LOCATION (9 against 5) and 2 more.")


def test_identifiers_are_told_as_far_as_they_were_counted(everything):
    name = everything.phi[0]

    def with_fields(**fields):
        return everything.model_copy(update={"phi": [name.model_copy(update=fields)]})

    no_texts = said(with_fields(emitted_by_model=None, emitted_by_base=None), "Identifiers")
    assert (
        no_texts.text == "Of 2,140 different identifiers in the notes the scrubber missed 9 (0.4%)."
    )
    assert no_texts.tone == "plain"
    no_base = said(with_fields(emitted_by_base=None), "Identifiers")
    assert "no texts of the base model were at hand" in no_base.text
    assert no_base.tone == "bad"
    no_scrubber = said(with_fields(missed_by_scrubber=None, counted="places"), "Identifiers")
    assert no_scrubber.text.startswith(
        "Texts that the model wrote hold 42 of 2,140 identifiers of the notes; "
    )
    unknown = said(with_fields(in_corpus=None), "Identifiers")
    assert unknown.text.startswith(
        "Texts that the model wrote hold 42 different identifiers of the"
    )
    assert "scrubber" not in unknown.text
    nothing = {"emitted_by_model": None, "emitted_by_base": None, "missed_by_scrubber": None}
    assert not [s for s in plain_words(with_fields(**nothing)) if s.about == "Identifiers"]


def test_repeated_runs_are_weighed_beside_the_one_run(everything):
    assert headline.headline_bound(everything) is everything.bounds[0]
    found = said(everything, "Tested by repetition")
    assert "200 trainings by the same settings" in found.text
    assert "too small to contradict" in found.text
    repeated = everything.bounds[2]
    broken = repeated.model_copy(update={"epsilon_lower": 8.01, "ceiling": 9.0})
    audit = everything.model_copy(update={"bounds": [*everything.bounds[:2], broken]})
    assert said(audit, "Tested by repetition").tone == "bad"
    assert said(audit, "The promise tested").tone == "plain"
    assert audit.breaking == [broken]
    # Alone, it is the headline, and says what it is.
    alone = everything.model_copy(update={"bounds": [repeated]})
    assert "200 trainings" in said(alone, "The promise tested").text
    assert len([s for s in plain_words(alone) if "trainings" in s.text]) == 1


def test_a_gaussian_bound_is_never_the_headline(everything):
    gaussian = everything.bounds[1]
    assert gaussian.family == "gaussian"
    alone = everything.model_copy(update={"bounds": [gaussian]})
    assert headline.headline_bound(alone) is None
    broken = gaussian.model_copy(update={"epsilon_lower": 9.0})
    assert everything.model_copy(update={"bounds": [broken]}).breaking == []


def test_no_line_ends_within_an_equation():
    assert words.unbroken("at ε = 8 or ε ≥ 2.5, but ε = many") == (
        "at ε\u00a0=\u00a08 or ε\u00a0≥\u00a02.5, but ε = many"
    )


def labels(svg: str) -> list[tuple[float, float, str]]:
    """Start and end of every label under the track of the first row, by its own estimate."""
    import re

    found = re.findall(r'<text x="([\d.]+)" y="([\d.]+)" text-anchor="middle"[^>]*>([^<]*)<', svg)
    under = [(float(x), text) for x, _, text in found if "≥" in text or "ceiling" in text]
    return sorted((x - 3.6 * len(text), x + 3.6 * len(text), text) for x, text in under)


@pytest.mark.parametrize("width", [340, 720])
@pytest.mark.parametrize(
    ("claimed", "lower", "ceiling"),
    [
        (8.0, 0.0, 4.4),
        (8.0, 4.39, 4.4),
        (0.5, 4.4, 4.4),
        (8.0, 0.0, 0.0),
        (None, 6.5, 6.6),
        (1e6, 0.1, 5.0),
        (3.0, 1e-9, 1e-3),
        (3.0, math.inf, math.inf),
    ],
)
def test_the_labels_of_a_gauge_stay_inside_and_apart(width, claimed, lower, ceiling):
    svg = gauge([Mark("a", claimed, lower, ceiling)], name="g", width=width)
    assert svg is not None
    placed = labels(svg)
    assert len(placed) == 2
    assert placed[0][0] >= 0
    assert placed[1][1] <= width
    assert placed[0][1] < placed[1][0]
    assert placed[0][2].startswith("measured")


def test_a_gauge_puts_values_where_they_belong():
    import re

    svg = gauge([Mark("a", 8.0, 2.0, 4.0)], name="g", width=720)
    assert svg is not None
    # The track runs from 6 to 714; its end is the next round tick above 8 · 1.04.
    widths = [float(w) for w in re.findall(r'<rect x="6.0"[^>]*? width="([\d.]+)"', svg)]
    assert widths == pytest.approx([708, 708 * 4 / 9, 708 * 2 / 9], abs=0.1)
    assert f'd="M{6 + 708 * 8 / 9:.1f} ' in svg


def test_a_far_claim_is_an_arrow_and_nothing_at_all_is_no_gauge():
    svg = gauge([Mark("a", 1000.0, 0.5, 4.0)], name="g", width=720)
    assert svg is not None
    assert "1,000.00 →" in svg
    assert gauge([Mark("a", None, None, None)], name="g", width=720) is None
    only = gauge([Mark("a", 8.0, None, None)], name="g", width=340)
    assert only is not None
    assert "not measured" in only


# --- what nothing ties to the model is no good news ---------------------------------------------

ON_CANARIES = ("Planted test patients", "Secrets", "The promise tested", "Tested by repetition")


@pytest.mark.parametrize(
    ("doubt", "abouts"),
    [
        ("canaries", ON_CANARIES),
        ("members", ("Real patients", "Copied passages")),
        ("length", (*ON_CANARIES, "Real patients", "Copied passages")),
        ("claim", ("The promise",)),
    ],
)
def test_page_one_says_what_nothing_ties_to_the_model(everything, doubt, abouts):
    fine = {s.about: s for s in plain_words(everything)}
    assert not any("would say nothing of this model" in s.text for s in fine.values())
    missing = [*everything.unmeasured, Unmeasured(what="w", why="y", doubt=doubt)]
    doubted = plain_words(everything.model_copy(update={"unmeasured": missing}))
    for sentence in doubted:
        assert ("would say nothing of this model" in sentence.text) == (sentence.about in abouts)
        if sentence.about in abouts:
            assert sentence.tone != "good"
            assert (sentence.tone == "bad") == (fine[sentence.about].tone == "bad")


def test_texts_of_another_program_are_no_good_news(everything):
    other = everything.generated.model_copy(update={"source": "file"})
    found = {s.about: s for s in plain_words(everything.model_copy(update={"generated": other}))}
    for about in ("Copied passages", "Identifiers"):
        assert "another program, whose word it is" in found[about].text
