"""Attacks on altered copies, against the model asked for one text at a time."""

import copy
import random
import stat
from dataclasses import replace

import numpy as np
import pytest
import torch

from llmsafe.audit.forward import Text, TokenStats
from llmsafe.audit.membership import hold_back, judge_rows
from llmsafe.audit.scores import Row, ScoreTable, score_texts
from llmsafe.audit.variants import (
    Variant,
    lowercase,
    neighbourhood,
    recall,
    score_variant,
    variant_scorer,
)
from llmsafe.errors import EvidenceError, InputError
from llmsafe.models import encode_note

MAX = 64


@pytest.fixture(scope="module")
def texts(world):
    sides = (("member", world.members), ("non_member", world.non_members))
    return [Text(n.note_id, n.patient_id, role, n.text) for role, side in sides for n in side]


@pytest.fixture(scope="module")
def table(target, texts, tmp_path_factory):
    return score_texts(target, texts, tmp_path_factory.mktemp("s") / "s.parquet", max_tokens=MAX)


def one_by_one(target, ids):
    """Log-probability of every token but the first, by the plainest possible code."""
    with torch.no_grad():
        logits = target.model(input_ids=torch.tensor([ids])).logits[0].double()
    logs = logits.log_softmax(-1)
    return [float(logs[t, token]) for t, token in enumerate(ids[1:])]


def scored(target, variant, texts, path, table, **more):
    copies = score_variant(target, variant, texts, path, max_tokens=MAX, **more)
    return copies, variant_scorer(variant, copies)


def rows_for(table, texts):
    wanted = {(t.role, t.text_id) for t in texts}
    return [row for row in table.rows if (row.role, row.text_id) in wanted]


def in_order(rows, texts):
    by_id = {(row.role, row.text_id): row for row in rows}
    return [by_id[t.role, t.text_id] for t in texts]


def mixed(text):
    return Text(text.text_id, text.unit_id, text.role, text.text.title())


def without_bos(target):
    tokenizer = copy.deepcopy(target.tokenizer)
    tokenizer.bos_token = None
    return replace(target, tokenizer=tokenizer)


# --- lowercase ----------------------------------------------------------------------------------


def test_lowercase_is_the_ratio_of_two_losses(target, texts, tmp_path):
    some = [mixed(t) for t in texts[:4]]
    table = score_texts(target, some, tmp_path / "s.parquet", max_tokens=MAX)
    variant = lowercase()
    copies, score = scored(target, variant, some, tmp_path / "v.parquet", table)
    for text, found in zip(some, score(in_order(table.rows, some)), strict=True):
        own, _ = encode_note(target.tokenizer, text.text, MAX)
        low, _ = encode_note(target.tokenizer, text.text.lower(), MAX * 2)
        wanted = np.mean(one_by_one(target, low)) / np.mean(one_by_one(target, own))
        assert found == pytest.approx(wanted, rel=1e-4)
        assert found != pytest.approx(1.0, rel=1e-3)
    assert stat.S_IMODE((tmp_path / "v.parquet").stat().st_mode) == 0o600
    # The base is not asked, and the adapter is as it was.
    assert all(row.base is None for row in copies.rows)
    again = score_texts(target, some, tmp_path / "s2.parquet", max_tokens=MAX)
    np.testing.assert_array_equal(again.rows[0].target.logp, table.rows[0].target.logp)


@pytest.mark.parametrize("bos", [True, False])
def test_copies_hold_what_the_model_saw_of_a_text_and_no_end_it_did_not(target, texts, bos):
    target = target if bos else without_bos(target)
    words = " ".join(t.text.title() for t in texts[:8])
    text = Text("long", "u", "member", words)
    _, spans = encode_note(target.tokenizer, words, MAX)
    (made,) = lowercase().make(target, [text], MAX)
    assert made.text == words[: spans[-1][1]].lower() != words.lower()
    assert made.secret == (0 if bos else 1, len(made.text))  # the first token has no context
    (whole,) = lowercase().make(target, [mixed(texts[0])], MAX)
    assert whole.secret is None
    for made in neighbourhood(random.Random(0), copies=3).make(target, [text], MAX):
        assert len(made.text) < len(words)
        assert made.secret is not None
        assert made.secret[1] == len(made.text)


# --- ReCaLL -------------------------------------------------------------------------------------


@pytest.mark.parametrize("bos", [True, False])
@pytest.mark.parametrize("repeats", [1, 6])
def test_recall_conditions_the_very_same_tokens(target, texts, tmp_path, bos, repeats):
    target = target if bos else without_bos(target)
    aside = texts[-2:]
    # With many repeats the text is cut, and has no end-of-text token without the prefix.
    some = [replace(t, text=" ".join([t.text] * repeats)) for t in texts[:3]]
    table = score_texts(target, some, tmp_path / "s.parquet", max_tokens=MAX)
    variant = recall(aside)
    _, score = scored(target, variant, some, tmp_path / "v.parquet", table)
    made = variant.make(target, some, MAX)
    rows = in_order(table.rows, some)
    for text, altered, found in zip(some, made, score(rows), strict=True):
        ids, spans = encode_note(target.tokenizer, text.text, MAX)
        body = [t for t, (a, b) in enumerate(spans) if a < b and t > 0]
        both, places = encode_note(target.tokenizer, altered.text, target.context)
        start = len(altered.text) - len(text.text[: max(b for _, b in spans)])
        after = [t for t, (a, b) in enumerate(places) if a < b and a >= start]
        after = after[-len(body) :]
        assert [both[t] for t in after] == [ids[t] for t in body]
        alone, context = one_by_one(target, ids), one_by_one(target, both)
        wanted = sum(context[t - 1] for t in after) / sum(alone[t - 1] for t in body)
        assert found == pytest.approx(wanted, rel=1e-4)


def test_recall_uses_as_much_of_the_prefix_as_fits(target, texts):
    prefix = [replace(t, text=t.text * 9) for t in texts[-3:]]
    for altered in recall(prefix).make(target, texts[:3], MAX):
        ids, _ = encode_note(target.tokenizer, altered.text, 10_000)
        assert target.context - MAX // 2 < len(ids) + 20
        assert len(ids) <= target.context
    with pytest.raises(InputError, match="no room for a prefix"):
        recall(prefix).make(target, texts[:3], target.context - 10)


def test_recall_refuses_a_prefix_that_it_would_judge(target, texts):
    others = [t for t in texts if t.role == "non_member"]
    with pytest.raises(EvidenceError, match="1 judged texts share"):
        recall(others[:1]).make(target, others[:1], MAX)
    twin = replace(others[0], text_id="other", unit_id="somebody")
    with pytest.raises(EvidenceError, match="their words"):
        recall([twin]).make(target, others, MAX)
    same_patient = replace(others[0], text_id="other", text="quite other words")
    with pytest.raises(EvidenceError, match="2 judged texts"):
        recall([same_patient]).make(target, others, MAX)
    with pytest.raises(EvidenceError, match="holds members"):
        recall(texts[:1]).make(target, others, MAX)
    with pytest.raises(InputError, match="needs a prefix"):
        recall([]).make(target, others, MAX)


def test_recall_of_a_text_without_words_says_nothing(target, texts, tmp_path):
    empty = [Text("e", "e", "member", "")]
    table = score_texts(target, empty, tmp_path / "s.parquet", max_tokens=MAX)
    _, score = scored(target, recall(texts[-1:]), empty, tmp_path / "v.parquet", table)
    assert score(table.rows) == pytest.approx([1.0])


# --- neighbourhood ------------------------------------------------------------------------------


def test_neighbours_differ_in_the_asked_share_and_by_what_the_base_holds_likely(target, texts):
    top, share = 8, 0.2
    variant = neighbourhood(random.Random(3), copies=4, share=share, top=top)
    some = texts[:5]
    made = variant.make(target, some, MAX)
    assert [t.text_id for t in made] == [f"{t.text_id}#{n}" for t in some for n in range(4)]
    clean, changed = 0, 0.0
    for index, altered in enumerate(made):
        own, _ = encode_note(target.tokenizer, some[index // 4].text, MAX)
        with torch.no_grad(), target.base() as base:
            likely = base(input_ids=torch.tensor([own])).logits[0].topk(top).indices
        new, _ = encode_note(target.tokenizer, altered.text, MAX * 2)
        places = [t for t in range(len(own)) if own[t : t + 1] != new[t : t + 1]]
        assert places
        # A piece may join those beside it into other tokens; most do not.
        if len(new) == len(own) and len(places) <= round(share * len(own)):
            clean += 1
            assert all(new[place] in likely[place - 1] for place in places)
            changed += len(places) / len(own)
    assert clean > 0.6 * len(made)
    assert changed / clean == pytest.approx(share, abs=0.05)
    again = neighbourhood(random.Random(3), copies=4, share=share, top=top)
    assert [t.text for t in again.make(target, some, MAX)] == [t.text for t in made]
    other = neighbourhood(random.Random(4), copies=4, share=share, top=top)
    assert [t.text for t in other.make(target, some, MAX)] != [t.text for t in made]


def test_neighbourhood_is_the_text_less_the_mean_of_its_neighbours(target, texts, table, tmp_path):
    variant = neighbourhood(random.Random(0), copies=3)
    some = texts[:4]
    _, score = scored(target, variant, some, tmp_path / "v.parquet", table)
    made = neighbourhood(random.Random(0), copies=3).make(target, some, MAX)
    for index, found in enumerate(score(in_order(table.rows, some))):
        own, *around = (
            np.mean(one_by_one(target, encode_note(target.tokenizer, t.text, 2 * MAX)[0]))
            for t in [some[index], *made[3 * index : 3 * index + 3]]
        )
        assert found == pytest.approx(own - np.mean(around), abs=1e-4)


def test_a_text_in_which_nothing_can_be_replaced_is_its_own_neighbour(target, tmp_path):
    blank = [Text("b", "b", "member", "   ")]
    table = score_texts(target, blank, tmp_path / "s.parquet", max_tokens=MAX)
    variant = neighbourhood(random.Random(0))
    _, score = scored(target, variant, blank, tmp_path / "v.parquet", table)
    assert score(table.rows) == pytest.approx([0.0], abs=1e-5)  # float32


@pytest.mark.parametrize("bad", [{"copies": 0}, {"share": 0.0}, {"share": 1.5}, {"top": 1}])
def test_neighbourhood_refuses_settings_without_a_meaning(bad):
    with pytest.raises(InputError, match="neighbourhood of"):
        neighbourhood(random.Random(0), **bad)


# --- all ----------------------------------------------------------------------------------------


def test_memorised_notes_are_found_and_an_untouched_base_finds_none(target, texts, table, tmp_path):
    aside, rest = hold_back([t for t in texts if t.role == "non_member"], 3, random.Random(0))
    judged = [*(t for t in texts if t.role == "member"), *rest]
    members = [r for r in rows_for(table, judged) if r.role == "member"]
    others = [r for r in rows_for(table, judged) if r.role == "non_member"]
    for variant, least in ((neighbourhood(random.Random(0)), 0.9), (recall(aside), 0.8)):
        path = tmp_path / f"{variant.name}.parquet"
        _, score = scored(target, variant, judged, path, table)
        found = judge_rows(variant.name, score, members, others, patients=True)
        assert {m.population for m in found} == {"patients", "notes"}
        assert all(m.attack == variant.name and m.auc.value > least for m in found)
    with target.base() as base:
        untouched = replace(target, model=base, adapter=False, reference=None)
        plain = score_texts(untouched, judged, tmp_path / "b.parquet", max_tokens=MAX)
        variant = neighbourhood(random.Random(0))
        _, score = scored(untouched, variant, judged, tmp_path / "bn.parquet", plain)
        found = judge_rows("n", score, plain.of("member"), plain.of("non_member"), patients=False)
    assert found[0].auc.low < 0.5 < found[0].auc.high


def test_copies_are_joined_by_role_and_id_whatever_the_id_and_all_must_be_there():
    def stats(value):
        one = np.full(2, value, np.float32)
        return TokenStats(one, one > 0, one.astype(np.int32), one, one, one)

    def row(role, text_id, value):
        return Row(text_id, "u", role, 9, None, stats(value), None)

    rows = [row("member", "a#1", -1.0), row("non_member", "a#1", -2.0), row("member", "a", -3.0)]
    copies = [row(r.role, f"{r.text_id}#{n}", r.target.logp[0] - n) for r in rows for n in (0, 1)]
    variant = Variant(
        "x", lambda *_: [], lambda r, c: float(r.target.logp[0] - c[1].target.logp[0]) + len(c)
    )
    score = variant_scorer(variant, ScoreTable(tuple(reversed(copies)), MAX))
    np.testing.assert_allclose(score(rows), [3.0, 3.0, 3.0])
    with pytest.raises(EvidenceError, match="1 of 2 texts have no copy"):
        score([rows[0], row("withheld", "a", -1.0)])


def test_copies_are_altered(target, texts, table, tmp_path):
    own = {row.text_id: row.target.logp[:5] for row in rows_for(table, texts[:6])}
    for variant in (recall(texts[-2:]), neighbourhood(random.Random(0), share=0.5)):
        copies, _ = scored(target, variant, texts[:6], tmp_path / f"{variant.name}.parquet", table)
        moved = [
            not np.allclose(row.target.logp[:5], own[row.text_id.rpartition("#")[0]], atol=1e-3)
            for row in copies.rows
        ]
        assert np.mean(moved) > 0.8
