"""The header: every byte of it, every key that should and should not open it."""

from __future__ import annotations

import io

import pytest

from llmsafe.errors import InputError, LlmsafeError
from llmsafe.seal.envelope import (
    MAGIC,
    MOST_RECIPIENTS,
    Envelope,
    make_envelope,
    new_file_key,
    read_envelope,
)
from llmsafe.seal.keys import Key, new_key
from llmsafe.seal.lines import Lines, open_lines
from llmsafe.seal.segments import Altered

ALICE, BOB, EVE = new_key(), new_key(), new_key()
BOB_TRUSTS = BOB.trusting(ALICE.id, "alice")
FILE_KEY = new_file_key()
DATA = make_envelope(FILE_KEY, ALICE, [ALICE.id, BOB.id]).data


def read(data: bytes) -> Envelope:
    return read_envelope(io.BytesIO(data))


def test_every_recipient_gets_the_key_and_nobody_else():
    envelope = read(DATA + b"body")
    assert (envelope.sealer, envelope.recipients) == (ALICE.id, (ALICE.id, BOB.id))
    assert envelope.open(ALICE) == envelope.open(BOB_TRUSTS) == FILE_KEY
    with pytest.raises(InputError, match="not for your key"):
        envelope.open(EVE)


@pytest.mark.parametrize("reader", [ALICE, BOB_TRUSTS], ids=["sealer", "other"])
def test_every_byte_of_the_header_counts_for_every_reader(reader: Key):
    for at in range(len(DATA)):
        for bit in (1, 128):
            changed = DATA[:at] + bytes([DATA[at] ^ bit]) + DATA[at + 1 :]
            with pytest.raises(LlmsafeError):
                read(changed).open(reader)


def test_a_header_that_was_cut_is_refused_everywhere():
    for length in range(len(DATA)):
        with pytest.raises(Altered):
            read(DATA[:length])


def test_a_newer_format_is_named():
    with pytest.raises(InputError, match="format 2; this llmsafe reads format 1"):
        read(MAGIC + b"\x02" + DATA[9:])


def test_a_stranger_can_seal_for_bob_and_bob_does_not_take_it_for_genuine():
    forged = make_envelope(new_file_key(), EVE, [BOB.id])
    with pytest.raises(InputError, match="does not trust"):
        forged.open(BOB_TRUSTS)


def test_a_stranger_cannot_seal_in_the_name_of_another():
    """Eve names Alice as the sealer, and knows everything but Alice's secret."""
    pretended = Key(ALICE.id, EVE.secret)
    with pytest.raises(Altered):
        make_envelope(new_file_key(), pretended, [BOB.id]).open(BOB_TRUSTS)


def test_nobody_but_a_reader_adds_a_reader():
    """A recipient block of Eve's own, put into a header that she cannot open."""
    eve = make_envelope(FILE_KEY, EVE, [EVE.id]).data[76:-32]
    added = DATA[:9] + b"\x03" + DATA[10:-32] + eve + DATA[-32:]
    with pytest.raises(Altered):
        read(added).open(BOB_TRUSTS)
    with pytest.raises(Altered):
        read(added).open(EVE.trusting(ALICE.id, "alice"))


def test_blocks_of_two_headers_do_not_mix():
    other = make_envelope(new_file_key(), ALICE, [ALICE.id, BOB.id]).data
    mixed = DATA[:76] + other[76:149] + DATA[149:]
    for reader in (ALICE, BOB_TRUSTS):
        with pytest.raises(Altered):
            read(mixed).open(reader)


def test_how_many():
    for ids in ([], [new_key().id for _ in range(MOST_RECIPIENTS + 1)]):
        with pytest.raises(InputError, match="recipients"):
            make_envelope(FILE_KEY, ALICE, ids)
    with pytest.raises(InputError, match="no key id"):
        make_envelope(FILE_KEY, ALICE, ["lsk_no"])
    twice = make_envelope(FILE_KEY, ALICE, [ALICE.id, ALICE.id])
    assert twice.recipients == (ALICE.id,)


# --- lines --------------------------------------------------------------------------------------


def test_lines_come_back_and_an_edited_one_does_not():
    lines = Lines.make(ALICE, [ALICE.id, BOB.id])
    sealed = [lines.seal(b"one."), lines.seal(b""), lines.seal("zwei ε".encode())]
    data = lines.head + b"\n" + b"\n".join(sealed) + b"\n"
    assert open_lines(data, BOB_TRUSTS) == "one.\n\nzwei ε\n".encode()
    assert b"one." not in data  # base64 has no full stop, so not by chance either
    assert lines.seal(b"one.") != sealed[0]
    for at in range(0, len(sealed[2]) - 1, 3):
        edited = sealed[2][:at] + (b"A" if sealed[2][at : at + 1] != b"A" else b"B")
        with pytest.raises(Altered):
            open_lines(data.replace(sealed[2], edited + sealed[2][at + 1 :]), ALICE)
    other = Lines.make(ALICE, [ALICE.id]).seal(b"one.")
    with pytest.raises(Altered):
        open_lines(lines.head + b"\n" + other + b"\n", ALICE)


def test_a_torn_line_stays_torn():
    lines = Lines.make(ALICE, [ALICE.id])
    whole = lines.head + b"\n" + lines.seal(b"one") + b"\n"
    torn = open_lines(whole + lines.seal(b"two")[:9], ALICE)
    assert torn.startswith(b"one\n")
    assert not torn.endswith(b"\n")
