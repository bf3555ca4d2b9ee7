"""The search against the ranking of every secret there is."""

import math
import random

import numpy as np
import pytest
import torch

from llmsafe.audit.candidates import (
    Question,
    candidate_extraction,
    candidate_ranks,
    question_among,
)
from llmsafe.audit.secret_space import Space, space_of
from llmsafe.audit.secrets_search import (
    Form,
    SecretRank,
    Speller,
    common_start,
    rank_secret,
    searched_exposure,
)
from llmsafe.canary import make_canaries
from llmsafe.errors import InputError


def text_logp(model, ids, start):
    """Log-probability of ``ids[start:]`` given those before, from the whole text at once."""
    with torch.no_grad():
        logp = model(torch.tensor([ids])).logits[0].double().log_softmax(-1)
    return float(sum(logp[t - 1, ids[t]] for t in range(start, len(ids))))


def naive_ranks(model, tokenizer, prefix, secrets):
    """Rank of every secret: all texts scored whole, each in its own canonical tokenisation."""
    ids = [tokenizer(tokenizer.bos_token + prefix + secret)["input_ids"] for secret in secrets]
    start = common_start([*ids, tokenizer(tokenizer.bos_token + prefix)["input_ids"]])
    rows = sorted(ids, key=len)
    logp = {}
    for size in sorted({len(r) for r in rows}):
        some = [r for r in rows if len(r) == size]
        with torch.no_grad():
            out = model(torch.tensor(some)).logits.double().log_softmax(-1)
        for row, scores in zip(some, out, strict=True):
            logp[tuple(row)] = sum(float(scores[t - 1, row[t]]) for t in range(start, size))
    scores = np.array([logp[tuple(row)] for row in ids])
    return {s: 1 + int((scores > own).sum()) for s, own in zip(secrets, scores, strict=True)}, {
        len(row) for row in ids
    }


@pytest.fixture(scope="module")
def speller(target):
    return Speller(target.tokenizer)


@pytest.fixture(scope="module")
def merging(tiny, tmp_path_factory):
    """A model whose tokenizer merges digits, also with the space before: " 12", "45", "345"."""
    rng = random.Random(0)
    numbers = [rng.choice(["12", "345", "77", "908", "45"]) + str(rng.randrange(1000))
               for _ in range(400)]  # fmt: skip
    folder = tmp_path_factory.mktemp("merging")
    tokenizer = tiny.make_tokenizer(folder, [f"record {n}" for n in numbers])
    model = tiny.make_model(folder).eval()
    with torch.no_grad():
        model.lm_head.weight.mul_(6)  # not flat, or all secrets were alike
    return model, tokenizer


@pytest.mark.parametrize("before", ["record ", "record 4", "a record:"])
def test_search_equals_enumeration(merging, before):
    model, tokenizer = merging
    speller = Speller(tokenizer)
    secrets = [f"{n:03d}" for n in range(1000)]
    form = Form.of_template("###")
    naive, lengths = naive_ranks(model, tokenizer, before, secrets)
    assert len(lengths) > 1  # spellings differ in length
    best = min(naive, key=naive.get)
    rest = random.Random(0).sample(secrets, 6)
    for secret in [best, *rest]:
        found = rank_secret(model, speller, before, secret, form)
        assert found.closed
        assert abs(found.low - naive[secret]) <= 1  # ties within the last digits
    # A short search gives bounds that hold, and narrow.
    secret = next(s for s in rest if naive[s] > 200)
    widths = []
    for nodes in (1, 20, 60):
        found = rank_secret(model, speller, before, secret, form, max_nodes=nodes)
        assert found.expanded <= nodes
        assert not found.closed
        assert found.low - 1 <= naive[secret] <= found.high + 1
        widths.append(found.high - found.low)
    assert widths == sorted(widths, reverse=True)
    assert widths[-1] < widths[0]


def test_fixed_places_are_not_searched(target, speller):
    before = "record number "
    secrets = [f"1{n:02d}-7" for n in range(100)]
    naive, _ = naive_ranks(target.model, target.tokenizer, before, secrets)
    form = Form.of_template("1##-7")
    assert form.space == 100
    for secret in secrets[::30]:
        found = rank_secret(target.model, speller, before, secret, form)
        assert found.closed
        assert abs(found.low - naive[secret]) <= 1


def test_a_memorised_secret_is_first_of_a_hundred_thousand(world, target):
    canaries = world.manifest.canaries
    planted = [c for c in canaries if c.planted][:8]
    withheld = [c for c in canaries if not c.planted][:4]
    found = searched_exposure(target, planted, withheld, max_nodes=500)
    assert (found.secrets, found.space_bits) == (8, pytest.approx(math.log2(1e5)))
    assert found.closed >= 6
    assert found.mean_low > 13
    assert found.mean_low <= found.mean_high <= found.space_bits
    assert found.null_mean_bits == pytest.approx(1 / math.log(2), abs=1e-3)
    assert found.excess_bits.low > 8
    assert found.base_mean_low < 5
    assert found.withheld_mean_low < 5
    assert searched_exposure(target, [], withheld) is None


def test_forms():
    assert Form.of_template("(0##) 1##-####").space == 10**8
    assert Form.of_secret("AB-12").places == ("A", "B", "-", "0123456789", "0123456789")
    form = Form(("ab", "01", "x"))
    assert form.space == 4
    assert form.holds("b1x")
    assert not form.holds("b1")
    assert not form.holds("c1x")
    rng = random.Random(0)
    assert {form.draw(rng) for _ in range(100)} == {"a0x", "a1x", "b0x", "b1x"}
    assert SecretRank(1, 1, 1024, 3).bits == (10, 10)
    assert SecretRank(2, 8, 1024, 3).bits == (7, 9)


def test_what_cannot_be_searched_is_refused(target, speller):
    form = Form.of_template("##")
    with pytest.raises(InputError, match="form"):
        rank_secret(target.model, speller, "number ", "123", form)
    with pytest.raises(InputError, match="character by character") as error:
        # Half of a character is a token of its own here, and spells nothing.
        rank_secret(target.model, speller, "number ", "é1", Form(("é", "1")))
    assert "é1" not in str(error.value)


# --- candidates ---------------------------------------------------------------------------------


def questions(canaries, rng, count=20, after=""):
    return [
        question_among(
            c.text[: c.secret_start],
            c.text[c.secret_start : c.secret_end],
            Space.of_form(Form.of_template("#####")),
            count,
            rng,
            after,
        )
        for c in canaries
    ]


@pytest.mark.parametrize("after", ["", "."])
def test_candidates_are_ranked_as_whole_texts(world, target, speller, after):
    for question in questions(world.manifest.canaries[:3], random.Random(1), after=after):
        texts = [speller.tokens(question.before + c + after) for c in question.candidates]
        scores = [text_logp(target.model, ids, 1) for ids in texts]
        naive = 1 + sum(s > scores[question.answer] for s in scores)
        assert candidate_ranks(target.model, speller, [question]).tolist() == [naive]


def test_a_model_that_memorised_tells_the_true_value(world, target):
    rng = random.Random(2)
    inside = questions([c for c in world.manifest.canaries if c.planted], rng)
    outside = questions([c for c in world.manifest.canaries if not c.planted], rng)
    found = candidate_extraction(target, inside, outside)
    assert found.chance == pytest.approx(1 / 20)
    assert found.extracted > 0.9 * found.tried
    assert found.base_extracted < 0.3 * found.tried
    assert found.withheld_extracted < 0.3 * found.withheld_tried
    assert [p.n for p in found.curve] == [1, 3, 10]
    assert [p.chance for p in found.curve] == pytest.approx([0.05, 0.15, 0.5])
    assert found.curve[0].extracted == found.extracted <= found.curve[2].extracted
    assert candidate_extraction(target, []) is None


def test_questions():
    rng = random.Random(0)
    space = Space.of_form(Form.of_template("##"))
    places = [question_among("x ", "07", space, 4, rng) for _ in range(200)]
    answers = np.bincount([q.answer for q in places], minlength=4)
    assert answers.min() > 25  # the true one stands anywhere
    assert all(q.candidates[q.answer] == "07" and len(set(q.candidates)) == 4 for q in places)
    for wrong in (("1", "1"), ("1",)):
        with pytest.raises(InputError):
            Question("x ", wrong, 0)
    with pytest.raises(InputError, match="2 to 100"):
        question_among("x ", "07", space, 101, rng)
    assert "Quuxworth" not in repr(Question("x ", ("Quuxworth", "Zorblax"), 0))


@pytest.mark.parametrize(("lang", "joint"), [("en", " "), ("zh", "")])
def test_random_words_are_drawn_as_the_canaries_were(lang, joint):
    canaries = make_canaries(count=40, kind="random", seed=5, lang=lang)
    space = space_of(canaries[0], lang)
    assert space.size == 256**8
    rng = random.Random(0)
    drawn = [space.draw(rng) for _ in range(400)]
    assert len(set(drawn)) == 400
    if joint:
        words = {word for one in drawn for word in one.split(joint)}
        assert all(len(one.split(joint)) == 8 for one in drawn)
        assert {w for c in canaries for w in c.text[c.secret_start :].split(joint)} <= words
    other = canaries[0].model_copy(update={"secret_space_bits": 63.0})
    assert space_of(other, lang) is None  # drawn from another list
    digits = make_canaries(count=3, kind="resident_id", seed=5, lang="zh")
    assert space_of(digits[0], lang).size == 10**7
