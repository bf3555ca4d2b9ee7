"""``llmsafe audit`` from the outside: exit codes, files, and what reaches the terminal."""

import importlib.util
import json
import shutil
import stat
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from forked import Forked

from llmsafe.artifacts import Audit, Lineage
from llmsafe.cli import main as cli
from llmsafe.corpus import write_corpus
from llmsafe.files import sha256_file

_TINY = Path(__file__).parent.parent / "audit" / "tiny.py"


@pytest.fixture(scope="module")
def tiny():
    spec = importlib.util.spec_from_file_location("audit_tiny_cli", _TINY)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def world(tiny, tmp_path_factory):
    return tiny.make_world(tmp_path_factory.mktemp("cli"), canaries=40, patients=8, steps=100)


@pytest.fixture
def run(world, tmp_path):
    return shutil.copytree(world.run, tmp_path / "run")


@pytest.fixture
def llmsafe(monkeypatch, capfd, tmp_path):
    """Call the program in a folder of its own; returns (exit code, stdout, stderr)."""
    monkeypatch.chdir(tmp_path)

    def call(*args):
        monkeypatch.setattr(sys, "argv", ["llmsafe", *map(str, args)])
        with pytest.raises(SystemExit) as stopped:
            cli.main()
        out, err = capfd.readouterr()
        return stopped.value.code or 0, out, err

    return call


def files_under(folder):
    return {str(p.relative_to(folder)): p.stat().st_mtime_ns for p in folder.rglob("*")}


def leaks(text, world):
    """Whether any note, canary or id reached ``text``."""
    secrets = [c.text[:20] for c in world.manifest.canaries]
    secrets += [c.patient_id for c in world.manifest.canaries]
    secrets += [n.text[:20] for n in (*world.members, *world.non_members)]
    return [s for s in secrets if s in text]


def test_a_run_is_audited_in_place(llmsafe, run, world):
    code, out, err = llmsafe("audit", "--model", run)
    assert code == 0, err
    audit = Audit.load(run / "release" / "audit.json")
    assert audit.bounds[0].canaries == 40
    assert out.splitlines()[-1].startswith("wrote ")
    for name in ("audit.json", "audit.html", "scores.parquet"):
        assert name in out.splitlines()[-1]
    scores = run / "vault" / "scores.parquet"
    assert stat.S_IMODE(scores.stat().st_mode) == 0o600
    assert not list((run / "vault").glob(".audit*"))
    html = (run / "release" / "audit.html").read_text()
    assert "<html" in html
    assert not leaks(out + err + html + audit.to_json(), world)
    assert "Traceback" not in err
    assert "Loading weights" not in err


def test_an_earlier_audit_is_kept_unless_forced(llmsafe, run):
    assert llmsafe("audit", "--model", run)[0] == 0
    before = files_under(run)
    code, _, err = llmsafe("audit", "--model", run)
    assert code == 2
    assert "--force" in err
    assert len(err.strip().splitlines()) == 1
    assert files_under(run) == before
    assert llmsafe("audit", "--model", run / "release", "--force")[0] == 0
    assert Audit.load(run / "release" / "audit.json").model.kind == "release"


def test_json_is_the_audit_and_nothing_else_is_on_stdout(llmsafe, run):
    code, out, err = llmsafe("audit", "--model", run, "--json")
    assert code == 0
    assert Audit.model_validate(json.loads(out)) == Audit.load(run / "release" / "audit.json")
    assert "wrote " in err


def test_a_leaky_run_fails_the_release_policy(llmsafe, run):
    code, _, err = llmsafe("audit", "--model", run, "--policy", "release")
    assert code == 1
    audit = Audit.load(run / "release" / "audit.json")  # judged, and written all the same
    assert audit.verdict.status == "fail"
    assert audit.policy.name == "release"
    assert "verdict: fail (policy release)" in err
    assert "canary AUC" in err


def test_exit_codes_follow_the_verdict(llmsafe, run, tmp_path):
    def judged(**policy):
        (tmp_path / "p.yaml").write_text(yaml.safe_dump(policy))
        return llmsafe("audit", "--model", run, "--force", "--policy", tmp_path / "p.yaml")[0]

    assert judged(require_unit="note") == 0
    assert judged(max_exposure_excess_bits=100) == 3  # so few references show at most 3 bits
    assert judged(max_epsilon_lower=50) == 3  # the ceiling is far under it


def test_a_refuted_claim_fails_without_a_policy(llmsafe, world, tiny, tmp_path):
    from llmsafe.audit.target import open_target

    run = tiny.write_run(world, tmp_path / "liar", open_target(world.run).model, epsilon=0.5)
    code, _, err = llmsafe("audit", "--model", run)
    assert code == 1
    assert "ALARM: training is broken" in err


def bare(world, folder):
    folder.mkdir()
    for name in ("adapter_model.safetensors", "adapter_config.json"):
        shutil.copy(world.run / "release" / name, folder)
    return folder


def test_a_bare_adapter_says_what_was_not_measured(llmsafe, world, tmp_path):
    adapter = bare(world, tmp_path / "mine")
    write_corpus(tmp_path / "in", world.members)
    write_corpus(tmp_path / "out", world.non_members)
    given = ("--members", tmp_path / "in", "--non-members", tmp_path / "out")
    code, _, err = llmsafe("audit", "--model", adapter, *given)
    assert code == 0, err
    for what in ("privacy claim", "training evidence", "canary game"):
        assert f"not measured: {what}" in err
    place = tmp_path / "audit-mine"
    assert Audit.load(place / "audit.json").canaries is None
    assert (place / "vault" / "scores.parquet").is_file()
    assert stat.S_IMODE((place / "vault").stat().st_mode) == 0o700
    assert not (adapter / "audit.json").exists()
    # The same with a policy that asks for what is not there: exit 3.
    policy = tmp_path / "p.yaml"
    policy.write_text("require: [canaries]\nmax_membership_auc: 0.9")
    again = ("--policy", policy, "--out", tmp_path / "again")
    code, _, err = llmsafe("audit", "--model", adapter, *given, *again)
    assert code == 3
    assert "evidence 'canaries' is required" in err


def test_a_plain_model_folder(llmsafe, world, tmp_path):
    canaries = world.run / "vault" / "canaries.json"
    out_folder = tmp_path / "deep" / "out"
    code, _, err = llmsafe(
        "audit", "--model", world.base, "--canaries", canaries, "--out", out_folder
    )
    assert code == 0, err
    audit = Audit.load(out_folder / "audit.json")
    assert audit.model.kind == "model"
    assert audit.membership[0].auc.low <= 0.5 <= audit.membership[0].auc.high
    assert "comparison with the base model" in err


def test_a_release_copied_away_is_audited_with_nothing(llmsafe, run, tmp_path):
    copy = shutil.copytree(run / "release", tmp_path / "copy")
    code, _, err = llmsafe("audit", "--model", copy)
    assert code == 0, err
    for what in ("training evidence", "canary game", "membership of real notes"):
        assert f"not measured: {what}" in err
    audit = Audit.load(tmp_path / "audit-copy" / "audit.json")
    assert audit.privacy is not None
    assert "<html" in (tmp_path / "audit-copy" / "audit.html").read_text()
    (tmp_path / "p.yaml").write_text("require: [canaries]\nmax_canary_auc: 0.6")
    again = ("--policy", tmp_path / "p.yaml", "--out", tmp_path / "again")
    assert llmsafe("audit", "--model", copy, *again)[0] == 3
    assert Audit.load(tmp_path / "again" / "audit.json").verdict.status == "inconclusive"


def test_canaries_the_model_never_saw_do_not_pass(llmsafe, run, tiny, tmp_path):
    copy = shutil.copytree(run / "release", tmp_path / "copy")
    foreign = tiny.make_manifest(40, seed=8).save(tmp_path / "foreign.json")
    policy = tmp_path / "p.yaml"
    policy.write_text("max_canary_auc: 0.999\nmax_exposure_excess_bits: 50\n")
    args = ("--model", copy, "--canaries", foreign, "--policy", policy)
    code, _, err = llmsafe("audit", *args)
    assert code == 3
    assert "the canaries are not known to be this model's" in err


def test_lineage_and_card_take_the_audit_up(llmsafe, run):
    before = Lineage.load(run / "vault" / "lineage.json").steps
    for extra in ((), ("--force", "--seed", 5)):
        assert llmsafe("audit", "--model", run, *extra)[0] == 0
        *earlier, last = Lineage.load(run / "vault" / "lineage.json").steps
        assert earlier == before  # the second audit took the place of the first
        assert last.step == "audit"
        assert last.outputs == {
            "audit": sha256_file(run / "release" / "audit.json"),
            "page": sha256_file(run / "release" / "audit.html"),
            "measured": sha256_file(run / "vault" / "measured.json"),
        }
        assert stat.S_IMODE((run / "vault" / "lineage.json").stat().st_mode) == 0o600
    card = run / "release" / "README.md"
    assert "Not audited yet" not in card.read_text()
    assert "this adapter" in card.read_text()  # the table of its figures
    card.write_text("mine")
    assert llmsafe("audit", "--model", run, "--out", run.parent / "elsewhere")[0] == 0
    assert card.read_text() == "mine"  # an audit kept elsewhere leaves the run as it is


@pytest.mark.parametrize(
    ("args", "code", "match"),
    [
        (["--model", "nothing-here"], 2, "does not exist"),
        (["--model", "RUN", "--canaries", "no.json"], 2, "no.json does not exist"),
        (["--model", "RUN", "--canaries", "OTHER"], 3, "from another run"),
        (["--model", "RUN", "--members", "a.jsonl"], 2, "go together"),
        (["--model", "RUN", "--members", "a.jsonl", "--non-members", "b.jsonl"], 2, "not exist"),
        (["--model", "RUN", "--members", "BAD", "--non-members", "BAD"], 2, "columns present"),
        (["--model", "RUN", "--policy", "nice"], 2, "release, strict"),
        (["--model", "RUN", "--max-tokens", "4000"], 2, "8..128"),
        (["--model", "RUN", "--base", "gone"], 2, "--base"),
        (["--model", "RUN", "--dtype", "int4"], 2, "choose auto"),
        (["--model", "RUN", "--canaries", "EMPTY"], 2, "is a folder"),
        (["--model", "x" * 5000], 2, "longer than the file system allows"),
        (["--model", "RUN", "--out", "x" * 300], 2, "than the file system allows"),
        (["--model", "RUN", "--policy", "x" * 300], 2, "than the file system allows"),
        (["--model", "RUN", "--out", "FILE"], 2, "is a file"),
        (["--model", "RUN", "--out", "RUN", "--force"], 2, "holds other files"),
        (["--model", "RUN", "--out", ".", "--force"], 2, "holds other files"),
        (["--model", "RUN", "--out", "FILE/under"], 4, "choose a writable output"),
        (["--model", "PICKLE"], 2, "only safetensors"),
        (["--model", "EMPTY"], 2, "no weights"),
    ],
)
def test_bad_input_is_one_line_and_writes_nothing(
    llmsafe, run, tiny, world, tmp_path, args, code, match
):
    made = {
        "RUN": run,
        "OTHER": tiny.make_manifest(40, seed=8).save(tmp_path / "other.json"),
        "BAD": tmp_path / "bad.jsonl",
        "FILE": tmp_path / "bad.jsonl",
        "PICKLE": tmp_path / "pickle",
        "EMPTY": tmp_path / "empty",
    }
    made["BAD"].write_text('{"body": "SENTINEL fever"}\n')
    made["EMPTY"].mkdir()
    made["PICKLE"].mkdir()
    (made["PICKLE"] / "config.json").write_text("{}")
    (made["PICKLE"] / "pytorch_model.bin").write_bytes(b"x")
    words = [str(a).replace("FILE/", f"{made['FILE']}/") for a in args]
    before = files_under(tmp_path)
    found, out, err = llmsafe("audit", *(made.get(a, a) for a in words))
    assert found == code, err
    assert match in err
    assert out == ""
    assert err.startswith("llmsafe: error: ")
    assert len(err.strip().splitlines()) == 1
    assert "SENTINEL" not in err
    assert not leaks(err, world)
    # The folder of a run is touched by the attempt, its files are not.
    assert files_under(tmp_path).keys() == before.keys()


def test_a_changed_corpus_stops_the_audit(llmsafe, run, tmp_path):
    path = run / "vault" / "lineage.json"
    step = Lineage.load(path).steps[-1]
    inputs = {**step.inputs, "corpus": "sha256:0"}
    Lineage(steps=[step.model_copy(update={"inputs": inputs})]).save(path)
    code, _, err = llmsafe("audit", "--model", run)
    assert code == 3
    assert "changed since training" in err
    assert not (run / "release" / "audit.json").exists()


def test_help_is_light_and_has_examples():
    code = (
        "import sys\nfrom llmsafe.cli import main\nsys.argv = ['llmsafe', 'audit', '--help']\n"
        "try:\n    main.main()\nexcept SystemExit:\n    pass\n"
        "heavy = {'torch', 'transformers', 'peft', 'pyarrow', 'scipy'} & set(sys.modules)\n"
        "sys.exit(f'imported {heavy}' if heavy else 0)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "llmsafe audit --model runs/dp_lora" in done.stdout
    assert "--policy" in done.stdout


# --- the same scores, judged again --------------------------------------------------------------


def test_scores_are_judged_again_by_another_policy_without_a_model(llmsafe, run, monkeypatch):
    assert llmsafe("audit", "--model", run)[0] == 0
    first = Audit.load(run / "release" / "audit.json")
    monkeypatch.setattr("llmsafe.audit.target.load_causal", None)
    again = ("audit", "--model", run, "--from-scores")
    assert llmsafe(*again)[0] == 2  # an audit is there
    code, _, err = llmsafe(*again, "--policy", "strict", "--force")
    assert code == 1, err
    second = Audit.load(run / "release" / "audit.json")
    assert second.membership == first.membership
    assert second.verdict.status == "fail"
    step = Lineage.load(run / "vault" / "lineage.json").steps[-1]
    assert step.outputs["audit"] == sha256_file(run / "release" / "audit.json")


def test_changed_scores_or_claims_are_not_judged(llmsafe, run):
    assert llmsafe("audit", "--model", run, "--also", "lowercase")[0] == 0
    again = ("audit", "--model", run, "--from-scores", "--force")
    vault = run / "vault"
    kept = {path.name: path.read_bytes() for path in vault.iterdir() if path.is_file()}
    for name in ("scores.parquet", "scores.lowercase.parquet", "measured.json"):
        (vault / name).write_bytes(kept[name] + b" ")
        code, _, err = llmsafe(*again)
        assert code == 3, name
        assert "audit again" in err
        (vault / name).write_bytes(kept[name])
    (vault / "lineage.json").unlink()  # what ties canaries and claim to the weights
    code, _, err = llmsafe(*again, "--policy", "release")
    assert "the canaries are not known to be this model's" in err
    assert code != 0


def test_judging_again_takes_no_option_that_would_measure(llmsafe, run):
    for option in (
        ("--seed", "3"),
        ("--seed", "0"),  # given is given, be it the default
        ("--generate", "5"),
        ("--gold", "g"),
        ("--limit", "9"),
        ("--text-column", "body"),
        ("--patient-column", "who"),
        ("--reveal",),
    ):
        code, _, err = llmsafe("audit", "--model", run, "--from-scores", *option)
        assert code == 2
        assert option[0] in err


def test_tables_of_an_earlier_audit_do_not_stay(llmsafe, run):
    assert llmsafe("audit", "--model", run, "--also", "lowercase")[0] == 0
    assert (run / "vault" / "scores.lowercase.parquet").exists()
    (run / "vault" / ".audit.killed").mkdir()
    assert llmsafe("audit", "--model", run, "--force")[0] == 0
    names = {path.name for path in (run / "vault").iterdir()}
    assert not any(name.startswith(".audit") or "lowercase" in name for name in names)
    assert {"scores.parquet", "measured.json", "canary_outcomes.json"} <= names


def test_revealed_secrets_are_the_canaries_and_go_to_stderr(llmsafe, run, world):
    code, out, err = llmsafe("audit", "--model", run, "--reveal")
    assert code == 0
    secrets = {c.text[c.secret_start : c.secret_end] for c in world.manifest.canaries if c.planted}
    shown = [line.split()[-1] for line in err.splitlines() if line.startswith("  canary-")]
    assert shown
    assert set(shown) <= secrets
    assert not any(secret in out for secret in secrets)


def test_members_of_another_model_are_never_a_pass(llmsafe, run, world, tmp_path):
    """Notes that it never saw look private whatever it leaks; its own, on the wrong side, fail."""
    import dataclasses

    fresh = [dataclasses.replace(n, text=n.text[::-1]) for n in world.members]
    others = [dataclasses.replace(n, text=n.text[::-1]) for n in world.non_members]
    for name, notes in (("in", fresh), ("out", others)):
        moved = [dataclasses.replace(n, note_id="x" + n.note_id, patient_id="x" + n.patient_id)
                 for n in notes]  # fmt: skip
        write_corpus(tmp_path / name, moved)
    given = ("--members", tmp_path / "in", "--non-members", tmp_path / "out")
    policy = tmp_path / "p.yaml"
    policy.write_text(yaml.safe_dump({"name": "p", "max_membership_auc": 0.999}))
    code, _, err = llmsafe("audit", "--model", run, *given, "--policy", policy)
    assert code == 3
    assert "members and others are not known to be this model's" in err
    write_corpus(tmp_path / "real", world.members)
    swapped = ("--members", tmp_path / "out", "--non-members", tmp_path / "real")
    code, _, err = llmsafe("audit", "--model", run, *swapped, "--force")
    assert code == 3
    assert "trained on 8 of the --non-members" in err


def test_a_stop_leaves_no_scores_behind(run, tmp_path, monkeypatch):
    import os
    import signal
    import time

    monkeypatch.chdir(tmp_path)
    program = Path(__file__).resolve().parents[2] / "llmsafe" / "__main__.py"
    running = Forked(program, "audit", "--model", str(run), "--out", "there")
    until = time.monotonic() + 120
    while not list(tmp_path.glob(".there.*")) and time.monotonic() < until:
        assert not running.ended, running.result().stderr
        time.sleep(0.02)
    os.kill(running.pid, signal.SIGTERM)
    assert running.result(120).returncode != 0
    assert not list(tmp_path.glob(".there*"))
    assert not (tmp_path / "there").exists()


# --- failures after scoring, and what they leave --------------------------------------------------


def failing(monkeypatch, where):
    def fails(*args, **more):
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(where, fails)


@pytest.mark.parametrize("elsewhere", [False, True])
def test_a_failure_after_scoring_loses_no_score_and_leaves_no_older_page(
    llmsafe, run, monkeypatch, elsewhere, tmp_path
):
    out = ("--out", tmp_path / "there") if elsewhere else ()
    release = tmp_path / "there" if elsewhere else run / "release"
    vault = release / "vault" if elsewhere else run / "vault"
    assert llmsafe("audit", "--model", run, *out)[0] == 0
    before = (vault / "measured.json").read_bytes()
    with monkeypatch.context() as patched:
        failing(patched, "llmsafe.audit.run.assess")
        code, _, err = llmsafe("audit", "--model", run, "--force", "--seed", 5, *out)
    assert code == 4
    assert "unexpected OSError" in err  # not a vault that could not be written
    assert "the scores are kept" in err
    assert not (release / "audit.json").exists()
    assert not (release / "audit.html").exists()
    assert (vault / "measured.json").read_bytes() != before
    assert not list(tmp_path.rglob(".audit.*"))
    assert not list(tmp_path.rglob(".lock"))
    if not elsewhere:
        step = Lineage.load(vault / "lineage.json").steps[-1]
        assert step.outputs == {"measured": sha256_file(vault / "measured.json")}
        assert "Not audited yet" in (release / "README.md").read_text()
    code, _, err = llmsafe("audit", "--model", run, "--from-scores", *out)
    assert code == 0, err
    assert Audit.load(release / "audit.json").bounds


def test_scores_kept_elsewhere_are_judged_whatever_the_run_was_audited_with(llmsafe, run, tmp_path):
    there = ("--out", tmp_path / "there")
    assert llmsafe("audit", "--model", run, *there)[0] == 0
    assert llmsafe("audit", "--model", run, "--seed", 4)[0] == 0
    code, _, err = llmsafe("audit", "--model", run, "--from-scores", "--force", *there)
    assert code == 0, err
    (tmp_path / "there" / "vault" / "measured.json").unlink()
    code, _, err = llmsafe("audit", "--model", run, "--from-scores", "--force", *there)
    assert code == 3
    assert "cannot read" in err


def test_a_recogniser_that_fails_ends_no_audit(llmsafe, run, monkeypatch):
    from llmsafe.errors import EvidenceError

    def detect(text):
        raise EvidenceError("a generated text cannot be searched: it timed out")

    monkeypatch.setattr("llmsafe.cli.audit.detector", lambda: detect)
    code, _, err = llmsafe("audit", "--model", run, "--generate", 3)
    assert code == 0, err
    assert "not measured: what has the form of personal data in the generated texts" in err
    assert Audit.load(run / "release" / "audit.json").generated.texts == 3


def test_generated_texts_are_searched_in_their_own_language():
    from llmsafe.cli.audit import detector

    detect = detector()

    def seen(text):
        return {(span.category, text[span.start : span.end]) for span in detect(text)}

    assert ("NAME", "Ann Okafor") in seen("Patient: Ann Okafor was seen for a cough.")
    chinese = "姓名：张建国，男，58岁，身份证号：110101196503071234，联系电话13812345678。"
    assert {("NAME", "张建国"), ("PHONE", "13812345678")} <= seen(chinese)
    assert {category for category, _ in seen(chinese)} >= {"NAME", "PHONE", "RESIDENT_ID"}
    both = seen("患者张建国，外院 discharge summary of Mr Robert Fielding, seen by Dr. Hale。")
    assert ("NAME", "张建国") in both
    assert any(category == "NAME" and "Fielding" in text for category, text in both)
    # Half Cyrillic, as no note is: every rule looks at it, and none of them is passed over.
    assert any(category == "PHONE" for category, _ in seen("Пациент жалуется тел 13812345678 张"))


def test_a_negative_seed_is_refused_at_once(llmsafe, run):
    code, _, err = llmsafe("audit", "--model", run, "--seed", "-5")
    assert code == 2
    assert "seed" in err
    from llmsafe.audit.request import Request
    from llmsafe.errors import InputError

    with pytest.raises(InputError, match="--seed -5"):
        Request(seed=-5)


def test_an_audit_at_work_keeps_others_out(llmsafe, run, monkeypatch):
    """Also while lineage and card take it up, and while scores are judged again."""
    from llmsafe.cli import audit_files
    from llmsafe.errors import InputError
    from llmsafe.files import locked_folder

    held = []
    take_up = audit_files.take_up

    def watched(release, vault):
        with pytest.raises(InputError, match="held by another run"), locked_folder(vault):
            pass
        held.append(vault)
        take_up(release, vault)

    monkeypatch.setattr(audit_files, "take_up", watched)
    assert llmsafe("audit", "--model", run)[0] == 0
    assert llmsafe("audit", "--model", run, "--from-scores", "--force")[0] == 0
    assert held == [run / "vault"] * 2
    assert not (run / "vault" / ".lock").exists()


def test_what_a_killed_audit_left_beside_its_folder_goes_and_a_living_one_stays(
    llmsafe, run, tmp_path
):
    import fcntl
    import os

    dead, living = tmp_path / ".there.llmsafe-dead1234", tmp_path / ".there.llmsafe-live1234"
    for folder in (dead, living):
        (folder / "vault").mkdir(parents=True)
    (tmp_path / ".there.settings").mkdir()
    lock = os.open(living, os.O_RDONLY)
    fcntl.flock(lock, fcntl.LOCK_EX)
    try:
        assert llmsafe("audit", "--model", run, "--out", "there")[0] == 0
    finally:
        os.close(lock)
    assert not dead.exists()
    assert living.is_dir()
    assert (tmp_path / ".there.settings").is_dir()


def test_files_of_an_older_version_say_so(llmsafe, run):
    assert llmsafe("audit", "--model", run)[0] == 0
    path = run / "vault" / "measured.json"
    data = json.loads(path.read_text())
    path.write_text(json.dumps({**data, "schema_version": 1, "canaries": []}))
    for again in (("audit", "--model", run, "--from-scores", "--force"), ("report", run)):
        if again[0] == "report":
            old = {"schema_version": 1, "tool": "llmsafe 0.0"}
            (run / "release" / "audit.json").write_text(json.dumps(old))
        code, _, err = llmsafe(*again)
        assert code == 3
        assert "schema version 1, made by an older llmsafe; audit again" in err
