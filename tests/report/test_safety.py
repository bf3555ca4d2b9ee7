"""No text of an audit can act, hide or be evaluated, in whatever field it stands."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal, get_args, get_origin

import pytest
from pydantic import BaseModel

from llmsafe.artifacts import Audit
from llmsafe.report import html
from llmsafe.report.card import model_card

Sting = Callable[[str], str]
"""What to put in place of the text of a field, given its name."""


def stung(value: Any, sting: Sting, where: str = "") -> Any:
    """A copy with every free text replaced; choices from a fixed list stay."""
    match value:
        case BaseModel():
            fields = type(value).model_fields
            new = {
                name: stung(getattr(value, name), sting, f"{type(value).__name__}.{name}")
                for name, field in fields.items()
                if not _is_choice(field.annotation)
            }
            return value.model_copy(update=new)
        case dict():
            return {sting(where): number for number in value.values()}
        case tuple():  # points of a curve
            return value
        case [*parts]:
            return [stung(part, sting, where) for part in parts]
        case str():
            return sting(where)
        case _:
            return value


def _is_choice(annotation: Any) -> bool:
    return get_origin(annotation) is Literal or any(map(_is_choice, get_args(annotation)))


def fields(value: Any) -> set[str]:
    """The names of all free texts."""
    found: set[str] = set()

    def note(where: str) -> str:
        found.add(where)
        return "x"

    stung(value, note)
    return found


@pytest.fixture(scope="module")
def poisoned(everything, page) -> Audit:
    """An audit with a payload in every field, the alarms and what is missing among them."""
    from llmsafe.artifacts import Unmeasured, Verdict

    whole = everything.model_copy(
        update={
            "verdict": Verdict(status="fail", reasons=["r"], alarms=["a"]),
            "unmeasured": [Unmeasured(what="w", why="y")],
        }
    )
    return Audit.model_validate(stung(whole, lambda where: f"{where} {page.PAYLOAD}").model_dump())


@pytest.fixture(scope="module")
def shown(poisoned) -> str:
    return html.render(poisoned)


def test_no_text_of_an_audit_can_act_or_hide(poisoned, page):
    text = html.render(poisoned, compare=[(page.PAYLOAD, poisoned)])
    seen = page.check(text)
    assert "{{ 7*7 }}" in text  # shown as it is, never evaluated
    assert "⟨U+202E⟩evil" in seen.text
    assert "⟨U+001B⟩[31m" in seen.text
    # An address may be shown as text, but nowhere that a browser would follow.
    assert not any("evil" in value for name, value in seen.attributes if name != "content")
    assert page.PAYLOAD not in text


def test_every_text_of_an_audit_is_shown(poisoned, shown, page):
    text = page.Page(shown).text
    expected = fields(poisoned)
    assert {"Generated.prompts", "Extraction.sampler", "Scoring.passes"} <= expected
    assert {where for where in expected if where not in text} == set()


def test_without_escaping_the_check_of_the_page_fails(poisoned, page, monkeypatch):
    made = html.environment

    def careless() -> Any:
        environment = made()
        environment.autoescape = False
        return environment

    monkeypatch.setattr(html, "environment", careless)
    text = html.render(poisoned)
    with pytest.raises(AssertionError):
        page.check(text)
    # Every single field would act: nothing but the escaping keeps them from it.
    acting = {where for where in fields(poisoned) if f"{where} <script>" in text}
    assert acting == fields(poisoned)


def test_a_card_cannot_be_broken_by_an_audit(poisoned, everything, page):
    card = model_card(poisoned.privacy, poisoned, base="gpt2")
    assert "<script" not in card.replace("\\<script", "")
    assert "\u202e" not in card
    assert "\x1b" not in card
    plain = model_card(everything.privacy, everything, base="gpt2")
    rows = [line for line in plain.splitlines() if line.startswith("|")]
    still = [line for line in card.splitlines() if line.startswith("|")]
    assert len(still) == len(rows)


@pytest.mark.parametrize(
    "planted",
    [
        "<script>1</script>",
        '<p onclick="x">a</p>',
        '<a href="https://x.example">a</a>',
        "<p>",
        '<p id="gauge-wide-title">a</p>',
        "\u202e",
        '<svg role="img"></svg>',
    ],
)
def test_the_check_of_a_page_finds_what_it_is_for(shown, page, planted):
    with pytest.raises(AssertionError):
        page.check(shown.replace("</main>", f"{planted}</main>"))
