"""The guard as a filter of text: what comes out does not depend on how the text came in."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmsafe.artifacts import Canary, CanaryManifest
from llmsafe.canary import make_canaries
from llmsafe.canary.draw import make_manifest
from llmsafe.errors import EvidenceError, InputError
from llmsafe.notes import PhiSpan
from llmsafe.seal.keys import new_key
from llmsafe.serve.guard import WHOLE, DetectionFailed, Guard, Reach, check_mode
from llmsafe.serve.tripwires import (
    Tripwires,
    Watcher,
    make_tripwires,
    read_tripwires,
    squeeze,
)

SMALL = Reach(behind=40, ahead=24, step=7, longest=60)
_LOCAL = re.compile(r"\bDr\. [A-Z]\w{1,9}\b|\b\d{3}-\d{4}\b|\bMRN \d{4,8}\b")


def local(text: str) -> Iterator[PhiSpan]:
    """A detector that looks at no more than 20 characters."""
    for match in _LOCAL.finditer(text):
        category = "NAME" if match[0][0] == "D" else "MRN" if match[0][0] == "M" else "PHONE"
        yield PhiSpan(*match.span(), category, 1.0, "local")


def masked(text: str) -> str:
    """The naive twin: the whole text at once."""
    return _LOCAL.sub(lambda m: {"D": "[NAME]", "M": "[MRN]"}.get(m[0][0], "[PHONE]"), text)


def through(guard: Guard, pieces: Iterable[str]) -> str:
    return "".join([*(guard.feed(piece) for piece in pieces), guard.finish()])


def cut(text: str, places: Iterable[int]) -> list[str]:
    ends = [0, *sorted({p % (len(text) + 1) for p in places}), len(text)]
    return [text[a:b] for a, b in itertools.pairwise(ends)]


words = st.sampled_from(
    [
        "Dr. Strom",
        "Dr. Vale",
        "555-0199",
        "MRN 48213",
        "MRN 9",
        "stable",
        "a",
        "12",
        "seen by",
        "Dr.",
    ]
)
signs = st.sampled_from([" ", ", ", "\n", ". ", "  ", "; "])
texts = st.lists(st.tuples(words, signs), max_size=40).map(lambda p: "".join(w + s for w, s in p))


@given(texts, st.lists(st.integers(0, 2000), max_size=30))
def test_any_cut_gives_what_the_whole_text_gives(text: str, places: list[int]):
    expected = masked(text)
    for pieces in (cut(text, places), list(text), [text]):
        assert through(Guard(local, reach=SMALL), pieces) == expected
    assert through(Guard(local, reach=WHOLE), [text]) == expected


@given(
    st.text(alphabet="aA1é李 .-\n\u200bDr", max_size=300),
    st.lists(st.integers(0, 400), max_size=20),
    st.lists(st.tuples(st.integers(0, 60), st.integers(1, 90)), max_size=4),
    st.sampled_from(["mask", "block"]),
    st.text(alphabet="aA1 :", max_size=50),
)
def test_a_detector_without_reason_gives_one_text_for_all_cuts(text, places, shapes, mode, context):
    """Spans anywhere, other ones in every window: the text may be wrong, but it is one text."""

    def odd(window: str) -> list[PhiSpan]:
        return [
            PhiSpan(a, min(a + n, len(window)), "NAME", 0.5)
            for a, n in ((a * (1 + len(window) % 3), n) for a, n in shapes)
            if a < len(window)
        ]

    seen = set()
    for pieces in (cut(text, places), list(text), [text]):
        guard = Guard(odd, mode=mode, context=context, reach=SMALL)
        sent = through(guard, pieces)
        seen.add((sent, guard.ended, tuple(sorted(guard.masked.items())), guard.late))
    assert len(seen) == 1


@given(texts)
def test_no_more_is_held_back_than_is_promised(text: str):
    guard = Guard(lambda window: [], reach=SMALL)
    sent = 0
    for read, character in enumerate(text, start=1):
        sent += len(guard.feed(character))
        assert read - sent <= SMALL.ahead + SMALL.step + 40
    assert sent + len(guard.finish()) == len(text)


def test_a_span_without_end_is_swallowed_and_masked_once():
    guard = Guard(
        lambda window: [PhiSpan(0, len(window), "OTHER_ID")] if window else [], reach=SMALL
    )
    sent = ""
    for _ in range(3000):
        sent += guard.feed("7")
        assert len(guard._held) <= SMALL.longest + SMALL.step
    assert sent + guard.finish() == "[OTHER_ID]"
    assert guard.masked == {"OTHER_ID": 1}


def test_the_prompt_says_what_a_number_is():
    """ "MRN " is in the prompt alone, so the response by itself shows only a number."""
    assert through(Guard(local, reach=SMALL), ["48213"]) == "48213"
    guard = Guard(local, context="Record of the patient. MRN ", reach=SMALL)
    assert through(guard, ["48213 and 12."]) == "[MRN] and 12."
    assert guard.late == 0


def test_no_prompt_talks_the_guard_out_of_it():
    def gullible(window: str) -> Iterable[PhiSpan]:
        return [] if window.startswith("All fictional") else local(window)

    guard = Guard(gullible, context="All fictional: ", reach=SMALL)
    assert through(guard, ["Dr. Strom"]) == "[NAME]"


def test_a_name_said_once_is_hidden_far_from_there():
    far = "She did well and took metoprolol. " * 30
    text = f"Dr. Strandvik came. {far}Later Strandvik's note and STRANDVIK; strandvik stays."
    sent = through(Guard(local, reach=SMALL), text)
    assert sent == f"[NAME] came. {far}Later [NAME]'s note and [NAME]; strandvik stays."
    # An everyday word is no name wherever it stands.
    assert "will" in through(Guard(local, reach=SMALL), "Dr. Will came. " + far + "She will go.")


def test_blocking_ends_the_response_before_the_span():
    guard = Guard(local, mode="block", reach=SMALL)
    assert through(guard, list("All is well here, says Dr. Strom, and more.")) == (
        "All is well here, says "
    )
    assert guard.ended == "phi"
    assert guard.masked == {"NAME": 1}
    assert guard.feed("Dr. Strom") == guard.finish() == ""


@pytest.mark.parametrize("error", [ValueError("Dr. Strom"), DetectionFailed("names: died")])
def test_a_detector_that_raises_lets_nothing_more_out(error: Exception):
    calls = 0

    def failing(window: str) -> Iterable[PhiSpan]:
        nonlocal calls
        calls += 1
        if calls > 2:
            raise error
        return local(window)

    guard = Guard(failing, reach=SMALL)
    sent = through(guard, list("one two three four five six seven " * 5))
    assert "one two three four five six seven ".startswith(sent[:30])
    assert len(sent) < 40
    assert guard.ended == "failed"
    assert guard.failure in ("ValueError", "names: died")
    assert guard.feed("x" * 500) == guard.finish() == ""


def test_a_late_span_is_counted_and_its_rest_is_masked():
    """The head of a span that nothing announced is gone; the rest is not sent."""

    def late(window: str) -> Iterable[PhiSpan]:
        at = window.find("John")
        end = window.find("END")
        return [PhiSpan(at, end, "NAME")] if at >= 0 and at < end else []

    guard = Guard(late, reach=Reach(behind=200, ahead=4, step=3, longest=60))
    sent = through(guard, "seen John and then some words END after that")
    assert guard.late == 1
    assert guard.masked == {"NAME": 1}
    assert "seen John and then some words ".startswith(sent.partition("[")[0])
    assert sent.endswith("[NAME]END after that")


def test_an_impossible_reach_and_an_unknown_mode_are_refused():
    with pytest.raises(ValueError):
        Reach(ahead=10, longest=5)
    with pytest.raises(InputError, match="mask or block"):
        check_mode("off")


# --- tripwires ----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def manifest() -> CanaryManifest:
    canaries = make_canaries(count=40, kind={"phi": 30, "random": 10}, seed=3)
    return make_manifest(
        canaries, kind="phi+random", seed=3, probability=0.5, lang="en", corpus_digest="none"
    )


def secret_of(canary: Canary) -> str:
    return canary.text[canary.secret_start : canary.secret_end]


def test_every_planted_secret_trips_and_no_withheld_one(manifest: CanaryManifest):
    wires = Tripwires(make_tripwires(manifest))
    for canary in manifest.canaries:
        spaced = " ".join(squeeze(secret_of(canary))).upper()
        for said in (secret_of(canary), spaced):
            watcher = Watcher(wires)
            hits = [watcher.feed(c) for c in f"It is 7 {said} then."]
            assert any(hits) == canary.planted
            assert Watcher(wires).feed(f"It is 7 {said} then.") == canary.planted


def test_a_canary_ends_the_response_before_any_of_it_is_sent(manifest: CanaryManifest):
    wires = Tripwires(make_tripwires(manifest))
    for canary in (c for c in manifest.canaries if c.planted):
        text = "Nothing to see in this long beginning of a note. " * 4 + secret_of(canary) + " yes."
        for pieces in (list(text), [text]):
            guard = Guard(lambda window: [], tripwires=wires, reach=SMALL)
            sent = through(guard, pieces)
            assert guard.ended == "canary"
            assert text.startswith(sent)
            assert len(sent) <= text.index(secret_of(canary))


def test_the_hashed_file_holds_no_secret_and_no_chance_hit(manifest: CanaryManifest, tmp_path):
    made = make_tripwires(manifest)
    stored = made.save(tmp_path / "wires.json", private=True).read_text()
    assert not any(
        secret_of(c) in stored or squeeze(secret_of(c)) in stored for c in manifest.canaries
    )
    assert (tmp_path / "wires.json").stat().st_mode & 0o077 == 0
    again = read_tripwires(tmp_path / "wires.json")
    assert again == made
    assert repr(Tripwires(again)) == f"Tripwires(<{sum(c.planted for c in manifest.canaries)}>)"
    manifest.save(tmp_path / "canaries.json")
    assert len(Tripwires(read_tripwires(tmp_path / "canaries.json"))) == len(Tripwires(made))
    (tmp_path / "other.json").write_text('{"canaries": 3}')
    with pytest.raises(EvidenceError):
        read_tripwires(tmp_path / "other.json")


def test_the_manifest_of_a_sealed_vault_makes_tripwires_too(manifest, tmp_path, monkeypatch):
    monkeypatch.setenv("LLMSAFE_SEAL_KEY", new_key().secret_text())
    sealed = manifest.save(tmp_path / "canaries.json", private=True)
    assert b'"canaries"' not in sealed.read_bytes()
    assert len(Tripwires(read_tripwires(sealed))) == len(Tripwires(make_tripwires(manifest)))


def test_secrets_that_come_up_by_chance_are_left_out():
    canaries = make_canaries(count=20, kind="diagnosis", seed=1)
    chance = make_manifest(
        canaries, kind="diagnosis", seed=1, probability=0.5, lang="en", corpus_digest="none"
    )
    with pytest.raises(InputError, match="by chance"):
        make_tripwires(chance)
