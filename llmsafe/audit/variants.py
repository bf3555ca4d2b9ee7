"""Membership attacks that compare a text with altered copies of itself.

A variant makes copies of the judged texts. They are scored like any other texts, by the target
alone, into a private table of their own (``scores.NAME.parquet``), and joined to the rows of the
score table by role and id. So each costs one more pass per copy, and its figures, too, can be
computed again without the model. No variant looks at who is a member.

Copies are made of what the model saw of a text: the part within ``max_tokens``.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from numpy.typing import NDArray

from llmsafe.audit.attacks import Scores, loss
from llmsafe.audit.forward import Text, TokenStats, encode, plan_batches
from llmsafe.audit.membership import ScoreRows
from llmsafe.audit.ranks import ALONE, Ranks
from llmsafe.audit.request import VariantName
from llmsafe.audit.scores import Progress, Row, ScoreTable, score_texts, silence
from llmsafe.errors import EvidenceError, InputError
from llmsafe.models import encode_note

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

    from llmsafe.audit.target import Target

_JOINT = "\n\n"  # between the notes of a prefix
_LOGITS_BYTES = 256 << 20  # of a batch, while neighbours are looked for
_ROOM = 8  # tokens by which a text may grow where it is joined to a prefix


@dataclass(frozen=True)
class Variant:
    """An attack on altered copies.

    ``make(target, texts, max_tokens)`` gives the copies, their ids by :func:`copy_of`;
    ``attack(row, copies)`` the score of a text, higher for a member.
    """

    name: str
    make: Callable[[Target, Sequence[Text], int], list[Text]]
    attack: Callable[[Row, Sequence[Row]], float]


def score_variant(
    target: Target,
    variant: Variant,
    texts: Sequence[Text],
    path: Path,
    *,
    max_tokens: int,
    batch_tokens: int | None = None,
    ranks: Ranks = ALONE,
    progress: Progress = silence,
) -> ScoreTable:
    """Score the copies of ``texts`` by the target into the parquet file ``path`` (0600).

    ``max_tokens`` is that of the score table; a copy may be longer, up to the model's context.

    Raises:
        InputError: copies that do not fit the context; a model that gives no finite score.
        EvidenceError: a variant calibrated by texts that it would judge.
        SetupError: the file cannot be written, or a batch does not fit the device.
    """
    copies = variant.make(target, texts, max_tokens)
    # The attacks compare the target with itself, so the pass over the base is left out.
    alone = replace(target, adapter=False, reference=None)
    return score_texts(
        alone,
        copies,
        path,
        max_tokens=target.context,
        batch_tokens=batch_tokens,
        ranks=ranks,
        progress=progress,
    )


def variant_of(name: VariantName, prefix: Sequence[Text], rng: random.Random) -> Variant:
    """The variant of this name. ``prefix`` is what ReCaLL puts before a text; ``rng`` draws the
    neighbours. To compute scores from a table neither is needed."""
    match name:
        case "lowercase":
            return lowercase()
        case "recall":
            return recall(prefix)
        case "neighbourhood":
            return neighbourhood(rng)


def variant_scorer(variant: Variant, table: ScoreTable) -> ScoreRows:
    """The variant's attack, for :func:`llmsafe.audit.membership.judge_rows`.

    The scorer raises:
        EvidenceError: a row has no copy in ``table``.
    """
    copies: dict[tuple[str, str], list[Row]] = {}
    for row in sorted(table.rows, key=lambda row: row.text_id):
        copies.setdefault((row.role, row.text_id.rpartition("#")[0]), []).append(row)

    def score(rows: Sequence[Row]) -> Scores:
        absent = sum((row.role, row.text_id) not in copies for row in rows)
        if absent:
            raise EvidenceError(
                f"{absent} of {len(rows)} texts have no copy in the table of {variant.name!r}; "
                "score the variant again, for these texts"
            )
        found = [variant.attack(row, copies[row.role, row.text_id]) for row in rows]
        return np.array(found, dtype=np.float64)

    return score


def copy_of(text: Text, number: int, words: str, part: tuple[int, int] | None) -> Text:
    """Copy ``number`` of a text. ``part`` is the span of characters that counts, else all of it."""
    return Text(f"{text.text_id}#{number}", text.unit_id, text.role, words, part)


# --- lowercase ----------------------------------------------------------------------------------


def lowercase() -> Variant:
    """Loss of the text in lower case over its own loss, per token (arXiv 2012.07805, section 5).

    What was learned by heart was learned with its capitals; without them it is a new text.
    """

    def make(target: Target, texts: Sequence[Text], max_tokens: int) -> list[Text]:
        copies: list[Text] = []
        for text in texts:
            seen = _see(target.tokenizer, text, max_tokens)
            copies.append(_whole_copy(target.tokenizer, text, seen, 0, seen.words.lower()))
        return copies

    def attack(row: Row, copies: Sequence[Row]) -> float:
        (copy,) = copies
        return loss_ratio(_part(copy), row.target)

    return Variant("lowercase", make, attack)


def loss_ratio(altered: TokenStats, original: TokenStats) -> float:
    """Mean loss of the altered text over that of the original; of a certain text, a large one."""
    above, below = (-float(s.logp.mean(dtype=np.float64)) for s in (altered, original))
    return (above + 1e-9) / (below + 1e-9)


# --- ReCaLL -------------------------------------------------------------------------------------


def recall(prefix: Sequence[Text]) -> Variant:
    """ReCaLL: log-likelihood of the text after a prefix of non-members, over that without it.

    The very same tokens are compared, after the prefix and without. Context takes more from a
    text that the model knows already, so a member's ratio is higher (arXiv 2406.15968).
    ``prefix`` are notes known not to be trained on, cut to what the context has room for; none of
    their units may be judged (see :func:`llmsafe.audit.membership.hold_back`).
    """

    def make(target: Target, texts: Sequence[Text], max_tokens: int) -> list[Text]:
        _check_apart(prefix, texts)
        before = _prefix(target, prefix, max_tokens)
        copies: list[Text] = []
        for text in texts:
            seen = _see(target.tokenizer, text, max_tokens)
            if seen.first == len(seen.words):  # nothing to score but the end
                copies.append(copy_of(text, 0, seen.words, None))
                continue
            part = (len(before) + seen.first, len(before) + len(seen.words))
            copy = copy_of(text, 0, before + seen.words, part)
            if encode(target.tokenizer, copy, target.context).secret is None:
                raise InputError(
                    f"a text after the prefix does not fit {target.context} tokens, the context "
                    f"of {target.name}; lower --max-tokens"
                )
            copies.append(copy)
        return copies

    def attack(row: Row, copies: Sequence[Row]) -> float:
        (copy,) = copies
        after = _part(copy)
        # Without its end-of-text token: after the prefix that one ends another text.
        return loss_ratio(after, row.target.slice(0, len(after)))

    return Variant("recall", make, attack)


def _check_apart(prefix: Sequence[Text], judged: Sequence[Text]) -> None:
    units, words = {t.unit_id for t in prefix}, {t.text for t in prefix}
    if not prefix:
        raise InputError("ReCaLL needs a prefix: give a note or more that were not trained on")
    if any(text.role in ("member", "planted") for text in prefix):
        raise EvidenceError("the prefix of ReCaLL holds members; give notes not trained on")
    shared = sum(text.unit_id in units or text.text in words for text in judged)
    if shared:
        raise EvidenceError(
            f"{shared} judged texts share a unit or their words with the prefix of ReCaLL; what "
            "calibrates an attack is not judged by it: set the prefix aside (hold_back)"
        )


def _prefix(target: Target, notes: Sequence[Text], max_tokens: int) -> str:
    room = target.context - max_tokens - _ROOM
    if room < _ROOM:
        raise InputError(
            f"texts of {max_tokens} tokens leave no room for a prefix in the {target.context} "
            f"tokens of context of {target.name}; lower --max-tokens"
        )
    words = _JOINT.join(note.text for note in notes)
    _, spans = encode_note(target.tokenizer, words, room)
    return words[: max(end for _, end in spans)] + _JOINT


# --- neighbourhood ------------------------------------------------------------------------------


def neighbourhood(
    rng: random.Random, *, copies: int = 5, share: float = 0.1, top: int = 10
) -> Variant:
    """How much better the model knows the text than texts next to it (arXiv 2305.18462).

    A neighbour has a ``share`` of its tokens replaced, at random places, by others that the base
    model (without one, the target) holds likely there given the text before: drawn from its
    ``top`` by their probability. The score is the mean log-probability per token of the text less
    the average of its neighbours. A text in which nothing can be replaced is its own neighbour.

    The paper proposes words by a masked language model, from both sides; a causal one needs no
    second model, and sees less.

    Raises:
        InputError: fewer than one copy, a share outside (0, 1], or ``top`` below 2.
    """
    if copies < 1 or not 0 < share <= 1 or top < 2:
        raise InputError(
            f"neighbourhood of {copies} copies, share {share}, top {top}: give 1 or more copies, "
            "a share in (0, 1] and 2 or more candidates"
        )

    def make(target: Target, texts: Sequence[Text], max_tokens: int) -> list[Text]:
        seen = [_see(target.tokenizer, text, max_tokens) for text in texts]
        with target.base() if target.has_base else nullcontext(target.model) as model:
            likely = _likely(target, model, seen, top)
        pieces = _Pieces(target.tokenizer)
        made: list[Text] = []
        for text, item, choices in zip(texts, seen, likely, strict=True):
            places = _replaceable(item, choices, pieces)
            count = min(len(places), max(1, round(share * len(places))))
            for number in range(copies):
                words = item.words
                # From the end, so that the spans before stay where they are.
                for place in sorted(rng.sample(sorted(places), count), reverse=True):
                    (start, end), names, weights = places[place]
                    (name,) = rng.choices(names, weights)
                    words = words[:start] + name + words[end:]
                made.append(_whole_copy(target.tokenizer, text, item, number, words))
        return made

    def attack(row: Row, copies: Sequence[Row]) -> float:
        around = [float(_part(copy).logp.mean(dtype=np.float64)) for copy in copies]
        return loss(row) - float(np.mean(around))

    return Variant("neighbourhood", make, attack)


_Places = dict[int, tuple[tuple[int, int], list[str], list[float]]]
"""Token -> the span of characters to replace, and by what, with which weights."""


def _replaceable(seen: _Seen, likely: _Likely, pieces: _Pieces) -> _Places:
    """Where a token can make way for another without the text around it changing its tokens.

    A word may follow where a word did, a part of one where a part did; pieces of a character,
    blanks and special tokens stay.
    """
    places: _Places = {}
    for place in range(1, len(seen.ids)):
        start, end = seen.spans[place]
        own = pieces.of(seen.ids[place])
        blank = end - start - len(seen.words[start:end].lstrip())
        if own is None or own.core != seen.words[start:end].strip():
            continue
        ids, weights = likely.ids[place - 1].tolist(), likely.weights[place - 1].tolist()
        options: list[tuple[str, float]] = []
        for other, weight in zip(map(pieces.of, ids), weights, strict=True):
            if other is not None and other.opens == own.opens and other.core != own.core:
                options.append((other.core, weight))
        if options:
            span = (start + blank, start + blank + len(own.core))
            places[place] = (span, [name for name, _ in options], [w for _, w in options])
    return places


@dataclass(frozen=True)
class _Piece:
    """A token as text: without blanks around it, and whether it begins a word."""

    core: str
    opens: bool


class _Pieces:
    """The vocabulary, looked up token by token and remembered."""

    def __init__(self, tokenizer: PreTrainedTokenizerBase) -> None:
        self._tokenizer: Any = tokenizer
        self._special = set(tokenizer.all_special_ids)
        self._known: dict[int, _Piece | None] = {}

    def of(self, token: int) -> _Piece | None:
        """The piece, or ``None`` for a special token, a blank or part of a character."""
        if token not in self._known:
            core = str(self._tokenizer.decode([token])).strip()
            raw = str(self._tokenizer.convert_ids_to_tokens(token))
            usable = core and token not in self._special and "\N{REPLACEMENT CHARACTER}" not in core
            # How byte-level BPE and SentencePiece write the blank before a word.
            opens = raw.startswith(("\N{LATIN CAPITAL LETTER G WITH DOT ABOVE}", "\u2581"))
            self._known[token] = _Piece(core, opens) if usable else None
        return self._known[token]


@dataclass(frozen=True)
class _Likely:
    """What a model holds likely at each scored token: ids and probabilities [tokens, top]."""

    ids: NDArray[np.int64]
    weights: NDArray[np.float64]


def _likely(
    target: Target, model: PreTrainedModel, seen: Sequence[_Seen], top: int
) -> list[_Likely]:
    """The ``top`` tokens of the model at each place of each text; one forward pass."""
    import torch

    vocabulary = int(cast("Any", model.config).get_text_config().vocab_size)
    budget = max(512, _LOGITS_BYTES // (4 * vocabulary))
    found: dict[int, _Likely] = {}
    for batch in plan_batches([len(item.ids) for item in seen], budget):
        width = max(len(seen[index].ids) for index in batch)
        ids = torch.zeros((len(batch), width), dtype=torch.long)
        mask = torch.zeros_like(ids)
        for row, index in enumerate(batch):
            ids[row, : len(seen[index].ids)] = torch.tensor(seen[index].ids)
            mask[row, : len(seen[index].ids)] = 1
        with torch.inference_mode():
            ids, mask = ids.to(target.device), mask.to(target.device)
            logits = model(input_ids=ids, attention_mask=mask, use_cache=False).logits
            best: Any = logits.topk(min(top, vocabulary), dim=-1)
            # Over the best alone: a draw among them needs no more.
            weights = best.values.double().softmax(-1).cpu().numpy()
            chosen = best.indices.cpu().numpy()
        for row, index in enumerate(batch):
            scored = len(seen[index].ids) - 1
            found[index] = _Likely(chosen[row, :scored], weights[row, :scored])
    return [found[index] for index in range(len(seen))]


# --- what the model saw -------------------------------------------------------------------------


@dataclass(frozen=True, repr=False)
class _Seen:
    """The part of a text within the token limit; ``cut`` if that is not all of it.

    ``first`` is the first character whose token has a context.
    """

    words: str
    ids: list[int]
    spans: list[tuple[int, int]]
    cut: bool
    first: int


def _see(tokenizer: PreTrainedTokenizerBase, text: Text, max_tokens: int) -> _Seen:
    ids, spans = encode_note(tokenizer, text.text, max_tokens + 1)
    cut = len(ids) > max_tokens
    ids, spans = ids[:max_tokens], spans[:max_tokens]
    end = max((b for _, b in spans), default=0) if cut else len(text.text)
    return _Seen(text.text[:end], ids, spans, cut, spans[0][1] if spans else 0)


def _whole_copy(
    tokenizer: PreTrainedTokenizerBase, text: Text, seen: _Seen, number: int, words: str
) -> Text:
    """A copy all of which counts; not the end-of-text token, if the original was cut before it."""
    part = None
    if seen.cut:
        _, spans = encode_note(tokenizer, words, 1)
        part = (spans[0][1] if spans else 0, len(words))
    return copy_of(text, number, words, part)


def _part(copy: Row) -> TokenStats:
    return copy.target.slice(*copy.secret) if copy.secret else copy.target
