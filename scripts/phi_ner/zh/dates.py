"""Dates in every calendar and form, and ages of 90 and more."""

from __future__ import annotations

import datetime
from collections.abc import Mapping

from ..core import Context, Slot, Slots, words
from .numerals import by_digit, counted
from .people import somebody
from .script import full_digits

SLOTS = Slots()
FORMS = (
    "{y}年{m}月{d}日",
    "{y}年{m}月{d}日",
    "{y}年{mm}月{dd}日",
    "{y}-{mm}-{dd}",
    "{y}-{mm}-{dd}",
    "{y}-{m}-{d}",
    "{y}.{m}.{d}",
    "{y}.{mm}.{dd}",
    "{y}/{m}/{d}",
    "{y}/{mm}/{dd}",
    "{y}{mm}{dd}",
    "{yy}年{m}月{d}日",
    "{yy}.{m}.{d}",
    "{yy}-{mm}-{dd}",
    "{yy}/{m}/{d}",
    "{y}年{m}月{d}号",
    "{y} 年 {m} 月 {d} 日",
    "{y}年{m}月{d}",
    "{cy}年{cm}月{cd}日",
    "{fy}年{fm}月{fd}日",
    "{fy}－{fm}－{fd}",
    "{y}、{m}、{d}",
    "{y}．{m}．{d}",
    "{y}年 {m}月{d}日",
)
"""A writer mostly keeps to one of them."""
SHORT_FORMS = (
    "{m}月{d}日",
    "{m}月{d}日",
    "{m}月{d}日",
    "{m}月{d}号",
    "{m}月{d}号",
    "{mm}月{dd}日",
    "{m}.{d}",
    "{m}.{d}",
    "{m}/{d}",
    "{m}-{d}",
    "{mm}-{dd}",
    "{mm}.{dd}",
    "{cm}月{cd}日",
    "{cm}月{cd}号",
    "{cm}月{cd}",
    "{m}月{d}",
    "{m} 月 {d} 日",
    "{fm}月{fd}日",
)
ENGLISH_FORMS = ("{mon} {d}, {y}", "{d} {mon} {y}", "{m}/{d}/{y}", "{mon} {d} {y}", "{y}/{m}/{d}")
ENGLISH_SHORT = ("{m}/{d}", "{mon} {d}", "{d} {mon}", "{m}-{d}")
MONTH_FORMS = ("{m}月", "{m}月", "{m}月份", "{cm}月", "{cm}月份", "{m}月{part}", "{cm}月{part}")
YEAR_MONTH_FORMS = (
    "{y}年{m}月",
    "{y}年{m}月",
    "{y}年{mm}月",
    "{yy}年{m}月",
    "{y}.{m}",
    "{y}.{mm}",
    "{y}-{mm}",
    "{y}/{m}",
    "{cy}年{cm}月",
    "{y}年{m}月份",
    "{y}年{m}月{part}",
    "{y} 年 {m} 月",
    "{fy}年{fm}月",
)
CHINESE_FORMS = (
    "{cy}年{cm}月{cd}日",
    "{cy}年{cm}月{cd}日",
    "{cy}年{cm}月{cd}号",
    "{cy}年{cm}月{cd}",
)
MINGUO_FORMS = (
    "民國{r}年{m}月{d}日",
    "民國{r}年{m}月{d}日",
    "民國{r}年{mm}月{dd}日",
    "民國{cr}年{cm}月{cd}日",
    "民國{r}.{m}.{d}",
    "民國 {r} 年 {m} 月 {d} 日",
    "中華民國{r}年{m}月{d}日",
    "{r}年{m}月{d}日",
    "{r}/{mm}/{dd}",
    "{r}.{m}.{d}",
    "{r}-{mm}-{dd}",
    "{r}{mm}{dd}",
)
_MONTHS = words("Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec")
_PARTS = ("初", "底", "中旬", "上旬", "下旬", "中", "末", "初旬", "中下旬")
_STEMS, _BRANCHES = "甲乙丙丁戊己庚辛壬癸", "子丑寅卯辰巳午未申酉戌亥"
_LUNAR_MONTHS = words("正 二 三 四 五 六 七 八 九 十 十一 冬 腊 十二 闰四 闰六")


def _named(context: Context, day: datetime.date) -> Mapping[str, object]:
    """What the forms are made of."""
    rng = context.rng
    zero = rng.choice("〇〇〇零○")
    return {
        "y": day.year,
        "yy": f"{day.year % 100:02d}",
        "m": day.month,
        "mm": f"{day.month:02d}",
        "d": day.day,
        "dd": f"{day.day:02d}",
        "mon": _MONTHS[day.month - 1],
        "cy": by_digit(day.year, zero),
        "cm": counted(day.month),
        "cd": _day_word(context, day.day),
        "fy": full_digits(str(day.year)),
        "fm": full_digits(str(day.month)),
        "fd": full_digits(str(day.day)),
        "r": day.year - 1911,
        "cr": by_digit(day.year - 1911, zero) if rng.random() < 0.5 else counted(day.year - 1911),
        "part": rng.choice(_PARTS),
    }


def _day_word(context: Context, day: int) -> str:
    if 20 < day < 30 and context.rng.random() < 0.08:
        return f"廿{counted(day)[2:]}"
    return counted(day)


def some_day(context: Context) -> datetime.date:
    """A day of about the year of the note."""
    rng = context.rng
    year = context.year + rng.choice((0, 0, 0, 0, -1, -2))
    return datetime.date(year, 1, 1) + datetime.timedelta(days=rng.randrange(365))


def _write(context: Context, day: datetime.date) -> str:
    rng = context.rng
    if context.style == "traditional" and rng.random() < 0.35:
        return rng.choice(MINGUO_FORMS).format_map(_named(context, day))
    if context.style == "mixed_en" and rng.random() < 0.35:
        return rng.choice(ENGLISH_FORMS).format_map(_named(context, day))
    return FORMS[context.form(len(FORMS))].format_map(_named(context, day))


@SLOTS.value("DATE", "date")
def date(context: Context) -> str:
    """Day, month and year; rarely from one day to another."""
    rng, day = context.rng, some_day(context)
    text = _write(context, day)
    if rng.random() < 0.02:
        later = day + datetime.timedelta(days=rng.randrange(1, 40))
        end = rng.choice(
            (_write(context, later), f"{later.month}月{later.day}日", f"{later.day}日")
        )
        return text + rng.choice("至到-~～—") + end
    return text


def _dob(context: Context, tie: str | None) -> str:
    born = somebody(context, tie).born
    return context.tied("dob", tie, lambda context: _write(context, born))


SLOTS["dob"] = Slot("DATE", _dob)


@SLOTS.value("DATE", "date_short")
def date_short(context: Context) -> str:
    """Month and day; rarely from one day to another."""
    rng, day = context.rng, some_day(context)
    mixed = context.style == "mixed_en" and rng.random() < 0.4
    form = rng.choice(ENGLISH_SHORT if mixed else SHORT_FORMS)
    text = form.format_map(_named(context, day))
    if rng.random() < 0.02:
        later = day + datetime.timedelta(days=rng.randrange(1, 20))
        whole = form.format_map(_named(context, later))
        return text + rng.choice("至到-~～—") + rng.choice((whole, f"{later.day}日"))
    return text


@SLOTS.value("DATE", "month")
def month(context: Context) -> str:
    """A month alone: 10月, 六月份, 6月初."""
    return context.rng.choice(MONTH_FORMS).format_map(_named(context, some_day(context)))


@SLOTS.value("DATE", "year_month")
def year_month(context: Context) -> str:
    """Year and month."""
    return context.rng.choice(YEAR_MONTH_FORMS).format_map(_named(context, some_day(context)))


@SLOTS.value("DATE", "day")
def day(context: Context) -> str:
    """A day of the month alone."""
    number = context.rng.randrange(1, 32)
    written = str(number) if context.rng.random() < 0.8 else _day_word(context, number)
    return f"{written}{context.rng.choice('号号日')}"


@SLOTS.value("DATE", "cn_date")
def cn_date(context: Context) -> str:
    """二〇二三年五月三日."""
    return context.rng.choice(CHINESE_FORMS).format_map(_named(context, some_day(context)))


@SLOTS.value("DATE", "minguo")
def minguo(context: Context) -> str:
    """民國112年5月3日."""
    return context.rng.choice(MINGUO_FORMS).format_map(_named(context, some_day(context)))


@SLOTS.value("DATE", "festival")
def festival(context: Context) -> str:
    """A holiday, perhaps of a year."""
    name = context.pick("festival")
    return f"{some_day(context).year}年{name}" if context.rng.random() < 0.12 else name


@SLOTS.value("DATE", "lunar")
def lunar(context: Context) -> str:
    """农历八月十五, 正月初三, 癸卯年腊月廿三."""
    rng = context.rng
    number = rng.randrange(1, 31)
    named = {10: "初十", 20: "二十", 30: "三十"}
    if number in named:
        when = named[number]
    elif number < 10:
        when = f"初{counted(number)}"
    else:
        when = f"{'廿' if number > 20 and rng.random() < 0.5 else counted(number)[:-1]}"
        when += counted(number % 10)
    text = f"{rng.choice(_LUNAR_MONTHS)}月{when}"
    head = rng.choice(("农历", "农历", "农历", "阴历", "旧历", "", "", "", "", "农历 "))
    draw = rng.random()
    if draw < 0.06:
        number = some_day(context).year - 4
        return f"{head}{_STEMS[number % 10]}{_BRANCHES[number % 12]}年{text}"
    if draw < 0.12:
        return f"{head}{by_digit(some_day(context).year)}年{text}"
    if draw < 0.2 and head:
        return f"{head}{rng.randrange(1, 13)}月{rng.randrange(1, 31)}"
    return head + text


@SLOTS.value("AGE", "age90")
def age90(context: Context) -> str:
    """90 to 108."""
    return str(context.rng.choice((*range(90, 100), *range(90, 109))))


@SLOTS.value("AGE", "age90_cn")
def age90_cn(context: Context) -> str:
    """九十三, 一百零二."""
    rng = context.rng
    text = counted(rng.choice((*range(90, 100), *range(90, 106))))
    return text.replace("九十", "玖拾") if rng.random() < 0.04 else text
