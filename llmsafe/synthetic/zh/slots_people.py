"""Slots that name somebody or something: the patient, identifiers, other people and places.

A slot is a function `slot_x` that fills `<x>`: it writes into the note, and what identifies
somebody it writes through `Writer.phi`. Titles and words of kinship stay outside the span.
"""

from __future__ import annotations

import re

from llmsafe.synthetic.draw import chance, digits, integer, pick
from llmsafe.synthetic.identity import Relative, Staff
from llmsafe.synthetic.slots import write_name
from llmsafe.synthetic.zh.lexicon import municipality, whole_city
from llmsafe.synthetic.zh.scribe import Scribe

# -- the patient -----------------------------------------------------------------------------


def slot_pt(s: Scribe) -> None:
    """The patient, most often without a name."""
    way = s.rng.random()
    if s.age < 15:
        _child(s, way)
    elif way < 0.62:
        s.out.text("患者")
    elif way < 0.66 and s.identity.nickname:
        write_name(s, s.identity.nickname)
    elif way < 0.80:
        slot_mr(s)
    elif way < 0.84 and len(s.identity.last) < 3:
        write_name(s, f"{s.identity.last}{pick(s.rng, ('某', '某', '某某', '××'))}")
    else:
        write_name(s, s.identity.name)


def _child(s: Scribe, way: float) -> None:
    if way < 0.6:
        s.out.text("患儿")
    elif way < 0.75 and s.identity.nickname:
        write_name(s, s.identity.nickname)
    elif way < 0.85 and len(s.identity.last) > 2:
        write_name(s, s.identity.last)  # a dotted name: the first part is the child's own
    elif way < 0.85 and len(s.identity.first) > 1:
        write_name(s, s.identity.first)
    else:
        write_name(s, s.identity.name)


def slot_mr(s: Scribe) -> None:
    """`张先生`, `老张`, `小张`, `张阿姨`: the surname alone is the name."""
    last, female, way = s.identity.last, s.identity.sex == "f", s.rng.random()
    if s.age < 15:
        write_name(s, s.identity.name)
        return
    if len(last) == 1 and way < 0.2:
        s.out.text("老" if s.age > 52 else "小")
        write_name(s, last)
        return
    write_name(s, last)
    if s.age > 58 and way < 0.55:
        s.out.text(pick(s.rng, ("阿姨", "奶奶") if female else ("大爷", "老先生", "叔叔")))
    else:
        s.out.text("女士" if female else "先生")


def slot_fullname(s: Scribe) -> None:
    write_name(s, s.identity.name)


def slot_age(s: Scribe) -> None:
    """With its unit; only an age over 89 is an identifier, and there the number alone."""
    if s.age > 89:
        s.out.phi(str(s.age), "AGE")
        s.out.text("岁")
    elif s.age < 2:
        months = max(1, (s.encounter.date - s.identity.birth_date).days // 30)
        s.out.text(f"{months}月龄" if chance(s.rng, 0.4) else f"{months}个月")
    else:
        s.out.text(f"{s.age}岁")


def slot_agesex(s: Scribe) -> None:
    """`男，67岁` in one of the usual orders."""
    sex = s.words["sex"]
    if chance(s.rng, 0.7):
        s.out.text(f"{sex}{'性' if chance(s.rng, 0.3) else ''}，")
        slot_age(s)
    else:
        slot_age(s)
        s.out.text(f"{sex}性")


def slot_ifnamed(s: Scribe) -> None:
    """Name, sex and age, or sex and age alone."""
    if chance(s.rng, 0.5):
        write_name(s, s.identity.name)
        s.out.text("，")
    slot_agesex(s)


def slot_weight(s: Scribe) -> None:
    s.out.text(f"{s.encounter.vitals.weight:.1f}kg")


# -- identifiers -----------------------------------------------------------------------------


def slot_dob(s: Scribe) -> None:
    s.out.phi(s.style.date(s.identity.birth_date), "DATE")


def slot_inpatient(s: Scribe) -> None:
    s.out.phi(s.identity.other("inpatient_number"), "MRN")


def slot_outpatient(s: Scribe) -> None:
    s.out.phi(s.identity.other("outpatient_number"), "MRN")


def slot_rid(s: Scribe) -> None:
    s.out.phi(s.identity.resident_id or "", "RESIDENT_ID")


def slot_phone(s: Scribe) -> None:
    own = s.identity.phone if chance(s.rng, 0.2) else s.identity.mobile
    s.out.phi(own, "PHONE")


def slot_email(s: Scribe) -> None:
    if s.identity.email:
        s.out.phi(s.identity.email, "EMAIL")
    else:
        s.out.phi(s.identity.mobile, "PHONE")


def slot_chat_id(s: Scribe) -> None:
    s.out.phi(s.identity.other("messenger_id"), "OTHER_ID")


def slot_qq(s: Scribe) -> None:
    """A QQ number; outside the mainland the other messenger's name."""
    s.out.phi(s.identity.other("qq_number") or s.identity.other("messenger_id"), "OTHER_ID")


def slot_address(s: Scribe) -> None:
    """The whole address in one span; sometimes without province and city."""
    whole = s.identity.other("address")
    s.out.phi(whole if chance(s.rng, 0.7) else s.identity.street, "LOCATION")


def slot_city(s: Scribe) -> None:
    """A city without its kind one time in two; `桃源` too, but not one character alone, and an
    autonomous county (`长阳土家族自治县`) whole. Of a district the city it is in: `苏州`."""
    city = s.identity.city
    if s.place == "cn":
        short = city[:-1] if re.search("(?<!自治)县$", city) and len(city) > 2 else city
        if city.endswith("区"):
            short = municipality(city).removesuffix("市")
        city = short if chance(s.rng, 0.5) else whole_city(city)
    s.out.phi(city, "LOCATION")


def slot_birthplace(s: Scribe) -> None:
    s.out.phi(s.identity.other("birth_place"), "LOCATION")


def slot_hospital_address(s: Scribe) -> None:
    house = s.identity.institution
    city = whole_city(house.city) if s.place == "cn" else house.city
    s.out.phi(f"{city}{house.street}", "LOCATION")


def slot_zip(s: Scribe) -> None:
    s.out.phi(s.identity.zip or s.identity.street, "LOCATION")


def slot_employer(s: Scribe) -> None:
    s.out.phi(s.identity.employer or s.identity.institution.clinic, "ORGANIZATION")


def slot_occupation(s: Scribe) -> None:
    old = "学龄前儿童" if s.age < 6 else "学生" if s.age < 18 else "退休"
    s.out.text(s.identity.occupation if s.identity.occupation and s.age < 63 else old)


def slot_device(s: Scribe) -> None:
    letters = "".join(pick(s.rng, "ABCDEFGHKLMNPRSTVX") for _ in range(3))
    form = pick(s.rng, ("{}{}", "{}-{}", "SN{}{}", "{}{}A"))
    s.out.phi(form.format(letters, digits(s.rng, integer(s.rng, 6, 9))), "DEVICE")


def slot_accession(s: Scribe) -> None:
    """Number of an examination or a film."""
    head = pick(s.rng, ("CT", "MR", "X", "US", "DR", "JC", ""))
    s.out.phi(f"{head}{digits(s.rng, integer(s.rng, 7, 10))}", "OTHER_ID")


def slot_pathology(s: Scribe) -> None:
    year = s.encounter.date.year
    form = pick(
        s.rng, (f"{year}-{digits(s.rng, 5)}", f"B{digits(s.rng, 7)}", f"P{digits(s.rng, 6)}")
    )
    s.out.phi(form, "OTHER_ID")


def slot_specimen(s: Scribe) -> None:
    s.out.phi(pick(s.rng, ("{}", "LIS{}", "S{}")).format(digits(s.rng, 10)), "OTHER_ID")


def slot_fingerprint(s: Scribe) -> None:
    s.out.phi(f"ZW{digits(s.rng, 8)}", "BIOMETRIC")


# -- other people and places -----------------------------------------------------------------


def _relative(s: Scribe) -> Relative:
    who = s.relative = s.relative or pick(s.rng, s.identity.relatives)
    return who


def _kin(s: Scribe, who: Relative) -> None:
    """The word for the relationship, one and the same for a person: an elder brother stays one."""
    options = s.grammar.rule(f"k.{who.relationship}").sources
    s.out.text(options[sum(map(ord, who.name)) % len(options)])


def slot_rel(s: Scribe) -> None:
    """Chooses a relative and writes the relationship: `妻子`, `妻子李秀兰`."""
    who = s.relative = pick(s.rng, s.identity.relatives)
    _kin(s, who)
    if chance(s.rng, 0.45):
        write_name(s, who.name)


def slot_relationship(s: Scribe) -> None:
    _kin(s, _relative(s))


def slot_relname(s: Scribe) -> None:
    write_name(s, _relative(s).name)


def slot_relmr(s: Scribe) -> None:
    """`王女士`."""
    who = _relative(s)
    write_name(s, who.last)
    women = ("mother", "wife", "daughter", "sister", "grandmother", "granddaughter", "niece")
    s.out.text("女士" if who.relationship in women else "先生")


def slot_relphone(s: Scribe) -> None:
    s.out.phi(_relative(s).phone, "PHONE")


def write_doctor(s: Scribe, who: Staff) -> None:
    way = s.rng.random()
    if way < 0.5:
        write_name(s, who.last)
        s.out.text(who.credential)
    elif way < 0.85:
        write_name(s, who.name)
        s.out.text(pick(s.rng, ("主任医师", "副主任医师", "主治医师", "医师", who.credential)))
    else:
        write_name(s, who.name)


def slot_pcp(s: Scribe) -> None:
    write_doctor(s, s.identity.primary_care)


def slot_attending(s: Scribe) -> None:
    write_doctor(s, s.story.team["attending"])


def slot_specialist(s: Scribe) -> None:
    write_doctor(s, s.story.team["specialist"])


def slot_resident(s: Scribe) -> None:
    write_doctor(s, s.story.team["resident"])


def slot_colleague(s: Scribe) -> None:
    """Some other physician of the house."""
    people = [s for s in s.identity.institution.staff if s.role == "physician"]
    write_doctor(s, pick(s.rng, people))


def slot_colleague_name(s: Scribe) -> None:
    people = [s for s in s.identity.institution.staff if s.role in ("physician", "resident")]
    write_name(s, pick(s.rng, people).name)


def slot_nurse(s: Scribe) -> None:
    who = s.story.team["nurse"]
    if chance(s.rng, 0.4):
        write_name(s, who.last)
        s.out.text(pick(s.rng, ("护士", "护士长", "责护")))
    else:
        write_name(s, who.name)


def slot_nurse_name(s: Scribe) -> None:
    """A nurse who is not the author."""
    nurses = [s for s in s.identity.institution.staff if s.role == "nurse"]
    write_name(s, pick(s.rng, [nurse for nurse in nurses if nurse != s.author]).name)


def slot_author(s: Scribe) -> None:
    write_name(s, s.author.name)


def slot_ext(s: Scribe) -> None:
    s.out.phi(s.author.pager, "PHONE")


def slot_department(s: Scribe) -> None:
    s.out.text(s.subject["dept"])


def slot_bed(s: Scribe) -> None:
    """A bed is a place in the ward, not an identifier."""
    s.out.text(f"{s.story.facts.setdefault('bed', str(integer(s.rng, 1, 68)))}床")
