"""Extraction read off the table equals what the model really generates."""

import itertools
import math
import random

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from llmsafe.audit.extraction import (
    best_passage_logp,
    describe_sampler,
    longest_run,
    passage_extraction,
    sampled_passage_extraction,
    sampled_secret_extraction,
    samples_needed,
    secret_extraction,
    secret_logp,
)
from llmsafe.audit.forward import Sampler, TokenStats, encode
from llmsafe.audit.generation import generate
from llmsafe.audit.population import gather
from llmsafe.audit.scores import Row, score_texts


def greedy(model, ids, count):
    """``count`` tokens by the library's own generation, batch of one, no padding."""
    with torch.no_grad():
        out = model.generate(
            input_ids=torch.tensor([ids]),
            attention_mask=torch.ones((1, len(ids)), dtype=torch.long),
            max_new_tokens=count,
            min_new_tokens=count,
            do_sample=False,
            pad_token_id=0,
            eos_token_id=None,
        )
    return out[0, len(ids) :].tolist()


def test_table_equals_generation(world, target, tmp_path):
    texts = gather(target, rng=random.Random(0)).of("planted", "withheld")
    rows = {
        row.text_id: row
        for row in score_texts(target, texts, tmp_path / "s.parquet", max_tokens=64).rows
    }
    emitted = {"planted": 0, "withheld": 0}
    for text in texts[:30]:
        item = encode(target.tokenizer, text, 64)
        start, end = item.secret
        wanted = list(item.ids[1 + start : 1 + end])
        really = greedy(target.model, list(item.ids[: 1 + start]), end - start) == wanted
        assert really == bool(rows[text.text_id].target.slice(start, end).hit.all())
        emitted[text.role] += really
    assert emitted["planted"] > 0  # the test has seen both outcomes
    assert emitted["withheld"] == 0


def test_an_overfitted_model_gives_its_secrets_away_the_base_and_the_twins_do_not(
    world, target, tmp_path
):
    texts = gather(target, rng=random.Random(0)).of("planted", "withheld")
    table = score_texts(target, texts, tmp_path / "s.parquet", max_tokens=64)
    found = secret_extraction(table.of("planted"), table.of("withheld"))
    assert found.tried == sum(c.planted for c in world.manifest.canaries)
    assert found.extracted / found.tried > 0.3
    assert found.rate.low > 0.1
    assert (found.base_extracted, found.withheld_extracted) == (0, 0)


def row(hits, role="member", base=None, secret=None, text_id="t"):
    def stats(flags):
        size = len(flags)
        zero = np.zeros(size, np.float32)
        never = np.where(flags, 0, -np.inf).astype(np.float32)
        return TokenStats(zero, np.array(flags, bool), np.zeros(size, np.int32), zero, zero, never)

    return Row(text_id, text_id, role, 9, secret, stats(hits), stats(base or [False] * len(hits)))


def test_one_missed_token_is_no_extraction():
    planted = [
        row([0, 1, 1, 1, 0], secret=(1, 4)),
        row([1, 1, 0, 1, 1], secret=(1, 4)),
        row([1, 1, 1, 1, 0], secret=(1, 5)),
        row([1, 1, 1, 1, 1], secret=None),
    ]
    found = secret_extraction(planted, [])
    assert (found.tried, found.extracted, found.base_extracted) == (3, 1, 0)
    assert (found.withheld_tried, found.withheld_extracted) == (None, None)
    assert secret_extraction([], planted) is None


def test_base_rate_is_counted_on_the_same_secrets():
    both = [1, 1, 1]
    found = secret_extraction([row(both, base=both, secret=(0, 3))], [row(both, secret=(0, 3))])
    assert (found.extracted, found.base_extracted) == (1, 1)
    assert (found.withheld_tried, found.withheld_extracted) == (1, 1)


def test_passages_need_a_prefix_and_fifty_tokens_in_a_row():
    early = row([1] * 60 + [0] * 40)  # long enough a run, but its prefix is too short
    late = row([0] * 50 + [1] * 50)
    broken = row([0] * 50 + [1] * 30 + [0] + [1] * 40)
    short = row([1] * 99)  # cannot hold a prefix and a passage
    found = passage_extraction([early, late, broken, short], [short])
    assert (found.tried, found.extracted) == (3, 1)
    assert found.withheld_tried is None
    assert passage_extraction([short], [late]) is None


@given(st.lists(st.booleans(), max_size=80))
def test_longest_run(flags):
    naive = max((len(list(g)) for value, g in itertools.groupby(flags) if value), default=0)
    assert longest_run(np.array(flags, bool)) == naive


# --- by a sampler -------------------------------------------------------------------------------

SAMPLER = Sampler(0.4, 6, 0.95)


def with_logp(sampled, secret=None, base=None):
    def stats(values):
        column = np.array(values, np.float32)
        return TokenStats(
            column, column == 0, np.zeros(column.size, np.int32), column, column, column
        )

    low = [-30.0] * len(sampled) if base is None else base
    return Row("t", "t", "planted", 9, secret, stats(sampled), stats(low))


def test_the_table_tells_how_often_the_sampler_emits_a_secret(world, target, tmp_path):
    texts = gather(target, rng=random.Random(0)).of("planted")
    table = score_texts(target, texts, tmp_path / "s.parquet", max_tokens=64, sampler=SAMPLER)
    rows = {row.text_id: row for row in table.rows}
    draws, seen = 800, 0
    for text in texts:
        item = encode(target.tokenizer, text, 64)
        start, end = item.secret
        p = math.exp(secret_logp(rows[text.text_id].target, item.secret))
        if not 0.1 < p < 0.9 or seen == 4:
            continue
        seen += 1
        found = generate(
            target.model,
            [item.ids[: 1 + start]],
            count=draws,
            max_new_tokens=end - start,
            sampler=SAMPLER,
            generator=torch.Generator().manual_seed(seen),
        )
        emitted = sum(g.ids == item.ids[1 + start : 1 + end] for g in found)
        assert abs(emitted - draws * p) < 4.5 * math.sqrt(draws * p * (1 - p))
    assert seen == 4
    # Planted bug: what another sampler would emit is told apart.
    plain = [abs(float(r.target.slice(*r.secret).logp.sum()) - secret_logp(r.target, r.secret))
             for r in table.of("planted") if r.secret]  # fmt: skip
    assert max(plain) > 0.1


def test_curve_counts_and_base_rate():
    half, tenth = math.log(0.5), math.log(0.1)
    planted = [
        with_logp([-9, half, half, -9], secret=(1, 3)),  # p_z = 1/4: 3 samples for one half
        with_logp([-9, tenth, 0, -9], secret=(1, 3)),  # 7 samples
        with_logp([-9, tenth, tenth, -9], secret=(1, 3), base=[0, tenth, 0, 0]),  # 69; base 7
        with_logp([0, 0, -math.inf, 0], secret=(1, 3)),  # never
        with_logp([0, 0, 0, 0], secret=None),
    ]
    twins = [with_logp([0, tenth, tenth, 0], secret=(1, 3))]
    found = sampled_secret_extraction(
        planted, twins, SAMPLER, samples=7, probability=0.5, grid=(2, 3, 6, 68, 69, 10**9)
    )
    assert [(p.n, p.extracted, p.base_extracted, p.withheld_extracted) for p in found.curve] == [
        (2, 0, 0, 0), (3, 1, 0, 0), (6, 1, 0, 0), (7, 2, 1, 0), (68, 2, 1, 0), (69, 3, 1, 1),
        (10**9, 3, 1, 1),
    ]  # fmt: skip
    assert (found.tried, found.extracted, found.base_extracted) == (4, 2, 1)
    assert (found.withheld_tried, found.withheld_extracted) == (1, 0)
    assert found.rate.low < 0.5 == found.rate.value < found.rate.high
    assert found.sampler == "temperature 0.4, top-k 6, top-p 0.95" != describe_sampler(None)
    assert found.what != secret_extraction(planted, twins).what  # a policy tells them apart
    assert sampled_secret_extraction([], twins, SAMPLER) is None


@pytest.mark.parametrize(("p_z", "p", "n"), [(0.25, 0.5, 3), (0.1, 0.19, 2), (1, 0.9, 1)])
def test_samples_needed(p_z, p, n):
    assert samples_needed(math.log(p_z), p) == n
    assert samples_needed(1e-7, p) == 1  # a sum of float32 that rounding lifted over zero
    assert samples_needed(-math.inf, p) == math.inf
    assert samples_needed(-1e6, p) == math.inf  # underflows


@given(
    st.lists(st.sampled_from([0.0, -0.5, -3.0, -np.inf]), max_size=30),
    st.integers(min_value=1, max_value=8),
)
def test_best_passage(values, length):
    naive = max(
        (sum(values[i : i + length]) for i in range(len(values) - length + 1)), default=-np.inf
    )
    assert best_passage_logp(np.array(values, np.float32), length) == pytest.approx(naive)


def test_sampled_passages_need_a_prefix():
    early = with_logp([0] * 60 + [-9] * 40)
    late = with_logp([-9] * 50 + [-0.01] * 50)
    found = sampled_passage_extraction([early, late], [early], SAMPLER, samples=10)
    assert (found.tried, found.extracted, found.base_extracted) == (2, 1, 0)
    assert (found.withheld_tried, found.withheld_extracted) == (1, 0)
