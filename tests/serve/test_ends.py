"""Ends that a client chooses: they tell nothing of what the guard hides."""

from __future__ import annotations

import asyncio
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmsafe.notes import PhiSpan
from llmsafe.serve.endpoint import Endpoint, Over
from llmsafe.serve.ends import StopStrings, loose_end
from llmsafe.serve.source import Ask, Done

SAID = "The number that was noted is 219-09-9999 and no other. Then he went home. " * 6


class Says:
    """A source whose model says ``SAID``, a character a token."""

    name = "says"

    def context_of(self, ask):
        return ""

    async def stream(self, ask):
        for character in SAID[: ask.max_tokens]:
            yield character
        yield Done("length" if ask.max_tokens < len(SAID) else "stop", 1, ask.max_tokens)

    async def close(self):
        pass


def numbers(text):
    """Knows a whole number, and no part of one."""
    at = text.find("219-09-9999")
    while at >= 0:
        yield PhiSpan(at, at + 11, "SSN", 1.0, "test")
        at = text.find("219-09-9999", at + 1)


def answer(ask, *, streamed):
    async def collect():
        return [one async for one in Endpoint(Says(), numbers).answer(ask, streamed=streamed)]

    *texts, over = asyncio.run(collect())
    assert isinstance(over, Over)
    return "".join(texts), over.finish


@pytest.mark.parametrize("streamed", [True, False])
def test_a_stop_string_tells_nothing_of_what_is_masked(streamed):
    def asked(*stop):
        return answer(Ask("x", len(SAID), stop=stop), streamed=streamed)

    whole, finish = asked()
    assert finish == "stop"
    assert "219" not in whole
    for guess in ("219-09-9999", "2", "9999", "219-09-1"):  # right or wrong, the same comes out
        assert asked(guess) == (whole, "stop")
    assert asked("home") == (whole[: whole.index("home")], "stop")
    assert asked("never", "[SSN]") == ("The number that was noted is ", "stop")


@pytest.mark.parametrize("streamed", [True, False])
def test_a_text_cut_off_shows_no_part_of_a_number(streamed):
    begin, end = SAID.index("219"), SAID.index(" and")
    for tokens in range(begin - 3, end + 5):
        text, finish = answer(Ask("x", tokens), streamed=streamed)
        assert finish == "length"
        assert text.replace("[SSN]", "").startswith("The number that was noted")
        assert not any(map(str.isdigit, text)), tokens


def test_what_is_left_out_of_a_text_cut_off():
    for text, kept in (
        ("seen by Dr. Okaf", "seen by"),
        ("phone (415) 555-", "phone"),
        ("219 - 09 - 9", ""),
        ("write to alice.ok", "write to"),
        ("took metoprolol daily", "took metoprolol daily"),
        ("Yes", "Yes"),
        ("It was normal. ", "It was normal. "),
        ("患者今日出院,姓名王小", "患者今日出院,姓"),
        ("今日出院。", "今日出院。"),
        ("号码11010119900", "号码11010119900"[:0]),
    ):
        assert text[: loose_end(text)].rstrip() == kept.rstrip(), text


@given(st.text("ab[]", max_size=30), st.text("ab[]", min_size=1, max_size=4))
def test_any_cut_ends_before_the_stop_string(text, wanted):
    for size in (1, 3, 100):
        stop = StopStrings((wanted, "", "never"))
        pieces = [text[i : i + size] for i in range(0, len(text), size)]
        said = "".join(map(stop.feed, pieces)) + stop.finish()
        assert said == text.partition(wanted)[0]
        assert stop.found == (wanted in text)


def test_a_stop_string_as_long_as_a_request_costs_no_more():
    stop = StopStrings(("x" * 10**6,))
    begun = time.perf_counter()
    assert "".join(map(stop.feed, "It is well with him. " * 5)) == "It is well with him. " * 5
    assert time.perf_counter() - begun < 5  # hours, where every beginning of it is looked at
