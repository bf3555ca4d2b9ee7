"""Texts drawn from the model: what of them stands in the training notes, and whose data they hold.

Nobody asks for anything: a text begins where every text begins, and the sampler goes on. The base
draws as many by the same chances. Texts may also come from another program (vLLM, a serving
endpoint), as a file.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from llmsafe.artifacts import Extraction, Generated
from llmsafe.audit.extraction import RUN_TOKENS, describe_sampler
from llmsafe.audit.forward import DEFAULT_SAMPLER
from llmsafe.audit.generation import Generation, gain_over_base, generate_both, prompt_tokens
from llmsafe.audit.overlap import build_index, regurgitation
from llmsafe.errors import InputError
from llmsafe.files import read_text

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

    from llmsafe.audit.target import Target

RANKED_SHARE = 0.1
"""Share of the generated texts that an attacker looks at, the largest gain over the base first."""


@dataclass(frozen=True, repr=False)
class Drawn:
    """Texts as token ids and as words, of model and base (``None`` without one).

    ``ranked`` are the model's own with the largest gain over the base, best first; ``None`` where
    the texts came from a file or there is no base.
    """

    ours: Sequence[Sequence[int]]
    theirs: Sequence[Sequence[int]] | None
    words: Sequence[str]
    base_words: Sequence[str] | None
    ranked: Sequence[Sequence[int]] | None
    about: Generated


def draw_texts(target: Target, count: int, *, max_new_tokens: int, seed: int) -> Drawn:
    """``count`` texts of the model and of its base, from the token that begins every text.

    Raises:
        InputError: the tokenizer has no such token.
    """
    prompts = [prompt_tokens(target.tokenizer)]
    ours, theirs = generate_both(
        target, prompts, count=count, max_new_tokens=max_new_tokens, seed=seed
    )
    ranked = None
    if theirs is not None:
        gains = gain_over_base(target, prompts, ours)
        best = np.argsort(-gains, kind="stable")[: max(1, round(RANKED_SHARE * count))]
        ranked = [ours[place].ids for place in best.tolist()]
    return Drawn(
        ours=[one.ids for one in ours],
        theirs=None if theirs is None else [one.ids for one in theirs],
        words=_decode(target.tokenizer, ours),
        base_words=None if theirs is None else _decode(target.tokenizer, theirs),
        ranked=ranked,
        about=Generated(
            texts=count,
            tokens=sum(len(one.ids) for one in ours),
            base_texts=None if theirs is None else count,
            prompts="the beginning of a text",
            sampler=describe_sampler(DEFAULT_SAMPLER),
        ),
    )


def read_texts(path: Path, tokenizer: PreTrainedTokenizerBase) -> Drawn:
    """Texts that another program drew: a JSON object a line, ``{"text": …, "by": "model"|"base"}``.

    Without ``by`` a text is the model's. Further keys are let be. Give texts without their prompt.

    Raises:
        InputError: no such file, no text of the model, or a line that is none of this (named by
            its number).
    """
    words: dict[str, list[str]] = {"model": [], "base": []}
    try:
        # Not splitlines: other line separators may stand inside a JSON string.
        lines = read_text(path).split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"--generations {path}: {type(error).__name__}; give UTF-8 JSON") from None
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        text, by = _read_line(line)
        if text is None or by not in words:
            raise InputError(
                f'--generations {path}, line {number}: give an object with "text" and, for the '
                'base model\'s, "by": "base"'
            )
        words[by].append(text)
    if not words["model"]:
        raise InputError(f"--generations {path} holds no text of the model")
    ours = _encode(tokenizer, words["model"])
    return Drawn(
        ours=ours,
        theirs=_encode(tokenizer, words["base"]) if words["base"] else None,
        words=words["model"],
        base_words=words["base"] or None,
        ranked=None,
        about=Generated(
            texts=len(ours),
            tokens=sum(map(len, ours)),
            base_texts=len(words["base"]) or None,
            prompts="as the file's author chose",
            sampler="as the file's author chose",
            source="file",
        ),
    )


def found_in_training(
    drawn: Drawn,
    trained: Sequence[tuple[str, str]],
    tokenizer: PreTrainedTokenizerBase,
    max_tokens: int,
) -> list[Extraction]:
    """Generated texts with a passage of somebody's training notes, near verbatim and verbatim.

    ``trained`` are unit and text of every note that training saw, of which it read the first
    ``max_tokens``. A text too short to hold a passage is not tried. What the base draws excuses a
    passage as boilerplate, unless another program says that the base drew it. If the texts are
    ranked, the first of the ranking are judged by themselves, too: an attacker looks at those.
    """
    if not trained:
        return []
    rows = _encode(tokenizer, [text for _, text in trained])
    units = [unit for unit, _ in trained]
    index = build_index((u, ids[:max_tokens]) for u, ids in zip(units, rows, strict=True))
    ours, theirs = _long(drawn.ours), None if drawn.theirs is None else _long(drawn.theirs)
    excused = drawn.about.source == "model"
    found = [
        regurgitation(index, ours, theirs, near=True, excused=excused),
        regurgitation(index, ours, theirs, near=False, excused=excused),
    ]
    if drawn.ranked is not None:
        what = f"the {RANKED_SHARE:.0%} of generated texts that gained most over the base"
        found.append(regurgitation(index, _long(drawn.ranked), theirs, near=True, what=what))
    source = {"source": drawn.about.source}
    return [one.model_copy(update=source) for one in found if one is not None]


def _long(texts: Sequence[Sequence[int]]) -> list[Sequence[int]]:
    return [ids for ids in texts if len(ids) >= RUN_TOKENS]


def _read_line(line: str) -> tuple[str | None, str]:
    try:
        row: Any = json.loads(line)
        text, by = row["text"], row.get("by", "model")
        (text + by).encode()  # strings, and without half of a surrogate pair
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None, ""
    return text, by


def _encode(tokenizer: PreTrainedTokenizerBase, texts: list[str]) -> list[list[int]]:
    encoder: Any = tokenizer
    return encoder(texts, add_special_tokens=False)["input_ids"]


def _decode(tokenizer: PreTrainedTokenizerBase, texts: Sequence[Generation]) -> list[str]:
    decoder: Any = tokenizer
    return decoder.batch_decode([list(text.ids) for text in texts], skip_special_tokens=True)
