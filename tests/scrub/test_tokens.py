"""Encrypted tokens: they turn back exactly, and nothing that was touched opens."""

from __future__ import annotations

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmsafe.notes import CATEGORIES
from llmsafe.scrub.keys import Key
from llmsafe.scrub.replace.tokens import (
    LIKE_A_TOKEN,
    ForeignKey,
    Refused,
    Tampered,
    category_of,
    key_id,
    opens,
    seal,
    unseal,
)

KEY = Key(b"k" * 32)
TOKEN = seal(KEY, "n1", "NAME", "Thandiwe Kowalczyk")


@given(st.text(max_size=60), st.sampled_from(CATEGORIES), st.text(min_size=1, max_size=12))
def test_a_value_comes_back_as_it_was(value: str, category: str, note: str) -> None:
    token = seal(KEY, note, category, value)
    assert unseal(KEY, note, token) == value
    assert category_of(token) == category
    assert LIKE_A_TOKEN.fullmatch(token)
    assert token.isascii()
    assert token == seal(KEY, note, category, value)  # the same bytes whoever computes them
    assert not value.strip() or len(value) < 4 or value not in token.partition(":v1.")[2]


@pytest.mark.parametrize(
    "value", ["[NAME-1]", TOKEN, "]", "[", "\x80\0", "\0", "日本", "🙂" * 9, "é"]
)
def test_values_that_look_like_padding_or_tokens(value: str) -> None:
    assert unseal(KEY, "n1", seal(KEY, "n1", "NAME", value)) == value


@pytest.mark.parametrize("place", range(len(TOKEN)))
def test_one_changed_character_is_refused_and_seen(place: int) -> None:
    for new in {*string.ascii_letters[::5], *string.digits[::3], *"[]:.-_ é\n+/="} - {TOKEN[place]}:
        changed = TOKEN[:place] + new + TOKEN[place + 1 :]
        with pytest.raises(Refused):
            unseal(KEY, "n1", changed)
        assert LIKE_A_TOKEN.search(changed), changed  # counted, not overlooked
        assert not any(opens(KEY, "n1", match[0]) for match in LIKE_A_TOKEN.finditer(changed))


def test_the_last_character_has_one_spelling() -> None:
    """43 characters hold 258 bits and the ciphertext has 256: four letters decode to the same."""
    alphabet = string.ascii_uppercase + string.ascii_lowercase + string.digits + "-_"
    spelled = [token for c in alphabet if opens(KEY, "n1", token := TOKEN[:-2] + c + "]")]
    assert spelled == [TOKEN]


@pytest.mark.parametrize("length", range(1, len(TOKEN)))
def test_a_cut_token_is_refused(length: int) -> None:
    for cut in (TOKEN[:length], TOKEN[length:], TOKEN[: length - 1] + "]"):
        with pytest.raises(Refused):
            unseal(KEY, "n1", cut)


def test_it_belongs_to_key_note_and_category() -> None:
    assert unseal(KEY, "n1", TOKEN) == "Thandiwe Kowalczyk"
    with pytest.raises(Tampered):
        unseal(KEY, "n2", TOKEN)
    with pytest.raises(Tampered):
        unseal(KEY, "n1", TOKEN.replace("NAME", "EMAIL"))
    with pytest.raises(ForeignKey):
        unseal(Key(b"x" * 32), "n1", TOKEN)
    with pytest.raises(Tampered):  # said to be of that key, but it is not
        unseal(Key(b"x" * 32), "n1", TOKEN.replace(key_id(KEY), key_id(Key(b"x" * 32))))
    with pytest.raises(Tampered):
        unseal(KEY, "n1", TOKEN.replace("v1", "v2"))


def test_parts_of_what_it_belongs_to_cannot_run_into_each_other() -> None:
    moved = seal(KEY, "n1", "NAME", "x").replace("NAME", "IP")
    assert not opens(KEY, "NAMEn1"[2:], moved)
    assert seal(KEY, "1", "NAME", "x") != seal(KEY, "n1", "NAME", "x")


def test_what_shows() -> None:
    """Equality within a note and category; nothing across them, and no length below 16 bytes."""
    names = [seal(KEY, "n1", "NAME", name) for name in ("Al", "Bartholomew", "Al")]
    assert names[0] == names[2] != names[1]
    assert len({len(name) for name in names}) == 1
    bodies = {seal(KEY, note, kind, "Al")[-44:] for note in ("n1", "n2") for kind in CATEGORIES}
    assert len(bodies) == 2 * len(CATEGORIES)
    assert len(seal(KEY, "n1", "NAME", "x" * 16)) > len(names[0])  # longer ones do show, by 16


def test_nothing_of_the_key_is_in_a_token() -> None:
    assert KEY.secret.hex() not in TOKEN
    assert key_id(KEY) not in KEY.fingerprint()
    assert key_id(KEY) != key_id(Key(b"x" * 32))


@pytest.mark.parametrize(
    "text",
    ["[NAME-1]", "[NAME:9f86d081884c]", "see [1].", "[v1.2]", "d41d8cd98f00b204e9800998ecf8427e"],
)
def test_what_is_no_token_is_not_taken_for_one(text: str) -> None:
    assert not LIKE_A_TOKEN.search(text)
