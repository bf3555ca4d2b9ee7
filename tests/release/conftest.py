"""A tiny world with runs as training leaves them, audited; nobody may change them (copy first)."""

from __future__ import annotations

import contextlib
import functools
import importlib.util
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from llmsafe.artifacts import Lineage
from llmsafe.cli import main as cli
from llmsafe.files import sha256_file
from llmsafe.privacy.accountant import epsilon as accountant_epsilon
from llmsafe.privacy.ledger import Ledger
from llmsafe.privacy.plan import make_plan
from llmsafe.privacy.statement import make_statement

_TINY = Path(__file__).parent.parent / "audit" / "tiny.py"
SENTINEL = "Quuxworth-Sentinel"


@functools.cache
def _asked_once(**settings):
    return accountant_epsilon(**settings)


@pytest.fixture(scope="module", autouse=True)
def accounted_once():
    """The accountants take seconds, and every check of one run asks them the same."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("llmsafe.privacy.accountant.epsilon", _asked_once)
        yield


@pytest.fixture(scope="session")
def tiny():
    spec = importlib.util.spec_from_file_location("audit_tiny_release", _TINY)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    short = module.make_manifest

    def long_secrets(count, *, seed):
        """Secrets that stand in no digest or figure by chance, as five digits do."""
        manifest = short(count, seed=seed)
        canaries = []
        for canary in manifest.canaries:
            secret = canary.text[canary.secret_start : canary.secret_end]
            secret = f"{secret}-{int(secret) * 7919 % 10**6:06d}"
            text = canary.text[: canary.secret_start] + secret + "."
            end = canary.secret_start + len(secret)
            canaries.append(canary.model_copy(update={"text": text, "secret_end": end}))
        return module.make_manifest_of(
            canaries, kind="phi", seed=seed, probability=0.5, lang="en", corpus_digest="sha256:0"
        )

    module.make_manifest = long_secrets
    module.make_model = functools.partial(module.make_model, hidden=64)  # a block of 4-bit weights
    return module


def call_llmsafe(*args) -> int:
    """The program in this process; its exit code."""
    with pytest.MonkeyPatch.context() as patch, pytest.raises(SystemExit) as stopped:
        patch.setattr(sys, "argv", ["llmsafe", *map(str, args)])
        cli.main()
    return stopped.value.code or 0


def make_run(tiny, world, run, model, *, sigma, noise="standard"):
    """A run with a ledger, a statement of it and a lineage that names all of its files."""
    tiny.write_run(world, run, model, epsilon=None)
    release, vault = run / "release", run / "vault"
    plan = make_plan(
        delta=1e-3, population=100, units_per_step=10, steps=2, unit="patient",
        noise_multiplier=sigma,
    )  # fmt: skip
    with Ledger.create(vault / "ledger.jsonl", plan) as ledger:
        ledger.charge(0)
        ledger.charge(1)
    make_statement(plan, charges=2, noise=noise).save(release / "privacy.json")
    config = release / "adapter_config.json"
    config.write_text(config.read_text().replace(str(world.base), "tiny-base"))
    (vault / "metrics.jsonl").write_text(SENTINEL)
    (vault / "metrics.jsonl").chmod(0o600)
    (release / "README.md").unlink()  # peft's own, with a local path
    [step] = Lineage.load(vault / "lineage.json").steps
    named = {
        "adapter": "adapter_model.safetensors",
        "adapter_config": "adapter_config.json",
        "privacy": "privacy.json",
    }
    step = step.model_copy(
        update={
            "outputs": {
                **{key: sha256_file(release / name) for key, name in named.items()},
                "split": sha256_file(vault / "split.json"),
            },
            "settings": {
                **step.settings,
                "base": str(world.base),
                "plan": plan.digest(),
                "planned": plan.as_json(),
            },
        }
    )
    Lineage(steps=[step]).save(vault / "lineage.json", private=True)
    return run


@pytest.fixture(scope="session")
def world(tiny, tmp_path_factory):
    return tiny.make_world(tmp_path_factory.mktemp("release"), canaries=40, patients=8, steps=1)


def _audited(run):
    with contextlib.suppress(SystemExit):
        assert call_llmsafe("audit", "--model", run) == 0
    return run


@pytest.fixture(scope="session")
def quiet_run(tiny, world):
    """Hardly trained: gives nothing away."""
    from llmsafe.audit.target import open_target

    model = open_target(world.run, device="cpu").model
    return _audited(make_run(tiny, world, world.root / "quiet", model, sigma=1.0))


@pytest.fixture(scope="session")
def control_run(tiny, world):
    """As quiet, and trained with noise that anybody can compute: its statement says so."""
    from llmsafe.audit.target import open_target

    model = open_target(world.run, device="cpu").model
    return _audited(make_run(tiny, world, world.root / "control", model, sigma=1.0, noise="test"))


@pytest.fixture(scope="session")
def leaky_run(tiny, world):
    """Knows its canaries by heart, under a claim too weak for that to refute it."""
    from llmsafe.models import encode_note, load_tokenizer
    from llmsafe.notes import Note

    planted = [Note(c.note_id, c.text, c.patient_id) for c in world.manifest.canaries if c.planted]
    tokenizer = load_tokenizer(str(world.base))
    rows = [
        encode_note(tokenizer, note.text, tiny.MAX_TOKENS)[0] for note in (*world.members, *planted)
    ]
    model = tiny.lora(world.base)
    tiny.fit(model, rows, steps=80, rate=2e-2)
    return _audited(make_run(tiny, world, world.root / "leaky", model, sigma=0.15))


@pytest.fixture
def run(quiet_run, tmp_path):
    return shutil.copytree(quiet_run, tmp_path / "mine")


@pytest.fixture(scope="session")
def keys(tmp_path_factory):
    """(private, public), made as the help says."""
    folder = tmp_path_factory.mktemp("keys")
    private, public = folder / "signing.pem", folder / "signing.pub"
    made = ["openssl", "ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", str(private)]
    subprocess.run(made, check=True)
    half = ["openssl", "ec", "-in", str(private), "-pubout", "-out", str(public)]
    subprocess.run(half, check=True, capture_output=True)
    private.chmod(0o600)
    return private, public


POLICY = """
name: ward
expires: 2999-01-01
max_audit_age_days: 30
max_claimed_epsilon: 8
max_claimed_delta: 0.01
max_canary_auc: 0.9
max_extraction_excess: 0.5
require_unit: patient
require_noise: standard
require: [privacy, canaries, extraction]
"""


@pytest.fixture(scope="session")
def policy(tmp_path_factory):
    path = tmp_path_factory.mktemp("policy") / "ward.yaml"
    path.write_text(POLICY)
    return path


@pytest.fixture
def llmsafe(capfd):
    """Call the program; returns (exit code, stdout, stderr)."""

    def call(*args):
        code = call_llmsafe(*args)
        out, err = capfd.readouterr()
        return code, out, err

    return call


@pytest.fixture(scope="session")
def released(quiet_run, policy, keys, tmp_path_factory):
    """A merged release of the quiet run; copy it before you change it."""
    folder = tmp_path_factory.mktemp("out")
    run = shutil.copytree(quiet_run, folder / "mine")
    args = ("release", run, "--policy", policy, "--merge", "--key-file", keys[0])
    assert call_llmsafe(*args) == 0
    return folder / "mine-release"
