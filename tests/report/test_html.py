"""The page: safe, well-formed, self-contained, the same each time, and true to its audit."""

from __future__ import annotations

import math
import re
import xml.etree.ElementTree as ET
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from llmsafe.artifacts import (
    Audit,
    Histogram,
    Membership,
    PrivacyStatement,
    Rate,
    TprAtFpr,
    Verdict,
)
from llmsafe.errors import SetupError
from llmsafe.report.html import render, write_html

VOID = {"meta", "br", "link", "img", "hr", "input"}
PAYLOAD = (
    "<script>alert(1)</script>\"'><img src=x onerror=y> {{ 7*7 }} {% raw %} ${x} "
    "\x00\x1b[31m\x08 \u202eevil\u202c \u200b </style></svg></title> &amp; https://evil.example"
)


class Page(HTMLParser):
    """Checks nesting and collects what a page can do to its reader."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str]] = []
        self.ids: list[str] = []
        self.words: list[str] = []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(name, value or "") for name, value in attrs]
        self.ids += [value or "" for name, value in attrs if name == "id"]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "style" not in self.open:
            self.words.append(data)

    @property
    def text(self) -> str:
        return re.sub(r"\s+", " ", " ".join(self.words))


def check(html: str) -> Page:
    """Everything that holds for any page whatever it shows."""
    page = Page(html)
    banned = {"script", "iframe", "object", "embed", "form", "link", "img", "a", "base", "image"}
    assert not banned & set(page.tags)
    for name, value in page.attributes:
        assert not name.startswith("on")
        assert name != "src"
        assert name != "href" or value.startswith("#")
    assert len(page.ids) == len(set(page.ids))
    known = set(page.ids)
    used = re.findall(r'href="#([^"]+)"|url\(#([^)]+)\)', html)
    assert {a or b for a, b in used} <= known
    for name, value in page.attributes:
        assert name != "aria-labelledby" or set(value.split()) <= known
    svgs = re.findall(r"<svg.*?</svg>", html, flags=re.DOTALL)
    for svg in svgs:
        root = ET.fromstring(svg)
        hidden = root.get("aria-hidden") == "true"
        assert hidden or root.find("{http://www.w3.org/2000/svg}title") is not None
        assert "<style" not in svg
    head = html[: html.index("<title>")]
    assert "default-src 'none'; style-src 'unsafe-inline'; img-src data:" in head
    assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b\u202a-\u202e\u2066-\u2069]", html)
    return page


def addresses(html: str) -> set[str]:
    return set(re.findall(r"(?:https?:)?//[^\s\"'<>);]+", html))


@pytest.fixture(scope="module")
def full(example) -> str:
    return render(example.audit(), compare=[("control", example.control())])


def test_the_full_page_is_well_formed_and_loads_nothing(full):
    page = check(full)
    assert addresses(full) == {"http://www.w3.org/2000/svg"}
    # Two gauges, a histogram, two pairs of curves; the rest are swatches of the legends.
    assert sum(value == "img" for name, value in page.attributes if name == "role") == 7


def test_equal_audits_give_equal_bytes(example, full):
    again = render(example.audit(), compare=[("control", example.control())])
    assert again == full


def test_page_one_holds_what_an_officer_needs(example):
    audit = example.audit()
    html = render(audit)
    front = Page(html[html.index("<main>") + 6 : html.index("<section>")]).text
    bound = audit.bounds[0]
    for needed in (
        "PASS",
        *audit.verdict.reasons,
        "claimed ε = 8.00",
        f"measured ≥ {bound.epsilon_lower:.2f}",
        f"ceiling {bound.ceiling:.2f}",
        "at most 1 in 100 outsiders identifies 1.6% (0% to 6.6%) of the 512 planted",
        "0 of 512 planted secrets",
        "each patient, with all its notes",
        "with or without one patient",
        "1 in 100,000",
        "Poisson",
        "PRV",
        "What was not tested",
        "probabilistic extraction : not asked for",
    ):
        assert needed in front, needed


def test_every_section_shows_its_numbers(example, full):
    text = Page(full).text
    audit: Audit = example.audit()
    assert "52.7 (base) to 31.4" in text
    assert "14,212" in text
    assert audit.model.weights_digest in text
    assert "2,016,512" in text
    assert "NIST SP 800-226" in text
    assert "28/2024" in text
    assert "164.514(b)" in text
    assert "GB/T 39725-2020" in text
    assert "去标识化" in text
    # The table of the two runs side by side.
    assert "37% (187 of 512, base 0)" in text
    assert "none (ε = ∞)" in text


@pytest.mark.parametrize("status", ["pass", "fail", "inconclusive", "none"])
@pytest.mark.parametrize("reasons", [[], ["a reason"]])
def test_every_verdict_has_its_own_badge(example, status, reasons):
    verdict = Verdict(status=status, reasons=reasons)
    page = check(render(example.bare().model_copy(update={"verdict": verdict})))
    word = {"none": "NO POLICY"}.get(status, status.upper())
    assert word in page.text
    others = {"PASS", "FAIL", "INCONCLUSIVE", "NO POLICY"} - {word}
    assert not any(other in page.text for other in others)
    assert ("class", f"verdict verdict-{status}") in page.attributes


def test_a_bare_model_says_that_nothing_was_measured(example):
    page = check(render(example.bare()))
    for sentence in (
        "No privacy statement came with this model",
        "No lower bound was measured",
        "Neither exposure nor extraction was measured",
        "no canaries.json was given",
        "Usefulness was not measured",
    ):
        assert sentence in page.text
    assert "None" not in page.text
    assert "nan" not in page.text.split()


def test_a_bound_above_the_claim_is_an_alarm_even_if_the_audit_has_none(example):
    broken = example.control().model_copy(update={"privacy": example.statement(1.0)})
    assert broken.verdict.alarms == []
    page = check(render(broken))
    assert "Alarm" in page.text
    assert "the training or its accounting is broken. Do not release this model." in page.text
    assert "Alarm" not in check(render(example.audit())).text
    kept = broken.model_copy(update={"verdict": Verdict(status="fail", alarms=["bell 4711"])})
    assert "bell 4711" in check(render(kept)).text


CHOICES = {
    *("population", "status", "unit", "adjacency"),
    *("sampling", "noise", "accountant", "require", "family", "counted"),
}


def poison(value: Any) -> Any:
    """The payload in place of every free text of an audit."""
    match value:
        case dict():
            return {key: part if key in CHOICES else poison(part) for key, part in value.items()}
        case [*parts]:
            return [poison(part) for part in parts]
        case str():
            return PAYLOAD
        case _:
            return value


def test_no_text_of_an_audit_can_act_or_hide(example):
    data = poison(example.audit().model_dump())
    data["model"]["kind"] = "run"
    data["verdict"]["alarms"] = [PAYLOAD]
    audit = Audit.model_validate(data)
    html = render(audit, compare=[(PAYLOAD, audit)])
    page = check(html)
    assert html.count("<script") == 0
    assert "{{ 7*7 }}" in html  # shown as it is, never evaluated
    assert "⟨U+202E⟩evil" in page.text
    assert "⟨U+001B⟩[31m" in page.text
    # An address may be shown as text, but nowhere that a browser would follow.
    assert not any("evil" in value for name, value in page.attributes if name != "content")
    assert PAYLOAD not in html


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
def test_the_check_of_a_page_finds_what_it_is_for(full, planted):
    with pytest.raises(AssertionError):
        check(full.replace("</main>", f"{planted}</main>"))


def test_values_without_end_or_sense_are_shown_and_not_drawn(example):
    audit: Audit = example.audit()
    nowhere = Rate(value=math.nan, low=-math.inf, high=math.inf)
    member = Membership(
        attack="loss",
        population="canaries",
        members=0,
        non_members=0,
        auc=nowhere,
        tpr=[TprAtFpr(fpr=0.0, tpr=nowhere, meaningful=True)],
        roc=[(math.nan, 0.5), (0.0, 0.0), (math.inf, 1.0), (1.0, 1.0)],
    )
    bounds = [audit.bounds[0].model_copy(update={"epsilon_lower": math.inf, "ceiling": math.inf})]
    assert audit.canaries is not None
    canaries = audit.canaries.model_copy(
        update={"scores": Histogram(edges=[0.0, math.inf], planted=[1], withheld=[1])}
    )
    odd = audit.model_copy(update={"membership": [member], "bounds": bounds, "canaries": canaries})
    page = check(render(odd))
    assert "∞" in page.text
    assert "not a number" in page.text


@pytest.mark.parametrize(
    "scores",
    [
        Histogram(edges=[], planted=[], withheld=[]),
        Histogram(edges=[0.0, 1.0], planted=[], withheld=[]),
        Histogram(edges=[0.0, 1.0], planted=[0], withheld=[0]),
        Histogram(edges=[1.0, 1.0], planted=[3], withheld=[0]),
    ],
)
def test_a_histogram_of_any_shape_does_not_break_the_page(example, scores):
    audit = example.audit()
    canaries = audit.canaries.model_copy(update={"scores": scores})
    check(render(audit.model_copy(update={"canaries": canaries, "membership": []})))


def test_lists_may_be_empty_and_statements_extreme(example):
    audit: Audit = example.audit()
    assert audit.privacy is not None
    extreme: PrivacyStatement = audit.privacy.model_copy(
        update={"epsilon": 5000.0, "delta": 0.0, "covers": [], "not_covered": []}
    )
    page = check(render(audit.model_copy(update={"privacy": extreme, "bounds": [], "phi": []})))
    assert "any number of times" in page.text
    infinite = extreme.model_copy(update={"epsilon": math.inf})
    assert (
        "No guarantee is claimed"
        in check(render(audit.model_copy(update={"privacy": infinite}))).text
    )


def test_the_page_is_written_whole_or_not_at_all(example, tmp_path: Path):
    path = write_html(example.bare(), tmp_path / "deep" / "audit.html")
    assert path.read_text(encoding="utf-8") == render(example.bare())
    (tmp_path / "file").write_text("")
    with pytest.raises(SetupError):
        write_html(example.bare(), tmp_path / "file" / "audit.html")
    assert [p.name for p in (tmp_path / "deep").iterdir()] == ["audit.html"]
