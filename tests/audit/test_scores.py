"""The score table against a deliberately naive twin, its storage, and the place of a secret."""

import contextlib
import dataclasses
import random
import stat

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from llmsafe.audit import forward
from llmsafe.audit import scores as module
from llmsafe.audit.forward import Text, encode, plan_batches, score_batch
from llmsafe.audit.scores import read_scores, score_texts
from llmsafe.errors import EvidenceError, InputError, SetupError

FIELDS = ("logp", "hit", "rank", "mean", "std")


def texts_of(world):
    rng = random.Random(9)
    canaries = [
        Text(
            c.canary_id,
            c.patient_id,
            "planted" if c.planted else "withheld",
            c.text,
            (c.secret_start, c.secret_end),
        )
        for c in world.manifest.canaries[:12]
    ]
    notes = [Text(n.note_id, n.patient_id, "member", n.text) for n in world.members[:6]]
    odd = [
        Text("one", "one", "member", "x"),
        Text("empty", "empty", "member", ""),
        Text("long", "long", "member", " ".join(rng.choice("abc") for _ in range(400))),
        Text("unicode", "unicode", "member", "痛み 37.5°C – naïve 👩‍⚕️ </s> <pad>"),
    ]
    return [*canaries, *notes, *odd]


def naive(model, ids):
    """One text, one token at a time, in float64, no padding, no batching."""
    found = {name: [] for name in FIELDS}
    with torch.no_grad():
        logits = model(input_ids=torch.tensor([ids])).logits[0].double()
    for position, token in enumerate(ids[1:]):
        row = logits[position]
        p = torch.softmax(row, 0)
        log_p = torch.log(p)
        found["logp"].append(float(log_p[token]))
        found["hit"].append(int(row.argmax()) == token)
        found["rank"].append(sum(float(v) > float(row[token]) for v in row))
        mean = sum(float(q) * float(v) for q, v in zip(p, log_p, strict=True))
        second = sum(float(q) * (float(v) - mean) ** 2 for q, v in zip(p, log_p, strict=True))
        found["mean"].append(mean)
        found["std"].append(second**0.5)
    return found


def same(a, b, tolerance=1e-5):
    assert a.hit.tolist() == b.hit.tolist()
    assert a.rank.tolist() == b.rank.tolist()
    for name in ("logp", "mean", "std"):
        np.testing.assert_allclose(getattr(a, name), getattr(b, name), atol=tolerance, rtol=0)


def test_equals_the_naive_twin_for_target_and_base(world, target, tmp_path):
    texts = texts_of(world)
    table = score_texts(target, texts, tmp_path / "s.parquet", max_tokens=64)
    rows = {row.text_id: row for row in table.rows}
    assert set(rows) == {text.text_id for text in texts}
    differs = 0
    for text in texts[::3]:
        ids = list(encode(target.tokenizer, text, 64).ids)
        row = rows[text.text_id]
        expected = naive(target.model, ids)
        with target.base() as base:
            expected_base = naive(base, ids)
        for stats, twin in ((row.target, expected), (row.base, expected_base)):
            assert stats.hit.tolist() == twin["hit"]
            assert stats.rank.tolist() == twin["rank"]
            for name in ("logp", "mean", "std"):
                np.testing.assert_allclose(getattr(stats, name), twin[name], atol=1e-5)
        differs += abs(sum(expected["logp"]) - sum(expected_base["logp"])) > 0.1
    assert differs > 3  # base and target are two models


def test_base_is_the_model_without_the_adapter(world, target):
    from transformers import AutoModelForCausalLM

    plain = AutoModelForCausalLM.from_pretrained(world.base, dtype=torch.float32).eval()
    items = [encode(target.tokenizer, text, 64) for text in texts_of(world)]
    with target.base() as base:
        for a, b in zip(score_batch(base, items, 0), score_batch(plain, items, 0), strict=True):
            same(a, b)


@pytest.mark.parametrize("budget", [1, 70, 200, 100_000])
def test_a_batch_of_one_equals_a_batch_of_many(world, target, tmp_path, budget):
    texts = texts_of(world)
    one = [score_batch(target.model, [encode(target.tokenizer, t, 64)], 0)[0] for t in texts]
    table = score_texts(target, texts, tmp_path / "s.parquet", max_tokens=64, batch_tokens=budget)
    rows = {row.text_id: row for row in table.rows}
    for text, alone in zip(texts, one, strict=True):
        same(rows[text.text_id].target, alone)


def test_padding_token_and_block_size_do_not_matter(world, target, monkeypatch):
    items = [encode(target.tokenizer, text, 64) for text in texts_of(world)]
    usual = score_batch(target.model, items, 0)
    for a, b in zip(usual, score_batch(target.model, items, 77), strict=True):
        same(a, b, 1e-6)
    monkeypatch.setitem(forward._BLOCK_BYTES, "cpu", 4 * 320 * 3)  # three rows at a time
    for a, b in zip(usual, score_batch(target.model, items, 0), strict=True):
        same(a, b, 1e-6)


def test_log_softmax_is_in_float32(target, world):
    model = target.model
    items = [encode(target.tokenizer, text, 64) for text in texts_of(world)]
    with torch.autocast("cpu", torch.bfloat16):
        half = score_batch(model, items, 0)
    assert half[0].logp.dtype == np.float32
    # The vocabulary sums to one to float32 accuracy although the logits are rounded.
    with torch.autocast("cpu", torch.bfloat16), torch.inference_mode():
        logits = model(input_ids=torch.tensor([items[0].ids])).logits
    assert logits.dtype == torch.bfloat16
    exact = logits[0].double().log_softmax(-1)
    picked = exact[torch.arange(items[0].scored), torch.tensor(items[0].ids[1:])]
    np.testing.assert_allclose(half[0].logp, picked.numpy(), atol=0.05)


# --- the secret ---------------------------------------------------------------------------------


def decoded(tokenizer, item, secret):
    start, end = secret
    return tokenizer.decode(item.ids[1 + start : 1 + end])


def test_secret_tokens_are_found_by_offsets(world, target):
    for text in texts_of(world):
        item = encode(target.tokenizer, text, 64)
        if text.secret is None:
            assert item.secret is None
            continue
        wanted = text.text[slice(*text.secret)]
        found = decoded(target.tokenizer, item, item.secret)
        assert wanted in found
        assert len(found.strip()) <= len(wanted) + 1  # at most one straddling character
        # Planted bug: one token off in either direction loses a part of the secret.
        start, end = item.secret
        assert wanted not in decoded(target.tokenizer, item, (start + 1, end + 1))
        assert wanted not in decoded(target.tokenizer, item, (start - 1, end - 1))


def test_secret_after_wide_characters_and_at_the_borders(target):
    for prefix in ("", "患者👩‍⚕️ naïve: "):
        text = Text("t", "t", "planted", prefix + "48213", (len(prefix), len(prefix) + 5))
        item = encode(target.tokenizer, text, 64)
        assert "48213" in decoded(target.tokenizer, item, item.secret)


def test_a_secret_cut_off_has_no_range(target):
    text = Text("t", "t", "planted", "fever " * 30 + "48213", (180, 185))
    whole = encode(target.tokenizer, text, 128)
    assert whole.secret is not None
    assert encode(target.tokenizer, text, whole.secret[1] + 1).secret is not None
    for limit in (whole.secret[1], whole.secret[0] + 1, 10):
        assert encode(target.tokenizer, text, limit).secret is None


def test_zlib_counts_only_what_the_model_saw(target):
    import zlib

    text = "fever and cough " * 40
    item = encode(target.tokenizer, Text("t", "t", "member", text), 20)
    seen = target.tokenizer.decode(item.ids[1:])
    assert len(seen) < len(text) / 4
    assert item.zlib_bytes == len(zlib.compress(seen.encode()))


# --- batches and the file -----------------------------------------------------------------------


@given(st.lists(st.integers(1, 90), max_size=60), st.integers(1, 400))
def test_batches_partition_and_respect_the_budget(lengths, budget):
    batches = plan_batches(lengths, budget)
    assert sorted(i for batch in batches for i in batch) == list(range(len(lengths)))
    for batch in batches:
        assert len(batch) == 1 or len(batch) * max(lengths[i] for i in batch) <= budget
    order = [lengths[i] for batch in batches for i in batch]
    assert order == sorted(order, reverse=True)


def test_sorted_batches_hardly_pad():
    rng = np.random.default_rng(0)
    lengths = [int(n) for n in np.clip(rng.lognormal(4.5, 0.8, 2000), 8, 512)]
    padded = sum(len(b) * max(lengths[i] for i in b) for b in plan_batches(lengths, 8192))
    assert padded / sum(lengths) < 1.06
    in_order = [lengths[i : i + 16] for i in range(0, len(lengths), 16)]
    assert sum(len(b) * max(b) for b in in_order) / sum(lengths) > 2


def test_file_is_private_holds_no_text_and_reads_back_equal(world, target, tmp_path):
    path = tmp_path / "vault" / "s.parquet"
    texts = texts_of(world)
    table = score_texts(target, texts, path, max_tokens=64)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert [p.name for p in path.parent.iterdir()] == ["s.parquet"]
    data = path.read_bytes()
    for text in texts:
        if len(text.text) > 20:
            assert text.text[:20].encode() not in data
    again = read_scores(path)
    assert again.max_tokens == 64
    for a, b in zip(table.rows, again.rows, strict=True):
        assert (a.text_id, a.unit_id, a.role, a.secret) == (b.text_id, b.unit_id, b.role, b.secret)
        same(a.target, b.target, 0)
        same(a.base, b.base, 0)


def test_several_row_groups_read_back_in_one_piece(world, target, tmp_path, monkeypatch):
    texts = texts_of(world)
    whole = score_texts(target, texts, tmp_path / "a.parquet", max_tokens=64, batch_tokens=128)
    monkeypatch.setattr(module, "_ROWS_PER_GROUP", 3)
    parts = score_texts(target, texts, tmp_path / "b.parquet", max_tokens=64, batch_tokens=128)
    for a, b in zip(whole.rows, parts.rows, strict=True):
        assert a.text_id == b.text_id
        same(a.target, b.target, 0)
        same(a.base, b.base, 0)


def test_a_model_without_base_leaves_the_base_columns_empty(world, target, tmp_path):
    alone = dataclasses.replace(target, adapter=False)
    table = score_texts(alone, texts_of(world), tmp_path / "s.parquet", max_tokens=64)
    assert not table.has_base
    assert all(row.base is None and len(row.target) > 0 for row in table.rows)


def test_progress_adds_up(world, target, tmp_path):
    done = []

    @contextlib.contextmanager
    def bar(label, total):
        done.append(-total)
        yield done.append

    texts = texts_of(world)
    score_texts(target, texts, tmp_path / "s.parquet", max_tokens=64, progress=bar)
    assert done[0] == -len(texts)
    assert sum(done) == 0


def test_a_failure_leaves_no_file(world, target, tmp_path):
    @contextlib.contextmanager
    def bar(label, total):
        def stop(n):
            raise KeyboardInterrupt

        yield stop

    with pytest.raises(KeyboardInterrupt):
        score_texts(target, texts_of(world), tmp_path / "s.parquet", max_tokens=64, progress=bar)
    assert list(tmp_path.iterdir()) == []


def test_weights_that_are_not_finite_are_refused(world, target, tmp_path):
    from llmsafe.audit.target import open_target

    broken = open_target(world.run, device="cpu")
    with torch.no_grad():
        for name, parameter in broken.model.named_parameters():
            if "norm" in name:
                parameter[3] = float("nan")
    with pytest.raises(InputError, match="not finite"):
        score_texts(broken, texts_of(world), tmp_path / "s.parquet", max_tokens=64)
    assert list(tmp_path.iterdir()) == []


def test_a_batch_too_large_for_the_memory_says_what_to_do(world, target, tmp_path, monkeypatch):
    def full(*args):
        raise RuntimeError("DefaultCPUAllocator: can't allocate memory")

    monkeypatch.setattr(module, "score_batch", full)
    with pytest.raises(SetupError, match="--batch-tokens 50"):
        score_texts(
            target, texts_of(world), tmp_path / "s.parquet", max_tokens=64, batch_tokens=100
        )
    assert list(tmp_path.iterdir()) == []


def test_bad_tables_and_places_are_one_line_errors(world, target, tmp_path):
    with pytest.raises(EvidenceError, match="audit again"):
        read_scores(tmp_path / "none.parquet")
    (tmp_path / "bad.parquet").write_bytes(b"not parquet")
    with pytest.raises(EvidenceError, match="audit again"):
        read_scores(tmp_path / "bad.parquet")
    table = score_texts(target, [], tmp_path / "none.parquet", max_tokens=64)
    assert (table.rows, table.max_tokens) == ((), 64)
    twice = [Text("a", "a", "member", "x"), Text("a", "b", "member", "y")]
    with pytest.raises(InputError, match="repeat"):
        score_texts(target, twice, tmp_path / "s.parquet", max_tokens=64)
    blocked = tmp_path / "bad.parquet" / "under" / "s.parquet"
    with pytest.raises(SetupError, match="choose"):
        score_texts(target, twice[:1], blocked, max_tokens=64)


def test_repr_shows_no_text():
    assert "secret words" not in repr(Text("i", "u", "member", "secret words"))
