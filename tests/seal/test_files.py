"""Files as the rest of llmsafe reads and writes them, with a key in the environment."""

from __future__ import annotations

import gzip
import io
import json
import multiprocessing
import resource
import signal
from pathlib import Path

import pytest

from llmsafe.artifacts import Lineage, LineageStep
from llmsafe.corpus import open_corpus, write_corpus
from llmsafe.errors import EvidenceError, InputError, SetupError
from llmsafe.files import (
    append_line,
    atomic_file,
    open_file,
    read_bytes,
    read_text,
    sha256_bytes,
    sha256_file,
    write_atomic,
    write_text,
)
from llmsafe.notes import Note
from llmsafe.privacy.ledger import Ledger, is_open, read_ledger
from llmsafe.privacy.plan import Plan
from llmsafe.seal.keys import FILE, SECRET, new_key
from llmsafe.seal.log import PLACE, REASON, read_log
from llmsafe.seal.policy import LOG, POLICY, AccessPolicy, Role, simple_policy
from llmsafe.seal.store import (
    Sealing,
    envelope_of,
    inherited_policy,
    keep_access,
    key_for,
    load_policy,
    save_policy,
    sealed_file,
)
from llmsafe.seal.tree import seal_path

SENTINEL = b"Zebulon Quackenbush"
PLAN = Plan(
    epsilon=1.5, delta=1e-5, population=1000, units_per_step=10, steps=100, noise_multiplier=1.1,
    sampling_probability=0.01, clip_norm=1.0, unit="patient", noise="standard",
)  # fmt: skip


def test_private_files_are_sealed_and_public_ones_are_not(tmp_path: Path, keyed):
    keyed()
    private = write_atomic(tmp_path / "private", SENTINEL * 3, private=True)
    public = write_atomic(tmp_path / "public", SENTINEL * 3)
    assert SENTINEL not in private.read_bytes()
    assert private.stat().st_mode & 0o777 == 0o600
    assert public.read_bytes() == SENTINEL * 3
    assert read_bytes(private) == read_bytes(public) == SENTINEL * 3
    assert sha256_file(private) == sha256_file(public) == sha256_bytes(SENTINEL * 3)


def test_without_a_key_nothing_changes(tmp_path: Path):
    assert write_text(tmp_path / "a", "clear", private=True).read_text() == "clear"
    append_line(tmp_path / "b", "one")
    assert (tmp_path / "b").read_text() == "one\n"
    assert not list(tmp_path.glob("access*"))


def test_without_the_key_nothing_is_read(tmp_path: Path, keyed, monkeypatch):
    keyed()
    path = write_atomic(tmp_path / "private", SENTINEL, private=True)
    append_line(tmp_path / "lines", "one")
    Lineage().save(tmp_path / "lineage.json", private=True)
    keyed(new_key())
    for name in ("private", "lines", "lineage.json"):
        with pytest.raises(InputError, match=f"{name}: sealed for lsk_.*not for your key"):
            read_bytes(tmp_path / name)
    with pytest.raises(InputError):
        Lineage.load(tmp_path / "lineage.json")
    monkeypatch.delenv(FILE)
    with pytest.raises(InputError, match=FILE):
        read_bytes(path)
    monkeypatch.setenv(SECRET, "")
    with pytest.raises(InputError, match=FILE):
        append_line(tmp_path / "lines", "two")


def test_every_format_of_a_corpus_is_read_sealed(tmp_path: Path, keyed):
    notes = [Note(f"n{i}", f"{SENTINEL.decode()} {i}", f"p{i}") for i in range(30)]
    clear: dict[str, list[Note]] = {}
    for kind in ("jsonl", "csv", "parquet"):
        write_corpus(tmp_path / kind, notes, kind)
        clear[kind] = list(open_corpus(tmp_path / kind).notes())
    packed = tmp_path / "gz" / "notes.jsonl.gz"
    packed.parent.mkdir()
    packed.write_bytes(gzip.compress((tmp_path / "jsonl" / "part-00000.jsonl").read_bytes()))
    clear["gz"] = list(open_corpus(packed.parent).notes())
    (tmp_path / "txt").mkdir()
    (tmp_path / "txt" / "one.txt").write_bytes(SENTINEL)
    clear["txt"] = list(open_corpus(tmp_path / "txt").notes())
    digests = {kind: open_corpus(tmp_path / kind).digest() for kind in clear}
    key = keyed()
    for kind, expected in clear.items():
        assert seal_path(tmp_path / kind, key).done == 1
        assert all(SENTINEL not in f.read_bytes() for f in (tmp_path / kind).iterdir())
        corpus = open_corpus(tmp_path / kind)
        assert list(corpus.notes()) == expected
        assert corpus.digest() == digests[kind]  # of the content: sealing breaks no lineage
        assert (tmp_path / kind / LOG).is_file()  # and log and policy are not taken for notes


def test_a_corpus_that_was_altered_is_refused_in_every_format(tmp_path: Path, keyed):
    keyed()
    for kind in ("jsonl", "csv", "parquet"):
        [path] = write_corpus(tmp_path / kind, [Note("n", "text " * 999, "p")], kind)
        data = path.read_bytes()
        for bad in (data[:-20], data[:200] + bytes([data[200] ^ 1]) + data[201:], data[:50]):
            path.write_bytes(bad)
            with pytest.raises(EvidenceError, match="part-00000"):
                list(open_corpus(tmp_path / kind).notes())


def test_a_file_written_in_a_stream_is_whole_or_not_there(tmp_path: Path, keyed):
    keyed()
    with pytest.raises(RuntimeError), atomic_file(tmp_path / "a", private=True) as file:
        file.write(bytes(3 << 20))
        raise RuntimeError
    assert not [p for p in tmp_path.iterdir() if p.name != "keys"]
    with atomic_file(tmp_path / "a", private=True) as file:
        for _ in range(5):
            file.write(b"x" * 700_000)
    with open_file(tmp_path / "a") as file:
        assert file.seek(-3, io.SEEK_END) == 3_500_000 - 3
        assert file.read() == b"xxx"


def _fill(folder: str, how: str) -> None:
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, 1 << 20))
    path = Path(folder)
    try:
        if how == "write":
            write_atomic(path / "new", bytes(2 << 20), private=True)
        elif how == "seal":
            from llmsafe.seal.keys import needed_key

            seal_path(path / "large", needed_key())
        else:
            while True:
                append_line(path / "lines", "x" * 100_000)
    except SetupError as error:
        (path / "said").write_text(str(error))


@pytest.mark.parametrize("how", ["write", "seal", "append"])
def test_a_full_disk_loses_nothing(tmp_path: Path, keyed, how: str):
    """The limit on a file's size is a disk that is full after a mebibyte."""
    keyed()
    large = tmp_path / "large"
    large.write_bytes(SENTINEL * 100_000)
    process = multiprocessing.get_context("fork").Process(target=_fill, args=(str(tmp_path), how))
    process.start()
    process.join(30)
    said = (tmp_path / "said").read_text()
    assert "File too large" in said or "No space left" in said
    assert large.read_bytes() == SENTINEL * 100_000
    left = {p.name for p in tmp_path.iterdir()} - {"keys", "large", "said", "access.log"}
    assert left <= {"lines"}
    if how == "append":  # what is there is whole
        assert set(read_text(tmp_path / "lines").splitlines()) == {"x" * 100_000}


# --- files that grow ----------------------------------------------------------------------------


def test_lines_are_sealed_one_by_one(tmp_path: Path, keyed):
    keyed()
    path = tmp_path / "metrics.jsonl"
    for number in range(3):
        append_line(path, f"Zebulon {number}")
    assert b"Zebulon" not in path.read_bytes()
    with path.open("ab") as file:
        file.write(b"torn")
    append_line(path, "after")
    assert read_text(path).splitlines() == ["Zebulon 0", "Zebulon 1", "Zebulon 2", "after"]


def test_a_file_begun_in_clear_goes_on_in_clear(tmp_path: Path, keyed):
    path = tmp_path / "metrics.jsonl"
    append_line(path, "one")
    key = keyed()
    append_line(path, "two")
    assert path.read_text() == "one\ntwo\n"
    seal_path(path, key)
    assert read_text(path) == "one\ntwo\n"
    with pytest.raises(InputError, match="cannot grow"):
        append_line(path, "three")


def test_a_sealed_ledger_is_a_ledger(tmp_path: Path, keyed):
    keyed()
    path = tmp_path / "ledger.jsonl"
    with Ledger.create(path, PLAN) as ledger:
        ledger.charge(1)
        ledger.charge(2)
    assert is_open(path)
    assert b"charge" not in path.read_bytes()
    with path.open("ab") as file:
        file.write(b"torn")
    assert (read_ledger(path).charges, read_ledger(path).torn) == (3, True)
    with Ledger.resume(path, PLAN, applied=2) as ledger:
        assert ledger.charges == 3
    assert read_ledger(path, at_least=3).torn is False
    lines = path.read_bytes().split(b"\n")
    for bad in (
        [*lines[:2], *lines[3:]],
        [*lines[:1], lines[2], lines[1], *lines[3:]],
        lines[:1] + lines[2:],
    ):
        path.write_bytes(b"\n".join(bad))
        with pytest.raises(EvidenceError):
            read_ledger(path)
    path.write_bytes(lines[0] + b"\n")  # a header alone holds no charge
    assert not is_open(path)


# --- policy and log -----------------------------------------------------------------------------


def test_a_policy_decides_who_may_open_what(tmp_path: Path, keyed):
    engineer, analyst = new_key(), new_key()
    folder = tmp_path / "run"
    folder.mkdir()
    roles = {
        "engineer": Role(keys=[engineer.id]),
        "analyst": Role(keys=[analyst.id], may_open=["corpus/*"]),
    }
    save_policy(folder, AccessPolicy(roles=roles), engineer)
    keyed(engineer)
    write_text(folder / "corpus" / "a.jsonl", "shared", private=True)
    write_text(folder / "vault" / "b.json", "ours", private=True)
    keyed(analyst, trusts=(engineer,))
    assert read_text(folder / "corpus" / "a.jsonl") == "shared"
    with pytest.raises(InputError, match="not for your key"):
        read_text(folder / "vault" / "b.json")
    with pytest.raises(InputError, match=r"does not let your key open vault/c\.json"):
        write_text(folder / "vault" / "c.json", "x", private=True)
    assert not (folder / "vault" / "c.json").exists()
    log = folder / LOG
    lines = read_log(log, key_for(log, engineer))
    assert [(line.what, line.role) for line in lines] == [("corpus/a.jsonl", "analyst")]


def test_a_role_cannot_put_files_where_it_may_not_look(tmp_path: Path, keyed):
    """The policy vouches for a key in the places that it may open, and in no other."""
    engineer, analyst = new_key(), new_key()
    roles = {
        "engineer": Role(keys=[engineer.id]),
        "analyst": Role(keys=[analyst.id], may_open=["corpus/*"]),
    }
    keyed(engineer)
    save_policy(tmp_path, AccessPolicy(roles=roles), engineer)
    for name in ("corpus", "vault"):
        path = tmp_path / name / "x"
        path.parent.mkdir()
        with path.open("wb") as file:
            writer = Sealing(analyst, (engineer.id,)).writer(file)
            writer.write(b"planted")
            writer.finish()
    assert read_text(tmp_path / "corpus" / "x") == "planted"
    with pytest.raises(InputError, match="does not trust"):
        read_text(tmp_path / "vault" / "x")


def test_a_sealed_folder_takes_nothing_in_clear(tmp_path: Path, keyed, monkeypatch):
    key = keyed()
    save_policy(tmp_path, simple_policy(key, ()), key)
    monkeypatch.delenv(FILE)
    with pytest.raises(InputError, match="nothing is written there in clear"):
        write_text(tmp_path / "vault" / "x", "clear", private=True)
    with pytest.raises(InputError, match="nothing is written there in clear"):
        append_line(tmp_path / "y", "clear")
    assert {p.name for p in tmp_path.iterdir()} == {"keys", POLICY}


def test_a_policy_that_a_stranger_put_there_is_refused(tmp_path: Path, keyed):
    key, stranger = keyed(), new_key()
    save_policy(tmp_path, simple_policy(stranger, [key.id]), stranger)
    with pytest.raises(InputError, match="does not trust"):
        write_text(tmp_path / "x", "text", private=True)
    (tmp_path / POLICY).write_bytes((tmp_path / POLICY).read_bytes()[:-3])
    keyed(key, trusts=(stranger,))
    with pytest.raises(EvidenceError, match=POLICY):
        write_text(tmp_path / "x", "text", private=True)


def test_what_is_made_from_something_sealed_is_for_the_same_keys(tmp_path: Path, keyed):
    engineer, officer, auditor = new_key(), new_key(), new_key()
    keyed(engineer)
    notes = tmp_path / "in" / "notes.jsonl"
    notes.parent.mkdir()
    notes.write_text('{"text": "x"}\n')
    seal_path(notes, engineer, simple_policy(engineer, [officer.id]))
    keep_access(notes, tmp_path / "out")
    path = write_text(tmp_path / "out" / "vault" / "x", "made", private=True)
    assert set(envelope_of(path).recipients) == {engineer.id, officer.id}
    assert envelope_of(tmp_path / "out" / POLICY).sealer == engineer.id
    # of two files: only for those who may open both
    other = tmp_path / "in" / "more.jsonl"
    other.write_text('{"text": "y"}\n')
    seal_path(other, engineer, simple_policy(engineer, [auditor.id]))
    assert inherited_policy(notes.parent).key_ids() == [engineer.id]
    # a folder that has a policy keeps it
    keep_access(other, tmp_path / "out")
    assert set(load_policy(tmp_path / "out", engineer).key_ids()) == {engineer.id, officer.id}
    (tmp_path / "clear").mkdir()
    keep_access(tmp_path / "clear", tmp_path / "third")
    assert not (tmp_path / "third").exists()


def test_an_access_is_logged_before_it_is_given_and_once(tmp_path: Path, keyed, monkeypatch):
    key = keyed()
    path = write_atomic(tmp_path / "notes", SENTINEL, private=True)
    monkeypatch.setenv(REASON, "ticket 42")
    for _ in range(3):
        read_bytes(path)
    monkeypatch.setenv(REASON, "another")
    read_bytes(path)
    lines = read_log(tmp_path / LOG, key)
    assert [(line.action, line.what, line.why) for line in lines] == [
        ("open", "notes", "ticket 42"),
        ("open", "notes", "another"),
    ]
    assert lines[0].who == key.id
    assert lines[0].time.endswith("+00:00")
    assert b"ticket" not in (tmp_path / LOG).read_bytes()
    monkeypatch.setenv(PLACE, str(tmp_path / "no such folder" / "log"))
    with pytest.raises(SetupError, match="nothing is opened"):
        read_bytes(path)
    monkeypatch.setenv(PLACE, str(tmp_path / "elsewhere.log"))
    assert read_bytes(path) == SENTINEL
    assert len(read_log(tmp_path / "elsewhere.log", key)) == 1


def test_a_policy_may_ask_for_a_reason(tmp_path: Path, keyed, monkeypatch):
    key = keyed()
    policy = simple_policy(key, ()).model_copy(update={"reason_required": True})
    save_policy(tmp_path, policy, key)
    path = write_text(tmp_path / "x", "text", private=True)
    with pytest.raises(InputError, match=REASON):
        read_text(path)
    monkeypatch.setenv(REASON, "ticket 42")
    assert read_text(path) == "text"


def broken_logs(data: bytes, forged: bytes) -> dict[str, bytes]:
    lines = data.split(b"\n")
    edited = lines[2][:40] + (b"A" if lines[2][40:41] != b"A" else b"B") + lines[2][41:]
    return {
        "a line edited": b"\n".join([*lines[:2], edited, *lines[3:]]),
        "a line out": b"\n".join([*lines[:2], *lines[3:]]),
        "the first out": b"\n".join([lines[0], *lines[2:]]),
        "two swapped": b"\n".join([lines[0], lines[2], lines[1], *lines[3:]]),
        "one repeated": b"\n".join([*lines[:2], *lines[1:]]),
        "a line of another log": data + forged,
        "no log": b"hello\n" + data,
        "empty": b"",
    }


@pytest.mark.parametrize("name", broken_logs(b"\n".join([b"x" * 50] * 5), b""))
def test_a_log_that_was_worked_on_is_refused(tmp_path: Path, keyed, name: str):
    key = keyed()
    for number in range(4):
        read_bytes(write_atomic(tmp_path / f"n{number}", SENTINEL, private=True))
    log = tmp_path / LOG
    assert [line.index for line in read_log(log, key)] == [0, 1, 2, 3]
    other = tmp_path / "other"
    read_bytes(write_atomic(other / "x", SENTINEL, private=True))
    forged = (other / LOG).read_bytes().split(b"\n")[1] + b"\n"
    log.write_bytes(broken_logs(log.read_bytes(), forged)[name])
    with pytest.raises(EvidenceError):
        read_log(log, key)


def test_lines_cut_off_the_end_show_against_a_hash_that_was_noted(tmp_path: Path, keyed):
    key = keyed()
    for number in range(3):
        read_bytes(write_atomic(tmp_path / f"n{number}", SENTINEL, private=True))
    log = tmp_path / LOG
    noted = read_log(log, key)[-1].hash
    log.write_bytes(b"".join(log.read_bytes().splitlines(keepends=True)[:-1]))
    assert len(read_log(log, key)) == 2
    with pytest.raises(EvidenceError, match="lines were cut off"):
        read_log(log, key, holds=noted)


def _read_many(folder: str) -> None:
    for path in sorted(Path(folder).glob("n*")):
        read_bytes(path)


def test_processes_that_open_at_once_leave_one_unbroken_log(tmp_path: Path, keyed):
    key = keyed()
    for number in range(6):
        write_atomic(tmp_path / f"n{number}", SENTINEL, private=True)
    context = multiprocessing.get_context("fork")
    readers = [context.Process(target=_read_many, args=(str(tmp_path),)) for _ in range(4)]
    for reader in readers:
        reader.start()
    for reader in readers:
        reader.join(60)
    assert len(read_log(tmp_path / LOG, key)) == 24


def test_artifacts_and_lineage_do_not_see_the_seal(tmp_path: Path, keyed):
    keyed()
    step = LineageStep(step="scrub", version="1", inputs={}, outputs={"corpus": "sha256:1"})
    path = Lineage().then(step).save(tmp_path / "lineage.json", private=True)
    assert sealed_file(path)
    assert Lineage.load(path).steps == [step]
    assert json.loads(read_bytes(path))["schema_version"] == 1
