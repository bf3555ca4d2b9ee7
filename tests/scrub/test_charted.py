"""Initials of who charted, and abbreviations in the same places."""

from __future__ import annotations

import pytest

from llmsafe.scrub.detect.en.charted import find_charted


def found(text: str) -> list[str]:
    return sorted(text[span.start : span.end] for span in find_charted(text))


@pytest.mark.parametrize(
    ("text", "initials"),
    [
        ("Foley out 1105 by pjk. Swan stays.", ["pjk"]),
        ("Dressing changed 09:31 mrq\nIsolate saved", ["mrq"]),
        ("Dr Long notified. LM/RN", ["LM"]),
        ("Wasted 0.5 mg w/ KZ. Next", ["KZ"]),
        ("insulin verified by ZD/KV, given", ["KV", "ZD"]),
        ("0605 148/82 78 400 cw\n0635 131/74 80 400 cw\n0705 98/60 rg", ["cw", "cw", "rg"]),
        ("0800 | 120/80 | 77 | LK\n0900 | 118/76 | 80 | LK", ["LK", "LK"]),
        ("Chart returned to desk (AK).\n", ["AK"]),
        ("rtc 4w. hk", ["hk"]),
        ("will see 2x wk x 4 jt otr", ["jt"]),
        ("GROSS (tjm): breast", ["tjm"]),
    ],
)
def test_initials_of_who_charted(text: str, initials: list[str]) -> None:
    assert found(text) == initials


@pytest.mark.parametrize(
    "text",
    [
        "Given 0800 po. Taken at 1200 prn. At 1700 hrs\nBP 1200 mg. 0900 pt. Asleep",
        "MD/RN aware. PT/RT seen. I&O/RN",
        "verified with MD. Checked by RN. Confirmed with US. checked w/ ED, stable",
        "0600 BP 120/80 HR 80 RA\n0700 BP 118/76 HR 82 NC",
        "0600 slept 4 LK",
        "Results faxed (ED). Called to unit (ICU).\n",
        "Stable. wnl",
        "GROSS (FNA): fluid",
    ],
)
def test_abbreviations_in_the_same_places_stay(text: str) -> None:
    assert found(text) == []
