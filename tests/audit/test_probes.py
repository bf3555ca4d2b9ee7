"""What costs more than two passes, end to end: more attacks, searches, generated texts, repeats."""

import dataclasses
import json
import random
from functools import partial

import pytest

from llmsafe.artifacts import CanaryOutcomes, Measured
from llmsafe.audit.population import gather
from llmsafe.audit.request import EXTRAS, Request
from llmsafe.audit.run import MEASURED, OUTCOMES, run_again, run_audit
from llmsafe.audit.sampled_exposure import sampled_exposure
from llmsafe.audit.target import open_target
from llmsafe.canary import DEFAULT_KIND, make_canaries, make_manifest
from llmsafe.corpus import write_corpus
from llmsafe.errors import EvidenceError, InputError
from llmsafe.notes import Note, PhiSpan


def numbers(text):
    """Runs of five digits, as a scrubber would see record numbers."""
    import re

    return [PhiSpan(*m.span(), "MRN") for m in re.finditer(r"\b\d{5}\b", text)]


@pytest.fixture(scope="module")
def everything(target, tmp_path_factory):
    folder = tmp_path_factory.mktemp("everything")
    request = Request(seed=1, also=frozenset(EXTRAS), generate=60)
    with pytest.MonkeyPatch.context() as patch:
        fewer = partial(sampled_exposure, samples=200)  # as true at 40 % of the time
        patch.setattr("llmsafe.audit.probes.sampled_exposure", fewer)
        audit = run_audit(target, folder / "scores.parquet", request, detect=numbers)
    return audit, folder


def attacks_on(audit, population):
    return {m.attack: m for m in audit.membership if m.population == population}


def test_every_further_attack_is_judged_on_canaries_patients_and_notes(everything):
    audit, _ = everything
    wanted = {"lowercase", "recall", "neighbourhood", "loss", "ez"}
    for population in ("canaries", "patients", "notes"):
        found = attacks_on(audit, population)
        assert wanted <= set(found)
        assert found["neighbourhood"].auc.value > 0.8
    assert [m.population for m in audit.membership if m.primary] == [
        "canaries",
        "patients",
        "notes",
    ]
    assert audit.scoring.passes == {
        "scores": 2.0,
        "lowercase": 1.0,
        "recall": 1.0,
        "neighbourhood": 6.0,
    }


def test_the_prefix_of_recall_is_judged_by_no_attack(target, everything):
    audit, _ = everything
    whole = gather(target, Request(seed=1), rng=random.Random(1))
    found = whole.with_prefix(random.Random("prefix 1"))
    aside = {text.unit_id for text in found.prefix}
    assert len(aside) == 1
    assert not aside & {t.unit_id for t in found.of("non_member")}
    assert {t.unit_id for t in whole.of("non_member")} == aside | {
        t.unit_id for t in found.of("non_member")
    }
    sizes = {m.non_members for m in audit.membership if m.population == "patients"}
    assert sizes == {len({t.unit_id for t in found.of("non_member")})}


def test_secrets_are_exposed_among_random_ones_and_among_all(everything):
    audit, _ = everything
    sampled, searched = audit.exposure.sampled, audit.exposure.searched
    assert sampled.excess_bits.low > 2
    assert sampled.mean_low <= sampled.mean_bits <= sampled.mean_high
    assert abs(sampled.withheld_mean_bits - sampled.null_mean_bits) < 1
    assert sampled.base_mean_bits < sampled.null_mean_bits + 1
    assert searched.mean_low > 2
    assert searched.space_bits == pytest.approx(16.6, abs=0.1)
    # A search knows at least what the samples of the same secrets suggest.
    assert searched.mean_high > sampled.mean_bits - 2


def test_candidates_are_told_apart_by_text_before_and_around(everything):
    audit, _ = everything
    found = [e for e in audit.extraction if e.method == "candidates"]
    assert [e.what.split("(")[1] for e in found] == ["reconstruction)", "inference)"]
    for one in found:
        assert one.chance == 0.01
        assert one.rate.low > 0.3
        assert one.withheld_extracted <= 0.2 * one.withheld_tried
        assert one.base_extracted < one.extracted


def test_generated_texts_are_searched_for_training_notes_and_personal_data(everything, world):
    audit, _ = everything
    assert (audit.generated.texts, audit.generated.base_texts) == (60, 60)
    # Too short a text holds no passage of 50 tokens, and is not tried. How many are that short
    # differs from one machine to the next; it may be all of them.
    tried = {e.tried for e in audit.extraction if e.method == "generated"}
    assert tried <= {most} if (most := max(tried, default=0)) else not tried
    assert most < 60
    [leak] = audit.phi
    assert leak.category == "MRN"
    assert leak.in_corpus is None
    assert leak.generated_by_model > 0


def test_an_earlier_audit_is_assessed_again_without_a_model(everything, world, monkeypatch):
    import llmsafe.audit.target as loader

    audit, folder = everything
    monkeypatch.setattr(loader, "load_causal", None)
    canaries = world.run / "vault" / "canaries.json"
    assert run_again(str(world.run), folder, canaries=canaries) == audit


def test_scores_of_other_weights_or_other_canaries_are_not_assessed(everything, world, tmp_path):
    import shutil

    _, folder = everything
    copy = shutil.copytree(folder, tmp_path / "copy")
    measured = Measured.load(copy / MEASURED)
    other = measured.model.model_copy(update={"weights_digest": "sha256:0"})
    measured.model_copy(update={"model": other}).save(copy / MEASURED)
    with pytest.raises(EvidenceError, match="other weights"):
        run_again(str(world.run), copy)
    (copy / MEASURED).unlink()
    with pytest.raises(EvidenceError, match="cannot read"):
        run_again(str(world.run), copy)
    shutil.copy(folder / MEASURED, copy / MEASURED)
    (copy / "scores.recall.parquet").unlink()
    with pytest.raises(EvidenceError, match="not the table that this audit wrote"):
        run_again(str(world.run), copy)


def test_outcomes_hide_secrets_unless_they_are_asked_for(everything, target, tmp_path, world):
    audit, folder = everything
    outcomes = CanaryOutcomes.load(folder / OUTCOMES)
    assert (folder / OUTCOMES).stat().st_mode & 0o777 == 0o600
    assert len(outcomes.canaries) == len(world.manifest.canaries)
    assert all(one.secret.startswith("sha256:") for one in outcomes.canaries)
    scores = [one.score for one in outcomes.canaries]
    assert scores == sorted(scores, reverse=True)
    greedy = next(e for e in audit.extraction if e.method == "greedy" and "canary" in e.what)
    assert sum(one.extracted for one in outcomes.canaries if one.planted) == greedy.extracted
    run_audit(target, tmp_path / "s.parquet", reveal=True)
    shown = CanaryOutcomes.load(tmp_path / OUTCOMES)
    secrets = {c.canary_id: c.text[c.secret_start : c.secret_end] for c in world.manifest.canaries}
    assert {one.canary_id: one.secret for one in shown.canaries} == secrets


# --- generated elsewhere, and gold --------------------------------------------------------------


def test_texts_of_another_program_are_read(target, tmp_path, world):
    """A member's note and its copy with a change in the middle are found; the base's are not."""
    path = tmp_path / "texts.jsonl"
    notes = [
        Note(f"x{i}", " ".join(f"item{i}x{k} seen" for k in range(7)), f"x{i}") for i in (1, 2)
    ]
    write_corpus(tmp_path / "in", [*world.members, *notes])
    write_corpus(tmp_path / "out", world.non_members)
    near = notes[1].text.replace("item2x3", "item2x8")
    rows = [{"text": notes[0].text, "prompt": "left alone"}, {"text": near}]
    rows += [{"text": "nothing of the kind", "by": "model"}]
    rows += [{"text": notes[0].text, "by": "base"}]  # excuses nothing: it is only said to be so
    path.write_text("\n".join(json.dumps(row) for row in rows))
    request = Request(
        members=str(tmp_path / "in"), non_members=str(tmp_path / "out"), generations=path,
        max_tokens=128,
    )  # fmt: skip
    audit = run_audit(target, tmp_path / "s.parquet", request)
    near_verbatim, verbatim = [e for e in audit.extraction if e.method == "generated"]
    assert (near_verbatim.extracted, near_verbatim.tried) == (2, 2)
    assert verbatim.extracted == 1
    assert near_verbatim.base_extracted == 2  # one of one, as of two
    assert near_verbatim.boilerplate == 0
    assert {one.source for one in (near_verbatim, verbatim)} == {"file"}
    assert audit.generated.source == "file"
    path.write_text('{"text": "good"}\n{"words": "secret words"}\n')
    with pytest.raises(InputError, match="line 2") as caught:
        run_audit(target, tmp_path / "t.parquet", request)
    assert not (tmp_path / "t.parquet").exists()  # found before anything is scored
    assert "secret words" not in str(caught.value)


def test_gold_says_what_was_missed_and_what_the_model_emits(target, tmp_path, world):
    text = "Seen today: Ada Lovelace, record number 31415."
    spans = [
        {"start": 12, "end": 24, "category": "NAME"},
        {"start": 40, "end": 45, "category": "MRN"},
    ]
    write_corpus(tmp_path / "gold", [Note("g1", text, "p", extra={"spans": spans})])
    found = tmp_path / "found.jsonl"
    found.write_text(json.dumps({"note_id": "g1", "spans": spans[:1]}) + "\n")
    texts = tmp_path / "texts.jsonl"
    texts.write_text('{"text": "number 31415 again"}\n{"text": "31 415", "by": "base"}\n')
    request = Request(gold=str(tmp_path / "gold"), spans=found, generations=texts)
    audit = run_audit(target, tmp_path / "s.parquet", request)
    leaks = {leak.category: leak for leak in audit.phi}
    name, number = leaks["NAME"], leaks["MRN"]
    assert (name.in_corpus, name.missed_by_scrubber, name.emitted_by_model) == (1, 0, 0)
    assert (number.in_corpus, number.missed_by_scrubber) == (1, 1)
    assert (number.emitted_by_model, number.emitted_by_base) == (1, 1)
    bad = dataclasses.replace(request, spans=None, gold=str(world.corpus))
    with pytest.raises(InputError, match="no column 'spans'"):
        run_audit(target, tmp_path / "t.parquet", bad)
    found.write_text(json.dumps({"note_id": "another", "spans": []}) + "\n")
    with pytest.raises(InputError, match="does not know every note"):
        run_audit(target, tmp_path / "t.parquet", request)


def test_a_request_that_contradicts_itself_is_refused(tmp_path):
    for wrong, said in (
        ({"also": frozenset({"recal"})}, "choose from lowercase"),
        ({"generate": 5, "generations": tmp_path}, "give one"),
        ({"spans": tmp_path}, "--gold"),
        ({"generate": -1}, "0 or more"),
    ):
        with pytest.raises(InputError, match=said):
            Request(**wrong)


def test_without_canaries_or_outsiders_the_rest_is_named(world, tmp_path):
    import shutil

    copy = shutil.copytree(world.run / "release", tmp_path / "copy")
    request = Request(also=frozenset(EXTRAS))
    audit = run_audit(open_target(copy), tmp_path / "s.parquet", request)
    said = {missing.what for missing in audit.unmeasured}
    assert {"exposure among all secrets", "candidates"} <= said


def test_canaries_of_the_default_kind_have_candidates_and_exposure_by_samples(world, tmp_path):
    import shutil

    copy = shutil.copytree(world.run / "release", tmp_path / "copy")
    canaries = make_canaries(count=12, kind=DEFAULT_KIND, seed=2)
    manifest = make_manifest(
        canaries, kind=DEFAULT_KIND, seed=2, probability=0.5, lang="en", corpus_digest="sha256:0"
    )
    request = Request(
        canaries=manifest.save(tmp_path / "canaries.json"),
        also=frozenset({"exposure", "candidates"}),
    )
    audit = run_audit(open_target(copy), tmp_path / "s.parquet", request)
    sampled = audit.exposure.sampled
    # The model never saw them: all are ranked as chance has it.
    assert sampled.secrets == sum(c.planted for c in canaries)
    assert sampled.excess_bits.low < 0 < sampled.excess_bits.high
    assert abs(sampled.withheld_mean_bits - sampled.null_mean_bits) < 2
    told = [e for e in audit.extraction if e.method == "candidates"]
    assert [e.tried for e in told] == [sampled.secrets] * 2
    assert all(e.extracted <= 3 for e in told)
    # A search through all of them goes by digits, and the way to have some is told.
    (searched,) = [m.why for m in audit.unmeasured if m.what == "exposure by search"]
    assert "--kind phi" in searched
