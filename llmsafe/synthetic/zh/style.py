"""How a Chinese author writes: headers, lists, punctuation, dates, abbreviations."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import date
from functools import lru_cache
from typing import Literal

from llmsafe.synthetic.draw import chance, derive, pick

ABBREVIATIONS: tuple[tuple[str, str], ...] = (
    ("患者", "病人"), ("血压", "BP"), ("体温", "T"), ("心率", "HR"), ("呼吸频率", "R"),
    ("血氧饱和度", "SpO2"), ("血常规", "CBC"), ("心电图", "ECG"), ("每日一次", "qd"),
    ("每日两次", "bid"), ("每日三次", "tid"), ("静脉滴注", "ivgtt"), ("口服", "po"),
    ("双肺呼吸音清", "双肺（-）"), ("阴性", "（-）"), ("阳性", "（+）"),
    ("未见明显异常", "未见异常"), ("入院后", "住院后"), ("继续", "续"), ("小时", "h"),
    ("分钟", "min"),
)  # fmt: skip
DATE_FORMS = (
    "{Y}年{m}月{d}日", "{Y}年{m}月{d}日", "{Y}-{m:02d}-{d:02d}", "{Y}-{m:02d}-{d:02d}",
    "{Y}年{m:02d}月{d:02d}日", "{Y}.{m}.{d}", "{Y}/{m}/{d}", "{Y}.{m:02d}.{d:02d}",
    "{Y}/{m:02d}/{d:02d}", "{Y}-{m}-{d}", "{y:02d}年{m}月{d}日", "{Y}{m:02d}{d:02d}",
)  # fmt: skip
SHORT_DATE_FORMS = (
    "{m}月{d}日", "{m}月{d}日", "{m}月{d}号", "{m}-{d}", "{m}.{d}", "{m}/{d}", "{cm}月{cd}日",
    "{d}号", "{m}月{part}", "{Y}年{m}月",
)  # fmt: skip
TAIWAN_FORMS = (
    "民國{R}年{m}月{d}日", "{R}年{m}月{d}日", "{R}/{m:02d}/{d:02d}", "{R}.{m}.{d}",
    "{Y}/{m:02d}/{d:02d}", "{Y}年{m}月{d}日", "{R}-{m:02d}-{d:02d}", "{Y}-{m:02d}-{d:02d}",
)  # fmt: skip
HONG_KONG_FORMS = (
    "{d}/{m}/{Y}", "{d:02d}/{m:02d}/{Y}", "{Y}年{m}月{d}日", "{d}-{m}-{Y}", "{Y}-{m:02d}-{d:02d}",
    "{d:02d}-{b}-{Y}",
)  # fmt: skip
SHORT_TRADITIONAL = ("{m}月{d}日", "{m}/{d}", "{m}月{d}號", "{cm}月{cd}日", "{Y}年{m}月", "{d}號")
MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
NUMERALS = "〇一二三四五六七八九"
FORMS = {"cn": DATE_FORMS, "tw": TAIWAN_FORMS, "hk": HONG_KONG_FORMS}
Layout = Literal["block", "inline", "run-on"]


def numeral(number: int) -> str:
    """`二十三`; up to 99."""
    tens, ones = divmod(number, 10)
    head = "" if not tens else ("" if tens == 1 else NUMERALS[tens]) + "十"
    return head + (NUMERALS[ones] if ones or not tens else "")


def write_day(day: date, form: str) -> str:
    """The date in a notation of the lists above."""
    part = ("上旬", "中旬", "下旬")[min(2, (day.day - 1) // 10)]
    return form.format(
        Y=day.year, y=day.year % 100, R=day.year - 1911, m=day.month, d=day.day,
        cm=numeral(day.month), cd=numeral(day.day), b=MONTHS[day.month - 1], part=part,
    )  # fmt: skip


@dataclass(frozen=True)
class Style:
    """One way of writing; `header` frames a title, `layout` says how sections are set off."""

    number: int
    layout: Layout
    header: str
    bullet: str
    terse: bool
    half: bool
    place: str
    date_form: str
    abbreviations: dict[str, str]
    _pattern: re.Pattern[str] | None
    _cache: dict[str, str] = field(default_factory=dict[str, str], compare=False)

    def restyle(self, text: str) -> str:
        """Literal text with this author's abbreviations and punctuation."""
        done = self._cache.get(text)
        if done is None:
            done = text
            if self._pattern is not None:
                done = self._pattern.sub(lambda match: self.abbreviations[match[0]], done)
            if self.half:
                done = done.translate(_HALF)
            if len(self._cache) < 20_000:
                self._cache[text] = done
        return done

    def date(self, day: date, form: str | None = None) -> str:
        """The date in the author's notation, or in `form`."""
        return write_day(day, form or self.date_form)

    @property
    def short_forms(self) -> tuple[str, ...]:
        return SHORT_DATE_FORMS if self.place == "cn" else SHORT_TRADITIONAL


_HALF = str.maketrans({"，": ",", "：": ":", "；": ";", "（": "(", "）": ")"})


@lru_cache(maxsize=256)
def style(number: int, place: str) -> Style:
    """Style `number`, always the same; `place` is `cn`, `tw` or `hk`."""
    rng = derive("zh-style", number, place)
    terse = chance(rng, 0.3)
    share = 0.5 if terse else pick(rng, (0.0, 0.0, 0.1, 0.2))
    short = {long: abbr for long, abbr in ABBREVIATIONS if chance(rng, share)}
    words = sorted(short, key=len, reverse=True)
    layouts: tuple[Layout, ...] = ("block", "block", "inline", "inline", "run-on")
    return Style(
        number=number,
        layout="block" if terse else pick(rng, layouts),
        header=pick(
            rng, ("{}：", "{}：", "{}：", "【{}】", "{}:", "[{}]", "*{}*：", "◆{}：", "{}——")
        ),
        bullet=pick(rng, ("1.", "1、", "1.", "（1）", "-", "①", "1)", "")),
        terse=terse,
        half=chance(rng, 0.2),
        place=place,
        date_form=pick(rng, FORMS[place]),
        abbreviations=short,
        _pattern=re.compile("|".join(map(re.escape, words))) if words else None,
    )
