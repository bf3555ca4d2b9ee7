"""``llmsafe demo``: the whole job in small, every artifact of it, and no word of a note."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest
from forked import Forked

from llmsafe.artifacts import Audit, CanaryManifest, PrivacyStatement
from llmsafe.corpus import open_corpus

ROOT = Path(__file__).resolve().parents[2]


def demo(out: Path, *more: str) -> subprocess.CompletedProcess[str]:
    """It starts both trainings as users do, by accelerate launch."""
    words = ["demo", "--out", str(out), *more]
    program = ROOT / "llmsafe" / "__main__.py"
    return Forked(program, *words, OMP_NUM_THREADS="1", PYTHONPATH=str(ROOT)).result(600)


@pytest.mark.parametrize("lang", ["en", pytest.param("zh", marks=pytest.mark.slow)])
def test_the_whole_job_in_small(tmp_path: Path, lang: str):
    out = tmp_path / "demo"
    given = ["--patients", "50", "--canaries", "20", "--steps", "2", "--lang", lang]
    done = demo(out, *given)
    assert done.returncode == 0, done.stderr
    private = Audit.load(out / "private" / "release" / "audit.json")
    control = Audit.load(out / "control" / "release" / "audit.json")
    assert private.privacy is not None
    assert private.privacy.private
    assert not PrivacyStatement.load(out / "control" / "release" / "privacy.json").private
    assert control.canaries is not None
    assert control.canaries.count == 20
    assert control.generated is not None
    assert control.generated.texts == control.generated.base_texts == 100
    found = {leak.category: leak for leak in control.phi}
    assert found["NAME"].in_corpus is not None
    assert found["NAME"].in_corpus >= 50
    assert found["NAME"].emitted_by_model is not None
    assert all(leak.generated_by_model is not None for leak in control.phi)
    assert control.model.base == f"llmsafe:base-{lang}"
    canaries = CanaryManifest.load(out / "corpus" / "vault" / "canaries.json")
    assert canaries.lang == lang
    for source in ("notes", "scrubbed", "corpus"):
        written = [note.text for note in open_corpus(out / source).notes()]
        assert all(bool(re.search("[\u4e00-\u9fff]", text)) == (lang == "zh") for text in written)
    assert "Claimed" in done.stdout
    assert done.stdout.strip().splitlines()[-1].startswith("wrote")
    assert "<script" not in (out / "report.html").read_text()
    said = done.stdout + done.stderr + (out / "report.html").read_text()
    said += "".join(path.read_text() for path in out.glob("*.log"))
    for note in open_corpus(out / "notes").notes():
        assert note.text[:40] not in said

    again = demo(out, "--lang", lang)
    assert again.returncode == 2
    assert "--force" in again.stderr


def test_a_language_without_a_base_is_refused(tmp_path: Path):
    done = demo(tmp_path / "demo", "--lang", "zh-Hant")
    assert done.returncode == 2
    assert "choose from en, zh" in done.stderr
    assert not (tmp_path / "demo").exists()
