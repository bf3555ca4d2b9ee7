"""The whole audit on a tiny run: a leak is caught, an untrained adapter is not, evidence counts."""

import dataclasses
import json
import random
import shutil

import pytest

from llmsafe.artifacts import (
    Audit,
    CanaryManifest,
    CanaryOutcomes,
    Lineage,
    Measured,
    Policy,
    ShadowRun,
    ShadowRuns,
    Split,
)
from llmsafe.audit.assess import utility
from llmsafe.audit.evidence import Evidence
from llmsafe.audit.population import alike_units, gather
from llmsafe.audit.request import Request
from llmsafe.audit.run import run_again, run_audit
from llmsafe.audit.scores import read_scores
from llmsafe.audit.target import open_target
from llmsafe.corpus import open_corpus, write_corpus
from llmsafe.errors import EvidenceError, InputError
from llmsafe.files import sha256_file
from llmsafe.notes import Note, group_units, texts_digest
from llmsafe.train.units import split_units


@pytest.fixture(scope="module")
def leaky(target, tmp_path_factory):
    path = tmp_path_factory.mktemp("leaky") / "scores.parquet"
    audit = run_audit(target, path, Request(seed=1))
    return audit, read_scores(path), path


@pytest.fixture
def run(world, tmp_path):
    return shutil.copytree(world.run, tmp_path / "run")


def primary(audit, population):
    [found] = [m for m in audit.membership if m.primary and m.population == population]
    return found


def test_an_overfitted_run_is_caught_in_every_way(leaky, world):
    audit, _, _ = leaky
    assert primary(audit, "canaries").auc.value >= 0.95
    assert primary(audit, "patients").auc.low > 0.6
    bound, _ = audit.bounds
    assert bound.canaries == len(world.manifest.canaries)
    assert 0.5 * bound.ceiling < bound.epsilon_lower <= bound.ceiling
    assert audit.exposure.excess_bits.low > 1
    secrets = audit.extraction[0]
    assert secrets.rate.low > 0.05
    assert (secrets.base_extracted, secrets.withheld_extracted) == (0, 0)
    assert audit.utility.perplexity > 1
    assert audit.verdict.status == "none"
    assert audit.blind_auc.low <= 0.5
    assert audit.seconds > 0


def test_populations_are_those_of_the_split(leaky, world):
    _, table, _ = leaky
    ids = {role: {r.text_id for r in table.of(role)} for role in ("member", "non_member")}
    assert ids["member"] == {n.note_id for n in world.members}
    assert ids["non_member"] == {n.note_id for n in world.non_members}
    planted = {c.canary_id for c in world.manifest.canaries if c.planted}
    assert {r.text_id for r in table.of("planted")} == planted


def test_an_untrained_adapter_shows_nothing(world, tiny, tmp_path):
    import torch

    adapter = tiny.lora(world.base, seed=7)
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for name, parameter in adapter.named_parameters():
            if "lora_B" in name:  # zero at the start: noise makes it another model, untrained
                parameter.copy_(0.02 * torch.randn(parameter.shape, generator=generator))
    run = tiny.write_run(world, tmp_path / "noise", adapter, epsilon=2.0)
    audit = run_audit(open_target(run), tmp_path / "s.parquet")
    for population in ("canaries", "patients"):
        assert primary(audit, population).auc.low <= 0.5
    assert audit.bounds[0].epsilon_lower < 0.5
    assert audit.exposure.excess_bits.low <= 0 <= audit.exposure.excess_bits.high
    assert audit.extraction[0].extracted == 0
    assert audit.verdict.alarms == []


def test_an_adapter_that_does_nothing_is_named(world, tiny, tmp_path):
    run = tiny.write_run(world, tmp_path / "idle", tiny.lora(world.base), epsilon=2.0)
    audit = run_audit(open_target(run), tmp_path / "s.parquet")
    assert any("adapter changes nothing" in u.why for u in audit.unmeasured)
    [gain] = [
        m for m in audit.membership if m.attack == "base_difference" and m.population == "canaries"
    ]
    assert gain.auc.value == 0.5


def test_a_claim_that_the_leak_refutes_is_flagged(world, tiny, tmp_path):
    """Noise switched off, a claimed ε of 1: the training is broken, policy or not."""
    adapter = open_target(world.run).model
    run = tiny.write_run(world, tmp_path / "liar", adapter, epsilon=1.0)
    for policy in (None, Policy(max_epsilon_lower=100)):
        audit = run_audit(open_target(run), tmp_path / "s.parquet", Request(policy=policy))
        assert audit.verdict.status == "fail"
        assert "training is broken" in audit.verdict.alarms[0]


def test_figures_come_from_the_files_alone(leaky, world):
    audit, _, path = leaky
    canaries = world.run / "vault" / "canaries.json"
    assert run_again(str(world.run), path.parent, canaries=canaries) == audit
    stricter = run_again(str(world.run), path.parent, policy=Policy(max_canary_auc=0.6))
    assert stricter.verdict.status == "fail"
    assert stricter.membership == audit.membership


def test_the_same_seed_gives_the_same_audit_and_json_round_trips(leaky, target, tmp_path):
    audit, _, _ = leaky
    again = run_audit(target, tmp_path / "s.parquet", Request(seed=1, batch_tokens=97))
    # Other batches round otherwise in the last digit of a score, and nowhere else.
    for name in ("bounds", "extraction", "blind_auc", "verdict", "unmeasured"):
        assert getattr(audit, name) == getattr(again, name)
    for a, b in zip(audit.membership, again.membership, strict=True):
        assert a.auc.value == pytest.approx(b.auc.value, abs=0.01)
    path = audit.save(tmp_path / "audit.json")
    assert Audit.load(path) == audit


def strings(value):
    match value:
        case str():
            yield value
        case dict():
            for key, inner in value.items():
                yield key
                yield from strings(inner)
        case list() | tuple():
            for inner in value:
                yield from strings(inner)


def test_nothing_published_holds_text_secrets_or_ids(leaky, world):
    audit, _, _ = leaky
    data = "\n".join(strings(audit.model_dump()))
    for canary in world.manifest.canaries:
        assert canary.text[canary.secret_start : canary.secret_end] not in data
        assert canary.patient_id not in data
        assert canary.text[:15] not in data
    for note in world.members:
        assert note.text[:20] not in data
        assert note.patient_id not in data.split()


def test_release_folder_gives_everything_too(world, leaky, tmp_path):
    audit = run_audit(open_target(world.run / "release"), tmp_path / "s.parquet", Request(seed=1))
    drop = {"seconds": 0.0, "scoring": None, "model": audit.model}
    assert audit.model_copy(update=drop) == leaky[0].model_copy(update=drop)


def test_perplexity_is_that_of_the_tokens(leaky):
    import numpy as np

    audit, table, _ = leaky
    rows = table.of("non_member")
    logp = np.concatenate([r.target.logp for r in rows]).astype(float)
    assert audit.utility.tokens == logp.size
    assert audit.utility.perplexity == pytest.approx(np.exp(-logp.mean()))
    assert utility([]) is None


# --- evidence that does not fit -------------------------------------------------------------------


def test_canaries_of_another_run_are_refused(world, tiny, target, tmp_path):
    other = tiny.make_manifest(80, seed=99).save(tmp_path / "other.json")
    with pytest.raises(EvidenceError, match="from another run"):
        run_audit(target, tmp_path / "s.parquet", Request(canaries=other))
    assert not (tmp_path / "s.parquet").exists()


def test_coins_changed_after_training_are_noticed(run):
    path = run / "vault" / "canaries.json"
    data = json.loads(path.read_text())
    for canary in data["canaries"]:
        canary["planted"] = not canary["planted"]
    path.write_text(json.dumps(data))
    with pytest.raises(EvidenceError, match="changed"):
        run_audit(open_target(run), run / "s.parquet")


def test_a_canary_file_without_lineage_must_fit_the_split(world, tiny, run):
    (run / "vault" / "lineage.json").unlink()
    found = gather(open_target(run), rng=random.Random(0))
    assert any("whether the canaries belong" in u.what for u in found.unmeasured)
    tiny.make_manifest(80, seed=99).save(run / "vault" / "canaries.json")
    with pytest.raises(EvidenceError, match="planted canaries are not among the members"):
        gather(open_target(run), rng=random.Random(0))


def test_lost_canaries_and_a_run_that_planted_none(run):
    (run / "vault" / "canaries.json").unlink()
    with pytest.raises(EvidenceError, match=r"no canaries\.json"):
        gather(open_target(run), rng=random.Random(0))
    path = run / "vault" / "lineage.json"
    step = Lineage.load(path).steps[-1]
    none = step.model_copy(update={"inputs": {**step.inputs, "canaries": "none"}})
    Lineage(steps=[none]).save(path)
    found = gather(open_target(run), rng=random.Random(0))
    assert found.canaries is None
    assert any("planted none" in u.why for u in found.unmeasured)
    assert found.of("member")


def test_a_corpus_changed_since_training_is_refused(world, run, tmp_path):
    moved = shutil.copytree(world.corpus, tmp_path / "corpus")
    path = run / "vault" / "lineage.json"
    step = Lineage.load(path).steps[-1]
    elsewhere = step.model_copy(update={"settings": {**step.settings, "corpus_path": str(moved)}})
    Lineage(steps=[elsewhere]).save(path)
    assert gather(open_target(run), rng=random.Random(0)).of("member")
    part = next((moved / "corpus").glob("part-*"))
    part.write_text(part.read_text().replace("fever", "Fever", 1))
    with pytest.raises(EvidenceError, match="changed since training"):
        gather(open_target(run), rng=random.Random(0))
    shutil.rmtree(moved)
    found = gather(open_target(run), rng=random.Random(0))
    assert not found.of("member")
    assert any("no longer where" in u.why for u in found.unmeasured)


def test_a_release_alone_lists_everything_as_not_measured(world, tmp_path):
    folder = shutil.copytree(world.run / "release", tmp_path / "copy")
    audit = run_audit(open_target(folder), tmp_path / "s.parquet")
    assert read_scores(tmp_path / "s.parquet").rows == ()
    assert audit.privacy == open_target(world.run).privacy
    assert (audit.membership, audit.bounds, audit.extraction) == ([], [], [])
    assert (audit.canaries, audit.exposure, audit.utility, audit.blind_auc) == (None,) * 4
    said = " ".join(missing.what for missing in audit.unmeasured)
    for what in ("training evidence", "ε bound", "exposure", "extraction", "membership"):
        assert what in said
    assert audit.verdict.status == "none"


@pytest.mark.parametrize("lost", ["vault", "digest of the weights"])
def test_canaries_that_no_lineage_ties_to_the_weights_are_never_a_pass(tiny, run, tmp_path, lost):
    """An idle adapter, or canaries never trained on, have low figures: that is no evidence."""
    policy = Policy(max_canary_auc=0.999, max_exposure_excess_bits=99, require=["canaries"])
    foreign = tiny.make_manifest(80, seed=99).save(run / "foreign.json")
    if lost == "vault":
        copy, given = shutil.copytree(run / "release", tmp_path / "copy"), foreign
    else:
        path = run / "vault" / "lineage.json"
        step = Lineage.load(path).steps[-1]
        Lineage(steps=[step.model_copy(update={"outputs": {}})]).save(path)
        copy, given = run, None
    request = Request(canaries=given, policy=policy)
    audit = run_audit(open_target(copy), run / "s.parquet", request)
    assert audit.bounds
    assert audit.exposure is not None  # shown, not believed
    assert audit.verdict.status == "inconclusive"
    assert all("not known to be this model's" in reason for reason in audit.verdict.reasons)
    assert len(audit.verdict.reasons) == 3


def test_a_plain_model_with_files_measures_what_it_can(world, tmp_path):
    merged = tmp_path / "merged"
    opened = open_target(world.run)
    opened.model.merge_and_unload().save_pretrained(merged)
    opened.tokenizer.save_pretrained(merged)
    write_corpus(tmp_path / "in", world.members)
    write_corpus(tmp_path / "out", world.non_members)
    request = Request(
        canaries=world.run / "vault" / "canaries.json",
        members=str(tmp_path / "in"),
        non_members=str(tmp_path / "out"),
        policy=Policy(require=["privacy"]),
    )
    audit = run_audit(open_target(merged), tmp_path / "s.parquet", request)
    assert not read_scores(tmp_path / "s.parquet").has_base
    assert primary(audit, "canaries").attack == "zlib"
    assert primary(audit, "patients").auc.value > 0.9
    assert audit.extraction[0].base_extracted is None
    assert audit.utility.perplexity_base is None
    assert audit.verdict.status == "inconclusive"
    said = {u.what for u in audit.unmeasured}
    assert {"privacy claim", "comparison with the base model"} <= said


# --- populations ----------------------------------------------------------------------------------


def test_members_and_non_members_go_together():
    with pytest.raises(InputError, match="go together"):
        Request(members="a.jsonl")


def test_the_cap_takes_whole_units_and_every_canary(target, world):
    found = gather(target, Request(max_texts=7), rng=random.Random(0))
    for role in ("member", "non_member"):
        units = [t.unit_id for t in found.of(role)]
        assert len(units) == 6  # three patients with two notes each
        assert len(set(units)) == 3
    assert len(found.of("planted", "withheld")) == len(world.manifest.canaries)
    other = gather(target, Request(max_texts=7), rng=random.Random(5))
    assert {t.unit_id for t in other.of("member")} != {t.unit_id for t in found.of("member")}


def test_canaries_are_never_members(world, target, tmp_path):
    planted = [Note(c.note_id, c.text, c.patient_id) for c in world.manifest.canaries if c.planted]
    write_corpus(tmp_path / "in", [*world.members, *planted])
    write_corpus(tmp_path / "out", world.non_members)
    request = Request(members=str(tmp_path / "in"), non_members=str(tmp_path / "out"))
    found = gather(target, request, rng=random.Random(0))
    assert {t.text_id for t in found.of("member")} == {n.note_id for n in world.members}


@pytest.fixture
def bare(target):
    """The same model, of whose training nothing is known."""
    return dataclasses.replace(target, evidence=Evidence())


def test_a_text_on_both_sides_is_left_out_and_said(world, bare, tmp_path):
    copy = dataclasses.replace(world.members[0], note_id="copy", patient_id="other")
    write_corpus(tmp_path / "in", world.members)
    write_corpus(tmp_path / "out", [*world.non_members, copy])

    def look(inside, outside):
        request = Request(members=str(inside), non_members=str(outside))
        return gather(bare, request, rng=random.Random(0))

    found = look(tmp_path / "in", tmp_path / "out")
    assert world.members[0].text not in [t.text for t in found.of("member", "non_member")]
    [said] = [u for u in found.unmeasured if u.what == "notes that resemble another patient's"]
    assert said.why.startswith("1 of 12 members and 1 of 13 held out")
    # A text in so many notes that resemblance gives up on it is still compared word for word.
    many = [dataclasses.replace(copy, note_id=f"c{i}", patient_id=f"c{i}") for i in range(70)]
    write_corpus(tmp_path / "many", [*world.non_members, *many])
    found = look(tmp_path / "in", tmp_path / "many")
    assert world.members[0].text not in [t.text for t in found.of("member", "non_member")]
    assert any("the same text" in u.why for u in found.unmeasured)
    with pytest.raises(InputError, match="two separate sets"):
        look(tmp_path / "in", tmp_path / "in")


def test_a_patient_on_both_sides_is_left_out_and_said(world, bare, tmp_path):
    moved = dataclasses.replace(world.non_members[0], patient_id=world.members[0].patient_id)
    write_corpus(tmp_path / "in", world.members)
    write_corpus(tmp_path / "out", [*world.non_members[2:], moved])
    request = Request(members=str(tmp_path / "in"), non_members=str(tmp_path / "out"))
    found = gather(bare, request, rng=random.Random(0))
    units = {t.unit_id for t in found.of("member", "non_member")}
    assert world.members[0].patient_id not in units
    assert any(u.what == "membership of 1 patients" for u in found.unmeasured)


def test_secrets_beyond_the_limit_are_reported_not_dropped(target, tmp_path, world):
    audit = run_audit(target, tmp_path / "s.parquet", Request(max_tokens=12))
    cut = [u for u in audit.unmeasured if "canaries" in u.what and "beyond 12" in u.why]
    assert cut
    assert audit.bounds[0].canaries == len(world.manifest.canaries)


def test_unfair_coins_give_no_bound(world, run):
    path = run / "vault" / "canaries.json"
    manifest = CanaryManifest.load(path).model_copy(update={"probability": 0.3})
    manifest.save(path)
    lineage = run / "vault" / "lineage.json"
    step = Lineage.load(lineage).steps[-1]
    inputs = {**step.inputs, "canaries": sha256_file(path)}
    Lineage(steps=[step.model_copy(update={"inputs": inputs})]).save(lineage)
    audit = run_audit(open_target(run), run / "s.parquet")
    assert audit.bounds == []
    assert any("fair coins" in u.why for u in audit.unmeasured)


def unlike(count, *, seed):
    """Long texts of words of their own: none resembles another."""
    rng = random.Random(seed)
    return [" ".join(f"w{rng.randrange(10**6)}" for _ in range(30)) for _ in range(count)]


def test_what_resembles_another_patient_is_left_out_on_both_sides(world, run, tmp_path):
    texts = unlike(120, seed=1)
    notes = [Note(f"n{i}", text, f"p{i}") for i, text in enumerate(texts)]
    for i in range(60):  # half of the patients have a twin with the last words changed
        twin = " ".join([*texts[i].split()[:27], "other", "words", "here"])
        notes.append(Note(f"t{i}", twin, f"q{i}"))
    notes.append(Note("again", notes[119].text, "p119"))  # a patient's own copy is no twin
    units = group_units(notes)[1]
    split = split_units(units, "patient", held_out=0.5, seed=3)
    write_corpus(tmp_path / "new" / "corpus", notes)
    (run / "vault" / "canaries.json").unlink()
    saved = split.save(run / "vault" / "split.json")
    path = run / "vault" / "lineage.json"
    step = Lineage.load(path).steps[-1]
    place = str(tmp_path / "new")
    step = step.model_copy(
        update={
            "inputs": {**step.inputs, "corpus": open_corpus(place).digest(), "canaries": "none"},
            "outputs": {**step.outputs, "split": sha256_file(saved)},
            "settings": {**step.settings, "corpus_path": place},
        }
    )
    Lineage(steps=[step]).save(path)
    twins = {*(f"p{i}" for i in range(60)), *(f"q{i}" for i in range(60))}
    # The control: as training leaves it, having a twin tells members from held-out notes.
    share = [len(twins & set(side)) / len(side) for side in (split.members, split.held_out)]
    assert share[0] > 0.5
    assert share[1] < share[0] - 0.15
    # A twin that is in neither list counts too: here all of one side's.
    lists = set(split.members) | set(split.held_out)
    assert any(f"{a}{i}" not in lists for i in range(60) for a in "pq")
    found = gather(open_target(run), rng=random.Random(0))
    sides = [{t.unit_id for t in found.of(role)} for role in ("member", "non_member")]
    assert not twins & (sides[0] | sides[1])
    assert all(len(side) > 15 for side in sides)
    assert "p119" not in alike_units(units)
    [said] = [u for u in found.unmeasured if u.what == "notes that resemble another patient's"]
    held = len(twins & set(split.held_out))
    assert f"{len(twins & set(split.members))} of {len(split.members)} members" in said.why
    assert f"{held} of {len(split.held_out)} held out" in said.why


def test_without_resemblance_nothing_is_said_of_it(target):
    found = gather(target, rng=random.Random(0))
    assert not any("resemble" in u.what for u in found.unmeasured)


def test_only_the_notes_that_training_saw_count(run):
    path = run / "vault" / "lineage.json"
    step = Lineage.load(path).steps[-1]
    capped = step.model_copy(update={"settings": {**step.settings, "max_notes_per_unit": 1}})
    Lineage(steps=[capped]).save(path)
    found = gather(open_target(run), rng=random.Random(0))
    assert {t.text_id[-2:] for t in found.of("member", "non_member")} == {"-1"}
    settings = {k: v for k, v in step.settings.items() if k != "max_notes_per_unit"}
    Lineage(steps=[step.model_copy(update={"settings": settings})]).save(path)
    found = gather(open_target(run), rng=random.Random(0))
    assert any("which notes of a patient" in u.what for u in found.unmeasured)


# --- what nothing ties to the weights never passes ------------------------------------------------

LENIENT = Policy(
    max_canary_auc=0.999, max_membership_auc=0.9999, require=["canaries", "membership"]
)


def doubts(audit_or_population):
    return {one.doubt for one in audit_or_population.unmeasured} - {None}


@pytest.mark.parametrize("limit", [32, 65, 100])
def test_texts_scored_at_another_length_than_trained_on_never_pass(target, tiny, tmp_path, limit):
    """More tokens dilute every attack as fewer hide what was learned: neither is a pass."""
    audit = run_audit(
        target, tmp_path / "s.parquet", Request(max_tokens=limit, policy=Policy(max_canary_auc=0.9))
    )
    assert doubts(audit) == {"length"}
    [why] = [one.why for one in audit.unmeasured if one.doubt]
    assert f"{limit} tokens" in why
    assert f"{tiny.MAX_TOKENS} trained on" in why
    assert "pass" not in {reason.split(":")[0] for reason in audit.verdict.reasons}


def test_the_length_that_was_trained_on_casts_no_doubt(target, tiny, tmp_path):
    audit = run_audit(target, tmp_path / "s.parquet", Request(max_tokens=tiny.MAX_TOKENS))
    assert doubts(audit) == set()


def edit_lineage(run, **parts):
    """Change inputs, outputs or settings of the train step; ``None`` takes a key away."""
    path = run / "vault" / "lineage.json"
    step = Lineage.load(path).steps[-1]
    for part, changes in parts.items():
        found = {**getattr(step, part), **changes}
        step = step.model_copy(update={part: {k: v for k, v in found.items() if v is not None}})
    Lineage(steps=[step]).save(path)


def test_more_tokens_are_not_advised_where_training_took_no_more(run, tmp_path):
    edit_lineage(run, settings={"max_tokens": 12})
    audit = run_audit(open_target(run), run / "s.parquet")
    [why] = [one.why for one in audit.unmeasured if "secret lies beyond" in one.why]
    assert "--max-tokens" not in why
    assert "training did not see it either" in why


def test_a_lineage_that_records_no_length_casts_doubt(run):
    edit_lineage(run, settings={"max_tokens": None})
    assert "length" in doubts(run_audit(open_target(run), run / "s.parquet"))


def given(tmp_path, members, others):
    write_corpus(tmp_path / "in", members)
    write_corpus(tmp_path / "out", others)
    return Request(members=str(tmp_path / "in"), non_members=str(tmp_path / "out"), policy=LENIENT)


def renamed(notes):
    return [
        dataclasses.replace(n, note_id="x" + n.note_id, patient_id=f"x{n.patient_id}")
        for n in notes
    ]


def test_the_very_notes_of_the_split_are_proven(target, world, tmp_path):
    request = given(tmp_path, world.members, world.non_members)
    assert doubts(gather(target, request, rng=random.Random(0))) == set()


@pytest.mark.parametrize("case", ["members' text", "outsiders' text", "new ids", "new outsiders"])
def test_right_ids_with_other_texts_and_right_texts_with_other_ids_prove_nothing(
    target, world, tmp_path, case
):
    members, others = list(world.members), list(world.non_members)
    match case:
        case "members' text":
            members = [dataclasses.replace(n, text=n.text[::-1]) for n in members]
        case "outsiders' text":
            others[0] = dataclasses.replace(others[0], text=others[0].text[::-1])
        case "new ids":  # trained notes as outsiders, under ids that nobody knows
            members, others = members[:8], renamed(members[8:])
        case _:
            others = renamed(others)
    found = gather(target, given(tmp_path, members, others), rng=random.Random(0))
    assert doubts(found) == {"members"}


def test_texts_of_a_split_without_digests_are_not_believed(run, world, tmp_path):
    path = run / "vault" / "split.json"
    old = Split.load(path).model_copy(update={"texts": {}}).save(path)
    edit_lineage(run, outputs={"split": sha256_file(old)})
    request = given(tmp_path, world.members, world.non_members)
    found = gather(open_target(run), request, rng=random.Random(0))
    # The canaries' manifest was not made for this corpus either.
    assert doubts(found) == {"members", "canaries"}


@pytest.mark.parametrize("key", ["split", "adapter"])
def test_a_split_that_the_lineage_does_not_name_is_not_believed(run, key):
    edit_lineage(run, outputs={key: None})
    audit = run_audit(open_target(run), run / "s.parquet", Request(policy=LENIENT))
    assert "members" in doubts(audit)
    assert any("not known to be this model's" in reason for reason in audit.verdict.reasons)


@pytest.mark.parametrize("key", ["privacy", "adapter"])
def test_a_claim_that_the_lineage_does_not_name_is_not_believed(world, tiny, tmp_path, key):
    adapter = open_target(world.run).model
    run = tiny.write_run(world, tmp_path / "claims", adapter, epsilon=9.0)
    policy = Policy(max_claimed_epsilon=10, require_unit="patient", require=["privacy"])
    audit = run_audit(open_target(run), tmp_path / "s.parquet", Request(policy=policy))
    assert audit.verdict.status == "pass"
    edit_lineage(run, outputs={key: None})
    audit = run_audit(open_target(run), tmp_path / "s.parquet", Request(policy=policy))
    assert audit.verdict.status == "inconclusive"
    assert all("nothing ties the statement" in reason for reason in audit.verdict.reasons)


def test_planted_texts_must_be_those_of_the_corpus(run, world):
    """Ids of planted canaries with texts that the model never saw show no leak."""
    path = run / "vault" / "split.json"
    split = Split.load(path)
    planted = next(c for c in world.manifest.canaries if c.planted)
    held = next(c for c in world.manifest.canaries if not c.planted)
    other, withheld = texts_digest(["another text"]), texts_digest([held.text])
    for unit, text, said in (
        (planted.patient_id, other, "1 have another text"),
        (split.members[0], withheld, "1 withheld ones"),
    ):
        changed = split.model_copy(update={"texts": {**split.texts, unit: text}}).save(path)
        edit_lineage(run, outputs={"split": sha256_file(changed)})
        with pytest.raises(EvidenceError, match=said):
            gather(open_target(run), rng=random.Random(0))


def test_without_digests_a_manifest_must_be_of_the_corpus_trained_on(run, world):
    path, canaries = run / "vault" / "split.json", run / "vault" / "canaries.json"
    old = Split.load(path).model_copy(update={"texts": {}}).save(path)
    for digest, expected in (("sha256:0", {"canaries"}), (None, set())):
        corpus = digest or open_corpus(world.corpus).digest()
        world.manifest.model_copy(update={"corpus_digest": corpus}).save(canaries)
        edit_lineage(
            run,
            inputs={"canaries": sha256_file(canaries)},
            outputs={"split": sha256_file(old)},
        )
        assert doubts(gather(open_target(run), rng=random.Random(0))) == expected


# --- what was measured is not lost ----------------------------------------------------------------


def test_secrets_that_need_more_draws_than_64_bits_count(target, tmp_path, monkeypatch):
    monkeypatch.setattr("llmsafe.audit.assess.samples_needed", lambda logp: 2**70)
    run_audit(target, tmp_path / "s.parquet")
    outcomes = CanaryOutcomes.load(tmp_path / "canary_outcomes.json")
    assert {one.samples_needed for one in outcomes.canaries} == {2**70}


@pytest.mark.parametrize("step", ["probe", "assess", "canary_outcomes"])
def test_what_was_scored_outlives_a_failure(target, world, tmp_path, monkeypatch, step):
    def fails(*args, **more):
        raise RuntimeError("a defect")

    with monkeypatch.context() as patched:
        patched.setattr(f"llmsafe.audit.run.{step}", fails)
        with pytest.raises(RuntimeError):
            run_audit(target, tmp_path / "scores.parquet", Request(seed=1))
    audit = run_again(str(world.run), tmp_path)
    assert audit.membership
    assert audit.bounds
    lost = [one for one in audit.unmeasured if "ended before" in one.why]
    assert bool(lost) == (step == "probe")


def test_another_list_of_who_shadows_saw_is_refused(leaky, world, target, tmp_path):
    from llmsafe.audit.tables import read_tables

    _, _, path = leaky
    folder = shutil.copytree(path.parent, tmp_path / "copy")
    measured = Measured.load(folder / "measured.json")
    (folder / "scores.shadow-0.parquet").write_bytes((folder / "scores.parquet").read_bytes())
    digest = sha256_file(folder / "scores.shadow-0.parquet")
    shadows = ShadowRuns(
        shadows=[
            ShadowRun(name="s", weights_digest="d", table="scores.shadow-0.parquet", members=[])
        ]
    ).save(folder / "shadows.json")
    tables = {**measured.tables, "scores.shadow-0.parquet": digest}
    update = {"tables": tables, "shadows": sha256_file(shadows)}
    measured = measured.model_copy(update=update)
    assert read_tables(folder, measured).shadows
    shadows.write_text(shadows.read_text().replace('"members": []', '"members": ["m0"]'))
    with pytest.raises(EvidenceError, match="not what this audit wrote"):
        read_tables(folder, measured)
