"""The layer of known identifiers: whatever form, nothing of the table survives."""

# ruff: noqa: E501 - a case stays on one line

from __future__ import annotations

import time
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmsafe.notes import PhiSpan
from llmsafe.scrub.detect.normalise import normalise
from llmsafe.scrub.detect.outline import word_set
from llmsafe.scrub.known import matcher as known
from llmsafe.scrub.known.matcher import Identity, KnownMatcher, build_matcher, edit_distance_one
from llmsafe.scrub.known.reading import WORD

IDENTITY = Identity(
    "p1",
    names=("William James Okonkwo", "Mary Okonkwo", "José Ñandú-Rivera", "May Long"),
    own=("William James Okonkwo",),
    dates=("1960-03-04",),
    values=(
        ("MRN", "00482913"), ("SSN", "945-05-7974"), ("PHONE", "(704) 188-2639"),
        ("LOCATION", "2356 Flint Road"), ("LOCATION", "85356"), ("LOCATION", "Tupelo"), ("LOCATION", "8156 Apple Ave, # 33C"),
        ("EMAIL", "wokonkwo@example.org"), ("ACCOUNT", "A5722275724"), ("OTHER_ID", "p1"),
    ),
)  # fmt: skip
MATCHER = build_matcher(IDENTITY)


def left(text: str) -> str:
    """The text without what was found."""
    view = normalise(text)
    mask = [True] * len(text)
    for span in MATCHER.find(view.text):
        start, end = view.span(span.start, span.end)
        mask[start:end] = [False] * (end - start)
    return "".join(c for c, keep in zip(text, mask, strict=True) if keep)


@pytest.mark.parametrize(
    "form",
    [
        "William Okonkwo", "OKONKWO, WILLIAM J", "okonkwo", "Mr. Okonkwo's", "W. Okonkwo", "Bill", "Okonkow",
        "Okonwko", "Okonkwoo", "Oconkwo", "O-K-O-N-K-W-O", "Okon-\nkwo", "William\nOkonkwo", "Jose",
        "NANDU", "Rivera", "Nandu-Rivera", "W\u200billiam", "may long",
        "00482913", "482913", "0048-2913", "945 05 7974", "945057974", "704.188.2639", "7041882639", "188-2639",
        "8156 aPPLE aVE, # 33c", "2356 Flint Rd", "2356 FLINT ROAD", "Flint Road", "85356", "tupelo", "WOKONKWO@EXAMPLE.ORG", "wokonkwo",
        "A5722275724", "a-5722275724", "03/04/1960", "3/4/60", "3-4-1960", "1960-03-04", "19600304", "4 March 1960",
        "March 4th, 1960", "Mar 4, '60", "04/03/1960", "MARCH 4", "4-Mar-60",
        "７０４-１８８-２６３９", "ⓞⓚⓞⓝⓚⓦⓞ", "患者Okonkwo", "Long, M🙂ay",
    ],
)  # fmt: skip
def test_no_form_survives(form: str) -> None:
    rest = left(f"Note: {form} was seen.")
    kept = "".join(c for c in rest if c.isalnum()).lower().replace("患者", "")
    assert kept in ("notewasseen", "notemrwasseen", "notemrswasseen", "notemrsnwasseen"), rest


@pytest.mark.parametrize(
    "clean",
    [
        "She may need a long course of 500 mg.", "Billing was done; the flint was sharp.", "Parker noted rivers.",
        "WBC 4829, 1882 cells, 9450 units", "on 3/5/1960 and 1961-03-04", "The millions of long-term users.",
        "704 patients, 188 of 2639", "Jameson cell", "The wills of the patients",
    ],
)  # fmt: skip
def test_ordinary_text_stays(clean: str) -> None:
    assert left(clean) == clean


def test_a_name_glued_to_a_word_counts_where_a_capital_begins_it() -> None:
    assert left("OkonkwoStable, NAMEOkonkwo, noteOKONKWO") == "Stable, NAME, note"
    assert left("preokonkwoic, TUPELOS, rivera") == "preokonkwoic, TUPELOS, "


def test_everyday_names_count_when_capitalised() -> None:
    assert left("May came; Long lines; she may long for it") == " came;  lines; she  for it"


def test_initials_count_beside_a_name_only() -> None:
    assert left("J. W. Okonkwo had vitamin J and plan W.") == ". .  had vitamin J and plan W."


def test_a_name_is_not_taken_for_the_mail_address_made_of_it() -> None:
    text = "Mr. W. Okonkwo logged in as wokonkwo."
    assert {text[s.start : s.end]: s.category for s in MATCHER.find(text)} == {
        "W": "NAME",
        "Okonkwo": "NAME",
        "wokonkwo": "EMAIL",
    }


@given(
    st.sampled_from(["482913", "945057974", "7041882639", "a5722275724"]),
    st.lists(st.sampled_from(["", " ", "-", ".", " - ", "/"]), min_size=12, max_size=12),
)
def test_separators_do_not_help(value: str, gaps: list[str]) -> None:
    spread = "".join(c + gap for c, gap in zip(value, gaps, strict=False)).strip(" -./")
    rest = left(f"Seen ({spread}) today")
    assert not any(c.isdigit() for c in rest), rest


@given(st.text(alphabet="abcdefg", min_size=1, max_size=7), st.text(alphabet="abcdefg", max_size=7))
def test_edit_distance_agrees_with_the_definition(a: str, b: str) -> None:
    edits = {a[:i] + a[i + 1 :] for i in range(len(a))}
    edits |= {a[:i] + c + a[i:] for i in range(len(a) + 1) for c in "abcdefg"}
    edits |= {a[:i] + c + a[i + 1 :] for i in range(len(a)) for c in "abcdefg"}
    edits |= {a[:i] + a[i + 1] + a[i] + a[i + 2 :] for i in range(len(a) - 1)}
    assert edit_distance_one(a, b) == (b in edits and a != b)


def test_every_slip_is_found() -> None:
    name = "okonkwo"
    cut = [(name[:i], name[i:]) for i in range(len(name) + 1)]
    slips = [a + b[1:] for a, b in cut] + [a + letter + b for a, b in cut for letter in "qk"]
    slips += [a + "q" + b[1:] for a, b in cut] + [a + b[1::-1] + b[2:] for a, b in cut]
    assert all(MATCHER._is_part(slip.capitalize()) for slip in slips)
    assert MATCHER._is_part("Oqonkqo") is None


def test_time_is_linear_in_the_length_of_a_word() -> None:
    def seconds(length: int) -> float:
        began = time.process_time()
        assert list(MATCHER.find("a" * length)) == []
        return time.process_time() - began

    # Linear is 8 times, quadratic 64.
    assert seconds(80_000) < 20 * seconds(10_000) + 0.05


def test_shared_identities_are_matched_alike() -> None:
    staff = build_matcher(Identity(None, names=("Irvin970 Emard19",)), shared=True)
    assert staff.source == "known shared"
    text = "Seen by IRVIN970 EMARD19, and by Emard."
    found = {text[s.start : s.end] for s in staff.find(text)}
    assert found == {"IRVIN970", "EMARD19", "IRVIN970 EMARD19", "Emard"}


def test_repr_shows_nothing() -> None:
    assert "Okonkwo" not in repr(IDENTITY) + repr(MATCHER)


# --- looking only where something can be finds what a search of everything finds -----------------


def plainly(matcher: KnownMatcher, text: str) -> set[tuple[int, int, str]]:
    """What :meth:`KnownMatcher.find` gives, with every value, date and word tried everywhere."""
    kept = [(c.lower()[0], i) for i, c in enumerate(text) if c.isalnum()]
    letters, places = "".join(c for c, _ in kept), [i for _, i in kept]
    found: set[tuple[int, int, str]] = set()
    for value, category, glued in (
        v for first, behind in matcher.compact for v in (first, *behind)
    ):
        for at in range(len(letters) - len(value) + 1):
            own = places[at : at + len(value)]
            near = all(b - a <= (1 if glued else 5) for a, b in pairwise(own))
            if letters.startswith(value, at) and near and known._border(text, own[0], own[-1]):
                found.add((own[0], own[-1] + 1, category))
    if matcher.dates:
        found |= {(*match.span(), "DATE") for match in matcher.dates.finditer(text)}
    words = list(WORD.finditer(text))
    parts = [matcher._is_part(word[0]) for word in words]
    taken = [part is not None for part in parts]

    def beside(i: int) -> bool:
        near = [
            taken[other] and known._JOINT.fullmatch(text, words[a].end(), words[b].start())
            for other, a, b in ((i - 1, i - 1, i), (i + 1, i, i + 1))
            if 0 <= other < len(words)
        ]
        return any(near)

    for order in (range(len(words)), reversed(range(len(words)))):
        for i in order:
            taken[i] = taken[i] or (matcher._is_initial(words[i][0]) and beside(i))
    for i, word in enumerate(words):
        if taken[i] and (parts[i] is not False or word[0][0].isupper() or beside(i)):
            end = word.end()
            if word[0].lower().endswith("'s") and word[0].lower() not in matcher.parts:
                end -= 2
            found.add((word.start(), end, "NAME"))
    return found


def spans(found: list[PhiSpan]) -> set[tuple[int, int, str]]:
    return {(span.start, span.end, span.category) for span in found}


PIECES = word_set(
    "William james W J. w okonkwo OKONKWO Okonkow Okonkwo's o'konkwo May may long Bill Jose rivera"
    " Nandu the patient seen 00482913 482913 0048-2913 945-05-7974 188-2639 7041882639 2356 Flint"
    " Road Rd flint 85356 Tupelo wokonkwo wokonkwo@example.org A5722275724 03/04/1960 3-4-60 4 4th"
    " March Mar march4th 4-Mar-60 1960-03-04 19600304 '60 of 3\u67084\u65e5 _ __ x_4 \u017fix \u0130l"
)


@given(
    st.lists(st.sampled_from(sorted(PIECES)), max_size=24),
    st.lists(
        st.sampled_from([" ", " ", "", "\n", ", ", "-", "\n\n", "'", "/"]), min_size=24, max_size=24
    ),
)
def test_nothing_is_missed_by_looking_only_where_something_can_be(
    parts: list[str], gaps: list[str]
) -> None:
    text = "".join(part + gap for part, gap in zip(parts, gaps, strict=False))
    for matcher in (MATCHER, build_matcher(IDENTITY, shared=True)):
        assert spans(list(matcher.find(text))) == plainly(matcher, text)


def test_every_value_of_a_table_stands_alone_or_behind_one_that_it_holds() -> None:
    pairs = MATCHER.compact
    assert all(first[0] in value[0] for first, behind in pairs for value in behind)
    assert not any(a[0] in b[0] for a, _ in pairs for b, _ in pairs if a is not b)
    assert any(behind for _, behind in pairs)


def test_identities_of_one_hash_are_told_apart() -> None:
    other = Identity("p1", own=IDENTITY.own, values=(("MRN", "7731904"),))
    assert hash(other) == hash(IDENTITY)
    assert other != IDENTITY
