"""What an audit asks the model beyond its score tables: searches for secrets, and generated texts.

Each costs forward passes of its own, so each is asked for by name. What cannot be had is listed
with the reason, and ends nothing.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from llmsafe.artifacts import (
    Canary,
    Extraction,
    Generated,
    PhiLeak,
    SampledExposure,
    ScrubManifest,
    SearchedExposure,
    Unmeasured,
)
from llmsafe.audit.candidates import Question, candidate_extraction, question_among
from llmsafe.audit.generated import Drawn, draw_texts, found_in_training, read_texts
from llmsafe.audit.gold import labelled
from llmsafe.audit.loading import locate
from llmsafe.audit.phi import Detect, generated_leakage, manifest_leakage, phi_leakage
from llmsafe.audit.population import Population
from llmsafe.audit.request import Request
from llmsafe.audit.sampled_exposure import has_space, sampled_exposure
from llmsafe.audit.scores import Progress, silence
from llmsafe.audit.secret_space import space_of
from llmsafe.audit.secrets_search import Form, parts_of, searched_exposure
from llmsafe.errors import EvidenceError, InputError
from llmsafe.files import VAULT

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

    from llmsafe.audit.target import Target

SAMPLED, SEARCHED, ASKED = 50, 16, 100
"""Canaries a side whose secrets are compared with samples, searched for, asked for by candidates.

The first of the draw, whatever their coins: a choice that looks at no score.
"""
NODES = 2000
"""Branches that one search may look at."""
CANDIDATES = 100
MOST_NEW_TOKENS = 256


@dataclass
class Probes:
    """What was found, part by part."""

    sampled: SampledExposure | None = None
    searched: SearchedExposure | None = None
    extraction: list[Extraction] = field(default_factory=list[Extraction])
    phi: list[PhiLeak] = field(default_factory=list[PhiLeak])
    generated: Generated | None = None
    unmeasured: list[Unmeasured] = field(default_factory=list[Unmeasured])

    def lacks(self, what: str, why: str) -> None:
        """Note what could not be measured."""
        self.unmeasured.append(Unmeasured(what=what, why=why))


def check_files(request: Request, tokenizer: PreTrainedTokenizerBase) -> None:
    """Read what the request names, so that a bad file is found before the first minute of work.

    Raises:
        InputError: it cannot be read.
    """
    if request.generations is not None:
        read_texts(request.generations, tokenizer)
    if request.gold is not None:
        for _ in labelled(request.gold, request.spans):
            pass
    for run in (*request.shadows, *request.repeats):
        locate(run)


def probe(
    target: Target,
    population: Population,
    request: Request,
    *,
    max_tokens: int,
    detect: Detect | None = None,
    progress: Progress = silence,
) -> Probes:
    """All probes that the request names. ``detect`` finds personal data in a text.

    Raises:
        InputError: files of the request that cannot be read.
    """
    found = Probes()
    manifest = population.canaries
    canaries, lang = (manifest.canaries, manifest.lang) if manifest else ([], "")
    drawn: Drawn | None = None
    generating = bool(request.generate or request.generations)
    wanted = len({"exposure", "candidates"} & request.also) + generating
    with progress("probes", wanted) as advance:
        if "exposure" in request.also:
            _expose(target, canaries, lang, found, random.Random(f"exposure {request.seed}"))
            advance(1)
        if "candidates" in request.also:
            _ask(target, canaries, lang, found, random.Random(f"candidates {request.seed}"))
            advance(1)
        if generating:
            drawn = _generate(target, population, request, found, max_tokens)
            advance(1)
    if drawn is not None or request.gold is not None:
        found.phi += _phi(target, request, drawn, detect, found)
    return found


# --- secrets ------------------------------------------------------------------------------------


def _expose(
    target: Target, canaries: Sequence[Canary], lang: str, found: Probes, rng: random.Random
) -> None:
    planted, withheld = _first(canaries, SAMPLED, lambda canary: has_space(canary, lang))
    if not planted:
        found.lacks("exposure among all secrets", "no planted canary has a secret of known form")
        return
    try:
        found.sampled = sampled_exposure(target, planted, withheld, rng, lang=lang)
    except InputError as error:
        found.lacks("exposure by sampling", str(error))
    planted, withheld = _first(canaries, SEARCHED, lambda canary: _form(canary) is not None)
    if not planted:
        why = "no planted canary has a secret of free digits alone; canaries of --kind phi have"
        found.lacks("exposure by search", why)
        return
    try:
        found.searched = searched_exposure(
            target, planted, withheld, form_of=_sure_form, max_nodes=NODES
        )
    except InputError as error:
        found.lacks("exposure by search", str(error))


def _ask(
    target: Target, canaries: Sequence[Canary], lang: str, found: Probes, rng: random.Random
) -> None:
    def askable(canary: Canary) -> bool:
        space = space_of(canary, lang)
        return space is not None and space.size >= 2 * CANDIDATES

    sides = _first(canaries, ASKED, askable)
    if not sides[0]:
        found.lacks("candidates", "no planted canary has a secret of known form")
        return
    for manner in ("reconstruction", "inference"):
        questions = [[_question(c, lang, manner, rng) for c in side] for side in sides]
        what = f"canary secrets told from {CANDIDATES - 1} others ({manner})"
        try:
            result = candidate_extraction(target, questions[0], questions[1], what=what)
        except InputError as error:
            found.lacks(f"candidates ({manner})", str(error))
        else:
            found.extraction += [result] if result else []


def _question(canary: Canary, lang: str, manner: str, rng: random.Random) -> Question:
    before, secret = parts_of(canary)
    space = space_of(canary, lang)
    assert space is not None
    after = canary.text[canary.secret_end :] if manner == "inference" else ""
    return question_among(before, secret, space, CANDIDATES, rng, after)


def _first(
    canaries: Sequence[Canary], most: int, fits: Callable[[Canary], bool]
) -> tuple[list[Canary], list[Canary]]:
    """The first canaries a side that fit, planted and withheld."""
    kept = [canary for canary in canaries if fits(canary)]
    planted = [canary for canary in kept if canary.planted][:most]
    return planted, [canary for canary in kept if not canary.planted][:most]


def _form(canary: Canary) -> Form | None:
    """The form of a secret all of whose free places are digits; ``None`` of any other."""
    template = canary.secret_template
    if template is not None:
        return Form.of_template(template) if "*" not in template else None
    form = Form.of_secret(parts_of(canary)[1])
    return form if canary.sort is None and form.space > 1 else None


def _sure_form(canary: Canary) -> Form:
    form = _form(canary)
    assert form is not None
    return form


# --- generated texts ----------------------------------------------------------------------------


def _generate(
    target: Target, population: Population, request: Request, found: Probes, max_tokens: int
) -> Drawn | None:
    if request.generations is not None:
        drawn = read_texts(request.generations, target.tokenizer)
    else:
        try:
            drawn = draw_texts(
                target,
                request.generate,
                max_new_tokens=min(max_tokens, MOST_NEW_TOKENS),
                seed=request.seed,
            )
        except InputError as error:
            found.lacks("generated texts", f"{error}; draw them yourself and use --generations")
            return None
    found.generated = drawn.about
    found.extraction += found_in_training(drawn, population.trained, target.tokenizer, max_tokens)
    if not population.trained:
        found.lacks("passages of training notes in generated texts", "no training notes at hand")
    return drawn


def _phi(
    target: Target,
    request: Request,
    drawn: Drawn | None,
    detect: Detect | None,
    found: Probes,
) -> list[PhiLeak]:
    """Personal data by category: from gold if given, else from the scrub manifest, else by form."""
    manifest = None
    if request.gold is None and detect is not None:
        why = "no notes with gold labels; give the notes before scrubbing with --gold and --spans"
        found.lacks("which personal data of the notes the model emits", why)
        manifest = _scrub_manifest(target, found)
    try:
        return _leakage(request, drawn, manifest, detect)
    except EvidenceError as error:  # a recogniser failed, so a count of what it sees is none
        found.lacks("what has the form of personal data in the generated texts", str(error))
        return _leakage(request, drawn, manifest, None)


def _leakage(
    request: Request, drawn: Drawn | None, manifest: ScrubManifest | None, detect: Detect | None
) -> list[PhiLeak]:
    model, base = (drawn.words, drawn.base_words) if drawn is not None else (None, None)
    if request.gold is not None:
        notes = labelled(request.gold, request.spans)
        return phi_leakage(notes, model=model, base=base, detect=detect)
    if manifest is not None:
        return manifest_leakage(manifest, model=model, base=base, detect=detect)
    return generated_leakage(model or [], base, detect) if detect is not None else []


def _scrub_manifest(target: Target, found: Probes) -> ScrubManifest | None:
    """The manifest of the scrub that made the run's corpus, where it still lies beside it."""
    path = target.evidence.corpus_path
    file = Path(path) / VAULT / "scrub_manifest.json" if path else None
    if file is None or not file.is_file():
        return None
    try:
        return ScrubManifest.load(file)
    except EvidenceError as error:
        found.lacks("what the scrubber found in the notes", str(error))
        return None
