"""Numbers: labels, formats and check digits find them; plain clinical numbers are left alone."""

# ruff: noqa: E501 - a case stays on one line

from __future__ import annotations

import re
import time

import pytest

from llmsafe.notes import PhiSpan
from llmsafe.scrub.detect.en.ids import (
    dea_valid,
    find_checked,
    find_formats,
    find_labelled,
    luhn_valid,
    vin_valid,
)
from llmsafe.scrub.detect.resolve import resolve


def found(text: str) -> dict[str, str]:
    spans: list[PhiSpan] = [*find_labelled(text), *find_formats(text), *find_checked(text)]
    return {text[s.start : s.end]: s.category for s in resolve(spans)}


@pytest.mark.parametrize(
    ("text", "value", "category"),
    [
        ("Gate code 4471#. House", "4471#", "OTHER_ID"), ("on 2 May (ref AU7731X0)", "AU7731X0", "OTHER_ID"),
        ("CLIA 50D2088174 Dir", "50D2088174", "LICENSE"), ("reg is CX19 ZRT.", "CX19 ZRT", "VEHICLE"),
        ("MRN: LS-12345.", "LS-12345", "MRN"), ("MRN 123-45-6789,", "123-45-6789", "MRN"),
        ("MedRec# CM-112233", "CM-112233", "MRN"), ("Patient ID: 8976543", "8976543", "MRN"),
        ("Unit number: 2570601", "2570601", "MRN"), ("SSN 987-65-4321?", "987-65-4321", "SSN"),
        ("born here, 123-45-6789", "123-45-6789", "SSN"), ("SSN ending in 4217)", "4217", "SSN"),
        ("SSN last four 9426)", "9426", "SSN"), ("xxx-xx-1234", "xxx-xx-1234", "SSN"),
        ("insurance # is NP-1234AB.", "NP-1234AB", "HEALTH_PLAN"),
        ("member RFW 827921850", "RFW 827921850", "HEALTH_PLAN"),
        ("HICN: B123456789", "B123456789", "HEALTH_PLAN"), ("Acct#: SH-456789", "SH-456789", "ACCOUNT"),
        ("License No: CLN-112233", "CLN-112233", "LICENSE"), ("NPI 1234567893", "1234567893", "LICENSE"),
        ("license plate KRV-1420", "KRV-1420", "VEHICLE"), ("S/N: 44-A99812", "44-A99812", "DEVICE"),
        ("Accession S21-12345", "S21-12345", "OTHER_ID"), ("ref. code: EM-2554.", "EM-2554", "OTHER_ID"),
        ("fingerprint ID 88A-2231", "88A-2231", "BIOMETRIC"), ("username: jsmith4", "jsmith4", "OTHER_ID"),
        ("call (555) 123-4567.", "(555) 123-4567", "PHONE"), ("212.555.1234", "212.555.1234", "PHONE"),
        ("+44 20 7946 0958", "+44 20 7946 0958", "PHONE"), ("pager 12345", "12345", "PHONE"),
        ("555-123-4567 ext 22", "555-123-4567 ext 22", "PHONE"), ("call us at 6224 for", "6224", "PHONE"),
        ("fax (205) 168-4406", "(205) 168-4406", "FAX"), ("Fax: 555-222-3333", "555-222-3333", "FAX"),
        ("mail a.b+c@x.example.org.", "a.b+c@x.example.org", "EMAIL"),
        ("john [at] example [dot] com", "john [at] example [dot] com", "EMAIL"),
        ("see https://x.org/p?id=3.", "https://x.org/p?id=3", "URL"),
        ("WWW.HARBOR.EXAMPLE.ORG", "WWW.HARBOR.EXAMPLE.ORG", "URL"),
        ("from 192.168.1.1,", "192.168.1.1", "IP"), ("2001:db8:0:0:0:0:0:1", "2001:db8:0:0:0:0:0:1", "IP"),
        ("00:1A:2B:3C:4D:5E", "00:1A:2B:3C:4D:5E", "DEVICE"),
        ("(01)00844588003288(17)141120(21)6547", "(01)00844588003288(17)141120(21)6547", "DEVICE"),
        ("129c6ac7-8d06-89de-ad63-0204a93e76c3", "129c6ac7-8d06-89de-ad63-0204a93e76c3", "OTHER_ID"),
        ("1HGCM82633A004352", "1HGCM82633A004352", "VEHICLE"), ("AB1234563", "AB1234563", "LICENSE"),
        ("4111 1111 1111 1111", "4111 1111 1111 1111", "ACCOUNT"),
    ],
)  # fmt: skip
def test_an_identifier_is_found(text: str, value: str, category: str) -> None:
    assert found(text).get(value) == category, found(text)


@pytest.mark.parametrize(
    "clean",
    [
        "WBC 12,000 and platelets 150000", "metformin 1000 mg, 500-1000 mg", "glucose 102, Na 140",
        "COVID-19, CD4 350, HbA1c 7.2 %", "ICD-10 E11.9, CPT 99213", "NCT01234567", "HPV-16, BRCA1",
        "the patient is 1234 days old", "plan: continue; policy of the unit", "ejection fraction 55-60 %",
        "5,000,000,000 cells, 1000000000 CFU", "T12-L1, C5-C6", "member of the team", "case 3 of 12",
        "account for the change", "visit 2, order 3", "rate 1:2000", "SpO2 98% on 2 L", "12345",
        "seen at 0830 and at 1415", "Group A strep", "serial troponins 0.02, 0.03",
    ],
)  # fmt: skip
def test_plain_clinical_numbers_stay(clean: str) -> None:
    assert found(clean) == {}


def test_check_digits_follow_the_published_examples() -> None:
    assert luhn_valid("79927398713")  # ISO/IEC 7812-1 example
    assert not luhn_valid("79927398710")
    assert luhn_valid("80840" + "1234567893")  # NPI of the CMS standard
    assert vin_valid("1M8GDM9AXKP042788")  # 49 CFR 565 worked example
    assert not vin_valid("1M8GDM9A1KP042788")
    assert dea_valid("AB1234563")
    assert not dea_valid("AB1234564")


@pytest.mark.parametrize(
    "unit", ["1", "a.", "1-", "(", "A1-", " 1", "x@", "MRN ", "#", "::", "http://"]
)
def test_time_is_linear(unit: str) -> None:
    def seconds(length: int) -> float:
        text = (unit * length)[:length]
        best = 9.0
        for _ in range(3):
            began = time.process_time()
            for find in (find_labelled, find_formats, find_checked):
                list(find(text))
            best = min(best, time.process_time() - began)
        return best

    short, long = seconds(4_000), seconds(16_000)
    assert long < 0.05 or long < 12 * short, f"{short:.3f} s for 4,000, {long:.3f} s for 16,000"


def test_a_label_needs_digits() -> None:
    assert not any(re.search("[a-z]", v) for v in found("MRN unknown; SSN declined; acct closed"))


@pytest.mark.parametrize(
    ("text", "value", "category"),
    [
        ("R side, band no. 2210-77. Tourniquet", "2210-77", "OTHER_ID"),
        ("trial (screen no. PX-0117).", "PX-0117", "OTHER_ID"),
        ("permit number 88213, exp", "88213", "OTHER_ID"),
        ("disability, application 0027-118-45", "0027-118-45", "OTHER_ID"),
        ("helipad, tail N407ML, flight", "N407ML", "VEHICLE"),
        ("page me on 0-4-4-7, not", "0-4-4-7", "PHONE"),
    ],
)
def test_what_is_numbered_or_said_digit_by_digit(text: str, value: str, category: str) -> None:
    assert found(text) == {value: category}


@pytest.mark.parametrize(
    "text",
    [
        "lot no. 8821-A, catalog number 39112, part no. 4471-B, protocol no. 2019-0441",
        "locker number 12, a total number 2000. pain no. Number 10 blade, number 2023",
        "mouse tail N1 and N95 mask; call in 1-2-3 days; reach 2-3-4",
    ],
)
def test_what_has_the_number_of_many_stays(text: str) -> None:
    assert found(text) == {}
