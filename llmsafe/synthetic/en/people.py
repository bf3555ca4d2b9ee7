"""American identities: names, addresses and numbers that look right and belong to nobody.

No number can be a real one. SSN: area 900-999 with group 01-49, never issued, nor used for tax
numbers. Telephone: a third have an area code with 9 in the middle (kept for expansion of the
numbering plan), a third an exchange that starts with 1 (impossible), a third the fictional
555-0100 to 555-0199. E-mail and web addresses live below example.com, .org and .net (RFC 2606),
IP addresses in the documentation blocks (RFC 5737). DEA and licence numbers fail their checks or
have no issuing state.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from datetime import date
from functools import lru_cache

from llmsafe.synthetic.course import Course
from llmsafe.synthetic.draw import chance, derive, digits, integer, pick, sample
from llmsafe.synthetic.en.lexicon import City, Lexicon, lexicon
from llmsafe.synthetic.grammar import Audience
from llmsafe.synthetic.identity import Identity, Institution, Relative, Sex, Staff

INSTITUTIONS = 48
STYLES = 40
AREA_CODES = (
    "205", "207", "209", "216", "219", "239", "256", "303", "309", "314", "318", "330", "361",
    "405", "406", "412", "419", "501", "503", "505", "509", "515", "541", "559", "573", "601",
    "605", "612", "618", "701", "704", "712", "715", "757", "785", "802", "804", "806", "814",
    "828", "850", "901", "906", "912", "918", "920", "970",
)  # fmt: skip
STREET_KINDS = (
    "St", "Street", "Ave", "Avenue", "Rd", "Road", "Drive", "Dr", "Lane", "Ln", "Court", "Blvd",
    "Way", "Circle", "Terrace", "Place",
)  # fmt: skip
HOSPITALS = (
    "{} Memorial Hospital", "{} General Hospital", "{} Medical Center", "St. {} Hospital",
    "{} Regional Medical Center", "{} Community Hospital", "{} County Hospital", "{} Clinic",
    "{} University Hospital", "{} Health", "Mercy {} Hospital", "{} Veterans Medical Center",
)  # fmt: skip
CLINICS = (
    "{} Family Medicine", "{} Primary Care", "{} Medical Group", "{} Health Center",
    "{} Physicians", "{} Specialty Associates", "{} Internal Medicine Associates",
)  # fmt: skip
EMPLOYERS = (
    "{} Logistics", "{} Foods", "{} School District", "{} Credit Union", "{} Construction",
    "{} Lumber", "{} Auto Parts", "{} Insurance", "{} Dairy", "{} Public Library", "{} Steel",
    "{} Software", "{} Nurseries", "{} Transit Authority", "{} Hardware", "{} Paper Mill",
    "{} & Sons", "{} Electric", "{} Bakery", "{} Fire Department", "{} Hotel", "{} Poultry",
)  # fmt: skip
INSURERS = ("{} Health Plan", "{} Mutual", "{} Advantage", "{} Care PPO", "{} HMO", "{} Blue")
MAIL_HOSTS = (
    "example.com", "example.net", "example.org", "mail.example.com", "post.example.net",
    "inbox.example.com", "webmail.example.org", "home.example.net",
)  # fmt: skip
OCCUPATIONS = (
    "schoolteacher", "truck driver", "electrician", "accountant", "cook", "machinist", "nurse aide",
    "farmer", "retail manager", "plumber", "bus driver", "secretary", "software developer",
    "welder", "carpenter", "postal worker", "warehouse worker", "hairdresser", "librarian",
    "bank teller", "mechanic", "janitor", "real estate agent", "police officer", "cashier",
    "firefighter", "roofer", "forklift operator", "dental assistant", "landscaper",
)  # fmt: skip
NICKNAMES = {
    "Robert": "Bob", "William": "Bill", "Richard": "Rick", "James": "Jim", "Thomas": "Tom",
    "Charles": "Chuck", "Edward": "Ted", "Joseph": "Joe", "Michael": "Mike", "Daniel": "Dan",
    "Anthony": "Tony", "Matthew": "Matt", "Andrew": "Andy", "Gregory": "Greg", "Lawrence": "Larry",
    "Nicholas": "Nick", "Patrick": "Pat", "Samuel": "Sam", "Stephen": "Steve", "Timothy": "Tim",
    "Elizabeth": "Betsy", "Margaret": "Peg", "Katherine": "Kate", "Catherine": "Cathy",
    "Patricia": "Patty", "Deborah": "Debbie", "Jennifer": "Jen", "Susan": "Susie",
    "Barbara": "Barb", "Dorothy": "Dot", "Rebecca": "Becky", "Victoria": "Vicky",
    "Christina": "Tina", "Jessica": "Jess", "Alexandra": "Alex", "Alexander": "Alex",
    "Samantha": "Sam", "Jacqueline": "Jackie", "Theodore": "Theo", "Benjamin": "Ben",
    "Gabriela": "Gabi", "Francisco": "Paco", "Guadalupe": "Lupe", "Kathleen": "Kathy",
}  # fmt: skip
SPECIALTIES = (
    "internal medicine", "cardiology", "pulmonology", "gastroenterology", "general surgery",
    "nephrology", "urology", "endocrinology", "neurology", "neurosurgery", "orthopedics",
    "infectious disease", "hematology", "oncology", "rheumatology", "psychiatry", "obstetrics",
    "gynecology", "pediatrics", "otolaryngology", "ophthalmology", "dermatology", "podiatry",
    "vascular surgery", "thoracic surgery", "critical care", "family medicine",
)  # fmt: skip


def phone(rng: random.Random) -> str:
    """A telephone number nobody has, in one of several notations."""
    area, exchange, line = pick(rng, AREA_CODES), str(integer(rng, 210, 989)), digits(rng, 4)
    way = rng.random()
    if way < 0.34:
        area = f"{integer(rng, 2, 9)}9{integer(rng, 0, 8)}"
    elif way < 0.67:
        exchange = f"1{integer(rng, 20, 98)}"
    else:
        exchange, line = "555", f"01{integer(rng, 0, 99):02d}"
    form = pick(rng, ("({}) {}-{}", "{}-{}-{}", "({}) {}-{}", "{}.{}.{}", "{} {} {}", "{}-{}-{}"))
    return form.format(area, exchange, line)


def _first(rng: random.Random, names: Lexicon, sex: Sex) -> str:
    return pick(rng, names.female if sex == "f" else names.male)


def _last(rng: random.Random, names: Lexicon) -> str:
    return pick(rng, names.last)


def _staff(rng: random.Random, names: Lexicon, role: str, specialty: str) -> Staff:
    sex: Sex = "f" if chance(rng, 0.8 if role == "nurse" else 0.45) else "m"
    credential = {
        "nurse": pick(rng, ("RN", "RN", "RN, BSN", "LPN")),
        "social": pick(rng, ("LCSW", "MSW", "RN, CCM", "BSW")),
        "physician": pick(rng, ("MD", "MD", "M.D.", "DO", "M.D., Ph.D.", "MD, FACP")),
        "resident": pick(rng, ("MD", "MD (PGY-2)", "PA-C", "NP", "M.D.", "MD, PGY-3")),
    }[role]
    last = _last(rng, names)
    if chance(rng, 0.06):
        last = f"{last}-{_last(rng, names)}"
    return Staff(
        role=role,
        specialty=specialty,
        first=_first(rng, names, sex),
        last=last,
        credential=credential,
        style=integer(rng, 0, STYLES - 1),
        licence=f"{pick(rng, 'BFM')}{pick(rng, 'XZQ')}{digits(rng, 7)}",
        phone=phone(rng),
        pager=f"{integer(rng, 2, 9)}{digits(rng, 3)}" if chance(rng, 0.5) else phone(rng),
    )


@lru_cache(maxsize=1024)
def institution(seed: int, audience: Audience, number: int) -> Institution:
    """Hospital `number` of a corpus and its people; the same for every patient who goes there."""
    rng, names = derive("institution", seed, audience, number), lexicon(audience)
    city = pick(rng, names.cities)
    stem = pick(rng, names.organizations)
    staff = [_staff(rng, names, "physician", s) for s in SPECIALTIES for _ in range(2)]
    staff += [_staff(rng, names, "physician", s) for s in ("emergency", "radiology") * 3]
    staff += [_staff(rng, names, "resident", "internal medicine") for _ in range(6)]
    staff += [_staff(rng, names, "nurse", "nursing") for _ in range(8)]
    staff += [_staff(rng, names, "social", "social work") for _ in range(3)]
    domain = pick(rng, ("example.org", "example.com", "example.net"))
    return Institution(
        name=pick(rng, HOSPITALS).format(stem),
        clinic=pick(rng, CLINICS).format(pick(rng, names.organizations)),
        street=street(rng, names),
        city=city.name,
        state=city.state,
        zip=zip_code(rng, city),
        phone=phone(rng),
        fax=phone(rng),
        url=pick(rng, ("www.{}.{}", "https://{}.{}/portal", "mychart.{}.{}")).format(
            stem.lower(), domain
        ),
        staff=tuple(staff),
    )


def street(rng: random.Random, names: Lexicon) -> str:
    """House number, street and perhaps a flat."""
    line = f"{integer(rng, 2, 9899)} {pick(rng, names.streets)} {pick(rng, STREET_KINDS)}"
    if chance(rng, 0.08):
        return f"P.O. Box {integer(rng, 11, 9899)}"
    if chance(rng, 0.2):
        line += f", {pick(rng, ('Apt', 'Apt.', 'Unit', '#', 'Apartment'))} {integer(rng, 1, 48)}"
        line += pick(rng, ("", "", "A", "B", "C"))
    return line


def zip_code(rng: random.Random, city: City) -> str:
    """Five digits of the city's region, sometimes nine."""
    code = f"{city.zip3}{integer(rng, 1, 99):02d}"
    return f"{code}-{digits(rng, 4)}" if chance(rng, 0.08) else code


def _relatives(
    rng: random.Random, names: Lexicon, sex: Sex, last: str, age: int, living: str
) -> tuple[Relative, ...]:
    if age < 18 or living == "with_parents":
        pool = ["mother", "father", "grandmother", "aunt"]
        order = pool[:1] + sample(rng, pool[1:], integer(rng, 0, 1))
    else:
        spouse = pick(rng, ("wife", "girlfriend") if sex == "m" else ("husband", "boyfriend"))
        pool = ["daughter", "son", "friend", "neighbor", "niece", "nephew"] if age > 40 else []
        pool += ["sister", "brother"] + (["mother", "father"] if age < 62 else [])
        order = [spouse] if living == "with_spouse" or chance(rng, 0.2) else []
        order += sample(rng, pool, integer(rng, 1, 2))
    females = ("mother", "wife", "girlfriend", "daughter", "sister", "grandmother", "aunt", "niece")
    out: list[Relative] = []
    for relationship in order:
        its: Sex = "f" if relationship in females else "m"
        if relationship in ("friend", "neighbor"):
            its = pick(rng, ("f", "m"))
        stranger = relationship in ("friend", "neighbor", "girlfriend", "boyfriend")
        own = stranger or chance(rng, 0.3)
        surname = _last(rng, names) if own else last
        out.append(Relative(relationship, _first(rng, names, its), surname, phone(rng)))
    return tuple(out)


def _mrn(rng: random.Random, house: int) -> str:
    """Each hospital has its own notation."""
    match house % 5:
        case 0:
            return digits(rng, 7)
        case 1:
            return digits(rng, 8)
        case 2:
            return f"{digits(rng, 3)}-{digits(rng, 2)}-{digits(rng, 2)}"
        case 3:
            return f"M{digits(rng, 6)}"
        case _:
            return f"{digits(rng, 6)}{pick(rng, 'ABCDXZ')}"


def _email(rng: random.Random, first: str, last: str, born: date) -> str:
    first, last = first.lower(), last.lower().replace("-", "")
    form = pick(
        rng, ("{f}.{l}", "{f}{l}", "{i}{l}", "{f}_{l}", "{l}{i}{y}", "{f}{y}", "{i}.{l}{n}")
    )
    local = form.format(f=first, l=last, i=first[0], y=born.year % 100, n=integer(rng, 1, 99))
    return f"{local}@{pick(rng, MAIL_HOSTS)}"


def make_identity(
    rng: random.Random, patient_id: str, seed: int, audience: Audience, course: Course
) -> Identity:
    """The person the course happens to."""
    names = lexicon(audience)
    house = integer(rng, 0, INSTITUTIONS - 1)
    where = institution(seed, audience, house)
    age = course.episodes[0].age
    first, last = _first(rng, names, course.sex), _last(rng, names)
    if chance(rng, 0.05):
        last = f"{last}-{_last(rng, names)}"
    city = (
        pick(rng, names.cities)
        if chance(rng, 0.5)
        else City(where.city, where.state, where.zip[:3])
    )
    works = 18 <= age < 68
    stem = pick(rng, names.organizations) if chance(rng, 0.6) else pick(rng, names.last)
    fields = ("pediatrics",) if age < 16 else ("family medicine", "internal medicine")
    doctors = [s for s in where.staff if s.role == "physician" and s.specialty in fields]
    nickname = NICKNAMES.get(first)
    return Identity(
        patient_id=patient_id,
        first=first,
        middle=_first(rng, names, course.sex),
        last=last,
        nickname=nickname if nickname and chance(rng, 0.7) else None,
        sex=course.sex,
        birth_date=course.birth_date,
        mrn=_mrn(rng, house),
        ssn=f"{integer(rng, 900, 999)}-{integer(rng, 1, 49):02d}-{digits(rng, 4)}",
        resident_id=None,
        account=pick(rng, ("{}", "A{}", "V{}", "HAR{}")).format(digits(rng, integer(rng, 8, 11))),
        insurer=pick(rng, INSURERS).format(pick(rng, names.organizations)),
        health_plan=pick(rng, ("{}{}", "{}-{}", "{} {}")).format(
            "".join(pick(rng, "ABCDEFGHJKLMNPQRSTUVWXYZ") for _ in range(3)), digits(rng, 9)
        ),
        phone=phone(rng),
        mobile=phone(rng),
        email=_email(rng, first, last, course.birth_date) if age >= 16 else None,
        street=street(rng, names),
        city=city.name,
        state=city.state,
        zip=zip_code(rng, city),
        employer=pick(rng, EMPLOYERS).format(stem) if works else None,
        occupation=pick(rng, OCCUPATIONS) if age >= 18 else None,
        vehicle="".join(pick(rng, "ABCDEFGHJKLMNPRSTVWXYZ") for _ in range(3))
        + " "
        + digits(rng, 4),
        relatives=_relatives(rng, names, course.sex, last, age, course.habits.living),
        primary_care=pick(rng, doctors),
        institution=where,
    )


def by_specialty(staff: Sequence[Staff], specialty: str) -> list[Staff]:
    """The people of one specialty, or the generalists where there is none."""
    own = [s for s in staff if s.specialty == specialty]
    return own or [s for s in staff if s.specialty == "internal medicine"]
