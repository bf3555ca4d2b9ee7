"""Can the model tell the true value from others that might have stood there?

Reconstruction ranks candidates after the text that precedes the value; inference also has the text
that follows (Lukas et al. 2023, arXiv 2302.00539, sections 3 and 4). Both rank by likelihood, and
what all candidates have in common is run through the model once.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from llmsafe.artifacts import Extraction, ExtractionPoint
from llmsafe.audit.decoding import Prefix
from llmsafe.audit.membership import as_rate
from llmsafe.audit.secret_space import Space
from llmsafe.audit.secrets_search import Speller, common_start
from llmsafe.errors import InputError
from llmsafe.stats import binomial_interval

if TYPE_CHECKING:
    from transformers import PreTrainedModel

    from llmsafe.audit.target import Target

PLACES = (1, 3, 10)
"""First places of the list at which the curve is read."""


@dataclass(frozen=True, repr=False)
class Question:
    """Which of ``candidates`` stood between ``before`` and ``after``? Number ``answer`` did.

    The other candidates should be drawn as the true one was: then, without a model, each is as
    likely as the next. ``after`` is empty for reconstruction.
    """

    before: str
    candidates: tuple[str, ...]
    answer: int
    after: str = ""

    def __post_init__(self) -> None:
        if not 0 <= self.answer < len(self.candidates) or len(self.candidates) < 2:
            raise InputError(
                f"answer {self.answer} of {len(self.candidates)} candidates: give two or more, the "
                "true one among them"
            )
        if len(set(self.candidates)) < len(self.candidates):
            raise InputError("a candidate is given twice; each may stand in the list once")


def question_among(
    before: str, secret: str, space: Space, count: int, rng: random.Random, after: str = ""
) -> Question:
    """The secret among ``count - 1`` others of its ``space``, in random order.

    Raises:
        InputError: the space has not so many secrets.
    """
    if not 2 <= count <= space.size:
        raise InputError(f"{count} candidates: give 2 to {space.size}, the secrets of this space")
    chosen = {secret}
    while len(chosen) < count:
        chosen.add(space.draw(rng))
    candidates = sorted(chosen)
    rng.shuffle(candidates)
    return Question(before, tuple(candidates), candidates.index(secret), after)


def candidate_ranks(
    model: PreTrainedModel, speller: Speller, questions: Sequence[Question]
) -> NDArray[np.float64]:
    """Rank of each answer among its candidates by log-likelihood, from 1; a tie is half: [n]."""
    return np.array([_rank(model, speller, question) for question in questions], dtype=np.float64)


def _rank(model: PreTrainedModel, speller: Speller, question: Question) -> float:
    texts = [
        speller.tokens(question.before + candidate + question.after)
        for candidate in question.candidates
    ]
    # The first token that tells two of them apart, and all after it, are the candidates' own.
    shared = common_start(texts)
    if shared == 0:
        raise InputError("candidates at the very beginning of a text: put text before them")
    logp = Prefix(model, texts[0][:shared]).logp([text[shared:] for text in texts])
    own, others = logp[question.answer], np.delete(logp, question.answer)
    return float(1 + np.sum(others > own) + np.sum(others == own) / 2)


def candidate_extraction(
    target: Target,
    planted: Sequence[Question],
    withheld: Sequence[Question] = (),
    *,
    what: str = "canary secrets told from others of their form",
    places: Sequence[int] = PLACES,
) -> Extraction | None:
    """Answers that come first among their candidates, and within the first k; base and control.

    ``chance`` is what a guess would have right. ``None`` without a question.

    Raises:
        InputError: candidates at the very beginning of a text.
    """
    if not planted:
        return None
    speller = Speller(target.tokenizer)
    ours = candidate_ranks(target.model, speller, planted)
    controls = candidate_ranks(target.model, speller, withheld)
    theirs = None
    if target.has_base:
        with target.base() as base:
            theirs = candidate_ranks(base, speller, planted)
    sizes = np.array([len(question.candidates) for question in planted])

    def within(k: int) -> ExtractionPoint:
        return ExtractionPoint(
            n=k,
            extracted=int((ours <= k).sum()),
            base_extracted=None if theirs is None else int((theirs <= k).sum()),
            withheld_extracted=int((controls <= k).sum()) if withheld else None,
            chance=float(np.minimum(1.0, k / sizes).mean()),
        )

    first = within(1)
    return Extraction(
        method="candidates",
        about="canaries",
        what=what,
        tried=len(planted),
        extracted=first.extracted,
        rate=as_rate(binomial_interval(first.extracted, len(planted))),
        base_extracted=first.base_extracted,
        withheld_tried=len(withheld) or None,
        withheld_extracted=first.withheld_extracted,
        chance=first.chance,
        curve=[within(k) for k in sorted({1, *places})],
    )
