"""Synthetic patients: determinism, exact and complete gold spans, consistent stories, audiences."""

from __future__ import annotations

import itertools
import json
import re
from collections import Counter
from datetime import date

import pytest

from llmsafe.errors import InputError
from llmsafe.notes import CATEGORIES, Note
from llmsafe.synthetic import KINDS, Patient, identity_table, languages, patients
from llmsafe.synthetic.en.lexicon import lexicon
from llmsafe.synthetic.grammar import load_grammar
from llmsafe.synthetic.history import ALLERGENS
from llmsafe.synthetic.knowledge import knowledge

COUNT = 120


@pytest.fixture(scope="module")
def people() -> list[Patient]:
    return list(patients(11, COUNT))


@pytest.fixture(scope="module")
def public() -> list[Patient]:
    return list(patients(11, COUNT, audience="public"))


def dump(person: Patient) -> str:
    notes = [(n.note_id, n.text, n.patient_id, n.date, n.lang, dict(n.extra)) for n in person.notes]
    return json.dumps([person.identity.as_row(), notes], sort_keys=True)


def test_same_seed_same_bytes_and_other_seed_differs(people: list[Patient]) -> None:
    again = [dump(person) for person in patients(11, 10)]
    assert again == [dump(person) for person in people[:10]]
    assert not set(again) & {dump(person) for person in patients(12, 10)}


def test_a_patient_does_not_depend_on_how_many_are_asked_for(people: list[Patient]) -> None:
    alone = next(patients(11, 1, start=77))
    assert dump(alone) == dump(people[77])


def test_generation_is_lazy() -> None:
    assert len(list(itertools.islice(patients(3, 10**9), 2))) == 2


def test_ids_are_unique_and_notes_belong_to_their_patient(people: list[Patient]) -> None:
    ids = [note.note_id for person in people for note in person.notes]
    assert len(ids) == len(set(ids))
    for person in people:
        assert person.notes
        assert {note.patient_id for note in person.notes} == {person.identity.patient_id}


def test_every_kind_and_many_conditions_appear(people: list[Patient]) -> None:
    kinds = Counter(note.extra["kind"] for person in people for note in person.notes)
    assert set(kinds) == set(KINDS)
    assert len({e.condition for person in people for e in person.course.episodes}) >= 60


# -- gold spans ----------------------------------------------------------------------------------


def test_spans_are_exact_ordered_and_do_not_overlap(
    people: list[Patient], public: list[Patient]
) -> None:
    seen: Counter[str] = Counter()
    for note in (note for person in people + public for note in person.notes):
        end = 0
        for span in note.extra["spans"]:
            value = note.text[span["start"] : span["end"]]
            assert end <= span["start"] < span["end"] <= len(note.text)
            assert value == value.strip() != ""
            assert span["category"] in CATEGORIES
            seen[span["category"]] += 1
            end = span["end"]
    wanted = {"NAME", "DATE", "LOCATION", "ORGANIZATION", "PHONE", "FAX", "MRN", "ACCOUNT", "SSN"}
    wanted |= {"HEALTH_PLAN", "EMAIL", "URL", "IP", "LICENSE", "DEVICE", "OTHER_ID", "AGE"}
    assert wanted <= set(seen)


SHAPES = {
    "SSN": re.compile(r"9\d\d[- ]?[0-4]\d[- ]?\d{4}|\d{4}"),
    "EMAIL": re.compile(r"[\w.\-']+@(?:\w+\.)?example\.(?:com|net|org)", re.I),
    "IP": re.compile(r"(?:192\.0\.2|198\.51\.100|203\.0\.113)\.\d+"),
    "AGE": re.compile(r"9\d|1\d\d"),
    "URL": re.compile(r"\S+\.example\.(?:com|net|org)\S*", re.I),
}


def test_identifiers_have_the_shape_of_their_category_and_none_can_be_real(
    people: list[Patient],
) -> None:
    for note in (note for person in people for note in person.notes):
        for span in note.extra["spans"]:
            shape = SHAPES.get(span["category"])
            value = note.text[span["start"] : span["end"]]
            assert shape is None or shape.fullmatch(value), (span["category"], value)


def known_identifiers(person: Patient) -> set[str]:
    """Everything the identity table and the notes' metadata know about."""
    who, house = person.identity, person.identity.institution
    values = {who.first, who.last, who.mrn, who.ssn, who.account, who.health_plan, who.phone}
    values |= {who.mobile, who.email, who.street, who.city, who.zip, who.employer, who.insurer}
    values |= {who.vehicle, house.name, house.clinic, house.city, house.zip, house.phone}
    values |= {house.fax, house.url, house.street}
    for relative in who.relatives:
        values |= {relative.first, relative.last, relative.phone}
    for staff in house.staff:
        values |= {staff.name, staff.licence}
    return {value for value in values if value}


def uncovered(note: Note, values: set[str]) -> list[str]:
    """Identifiers, in any case, that stand in the text as whole words outside every span."""
    rest, end = [], 0
    for span in note.extra["spans"]:
        rest += [note.text[end : span["start"]], "\0"]
        end = span["end"]
    left = "".join([*rest, note.text[end:]]).casefold()
    values = {value.casefold() for value in values}
    likely = [value for value in values if value in left]
    return [v for v in likely if re.search(rf"(?<!\w){re.escape(v)}(?!\w)", left)]


@pytest.fixture(scope="module")
def vocabulary() -> set[str]:
    """All words of the phrase banks: names among them (May, Long) cannot be told by spelling."""
    words: set[str] = set()
    for audience in ("private", "public"):
        for rule in load_grammar("llmsafe.synthetic.en", audience).rules.values():
            for source in rule.sources:
                words |= {word.casefold() for word in re.findall(r"[^\W\d_]+", source)}
    return words


def test_no_known_identifier_stands_uncovered(
    people: list[Patient], public: list[Patient], vocabulary: set[str]
) -> None:
    checked = 0
    for person in people + public:
        values = {v for v in known_identifiers(person) if v.casefold() not in vocabulary}
        checked += len(values)
        for note in person.notes:
            assert not uncovered(note, values)
    assert checked > 20 * COUNT


def test_no_number_shaped_like_an_identifier_stands_uncovered(people: list[Patient]) -> None:
    shape = re.compile(
        r"\b\d{3}-\d\d-\d{4}\b|\(\d{3}\) \d{3}-\d{4}|\b\d{3}[-. ]\d{3}[-. ]\d{4}\b|\S+@\S+|"
        r"\b\d{1,2}/\d{1,2}/\d{2,4}\b|\b\d{4}-\d\d-\d\d\b|\b(?:19|20)\d\d\b(?! ?mL|/| G)"
    )
    for note in (note for person in people for note in person.notes):
        for match in shape.finditer(note.text):
            inside = any(
                s["start"] <= match.start() < s["end"] or s["start"] < match.end() <= s["end"]
                for s in note.extra["spans"]
            )
            military = re.fullmatch(r"(?:19|20)\d\d", match[0])  # a time of day such as 2015
            assert inside or military, match[0]


def test_negative_control_a_planted_name_is_found(people: list[Patient]) -> None:
    person = people[0]
    note = person.notes[0]
    planted = Note(
        note_id=note.note_id,
        text=f"{note.text}\nSeen with {person.identity.last} today.",
        extra=note.extra,
    )
    assert not uncovered(note, {person.identity.last})
    assert uncovered(planted, {person.identity.last}) == [person.identity.last.casefold()]


def test_no_trace_of_the_grammar_is_left_in_the_text(
    people: list[Patient], public: list[Patient]
) -> None:
    for note in (note for person in people + public for note in person.notes):
        assert not re.search(r"[{}<>|]|  \.|\.\.|,,", note.text)
        assert not re.search(r"(?i)\ba (?:8\d|11|18)[- ]?y", note.text)


# -- consistency ---------------------------------------------------------------------------------


def test_dates_increase_and_follow_the_birth(people: list[Patient]) -> None:
    for person in people:
        dates = [date.fromisoformat(note.date or "") for note in person.notes]
        assert dates == sorted(dates)
        assert person.identity.birth_date < dates[0]
        encounters = [e for episode in person.course.episodes for e in episode.encounters]
        assert [e.date for e in encounters] == dates


def test_courses_fit_the_patient(people: list[Patient], public: list[Patient]) -> None:
    tables = knowledge()
    for person in people + public:
        sex, course = person.identity.sex, person.course
        for episode in course.episodes:
            condition = tables.conditions[episode.condition]
            assert condition.sex in ("any", sex)
            assert condition.ages[0] <= episode.age <= condition.ages[1] + 4
        assert all(tables.conditions[code].sex in ("any", sex) for code, _ in course.background)
        given = {
            tables.drugs[dose.drug].family
            for episode in course.episodes
            for encounter in episode.encounters
            for dose in encounter.doses
        }
        assert not given & {ALLERGENS[allergen] for allergen, _ in course.allergies}


def test_drug_lists_change_only_by_what_is_said(people: list[Patient]) -> None:
    tables = knowledge()
    moved = 0
    for person in people:
        for episode in person.course.episodes:
            for before, after in itertools.pairwise(episode.encounters):
                old = {d.drug: d.amount for d in before.doses if d.status != "stopped"}
                for dose in after.doses:
                    assert dose.amount in tables.drugs[dose.drug].doses
                    if dose.status == "home":
                        assert old[dose.drug] == dose.amount
                    elif dose.status == "new":
                        assert dose.drug not in old
                    elif dose.status == "stopped":
                        assert dose.drug in old
                    else:
                        assert (dose.amount > old[dose.drug]) == (dose.status == "raised")
                        moved += 1
                assert set(old) <= {d.drug for d in after.doses}
    assert moved > 20


def test_laboratory_values_move_towards_recovery(people: list[Patient]) -> None:
    """The test that made people come in ends nearer to its recovered range than it began."""
    better = worse = 0
    tables = knowledge()
    for person in people:
        for episode in person.course.episodes:
            for lab in tables.conditions[episode.condition].labs:
                first, last = (episode.encounters[i].labs[lab.code] for i in (0, -1))
                middle = sum(lab.well) / 2
                if abs(sum(lab.sick) / 2 - middle) > 0.3 * abs(middle):
                    better += abs(last - middle) < abs(first - middle)
                    worse += abs(last - middle) > abs(first - middle)
    assert better > 6 * worse > 0 or (better > 50 and worse == 0)


def test_a_fact_of_an_episode_is_the_same_in_all_its_notes(people: list[Patient]) -> None:
    repeated = 0
    for person in people + list(patients(21, 200)):
        for episode in person.course.episodes:
            if episode.condition != "chf":
                continue
            days = {e.date.isoformat() for e in episode.encounters}
            texts = [n.text for n in person.notes if n.date in days]
            values = {v for text in texts for v in re.findall(r"EF (?:of )?(\d\d)%", text)}
            assert len(values) <= 1
            repeated += sum("EF" in text for text in texts) > 1
    assert repeated


# -- audiences and options -----------------------------------------------------------------------


def test_audiences_share_no_name(people: list[Patient], public: list[Patient]) -> None:
    one, other = lexicon("private"), lexicon("public")

    def names(lists: object) -> set[str]:
        fields = ("female", "male", "last", "streets", "organizations")
        out = {word.casefold() for name in fields for word in getattr(lists, name)}
        return out

    assert not names(one) & names(other)
    assert not {c.name for c in one.cities} & {c.name for c in other.cities}
    assert min(len(one.female), len(one.male), len(one.last), len(one.cities)) > 100
    assert min(len(other.female), len(other.male), len(other.last), len(other.cities)) > 80
    assert not {p.identity.last for p in people} & {p.identity.last for p in public}


def test_audiences_share_no_sentence_frame() -> None:
    one = load_grammar("llmsafe.synthetic.en", "private").rules
    other = load_grammar("llmsafe.synthetic.en", "public").rules
    assert set(one) == set(other)
    split = [name for name in one if one[name].sources != other[name].sources]
    for name in split:
        assert not set(one[name].sources) & set(other[name].sources)
    for bank in ("hpi.open", "soap.open", "ex.lungs", "op.room", "chf.plan", "appy.hx", "top"):
        assert bank in split


def sentences(people: list[Patient]) -> set[str]:
    """Sentences of at least eight words, identifiers blanked."""
    out: set[str] = set()
    for note in (note for person in people for note in person.notes):
        text = list(note.text)
        for span in note.extra["spans"]:
            text[span["start"] : span["end"]] = "#" * (span["end"] - span["start"])
        for sentence in re.split(r"[.\n]+ ?", "".join(text)):
            words = re.findall(r"[^\W\d]+", sentence.lower())
            if len(words) >= 8:
                out.add(" ".join(words))
    return out


def test_audiences_share_almost_no_long_sentence(
    people: list[Patient], public: list[Patient]
) -> None:
    one, other = sentences(people), sentences(public)
    assert len(one) > 1000
    assert len(one & other) < 0.01 * len(one)


def test_short_notes_are_short_and_max_notes_caps() -> None:
    short = [note for person in patients(5, 60, length="short") for note in person.notes]
    words = sorted(len(note.text.split()) for note in short)
    assert {note.extra["kind"] for note in short} <= {
        "phone",
        "nursing",
        "progress",
        "radiology",
        "social",
    }
    assert words[len(words) // 2] < 150
    assert max(words) < 260
    for person in patients(5, 60, length="short", max_notes=3):
        assert 1 <= len(person.notes) <= 3


def test_identity_table_has_the_same_columns_for_all(people: list[Patient]) -> None:
    rows = list(identity_table(people))
    assert len(rows) == COUNT
    assert len({tuple(row) for row in rows}) == 1
    assert len({row["patient_id"] for row in rows}) == COUNT
    assert all(re.fullmatch(r"9\d\d-[0-4]\d-\d{4}", row["ssn"] or "") for row in rows)


def test_wrong_arguments_are_refused_with_the_way_out() -> None:
    assert languages() == ("en",) or "en" in languages()
    with pytest.raises(InputError, match=r"'xx'.*available.*en"):
        patients(1, 1, lang="xx")
    with pytest.raises(InputError, match="audience"):
        patients(1, 1, audience="secret")  # type: ignore[arg-type]
    with pytest.raises(InputError, match="length"):
        patients(1, 1, length="long")  # type: ignore[arg-type]
    with pytest.raises(InputError, match="max_notes"):
        patients(1, 1, max_notes=0)
    with pytest.raises(InputError, match="negative"):
        patients(1, -1)


def test_repr_shows_no_text(people: list[Patient]) -> None:
    assert people[0].identity.last not in repr(people[0])


def test_no_phrase_hard_codes_the_sex_of_the_patient() -> None:
    pronoun = re.compile(r"(?i)(?<![<\w])(?:he|she|his|her|him|hers|himself|herself)(?![>\w])")
    for audience in ("private", "public"):
        for name, rule in load_grammar("llmsafe.synthetic.en", audience).rules.items():
            assert not [source for source in rule.sources if pronoun.search(source)], name
