"""Stand-ins for numbers: the form stays, every digit goes, nobody real is named."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmsafe.scrub.detect.en.ids import dea_valid, find_checked, luhn_valid, vin_valid
from llmsafe.scrub.keys import Key
from llmsafe.scrub.replace.numbers import number
from llmsafe.scrub.replace.person import Person

KEY = Key(b"k" * 32)
PERSON = Person("patient p1")


def stand_in(category: str, text: str, person: Person = PERSON) -> str:
    return number(KEY, person, category, text)


def people(count: int) -> list[Person]:
    return [Person(f"patient {i}", mention="n1 0" if i % 2 else "") for i in range(count)]


@given(st.from_regex(r"[A-Z]{0,3}-?[0-9]{4,9}", fullmatch=True))
def test_numbers_keep_their_form_and_nothing_else(text: str) -> None:
    new = stand_in("ACCOUNT", text)
    assert [c.isdigit() for c in new] == [c.isdigit() for c in text]
    assert new != text
    assert stand_in("ACCOUNT", text.replace("-", "")) == new.replace("-", "")
    if re.match("XX+(?![A-Z])", text):
        assert new[:2] == "XX"
    elif text[0].isalpha():
        assert new[0] != text[0]


def test_what_the_writer_masked_stays() -> None:
    assert re.fullmatch(r"XXX-XX-(?!1234)\d{4}", stand_in("SSN", "XXX-XX-1234"))
    assert re.fullmatch(r"XX(?!0000)\d{4}", stand_in("ACCOUNT", "XX0000"))
    assert "XX" not in stand_in("ACCOUNT", "AXX9931")  # letters of the number, not a mask


def test_characters_that_normalise_to_several_have_stand_ins_too() -> None:
    assert re.fullmatch(r"[\d.]{52}", stand_in("ACCOUNT", "⒑" * 17 + "1"))


def test_one_number_in_any_writing_keeps_one_stand_in() -> None:
    written = ("(704) 188-2639", "704.188.2639", "+1 704 188 2639", "1-704-188-2639", "7041882639")
    made = {
        re.sub(r"\D", "", stand_in(kind, text))[-10:]
        for text in written
        for kind in ("PHONE", "FAX")
    }
    assert len(made) == 1


@pytest.mark.parametrize(
    ("written", "form"),
    [
        ("704-188-2639", r"[2-7][0-8][2-9]-555-01\d\d"),
        ("(704) 188-2639", r"\([2-7][0-8][2-9]\) 555-01\d\d"),
        ("+1 704 188 2639", r"\+1 [2-7][0-8][2-9] 555 01\d\d"),
        ("1-800-FLOWERS", r"1-[2-7][0-8][2-9]-55501\d\d"),
        ("188-2639", r"555-01\d\d"),
        ("704.188.2639 ext. 4471", r"[2-7][0-8][2-9]\.555\.01\d\d ext\. \d{4}"),
        ("+44 20 7946 0958", r"\+28 \d\d \d{4} \d{4}"),
        ("x4471", r"x\d{4}"),
        ("52417", r"\d{5}"),
    ],
)
def test_telephones_keep_their_form_and_ring_nowhere(written: str, form: str) -> None:
    for person in people(30):
        made = stand_in("PHONE", written, person)
        assert re.fullmatch(form, made), made
        assert made != written


def test_no_social_security_number_is_one_that_is_given_out() -> None:
    for person in people(200):
        area, group, serial = stand_in("SSN", "123-45-6789", person).split("-")
        assert area[0] == "9"
        assert 1 <= int(group) <= 49  # 50 and above are taxpayer numbers
        assert len(serial) == 4
        assert re.fullmatch(r"9\d{8}", stand_in("SSN", "123456789", person))
        assert re.fullmatch(r"\d{4}", stand_in("SSN", "6789", person))
        assert re.fullmatch(r"[A-Z]{3}\d{9}", stand_in("SSN", "SSN123456789", person))


def test_no_check_digit_confirms_a_stand_in() -> None:
    real = (("ACCOUNT", "4111 1111 1111 1111"), ("LICENSE", "AB1234563"), ("LICENSE", "1234567893"),
            ("VEHICLE", "1HGCM82633A004352"))  # fmt: skip
    assert luhn_valid("4111111111111111")
    assert luhn_valid("808401234567893")
    assert dea_valid("AB1234563")
    assert vin_valid("1HGCM82633A004352")
    for person in people(150):
        for category, text in real:
            made = stand_in(category, text, person)
            assert not list(find_checked(made))
            assert not (made.isdigit() and len(made) == 10 and luhn_valid("80840" + made))
    # Without the check, one in ten would pass by chance.
    random = [re.sub(r"\D", "", stand_in("OTHER_ID", "1" * 15, p)) for p in people(150)]
    assert sum(luhn_valid(n) for n in random) in range(0, 60)


def test_addresses_in_hexadecimal_stay_hexadecimal() -> None:
    for person in people(40):
        mac = stand_in("DEVICE", "00:1A:2B:3C:4D:5E", person)
        assert re.fullmatch(r"[0-9A-F][26AE](?::[0-9A-F]{2}){5}", mac)  # locally administered
        uuid = stand_in("OTHER_ID", "123e4567-e89b-12d3-a456-426614174000", person)
        assert re.fullmatch(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", uuid)


@pytest.mark.parametrize(
    ("category", "text", "every"),
    [
        ("MRN", "123", [str(n) for n in range(100, 1000)]),
        ("PHONE", "188-2639", [f"55501{n:02d}" for n in range(100)]),
    ],
)
def test_no_stand_in_is_a_known_number_of_the_patient(
    category: str, text: str, every: list[str]
) -> None:
    taken = frozenset(every[:-20])
    left = {stand_in(category, text, Person(f"p{i}", taken=taken)) for i in range(60)}
    digits = {re.sub(r"\D", "", new) for new in left if new != f"[{category}]"}
    assert not digits & taken
    assert len(digits) > 5  # some numbers are still free
    assert {stand_in(category, text, Person(f"p{i}"))[-1] for i in range(60)} >= set("123456789")
    assert stand_in(category, text, Person("p1", taken=frozenset(every))) == f"[{category}]"
