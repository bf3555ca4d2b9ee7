"""The score table: both models on every text, its storage, and its making by several processes."""

import contextlib
import dataclasses
import os
import pickle
import random
import signal
import stat
import textwrap
import time

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from forked import Forked, ranks

from llmsafe.audit import scores as module
from llmsafe.audit.forward import ROLES, Sampler, Scorer, Text, encode, sampled_logp, score_batch
from llmsafe.audit.ranks import clean_end
from llmsafe.audit.scores import read_scores, score_texts
from llmsafe.errors import EvidenceError, InputError, SetupError

FIELDS = ("logp", "mean", "std", "sampled")


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


def same(a, b, tolerance=1e-5):
    """All that is known of each token; asserted."""
    assert a.hit.tolist() == b.hit.tolist()
    assert a.rank.tolist() == b.rank.tolist()
    for name in FIELDS:
        np.testing.assert_allclose(getattr(a, name), getattr(b, name), atol=tolerance, rtol=0)


def plain(model, ids, sampler):
    """One text by itself, by torch's own functions over its whole logits in float64."""
    with torch.no_grad():
        logits = model(input_ids=torch.tensor([ids])).logits[0, :-1].double()
    labels, logs = torch.tensor(ids[1:]), logits.log_softmax(-1)
    logp = logs[torch.arange(len(labels)), labels]
    mean = (logs.exp() * logs).sum(-1)
    return {
        "logp": logp,
        "hit": logits.argmax(-1) == labels,
        "rank": (logs > logp[:, None]).sum(-1),
        "mean": mean,
        "std": ((logs.exp() * logs**2).sum(-1) - mean**2).sqrt(),
        "sampled": sampled_logp(logits.float(), labels, sampler),
    }


def test_target_and_base_are_scored_each_as_it_is(world, target, tmp_path):
    texts = texts_of(world)
    sampler = Sampler(temperature=0.8, top_k=25, top_p=0.9)
    table = score_texts(target, texts, tmp_path / "s.parquet", max_tokens=64, sampler=sampler)
    rows = {row.text_id: row for row in table.rows}
    assert set(rows) == {text.text_id for text in texts}
    assert table.sampler == sampler
    differs, never = 0, 0
    for text in texts:
        ids = list(encode(target.tokenizer, text, 64).ids)
        row = rows[text.text_id]
        expected = plain(target.model, ids, sampler)
        with target.base() as base:
            expected_base = plain(base, ids, sampler)
        for stats, twin in ((row.target, expected), (row.base, expected_base)):
            assert stats.hit.tolist() == twin["hit"].tolist()
            assert stats.rank.tolist() == twin["rank"].tolist()
            for name in FIELDS:
                np.testing.assert_allclose(getattr(stats, name), twin[name], atol=2e-5)
        differs += abs(float(expected["logp"].sum() - expected_base["logp"].sum())) > 0.1
        never += bool(np.isneginf(row.base.sampled).any())
    assert differs > 3  # base and target are two models
    assert never > 3  # some tokens the sampler never draws


def test_base_is_the_model_without_the_adapter(world, target):
    from transformers import AutoModelForCausalLM

    plain = AutoModelForCausalLM.from_pretrained(world.base, dtype=torch.float32).eval()
    items = [encode(target.tokenizer, text, 64) for text in texts_of(world)]
    adapted = score_batch(target.model, items, 0)
    with target.base() as base:
        bare = score_batch(base, items, 0)
    for a, b in zip(bare, score_batch(plain, items, 0), strict=True):
        same(a, b)
    assert any(abs(a.logp.sum() - b.logp.sum()) > 0.1 for a, b in zip(bare, adapted, strict=True))


@pytest.mark.parametrize("budget", [1, 70, 200, 100_000])
def test_a_batch_of_one_equals_a_batch_of_many(world, target, tmp_path, budget):
    texts = texts_of(world)
    one = [score_batch(target.model, [encode(target.tokenizer, t, 64)], 0)[0] for t in texts]
    table = score_texts(target, texts, tmp_path / "s.parquet", max_tokens=64, batch_tokens=budget)
    rows = {row.text_id: row for row in table.rows}
    assert len(rows) == len(table.rows) == len(texts)
    for text, alone in zip(texts, one, strict=True):
        same(rows[text.text_id].target, alone)


@pytest.mark.parametrize(("seconds", "turns"), [(1e9, 1), (0.0, None)])
def test_the_adapter_goes_off_once_a_turn(world, target, tmp_path, monkeypatch, seconds, turns):
    texts, calls, off = texts_of(world), [], []
    score, base = Scorer.__call__, type(target).base
    monkeypatch.setattr(module, "_TURN", seconds)
    monkeypatch.setattr(Scorer, "__call__", lambda s, batch: calls.append(1) or score(s, batch))
    monkeypatch.setattr(type(target), "base", lambda t: off.append(1) or base(t))
    path = tmp_path / "s.parquet"
    table = score_texts(target, texts, path, max_tokens=64, batch_tokens=128)
    assert len(calls) >= 6
    assert len(off) - 1 == (turns or len(calls) / 2)  # one more to make the scorer
    monkeypatch.undo()
    usual = score_texts(target, texts, path, max_tokens=64, batch_tokens=128)
    for a, b in zip(table.rows, usual.rows, strict=True):
        assert a.text_id == b.text_id
        same(a.target, b.target, 0)
        same(a.base, b.base, 0)


# --- the file -----------------------------------------------------------------------------------


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
    assert again.sampler == Sampler()
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

    monkeypatch.setattr(Scorer, "__call__", full)
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


def test_a_table_of_another_version_says_so(world, target, tmp_path):
    path = tmp_path / "s.parquet"
    score_texts(target, texts_of(world)[:2], path, max_tokens=64)
    table = pq.read_table(path)
    older = table.drop_columns(["target_sampled", "base_sampled"])
    pq.write_table(
        older.replace_schema_metadata({**table.schema.metadata, b"schema_version": b"1"}), path
    )
    with pytest.raises(EvidenceError, match="of version 1; this llmsafe reads 2: audit again"):
        read_scores(path)
    pq.write_table(table.replace_schema_metadata({}), path)
    with pytest.raises(EvidenceError, match="no score table"):
        read_scores(path)


# --- several processes --------------------------------------------------------------------------


def test_sigterm_from_the_launcher_removes_what_is_unfinished(tmp_path):
    before = signal.getsignal(signal.SIGTERM)
    part = tmp_path / "vault" / "part"
    with pytest.raises(SystemExit) as left, clean_end(), module._writer(part, {}):
        assert len(list(part.parent.iterdir())) == 1
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(5)
    assert left.value.code == 143
    assert list(part.parent.iterdir()) == []
    assert signal.getsignal(signal.SIGTERM) is before


RANK = """
    import os, pickle, signal, sys
    from dataclasses import replace
    from pathlib import Path
    from llmsafe.audit.ranks import join_ranks
    from llmsafe.audit.scores import score_texts
    from llmsafe.audit.target import open_target

    run, out, job = sys.argv[1], Path(sys.argv[2]), sys.argv[3]
    ranks = join_ranks("cpu")
    assert ranks.size == 2 and ranks.leader == (ranks.index == 0)
    texts = pickle.loads(Path(out.parent, "texts").read_bytes())
    target = open_target(run, device="cpu")
    place = out if ranks.leader else Path("a-path-that-nobody-uses")
    settings = {"max_tokens": 64, "batch_tokens": 70, "ranks": ranks}

    table = score_texts(target, texts, place / "s.parquet", **settings)
    (out.parent / f"rows-{ranks.index}").write_bytes(pickle.dumps(table))
    ranks.wait()

    def late(*args):
        if ranks.index == 1:
            os.kill(os.getpid(), signal.SIGKILL)
        return before(*args)

    from llmsafe.audit.forward import Scorer
    before, Scorer.__call__ = Scorer.__call__, late
    if job == "others" and ranks.index == 1:
        texts = [replace(texts[0], text="another text"), *texts[1:]]
    score_texts(target, texts, place / "again.parquet", **settings)
"""


@pytest.mark.parametrize("job", ["killed", "others"])
def test_two_processes_make_the_table_of_one_or_none(world, target, tmp_path, monkeypatch, job):
    texts = texts_of(world)
    vault = tmp_path / "vault"
    (tmp_path / "texts").write_bytes(pickle.dumps(texts))
    script = tmp_path / "rank.py"
    script.write_text(textwrap.dedent(RANK))
    monkeypatch.chdir(tmp_path)
    started = [Forked(script, str(world.run), str(vault), job, **rank) for rank in ranks(2)]
    alone = score_texts(target, texts, tmp_path / "alone.parquet", max_tokens=64, batch_tokens=70)
    done = [process.result() for process in started]
    # First all went well: the leader's file alone, private, and the scores of one process.
    assert [p.name for p in vault.iterdir()] == ["s.parquet"], done
    assert stat.S_IMODE((vault / "s.parquet").stat().st_mode) == 0o600
    tables = [read_scores(vault / "s.parquet")]
    tables += [pickle.loads((tmp_path / f"rows-{rank}").read_bytes()) for rank in range(2)]
    for table in tables:
        assert len(table.rows) == len(texts)
        for a, b in zip(table.of(*ROLES), alone.of(*ROLES), strict=True):
            assert (a.text_id, a.unit_id, a.role) == (b.text_id, b.unit_id, b.role)
            assert (a.secret, a.zlib_bytes) == (b.secret, b.zlib_bytes)
            same(a.target, b.target, 2e-6)  # bit for bit only with as many threads
            same(a.base, b.base, 2e-6)
    # Then one of them was lost: no second file, no part, no hang, and the leader says why.
    assert all(process.returncode != 0 for process in done), done
    assert "another process of this audit ended early" in done[0].stderr
    if job == "others":
        assert "process 1 was given other texts" in done[1].stderr
    assert [process.stdout for process in done] == ["", ""]
