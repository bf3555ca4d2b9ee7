"""Synthetic Chinese patients: exact and complete gold spans, valid numbers, halves, scripts."""

from __future__ import annotations

import itertools
import json
import re
from collections import Counter
from datetime import date

import pytest
from phrases import references

from llmsafe.notes import CATEGORIES, Note
from llmsafe.scrub.known.identities import column_kind
from llmsafe.synthetic import AUDIENCES, Patient, languages, patients
from llmsafe.synthetic.grammar import load_grammar
from llmsafe.synthetic.identity import full_name
from llmsafe.synthetic.zh import ids
from llmsafe.synthetic.zh.hant import characters, spell
from llmsafe.synthetic.zh.lexicon import Lexicon, lexicon, traditional
from llmsafe.synthetic.zh.notes import KINDS
from llmsafe.synthetic.zh.slots import SLOTS

COUNT = 60
LANGS = ("zh", "zh-Hant")
GRAMMAR = "llmsafe.synthetic.zh"


@pytest.fixture(scope="module", params=LANGS)
def people(request: pytest.FixtureRequest) -> list[Patient]:
    """Patients of all audiences in one of the scripts."""
    lang: str = request.param
    groups = (patients(11, COUNT, lang=lang, audience=one) for one in AUDIENCES)
    return [person for group in groups for person in group]


def notes(people: list[Patient]) -> list[Note]:
    return [note for person in people for note in person.notes]


def marked(note: Note) -> list[tuple[str, str]]:
    """(category, value) of each span."""
    return [(s["category"], note.text[s["start"] : s["end"]]) for s in note.extra["spans"]]


def dump(person: Patient) -> str:
    written = [(n.note_id, n.text, n.date, n.lang, dict(n.extra)) for n in person.notes]
    return json.dumps([person.identity.as_row(), written], sort_keys=True)


# -- generation ----------------------------------------------------------------------------------


@pytest.mark.parametrize("lang", LANGS)
def test_same_seed_same_bytes_and_any_slice_alone(lang: str) -> None:
    first = [dump(person) for person in patients(5, 6, lang=lang)]
    assert first == [dump(person) for person in patients(5, 6, lang=lang)]
    assert first[4] == dump(next(patients(5, 1, lang=lang, start=4)))
    assert not set(first) & {dump(person) for person in patients(6, 6, lang=lang)}


def test_every_kind_is_written_and_belongs_to_its_patient(people: list[Patient]) -> None:
    assert set(LANGS) <= set(languages())
    assert {note.extra["kind"] for note in notes(people)} == set(KINDS)
    assert len({e.condition for p in people for e in p.course.episodes}) >= 45
    for person in people:
        dates = [date.fromisoformat(note.date or "") for note in person.notes]
        assert dates == sorted(dates)
        assert {note.patient_id for note in person.notes} == {person.identity.patient_id}
        assert len({tuple(p.identity.as_row()) for p in people}) == 1


def test_every_name_in_the_grammar_leads_somewhere() -> None:
    """A slot, a bank, a fact or word of the patient; banks of a condition are there for all."""
    # `imp`, `img`, `part`, `name`, `cc`: of the present condition, asked for where it has them.
    given = {"sex", "he", "side", "oside", "packs", "member", "new", "old"}
    given |= {"imp", "img", "part", "name", "cc"}
    for audience in AUDIENCES:
        grammar = load_grammar(GRAMMAR, audience)
        for name, rule in grammar.rules.items():
            owner = name.split(".")[0]
            facts = set(grammar.facts.get(owner, {}))
            for option in rule.options:
                assert not references(option) - given - set(SLOTS) - set(grammar.rules) - facts, (
                    name
                )


def test_scrub_understands_every_column_of_the_identity_table(people: list[Patient]) -> None:
    row = people[0].identity.as_row()
    new = {name: column_kind(name) for name, _ in people[0].identity.others}
    assert new["inpatient_number"] == new["outpatient_number"] == "MRN"
    assert new["address"] == new["birth_place"] == "LOCATION"
    assert new["messenger_id"] == new["qq_number"] == "OTHER_ID"
    assert column_kind("resident_id") == "RESIDENT_ID"
    assert row["full_name"] == f"{row['last_name']}{row['first_name']}"


def test_short_notes_are_short() -> None:
    brief = notes(list(patients(5, 20, lang="zh", length="short", max_notes=2)))
    assert {n.extra["kind"] for n in brief} <= {"phone", "chat", "nursing", "radiology"}
    assert max(len(note.text) for note in brief) < 600


def test_no_trace_of_the_grammar_is_left(people: list[Patient]) -> None:
    for note in notes(people):
        found = re.search(
            r"[{}<>|]|。。|，，|，。|：：|、、|、。|^[，。；]|[，、]$", note.text, re.M
        )
        assert not found, note.text[max(0, found.start() - 20) : found.end() + 20]


# -- gold spans ----------------------------------------------------------------------------------


def test_spans_are_exact_ordered_and_do_not_overlap(people: list[Patient]) -> None:
    seen: Counter[str] = Counter()
    for note in notes(people):
        end = 0
        for span in note.extra["spans"]:
            value = note.text[span["start"] : span["end"]]
            assert end <= span["start"] < span["end"] <= len(note.text)
            assert value == value.strip() != ""
            assert span["category"] in CATEGORIES
            seen[span["category"]] += 1
            end = span["end"]
    wanted = {"NAME", "DATE", "LOCATION", "ORGANIZATION", "PHONE", "FAX", "MRN", "ACCOUNT", "EMAIL"}
    wanted |= {"HEALTH_PLAN", "URL", "LICENSE", "DEVICE", "OTHER_ID", "RESIDENT_ID", "VEHICLE"}
    assert wanted <= set(seen)


TITLES = (
    "先生|女士|主任|医生|醫師|醫生|医师|护士|護理師|護士|教授|大夫|阿姨|大爷|大爺|奶奶|叔叔|老师"
)


def test_spans_keep_the_gold_rules(people: list[Patient]) -> None:
    for note in notes(people):
        for span in note.extra["spans"]:
            value, after = note.text[span["start"] : span["end"]], note.text[span["end"] :]
            match span["category"]:
                case "NAME":
                    assert not re.search(rf"(?:{TITLES})$", value), value
                    assert not re.match(r"[老小].$", value) or after[:1] not in "先女主"
                case "AGE":
                    assert int(value) > 89
                    assert after[0] in "岁歲"
                case "DATE":
                    # Finer than a year, and no time of day.
                    assert ":" not in value
                    assert not re.fullmatch(r"(?:民國)?\d+年?", value) or re.fullmatch(
                        r"(?:19|20)\d{6}", value
                    )
                case "LOCATION":
                    assert not value.endswith(("省", "自治区"))
                case _:
                    pass


def test_a_stay_has_two_dates(people: list[Patient]) -> None:
    """A range is two spans."""
    found = 0
    for note in notes(people):
        spans = note.extra["spans"]
        for one, two in itertools.pairwise(spans):
            between = note.text[one["end"] : two["start"]]
            if one["category"] == two["category"] == "DATE" and between in "至—-～到":
                found += 1
    assert found > 5


def known(person: Patient) -> set[str]:
    """What the identity table and the hospital's roster know, in all usual writings."""
    who, house = person.identity, person.identity.institution
    values = {who.name, who.first, who.nickname, who.mrn, who.resident_id, who.account, who.phone}
    values |= {who.health_plan, who.mobile, who.email, who.street, who.vehicle, who.employer}
    values |= {house.name, house.clinic, house.phone, house.fax, house.url, house.street}
    values |= {value for _, value in who.others} | {f"{who.last}某"}
    for other in (*who.relatives, *house.staff):
        values |= {other.name, other.first, full_name(other.first, other.last), other.phone}
    values |= {member.licence for member in house.staff}
    return {value for value in values if value and len(value) > 1}


def outside(note: Note) -> str:
    """The text outside all spans."""
    rest, end = [], 0
    for span in note.extra["spans"]:
        rest.append(note.text[end : span["start"]])
        end = span["end"]
    return "\0".join([*rest, note.text[end:]])


@pytest.fixture(scope="module")
def vocabulary() -> dict[str, str]:
    """The phrase banks in each script: a given name that is a common word cannot be told apart."""
    sources = "\n".join(
        source
        for audience in AUDIENCES
        for rule in load_grammar(GRAMMAR, audience).rules.values()
        for source in rule.sources
    )
    # `{高年资|主管}医生` without its braces: what stands where two pieces meet.
    sources += re.sub(r"[{}]", "", sources)
    return {"zh": sources, "zh-Hant": spell(sources, "tw") + spell(sources, "hk")}


def uncovered(note: Note, values: set[str]) -> list[str]:
    left = outside(note)
    return [value for value in values if value in left]


def test_no_known_identifier_stands_uncovered(
    people: list[Patient], vocabulary: dict[str, str]
) -> None:
    checked = 0
    for number, person in enumerate(people):
        words, values = vocabulary[person.notes[0].lang or ""], set(known(person))
        for note in person.notes:
            assert not [value for value in uncovered(note, values) if value not in words]
        if number % 10 == 0:  # a search through all words for each value takes its time
            checked += sum(value not in words for value in values)
    assert checked > 5 * COUNT


def test_no_surname_with_a_title_stands_uncovered(
    people: list[Patient], vocabulary: dict[str, str]
) -> None:
    title = re.compile(rf"(.)(?:{TITLES})")
    for person in people:
        members = (*person.identity.relatives, *person.identity.institution.staff)
        last = {person.identity.last, *(member.last for member in members)}
        for note in person.notes:
            words = vocabulary[note.lang or ""]
            found = {m[1] for m in title.finditer(outside(note)) if m[0] not in words}
            assert not found & {name[-1] for name in last}


NUMBER = re.compile(
    r"\d{4}[-/.年]\d{1,2}[-/.月]\d{1,2}|\d{1,2}月\d{1,2}[日号號]|[A-Z]?\d{7,}|\S+@\S+|www\.|"
    r"\d{3,4}[- ]\d{4}[- ]?\d{0,4}|[一-龥][A-Z][·][A-Z0-9]{5}"
)


def test_no_number_shaped_like_an_identifier_stands_uncovered(people: list[Patient]) -> None:
    for note in notes(people):
        found = NUMBER.search(outside(note))
        assert not found, found


@pytest.mark.parametrize("lang", LANGS)
def test_negative_control_what_is_planted_is_found(lang: str) -> None:
    person = next(patients(11, 1, lang=lang))
    note = person.notes[0]
    for value in known(person):
        planted = Note(note_id=note.note_id, text=f"{note.text}\n今日{value}来院", extra=note.extra)
        assert value in uncovered(planted, known(person))
    dated = Note(note_id="x", text=f"{note.text}\n2021年3月4日来院", extra=note.extra)
    assert NUMBER.search(outside(dated))


# -- numbers -------------------------------------------------------------------------------------


def naive_resident_check(number: str) -> bool:
    """GB 11643 by its definition: the sum of digit times 2^(place) is 1 modulo 11."""
    digits = [10 if c == "X" else int(c) for c in number]
    return sum(d * 2**i for i, d in enumerate(reversed(digits))) % 11 == 1


def test_resident_numbers_agree_with_place_birth_and_sex() -> None:
    for half in AUDIENCES:
        codes = {city.code: city.name for city in lexicon(half).cities}
        for person in patients(3, 80, lang="zh", audience=half):
            who, number = person.identity, person.identity.resident_id or ""
            assert re.fullmatch(r"\d{17}[\dX]", number)
            assert naive_resident_check(number)
            assert codes[number[:4]] == who.city
            assert 61 <= int(number[4:6]) <= 69  # a county that no city has
            assert number[6:14] == f"{who.birth_date:%Y%m%d}"
            assert int(number[16]) % 2 == (who.sex == "m")


def test_check_digits_of_the_published_examples() -> None:
    """The examples that the standards and offices print; and a changed digit is found out."""
    assert ids.check_digit("11010519491231002") == "X"
    assert ids.check_digit("44052418800101001") == "4"
    assert ids.taiwan_check_digit("A12345678") == "9"
    assert ids.hong_kong_check_digit("A123456") == "3"
    assert not naive_resident_check("110105194912310021")


def test_numbers_of_taiwan_and_hong_kong_are_valid() -> None:
    seen: Counter[str] = Counter()
    for person in patients(3, 80, lang="zh-Hant"):
        who, number = person.identity, person.identity.resident_id or ""
        if re.fullmatch(r"[A-Z][12]\d{8}", number):
            assert ids.taiwan_check_digit(number[:9]) == number[9]
            assert number[1] == ("1" if who.sex == "m" else "2")
            seen["tw"] += 1
        else:
            assert re.fullmatch(r"[A-Z]\d{6}\([\dA]\)", number)
            assert ids.hong_kong_check_digit(number[:7]) == number[8]
            seen["hk"] += 1
    assert min(seen["tw"], seen["hk"]) > 15


# -- halves --------------------------------------------------------------------------------------


def words_of(lists: Lexicon) -> set[str]:
    names = lists.names
    out = {*names.common, *names.rare, *(n for group in names.given.values() for n in group)}
    out |= {*lists.nicknames, *lists.districts, *lists.roads, *lists.estates, *lists.towns}
    return out | {*lists.organizations, *(city.name for city in lists.cities)}


def test_audiences_share_no_name_place_or_organisation() -> None:
    one, other = lexicon("private"), lexicon("public")
    assert not words_of(one) & words_of(other)
    for half in (one, other):
        assert len(half.names.common) + len(half.names.rare) > 200
        assert all(len(group) > 80 for group in half.names.given.values())
        assert min(len(half.cities), len(half.roads), len(half.organizations)) > 50
    mine, theirs = traditional("private"), traditional("public")
    assert not {*mine.names.common, *mine.names.rare} & {*theirs.names.common, *theirs.names.rare}
    for key, stems in mine.stems.items():
        assert not set(stems) & set(theirs.stems[key])


def test_audiences_share_no_sentence_frame() -> None:
    one, other = load_grammar(GRAMMAR, "private").rules, load_grammar(GRAMMAR, "public").rules
    assert set(one) == set(other)
    split = [name for name in one if one[name].sources != other[name].sources]
    assert len(split) > 250
    for name in split:
        assert not set(one[name].sources) & set(other[name].sources)
    for bank in ("hpi.open", "round.open", "ex.lungs", "chat.pt", "chf.plan", "appy.hx", "sign"):
        assert bank in split


def sentences(people: list[Patient]) -> Counter[str]:
    """Sentences of at least twelve characters, identifiers blanked: in how many notes each is."""
    out: Counter[str] = Counter()
    for note in notes(people):
        text = re.sub(r"\d+", "0", outside(note).replace("\0", "#"))
        parts = {part for part in re.split(r"[。\n；]", text) if len(part) >= 12}
        out.update(parts)
    return out


def test_notes_share_few_long_sentences() -> None:
    one = sentences(list(patients(11, COUNT, lang="zh", audience="private")))
    other = sentences(list(patients(11, COUNT, lang="zh", audience="public")))
    assert len(one) > 1500
    assert len(set(one) & set(other)) < 0.06 * len(one)
    assert sum(count for count in one.values() if count == 1) > 0.55 * sum(one.values())


# -- traditional characters ----------------------------------------------------------------------


def simplified_only(text: str) -> set[str]:
    """Chinese characters that no Big5 text (with Hong Kong's additions) can have."""
    out: set[str] = set()
    for char in text:
        if "\u4e00" <= char <= "\u9fff":
            try:
                char.encode("big5hkscs")
            except UnicodeEncodeError:
                out.add(char)
    return out


def test_the_traditional_variant_has_no_simplified_characters() -> None:
    # Some simplified forms are old characters of their own, and are in Big5: 后, 余, 范 as names.
    changed = {chr(code) for code, char in characters().items() if chr(code) != char}
    for audience in AUDIENCES:
        for person in patients(11, COUNT, lang="zh-Hant", audience=audience):
            row = " ".join(value or "" for value in person.identity.as_row().values())
            assert not simplified_only(row), simplified_only(row)
            for note in person.notes:
                assert not simplified_only(note.text)
                assert not set(outside(note)) & changed
    assert simplified_only("患者张伟，住院号") == set("张伟")


def test_taiwan_counts_years_of_the_republic() -> None:
    values = {
        value
        for person in patients(11, COUNT, lang="zh-Hant")
        for note in person.notes
        for category, value in marked(note)
        if category == "DATE"
    }
    assert any(value.startswith("民國") for value in values)
    assert any(re.fullmatch(r"\d{1,2}/\d{1,2}/20\d\d", value) for value in values)  # Hong Kong
