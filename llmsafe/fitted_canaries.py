"""Canaries fitted on a public base model: secrets that it finds unlikely.

A text on which the base is wrong moves the adapter more, so an audit sees sooner that it was
trained on (Panda et al., arXiv:2503.06808, rank canaries by how far they lie outside the training
distribution). Only the base's public weights and invented notes are asked, never the corpus: what
is rare in a corpus is one patient's, and planted in a canary it would leave that patient's unit.
"""

from __future__ import annotations

import math
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import count as endless
from typing import TYPE_CHECKING, Any

from llmsafe.canary import FITTED_KINDS, CanaryText, Distinct
from llmsafe.errors import InputError
from llmsafe.models import load_model, load_tokenizer, pick_device
from llmsafe.synthetic import patients

if TYPE_CHECKING:
    import torch

PREFIX_WORDS = 6
"""Words of an invented note before the secret; of the secret's own kind for ``tokens``."""
SECRET_TOKENS = 8
UNLIKELY_SHARE = 1 / 16
"""Share of the vocabulary, the least likely first, from which an unlikely token is drawn."""
POOL = 64
"""Random tokens among which ``fitted`` searches at each place: without chance all would be one."""
MIN_WORDS = 256
_NOTES, _NOTE_TOKENS, _BATCH = 64, 96, 32


@dataclass(frozen=True, repr=False)
class Fitter:
    """A base model and the tokens of its vocabulary that are plain words.

    ``words`` ([W] token ids) survive decoding and encoding again wherever they stand after a
    space; ``spelled`` are the same without the space.
    """

    model: Any
    tokenizer: Any
    words: torch.Tensor
    spelled: tuple[str, ...]

    @property
    def unlikely(self) -> int:
        """How many words count as unlikely at a place."""
        return max(1, int(len(self.spelled) * UNLIKELY_SHARE))


def fitted_texts(
    kind: str,
    count: int,
    *,
    seed: int,
    fitter: Fitter,
    avoid: Sequence[CanaryText] = (),
) -> list[CanaryText]:
    """``count`` texts whose secret is 8 words of the base's vocabulary, one token each.

    ``tokens``: 6 words and then the secret, all uniform over the vocabulary. All others begin like
    an invented clinical note. ``unigram``: words that the base rarely says in any note, uniform
    among the rarest sixteenth. ``bigram``: each word uniform among the sixteenth that the base
    finds least likely after the word before it alone. ``suffix``: the same after all the text
    before it. ``fitted``: greedy search; each word is the one of 64 random ones whose loss has the
    largest gradient at the base's last hidden state.

    No two share a prefix or a secret, among themselves and with ``avoid``. The same arguments
    give the same texts on one machine; a tie in floating point may fall otherwise on another.

    Raises:
        InputError: an unknown kind, a count below 1, a base whose tokenizer does not give back the
            words that were put together.
    """
    if kind not in FITTED_KINDS:
        raise InputError(f"{kind!r} is not fitted; choose from {', '.join(FITTED_KINDS)}")
    if count < 1:
        raise InputError(f"count {count} must be at least 1; 200 or more make a useful audit")
    kept, new = Distinct(avoid), 0
    rare = unigram_order(fitter)[: fitter.unlikely] if kind == "unigram" else None
    starts = _starts(seed, kind)
    tried = 0
    while tried < 4 * count + 20 * _BATCH:
        numbers = range(tried, tried + min(_BATCH, count - new))
        tried = numbers.stop
        # Each attempt has a stream of its own: however many are asked for, it gives the same.
        streams = [random.Random(f"llmsafe canary {seed} {kind} text {n}") for n in numbers]
        if kind == "tokens":
            prefixes = [" ".join(r.choices(fitter.spelled, k=PREFIX_WORDS)) for r in streams]
        else:
            prefixes = [next(starts) for _ in streams]
        for text in _secrets(fitter, kind, prefixes, streams, rare):
            new += kept.add(text)
            if new == count:
                return kept.texts[len(avoid) :]
    raise InputError(
        f"only {new} of {count} {kind!r} canaries came out distinct and as this base's tokenizer "
        "writes them; choose a kind that needs no model (phi, random)"
    )


def open_fitter(base: str, *, device: str = "auto") -> Fitter:
    """Load a base and find its words.

    Raises:
        InputError: fewer than 256 tokens are plain words.
        SetupError: the base cannot be loaded.
    """
    import torch

    tokenizer: Any = load_tokenizer(base)
    # A word counts if after another word it is one token, that very one, and nothing else moves.
    ids = [token for token in range(len(tokenizer)) if token not in tokenizer.all_special_ids]
    decoded = [str(text).strip() for text in tokenizer.batch_decode([[token] for token in ids])]
    likely = [
        (token, text)
        for token, text in zip(ids, decoded, strict=True)
        if len(text) > 2 and text.isalpha() and text.isascii()
    ]
    [before, *encoded] = _encode(tokenizer, ["the", *(f"the {text}" for _, text in likely)])
    words = {
        text: token
        for (token, text), row in zip(likely, encoded, strict=True)
        if row == [*before, token]
    }
    if len(words) < MIN_WORDS:
        raise InputError(
            f"{base} has {len(words)} tokens that are plain words, {MIN_WORDS} are needed; "
            "choose a kind that needs no model (phi, random)"
        )
    where = pick_device(device)
    model = load_model(base).to(where)  # pyright: ignore[reportArgumentType]
    return Fitter(model, tokenizer, torch.tensor(list(words.values()), device=where), tuple(words))


def unigram_order(fitter: Fitter) -> torch.Tensor:
    """Places in ``words``, the rarest first: the base's mean prediction over 64 invented notes."""
    import torch

    notes = patients(0, _NOTES, max_notes=1, length="short")
    rows = _encode(fitter.tokenizer, [person.notes[0].text for person in notes])
    rows = [_with_bos(fitter, row)[:_NOTE_TOKENS] for row in rows]
    total = torch.zeros(len(fitter.spelled), dtype=torch.float64)
    with torch.inference_mode():
        for start in range(0, len(rows), 16):
            ids, mask = _padded(rows[start : start + 16], fitter.words.device)
            logits = fitter.model(input_ids=ids, attention_mask=mask, use_cache=False).logits
            chances = logits[mask.bool()].float().softmax(-1)[:, fitter.words]
            total += chances.sum(0).double().cpu()
    return total.argsort(stable=True)


def gradient_norms(
    logits: torch.Tensor, head: torch.Tensor, candidates: torch.Tensor
) -> torch.Tensor:
    """Norm of the loss' gradient at the last hidden state, for every candidate as next token.

    ``logits`` [rows, vocabulary] and ``head`` [vocabulary, hidden] of the output layer,
    ``candidates`` [rows, pool] token ids -> [rows, pool]. The gradient is head' (p - e), with p the
    predicted distribution and e the candidate's unit vector; a factor or soft cap after the head
    is left out.
    """
    mean = logits.float().softmax(-1) @ head.float()  # [rows, hidden]
    return (mean[:, None, :] - head.float()[candidates]).norm(dim=-1)


def _secrets(
    fitter: Fitter,
    kind: str,
    prefixes: Sequence[str],
    streams: Sequence[random.Random],
    rare: torch.Tensor | None,
) -> Iterator[CanaryText]:
    """A secret after each prefix, word by word; those that would be tokenised otherwise are left
    out."""
    import torch

    rows = [_with_bos(fitter, row) for row in _encode(fitter.tokenizer, prefixes)]
    starts = [len(row) for row in rows]
    with torch.inference_mode():
        for _ in range(SECRET_TOKENS):
            chosen = _choose(fitter, kind, rows, streams, rare)
            rows = [[*row, token] for row, token in zip(rows, chosen, strict=True)]
    name = dict(zip(fitter.words.tolist(), fitter.spelled, strict=True))
    for prefix, row, start in zip(prefixes, rows, starts, strict=True):
        secret = " ".join(name[token] for token in row[start:])
        [whole] = _encode(fitter.tokenizer, [f"{prefix} {secret}"])
        if _with_bos(fitter, whole) == row:
            bits = SECRET_TOKENS * math.log2(_space(fitter, kind)) if kind != "fitted" else None
            yield CanaryText(kind, prefix, f"{prefix} ", secret, bits=bits)


def _choose(
    fitter: Fitter,
    kind: str,
    rows: Sequence[Sequence[int]],
    streams: Sequence[random.Random],
    rare: torch.Tensor | None,
) -> list[int]:
    """The next token of each row."""
    import torch

    words, size = fitter.words, len(fitter.spelled)
    match kind:
        case "tokens":
            places = torch.tensor([rng.randrange(size) for rng in streams])
        case "unigram":
            assert rare is not None
            places = rare[[rng.randrange(fitter.unlikely) for rng in streams]]
        case "bigram" | "suffix":
            seen = rows if kind == "suffix" else [_with_bos(fitter, [row[-1]]) for row in rows]
            order = _next_logits(fitter, seen)[:, words].argsort(dim=-1, stable=True).cpu()
            drawn = [rng.randrange(fitter.unlikely) for rng in streams]
            places = order[torch.arange(len(rows)), drawn]
        case _:
            pools = torch.tensor([rng.sample(range(size), min(POOL, size)) for rng in streams])
            head = fitter.model.get_output_embeddings().weight
            candidates = words[pools.to(words.device)]
            norms = gradient_norms(_next_logits(fitter, rows), head, candidates).cpu()
            places = pools[torch.arange(len(rows)), norms.argmax(-1)]
    return words[places.to(words.device)].tolist()


def _space(fitter: Fitter, kind: str) -> int:
    return len(fitter.spelled) if kind == "tokens" else fitter.unlikely


def _next_logits(fitter: Fitter, rows: Sequence[Sequence[int]]) -> torch.Tensor:
    """[rows, vocabulary] at the end of each row; padded on the right, so nothing sees padding."""
    import torch

    ids, mask = _padded(rows, fitter.words.device)
    logits = fitter.model(input_ids=ids, attention_mask=mask, use_cache=False).logits
    return logits[torch.arange(len(rows)), mask.sum(1) - 1].float()


def _starts(seed: int, kind: str) -> Iterator[str]:
    """First words of invented notes, without end; of another corpus than any seed of a user's."""
    own = random.Random(f"llmsafe canary {seed} {kind} prefixes").getrandbits(62)
    for start in endless(0, _BATCH):
        for person in patients(own, _BATCH, max_notes=1, length="short", start=start):
            yield " ".join(person.notes[0].text.split()[:PREFIX_WORDS])


def _encode(tokenizer: Any, texts: Sequence[str]) -> list[list[int]]:
    return tokenizer(list(texts), add_special_tokens=False)["input_ids"]


def _with_bos(fitter: Fitter, row: Sequence[int]) -> list[int]:
    bos = fitter.tokenizer.bos_token_id
    return list(row) if bos is None else [bos, *row]


def _padded(
    rows: Sequence[Sequence[int]], device: torch.device
) -> tuple[torch.Tensor, torch.Tensor]:
    """Token ids and mask, [rows, time]."""
    import torch

    mask = torch.tensor([[1] * len(row) + [0] * (max(map(len, rows)) - len(row)) for row in rows])
    ids = torch.zeros_like(mask)
    ids[mask.bool()] = torch.tensor([token for row in rows for token in row])
    return ids.to(device), mask.to(device)
