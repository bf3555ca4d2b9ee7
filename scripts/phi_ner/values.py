"""Invented values for the slots of the templates: names, places, dates, numbers.

``Values(rng, lexicon, style)`` has one method a slot; a method returns the text of one value, and
for the styles ``dictation``, ``asr`` and ``verbatim`` mostly the way it is spoken.
"""

from __future__ import annotations

import calendar
import datetime
import random
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

ONES = [
    "zero",
    "one",
    "two",
    "three",
    "four",
    "five",
    "six",
    "seven",
    "eight",
    "nine",
    "ten",
    "eleven",
    "twelve",
    "thirteen",
    "fourteen",
    "fifteen",
    "sixteen",
    "seventeen",
    "eighteen",
    "nineteen",
]
TENS = ["zero", "ten", "twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"]
ORDINAL = [
    "zeroth",
    "first",
    "second",
    "third",
    "fourth",
    "fifth",
    "sixth",
    "seventh",
    "eighth",
    "ninth",
    "tenth",
    "eleventh",
    "twelfth",
    "thirteenth",
    "fourteenth",
    "fifteenth",
    "sixteenth",
    "seventeenth",
    "eighteenth",
    "nineteenth",
    "twentieth",
]
PHONETIC = [
    "alpha",
    "bravo",
    "charlie",
    "delta",
    "echo",
    "foxtrot",
    "golf",
    "hotel",
    "india",
    "juliet",
    "kilo",
    "lima",
    "mike",
    "november",
    "oscar",
    "papa",
    "quebec",
    "romeo",
    "sierra",
    "tango",
    "uniform",
    "victor",
    "whiskey",
    "xray",
    "yankee",
    "zulu",
]
LOOSE = [
    "apple",
    "boy",
    "cat",
    "dog",
    "edward",
    "frank",
    "george",
    "henry",
    "ida",
    "john",
    "king",
    "larry",
    "mary",
    "nancy",
    "ocean",
    "peter",
    "queen",
    "robert",
    "sam",
    "tom",
    "uncle",
    "vincent",
    "william",
    "xylophone",
    "yellow",
    "zebra",
]
SPOKEN = frozenset(("dictation", "asr", "verbatim"))
SPELLED = frozenset(("letters",))
MONTHS = list(calendar.month_name)[1:]
WEEKDAYS = list(calendar.day_name)
STATES = [
    "AL",
    "AK",
    "AZ",
    "AR",
    "CA",
    "CO",
    "CT",
    "DE",
    "FL",
    "GA",
    "HI",
    "ID",
    "IL",
    "IN",
    "IA",
    "KS",
    "KY",
    "LA",
    "ME",
    "MD",
    "MA",
    "MI",
    "MN",
    "MS",
    "MO",
    "MT",
    "NE",
    "NV",
    "NH",
    "NJ",
    "NM",
    "NY",
    "NC",
    "ND",
    "OH",
    "OK",
    "OR",
    "PA",
    "RI",
    "SC",
    "SD",
    "TN",
    "TX",
    "UT",
    "VT",
    "VA",
    "WA",
    "WV",
    "WI",
    "WY",
]
LETTERS = "ABCDEFGHJKLMNPQRSTUVWXYZ"


def words_of(number: int) -> str:
    """0 to 99 in words."""
    if number < 20:
        return ONES[number]
    ten, one = divmod(number, 10)
    return TENS[ten] + (f"-{ONES[one]}" if one else "")


def ordinal_words(number: int) -> str:
    """1 to 31 as an ordinal in words."""
    if number <= 20:
        return ORDINAL[number]
    if number == 30:
        return "thirtieth"
    return f"{TENS[number // 10]}-{ORDINAL[number % 10]}"


def suffixed(number: int) -> str:
    """1st, 2nd."""
    end = "th" if 10 < number % 100 < 14 else {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    return f"{number}{end}"


@dataclass(frozen=True)
class Lexicon:
    """Lists of words to draw from, by kind."""

    lists: Mapping[str, Sequence[str]]
    names: Sequence[tuple[Sequence[str], Sequence[str]]]
    """Given and family names, culture by culture."""


@dataclass(frozen=True)
class Person:
    """Somebody a note mentions more than once."""

    first: str
    last: str
    middle: str
    nick: str


class Values:
    """Draws values for one note in one style."""

    def __init__(self, rng: random.Random, lexicon: Lexicon, style: str) -> None:
        self.rng, self.lexicon, self.style = rng, lexicon, style
        self.spoken = style in SPOKEN
        self._people: dict[str, Person] = {}
        self._fixed: dict[str, str] = {}
        # Most writers keep to one way of writing dates and telephone numbers.
        self._date_form = rng.randrange(len(self._date_forms()))
        self._own_form = rng.random() < 0.8
        self._year = rng.choice((*range(1995, 2026), *range(2015, 2026)))

    def draw(self, slot: str, tie: str | None) -> str:
        """The text for ``{slot#tie}``."""
        maker: Callable[[Person], str] | None = getattr(self, f"name_{slot}", None)
        if maker is not None:
            person = self._person() if tie is None else self._tied(tie)
            text = maker(person)
            return self._spell(text) if self.style in SPELLED and self.rng.random() < 0.4 else text
        key = f"{slot}#{tie}"
        if tie is not None and key in self._fixed:
            return self._fixed[key]
        value: Callable[[], str] = getattr(self, f"value_{slot}")
        self._fixed[key] = made = value()
        return made

    @classmethod
    def knows(cls, slot: str) -> bool:
        """Whether there is such a slot."""
        return hasattr(cls, f"name_{slot}") or hasattr(cls, f"value_{slot}")

    # --- people ---------------------------------------------------------------------------------

    def _pick(self, kind: str) -> str:
        return self.rng.choice(self.lexicon.lists[kind])

    def _person(self) -> Person:
        rng = self.rng
        first, last = rng.choice(self.lexicon.names)
        if rng.random() < 0.12:
            last = rng.choice(self.lexicon.names)[1]
        given, family, middle = rng.choice(first), rng.choice(last), rng.choice(first)
        draw = rng.random()
        if draw < 0.05:
            family = self._pick("last_common_word")
        elif draw < 0.12:
            family = f"{family}-{rng.choice(rng.choice(self.lexicon.names)[1])}"
        elif draw < 0.14:
            family = self._pick("last_compound")
        elif draw < 0.16:
            family = f"{family} {rng.choice(last)}"
        if rng.random() < 0.06:
            given = self._pick("first_common_word")
        elif rng.random() < 0.03:
            given = f"{given}-{middle}" if rng.random() < 0.5 else f"{given} {middle}"
        if rng.random() < 0.06:  # a name that no list has
            family = self._invented()
        if rng.random() < 0.06:
            given = self._invented()
        return Person(given, family, middle, self._pick("nick"))

    def _invented(self) -> str:
        """A pronounceable word that is in no list."""
        rng = self.rng
        onset = "b br c ch d dr f g gr h j k kh kl l m n ng nd p qu r s sh sl st t th tr v w x y z"
        vowel = "a e i o u ae ai au ei ia ie io oo ou ya yu"
        coda = " n r l s m k t th nd ng sh v x z rt lk sky vich ez ski son ton wala ova ene"
        syllables = [
            rng.choice(onset.split()) + rng.choice(vowel.split())
            for _ in range(rng.choice((1, 2, 2, 3)))
        ]
        return ("".join(syllables) + rng.choice(coda.split(" "))).capitalize()

    def _tied(self, tie: str) -> Person:
        if tie not in self._people:
            self._people[tie] = self._person()
        return self._people[tie]

    def name_first(self, who: Person) -> str:
        return who.first

    def name_last(self, who: Person) -> str:
        return who.last

    def name_nick(self, who: Person) -> str:
        return who.nick

    def name_full(self, who: Person) -> str:
        draw = self.rng.random()
        if draw < 0.7:
            return f"{who.first} {who.last}"
        if draw < 0.82:
            return f"{who.first} {who.middle[0]}{self.rng.choice(('.', '.', ''))} {who.last}"
        if draw < 0.88:
            return f"{who.first} {who.middle} {who.last}"
        if draw < 0.91:
            return f'{who.first} "{who.nick}" {who.last}'
        if draw < 0.94:
            return (
                f"{who.first} {who.last} {self.rng.choice(('Jr', 'Sr', 'Jr.', 'II', 'III', 'IV'))}"
            )
        return f"{who.first} {who.last}"

    def name_last_first(self, who: Person) -> str:
        middle = self.rng.choice(
            ("", "", f" {who.middle[0]}", f" {who.middle[0]}.", f" {who.middle}")
        )
        comma = self.rng.choice((", ", ", ", ", ", ",", " , "))
        last = who.last.upper() if self.rng.random() < 0.15 else who.last
        return f"{last}{comma}{who.first}{middle}"

    def name_initials(self, who: Person) -> str:
        a, b, c = who.first[0], who.middle[0], who.last[0]
        form = self.rng.choice(
            ("{a}{c}", "{a}{c}", "{a}{b}{c}", "{a}.{c}.", "{a}.{b}.{c}.", "{a}. {c}.")
        )
        text = form.format(a=a, b=b, c=c).upper()
        return text.lower() if self.rng.random() < 0.3 else text

    def name_initial_last(self, who: Person) -> str:
        return f"{who.first[0]}{self.rng.choice(('. ', '. ', ' ', '.'))}{who.last}"

    def name_first_initial(self, who: Person) -> str:
        return f"{who.first} {who.last[0]}{self.rng.choice(('.', ''))}"

    def name_hl7_name(self, who: Person) -> str:
        tail = self.rng.choice(
            ("", f"^{who.middle[0]}", f"^{who.middle}", "^^", f"^{who.middle[0]}^JR")
        )
        text = f"{who.last}^{who.first}{tail}"
        return text.upper() if self.rng.random() < 0.6 else text

    def _spell(self, name: str) -> str:
        """A name letter by letter."""
        rng = self.rng
        form = rng.randrange(5)
        parts: list[str] = []
        for word in name.split():
            letters = [c.upper() for c in word if c.isalpha()]
            match form:
                case 0:
                    parts.append(" ".join(letters))
                case 1:
                    parts.append("-".join(letters))
                case 2:
                    parts.append(", ".join(letters))
                case 3:
                    parts.append(
                        ", ".join(self._as_in(c) if rng.random() < 0.5 else c for c in letters)
                    )
                case _:
                    parts.append(" ".join(self._phonetic(c) for c in letters))
        return rng.choice((" ", " ", ", ", " space ")).join(parts)

    def _as_in(self, letter: str) -> str:
        index = ord(letter.lower()) - 97
        if not 0 <= index < 26:
            return letter
        word = self.rng.choice((PHONETIC, LOOSE))[index]
        joint = self.rng.choice((" as in ", " as in ", " for ", " like "))
        return f"{letter}{joint}{word if self.rng.random() < 0.5 else word.capitalize()}"

    def _phonetic(self, letter: str) -> str:
        index = ord(letter.lower()) - 97
        return PHONETIC[index] if 0 <= index < 26 else letter

    # --- places and organisations ---------------------------------------------------------------

    def value_street(self) -> str:
        rng, name = self.rng, self._pick("street")
        number = str(
            rng.choice((rng.randrange(1, 99), rng.randrange(100, 9999), rng.randrange(100, 19999)))
        )
        if self.spoken and rng.random() < 0.7:
            number = self._say(number)
        elif rng.random() < 0.05:
            number = f"{number}{rng.choice(('A', 'B', ' 1/2', '-B'))}"
        unit = f"{rng.randrange(1, 99)}{rng.choice(('', '', 'A', 'B', 'C'))}"
        tail = rng.choice(
            (
                "",
                "",
                "",
                "",
                f", Apt {unit}",
                f" Apt {unit}",
                f" #{unit}",
                f", Unit {unit}",
                f" apt {unit}",
            )
        )
        if rng.random() < 0.06:
            return rng.choice(
                (
                    f"PO Box {number}",
                    f"P.O. Box {number}",
                    f"RR {rng.randrange(1, 9)} Box {rng.randrange(2, 400)}",
                    f"Lot {rng.randrange(2, 90)}, {name}",
                    f"Flat {unit}, {number} {name}",
                )
            )
        return f"{number} {name}{tail}"

    def _city(self) -> tuple[str, str]:
        city, _, state = self._pick("city_us").rpartition(", ")
        return city, state

    def value_city(self) -> str:
        draw = self.rng.random()
        if draw < 0.75:
            return self._city()[0]
        return self._pick("city_uk_ca_au" if draw < 0.88 else "city_world")

    def value_foreign_city(self) -> str:
        return self._pick("city_world")

    def value_city_state(self) -> str:
        city, state = self._city()
        return self.rng.choice((f"{city}, {state}", f"{city}, {state}", f"{city} {state}"))

    def value_zip(self) -> str:
        text = f"{self.rng.randrange(501, 99951):05d}"
        if self.spoken and self.rng.random() < 0.7:
            return self._say(text)
        return text + (f"-{self.rng.randrange(1, 9999):04d}" if self.rng.random() < 0.15 else "")

    def value_address(self) -> str:
        city, state = self._city()
        joint = self.rng.choice((", ", ", ", " ", "\n", " / "))
        comma = self.rng.choice((", ", ", ", " "))
        return f"{self.value_street()}{joint}{city}{comma}{state} {self.value_zip()}"

    def value_hl7_address(self) -> str:
        city, state = self._city()
        number = self.rng.randrange(1, 9999)
        text = (
            f"{number} {self._pick('street')}^^{city}^{state}^{self.rng.randrange(501, 99951):05d}"
        )
        return text.upper() if self.rng.random() < 0.5 else text

    def value_county(self) -> str:
        name = self._pick("county")
        if re.search(r"(?i)county|parish", name):
            return name
        return (
            f"{name} {self.rng.choice(('County', 'County', 'County', 'Co.', 'Parish', 'county'))}"
        )

    def value_place(self) -> str:
        return self._pick("place")

    def value_crossing(self) -> str:
        rng = self.rng
        road = f"{rng.choice(('I-', 'I-', 'US ', 'Hwy ', 'Route ', 'SR '))}{rng.randrange(2, 400)}"
        way = rng.choice(("", "", " WB", " NB", " EB", " SB", " north", " westbound"))
        first, second = self._bare_street(), self._bare_street()
        return rng.choice(
            (
                f"{first} and {second}",
                f"{first} & {second}",
                f"{first} at {second}",
                f"{first}/{second}",
                f"{road}{way} at mile marker {rng.randrange(1, 400)}",
                f"{road}{way} mm {rng.randrange(1, 400)}",
                f"{road}{way} exit {rng.randrange(1, 300)}",
                f"{road}{way} near {self._city()[0]}",
            )
        )

    def _bare_street(self) -> str:
        name = self._pick("street")
        return name.rsplit(" ", 1)[0] if self.rng.random() < 0.5 and " " in name else name

    def value_hospital(self) -> str:
        return self._pick("hospital")

    def value_clinic(self) -> str:
        return self._pick("clinic")

    def value_facility(self) -> str:
        return self._pick("facility")

    def value_pharmacy(self) -> str:
        return self._pick("pharmacy")

    def value_employer(self) -> str:
        return self._pick("employer")

    def value_school(self) -> str:
        return self._pick("school")

    def value_church(self) -> str:
        return self._pick("church")

    def value_agency(self) -> str:
        return self._pick("agency")

    # --- dates and ages -------------------------------------------------------------------------

    def _day(self, years: Sequence[int] = ()) -> datetime.date:
        year = (
            self.rng.choice(years) if years else self._year + self.rng.choice((0, 0, 0, 0, -1, -2))
        )
        return datetime.date(year, 1, 1) + datetime.timedelta(days=self.rng.randrange(365))

    def _date_forms(self) -> list[Callable[[datetime.date], str]]:
        short = lambda d: f"{d.year % 100:02d}"  # noqa: E731
        return [
            lambda d: f"{d.month}/{d.day}/{d.year}",
            lambda d: f"{d.month:02d}/{d.day:02d}/{d.year}",
            lambda d: f"{d.month}/{d.day}/{short(d)}",
            lambda d: f"{d.month:02d}/{d.day:02d}/{short(d)}",
            lambda d: f"{d.month}-{d.day}-{short(d)}",
            lambda d: f"{d.month:02d}-{d.day:02d}-{d.year}",
            lambda d: f"{d.month}.{d.day}.{short(d)}",
            lambda d: f"{d.day}.{d.month}.{d.year}",
            lambda d: f"{d.day}/{d.month}/{short(d)}",
            lambda d: d.isoformat(),
            lambda d: f"{MONTHS[d.month - 1]} {d.day}, {d.year}",
            lambda d: f"{MONTHS[d.month - 1][:3]} {d.day}, {d.year}",
            lambda d: f"{MONTHS[d.month - 1][:3]}. {d.day} {d.year}",
            lambda d: f"{d.day} {MONTHS[d.month - 1]} {d.year}",
            lambda d: f"{d.day} {MONTHS[d.month - 1][:3]} {d.year}",
            lambda d: f"{d.day}-{MONTHS[d.month - 1][:3]}-{d.year}",
            lambda d: f"{d.day:02d}{MONTHS[d.month - 1][:3].upper()}{d.year}",
            lambda d: f"{d.day:02d}{MONTHS[d.month - 1][:3].upper()}{short(d)}",
            lambda d: f"{MONTHS[d.month - 1]} {suffixed(d.day)}, {d.year}",
            lambda d: f"{MONTHS[d.month - 1]} {suffixed(d.day)} {d.year}",
            lambda d: f"the {suffixed(d.day)} of {MONTHS[d.month - 1]} {d.year}",
            lambda d: f"{d.month} {d.day} {short(d)}",
            lambda d: f"{d.month} / {d.day} / {short(d)}",
            lambda d: f"{WEEKDAYS[d.weekday()][:3]} {d.month}/{d.day}/{short(d)}",
            lambda d: f"{WEEKDAYS[d.weekday()]}, {MONTHS[d.month - 1]} {d.day}, {d.year}",
            lambda d: f"{d.year}/{d.month:02d}/{d.day:02d}",
            lambda d: f"{MONTHS[d.month - 1][:3]} {d.day} '{short(d)}",
        ]

    def value_date(self) -> str:
        return self._write(self._day())

    def value_dob(self) -> str:
        return self._write(self._day(range(1926, 2024)))

    def _write(self, day: datetime.date) -> str:
        if self.spoken and self.rng.random() < 0.75:
            return self._speak_date(day, year=True)
        forms = self._date_forms()
        return forms[self._date_form if self._own_form else self.rng.randrange(len(forms))](day)

    def _speak_date(self, day: datetime.date, *, year: bool) -> str:
        rng = self.rng
        month = MONTHS[day.month - 1]
        month = month if rng.random() < 0.6 else month.lower()
        number = rng.choice(
            (
                ordinal_words(day.day),
                ordinal_words(day.day).replace("-", " "),
                suffixed(day.day),
                str(day.day),
            )
        )
        spoken_year = self._speak_year(day.year) if rng.random() < 0.8 else str(day.year)
        if year and rng.random() < 0.3:
            parts = [
                self._small(day.month),
                self._small(day.day),
                self._speak_year(day.year) if rng.random() < 0.4 else self._small(day.year % 100),
            ]
            return rng.choice((" slash ", " ", " ", ", ", " dash ")).join(parts)
        if not year and rng.random() < 0.15:
            return f"{self._small(day.month)}{rng.choice((' slash ', ' '))}{self._small(day.day)}"
        if rng.random() < 0.3:
            base = f"the {number} of {month}"
        else:
            base = f"{month} {number}"
        return f"{base}{rng.choice((', ', ' '))}{spoken_year}" if year else base

    def _small(self, number: int) -> str:
        if number < 10 and self.rng.random() < 0.5:
            return f"{self.rng.choice(('oh', 'zero'))} {ONES[number]}"
        text = words_of(number)
        return text.replace("-", " ") if self.rng.random() < 0.6 else text

    def _speak_year(self, year: int) -> str:
        high, low = divmod(year, 100)
        space = self.rng.choice((" ", "-"))
        if year >= 2000 and self.rng.random() < 0.4:
            return "two thousand" + (
                f" {self.rng.choice(('', 'and '))}{words_of(low).replace('-', space)}"
                if low
                else ""
            )
        tail = (
            words_of(low).replace("-", space)
            if low > 9
            else (f"oh {ONES[low]}" if low else "hundred")
        )
        return f"{words_of(high)} {tail}"

    def value_date_short(self) -> str:
        rng, day = self.rng, self._day()
        if self.spoken and rng.random() < 0.75:
            return self._speak_date(day, year=False)
        month, short = MONTHS[day.month - 1], MONTHS[day.month - 1][:3]
        return rng.choice(
            (
                f"{day.month}/{day.day}",
                f"{day.month}/{day.day}",
                f"{day.month}/{day.day}",
                f"{day.month:02d}/{day.day:02d}",
                f"{day.month}-{day.day}",
                f"{day.month:02d}-{day.day:02d}",
                f"{month} {day.day}",
                f"{short} {day.day}",
                f"{short}. {day.day}",
                f"{day.day} {month}",
                f"{day.day} {short}",
                f"{month} {suffixed(day.day)}",
                f"{short} {suffixed(day.day)}",
                f"the {suffixed(day.day)} of {month}",
                f"{day.day}{short.upper()}",
                f"{suffixed(day.day)} {short}",
                f"{day.month}.{day.day}",
            )
        )

    def value_weekday_date(self) -> str:
        rng, day = self.rng, self._day()
        name = WEEKDAYS[day.weekday()]
        weekday = rng.choice(
            (name, name[:3], f"{name[:3]}.", name[:4] if name[0] == "T" else name[:3])
        )
        tail = rng.choice(
            (
                f"{day.month}/{day.day}",
                f"{day.month}/{day.day}",
                f"the {suffixed(day.day)}",
                f"{MONTHS[day.month - 1]} {day.day}",
                f"{MONTHS[day.month - 1][:3]} {day.day}",
                f"{day.day} {MONTHS[day.month - 1][:3]}",
                suffixed(day.day),
            )
        )
        return f"{weekday}{rng.choice((' ', ' ', ', '))}{tail}"

    def value_month_year(self) -> str:
        rng, day = self.rng, self._day()
        month = MONTHS[day.month - 1]
        if self.spoken and rng.random() < 0.6:
            return f"{month} {self._speak_year(day.year)}"
        return rng.choice(
            (
                f"{month} {day.year}",
                f"{month} {day.year}",
                f"{month[:3]} {day.year}",
                f"{month} of {day.year}",
                f"{month}, {day.year}",
                f"{day.month}/{day.year}",
                f"{day.month:02d}/{day.year}",
                f"{month[:3]} '{day.year % 100:02d}",
                f"{day.month}/{day.year % 100:02d}",
                f"{month[:3]}-{day.year % 100:02d}",
            )
        )

    def value_month(self) -> str:
        month = self.rng.choice(MONTHS)
        return month if self.rng.random() < 0.8 else month[:3]

    def value_day(self) -> str:
        day = self.rng.randrange(1, 32)
        return ordinal_words(day) if self.spoken and self.rng.random() < 0.8 else suffixed(day)

    def value_holiday(self) -> str:
        return self._pick("holiday")

    def value_iso(self) -> str:
        return self._day().isoformat()

    def value_stamp(self) -> str:
        rng, day = self.rng, self._day()
        clock = f"{rng.randrange(24):02d}{rng.randrange(60):02d}"
        return rng.choice(
            (
                f"{day:%Y%m%d}{clock}",
                f"{day:%Y%m%d}{clock}{rng.randrange(60):02d}",
                f"{day:%Y%m%d}",
                f"{day:%Y%m%d}T{clock}",
            )
        )

    def value_age90(self) -> str:
        return str(self.rng.choice((*range(90, 100), *range(90, 109))))

    def value_age90_words(self) -> str:
        age = self.rng.choice((*range(90, 100), *range(90, 105)))
        words = (
            words_of(age)
            if age < 100
            else "one hundred"
            + (f" {self.rng.choice(('', 'and '))}{ONES[age - 100]}" if age > 100 else "")
        )
        return words.replace("-", " ") if self.rng.random() < 0.3 else words

    # --- numbers --------------------------------------------------------------------------------

    def _digits(self, count: int) -> str:
        return "".join(self.rng.choice("0123456789") for _ in range(count))

    def _say(self, text: str) -> str:
        """Digits and letters as they are spoken."""
        rng, out = self.rng, []
        zero = rng.choice(("oh", "zero"))
        for character in text:
            if character.isdigit():
                out.append(zero if character == "0" else ONES[int(character)])
            elif character.isalpha():
                out.append(
                    rng.choice(
                        (
                            character.upper(),
                            character.lower(),
                            self._as_in(character.upper()),
                            self._phonetic(character),
                        )
                    )
                )
            elif character in "-":
                out.append(rng.choice(("dash", "dash", ",", "")))
            elif character in "/":
                out.append("slash")
            elif character == ".":
                out.append("dot")
            else:
                out.append(rng.choice((",", "")))
        return " ".join(word for word in out if word).replace(" ,", ",")

    def _number(self, text: str) -> str:
        """A number as this style has it: plain, spoken, or digit by digit."""
        rng = self.rng
        if self.spoken and rng.random() < 0.7:
            return self._say(text)
        if self.style in SPELLED and rng.random() < 0.6:
            if rng.random() < 0.4:
                return self._say(text)
            return rng.choice(("-", " ", ", ")).join(
                c if c.isalnum() else "dash" for c in text if c.isalnum() or rng.random() < 0.5
            )
        return text

    def value_phone(self) -> str:
        rng = self.rng
        area, mid, end = (
            str(rng.randrange(201, 990)),
            rng.choice(("555", str(rng.randrange(200, 999)))),
            self._digits(4),
        )
        if self.spoken or self.style in SPELLED:
            return self._number(
                rng.choice(
                    (
                        f"{area} {mid} {end}",
                        f"{area}, {mid}, {end}",
                        f"{area}-{mid}-{end}",
                        f"{mid}-{end}",
                    )
                )
            )
        if rng.random() < 0.08:
            return rng.choice(
                (
                    f"+44 {rng.randrange(20, 200)} {self._digits(4)} {self._digits(4)}",
                    f"0{rng.randrange(1200, 1999)} {self._digits(3)} {self._digits(3)}",
                    f"+{rng.randrange(30, 99)} {rng.randrange(1, 99)} {self._digits(3)} {self._digits(4)}",
                    f"07{self._digits(3)} {self._digits(6)}",
                    f"+91 {self._digits(5)} {self._digits(5)}",
                    f"011 {rng.randrange(30, 99)} {self._digits(2)} {self._digits(3)} {self._digits(4)}",
                )
            )
        form = rng.choice(
            (
                "({a}) {m}-{e}",
                "({a}) {m}-{e}",
                "{a}-{m}-{e}",
                "{a}-{m}-{e}",
                "{a}.{m}.{e}",
                "{a} {m} {e}",
                "{a}{m}{e}",
                "{a} {m}-{e}",
                "({a}){m}-{e}",
                "1-{a}-{m}-{e}",
                "+1 {a} {m} {e}",
                "{m}-{e}",
                "{a}/{m}-{e}",
                "{a} {m}{e}",
                "{m} {e}",
            )
        )
        text = form.format(a=area, m=mid, e=end)
        if rng.random() < 0.08:
            text += rng.choice((" x", " ext ", " ext. ", "x")) + self._digits(rng.choice((3, 4)))
        return text

    def value_ext(self) -> str:
        return (
            self._number(self._digits(rng := self.rng.choice((3, 4, 4, 4, 5))))
            if not self.rng.random() < 0.1
            else f"{self.rng.randrange(1, 9)}-{self._digits(4)}"
        )

    def value_pager(self) -> str:
        return self._number(
            self.rng.choice(
                (
                    self._digits(4),
                    self._digits(5),
                    f"{self._digits(3)}-{self._digits(4)}",
                    f"{self._digits(2)}-{self._digits(3)}",
                )
            )
        )

    def value_fax(self) -> str:
        return self.value_phone()

    def _handle(self) -> str:
        rng, who = self.rng, self._person()
        first, last = (re.sub(r"[^a-z]", "", w.lower()) or "kim" for w in (who.first, who.last))
        return rng.choice(
            (
                f"{first}.{last}",
                f"{first}{last}",
                f"{first[0]}{last}",
                f"{first}_{last}{rng.randrange(1, 99)}",
                f"{last}{first[0]}",
                f"{first}{rng.randrange(40, 2010)}",
                f"{first[0]}.{last}",
                f"{last}.{first}",
                f"{first[0]}{last}{rng.randrange(1, 9)}",
            )
        )

    def _domain(self) -> str:
        rng = self.rng
        name = re.sub(
            r"[^a-z]",
            "",
            self._pick(rng.choice(("employer", "hospital", "place", "clinic"))).lower(),
        )[:18]
        return f"{rng.choice((name, name, 'mail', 'inbox', 'post'))}.{rng.choice(('com', 'org', 'net', 'example', 'edu', 'co.uk', 'health', 'example.org', 'example'))}"

    def value_email(self) -> str:
        text = f"{self._handle()}@{self._domain()}"
        if self.spoken and self.rng.random() < 0.85:
            return self._speak_address(text)
        return text

    def _speak_address(self, text: str) -> str:
        text = (
            text.replace("www.", "w w w dot ")
            .replace("@", " at ")
            .replace(".", " dot ")
            .replace("_", " underscore ")
            .replace("/", " slash ")
            .replace("-", " dash ")
        )
        return re.sub(r"\d", lambda m: f" {ONES[int(m[0])]}", text).replace("  ", " ")

    def value_url(self) -> str:
        rng = self.rng
        host = f"{rng.choice(('www.', 'www.', 'portal.', 'my.', '', 'https://', 'http://', 'https://www.'))}{self._domain()}"
        path = rng.choice(
            (
                "",
                "",
                f"/{self._handle()}",
                f"/p/{self._digits(5)}",
                "/records",
                f"/{rng.choice(('u', 'img', 'fund', 'results'))}/{self._handle()}",
            )
        )
        text = host + path
        return (
            self._speak_address(text.removeprefix("https://").removeprefix("http://"))
            if self.spoken and rng.random() < 0.8
            else text
        )

    def value_ip(self) -> str:
        rng = self.rng
        if rng.random() < 0.1:
            return f"2001:db8::{rng.randrange(1, 65535):x}:{rng.randrange(1, 65535):x}"
        return ".".join(str(rng.randrange(1, 254)) for _ in range(4))

    def value_ssn(self) -> str:
        a, b, c = self._digits(3), self._digits(2), self._digits(4)
        return self._number(
            self.rng.choice(
                (
                    f"{a}-{b}-{c}",
                    f"{a}-{b}-{c}",
                    f"{a} {b} {c}",
                    f"{a}{b}{c}",
                    f"xxx-xx-{c}",
                    f"***-**-{c}",
                )
            )
        )

    def value_ssn4(self) -> str:
        return self._number(self._digits(4))

    def _code(self) -> str:
        """A number with letters and separators, as institutions invent them."""
        rng = self.rng
        letters = "".join(rng.choice(LETTERS) for _ in range(rng.choice((1, 2, 2, 3))))
        year = str(rng.randrange(2, 26)).zfill(2)
        forms = (
            f"{letters}{self._digits(rng.choice((4, 5, 6, 7)))}",
            f"{letters}-{self._digits(rng.choice((3, 4, 5, 6)))}",
            f"{self._digits(rng.choice((5, 6, 7, 8, 9)))}",
            f"{self._digits(rng.choice((5, 6, 7, 8)))}",
            f"{self._digits(2)}-{self._digits(rng.choice((2, 3, 4)))}-{self._digits(rng.choice((1, 2, 4)))}",
            f"{self._digits(3)}-{self._digits(2)}-{self._digits(2)}",
            f"{letters}{year}-{self._digits(rng.choice((3, 4, 5, 6)))}",
            f"{self._digits(rng.choice((3, 4)))}-{self._digits(rng.choice((3, 4)))}",
            f"{letters} {self._digits(3)} {self._digits(3)}",
            f"{self._digits(3)}{letters}{self._digits(2)}",
            f"{rng.randrange(2010, 2026)}-{self._digits(rng.choice((4, 5, 6)))}",
            f"{letters}.{self._digits(4)}.{self._digits(2)}",
            f"{letters}-{self._digits(3)}-{rng.choice(LETTERS)}",
            f"{self._digits(2)}-{self._digits(5)}",
            f"{rng.choice(LETTERS)}{self._digits(2)}{rng.choice(LETTERS)}{self._digits(3)}",
            f"{self._digits(4)} {self._digits(3)} {self._digits(2)}",
            f"{self._digits(1)}{letters}{self._digits(1)}-{letters}{self._digits(2)}",
            f"{letters}:{self._digits(5)}",
            f"{letters}/{self._digits(4)}/{year}",
            f"{self._digits(5)}{rng.choice(LETTERS)}",
            f"{self._digits(4)}-{letters}-{self._digits(2)}",
            f"{self._digits(3)} {self._digits(4)}",
        )
        return rng.choice(forms)

    def value_mrn(self) -> str:
        if self.rng.random() < 0.6:
            return self._number(self._digits(self.rng.choice((5, 6, 7, 7, 8, 8, 9, 10))))
        return self._number(self._code())

    def value_id(self) -> str:
        return self._number(self._code())

    def value_plan_id(self) -> str:
        rng = self.rng
        letters = "".join(rng.choice(LETTERS) for _ in range(3))
        form = rng.choice(
            (
                f"{letters}{self._digits(9)}",
                f"{letters} {self._digits(3)} {self._digits(2)} {self._digits(4)}",
                f"W{self._digits(8)}",
                f"{self._digits(1)}{letters[0]}{self._digits(1)}{letters[1]}-{letters[2]}E{self._digits(1)}-{letters[1]}K{self._digits(2)}",
                f"{self._digits(9)}{letters[0]}",
                f"{letters[0]}{self._digits(4)} {self._digits(5)} {self._digits(2)}",
            )
        )
        return self._number(form if rng.random() < 0.6 else self._code())

    def value_group(self) -> str:
        rng = self.rng
        return self._number(
            rng.choice(
                (
                    self._digits(5),
                    self._digits(6),
                    f"{self._digits(4)}-{rng.choice(LETTERS)}",
                    self._code(),
                )
            )
        )

    def value_account(self) -> str:
        rng = self.rng
        return self._number(
            rng.choice(
                (
                    self._digits(8),
                    self._digits(10),
                    f"{self._digits(2)}-{self._digits(4)}-{self._digits(3)}",
                    self._code(),
                    self._code(),
                )
            )
        )

    def value_card(self) -> str:
        rng = self.rng
        blocks = [self._digits(4) for _ in range(4)]
        return self._number(
            rng.choice(
                (
                    " ".join(blocks),
                    "-".join(blocks),
                    "".join(blocks),
                    blocks[0],
                    f"xxxx xxxx xxxx {blocks[0]}",
                )
            )
        )

    def value_driver(self) -> str:
        rng, letter = self.rng, self.rng.choice(LETTERS)
        return self._number(
            rng.choice(
                (
                    f"{letter}{self._digits(7)}",
                    f"{letter}{self._digits(3)}-{self._digits(4)}-{self._digits(4)}",
                    self._digits(9),
                    f"{letter} {self._digits(3)} {self._digits(3)} {self._digits(3)} {self._digits(3)}",
                    f"{letter}{letter}{self._digits(6)}",
                )
            )
        )

    def value_license(self) -> str:
        rng = self.rng
        return self._number(
            rng.choice(
                (
                    f"{rng.choice(LETTERS)}{self._digits(5)}",
                    self._digits(6),
                    self._digits(7),
                    f"{rng.choice(('MD', 'RN', 'PA', 'A', 'PT', 'LCSW', 'DO'))}-{self._digits(5)}",
                    f"{rng.choice(('MD', 'RN', 'PH', 'G'))}{self._digits(6)}",
                    self._code(),
                )
            )
        )

    def value_dea(self) -> str:
        return self._number(f"{self.rng.choice('ABFM')}{self.rng.choice(LETTERS)}{self._digits(7)}")

    def value_npi(self) -> str:
        return self._number(f"1{self._digits(9)}")

    def value_plate(self) -> str:
        rng = self.rng
        letters = "".join(rng.choice(LETTERS) for _ in range(3))
        form = rng.choice(
            (
                "{l}-{d4}",
                "{l} {d4}",
                "{d3} {l}",
                "{d}{l}{d3}",
                "{l}{d4}",
                "{a}{d2} {l}",
                "{d2}-{d5}",
                "{l} {d3}",
                "{d3}-{l}",
                "{a}{d2}-{d3}",
                "{d}{a}-{d4}",
                "{l}{d3}",
                "{ab}{d2} {l}",
            )
        )
        return self._number(
            form.format(
                l=letters,
                a=letters[0],
                ab=letters[:2],
                d=self._digits(1),
                d2=self._digits(2),
                d3=self._digits(3),
                d4=self._digits(4),
                d5=self._digits(5),
            )
        )

    def value_vin(self) -> str:
        return self._number(
            "".join(self.rng.choice("0123456789ABCDEFGHJKLMNPRSTUVWXYZ") for _ in range(17))
        )

    def value_serial(self) -> str:
        rng = self.rng
        letters = "".join(rng.choice(LETTERS) for _ in range(rng.choice((1, 2, 3, 4))))
        return self._number(
            rng.choice(
                (
                    f"{letters}{self._digits(6)}",
                    f"{letters}-{self._digits(4)}-{self._digits(3)}",
                    f"{letters}{self._digits(5)}-{self._digits(3)}",
                    f"{self._digits(8)}",
                    f"{letters}-{self._digits(2)}-{self._digits(4)}-{letters[0]}{self._digits(2)}",
                    f"{self._digits(2)}{letters}-{self._digits(4)}",
                    f"{letters}{self._digits(3)}/{self._digits(3)}",
                    self._code(),
                )
            )
        )

    def value_udi(self) -> str:
        return f"(01){self._digits(14)}(17){self._digits(6)}(10){self.rng.choice(LETTERS)}{self._digits(5)}"

    def value_mac(self) -> str:
        return self.rng.choice((":", "-")).join(f"{self.rng.randrange(256):02X}" for _ in range(6))

    def value_biometric(self) -> str:
        rng = self.rng
        head = rng.choice(
            ("FP", "IRIS", "FACE", "VP", "BIO", "PV", "fp", "VX", "RT", "palm", "PALM", "FID", "")
        )
        body = rng.choice(
            (
                f"{self._digits(4)}-{self._digits(4)}",
                f"0x{rng.randrange(16**6):06X}",
                f"{self._digits(5)}-{rng.choice(LETTERS)}{rng.choice(LETTERS)}",
                f"{rng.randrange(256):02X}-{rng.randrange(256):02X}-{rng.randrange(256):02X}",
                self._code(),
                f"{rng.randrange(16**8):08x}",
            )
        )
        return f"{head}{rng.choice(('-', ' ', ':', '_'))}{body}" if head else body

    def value_username(self) -> str:
        return self._handle()
