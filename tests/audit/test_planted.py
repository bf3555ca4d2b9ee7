"""Planted leaks, end to end: what was learned by heart is found, what was not is not."""

import copy
import random

import pytest
import torch

from llmsafe.artifacts import Policy
from llmsafe.audit.request import EXTRAS, Request
from llmsafe.audit.run import run_audit
from llmsafe.audit.target import open_target
from llmsafe.corpus import write_corpus
from llmsafe.models import encode_note
from llmsafe.notes import Note

KNOWN, OTHERS = 20, 60
TOKENS = 112


def long_notes(count, *, seed, prefix, tiny):
    """Notes of over 100 tokens, each a patient's own: enough for a passage of 50 after 50."""
    rng = random.Random(seed)
    return [
        Note(f"{prefix}{i}", tiny.sentence(rng, 80), f"{prefix}{i}", "2020-01-01")
        for i in range(count)
    ]


@pytest.fixture(scope="module")
def memory(world, tiny, tmp_path_factory):
    """A base, a full fine-tune of it that knows 20 notes by heart, and one that learned nothing."""
    root = tmp_path_factory.mktemp("planted")
    known = long_notes(KNOWN, seed=21, prefix="k", tiny=tiny)
    others = long_notes(OTHERS, seed=22, prefix="o", tiny=tiny)
    write_corpus(root / "in", known)
    write_corpus(root / "out", others)
    rng = random.Random(23)
    tokenizer = tiny.make_tokenizer(root / "base", [tiny.sentence(rng, 9) for _ in range(64)])
    model = tiny.make_model(root / "base", hidden=64)
    public = long_notes(20, seed=24, prefix="p", tiny=tiny)
    tiny.fit(model, rows_of(tokenizer, public), steps=30, rate=5e-3)
    model.save_pretrained(root / "base")
    for name in ("memorised", "fresh"):
        tokenizer.save_pretrained(root / name)
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        idle = copy.deepcopy(model)
        for parameter in idle.parameters():
            parameter.add_(0.002 * torch.randn(parameter.shape, generator=generator))
    idle.save_pretrained(root / "fresh")
    for steps, rate in ((200, 1e-2), (150, 3e-3)):
        tiny.fit(model, rows_of(tokenizer, known), steps=steps, rate=rate)
    model.save_pretrained(root / "memorised")
    return root


def rows_of(tokenizer, notes):
    return [encode_note(tokenizer, note.text, TOKENS)[0] for note in notes]


def audit_of(memory, name, **more):
    target = open_target(memory / name, base=str(memory / "base"))
    request = Request(
        members=str(memory / "in"), non_members=str(memory / "out"), max_tokens=TOKENS, **more
    )
    return run_audit(target, memory / f"{name}.parquet", request)


def test_all_twenty_notes_that_were_learned_by_heart_are_caught(memory):
    """Every one: by membership at no false alarm, by greedy decoding, by sampling."""
    audit = audit_of(memory, "memorised")
    patients = {m.attack: m for m in audit.membership if m.population == "patients"}
    # Not EZ: it looks where greedy decoding errs, and in these notes it errs at the first word.
    for attack in ("base_difference", "loss", "wbc"):
        assert patients[attack].members == KNOWN
        assert patients[attack].auc.value == 1.0
        assert {at.tpr.value for at in patients[attack].tpr} == {1.0}
    for one in audit.extraction:
        assert "training notes with 50 tokens" in one.what
        assert (one.tried, one.extracted) == (KNOWN, KNOWN)
        assert (one.base_extracted, one.withheld_extracted) == (0, 0)


def test_they_come_out_of_freely_generated_texts(memory):
    audit = audit_of(memory, "memorised", generate=100)
    near, verbatim, ranked = [e for e in audit.extraction if e.method == "generated"]
    assert near.extracted >= verbatim.extracted > 30
    assert near.base_extracted == 0
    assert ranked.extracted == ranked.tried == 10  # the gain over the base finds them


def test_a_fresh_base_yields_nothing_significant(memory):
    audit = audit_of(memory, "fresh", also=frozenset(EXTRAS), generate=100)
    assert audit.blind_auc.low <= 0.5
    judged = [m for m in audit.membership if m.population == "patients"]
    assert len(judged) == 10
    # 95 % intervals of ten attacks: one may miss by chance, most may not.
    assert sum(m.auc.low > 0.5 for m in judged) <= 1
    assert all(one.extracted == 0 for one in audit.extraction)


def test_noise_switched_off_under_a_claimed_epsilon_of_2_is_called_broken(world, tiny, tmp_path):
    """The canaries of the world's run, trained on without noise, and a statement that says ε = 2.

    The control is the same run under a claim that its canaries are too few to refute.
    """
    adapter = open_target(world.run).model
    for claimed, broken in ((2.0, True), (8.0, False)):
        run = tiny.write_run(world, tmp_path / f"claims-{claimed}", adapter, epsilon=claimed)
        request = Request(policy=Policy(max_claimed_epsilon=10))
        audit = run_audit(open_target(run), tmp_path / "s.parquet", request)
        assert bool(audit.verdict.alarms) == broken
        if broken:
            assert "training is broken" in audit.verdict.alarms[0]
            assert audit.verdict.status == "fail"
            assert claimed < audit.bounds[0].epsilon_lower <= audit.bounds[0].ceiling
