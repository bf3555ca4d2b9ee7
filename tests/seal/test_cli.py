"""seal, open, access, key and check, as typed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from llmsafe.cli.main import app
from llmsafe.errors import EvidenceError, InputError, LlmsafeError
from llmsafe.files import locked_folder, read_text
from llmsafe.privacy.check_files import access as check_access
from llmsafe.privacy.evidence import Absent
from llmsafe.privacy.ledger import Ledger, read_ledger
from llmsafe.privacy.plan import make_plan
from llmsafe.seal import tree
from llmsafe.seal.keys import FILE, SECRET, new_key, read_key
from llmsafe.seal.policy import LOG, POLICY
from llmsafe.seal.segments import HEADER
from llmsafe.seal.store import envelope_of, sealed_file

SENTINEL = "Zebulon Quackenbush"


def run(*arguments: str | Path) -> str:
    """Stdout; an error of llmsafe is raised as it is."""
    done = CliRunner().invoke(app, [str(one) for one in arguments])
    if isinstance(done.exception, LlmsafeError):
        raise done.exception
    assert done.exit_code == 0, done.output
    return done.stdout


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A run folder in clear: corpus, vault, release, a link and a key that lies there."""
    place = tmp_path / "run"
    for name in ("corpus", "vault", "release"):
        (place / name).mkdir(parents=True)
        (place / name / "file.json").write_text(f'{{"text": "{SENTINEL}"}}')
    (place / "empty").write_text("")
    (place / "link").symlink_to(tmp_path / "elsewhere")
    (place / "my.key").write_text(new_key().to_text())
    return place


def clear_names(place: Path) -> set[str]:
    files = (path for path in place.rglob("*") if path.is_file() and not path.is_symlink())
    return {str(path.relative_to(place)) for path in files if not sealed_file(path)}


def test_a_folder_is_sealed_and_opened_again(tmp_path: Path, folder: Path, keyed):
    keyed()
    said = CliRunner().invoke(app, ["seal", str(folder)]).output
    assert "3 files sealed" in said
    assert "left as it is (a key)" in said
    assert clear_names(folder) == {"release/file.json", "my.key"}
    assert (folder / "vault" / "file.json").stat().st_mode & 0o777 == 0o600
    assert "0 files sealed" in CliRunner().invoke(app, ["seal", str(folder)]).output
    (folder / "vault" / "new").write_text(SENTINEL)
    assert "1 file sealed" in CliRunner().invoke(app, ["seal", str(folder)]).output
    run("open", folder, tmp_path / "clear", "--why", "ticket 42")
    for name in ("corpus", "vault", "release"):
        assert SENTINEL in (tmp_path / "clear" / name / "file.json").read_text()
    assert (tmp_path / "clear" / "empty").read_bytes() == b""
    assert (tmp_path / "clear" / "vault").stat().st_mode & 0o777 == 0o700
    assert not (tmp_path / "clear" / POLICY).exists()
    with pytest.raises(InputError, match="exists"):
        run("open", folder, tmp_path / "clear")
    with pytest.raises(InputError, match="not sealed"):
        run("open", tmp_path / "clear", tmp_path / "third")
    assert not (tmp_path / "third").exists()
    log = json.loads(run("access", folder, "--json"))
    assert ("open", "ticket 42") in {(line["action"], line["why"]) for line in log["log"]}
    assert {line["what"] for line in log["log"] if line["action"] == "seal"} == {"."}
    assert run("access", folder, "--holds", log["head"])


def test_the_old_blocks_are_overwritten_but_never_those_of_another_name(tmp_path: Path, keyed):
    keyed()
    plain, other = tmp_path / "plain", tmp_path / "other"
    plain.write_text(SENTINEL)
    with plain.open("rb") as held:  # the inode outlives its name as long as it is open
        run("seal", plain)
        assert held.read() == bytes(len(SENTINEL))
    twice = tmp_path / "twice"
    twice.write_text(SENTINEL)
    os.link(twice, other)
    run("seal", twice)
    assert other.read_text() == SENTINEL


def test_what_stays_clear_behind_links_is_refused_or_told(tmp_path: Path, folder: Path, keyed):
    keyed()
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "note").write_text(SENTINEL)
    link = tmp_path / "link"
    link.symlink_to(outside / "note")
    with pytest.raises(InputError, match="is a link"):
        run("seal", link)
    assert link.is_symlink()
    (folder / "vault" / "linked").symlink_to(outside)
    os.link(folder / "vault" / "file.json", tmp_path / "second-name")
    said = CliRunner().invoke(app, ["seal", str(folder)]).output
    assert f"left as it is (a link): {folder}/link and 1 more" in said
    assert f"(clear under another name, a hard link): {folder}/vault/file.json" in said


def test_nothing_is_replaced_under_a_job(tmp_path: Path, folder: Path, keyed):
    """Its ledger would lose every charge after that."""
    keyed()
    plan = make_plan(
        delta=1e-3, population=100, units_per_step=10, steps=5, unit="patient", noise_multiplier=1.0
    )
    place = folder / "vault" / "ledger.jsonl"
    with locked_folder(folder):
        for path in (folder, folder / "vault", folder / "vault" / "file.json"):
            with pytest.raises(InputError, match="held by another run"):
                run("seal", path)
        assert not sealed_file(folder / "vault" / "file.json")
    with Ledger.create(place, plan) as ledger:  # one that no folder's lock tells of
        ledger.charge(0)
        with pytest.raises(InputError, match="held by another run"):
            run("seal", folder, "--to", new_key().id)
        ledger.charge(1)
    run("seal", folder)
    assert sealed_file(place)
    assert read_ledger(place).charges == 2
    with locked_folder(folder), pytest.raises(InputError, match="held by another run"):
        run("key", "add", folder, new_key().id)


def test_a_reason_neither_breaks_the_log_nor_writes_on_the_terminal(
    tmp_path: Path, folder: Path, keyed, monkeypatch
):
    keyed()
    monkeypatch.setenv("LOGNAME", "somebody else")
    with pytest.raises(InputError, match="100,000 characters"):
        run("seal", folder, "--why", "a" * 100_000)
    run("seal", folder, "--why", "\x1b[2Jticket\n42" + "病" * 480)
    run("open", folder, tmp_path / "clear")  # the next line finds the one before it
    shown = run("access", folder)
    assert "\x1b" not in shown
    assert "⟨U+001B⟩[2Jticket 42" in shown
    assert "somebody else" not in shown


def test_what_cannot_be_opened_leaves_nothing_behind(tmp_path: Path, folder: Path, keyed):
    keyed()
    run("seal", folder)
    path = folder / "vault" / "file.json"
    data = path.read_bytes()
    start = data.index(bytes([HEADER]), 180)
    for at in (3, 40, 100, start + 2, len(data) - 1):
        path.write_bytes(data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :])
        with pytest.raises(LlmsafeError, match=r"vault/file\.json"):
            run("open", folder, tmp_path / "clear")
        assert not (tmp_path / "clear").exists()
    for planted in (b"", b'{"text": "planted"}'):  # no seal at all is no way around it
        path.write_bytes(planted)
        with pytest.raises(EvidenceError, match="is not sealed, and"):
            run("open", folder, tmp_path / "clear")
        with pytest.raises(EvidenceError, match="is not sealed, and"):
            read_text(path)
        assert not (tmp_path / "clear").exists()
    assert SENTINEL in read_text(folder / "release" / "file.json")
    path.write_bytes(data)
    keyed(new_key())
    with pytest.raises(InputError, match="not for your key"):
        run("open", folder, tmp_path / "another")
    with pytest.raises(InputError, match="not for your key"):
        run("seal", folder)


def test_keys_are_added_taken_out_and_rotated_without_encrypting_again(
    tmp_path: Path, folder: Path, keyed, monkeypatch
):
    engineer = keyed()
    officer = new_key().trusting(engineer.id, "engineer")
    run("seal", folder)
    path = folder / "vault" / "file.json"

    def body() -> bytes:
        return path.read_bytes()[-(HEADER + len(SENTINEL) + 12 + 16) :]

    before = body()
    run("key", "add", folder, officer.id, "--role", "officer")
    assert set(envelope_of(path).recipients) == {engineer.id, officer.id}
    assert set(envelope_of(folder / LOG).recipients) == {engineer.id, officer.id}
    keyed(officer)
    assert SENTINEL in read_text(path)

    keyed(engineer)
    fresh = tmp_path / "fresh.key"
    new = run("key", "new", fresh).strip()
    run("key", "rotate", folder, fresh)
    assert body() == before
    with pytest.raises(InputError, match="not for your key"):
        read_text(path)
    monkeypatch.setenv(FILE, str(fresh))
    assert SENTINEL in read_text(path)
    run("key", "remove", folder, officer.id)
    assert envelope_of(path).recipients == envelope_of(folder / LOG).recipients == (new,)
    with pytest.raises(InputError, match="not sealed for"):
        run("key", "remove", folder, officer.id)
    with pytest.raises(InputError, match="does not let"):
        run("key", "remove", folder, new)  # nobody could open it any more
    keyed(officer)
    with pytest.raises(InputError):
        read_text(path)
    monkeypatch.setenv(FILE, str(fresh))
    run("key", "trust", engineer.id, "--name", "engineer")
    actions = [line["action"] for line in json.loads(run("access", folder, "--json"))["log"]]
    assert [one for one in actions if one != "open"] == ["seal", "policy", "rotate", "policy"]


@pytest.mark.parametrize("after", ["one file", "all files", "the log"])
def test_a_rotation_that_was_interrupted_is_finished_by_the_same_command(
    tmp_path: Path, folder: Path, keyed, monkeypatch, after: str
):
    keyed()
    run("seal", folder)
    fresh = tmp_path / "fresh.key"
    run("key", "new", fresh)
    real, calls = tree._rewrap, []

    def dies(file: Path, *rest: object) -> None:
        if (after == "one file" and calls) or (after == "all files" and file.name == LOG):
            raise KeyboardInterrupt
        calls.append(file)
        real(file, *rest)

    def died(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(tree, "_rewrap", dies)
        if after == "the log":
            patch.setattr(tree, "save_policy", died)
        assert CliRunner().invoke(app, ["key", "rotate", str(folder), str(fresh)]).exit_code == 130
    run("key", "rotate", folder, fresh)
    monkeypatch.setenv(FILE, str(fresh))
    assert SENTINEL in read_text(folder / "vault" / "file.json")
    run("open", folder, tmp_path / "clear")
    run("access", folder)


def test_a_single_file_for_two_keys(tmp_path: Path, keyed):
    engineer = keyed()
    officer = new_key()
    path = tmp_path / "notes.jsonl"
    path.write_text(SENTINEL)
    run("seal", path, "--to", officer.id)
    assert set(envelope_of(path).recipients) == {engineer.id, officer.id}
    keyed(officer)
    with pytest.raises(InputError, match="does not trust"):
        read_text(path)
    run("key", "trust", engineer.id, "--name", "engineer")
    assert read_text(path) == SENTINEL
    with pytest.raises(InputError, match="no key id"):
        run("seal", path, "--to", "lsk_x")


def test_a_policy_file(tmp_path: Path, folder: Path, keyed):
    key, analyst = keyed(), new_key()
    policy = tmp_path / "access.yaml"
    policy.write_text(
        f"roles:\n  engineer: {{keys: [{key.id}]}}\n"
        f"  analyst: {{keys: [{analyst.id}], may_open: ['corpus/*']}}\n"
    )
    run("seal", folder, "--policy", policy)
    assert len(envelope_of(folder / "corpus" / "file.json").recipients) == 2
    assert envelope_of(folder / "vault" / "file.json").recipients == (key.id,)
    bad = {
        "roles: {}": "at least one role",
        "roles: {a: {keys: []}}": "at least one key",
        "roles: {a: {keys: [lsk_x]}}": "no key id",
        "rolls: {}": "no access policy",
        f"roles: {{a: {{keys: [{analyst.id}]}}}}": "does not let",
        "[": "cannot read",
    }
    before = (folder / POLICY).read_bytes()
    for text, why in bad.items():
        policy.write_text(text)
        with pytest.raises(InputError, match=why):
            run("seal", folder, "--policy", policy)
    assert (folder / POLICY).read_bytes() == before
    with pytest.raises(InputError, match="has a policy; name that folder"):
        run("seal", folder / "vault")


def test_keys_are_made_and_shown_and_never_overwritten(tmp_path: Path, monkeypatch):
    path = tmp_path / "k"
    made = run("key", "new", path).strip()
    assert path.stat().st_mode & 0o777 == 0o600
    assert read_key(path).id == made == run("key", "show-id", path).strip()
    with pytest.raises(InputError, match="never overwritten"):
        run("key", "new", path)
    monkeypatch.setenv(FILE, str(path))
    assert run("key", "show-id").strip() == made
    made = run("key", "new", tmp_path / "second").strip()  # not sealed by the first
    assert read_key(tmp_path / "second").id == made


def test_a_command_borrows_a_key(tmp_path: Path, keyed):
    key = keyed()
    code = (
        "import os; from llmsafe.seal.keys import needed_key; print(needed_key().id, *os.environ)"
    )
    command = [sys.executable, "-m", "llmsafe", "key", "run", "--", sys.executable, "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    said = done.stdout.split()
    assert said[0] == key.id
    assert SECRET in said
    assert FILE not in said


def test_check_looks_at_policy_log_and_what_lies_in_clear(tmp_path: Path, folder: Path, keyed):
    keyed()
    with pytest.raises(Absent):
        check_access(folder)
    run("seal", folder)
    assert "1 keys in 1 roles; 1 lines" in check_access(folder)
    (folder / "vault" / "late.json").write_text("clear")
    with pytest.raises(EvidenceError, match=r"late\.json lie"):
        check_access(folder)
    run("seal", folder)
    log = (folder / LOG).read_bytes()
    (folder / LOG).write_bytes(log.rstrip(b"\n") + b"A\n")
    with pytest.raises(EvidenceError, match="do not rely on this log"):
        check_access(folder)
    (folder / LOG).unlink()
    with pytest.raises(EvidenceError, match="is gone"):
        check_access(folder)
    (folder / LOG).write_bytes(log)
    for spoil in ((folder / POLICY).write_bytes, lambda _: (folder / POLICY).unlink()):
        spoil(b"")  # then clear files would pass for what they should be
        with pytest.raises(EvidenceError, match=r"access\.json is gone or spoilt"):
            check_access(folder)


def test_help_loads_no_cryptography():
    code = (
        "import sys; sys.argv = ['llmsafe', '--help']\n"
        "from llmsafe.cli.main import main\n"
        "try:\n    main()\nexcept SystemExit:\n    pass\n"
        "print('cryptography' in sys.modules, 'pydantic' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout.splitlines()[-1] == "False False"
