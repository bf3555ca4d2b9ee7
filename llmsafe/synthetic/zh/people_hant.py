"""Identities of Taiwan and Hong Kong in traditional characters; see `ids` for the numbers."""

from __future__ import annotations

import random
import re
from functools import lru_cache
from typing import Literal

from llmsafe.synthetic.course import Course
from llmsafe.synthetic.draw import chance, derive, digits, integer, pick
from llmsafe.synthetic.grammar import Audience
from llmsafe.synthetic.identity import Identity, Institution, Staff
from llmsafe.synthetic.zh import ids
from llmsafe.synthetic.zh.lexicon import County, TraditionalLexicon, traditional
from llmsafe.synthetic.zh.people import INSTITUTIONS, make_staff, relationships, relative, roster

Place = Literal["tw", "hk"]
HOSPITALS = {
    "tw": ("{c}{s}醫院", "{s}綜合醫院", "{s}紀念醫院", "財團法人{s}醫院", "{s}醫療財團法人{c}醫院"),
    "hk": ("{s}醫院", "{d}{s}醫院", "{s}療養院", "{d}{s}普通科門診", "{s}慈善醫院"),
}
CLINICS = {
    "tw": ("{s}診所", "{s}家庭醫學科診所", "{d}{s}衛生所", "{s}聯合診所"),
    "hk": ("{d}{s}診所", "{s}家庭醫學診所", "{s}醫務所", "{d}{s}健康中心"),
}
EMPLOYERS = (
    "{s}科技股份有限公司", "{s}實業有限公司", "{s}餐廳", "{s}物流公司", "{s}旅行社", "{s}建設公司",
    "{s}國小", "{s}便利商店", "{s}保險經紀公司", "{s}食品廠", "{s}紡織廠", "{s}銀行", "{s}客運",
    "{s}補習班", "{s}水電行", "{s}海產行", "{s}大飯店",
)  # fmt: skip
EMPLOYERS_HK = (
    "{s}貿易有限公司", "{s}茶餐廳", "{s}物業管理公司", "{s}工程有限公司", "{s}中學", "{s}酒樓",
    "{s}地產代理", "{s}海鮮批發", "{s}運輸公司", "{s}會計師事務所", "{s}護老院", "{s}製衣廠",
)  # fmt: skip
SCHOOLS = {"tw": ("{s}國小", "{s}國中", "{s}高中"), "hk": ("{s}小學", "{s}中學", "{s}書院")}
INSURERS = {"tw": ("全民健保", "健保"), "hk": ("醫管局", "自願醫保", "員工醫療保險")}
HOUSES = ("樓", "閣", "苑樓", "座大樓", "軒")
FLATS = "ABCDEFGH"


def place_of(number: int) -> Place:
    """Three houses of five are in Taiwan."""
    return "tw" if number % 5 < 3 else "hk"


def _county(rng: random.Random, names: TraditionalLexicon, place: Place) -> County:
    return pick(rng, names.taiwan if place == "tw" else names.hong_kong)


def _ward(district: str) -> str:
    """As clinics are named after it: no 區, and no village (`萬里區龜吼里`)."""
    village = re.fullmatch(r"(.+[區鄉鎮市])[^區鄉鎮市]+[里村]", district)
    return (village[1] if village else district).rstrip("區")


def taiwan_street(rng: random.Random, names: TraditionalLexicon) -> str:
    """Road, section, lane, alley, number and floor."""
    road = pick(rng, names.stems["tw_roads"])
    road += pick(rng, names.form("tw_road", ("路", "路", "街", "東路", "北路", "大道")))
    section = f"{pick(rng, '一二三四')}段" if chance(rng, 0.4) else ""
    lane = f"{integer(rng, 2, 320)}巷" if chance(rng, 0.4) else ""
    alley = f"{integer(rng, 2, 40)}弄" if lane and chance(rng, 0.4) else ""
    number = f"{integer(rng, 1, 480)}號"
    if chance(rng, 0.2):
        number = f"{integer(rng, 1, 480)}之{integer(rng, 1, 9)}號"
    floor = pick(
        rng, ("", f"{integer(rng, 2, 18)}樓", f"{integer(rng, 2, 18)}樓之{integer(rng, 1, 6)}")
    )
    return road + section + lane + alley + number + floor


def hong_kong_street(rng: random.Random, names: TraditionalLexicon) -> str:
    """A street and number, or an estate, its house and flat."""
    flat = pick(
        rng,
        (
            f"{integer(rng, 2, 38)}樓{pick(rng, FLATS)}室",
            f"{integer(rng, 2, 38)}{digits(rng, 2)}室",
        ),
    )
    if chance(rng, 0.45):
        road = pick(rng, names.stems["hk_roads"]) + pick(rng, ("街", "街", "道", "里"))
        return f"{road}{integer(rng, 1, 388)}號{pick(rng, names.stems['estates'])}大廈{flat}"
    estate = pick(rng, names.stems["estates"]) + pick(rng, ("邨", "邨", "苑", "花園"))
    return f"{estate}{pick(rng, names.stems['estates'])}{pick(rng, HOUSES)}{flat}"


def _street(rng: random.Random, names: TraditionalLexicon, place: Place) -> str:
    return taiwan_street(rng, names) if place == "tw" else hong_kong_street(rng, names)


def _phone(rng: random.Random, place: Place) -> str:
    return ids.taiwan_mobile(rng) if place == "tw" else ids.hong_kong_phone(rng)


def _landline(rng: random.Random, place: Place, area: str) -> str:
    return ids.taiwan_landline(rng, area) if place == "tw" else ids.hong_kong_phone(rng)


@lru_cache(maxsize=1024)
def institution(seed: int, audience: Audience, number: int) -> Institution:
    """Hospital `number` of a corpus and its people."""
    rng, names = derive("institution", "zh-Hant", seed, audience, number), traditional(audience)
    place = place_of(number)
    county = _county(rng, names, place)
    inner, stem = pick(rng, county.districts), pick(rng, names.stems["organizations"])
    staff: list[Staff] = []
    for role, specialty in roster():
        phones = (_phone(rng, place), digits(rng, 5 if place == "tw" else 4))
        staff.append(make_staff(rng, names.names, role, specialty, phones))
    domain = "".join(pick(rng, "abcdefghjklmnpqrstwxyz") for _ in range(integer(rng, 3, 6)))
    town, ward = county.name[:2] if place == "tw" else county.name, _ward(inner)
    return Institution(
        name=pick(rng, names.form(f"{place}_hospital", HOSPITALS[place])).format(
            c=town, d=ward, s=stem
        ),
        clinic=pick(rng, names.form(f"{place}_clinic", CLINICS[place])).format(
            d=ward, s=pick(rng, names.stems["organizations"])
        ),
        street=_street(rng, names, place),
        city=county.name,
        state="臺灣" if place == "tw" else "香港",
        zip=county.zip + digits(rng, 1) if place == "tw" else "",
        phone=_landline(rng, place, county.area),
        fax=_landline(rng, place, county.area),
        url=f"www.{domain}.{pick(rng, ('example.org', 'example.com', 'example.net'))}",
        staff=tuple(staff),
    )


def make_identity(
    rng: random.Random, patient_id: str, seed: int, audience: Audience, course: Course
) -> Identity:
    """The person the course happens to, in the part of the world where the house is."""
    names = traditional(audience)
    number = integer(rng, 0, INSTITUTIONS - 1)
    where, place = institution(seed, audience, number), place_of(number)
    county = _county(rng, names, place)
    inner = pick(rng, county.districts)
    road = _street(rng, names, place)
    age, born = course.episodes[0].age, course.birth_date
    last, first = names.names.surname(rng), names.names.first(rng, course.sex, born.year)
    last, first = names.names.minority_or(rng, course.sex, last, first)
    kin = relationships(rng, course.sex, age, course.habits.living)
    family = tuple(relative(rng, names.names, k, last, born.year, _phone(rng, place)) for k in kin)
    doctors = [s for s in where.staff if s.role == "physician"]
    field = "pediatrics" if age < 16 else "family medicine"
    card = ids.taiwan_id(rng, county.letter, course.sex) if place == "tw" else ids.hong_kong_id(rng)
    stem = pick(rng, names.stems["organizations"])
    jobs = SCHOOLS[place] if age < 18 else EMPLOYERS if place == "tw" else EMPLOYERS_HK
    jobs = names.form(f"{place}_{'school' if age < 18 else 'employer'}", jobs)
    mrn = digits(rng, 8) if place == "tw" else f"HN{digits(rng, 8)}({pick(rng, '0123456789')})"
    return Identity(
        patient_id=patient_id,
        first=first,
        middle="",
        last=last,
        nickname=f"阿{first[-1]}" if age > 50 and len(first) == 2 and chance(rng, 0.4) else None,
        sex=course.sex,
        birth_date=born,
        mrn=mrn,
        ssn=None,
        resident_id=card,
        account=digits(rng, integer(rng, 11, 14)),
        insurer=pick(rng, INSURERS[place]),
        health_plan=digits(rng, 12) if place == "tw" else f"P{digits(rng, 8)}",
        phone=_landline(rng, place, county.area),
        mobile=_phone(rng, place),
        email=_email(rng, born.year) if age >= 16 else None,
        street=inner + road,
        city=county.name,
        state="臺灣" if place == "tw" else "香港",
        zip=county.zip + digits(rng, 1) if place == "tw" else "",
        employer=pick(rng, jobs).format(s=stem) if 6 <= age < 64 else None,
        occupation=None,
        vehicle=_plate(rng, place),
        relatives=family,
        primary_care=pick(rng, [s for s in doctors if s.specialty == field]),
        institution=where,
        others=(
            ("full_name", last + first),
            ("inpatient_number", digits(rng, 7) if place == "tw" else f"HN{digits(rng, 9)}"),
            ("outpatient_number", digits(rng, 9)),
            ("address", county.name + inner + road),
            ("birth_place", county.name + inner),
            (
                "messenger_id",
                f"{pick(rng, 'abcdefghjkmnprst')}{digits(rng, 3)}{pick(rng, 'abcdef')}{born:%m%d}",
            ),
            ("qq_number", None),
        ),
    )


def _email(rng: random.Random, year: int) -> str:
    letters = "".join(pick(rng, "abcdefghijklmnoprstuwyz") for _ in range(integer(rng, 4, 9)))
    host = pick(rng, ("mail.example.com", "example.net", "post.example.org", "home.example.com"))
    return f"{letters}{pick(rng, ('', str(year), digits(rng, 2)))}@{host}"


def _plate(rng: random.Random, place: Place) -> str:
    """Taiwan's plates have neither I nor O, Hong Kong's neither I, O nor Q."""
    if place == "tw":
        return f"{pick(rng, 'ABK')}{pick(rng, 'IO')}{pick(rng, 'ABCDE')}-{digits(rng, 4)}"
    return f"{pick(rng, 'ABKTW')}{pick(rng, 'IOQ')} {digits(rng, integer(rng, 3, 4))}"
