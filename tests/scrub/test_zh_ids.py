"""Chinese numbers: check digits, labels, telephones, plates, and the numbers that are none."""

# ruff: noqa: E501 - a case stays on one line

from __future__ import annotations

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmsafe.scrub.detect.normalise import normalise
from llmsafe.scrub.detect.zh import ids, labels

FINDERS = (
    ids.find_residents, ids.find_telephones, ids.find_formats, labels.find_labelled, labels.find_called,
)  # fmt: skip


def found(text: str) -> set[tuple[str, str]]:
    view = normalise(text).text
    return {(s.category, view[s.start : s.end]) for find in FINDERS for s in find(view)}


@given(
    st.sampled_from(sorted(ids.PROVINCES)),
    st.integers(0, 9999),
    st.dates(date(1900, 1, 1), date(2025, 12, 31)),
    st.integers(0, 999),
)
def test_every_valid_resident_number_is_found(p: str, place: int, born: date, order: int) -> None:
    first = f"{p}{place:04d}{born:%Y%m%d}{order:03d}"
    number = first + ids.resident_check(first)
    assert ids.resident_valid(number)
    assert ("RESIDENT_ID", number) in found(f"证明{number}，复查。")
    wrong = first + ("1" if number[-1] != "1" else "2")
    assert not ids.resident_valid(wrong)
    assert ("RESIDENT_ID", wrong) in found(f"身份证号：{wrong}")


def test_known_check_digits() -> None:
    assert ids.resident_valid("11010519491231002X")  # the example of GB 11643-1999
    assert ids.hong_kong_valid("A1234563")
    assert ids.taiwan_valid("A123456789")
    assert not ids.taiwan_valid("A123456788")


@pytest.mark.parametrize(
    ("text", "category", "value"),
    [
        ("身份证号:123456789012345678", "RESIDENT_ID", "123456789012345678"),
        ("身份证 １１０１０５ １９４９１２３１ ００２ｘ", "RESIDENT_ID", "110105 19491231 002x"),
        ("证件号110105491231002", "RESIDENT_ID", "110105491231002"),
        ("身份證號碼：K482713(9)", "RESIDENT_ID", "K482713(9)"),
        ("居留證號A900417733", "RESIDENT_ID", "A900417733"),
        ("港澳居民来往内地通行证H04417762", "RESIDENT_ID", "H04417762"),
        ("护照E12345678", "RESIDENT_ID", "E12345678"),
        ("军官证：军字第0428817号", "RESIDENT_ID", "军字第0428817号"),
        ("手机13800138000", "PHONE", "13800138000"),
        ("手机１３８ ００１３ ８０００", "PHONE", "138 0013 8000"),
        ("打135-5470-OO82", "PHONE", "135-5470-OO82"),
        ("座机(023)6890-1175转203", "PHONE", "(023)6890-1175转203"),
        ("电话幺三八零零幺三八零零零", "PHONE", "幺三八零零幺三八零零零"),
        ("传真：010-65281194", "FAX", "010-65281194"),
        ("分机3471", "PHONE", "3471"),
        ("住院号：2308-04417", "MRN", "2308-04417"),
        ("门诊号M00562298", "MRN", "M00562298"),
        ("医保卡号330411089923", "HEALTH_PLAN", "330411089923"),
        ("工行6222 0811 0900 4471 835", "ACCOUNT", "6222 0811 0900 4471 835"),
        ("执业证号110340200017265", "LICENSE", "110340200017265"),
        ("驾驶证号320106198207190418", "LICENSE", "320106198207190418"),
        ("乘京A·D7742来院", "VEHICLE", "京A·D7742"),
        ("车牌鲁BK7721", "VEHICLE", "鲁BK7721"),
        ("起搏器序列号PZX612044S", "DEVICE", "PZX612044S"),
        ("标本号 E231231-0096", "OTHER_ID", "E231231-0096"),
        ("病理号：B2024-03318", "OTHER_ID", "B2024-03318"),
        ("微信号mu_ep_2021", "OTHER_ID", "mu_ep_2021"),
        ("QQ：512345678", "OTHER_ID", "512345678"),
        ("邮箱zhuwb@fsrehab.org.cn。", "EMAIL", "zhuwb@fsrehab.org.cn"),
        ("网址http://eye.stzs.net/q/44，请", "URL", "http://eye.stzs.net/q/44"),
        ("登录 112.46.203.77，", "IP", "112.46.203.77"),
    ],
)  # fmt: skip
def test_a_number_is_found(text: str, category: str, value: str) -> None:
    assert (category, value) in found(text), found(text)


@pytest.mark.parametrize(
    "clean",
    [
        "WBC 13.86×10^9/L，HGB 138g/L，PLT 231", "双歧杆菌计数 13500000000 CFU/g", "HBV DNA 1.70E+08 IU/mL",
        "BP 120/80mmHg，SpO2 98%", "请拨打120，或12320", "住院费用27,613.45元", "国药准字H20056789", "ICD-10：I21.001",
        "病历号：同前", "3号床，12床", "阿司匹林肠溶片100mg qd", "骨龄12岁，身高138cm", "型号8631，批号K2306",
        "依据WS 288-2017", "胎心率151次/分", "视力0.3，眼压17",
    ],
)  # fmt: skip
def test_a_plain_number_stays(clean: str) -> None:
    assert found(clean) == set()
