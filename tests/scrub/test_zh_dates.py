"""Chinese dates in all their forms, found and moved; durations and room numbers stay."""

# ruff: noqa: E501 - a case stays on one line

from __future__ import annotations

from datetime import date

import pytest

from llmsafe.scrub.detect.normalise import normalise
from llmsafe.scrub.detect.zh import dates
from llmsafe.scrub.detect.zh.lexicon import simplified
from llmsafe.scrub.replace.shift import Shift
from llmsafe.scrub.replace.zh.dates import han_number, han_numeral, read_chinese, shift_chinese

SHIFT = Shift(70, near=date(2023, 9, 1), noted=date(2023, 9, 1))


def found(text: str) -> set[str]:
    view = simplified(normalise(text).text)
    finders = (dates.find_dates, dates.find_lunar, dates.find_festivals)
    return {view[s.start : s.end] for find in finders for s in find(view)}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("2023年9月4日入院", "2023年9月4日"), ("２０２３年９月４日", "2023年9月4日"), ("2023.09.21手术", "2023.09.21"),
        ("2024-02-09 23:51", "2024-02-09"), ("22.11.08建档", "22.11.08"), ("民國112年11月20日", "民国112年11月20日"),
        ("112/11/20 小夜班", "112/11/20"), ("7月13日坠落", "7月13日"), ("二〇二三年三月五日", "二〇二三年三月五日"),
        ("于6月初受伤", "6月初"), ("约7月下旬复诊", "7月下旬"), ("2023年10月植入", "2023年10月"), ("深圳出差，21号回", "21号"),
        ("29日04:52宣告", "29日"), ("癸卯年三月初七诊", "癸卯年三月初七"), ("农历八月十六", "农历八月十六"),
        ("正月初二发病", "正月初二"), ("春节期间", "春节"), ("国庆节后", "国庆节"), ("2021年七夕分开", "2021年七夕"),
        ("立秋前后晕厥", "立秋"), ("20231205", "20231205"), ("去年10月在外院", "10月"),
    ],
)  # fmt: skip
def test_a_date_is_found(text: str, value: str) -> None:
    assert value in found(text), found(text)


@pytest.mark.parametrize(
    "clean",
    [
        "停药3月后复查", "术后1月", "1日3次", "病程第16天", "2019年行手术", "1月、3月、6月程控随访", "3号床", "5号染色体",
        "16号牙叩痛", "每1-2周一次", "8月龄", "Apgar 8-9-10", "BP 146/78", "视力0.6/0.8", "十一指肠", "初中文化", "孕31+4周",
        "每日2次，7日一疗程", "清明上河图", "大雪封路", "第3日",
    ],
)  # fmt: skip
def test_a_duration_stays(clean: str) -> None:
    assert found(clean) == set()


@pytest.mark.parametrize(
    ("text", "moved"),
    [
        ("2023年9月4日", "2023年11月13日"), ("2023.09.21", "2023.11.30"), ("2023-9-4", "2023-11-13"), ("20230904", "20231113"),
        ("民國112年9月4日", "民国112年11月13日"), ("112/9/4", "112/11/13"), ("9月4日", "11月13日"), ("9月4号", "11月13号"),
        ("二〇二三年九月四日", "二〇二三年十一月十三日"), ("2023年9月", "2023年11月"), ("9月初", "11月初"), ("4号", "13号"),
        ("23.09.04", "23.11.13"), ("15/9/2023", "24/11/2023"), ("国庆节", "12月10日"), ("立秋", "10月16日"), ("9/4", "11/13"),
    ],
)  # fmt: skip
def test_a_date_moves_in_its_form(text: str, moved: str) -> None:
    assert shift_chinese(text, SHIFT) == moved


@pytest.mark.parametrize("text", ["正月初二", "中秋节", "癸卯年三月初七", "古尔邦节"])
def test_what_needs_a_lunar_calendar_is_not_moved(text: str) -> None:
    assert shift_chinese(text, SHIFT) is None


def test_intervals_stay() -> None:
    first, last = (shift_chinese(text, SHIFT) for text in ("2023年8月31日", "二〇二三年九月四日"))
    assert first is not None
    assert last is not None
    a, b = read_chinese(first, SHIFT), read_chinese(last, SHIFT)
    assert a is not None
    assert b is not None
    assert (b - a).days == 4


def test_numerals_there_and_back() -> None:
    for number in range(1, 150):
        assert han_number(han_numeral(number)) == number
    assert [han_number(text) for text in ("廿一", "三十", "二十九", "十")] == [21, 30, 29, 10]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("李奶奶（98岁）", "98"),
        ("男，101岁", "101"),
        ("属龙的，九十六岁", "九十六"),
        ("年龄：92", "92"),
    ],
)
def test_an_age_over_89_is_found(text: str, value: str) -> None:
    view = normalise(text).text
    assert [view[s.start : s.end] for s in dates.find_ages(view)][:1] == [value]


@pytest.mark.parametrize(
    "clean", ["89岁", "患者父90后，体健", "SpO2 93%", "95分", "体重92kg", "98次/分"]
)
def test_other_numbers_are_no_age(clean: str) -> None:
    assert not list(dates.find_ages(clean))
