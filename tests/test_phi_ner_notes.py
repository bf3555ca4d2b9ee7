"""Training notes of the PHI taggers: templates parse, spans lie right, a seed gives one result."""

from __future__ import annotations

import random
import re
import sys
from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from itertools import islice
from pathlib import Path
from typing import Any

import pytest

from llmsafe.notes import CATEGORIES

SCRIPTS = Path(__file__).resolve().parent.parent / "scripts"
LANGUAGES = ("en", "zh")


@pytest.fixture(scope="module")
def phi_ner() -> Iterator[Any]:
    sys.path.insert(0, str(SCRIPTS))
    import phi_ner

    yield phi_ner
    sys.path.remove(str(SCRIPTS))


@pytest.fixture(scope="module", params=LANGUAGES)
def made(request: pytest.FixtureRequest, phi_ner: Any) -> tuple[Any, Any, Any]:
    """A language, its templates and its lists."""
    language = phi_ner.LANGUAGES[request.param]
    templates = phi_ner.read_templates(language.templates, language)
    return language, templates, language.read_lexicon(language.lexicon)


def undressed(language: Any) -> Any:
    return replace(language, dress=lambda pieces, style, rng: pieces)


@cache
def lexicon_of(lang: str, phi_ner: Any) -> Any:
    language = phi_ner.LANGUAGES[lang]
    return language.read_lexicon(language.lexicon)


def filled(phi_ner: Any, lang: str, text: str, seed: int) -> Any:
    """Text and the values of one note."""
    pieces = phi_ner.fill(
        phi_ner.Template("plain", text),
        undressed(phi_ner.LANGUAGES[lang]),
        lexicon_of(lang, phi_ner),
        random.Random(seed),
    )
    note, spans = phi_ner.labelled(pieces)
    return note, [note[start:end] for start, end, _ in spans]


def test_templates_and_lists_are_there(made: Any) -> None:
    language, templates, lexicon = made
    clean = sum(template.clean for template in templates)
    assert 0.35 < clean / len(templates) < 0.6
    assert len({template.text for template in templates}) > 0.99 * len(templates)
    assert all(lexicon.lists.values())
    assert language.categories <= set(CATEGORIES)


def test_the_spans_are_the_slots_and_nothing_else_changes(made: Any, phi_ner: Any) -> None:
    from phi_ner.templates import MARK

    language, templates, lexicon = made
    rng = random.Random(1)
    for template in templates:
        pieces = phi_ner.fill(template, undressed(language), lexicon, rng)
        text, spans = phi_ner.labelled(pieces)
        around = MARK.sub("\0", template.text).split("\0")
        at, found = 0, []
        for start, end, _ in spans:
            found.append(text[at:start])
            at = end
        assert [*found, text[at:]] == around


def test_dressed_notes_have_spans_of_words(made: Any, phi_ner: Any) -> None:
    language, templates, lexicon = made
    stream = phi_ner.notes(templates, language, lexicon, random.Random(2))
    some = False
    for text, spans in islice(stream, len(templates)):
        last = 0
        for start, end, category in spans:
            assert last <= start < end <= len(text)
            assert text[start:end] == text[start:end].strip()
            assert category in language.categories
            last, some = end, True
        assert not re.search(r"\[\[|\]\]|\{\w+#?\w*\}", text)
    assert some


def test_clean_templates_stay_clean(made: Any, phi_ner: Any) -> None:
    language, templates, lexicon = made
    rng = random.Random(3)
    for template in templates:
        if template.clean:
            assert not phi_ner.labelled(phi_ner.fill(template, language, lexicon, rng))[1]


def test_a_seed_gives_the_same_notes(made: Any, phi_ner: Any) -> None:
    language, templates, lexicon = made

    def first(seed: int) -> list[Any]:
        stream = phi_ner.notes(templates, language, lexicon, random.Random(seed))
        return list(islice(stream, 200))

    assert first(4) == first(4)
    assert first(4) != first(5)


def test_every_slot_draws_in_every_style(made: Any, phi_ner: Any) -> None:
    from phi_ner.core import Context

    language, templates, lexicon = made
    rng = random.Random(6)
    for style in {template.style for template in templates}:
        for slot in language.slots.values():
            for tie in (None, "1"):
                context = Context.start(rng, lexicon, style, language.date_forms)
                value = slot.draw(context, tie)
                assert value == value.strip()
                assert value


@pytest.mark.parametrize("lang", LANGUAGES)
@pytest.mark.parametrize(
    "text",
    ["{nobody}", "[[PLANET|Mars]]", "{last", "{last#1", "[[NAME|Ann]", "{last#}", "NAME|x]]"],
)
def test_unknown_and_broken_marks_are_refused(
    lang: str, text: str, phi_ner: Any, tmp_path: Path
) -> None:
    (tmp_path / "a.txt").write_text(f"=== plain\nSeen by {text} today.\n", encoding="utf-8")
    with pytest.raises(ValueError, match=r"a\.txt"):
        phi_ner.read_templates(tmp_path, phi_ner.LANGUAGES[lang])


def test_a_literal_may_hold_brackets(phi_ner: Any) -> None:
    note, values = filled(phi_ner, "en", "cell [[PHONE|[ 608 ] 555 0112]] or [[PHONE|[x]]].", 0)
    assert len(values) == 2
    assert re.fullmatch(r"cell \[ \d{3} \] \d{3} \d{4} or \[x\]\.", note)


@pytest.mark.parametrize("lang", LANGUAGES)
def test_a_tie_is_one_person(lang: str, phi_ner: Any) -> None:
    for seed in range(30):
        _, (a, b, c) = filled(phi_ner, lang, "{last#1} / {last#1} / {phone#1}", seed)
        _, (d, _, e) = filled(phi_ner, lang, "{last#1} / {phone#1} / {phone#1}", seed)
        assert a == b == d
        assert c
        assert e


def test_a_chinese_identity_number_mostly_has_the_right_check(phi_ner: Any) -> None:
    from phi_ner.zh.numbers import check_digit

    assert check_digit("11010519491231002") == "X"
    right = plain = 0
    for seed in range(300):
        _, (number,) = filled(phi_ner, "zh", "{id18#1}", seed)
        if re.fullmatch(r"\d{17}[\dXx]", number):
            plain += 1
            right += check_digit(number[:17]) == number[17].upper()
    assert plain > 200
    assert 0.85 < right / plain < 0.99


def test_chinese_numbers_in_characters() -> None:
    from phi_ner.zh.numerals import by_digit, counted

    assert [counted(n) for n in (0, 7, 10, 12, 20, 21, 99)] == [
        *("零", "七", "十", "十二", "二十", "二十一", "九十九")
    ]
    assert [counted(n) for n in (100, 103, 110, 250)] == [
        "一百",
        "一百零三",
        "一百一十",
        "二百五十",
    ]
    assert by_digit(2023) == "二〇二三"


def test_a_literal_chinese_name_changes_throughout_and_keeps_its_gaps(phi_ner: Any) -> None:
    changed = 0
    for seed in range(40):
        note, (a, b) = filled(phi_ner, "zh", "[[NAME|张　三　丰]]，叫[[NAME|张三丰]]", seed)
        assert a.replace("\u3000", "") == b
        assert [a[1], a[3]] == ["\u3000", "\u3000"]
        assert note == f"{a}，叫{b}"
        changed += b != "张三丰"
    assert 8 < changed < 32


def test_traditional_notes_have_traditional_names(phi_ner: Any) -> None:
    from phi_ner.zh.script import full_width, traditional

    assert traditional("刘国庆住广东省") == "劉國慶住廣東省"
    assert full_width("Ab 12-3") == "Ａｂ\u3000１２－３"
    language = phi_ner.CHINESE
    lexicon = language.read_lexicon(language.lexicon)
    template = phi_ner.Template("traditional", "{full} {hospital}")
    for seed in range(50):
        pieces = phi_ner.fill(template, language, lexicon, random.Random(seed))
        assert not re.search("[刘陈张国华县医]", "".join(text for text, _ in pieces))


def test_nobody_becomes_ninety_by_another_number(phi_ner: Any) -> None:
    from phi_ner.swap import Swap

    swap = Swap([], bounded=True)
    ages = {swap([("aged 41", "")], random.Random(seed))[0][0].split()[1] for seed in range(400)}
    assert len(ages) > 20
    assert max(map(int, ages)) < 90
