"""The audiences that stand apart, `test` to `latest`: frames, names, places of no other."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from phrases import references

from llmsafe.errors import InputError
from llmsafe.synthetic import grammar, patients
from llmsafe.synthetic.grammar import APART, AUDIENCES, Audience, load_grammar, read_banks
from llmsafe.synthetic.identity import full_name
from llmsafe.synthetic.zh import people, people_hant
from llmsafe.synthetic.zh.lexicon import (
    Lexicon,
    TraditionalLexicon,
    lexicon,
    municipality,
    traditional,
    whole_city,
)

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


@pytest.fixture(params=APART)
def audience(request: pytest.FixtureRequest) -> Audience:
    return request.param


def others(audience: Audience) -> list[Audience]:
    return [one for one in AUDIENCES if one != audience]


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


def test_every_rule_with_an_identifier_is_written_anew(audience: Audience) -> None:
    """A divided rule that may name somebody has alternatives of its own, and enough of them."""
    own = load_grammar(PACKAGE, audience).rules
    private, public, *apart = [load_grammar(PACKAGE, one).rules for one in others(audience)]
    checked = 0
    for name, rule in own.items():
        theirs = {*private[name].sources, *public[name].sources}
        mine = set(rule.sources)
        identifying = any(references(option) & IDENTIFYING for option in rule.options)
        if private[name].sources == public[name].sources and not identifying:
            continue  # shared vocabulary
        if identifying:
            assert len(mine) >= 2, name
            theirs |= {source for rules in apart for source in rules[name].sources}
            assert not mine & theirs, name
            checked += 1
        assert not mine & set(public[name].sources), f"{name}: shared with the public half"
    assert checked > 60


def test_there_are_enough_new_frames_and_none_stands_elsewhere(audience: Audience) -> None:
    own, base = banks(f"grammar_{audience}"), banks("grammar")
    theirs = [base, *(banks(f"grammar_{one}") for one in APART if one != audience)]
    frames = [line for header, lines in own.items() if not header.endswith("*") for line in lines]
    assert len(frames) == len(set(frames)) > 450
    assert not set(frames) & {
        line for rules in theirs for lines in rules.values() for line in lines
    }
    assert {header.rstrip("*") for header in own} <= {header.rstrip("*") for header in base}


def test_a_rule_that_takes_no_rules_place_is_refused(
    audience: Audience, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = f"grammar_{audience}"
    folders = {"grammar": {"a": (["1", "2"], False)}, own: {"b": (["3"], False)}}

    def read(package: str, folder: str) -> dict[str, tuple[list[str], bool]]:
        return folders[folder]

    monkeypatch.setattr(grammar, "_read_folder", read)
    assert load_grammar("x", "private").rules["a"].sources
    with pytest.raises(InputError, match=r"take no rule's place: \['b'\]"):
        load_grammar("x", audience)
    folders[own] = {"a": (["3"], False)}
    assert load_grammar("x", audience).rules["a"].sources == ("3",)
    assert load_grammar("x", "public").rules["a"].sources != ("3",)


# -- names and places ----------------------------------------------------------------------------


def test_given_names_and_places_stand_in_no_other_audience(audience: Audience) -> None:
    mine = lexicon(audience)
    assert all(len(group) > 60 for group in mine.names.given.values())
    assert len(given(mine)) > 400
    assert min(map(len, (mine.cities, mine.roads, mine.estates, mine.organizations))) > 60
    here = traditional(audience)
    assert len(given(here)) > 200
    for one in others(audience):
        assert not given(mine) & given(lexicon(one))
        assert not set(mine.nicknames) & set(lexicon(one).nicknames)
        assert not places(mine) & places(lexicon(one))
        assert not given(here) & given(traditional(one))
        assert not traditional_places(here) & traditional_places(traditional(one))


def test_surnames_are_those_of_everybody_and_some_that_are_in_no_other_list() -> None:
    """A closed class: the common ones are shared; about a tenth of the people have a new one."""
    names, halves = lexicon("test").names, (lexicon("private").names, lexicon("public").names)
    known = {word for one in halves for word in (*one.common, *one.rare)}
    new = {*names.common, *names.rare} - known
    assert len(new) > 60
    assert sum(len(word) == 2 for word in new) > 10
    assert len(set(names.common) & known) > 100
    people = list(patients(3, 150, lang="zh", audience="test"))
    share = sum(person.identity.last in new for person in people) / len(people)
    assert 0.03 < share < 0.25


@pytest.mark.parametrize(
    "audience", ["exam", "proof", "trial", "final", "blind", "fresh", "novel", "latest"]
)
def test_surnames_are_as_frequent_as_in_life(audience: Audience) -> None:
    """A word of the lists may count several times: every seventh person is a 王, 李 or 张."""
    names = lexicon(audience).names
    assert names.common.count("王") == 36
    people = list(patients(3, 200, lang="zh", audience=audience))
    share = sum(person.identity.last in "王李张" for person in people) / len(people)
    assert 0.1 < share < 0.3
    assert len({person.identity.last for person in people}) > 60


def test_dotted_names_have_no_surname_in_common_with_the_father(audience: Audience) -> None:
    assert full_name("买买提", "阿依夏木") == "阿依夏木·买买提"
    assert full_name("伟", "欧阳") == "欧阳伟"
    assert full_name("Ann", "Lee") == "Ann Lee"
    dotted = [p for p in patients(3, 250, lang="zh", audience=audience) if "·" in p.identity.name]
    assert dotted
    for person in dotted:
        who = person.identity
        assert who.other("full_name") == who.name == f"{who.last}·{who.first}"
        for relative in who.relatives:
            assert lexicon(audience).names.is_minority(relative.last)
        for note in person.notes:
            for span in note.extra["spans"]:
                value = note.text[span["start"] : span["end"]]
                # Never cut at the dot, and no `某` after an own name.
                assert not value.startswith("·")
                assert not value.endswith("·")
                assert value != f"{who.last}某"


@pytest.mark.parametrize(
    "audience", ["exam", "proof", "trial", "final", "blind", "fresh", "novel", "latest"]
)
def test_names_of_two_parts_have_a_dot(audience: Audience) -> None:
    """`full_name` sets it after an own name of three characters or more; none is shorter."""
    for pairs in lexicon(audience).names.minorities.values():
        for own, second in pairs:
            assert "·" in full_name(second, own) or len(own) == len(second) == 2


def test_cities_have_their_own_districts(audience: Audience) -> None:
    for person in patients(3, 60, lang="zh", audience=audience):
        who = person.identity
        city = next(one for one in lexicon(audience).cities if one.name == who.city)
        assert who.street.startswith(city.districts)
        assert who.other("address").startswith(city.whole)
    codes = [city.code for city in lexicon(audience).cities]
    assert len(set(codes)) == len(codes)
    assert all(re.fullmatch(r"0\d{2,3}", city.area) for city in lexicon(audience).cities)


@pytest.mark.parametrize("audience", ["trial", "final", "blind", "fresh", "novel", "latest"])
def test_a_county_is_called_so_and_no_city(audience: Audience) -> None:
    assert whole_city("海安") == "海安市"
    assert whole_city("桐庐县") == "桐庐县"
    assert whole_city("准格尔旗") == "准格尔旗"
    counties = 0
    for person in patients(3, 60, lang="zh", audience=audience):
        who = person.identity
        named = (who.other("address"), who.institution.name, who.institution.clinic, who.employer)
        assert not [value for value in named if re.search("[县旗]市", value or "")]
        counties += "县人民医院" in who.institution.name
        for note in person.notes:
            for span in note.extra["spans"]:
                assert not re.search("[县旗]市", note.text[span["start"] : span["end"]])
    assert counties >= 5


def test_a_district_is_named_with_its_city() -> None:
    """`苏州市吴中区`, of which a hospital may be called after either; `北京市海淀区` but once."""
    assert whole_city("苏州市吴中区") == "苏州市吴中区"
    assert municipality("苏州市吴中区") == "苏州市"
    assert municipality("桐庐县") == "桐庐县"
    assert municipality("海安") == "海安市"
    wholes = {city.whole for city in lexicon("latest").cities}
    assert {"北京市海淀区", "江苏省苏州市吴中区"} <= wholes
    values = [
        note.text[span["start"] : span["end"]]
        for person in patients(3, 100, lang="zh", audience="latest")
        for note in person.notes
        for span in note.extra["spans"]
    ]
    assert not [value for value in values if value.endswith(("市市", "区市"))]
    assert [value for value in values if re.search("市人民医院$", value)]


def test_names_without_a_surname_are_as_few_as_the_list_says() -> None:
    assert lexicon("novel").names.share == 0.05
    assert lexicon("latest").names.share == 0.02
    names = lexicon("latest").names
    people = list(patients(3, 300, lang="zh", audience="latest"))
    assert 0 < sum(names.is_minority(person.identity.last) for person in people) < 15


def test_an_autonomous_county_keeps_its_kind() -> None:
    """`长阳土家族自治县` loses nothing where `桃源县` may stand as `桃源`."""
    values = [
        note.text[span["start"] : span["end"]]
        for person in patients(3, 60, lang="zh", audience="novel")
        for note in person.notes
        for span in note.extra["spans"]
    ]
    assert [value for value in values if value.endswith("自治县")]
    assert not [value for value in values if value.endswith("自治")]


@pytest.mark.parametrize("audience", ["trial", "final", "blind", "fresh", "novel", "latest"])
def test_organisations_are_named_after_the_town_that_they_are_in(audience: Audience) -> None:
    """A mainland clinic has its own town in its name; one of Taiwan the district, no village."""
    towns = {town for city in lexicon(audience).cities for town in city.districts}
    houses = [people.institution(3, audience, number) for number in range(48)]
    named = [house.clinic for house in houses if house.clinic.startswith(tuple(towns))]
    assert len(named) > 10
    villages = [county.districts for county in traditional(audience).taiwan]
    assert any("里" in district for group in villages for district in group)
    for number in range(48):
        assert not re.search(
            "[里村](衛生所|診所)", people_hant.institution(3, audience, number).clinic
        )


@pytest.mark.parametrize(
    "audience", ["exam", "proof", "trial", "final", "blind", "fresh", "novel", "latest"]
)
def test_no_town_stands_within_a_town(audience: Audience) -> None:
    """Addresses of the country: `佛堂镇王家村`, and no second town between the two."""
    country = 0
    for person in patients(3, 150, lang="zh", audience=audience):
        street = person.identity.street
        assert not re.search(r"(街道|镇)\w{1,4}[镇乡]\w+[村屯]", street), street
        country += bool(re.match(r"\w+(街道|镇)\w+[村屯]", street))
    assert country > 10


# -- who has it ----------------------------------------------------------------------------------


def test_a_language_without_this_audience_says_who_has_it(audience: Audience) -> None:
    with pytest.raises(
        InputError, match=rf"no audience '{audience}' in language 'en'.*zh, zh-Hant"
    ):
        patients(1, 1, lang="en", audience=audience)
    with pytest.raises(InputError, match=rf"audience is 'secret'.*private, public.*{audience}"):
        patients(1, 1, lang="zh", audience="secret")  # type: ignore[arg-type]
    with pytest.raises(InputError, match=f"no phrase banks in grammar_{audience}"):
        load_grammar("llmsafe.synthetic.en", audience)


@pytest.mark.parametrize("lang", ["zh", "zh-Hant"])
def test_the_identifier_names_the_audience(lang: str, audience: Audience) -> None:
    person = next(patients(7, 1, lang=lang, audience=audience))
    assert person.identity.patient_id == f"{lang}-{audience}-7-000000"
    assert person.notes
