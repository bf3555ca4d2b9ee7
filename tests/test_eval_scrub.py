"""The study of the scrubber: counts by hand, nothing left out untold, Presidio offline."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from llmsafe.gold import GoldNote
from llmsafe.notes import Note, PhiSpan
from llmsafe.stats import binomial_interval

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "eval"))

import scrub_recall  # noqa: E402
import scrub_score  # noqa: E402
import scrub_systems  # noqa: E402

TEXT = "Dr. Ann Lee of Ulm, 1987, aged 93, saw Bo (82) on 3/4/1987."


def spans(*named: tuple[str, str]) -> tuple[PhiSpan, ...]:
    """(category, words) where the words stand first."""
    return tuple(
        PhiSpan(TEXT.index(words), TEXT.index(words) + len(words), category)
        for category, words in named
    )


def gold(*named: tuple[str, str], text: str = TEXT, **extra: str) -> scrub_score.Gold:
    return scrub_score.in_scope(GoldNote(Note("n", text, extra=extra), spans(*named)))


GOLD = gold(
    ("DOCTOR", "Dr. Ann Lee"), ("CITY", "Ulm"), ("DATE", "1987"), ("AGE", "93"), ("AGE", "82"),
    ("PATIENT", "Bo"), ("DATE", "3/4/1987"), ("PROFESSION", "saw"), ("SHOE_SIZE", "aged"),
)  # fmt: skip


def test_types_are_mapped_and_what_is_left_out_is_told() -> None:
    assert [(s.category, TEXT[s.start : s.end]) for s in GOLD.spans] == [
        ("NAME", "Dr. Ann Lee"), ("LOCATION", "Ulm"), ("AGE", "93"), ("NAME", "Bo"),
        ("DATE", "3/4/1987"), ("SHOE_SIZE", "aged"),
    ]  # fmt: skip
    assert GOLD.left_out == {"bare years": 1, "ages under 90": 1, "PROFESSION": 1}
    assert scrub_score.unknown_types([GOLD]) == {"SHOE_SIZE": 1}
    told = scrub_recall.remarks([GOLD])
    assert "of a type that no table maps, counted under its name: SHOE_SIZE 1" in told
    assert "PROFESSION 1" in told


def test_counts_of_one_note() -> None:
    found = spans(
        ("NAME", "Ann Lee of"), ("ORGANIZATION", "Ulm"), ("AGE", "93, saw"), ("DATE", "3/4"),
        ("NAME", "on"), ("DATE", "1987"),
    )  # fmt: skip
    score = scrub_score.score_note(GOLD, found)
    names = score.recall["NAME"]  # "Dr" is no core token; "Bo" was missed
    assert names.trials == {"spans": 2, "tokens": 3, "chars": 10}
    assert names.hits == {"spans": 0, "tokens": 2, "chars": 6}
    assert score.recall["LOCATION"].hits == {"spans": 1, "tokens": 1, "chars": 3}
    dates = score.recall["DATE"]
    assert dates.hits == {"spans": 0, "tokens": 2, "chars": 2}
    assert dates.trials == {"spans": 1, "tokens": 3, "chars": 6}
    assert {TEXT[s.start : s.end] for s in score.leaked} == {"Bo", "3/4/1987", "aged"}
    wrong = score.precision["NAME"]  # "of" and "on" are no PHI
    assert wrong.trials == {"spans": 2, "tokens": 4, "chars": 10}
    assert wrong.hits == {"spans": 0, "tokens": 2, "chars": 6}
    # A year and a profession are not counted as PHI, but to touch them is not wrong.
    assert score.precision["DATE"].hits == {"spans": 1, "tokens": 3, "chars": 6}
    assert score.precision["AGE"].hits == {"spans": 0, "tokens": 2, "chars": 5}
    assert (score.words, score.words_touched) == (15, 10)


def test_rates_over_notes() -> None:
    clean = gold()
    whole = scrub_score.score_note(GOLD, [PhiSpan(0, len(TEXT), "NAME")])
    nothing = scrub_score.score_note(GOLD, [])
    scores = [
        whole, nothing, nothing, scrub_score.score_note(clean, []),
        scrub_score.score_note(clean, spans(("NAME", "Ann"))),
    ]  # fmt: skip
    assert scrub_score.leaking(scores) == binomial_interval(2, 3)
    assert scrub_score.leaking(scores, "AGE") == binomial_interval(2, 3)
    assert scrub_score.leaking(scores, "SSN") is None
    assert scrub_score.clean_touched(scores) == binomial_interval(1, 2)
    found = scrub_score.clean_words_touched(scores)
    assert found is not None
    assert found.value == 1 / 30
    for measure in scrub_score.MEASURES[1:]:
        found = scrub_score.rate(scores, scrub_score.recall, measure)
        assert found is not None
        # Three notes are three observations, however many words they hold.
        assert found.value == pytest.approx(1 / 3)
        assert found.low == pytest.approx(binomial_interval(1, 3).low, abs=0.01)
    assert scrub_score.rate(scores[1:4], scrub_score.precision, "tokens") is None


def test_a_note_with_years_alone_is_neither_clean_nor_able_to_leak() -> None:
    scores = [scrub_score.score_note(gold(("DATE", "1987")), [])]
    assert scrub_score.leaking(scores) is None
    assert scrub_score.clean_touched(scores) is None


def test_presidio_opens_no_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    tried: list[object] = []

    def refuse(*arguments: object) -> None:
        tried.append(arguments)
        raise OSError("no network in this test")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    text = "Mail ann@example.org or call 212-555-1234, https://example.org"
    found = scrub_systems.build("presidio")(Note("n", text), None)
    assert found is not None
    assert {(s.category, text[s.start : s.end]) for s in found} >= {
        ("EMAIL", "ann@example.org"), ("PHONE", "212-555-1234"),
    }  # fmt: skip
    assert not tried


@pytest.mark.slow
def test_the_command_measures_both_on_every_kind_of_gold(tmp_path: Path) -> None:
    text = "Call Ann Lee at 212-555-1234."
    rows = [
        {
            "note_id": str(i),
            "patient_id": "p",
            "text": text,
            "style": f"s{i % 2}",
            "spans": [
                {"start": 5, "end": 12, "category": "NAME"},
                {"start": 16, "end": 28, "category": "PHONE"},
            ],
        }
        for i in range(4)
    ] + [{"note_id": "clean", "text": "No fever.", "spans": []}]
    (tmp_path / "gold.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (tmp_path / "people.csv").write_text("patient_id,name\np,Ann Lee\n")
    brat = tmp_path / "brat"
    brat.mkdir()
    (brat / "n.txt").write_text(text)
    (brat / "n.ann").write_text("T1\tNAME 5 12\tAnn Lee\nT2\tPHONE 16 28\t212-555-1234\n")
    both = study(tmp_path, tmp_path / "gold.jsonl")
    everything = scrub_recall.cell(binomial_interval(4, 4))
    none = scrub_recall.cell(binomial_interval(0, 4))
    assert f"| notes with any leak | {none} | {everything} |" in both
    assert "| s0 | 2 |" in both
    one = study(tmp_path, brat, "--systems", "llmsafe")
    assert "| notes with any leak | 0.0 % [0.0, 97.5] |\n" in one
    assert "style" not in one


def study(folder: Path, place: Path, *more: str) -> str:
    """What the study writes about the gold at ``place``."""
    command = [sys.executable, "eval/scrub_recall.py", str(place), "--processes", "0", *more]
    command += ["--known-identifiers", str(folder / "people.csv"), "--out", str(folder / "t.md")]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    table = (folder / "t.md").read_text()
    assert "Ann" not in done.stdout + done.stderr + table
    return table


@pytest.mark.slow
def test_speed_is_measured_in_processes_of_their_own() -> None:
    jobs = [(Note(str(i), TEXT), None) for i in range(40)]
    found = scrub_systems.rates(jobs, ["llmsafe", "finding", "presidio"], processes=2, rounds=2)
    assert set(found) == {"llmsafe", "finding", "presidio"}
    assert all(0 < least <= median <= most for median, least, most in found.values())
