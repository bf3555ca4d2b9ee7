"""``llmsafe release``: what passes leaves whole and signed, what does not leaves nothing."""

from __future__ import annotations

import importlib.util
import json
import shutil
import stat
import subprocess
import sys
from pathlib import Path

import pytest
import torch
import yaml
from safetensors.torch import load_file

from llmsafe.artifacts import Audit, Lineage, LineageStep, Release
from llmsafe.files import sha256_file

SENTINEL = b"Quuxworth-Sentinel"
FILES = {
    "README.md", "privacy.json", "audit.json", "audit.html", "parent-audit.json",
    "parent-audit.html", "release.json", "compliance.md", "sbom.cdx.json", "model.sig",
}  # fmt: skip


def state(folder: Path) -> dict[str, str]:
    return {str(p.relative_to(folder)): sha256_file(p) for p in folder.rglob("*") if p.is_file()}


def names(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*")}


def test_a_run_that_passes_leaves_merged_described_signed_and_alone(released, world, quiet_run):
    weights = {"model.safetensors", "config.json", "generation_config.json", "tokenizer.json",
               "tokenizer_config.json"}  # fmt: skip
    assert names(released) == FILES | weights
    note, audit = Release.load(released / "release.json"), Audit.load(released / "audit.json")
    assert note.form == "merged"
    assert audit.model.weights_digest == note.weights_digest
    assert (audit.model.kind, audit.model.name) == ("release", "mine-release")
    assert audit.verdict.status == "pass"
    # Judged on canaries that are known to be this model's, though its weights are new.
    assert not audit.in_doubt("canaries", "members", "length", "claim")
    assert audit.canaries.count == 40
    assert audit.extraction[0].base_extracted is not None
    trained = Audit.load(quiet_run / "release" / "audit.json")
    assert Audit.load(released / "parent-audit.json") == trained
    assert audit.model.weights_digest != trained.model.weights_digest
    # Merged in float32: what the attacks see is the adapter's, to rounding.
    assert audit.membership[0].auc.value == pytest.approx(trained.membership[0].auc.value, abs=0.03)
    # Nothing is left beside it.
    assert {p.name for p in released.parent.iterdir()} == {"mine", "mine-release"}
    assert stat.S_IMODE(released.stat().st_mode) == 0o755


def test_nothing_of_the_vault_or_the_notes_or_the_machine_is_in_a_release(released, world):
    secrets = [SENTINEL, str(released.parent).encode(), str(world.root).encode()]
    secrets += [c.text.encode() for c in world.manifest.canaries]
    secrets += [c.text[c.secret_start : c.secret_end].encode() for c in world.manifest.canaries]
    secrets += [n.text.encode() for n in (*world.members, *world.non_members)]
    secrets += [c.patient_id.encode() for c in world.manifest.canaries]
    files = [path for path in released.rglob("*") if path.is_file()]
    vault = released.parent / "mine" / "vault"
    assert SENTINEL in (vault / "metrics.jsonl").read_bytes()  # the search can find it
    for path in files:
        data = path.read_bytes()
        assert not [secret for secret in secrets if secret in data], path.name
    private = {sha256_file(path) for path in vault.rglob("*") if path.is_file()}
    allowed = sha256_file(released / "release.json")  # the vault keeps a copy of the note
    assert not private & {sha256_file(path) for path in files} - {allowed}


def test_the_run_remembers_what_left(released, quiet_run):
    run = released.parent / "mine"
    *before, step = Lineage.load(run / "vault" / "lineage.json").steps
    assert before == Lineage.load(quiet_run / "vault" / "lineage.json").steps
    assert step.step == "release"
    assert step.settings == {"name": "mine-release", "form": "merged", "policy": "ward"}
    assert step.outputs["signature"] == sha256_file(released / "model.sig")
    assert step.outputs["audit"] == sha256_file(released / "audit.json")
    assert step.inputs["adapter"] == before[0].outputs["adapter"]
    kept = run / "vault" / "releases" / "mine-release"
    assert {"scores.parquet", "measured.json", "canary_outcomes.json"} <= names(kept)
    for path in (run / "vault" / "releases").rglob("*"):
        assert stat.S_IMODE(path.stat().st_mode) == (0o700 if path.is_dir() else 0o600), path
    assert not (run / "vault" / ".lock").exists()
    from llmsafe.privacy.check import check_run

    assert not [check for check in check_run(run) if check.broken]


def test_the_merged_model_is_the_adapter_on_its_base(released, quiet_run, world):
    from peft import PeftModel
    from transformers import AutoModelForCausalLM

    base = AutoModelForCausalLM.from_pretrained(world.base, dtype=torch.float32)
    adapter = PeftModel.from_pretrained(base, str(quiet_run / "release")).eval()
    merged = AutoModelForCausalLM.from_pretrained(released, dtype=torch.float32).eval()
    ids = torch.arange(3, 40)[None]
    with torch.inference_mode():
        apart = (adapter(input_ids=ids).logits - merged(input_ids=ids).logits).abs().max()
        with adapter.disable_adapter():
            moved = (adapter(input_ids=ids).logits - merged(input_ids=ids).logits).abs().max()
    assert apart < 1e-4
    assert moved > 100 * apart  # the adapter does something


def test_an_adapter_is_released_as_it_is_and_twice(llmsafe, run, policy, keys):
    for name in ("first", "second"):
        out = run.parent / name
        code, text, err = llmsafe(
            "release", run, "--policy", policy, "--key-file", keys[0], "--out", out, "--json"
        )
        assert code == 0, err
        note = Release.load(out / "release.json")
        assert json.loads(text) == note.model_dump(mode="json")
        assert names(out) == FILES | {"adapter_model.safetensors", "adapter_config.json"}
        adapter = out / "adapter_model.safetensors"
        assert adapter.read_bytes() == (run / "release" / adapter.name).read_bytes()
    steps = Lineage.load(run / "vault" / "lineage.json").steps
    assert [step.step for step in steps] == ["train", "audit", "release", "release"]
    # An audit that comes later leaves the releases on record.
    assert llmsafe("audit", "--model", run, "--force")[0] == 0
    kept = [step.step for step in Lineage.load(run / "vault" / "lineage.json").steps]
    assert kept == ["train", "release", "release", "audit"]


def test_a_leaky_model_does_not_leave(llmsafe, leaky_run, policy, keys, tmp_path):
    run = shutil.copytree(leaky_run, tmp_path / "mine")
    loose = yaml.safe_load(policy.read_text())
    loose |= {"max_claimed_epsilon": 1e6, "max_canary_auc": 0.7}
    (tmp_path / "loose.yaml").write_text(yaml.safe_dump(loose))
    before = state(run)
    code, out, err = llmsafe(
        "release", run, "--policy", tmp_path / "loose.yaml", "--merge", "--key-file", keys[0]
    )
    assert code == 1, err
    assert "fails policy 'ward' and is not released: fail: canary AUC" in err
    assert out == ""
    assert state(run) == before
    refused = tmp_path / "mine-release-refused"
    assert {p.name for p in tmp_path.iterdir()} == {"mine", "loose.yaml", refused.name}
    assert names(refused) == {"audit.json", "audit.html"}  # to read why; no weights
    assert Audit.load(refused / "audit.json").verdict.status == "fail"


def test_no_policy_lets_a_run_go_that_is_not_private(llmsafe, control_run, keys, tmp_path):
    lenient = tmp_path / "lenient.yaml"
    lenient.write_text("max_canary_auc: 0.99")
    before, out = state(control_run), tmp_path / "out"
    args = ("release", control_run, "--policy", lenient, "--key-file", keys[0], "--out", out)
    code, _, err = llmsafe(*args)
    assert (code, "NOT PRIVATE" in err) == (1, True), err
    assert state(control_run) == before
    assert not out.exists()


def test_a_release_says_of_the_scrub_what_the_lineage_says(tmp_path):
    """Known identifiers were given where the step names their digest, and not if it says none."""
    from llmsafe.corpus import open_corpus
    from llmsafe.release.build import _scrub
    from llmsafe.scrub.pipeline import scrub_corpus
    from llmsafe.scrub.request import Request

    (tmp_path / "notes.jsonl").write_text('{"note_id": "1", "text": "He is well."}\n')
    scrub_corpus(Request(open_corpus(tmp_path / "notes.jsonl"), tmp_path / "out", workers=1))
    [step] = Lineage.load(tmp_path / "out" / "vault" / "lineage.json").steps
    assert _scrub(step)["known_identifiers"] == "no"
    given = step.model_copy(update={"settings": {"known_identifiers": "sha256:0"}})
    assert _scrub(given)["known_identifiers"] == "yes"


def test_what_cannot_be_judged_does_not_leave(llmsafe, run, keys, tmp_path):
    (tmp_path / "p.yaml").write_text("max_epsilon_lower: 50")  # far above any ceiling
    before = state(run)
    code, _, err = llmsafe("release", run, "--policy", tmp_path / "p.yaml", "--key-file", keys[0])
    assert code == 3
    assert "cannot be judged" in err
    assert state(run) == before


def unnamed(run, name):
    (run / name).unlink()


def other_adapter(run):
    path = run / "release" / "adapter_model.safetensors"
    tensors = load_file(path)
    first = min(tensors)
    tensors[first] = tensors[first] + 1e-3
    from safetensors.torch import save_file

    save_file(tensors, path)


def old_audit(run):
    path = run / "release" / "audit.json"
    data = json.loads(path.read_text()) | {"measured_on": "2020-01-01"}
    path.write_text(json.dumps(data))
    lineage = run / "vault" / "lineage.json"
    *steps, audit = Lineage.load(lineage).steps
    outputs = {**audit.outputs, "audit": sha256_file(path)}
    Lineage(steps=[*steps, audit.model_copy(update={"outputs": outputs})]).save(lineage)
    lineage.chmod(0o600)


def another_order(run):
    lineage = run / "vault" / "lineage.json"
    stray = LineageStep(step="scrub", version="0", inputs={}, outputs={})
    Lineage.load(lineage).then(stray).save(lineage, private=True)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda run: unnamed(run, "release/privacy.json"), "privacy.json"),
        (lambda run: unnamed(run, "vault/ledger.jsonl"), "ledger"),
        (lambda run: unnamed(run, "vault/lineage.json"), "lineage"),
        (lambda run: unnamed(run, "vault/split.json"), "split"),
        (lambda run: unnamed(run, "release/audit.json"), "llmsafe audit --model"),
        (lambda run: unnamed(run, "release/audit.html"), "audit.html is gone"),
        (lambda run: (run / "release/audit.json").write_text("{}"), "audit"),
        (lambda run: (run / "vault/metrics.jsonl").chmod(0o644), "private file modes"),
        (other_adapter, "adapter weights"),
        (old_audit, "days old, at most 30"),
        (another_order, "does not end with the training"),
    ],
)
def test_missing_or_broken_evidence_is_exit_3_and_makes_nothing(
    llmsafe, run, policy, keys, monkeypatch, change, said
):
    monkeypatch.setattr("llmsafe.release.build.write_weights", None)  # never comes so far
    change(run)
    before = state(run)
    code, _, err = llmsafe("release", run, "--policy", policy, "--key-file", keys[0])
    assert code == 3, err
    assert said in err
    assert len(err.strip().splitlines()) == 1
    assert state(run) == before
    assert [p.name for p in run.parent.iterdir()] == ["mine"]


def test_an_expired_policy_judges_nothing(llmsafe, run, policy, keys, tmp_path):
    old = tmp_path / "old.yaml"
    old.write_text(policy.read_text().replace("2999-01-01", "2020-02-29"))
    for args in (("release", run, "--key-file", keys[0]), ("audit", "--force", "--model", run)):
        code, _, err = llmsafe(*args, "--policy", old)
        assert code == 3
        assert "expired on 2020-02-29" in err
    assert not (tmp_path / "mine-release").exists()


def test_a_policy_lasts_to_the_end_of_its_last_day(tmp_path, monkeypatch):
    import datetime

    from llmsafe.audit import verdict
    from llmsafe.errors import EvidenceError

    path = tmp_path / "p.yaml"
    path.write_text("max_canary_auc: 0.9\nexpires: 2026-03-31")
    monkeypatch.setattr(verdict, "today", lambda: datetime.date(2026, 3, 31))
    assert verdict.load_policy(str(path)).expires == datetime.date(2026, 3, 31)
    monkeypatch.setattr(verdict, "today", lambda: datetime.date(2026, 4, 1))
    with pytest.raises(EvidenceError, match="expired"):
        verdict.load_policy(str(path))


@pytest.mark.parametrize(
    ("args", "code", "said"),
    [
        ([], 2, "openssl ecparam"),
        (["--key-file", "nowhere.pem"], 2, "cannot read signing key"),
        (["--key-file", "PUBLIC"], 2, "no private key"),
        (["--key-file", "OPEN"], 2, "chmod 600"),
        (["--key-file", "RSA"], 2, "elliptic-curve"),
        (["--key-file", "KEY", "--out", "RUN"], 2, "overlap"),
        (["--key-file", "KEY", "--out", "RUN/inside"], 2, "overlap"),
        (["--key-file", "KEY", "--out", "THERE"], 2, "exists"),
        (["--key-file", "KEY", "--policy", "nice"], 2, "release, strict"),
        (["--key-file", "KEY", "--quantise", "int2"], 2, "int8"),
    ],
)
def test_bad_input_is_found_at_once(llmsafe, run, policy, keys, tmp_path, args, code, said):
    (tmp_path / "there").mkdir()
    (tmp_path / "there" / "file").write_text("mine")
    opened = shutil.copy(keys[0], tmp_path / "open.pem")
    Path(opened).chmod(0o644)
    rsa = tmp_path / "rsa.pem"
    if "RSA" in args:
        subprocess.run(["openssl", "genrsa", "-out", str(rsa), "1024"], capture_output=True)
        rsa.chmod(0o600)
    place = {"KEY": keys[0], "PUBLIC": shutil.copy(keys[1], tmp_path / "p.pub"), "OPEN": opened,
             "RSA": rsa, "RUN": run, "RUN/inside": run / "inside",
             "THERE": tmp_path / "there"}  # fmt: skip
    Path(place["PUBLIC"]).chmod(0o600)
    policy = [] if "--policy" in args else ["--policy", policy]
    before = state(run)
    found, _, err = llmsafe("release", run, *policy, *(place.get(a, a) for a in args))
    assert found == code, err
    assert said in err
    assert state(run) == before
    assert not (tmp_path / "mine-release").exists()


def test_a_failure_in_the_middle_leaves_the_run_as_it_was(
    llmsafe, run, policy, keys, monkeypatch, tmp_path
):
    """At each of its stages; the last is a disk that refuses the final name."""
    from llmsafe.errors import SetupError

    def fails(*args, **more):
        raise SetupError("no space left")

    before, tree = state(run), names(run)
    stages = ("write_weights", "sign", "_record")
    for stage in stages:
        with monkeypatch.context() as patch:
            patch.setattr(f"llmsafe.release.build.{stage}", fails)
            code, _, err = llmsafe("release", run, "--policy", policy, "--key-file", keys[0])
        assert (code, "no space left" in err) == (4, True), (stage, err)
        assert (state(run), names(run)) == (before, tree), stage
        assert [p.name for p in tmp_path.iterdir()] == ["mine"], stage
    import os

    real = os.replace

    def replace(source, target):
        if str(target).endswith("mine-release"):
            raise OSError(28, "No space left on device")
        real(source, target)

    with monkeypatch.context() as patch:
        patch.setattr("os.replace", replace)
        assert llmsafe("release", run, "--policy", policy, "--key-file", keys[0])[0] == 4
    assert (state(run), names(run)) == (before, tree)
    assert [p.name for p in tmp_path.iterdir()] == ["mine"]


def test_a_wrong_merge_is_not_released(llmsafe, run, policy, keys, monkeypatch, tmp_path):
    """A model that says nothing gives nothing away: no audit would stop it."""
    from peft.tuners.lora import LoraModel

    real = LoraModel.merge_and_unload

    def broken(self, *args, **more):
        model = real(self, *args, **more)
        for weight in model.parameters():
            weight.data.mul_(0.9)
        return model

    monkeypatch.setattr(LoraModel, "merge_and_unload", broken)
    code, _, err = llmsafe("release", run, "--policy", policy, "--merge", "--key-file", keys[0])
    assert code == 3
    assert "merged model's logits" in err
    assert [p.name for p in tmp_path.iterdir()] == ["mine"]


def test_weights_of_another_origin_are_not_audited_as_the_runs(run, world):
    """The step that says what weights were made of is checked, not believed."""
    from llmsafe.audit.loading import Place
    from llmsafe.audit.target import open_target
    from llmsafe.errors import EvidenceError

    train = Lineage.load(run / "vault" / "lineage.json").steps[0]
    stage = shutil.copytree(world.base, run.parent / "stage")
    shutil.copy(run / "release" / "privacy.json", stage)
    place = Place("release", "x", stage, run / "vault", adapter=False)
    step = LineageStep(
        step="release", version="0",
        inputs={"adapter": train.outputs["adapter"], "base": train.inputs["base"]},
        outputs={"weights": place.digest()},
    )  # fmt: skip

    def opened(**change):
        made = step.model_copy(update=change)
        return open_target(Place("release", "x", stage, run / "vault", False, made), device="cpu")

    assert opened().evidence.names_weights
    for change in (
        {"inputs": {**step.inputs, "adapter": "sha256:0"}},
        {"inputs": {**step.inputs, "base": "sha256:0"}},
        {"outputs": {"weights": "sha256:0"}},
    ):
        with pytest.raises(EvidenceError, match="not known to be made of"):
            opened(**change)
    with pytest.raises(EvidenceError, match="missing"):
        open_target(place, device="cpu")


def test_the_sbom_is_valid_and_names_files_and_packages(released):
    text = (released / "sbom.cdx.json").read_text()
    data = json.loads(text)
    parts = {(c["type"], c["name"]): c for c in data["components"]}
    for path in released.rglob("*"):
        if path.name not in ("sbom.cdx.json", "model.sig"):
            digest = parts["file", path.name]["hashes"][0]["content"]
            assert f"sha256:{digest}" == sha256_file(path)
    assert parts["library", "torch"]["version"] == torch.__version__
    assert ("library", "pytest") not in parts  # of the developers' extra
    assert data["metadata"]["component"]["name"] == "mine-release"
    validation = pytest.importorskip("cyclonedx.validation.json")
    if importlib.util.find_spec("jsonschema") is None:
        pytest.skip("no jsonschema to validate with")
    from cyclonedx.schema import SchemaVersion

    assert validation.JsonStrictValidator(SchemaVersion.V1_6).validate_str(text) is None


@pytest.mark.parametrize(("bits", "package"), [("int8", "torchao"), ("int4", "bitsandbytes")])
def test_a_quantised_model_is_audited_beside_its_parent(
    llmsafe, run, policy, keys, bits, package, tmp_path
):
    args = ("release", run, "--policy", policy, "--quantise", bits, "--key-file", keys[0])
    before = state(run)
    if importlib.util.find_spec(package) is None:
        code, _, err = llmsafe(*args)
        assert code == 4
        assert f"needs the package {package}; pip install llmsafe[quantise]" in err
        assert state(run) == before
        return
    code, _, err = llmsafe(*args)
    assert code == 0, err
    out = tmp_path / "mine-release"
    note, audit = Release.load(out / "release.json"), Audit.load(out / "audit.json")
    parent = Audit.load(out / "parent-audit.json")
    assert note.form == bits
    assert audit.model.weights_digest == note.weights_digest != parent.model.weights_digest
    assert "quantization_config" in json.loads((out / "config.json").read_text())
    assert {d.dtype for d in load_file(out / "model.safetensors").values()} & {
        torch.int8, torch.uint8
    }  # fmt: skip
    # Rounded, so another model, and still one that was trained on these notes.
    assert audit.utility.perplexity != parent.utility.perplexity
    assert audit.utility.perplexity == pytest.approx(parent.utility.perplexity, rel=0.2)
    assert audit.canaries.count == parent.canaries.count
    card = (out / "README.md").read_text()
    assert "| this release | the adapter as trained |" in card.replace("|  |", "|")


def test_help_is_light_and_has_examples():
    code = (
        "import sys\nfrom llmsafe.cli import main\nsys.argv = ['llmsafe', VERB, '--help']\n"
        "try:\n    main.main()\nexcept SystemExit:\n    pass\n"
        "heavy = {'torch', 'transformers', 'cryptography', 'model_signing', 'cyclonedx'}\n"
        "heavy &= set(sys.modules)\nsys.exit(f'imported {heavy}' if heavy else 0)\n"
    )
    for verb in ("release", "verify"):
        command = [sys.executable, "-c", code.replace("VERB", repr(verb))]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        assert f"  llmsafe {verb} " in done.stdout
