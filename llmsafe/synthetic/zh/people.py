"""Identities of the mainland: names, addresses and numbers of nobody; see `ids` for the numbers."""

from __future__ import annotations

import random
from datetime import date
from functools import lru_cache

from llmsafe.synthetic.course import Course
from llmsafe.synthetic.draw import chance, derive, digits, integer, pick, sample
from llmsafe.synthetic.grammar import Audience
from llmsafe.synthetic.identity import Identity, Institution, Relative, Sex, Staff, full_name
from llmsafe.synthetic.zh import ids
from llmsafe.synthetic.zh.lexicon import City, Lexicon, Names, lexicon, municipality, whole_city

INSTITUTIONS = 48
STYLES = 40
ROAD_KINDS = ("路", "路", "路", "街", "大道", "东路", "西路", "南路", "北路", "中路", "大街", "巷")
ESTATE_KINDS = (
    "花园", "小区", "家园", "新村", "苑", "公寓", "雅苑", "名城", "华府", "新城", "佳苑", "花苑",
    "世家", "豪庭", "西区", "东区", "广场",
)  # fmt: skip
VILLAGES = ("村", "庄村", "湾村", "屯村", "沟村", "坪村", "寨村", "岭村", "营村", "店村", "庙村")
HOSPITALS = (
    "{c}市{s}医院", "{c}{s}医院", "{c}市{s}人民医院", "{c}{s}中医院", "{c}{s}妇幼保健院", "{s}医院",
    "{c}{s}中西医结合医院", "{c}医科大学附属{s}医院", "{c}市{s}中心医院", "{s}国际医院",
    "{c}{s}专科医院", "{c}铁路{s}医院",
)  # fmt: skip
CLINICS = (
    "{s}社区卫生服务中心", "{d}{s}社区卫生服务站", "{s}镇卫生院", "{s}诊所", "{s}门诊部",
    "{s}卫生所",
)  # fmt: skip
EMPLOYERS = (
    "{c}{s}电子有限公司", "{s}机械厂", "{c}市{s}小学", "{c}{s}中学", "{s}建筑工程有限公司",
    "{s}超市", "{s}物业公司", "{c}{s}纺织厂", "{s}物流公司", "{c}市{s}税务所", "{s}食品有限公司",
    "{s}律师事务所", "{s}酒店", "{c}{s}科技有限公司", "{s}汽车修理厂", "{s}幼儿园",
    "{c}{s}化工股份有限公司", "{s}快递", "{c}{s}职业技术学院", "{s}街道办事处",
    "{s}养殖专业合作社", "{c}{s}水泥厂", "{s}服装厂", "{s}印刷厂", "{c}{s}公交公司",
    "{s}房地产开发有限公司", "{s}农贸市场", "{c}{s}热电厂", "{s}家政服务部",
)  # fmt: skip
SCHOOLS = ("{s}小学", "{c}市{s}实验学校", "{s}中学", "{c}{s}外国语学校", "{s}中心小学")
KINDERGARTENS = ("{s}幼儿园", "{c}{s}双语幼儿园", "{s}托育中心")
INSURERS = ("城镇职工医保", "城乡居民医保", "新农合", "公费医疗", "职工医保", "居民医保")
MAIL_HOSTS = (
    "example.com", "mail.example.com", "qq.example", "163.example", "126.example", "example.net",
    "post.example.org", "sina.example", "example.cn.example",
)  # fmt: skip
OCCUPATIONS = (
    "工人", "农民", "教师", "会计", "个体经营者", "司机", "公务员", "保安", "厨师", "售货员",
    "电工", "瓦工", "护工", "快递员", "程序员", "职员", "保洁员", "焊工", "木工", "销售",
    "银行职员", "工程师", "服务员", "理发师", "环卫工", "律师", "养殖户", "渔民", "裁缝", "钳工",
)  # fmt: skip
# Specialty of the tables -> department.
DEPARTMENTS = {
    "internal medicine": "普内科", "cardiology": "心内科", "pulmonology": "呼吸科",
    "gastroenterology": "消化内科", "general surgery": "普外科", "nephrology": "肾内科",
    "urology": "泌尿外科", "endocrinology": "内分泌科", "neurology": "神经内科",
    "neurosurgery": "神经外科", "orthopedics": "骨科", "infectious disease": "感染科",
    "hematology": "血液科", "oncology": "肿瘤科", "rheumatology": "风湿免疫科",
    "psychiatry": "心身医学科", "obstetrics": "产科", "gynecology": "妇科", "pediatrics": "儿科",
    "otolaryngology": "耳鼻喉科", "ophthalmology": "眼科", "dermatology": "皮肤科",
    "podiatry": "内分泌科", "vascular surgery": "血管外科", "thoracic surgery": "胸外科",
    "critical care": "重症医学科", "family medicine": "全科医学科", "emergency": "急诊科",
    "radiology": "影像科", "nursing": "护理部", "social work": "医务社工部",
}  # fmt: skip
# Character of the plates, by the first two digits of the city's code.
PLATES = {
    "11": "京", "12": "津", "13": "冀", "14": "晋", "15": "蒙", "21": "辽", "22": "吉", "23": "黑",
    "31": "沪", "32": "苏", "33": "浙", "34": "皖", "35": "闽", "36": "赣", "37": "鲁", "41": "豫",
    "42": "鄂", "43": "湘", "44": "粤", "45": "桂", "46": "琼", "50": "渝", "51": "川", "52": "贵",
    "53": "云", "54": "藏", "61": "陕", "62": "甘", "63": "青", "64": "宁", "65": "新",
}  # fmt: skip
FEMALE = ("mother", "wife", "girlfriend", "daughter", "sister", "grandmother", "aunt", "niece")
TITLES = {
    "physician": ("主任", "主任", "副主任", "医生", "大夫", "教授"),
    "resident": ("医生", "医师", "大夫"),
    "nurse": ("护士", "护士", "护士长"),
    "social": ("社工", "老师"),
}


def make_staff(
    rng: random.Random, names: Names, role: str, specialty: str, phones: tuple[str, str]
) -> Staff:
    """One person of a house; `phones` are the own number and the short one on the ward."""
    sex: Sex = "f" if chance(rng, 0.95 if role == "nurse" else 0.4) else "m"
    born = 1992 if role in ("resident", "nurse") else integer(rng, 1955, 1985)
    first, last = names.first(rng, sex, born), names.surname(rng)
    last, first = names.minority_or(rng, sex, last, first)
    return Staff(
        role=role,
        specialty=specialty,
        first=first,
        last=last,
        credential=pick(rng, TITLES[role]),
        style=integer(rng, 0, STYLES - 1),
        licence=f"{integer(rng, 1, 2)}{digits(rng, 14)}",
        phone=phones[0],
        pager=phones[1],
    )


def roster() -> list[tuple[str, str]]:
    """(role, specialty) of everybody in a house."""
    special = [s for s in DEPARTMENTS if s not in ("nursing", "social work")]
    people = [("physician", s) for s in special for _ in range(2)]
    people += [("physician", s) for s in ("emergency", "radiology") * 2]
    people += [("resident", "internal medicine")] * 6 + [("nurse", "nursing")] * 8
    return people + [("social", "social work")] * 3


def district(rng: random.Random, names: Lexicon, city: City) -> str:
    """One of the city's own, or one put together where the list has none."""
    if city.districts:
        return pick(rng, city.districts)
    return pick(rng, names.districts) + pick(rng, ("区", "区", "区", "县", "市", "新区"))


def road_number(rng: random.Random, names: Lexicon) -> str:
    road = pick(rng, names.roads) + pick(rng, names.form("road", ROAD_KINDS))
    return f"{road}{integer(rng, 1, 988)}号"


def street(rng: random.Random, names: Lexicon) -> str:
    """Road and number, then perhaps estate, building, entrance and flat."""
    road = road_number(rng, names)
    estate = pick(rng, names.estates) + pick(rng, names.form("estate", ESTATE_KINDS))
    block, unit, flat = integer(rng, 1, 38), integer(rng, 1, 4), integer(rng, 1, 28) * 100
    room = flat + integer(rng, 1, 6)
    if forms := names.form("street", ()):
        shape = pick(rng, forms)
        return shape.format(road=road, estate=estate, block=block, unit=unit, room=room)
    return pick(
        rng,
        (
            f"{road}{estate}{block}幢{unit}单元{room}室", f"{road}{estate}{block}号楼{room}室",
            f"{estate}{block}栋{unit}单元{room}", f"{road}", f"{estate}{block}-{unit}-{room}",
            f"{road}{block}号楼{unit}门{room}", f"{estate}{block}幢{room}室", f"{road}{room}室",
        ),
    )  # fmt: skip


def rural(rng: random.Random, names: Lexicon, within: str) -> str:
    """Town, village, group or house number; no town where `within` is one, or a ward of a city."""
    town = pick(rng, names.towns) + pick(rng, ("镇", "镇", "乡"))
    if within.endswith(("镇", "乡", "街道")):
        town = ""
    head = pick(rng, names.names.common) + "家" if chance(rng, 0.6) else pick(rng, names.towns)
    tail = pick(rng, (f"{integer(rng, 1, 16)}组", f"{integer(rng, 1, 320)}号", "", ""))
    return town + head + pick(rng, names.form("village", VILLAGES)) + tail


def named(
    rng: random.Random, names: Lexicon, shape: str, city: City, where: str, stem: str = ""
) -> str:
    """The shape of an organisation filled in: `c` and `C` the city without and with 市, `m` the
    city alone where that is a district, `d` its town or district, `v` a village, `s` the stem,
    where none is given another one."""
    stem = stem or pick(rng, names.organizations)
    village = pick(rng, names.towns) if "{v}" in shape else ""
    whole, town = whole_city(city.name), municipality(city.name)
    return shape.format(c=city.name, C=whole, m=town, d=where, v=village, s=stem)


@lru_cache(maxsize=1024)
def institution(seed: int, audience: Audience, number: int) -> Institution:
    """Hospital `number` of a corpus and its people; the same for every patient who goes there."""
    rng, names = derive("institution", "zh", seed, audience, number), lexicon(audience)
    city, stem = pick(rng, names.cities), pick(rng, names.organizations)
    where = district(rng, names, city)
    staff: list[Staff] = []
    for role, specialty in roster():
        short = pick(rng, ("{}", "6{}", "8{}")).format(digits(rng, 4))
        phones = (ids.mobile(rng), short)
        staff.append(make_staff(rng, names.names, role, specialty, phones))
    domain = "".join(pick(rng, "abcdefghjklmnpqrstwxyz") for _ in range(integer(rng, 3, 6)))
    return Institution(
        name=named(rng, names, pick(rng, names.form("hospital", HOSPITALS)), city, where, stem),
        clinic=named(rng, names, pick(rng, names.form("clinic", CLINICS)), city, where),
        street=road_number(rng, names),
        city=city.name,
        state=city.province,
        zip=city.code + str(integer(rng, 10, 99)),
        phone=ids.landline(rng, city.area, extension=chance(rng, 0.3)),
        fax=ids.landline(rng, city.area),
        url=pick(rng, ("www.{}-hosp.{}", "https://www.{}yy.{}/yuyue", "http://{}.{}")).format(
            domain, pick(rng, ("example.com", "example.org", "example.net"))
        ),
        staff=tuple(staff),
    )


def relationships(rng: random.Random, sex: Sex, age: int, living: str) -> list[str]:
    """Who is about the patient, the nearest first."""
    if age < 16:
        return ["mother", "father"] if chance(rng, 0.7) else ["grandmother", "mother"]
    spouse = "husband" if sex == "f" else "wife"
    pool = ["daughter", "son"] if age > 42 else []
    pool += ["sister", "brother"] + (["mother", "father"] if age < 62 else [])
    order = [spouse] if living == "with_spouse" or (age > 26 and chance(rng, 0.4)) else []
    pool += ["granddaughter", "niece"] if age > 70 else []
    return order + sample(rng, pool, integer(rng, 1, 2))


def relative(
    rng: random.Random, names: Names, relationship: str, last: str, born: int, phone: str
) -> Relative:
    """Blood relatives on the father's side share the surname."""
    its: Sex = "f" if relationship in (*FEMALE, "granddaughter") else "m"
    shift = {"mother": -27, "father": -28, "grandmother": -54, "daughter": 27, "son": 27}
    shift |= {"granddaughter": 52, "niece": 27}
    shares = relationship in ("father", "son", "daughter", "sister", "brother", "granddaughter")
    surname = last if shares and chance(rng, 0.92) else names.surname(rng)
    first = names.first(rng, its, born + shift.get(relationship, 1))
    if names.is_minority(last):
        surname, first = names.minority(rng, its)
    return Relative(relationship, first, surname, phone)


def _email(rng: random.Random, born: date) -> str:
    letters = "".join(pick(rng, "abcdefghijklmnopqrstuvwxyz") for _ in range(integer(rng, 2, 8)))
    form = pick(rng, ("{n}", "{l}{y}", "{l}_{d}", "{l}.{y}", "{l}{d}"))
    local = form.format(
        n=digits(rng, integer(rng, 7, 10)), l=letters, y=born.year, d=digits(rng, 3)
    )
    return f"{local}@{pick(rng, MAIL_HOSTS)}"


def workplace(rng: random.Random, names: Lexicon, city: City, age: int) -> str | None:
    """Firm or school."""
    stem = pick(rng, names.organizations)
    if 3 <= age < 7:
        shape = pick(rng, names.form("kindergarten", KINDERGARTENS))
    elif 7 <= age < 18:
        shape = pick(rng, names.form("school", SCHOOLS))
    elif 18 <= age < 63:
        shape = pick(rng, names.form("employer", EMPLOYERS))
    else:
        return None
    where = district(rng, names, city) if "{d}" in shape else ""
    return named(rng, names, shape, city, where, stem)


def make_identity(
    rng: random.Random, patient_id: str, seed: int, audience: Audience, course: Course
) -> Identity:
    """The person the course happens to."""
    names = lexicon(audience)
    where = institution(seed, audience, integer(rng, 0, INSTITUTIONS - 1))
    home = next(city for city in names.cities if city.name == where.city)
    city = pick(rng, names.cities) if chance(rng, 0.4) else home
    age, born = course.episodes[0].age, course.birth_date
    last, first = names.names.surname(rng), names.names.first(rng, course.sex, born.year)
    last, first = names.names.minority_or(rng, course.sex, last, first)
    country = chance(rng, 0.3)
    inner = district(rng, names, city)
    inner += rural(rng, names, inner) if country else street(rng, names)
    kin = relationships(rng, course.sex, age, course.habits.living)
    family = tuple(relative(rng, names.names, k, last, born.year, ids.mobile(rng)) for k in kin)
    doctors = [s for s in where.staff if s.role == "physician"]
    field = "pediatrics" if age < 16 else "family medicine"
    resident = ids.resident_id(rng, city.code, born, course.sex)
    insurer = pick(rng, names.form("insurer", INSURERS))
    plan = (
        resident if chance(rng, 0.2) else pick(rng, ("{}", "YB{}", "Y{}")).format(digits(rng, 10))
    )
    job = workplace(rng, names, city, age)
    occupation = pick(rng, names.form("occupation", OCCUPATIONS)) if age >= 18 else None
    return Identity(
        patient_id=patient_id,
        first=first,
        middle="",
        last=last,
        nickname=pick(rng, names.nicknames) if age < 12 else None,
        sex=course.sex,
        birth_date=born,
        mrn=pick(rng, ("{}", "{}", "M{}", "B{}", "MZ{}")).format(digits(rng, integer(rng, 6, 9))),
        ssn=None,
        resident_id=resident,
        account="62" + digits(rng, integer(rng, 14, 17)),
        insurer=insurer,
        health_plan=plan,
        phone=ids.landline(rng, city.area),
        mobile=ids.mobile(rng),
        email=_email(rng, born) if age >= 16 else None,
        street=inner,
        city=city.name,
        state=city.province or whole_city(city.name),
        zip=city.code + str(integer(rng, 10, 99)),
        employer=job,
        occupation=occupation,
        vehicle=ids.plate(rng, PLATES[city.code[:2]] + pick(rng, "ABCDEFG")),
        relatives=family,
        primary_care=pick(rng, [s for s in doctors if s.specialty == field]),
        institution=where,
        others=(("full_name", full_name(first, last)), *_others(rng, names, city, inner, born)),
    )


def _others(
    rng: random.Random, names: Lexicon, city: City, inner: str, born: date
) -> tuple[tuple[str, str | None], ...]:
    """Columns that only a Chinese registry has."""
    wechat = pick(rng, ("wx_{}{}", "{}{}", "{}_{}")).format(
        "".join(pick(rng, "abcdefghijklmnopqrstuvwxyz") for _ in range(integer(rng, 4, 7))),
        pick(rng, (str(born.year), digits(rng, 3), f"{born:%m%d}")),
    )
    native = pick(rng, names.cities) if chance(rng, 0.5) else city
    place = native.whole if chance(rng, 0.5) else f"{native.whole}{district(rng, names, native)}"
    return (
        ("inpatient_number", pick(rng, ("{}", "ZY{}", "Z{}", "00{}")).format(digits(rng, 7))),
        ("outpatient_number", pick(rng, ("{}", "MZ{}", "{}")).format(digits(rng, 10))),
        ("address", city.whole + inner),
        ("birth_place", place),
        ("messenger_id", wechat),
        ("qq_number", digits(rng, integer(rng, 8, 10))),
    )
