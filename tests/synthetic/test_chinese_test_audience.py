"""The audience `test`: frames, names and places that stand in no other audience."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from phrases import references

from llmsafe.errors import InputError
from llmsafe.synthetic import grammar, patients
from llmsafe.synthetic.grammar import load_grammar, read_banks
from llmsafe.synthetic.identity import full_name
from llmsafe.synthetic.zh.lexicon import Lexicon, TraditionalLexicon, lexicon, traditional

PACKAGE = "llmsafe.synthetic.zh"
FOLDER = Path(grammar.__file__).parent / "zh"
# Slots that name somebody or something, or a date.
IDENTIFYING = frozenset(
    re.findall(
        r"\w+",
        """
        pt mr fullname ifnamed agesex dob inpatient outpatient rid phone email chat_id qq address
        city birthplace hospital_address street zip employer device accession pathology specimen
        fingerprint rel relname relmr relphone pcp attending specialist resident colleague
        colleague_name nurse nurse_name author ext mrn account plan_number plate ip licence
        hospital clinic hospital_phone fax url visit visittime admitted left staydates operated
        soon recently began yesterday festival
        """,
    )
)


def banks(folder: str) -> dict[str, list[str]]:
    """Header to alternatives of all files of a folder."""
    out: dict[str, list[str]] = {}
    for path in sorted((FOLDER / folder).glob("*.txt")):
        out |= read_banks(path.read_text(encoding="utf-8"))
    return out


def given(names: Lexicon | TraditionalLexicon) -> set[str]:
    return {name for group in names.names.given.values() for name in group}


def places(lists: Lexicon) -> set[str]:
    """Cities, districts, stems of roads, estates, towns and organisations."""
    out = {*lists.roads, *lists.estates, *lists.towns, *lists.organizations, *lists.districts}
    for city in lists.cities:
        out |= {city.name, *city.districts}
    return out


def traditional_places(lists: TraditionalLexicon) -> set[str]:
    """Districts and stems; counties are a closed class that all audiences have."""
    out = {word for stems in lists.stems.values() for word in stems}
    return out | {d for county in (*lists.taiwan, *lists.hong_kong) for d in county.districts}


# -- frames --------------------------------------------------------------------------------------


def test_every_rule_with_an_identifier_is_written_anew() -> None:
    """A divided rule that may name somebody has alternatives of its own, and enough of them."""
    own = load_grammar(PACKAGE, "test").rules
    others = [load_grammar(PACKAGE, half).rules for half in ("private", "public")]
    checked = 0
    for name, rule in own.items():
        theirs = {source for rules in others for source in rules[name].sources}
        mine = set(rule.sources)
        identifying = any(references(option) & IDENTIFYING for option in rule.options)
        if others[0][name].sources == others[1][name].sources and not identifying:
            continue  # shared vocabulary
        if identifying:
            assert len(mine) >= 2, name
            assert not mine & theirs, name
            checked += 1
        assert not mine & set(others[1][name].sources), f"{name}: shared with the public half"
    assert checked > 60


def test_there_are_enough_new_frames_and_none_stands_in_the_grammar() -> None:
    own, base = banks("grammar_test"), banks("grammar")
    frames = [line for header, lines in own.items() if not header.endswith("*") for line in lines]
    assert len(frames) == len(set(frames)) > 450
    assert not set(frames) & {line for lines in base.values() for line in lines}
    assert {header.rstrip("*") for header in own} <= {header.rstrip("*") for header in base}


def test_a_rule_that_takes_no_rules_place_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    folders = {"grammar": {"a": (["1", "2"], False)}, "grammar_test": {"b": (["3"], False)}}

    def read(package: str, folder: str) -> dict[str, tuple[list[str], bool]]:
        return folders[folder]

    monkeypatch.setattr(grammar, "_read_folder", read)
    assert load_grammar("x", "private").rules["a"].sources
    with pytest.raises(InputError, match=r"take no rule's place: \['b'\]"):
        load_grammar("x", "test")
    folders["grammar_test"] = {"a": (["3"], False)}
    assert load_grammar("x", "test").rules["a"].sources == ("3",)
    assert load_grammar("x", "public").rules["a"].sources != ("3",)


# -- names and places ----------------------------------------------------------------------------


def test_given_names_and_places_stand_in_no_other_audience() -> None:
    mine = lexicon("test")
    assert all(len(group) > 60 for group in mine.names.given.values())
    assert len(given(mine)) > 400
    assert min(map(len, (mine.cities, mine.roads, mine.estates, mine.organizations))) > 60
    here = traditional("test")
    assert len(given(here)) > 200
    for half in ("private", "public"):
        assert not given(mine) & given(lexicon(half))
        assert not set(mine.nicknames) & set(lexicon(half).nicknames)
        assert not places(mine) & places(lexicon(half))
        assert not given(here) & given(traditional(half))
        assert not traditional_places(here) & traditional_places(traditional(half))


def test_surnames_are_those_of_everybody_and_some_that_are_in_no_other_list() -> None:
    """A closed class: the common ones are shared; about a tenth of the people have a new one."""
    names, others = lexicon("test").names, (lexicon("private").names, lexicon("public").names)
    known = {word for one in others for word in (*one.common, *one.rare)}
    new = {*names.common, *names.rare} - known
    assert len(new) > 60
    assert sum(len(word) == 2 for word in new) > 10
    assert len(set(names.common) & known) > 100
    people = list(patients(3, 150, lang="zh", audience="test"))
    share = sum(person.identity.last in new for person in people) / len(people)
    assert 0.03 < share < 0.25


def test_dotted_names_have_no_surname_in_common_with_the_father() -> None:
    assert full_name("买买提", "阿依夏木") == "阿依夏木·买买提"
    assert full_name("伟", "欧阳") == "欧阳伟"
    assert full_name("Ann", "Lee") == "Ann Lee"
    dotted = [p for p in patients(3, 250, lang="zh", audience="test") if "·" in p.identity.name]
    assert dotted
    for person in dotted:
        who = person.identity
        assert who.other("full_name") == who.name == f"{who.last}·{who.first}"
        for relative in who.relatives:
            assert lexicon("test").names.is_minority(relative.last)
        for note in person.notes:
            for span in note.extra["spans"]:
                value = note.text[span["start"] : span["end"]]
                # Never cut at the dot, and no `某` after an own name.
                assert not value.startswith("·")
                assert not value.endswith("·")
                assert value != f"{who.last}某"


def test_cities_have_their_own_districts() -> None:
    for person in patients(3, 60, lang="zh", audience="test"):
        who = person.identity
        city = next(one for one in lexicon("test").cities if one.name == who.city)
        assert who.street.startswith(city.districts)
        assert who.other("address").startswith(f"{city.province}{city.name}市")
    codes = [city.code for city in lexicon("test").cities]
    assert len(set(codes)) == len(codes)
    assert all(re.fullmatch(r"0\d{2,3}", city.area) for city in lexicon("test").cities)


# -- who has it ----------------------------------------------------------------------------------


def test_a_language_without_this_audience_says_who_has_it() -> None:
    with pytest.raises(InputError, match=r"no audience 'test' in language 'en'.*zh, zh-Hant"):
        patients(1, 1, lang="en", audience="test")
    with pytest.raises(InputError, match=r"audience is 'secret'.*private, public, test"):
        patients(1, 1, lang="zh", audience="secret")  # type: ignore[arg-type]
    with pytest.raises(InputError, match="no phrase banks in grammar_test"):
        load_grammar("llmsafe.synthetic.en", "test")


@pytest.mark.parametrize("lang", ["zh", "zh-Hant"])
def test_the_identifier_names_the_audience(lang: str) -> None:
    person = next(patients(7, 1, lang=lang, audience="test"))
    assert person.identity.patient_id == f"{lang}-test-7-000000"
    assert person.notes
