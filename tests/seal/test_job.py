"""A sealed corpus through scrub and canary; `scripts/seal_proof.py` does the whole job."""

from __future__ import annotations

import json
from pathlib import Path

from typer.testing import CliRunner

from llmsafe.artifacts import CanaryManifest
from llmsafe.cli.main import app
from llmsafe.corpus import open_corpus
from llmsafe.scrub.pipeline import scrub_corpus
from llmsafe.scrub.request import Request
from llmsafe.seal.keys import new_key
from llmsafe.seal.store import envelope_of, sealed_file

SENTINEL = "xylophagous quodlibet"


def test_no_clear_byte_and_the_same_readers_all_the_way(tmp_path: Path, keyed):
    engineer, officer = keyed(), new_key()
    notes = tmp_path / "notes.jsonl"
    rows = [
        {"note_id": f"n{i}", "patient_id": f"qqpatient{i}", "text": f"Seen for {SENTINEL} {i}."}
        for i in range(8)
    ]
    notes.write_text("".join(json.dumps(row) + "\n" for row in rows))
    for arguments in (
        ["seal", str(notes), "--to", officer.id],
        ["canary", str(tmp_path / "scrubbed"), str(tmp_path / "planted"), "--count", "6"],
    ):
        if arguments[0] == "canary":
            scrub_corpus(Request(open_corpus(notes), tmp_path / "scrubbed", workers=1))
        done = CliRunner().invoke(app, arguments)
        assert done.exit_code == 0, (done.output, done.exception)

    kept = [note for note in open_corpus(tmp_path / "planted").notes() if SENTINEL in note.text]
    assert len(kept) == len(rows)
    manifest = CanaryManifest.load(tmp_path / "planted" / "vault" / "canaries.json")
    secrets = [c.text[c.secret_start : c.secret_end] for c in manifest.canaries]
    wanted = [one.encode() for one in (SENTINEL, "qqpatient", *secrets)]
    files = [p for p in tmp_path.rglob("*") if p.is_file() and p.parent.name != "keys"]
    assert len(files) > 8
    for path in files:
        assert sealed_file(path), path
        assert not any(one in path.read_bytes() for one in wanted), path
        assert set(envelope_of(path).recipients) == {engineer.id, officer.id}, path
