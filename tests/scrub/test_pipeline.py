"""Shards, processes, quarantine and resume, with real processes."""

from __future__ import annotations

import gzip
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from llmsafe.artifacts import Lineage, LineageStep, ScrubManifest
from llmsafe.corpus import Columns, open_corpus
from llmsafe.errors import EvidenceError, InputError, SetupError
from llmsafe.scrub.known.matcher import Identity
from llmsafe.scrub.pipeline import preview, scrub_corpus
from llmsafe.scrub.request import Request
from llmsafe.scrub.workers import one_thread_each

SENTINEL = "Zebulon"
# A user's own module: quarantines by raising, hanging or dying on marked notes.
FAULTY = """
import os, sys, time
from presidio_analyzer import EntityRecognizer

class Faulty(EntityRecognizer):
    def __init__(self):
        super().__init__(supported_entities=["PERSON"], name="faulty")
    def load(self):
        pass
    def analyze(self, text, entities, nlp_artifacts=None):
        print(text); print(text, file=sys.stderr)
        if "RAISE" in text:
            raise ValueError(text)
        if "DIE" in text:
            os._exit(3)
        if "HANG" in text:
            import signal
            signal.signal(signal.SIGALRM, signal.SIG_IGN)
            time.sleep(600)
        if "THREADS" in text and os.environ.get("OMP_NUM_THREADS") != "1":
            raise ValueError("many")
        if "SLOW" in text:
            time.sleep(0.05)
        return []
"""


@pytest.fixture
def rows() -> list[dict[str, object]]:
    return [
        {
            "note_id": f"MRN{i}",
            "patient_id": f"{SENTINEL}-{i % 3}",
            "date": "2020-03-04",
            "text": f"Note {i}. Dr. {SENTINEL} Quackenbush saw the patient on "
            f"3/{i % 28 + 1}/2020. BP 120/80.",
            "author": f"{SENTINEL} Quackenbush",
        }
        for i in range(40)
    ]


@pytest.fixture
def key_file(tmp_path: Path) -> Path:
    path = tmp_path / "key"
    path.write_text("5a" * 32)
    path.chmod(0o600)
    return path


def write(path: Path, rows: list[dict[str, object]]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def contents(folder: Path) -> dict[str, bytes]:
    return {p.name: p.read_bytes() for p in sorted((folder / "corpus").iterdir())}


@pytest.fixture
def faulty(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    (tmp_path / "user_module.py").write_text(FAULTY)
    monkeypatch.syspath_prepend(tmp_path)
    yield "user_module:Faulty"
    sys.modules.pop("user_module", None)


def test_each_process_multiplies_on_one_thread_unless_the_user_says_more(
    tmp_path: Path, faulty: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows: list[dict[str, object]] = [
        {"note_id": "a", "patient_id": "p", "text": "THREADS. BP 120/80."}
    ]
    source = open_corpus(write(tmp_path / "in.jsonl", rows))
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    request = Request(source, tmp_path / "one", recognisers=(faulty,))
    assert scrub_corpus(request).quarantined == []
    assert "OMP_NUM_THREADS" not in os.environ
    monkeypatch.setenv("OMP_NUM_THREADS", "2")
    with one_thread_each():
        assert os.environ["OMP_NUM_THREADS"] == "2"


def test_one_worker_and_two_write_the_same_bytes(
    tmp_path: Path, rows: list[dict[str, object]], key_file: Path
) -> None:
    source = open_corpus(write(tmp_path / "in.jsonl", rows))
    identity = Identity(f"{SENTINEL}-1", names=("Stable Xiomara",), own=("Stable Xiomara",))
    request = Request(
        source, tmp_path / "one", key_file=key_file, shard_notes=15, spans=tmp_path / "spans.jsonl",
        identities={f"{SENTINEL}-1": identity},
    )  # fmt: skip
    first = scrub_corpus(request)
    second = scrub_corpus(replace(request, output=tmp_path / "two", workers=2))
    assert contents(tmp_path / "one") == contents(tmp_path / "two")
    assert list(contents(tmp_path / "one")) == [f"part-{i:05d}.jsonl" for i in range(3)]
    assert first.output_digest == second.output_digest == open_corpus(tmp_path / "one").digest()
    assert first.notes == 40
    assert first.patients == 3
    assert first.spans_by_category["NAME"] == 40
    assert first.settings["dropped_columns"] == ["author"]
    out = b"".join(contents(tmp_path / "one").values()).decode()
    assert SENTINEL not in out
    assert "Quackenbush" not in out
    assert "MRN" not in out
    assert "BP 120/80." in out
    found = [json.loads(line) for line in (tmp_path / "spans.jsonl").read_text().splitlines()]
    assert len(found) == 40
    assert found[3]["note_id"] == "MRN3"
    text = str(rows[3]["text"])
    assert "Zebulon Quackenbush" in {text[s["start"] : s["end"]] for s in found[3]["spans"]}
    assert set(found[0]["spans"][0]) == {"start", "end", "category", "score", "source"}
    vault = tmp_path / "one" / "vault"
    assert vault.stat().st_mode & 0o777 == 0o700
    assert all(p.stat().st_mode & 0o777 == 0o600 for p in vault.iterdir())
    assert (tmp_path / "spans.jsonl").stat().st_mode & 0o777 == 0o600
    assert {p.name for p in vault.iterdir()} == {"scrub_manifest.json", "lineage.json"}
    manifest = ScrubManifest.load(vault / "scrub_manifest.json")
    assert manifest == first
    assert "5a5a" not in (vault / "scrub_manifest.json").read_text()
    assert not [p for p in tmp_path.iterdir() if p.name.startswith(".")]


def test_whatever_a_recogniser_does_the_note_is_quarantined_and_nothing_is_said(
    tmp_path: Path,
    rows: list[dict[str, object]],
    faulty: str,
    capfd: pytest.CaptureFixture[str],
) -> None:
    bad = {4: "RAISE", 9: "DIE", 21: "HANG", 39: "DIE"}
    for i, word in bad.items():
        rows[i]["text"] = f"{word} {rows[i]['text']}"
    source = open_corpus(write(tmp_path / "in.jsonl", rows))
    request = Request(
        source, tmp_path / "out", recognisers=(faulty,), note_seconds=3.0, workers=2, method="tag"
    )
    from llmsafe.scrub import workers

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(workers, "_GRACE", 3.0)  # a busy machine is no failure
        manifest = scrub_corpus(request)
    assert manifest.quarantined == [f"MRN{i}" for i in bad]
    assert manifest.notes == 36
    vault = tmp_path / "out" / "vault"
    kept = [json.loads(line) for line in (vault / "quarantine.jsonl").read_text().splitlines()]
    # Untouched, every column.
    assert [{**row, "lang": None} for row in (rows[i] for i in bad)] == kept
    reasons = json.loads((vault / "quarantine_reasons.json").read_text())
    died, hung = "scrubber: process died", "scrubber: process hung"
    assert list(reasons.values()) == ["faulty: ValueError", died, hung, died]
    notes = list(open_corpus(tmp_path / "out").notes())
    assert len(notes) == 36
    said = capfd.readouterr()
    texts = [p.read_text() for p in (tmp_path / "out" / "corpus").iterdir()]
    everything = said.out + said.err + "".join(texts)
    assert SENTINEL not in everything
    assert "Quackenbush" not in everything


RUN = """
import sys
from pathlib import Path
from llmsafe.corpus import open_corpus
from llmsafe.scrub.pipeline import scrub_corpus
from llmsafe.scrub.request import Request
from llmsafe.scrub.workers import one_thread_each
if __name__ == "__main__":
    folder = Path(sys.argv[1])
    sys.path.insert(0, str(folder))
    source = open_corpus(folder / "in.jsonl")
    scrub_corpus(Request(source, folder / "killed", recognisers=("user_module:Faulty",),
        key_file=folder / "key", shard_notes=5))
"""


def test_a_killed_run_resumes_to_the_same_bytes(
    tmp_path: Path, rows: list[dict[str, object]], faulty: str, key_file: Path
) -> None:
    for row in rows:
        row["text"] = f"SLOW {row['text']}"
    source = open_corpus(write(tmp_path / "in.jsonl", rows))
    request = Request(
        source, tmp_path / "whole", recognisers=(faulty,), key_file=key_file, shard_notes=5
    )
    whole = scrub_corpus(request)
    (tmp_path / "run.py").write_text(RUN)
    command = [sys.executable, str(tmp_path / "run.py"), str(tmp_path)]
    root = str(Path(__file__).parents[2])
    process = subprocess.Popen(command, env={**os.environ, "PYTHONPATH": root})
    progress = tmp_path / ".killed.scrub" / "vault" / "scrub_progress.json"
    deadline = time.monotonic() + 60
    while not progress.exists() and time.monotonic() < deadline:
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert progress.exists()
    assert not (tmp_path / "killed").exists()  # an unfinished output never appears
    done = sum(json.loads(progress.read_text())["read"])
    assert 0 < done < 40
    progress.with_name(".scrub_progress.json.0123456789abcdef").write_text("torn")
    resumed = replace(request, output=tmp_path / "killed", resume=True)
    with pytest.raises(EvidenceError, match="settings differ"):
        scrub_corpus(replace(resumed, method="tag"))
    seen: list[int] = []
    again = scrub_corpus(resumed, seen.append)
    assert seen[0] == done  # nothing was done twice
    assert contents(tmp_path / "killed") == contents(tmp_path / "whole")
    vaults = [
        sorted(p.name for p in (tmp_path / n / "vault").iterdir()) for n in ("killed", "whole")
    ]
    assert vaults[0] == vaults[1]
    same = {"seconds": 0.0}
    assert again.model_copy(update=same) == whole.model_copy(update=same)


def test_bad_input_leaves_nothing_behind(tmp_path: Path) -> None:
    path = tmp_path / "in.jsonl"
    path.write_text("{no json\n" + '{"note_id": "1", "body": "x"}\n')
    message = r"in.jsonl:1: no JSON .* \(and no note could be read\)"
    with pytest.raises(InputError, match=message):
        scrub_corpus(Request(open_corpus(path), tmp_path / "out"))
    assert {p.name for p in tmp_path.iterdir()} == {"in.jsonl"}


@pytest.mark.parametrize("workers", [1, 3])
def test_bad_records_are_quarantined_where_they_stand(
    tmp_path: Path, rows: list[dict[str, object]], key_file: Path, workers: int
) -> None:
    lines = [json.dumps(row).encode() for row in rows]
    broken = {
        0: b"{no json",
        7: json.dumps(rows[3]).encode(),
        8: b'{"note_id": "x", "text": "Zebulon\xe9"}',
        9: b'{"note_id": "y", "text": "' + b"Zebulon " * 200_000 + b'"}',
        38: b"[]",
        39: b'{"text": null}',
    }
    for place, line in broken.items():
        lines[place] = line
    path = tmp_path / "in.jsonl"
    path.write_bytes(b"\n".join(lines))
    request = Request(
        open_corpus(path), tmp_path / "out", key_file=key_file, shard_notes=9, workers=workers,
        spans=tmp_path / "spans.jsonl",
    )  # fmt: skip
    seen: list[int] = []
    manifest = scrub_corpus(request, seen.append)
    assert manifest.quarantined == [f"in.jsonl:{place + 1}" for place in broken]
    assert manifest.notes == 40 - len(broken)
    assert seen[-1] == 40
    assert list(contents(tmp_path / "out")) == [f"part-{i:05d}.jsonl" for i in range(5)]
    assert b"Zebulon" not in b"".join(contents(tmp_path / "out").values())
    vault = tmp_path / "out" / "vault"
    kept = [json.loads(line) for line in (vault / "quarantine.jsonl").read_bytes().splitlines()]
    assert [row["record"] for row in kept] == manifest.quarantined
    raw = [row["raw"] and row["raw"].encode(errors="surrogateescape") for row in kept]
    expected = [line + b"\n" for line in broken.values()]
    expected[3], expected[-1] = None, expected[-1].strip()  # too large; the last line
    assert raw == expected
    reasons = json.loads((vault / "quarantine_reasons.json").read_text())
    assert list(reasons) == manifest.quarantined
    assert reasons["in.jsonl:9"] == "not UTF-8 (byte 33); convert the file to UTF-8 first"
    assert "Zebulon" not in json.dumps(reasons) + (vault / "scrub_manifest.json").read_text()
    assert len((tmp_path / "spans.jsonl").read_text().splitlines()) == manifest.notes
    found = preview(replace(request, output=tmp_path / "none", spans=None))
    assert list(found.quarantined) == manifest.quarantined


def test_a_damaged_file_keeps_finished_shards_and_once_repaired_resumes(
    tmp_path: Path, rows: list[dict[str, object]], key_file: Path
) -> None:
    rows += [{**rows[0], "note_id": f"X{i}"} for i in range(60)]
    good = open_corpus(write(tmp_path / "good.jsonl", rows))
    request = Request(good, tmp_path / "whole", key_file=key_file, shard_notes=5, method="tag")
    whole = scrub_corpus(request)
    path = write(tmp_path / "in" / "a.jsonl", rows[:90])
    rest = "".join(json.dumps(row) + "\n" for row in rows[90:])
    packed = path.with_name("b.jsonl.gz")
    packed.write_bytes(gzip.compress(rest.encode())[:-20])
    broken = replace(request, source=open_corpus(tmp_path / "in"), output=tmp_path / "out")
    with pytest.raises(InputError, match=r"b.jsonl.gz: damaged .*; finished shards are kept in "):
        scrub_corpus(broken)
    work = tmp_path / ".out.scrub"
    kept = contents(work)
    assert 0 < len(kept) < 20
    again = replace(broken, resume=True)
    with pytest.raises(InputError, match=r"kept in .*\.out\.scrub; go on with --resume$"):
        scrub_corpus(again)
    # Mistakes of a resume cost nothing: a key readable by others, no key, a column that is not.
    key_file.chmod(0o644)
    with pytest.raises(InputError, match="readable by others"):
        scrub_corpus(again)
    with pytest.raises(InputError, match="cannot read key file"):
        scrub_corpus(replace(again, key_file=tmp_path / "none", resume=False))
    with pytest.raises(InputError, match="to keep"):
        scrub_corpus(replace(again, key_file=None, keep=("ward",), resume=False))
    key_file.chmod(0o600)
    with pytest.raises(InputError, match="which is replaced"):
        scrub_corpus(replace(again, key_file=work / "vault" / "scrub_progress.json"))
    # A changed note among those done is not the same run; a repaired one after them is.
    write(path, [{**rows[0], "text": "Another."}, *rows[1:90]])
    with pytest.raises(EvidenceError, match="input, key or settings differ"):
        scrub_corpus(again)
    assert contents(work) | kept == contents(work)
    write(path, rows[:90])
    packed.write_bytes(gzip.compress(rest.encode()))
    seen: list[int] = []
    manifest = scrub_corpus(again, seen.append)
    assert seen[0] >= 5 * len(kept)
    assert contents(tmp_path / "out") == contents(tmp_path / "whole")
    assert manifest.output_digest == whole.output_digest
    assert manifest.patients == whole.patients
    assert manifest.input_digest == again.source.digest()
    assert not work.exists()


def test_a_failure_to_publish_keeps_the_work(tmp_path: Path, rows: list[dict[str, object]]) -> None:
    source = open_corpus(write(tmp_path / "in.jsonl", rows[:4]))
    spans = tmp_path / "spans" / "s.jsonl"
    spans.parent.mkdir()
    request = Request(source, tmp_path / "out", spans=spans, method="tag")

    def block(done: int) -> None:
        if done == 4:  # after the check, before the end
            spans.mkdir(exist_ok=True)

    with pytest.raises(SetupError, match=r"kept in .*\.out\.scrub; go on with --resume$"):
        scrub_corpus(request, block)
    assert not (tmp_path / "out").exists()
    spans.rmdir()
    assert scrub_corpus(replace(request, resume=True)).notes == 4
    assert len(spans.read_text().splitlines()) == 4


def test_what_cannot_work_is_refused_at_once(tmp_path: Path, rows: list[dict[str, object]]) -> None:
    write(tmp_path / "in" / "corpus" / "a.jsonl", rows)
    source = open_corpus(tmp_path / "in")
    request = Request(source, tmp_path / "out")
    with pytest.raises(InputError, match="'fr' has no recognisers; choose one of en, zh"):
        scrub_corpus(replace(request, lang="fr"))
    with pytest.raises(InputError, match="cannot make recogniser 'no:thing'"):
        scrub_corpus(replace(request, recognisers=("no:thing",)))
    (tmp_path / "in" / "vault").mkdir()
    (tmp_path / "in" / "vault" / "canaries.json").write_text("{}")
    with pytest.raises(InputError, match="scrub first, then plant"):
        scrub_corpus(request)
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "x").write_text("mine")
    with pytest.raises(InputError, match="exists"):
        scrub_corpus(request)
    assert (tmp_path / "out" / "x").read_text() == "mine"


def test_lineage_key_and_format_are_carried(tmp_path: Path, rows: list[dict[str, object]]) -> None:
    folder = tmp_path / "in"
    (folder / "corpus").mkdir(parents=True)
    names = ["text", "id", "patient_id", "when"]
    lines = [",".join(names)]
    lines += [f'"{r["text"]}",{r["note_id"]},{r["patient_id"]},2020-03-04' for r in rows[:4]]
    (folder / "corpus" / "a.csv").write_text("\n".join(lines) + "\n")
    step = LineageStep(step="synth", version="0", inputs={}, outputs={"corpus": "x"})
    Lineage(steps=[step]).save(folder / "vault" / "lineage.json", private=True)
    source = open_corpus(folder)
    columns = Columns(id="id", date="when")
    manifest = scrub_corpus(Request(source, tmp_path / "out", columns=columns, method="hash"))
    lineage = Lineage.load(tmp_path / "out" / "vault" / "lineage.json")
    assert [s.step for s in lineage.steps] == ["synth", "scrub"]
    assert lineage.steps[1].inputs == {"corpus": source.digest()}
    assert lineage.steps[1].outputs == {"corpus": manifest.output_digest}
    assert (tmp_path / "out" / "vault" / "scrub.key").stat().st_mode & 0o777 == 0o600
    [part] = (tmp_path / "out" / "corpus").iterdir()
    assert part.suffix == ".csv"
    assert part.read_text().splitlines()[0].split(",")[:4] == ["id", "patient_id", "text", "when"]


def test_a_preview_counts_and_writes_nothing(tmp_path: Path, rows: list[dict[str, object]]) -> None:
    source = open_corpus(write(tmp_path / "in.jsonl", rows))
    tally = preview(Request(source, tmp_path / "out", limit=5))
    assert tally.notes == 5
    assert tally.spans_by_category == {"DATE": 5, "NAME": 5}
    assert {p.name for p in tmp_path.iterdir()} == {"in.jsonl"}
