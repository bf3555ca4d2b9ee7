"""A run folder made with the real parts, then damaged in every way a check must see."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from llmsafe import __version__
from llmsafe.artifacts import (
    Audit,
    AuditedModel,
    Bound,
    Lineage,
    LineageStep,
    Split,
    Verdict,
)
from llmsafe.canary import make_canaries, make_manifest, plant, planting_stream
from llmsafe.corpus import open_corpus, write_corpus
from llmsafe.errors import InputError
from llmsafe.files import sha256_file, write_text
from llmsafe.models import weights_digest
from llmsafe.notes import Note
from llmsafe.privacy.check import check_run
from llmsafe.privacy.ledger import Ledger
from llmsafe.privacy.plan import make_plan
from llmsafe.privacy.statement import make_statement


def make_run(folder: Path, *, epsilon: float | None = None) -> Path:
    run = folder / "run"
    release, vault = run / "release", run / "vault"
    canaries = make_canaries(count=20, kind="phi", seed=0)
    notes = [Note(f"n{i}", f"text {i}", f"p{i}") for i in range(30)]
    write_corpus(folder / "corpus", plant(notes, canaries, planting_stream(0)))
    digest = open_corpus(folder).digest()
    manifest = make_manifest(
        canaries, kind="phi", seed=0, probability=0.5, lang="en", corpus_digest=digest
    ).save(vault / "canaries.json", private=True)
    planned = {"epsilon": epsilon} if epsilon else {"noise_multiplier": 1.2}
    plan = make_plan(
        delta=1e-5, population=1000, units_per_step=20, steps=6, unit="patient", **planned
    )
    with Ledger.create(vault / "ledger.jsonl", plan) as ledger:
        for step in range(6):
            ledger.charge(step)
        statement = make_statement(plan, charges=ledger.charges, noise=plan.noise)
    privacy = statement.save(release / "privacy.json")
    save_file({"lora_A": np.ones((2, 2), np.float32)}, release / "adapter_model.safetensors")
    write_text(release / "adapter_config.json", '{"base_model_name_or_path": "owner/absent"}')
    write_text(release / "README.md", "# Card\n")
    split = Split(unit="patient", members=["p0"], held_out=["p1"])
    split = split.save(vault / "split.json", private=True)
    before = LineageStep(
        step="canary", version=__version__, inputs={"corpus": "sha256:0"},
        outputs={"corpus": digest, "canaries": sha256_file(manifest)},
    )  # fmt: skip
    train = LineageStep(
        step="train",
        version=__version__,
        inputs={"corpus": digest, "canaries": sha256_file(manifest), "base": "hub:owner/absent"},
        outputs={
            "adapter": sha256_file(release / "adapter_model.safetensors"),
            "adapter_config": sha256_file(release / "adapter_config.json"),
            "privacy": sha256_file(privacy),
            "split": sha256_file(split),
        },
        settings={"corpus_path": str(folder), "plan": plan.digest()},
    )
    Lineage(steps=[before, train]).save(vault / "lineage.json", private=True)
    return run


def save_audit(run: Path, epsilon_lower: float) -> None:
    from llmsafe.artifacts import PrivacyStatement

    Audit(
        tool="llmsafe 0",
        model=AuditedModel(
            kind="run", name="run", base=None, weights_digest="sha256:0", parameters=4,
            adapter_parameters=4,
        ),
        privacy=PrivacyStatement.load(run / "release/privacy.json"),
        canaries=None, membership=[], exposure=None, extraction=[], phi=[], blind_auc=None,
        utility=None, seconds=1.0, verdict=Verdict(status="none"),
        bounds=[
            Bound(method="one-run", design="one-run", assumption="", attack="loss", delta=1e-5,
                  confidence=0.95, canaries=20, guesses=10, correct=10,
                  epsilon_lower=epsilon_lower, ceiling=9.0)
        ],
    ).save(run / "release/audit.json")  # fmt: skip


def record_audit(run: Path, epsilon_lower: float = 0.01) -> None:
    save_audit(run, epsilon_lower)
    write_text(run / "release/audit.html", "<html></html>")
    step = LineageStep(
        step="audit", version=__version__, inputs={},
        outputs={
            "audit": sha256_file(run / "release/audit.json"),
            "page": sha256_file(run / "release/audit.html"),
        },
    )  # fmt: skip
    path = run / "vault/lineage.json"
    Lineage.load(path).then(step).save(path, private=True)


def rewrite_audit(run: Path) -> None:
    record_audit(run)
    edit(run / "release/audit.json", verdict={"status": "pass", "reasons": [], "alarms": []})


def rewrite_page(run: Path) -> None:
    record_audit(run)
    (run / "release/audit.html").write_text("<html>PASS</html>")


def remove_audit(run: Path) -> None:
    record_audit(run)
    (run / "release/audit.json").unlink()


def name_base(name: str):
    """Training itself named the base so, and recorded the digest."""

    def change(run: Path) -> None:
        edit(run / "release/adapter_config.json", base_model_name_or_path=name)
        lineage = json.loads((run / "vault/lineage.json").read_text())
        digest = sha256_file(run / "release/adapter_config.json")
        lineage["steps"][-1]["outputs"]["adapter_config"] = digest
        (run / "vault/lineage.json").write_text(json.dumps(lineage))

    return change


def failing(run: Path) -> set[str]:
    return {check.name for check in check_run(run) if check.broken}


def edit(path: Path, **change) -> None:
    path.write_text(json.dumps(json.loads(path.read_text()) | change))


def edit_and_cover_up(run: Path, **change) -> None:
    """A forger who changes the statement and mends the digest in the lineage."""
    edit(run / "release/privacy.json", **change)
    lineage = json.loads((run / "vault/lineage.json").read_text())
    lineage["steps"][-1]["outputs"]["privacy"] = sha256_file(run / "release/privacy.json")
    (run / "vault/lineage.json").write_text(json.dumps(lineage))


def cut_ledger(run: Path) -> None:
    lines = (run / "vault/ledger.jsonl").read_text().splitlines(keepends=True)
    (run / "vault/ledger.jsonl").write_text("".join(lines[:-2]))


def spoil_ledger(run: Path) -> None:
    text = (run / "vault/ledger.jsonl").read_text()
    (run / "vault/ledger.jsonl").write_text(text.replace("1.2", "2.4"))


def plant_secret(run: Path) -> None:
    canary = make_canaries(count=20, kind="phi", seed=0)[0]
    secret = canary.text[canary.secret_start : canary.secret_end]
    (run / "release/README.md").write_text(f"example output: {secret}")


def flip_coin(run: Path) -> None:
    data = json.loads((run / "vault/canaries.json").read_text())
    data["canaries"][0]["planted"] = not data["canaries"][0]["planted"]
    (run / "vault/canaries.json").write_text(json.dumps(data))


def break_chain(run: Path) -> None:
    data = json.loads((run / "vault/lineage.json").read_text())
    data["steps"][0]["outputs"]["corpus"] = "sha256:1"
    (run / "vault/lineage.json").write_text(json.dumps(data))


LEDGER = {"ledger: hash chain", "ledger: belongs to the plan", "ledger: covers the statement"}
STATEMENT = "statement: epsilon computed anew"
CASES = {
    "adapter swapped": (
        lambda run: save_file(
            {"lora_A": np.zeros((2, 2), np.float32)}, run / "release/adapter_model.safetensors"
        ),
        {"lineage: adapter weights"},
    ),
    "adapter gone": (
        lambda run: (run / "release/adapter_model.safetensors").unlink(),
        {"lineage: adapter weights"},
    ),
    "statement edited": (
        lambda run: edit(run / "release/privacy.json", epsilon=0.1),
        {"lineage: privacy statement", STATEMENT, "statement: second accountant"},
    ),
    "statement forged": (
        lambda run: edit_and_cover_up(run, epsilon=0.1),
        {STATEMENT, "statement: second accountant"},
    ),
    "noise overstated": (
        lambda run: edit_and_cover_up(run, noise_multiplier=5.0),
        {STATEMENT, "statement: second accountant", "ledger: covers the statement"},
    ),
    "steps understated": (
        lambda run: edit_and_cover_up(run, steps=3),
        {STATEMENT, "ledger: covers the statement"},
    ),
    "test noise called private": (
        lambda run: edit_and_cover_up(run, noise="test"),
        {"statement: consistent"},
    ),
    "population overstated": (
        lambda run: edit_and_cover_up(run, population=9000),
        {"statement: consistent"},
    ),
    "ledger cut": (cut_ledger, {"ledger: covers the statement"}),
    "ledger edited": (spoil_ledger, LEDGER),
    "ledger gone": (lambda run: (run / "vault/ledger.jsonl").unlink(), LEDGER),
    "coin flipped": (flip_coin, {"lineage: canaries"}),
    "corpus changed": (
        lambda run: (run.parent / "corpus/part-00000.jsonl").write_text("{}\n"),
        {"lineage: corpus"},
    ),
    "lineage broken": (break_chain, {"lineage: steps follow each other"}),
    "open file": (
        lambda run: (run / "vault/ledger.jsonl").chmod(0o644),
        {"vault: private file modes"},
    ),
    "open folder": (lambda run: (run / "vault").chmod(0o755), {"vault: private file modes"}),
    "pickle": (
        lambda run: (run / "release/optimizer.pt").write_bytes(b"PK"),
        {"release: holds safe files only"},
    ),
    "pickle under another name": (
        lambda run: (run / "release/extra.json").write_bytes(b"\x80\x04."),
        {"release: holds safe files only"},
    ),
    "link": (
        lambda run: (run / "release/x.json").symlink_to("/etc/passwd"),
        {"release: holds safe files only"},
    ),
    "vault file released": (
        lambda run: (run / "release/split.json").write_text("{}"),
        {"release: holds safe files only"},
    ),
    "secret released": (plant_secret, {"release: holds no canary secret"}),
    "adapter configuration edited": (
        lambda run: edit(run / "release/adapter_config.json", lora_alpha=1),
        {"lineage: adapter configuration"},
    ),
    "split edited": (
        lambda run: edit(run / "vault/split.json", held_out=[]),
        {"lineage: split"},
    ),
    "split gone": (lambda run: (run / "vault/split.json").unlink(), {"lineage: split"}),
    "audit rewritten": (rewrite_audit, {"lineage: audit and its page"}),
    "audit page rewritten": (rewrite_page, {"lineage: audit and its page"}),
    "audit gone": (remove_audit, {"lineage: audit and its page"}),
    **{
        f"base named {name}": (name_base(name), {"release: names no local path"})
        for name in ("/data/x", "./x", "../x", "~/x", "a/b/c", "models\\x", "C:/x")
    },
    "audit above the claim": (
        lambda run: save_audit(run, epsilon_lower=3.0),
        {"audit: same statement, no alarm"},
    ),
}


def test_a_sound_run_is_ok(tmp_path):
    run = make_run(tmp_path)
    checks = {check.name: check for check in check_run(run)}
    assert {name for name, check in checks.items() if check.broken} == set()
    absent = {name for name, check in checks.items() if check.status == "absent"}
    assert absent == {
        "lineage: base model", "lineage: audit and its page", "audit: same statement, no alarm",
        "access: policy and log",
    }  # fmt: skip
    record_audit(run)
    assert failing(run) == set()
    chain = next(c for c in check_run(run) if c.name == "lineage: steps follow each other")
    assert chain.detail == "canary → train → audit"
    # A corpus that has moved away is absent, not broken.
    (tmp_path / "corpus").rename(tmp_path / "elsewhere")
    moved = next(c for c in check_run(run) if c.name == "lineage: corpus")
    assert (moved.status, moved.broken) == ("absent", False)


@pytest.mark.parametrize("name", ["owner/name", "gpt2", "llmsafe:base-en"])
def test_public_names_of_a_base_are_no_paths(tmp_path, name):
    run = make_run(tmp_path)
    name_base(name)(run)
    assert failing(run) == set()


def test_the_base_is_the_one_that_the_lineage_names(tmp_path):
    run = make_run(tmp_path)
    base = tmp_path / "base"
    base.mkdir()
    (base / "config.json").write_text("{}")
    save_file({"w": np.ones(2, np.float32)}, base / "model.safetensors")
    name_base("base")(run)
    path = run / "vault/lineage.json"
    data = json.loads(path.read_text())
    data["steps"][-1]["inputs"]["base"] = weights_digest(str(base))

    def look(given: str | None) -> str:
        data["steps"][-1]["settings"]["base"] = given
        path.write_text(json.dumps(data))
        return next(c.status for c in check_run(run) if c.name == "lineage: base model")

    assert look(str(base)) == "ok"
    assert look(str(tmp_path / "gone")) == "absent"
    assert look(None) == "absent"  # the public name is no folder here, and that breaks nothing
    save_file({"w": np.zeros(2, np.float32)}, base / "model.safetensors")
    assert look(str(base)) == "FAIL"


def test_a_lineage_must_end_with_training_or_audit(tmp_path):
    run = make_run(tmp_path)
    path = run / "vault/lineage.json"
    more = LineageStep(step="canary", version="0", inputs={}, outputs={})
    Lineage.load(path).then(more).save(path, private=True)
    assert "lineage: steps follow each other" in failing(run)


def test_the_control_is_sound_and_claims_nothing(tmp_path):
    run = make_run(tmp_path, epsilon=float("inf"))
    assert failing(run) == set()
    details = {check.name: check.detail for check in check_run(run)}
    assert details["statement: consistent"] == "states that it is NOT PRIVATE"


@pytest.fixture(scope="module")
def sound(tmp_path_factory):
    folder = tmp_path_factory.mktemp("sound")
    make_run(folder)
    return folder


@pytest.mark.parametrize("case", CASES)
def test_damage_is_seen_and_nothing_else_is_blamed(sound, tmp_path, case):
    import shutil

    for name in ("corpus", "run"):
        shutil.copytree(sound / name, tmp_path / name)
    lineage = tmp_path / "run/vault/lineage.json"
    text = lineage.read_text().replace(str(sound), str(tmp_path))
    lineage.write_text(text)
    damage, expected = CASES[case]
    damage(tmp_path / "run")
    assert failing(tmp_path / "run") == expected


def test_no_run_at_all(tmp_path):
    with pytest.raises(InputError, match="no folder"):
        check_run(tmp_path / "nowhere")
    with pytest.raises(InputError, match="neither release/ nor vault/"):
        check_run(tmp_path)


def test_an_empty_release_is_broken(tmp_path):
    (tmp_path / "release").mkdir()
    assert "statement: epsilon computed anew" in failing(tmp_path)
    assert "ledger: hash chain" in failing(tmp_path)
