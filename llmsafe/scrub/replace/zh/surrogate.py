"""The stand-in for an identifier of a note that is (also) in Chinese."""

from __future__ import annotations

from llmsafe.scrub.keys import Key
from llmsafe.scrub.replace.person import Person
from llmsafe.scrub.replace.zh.dates import shift_chinese
from llmsafe.scrub.replace.zh.names import HAN, chinese_name
from llmsafe.scrub.replace.zh.numbers import chinese_number, full_width, is_full_width
from llmsafe.scrub.replace.zh.places import chinese_institution, chinese_place


def chinese_surrogate(key: Key, person: Person, category: str, text: str) -> str | None:
    """The stand-in for ``text``; ``None`` where the one for English text serves."""
    match category:
        case "NAME":
            return chinese_name(key, person, text)
        case "DATE":
            moved = shift_chinese(text, person.shift)
            if moved is not None:
                return full_width(moved) if is_full_width(text) else moved
            return "[DATE]" if HAN.search(text) else None
        case "AGE":
            return "九十多" if HAN.search(text) else "90+"
        case "LOCATION":
            return chinese_place(key, person, text)
        case "ORGANIZATION":
            return chinese_institution(key, person, text)
        case "EMAIL" | "URL" | "IP":
            return None
        case _:
            return chinese_number(key, person, category, text)
