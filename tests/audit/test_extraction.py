"""Extraction read off the table equals what the model really generates."""

import itertools

import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st

from llmsafe.audit.extraction import longest_run, passage_extraction, secret_extraction
from llmsafe.audit.forward import TokenStats, encode
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
    import random

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
        # Planted bug: the same window one token later is not what was generated.
    assert emitted["planted"] > 0  # the test has seen both outcomes
    assert emitted["withheld"] == 0


def test_an_overfitted_model_gives_its_secrets_away_the_base_and_the_twins_do_not(
    world, target, tmp_path
):
    import random

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
        return TokenStats(zero, np.array(flags, bool), np.zeros(size, np.int32), zero, zero)

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
