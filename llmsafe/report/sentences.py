"""Page one in plain words: sentences made from the numbers of an audit, and from nothing else."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

from llmsafe.artifacts import Audit, Bound, Extraction, Membership, PhiLeak, PrivacyStatement
from llmsafe.audit.verdict import canary_doubt, claim_doubt, member_doubt
from llmsafe.report import headline, words
from llmsafe.stats import dp_tpr_ceiling

NOT_TESTED = (
    "Attacks not listed in this report, among them inferring single attributes and stronger "
    "attacks found later.",
    "Someone who watches the training, or sees the vault of the run.",
    "A patient filed under two numbers, who is protected and tested as two.",
    "What the base model had learned before this training.",
    "Copies that are merged, quantised or trained further: audit the file that ships.",
)
NOT_TESTED_OF_A_RELEASE = (
    *NOT_TESTED[:-1],
    "Copies that are quantised or trained further than what lies here.",
)
_CATEGORIES = 3
"""Categories of identifiers that a sentence names; the table names all."""


@dataclass(frozen=True)
class Sentence:
    """One statement of page one; ``tone`` colours its mark: plain, good or bad."""

    about: str
    text: str
    tone: str = "plain"


def plain_words(audit: Audit) -> list[Sentence]:
    """The findings of an audit as sentences a reader without statistics can use.

    Each says what it rests on that nothing ties to the model, and is then no good news.
    """
    canaries, members = canary_doubt(audit), member_doubt(audit)
    texts = "the texts were drawn by another program, whose word it is"
    drawn = texts if audit.generated is not None and audit.generated.source == "file" else None
    found = [
        (_claim(audit.privacy), claim_doubt(audit)),
        (_canaries(audit), canaries),
        (_people(audit), members),
        (_extraction(audit), canaries),
        (_passages(audit), members or drawn),
        (_identifiers(audit), drawn),
        (_bound(audit), canaries),
        (_repeated(audit), canaries),
    ]
    return [_doubted(sentence, doubt) for sentence, doubt in found if sentence is not None]


def _doubted(sentence: Sentence, doubt: str | None) -> Sentence:
    if doubt is None:
        return sentence
    text = f"{sentence.text} But {doubt}: good news here would say nothing of this model."
    return Sentence(sentence.about, text, "bad" if sentence.tone == "bad" else "plain")


def _claim(statement: PrivacyStatement | None) -> Sentence:
    about = "The promise"
    if statement is None:
        return Sentence(
            about,
            "No privacy statement came with this model. How it was trained is not known here.",
        )
    epsilon = headline.claimed_epsilon(statement)
    if epsilon is None:
        why = {
            "test": "the noise of this run was made to be repeatable, for testing only",
            "none": "the model was trained without noise",
        }.get(statement.noise, "its noise is too weak for a guarantee")
        return Sentence(about, f"No guarantee is claimed: {why}.")
    allowed = float(dp_tpr_ceiling(headline.OUTSIDERS, epsilon, statement.delta))
    share = "nearly all" if allowed > 0.99 else f"up to {words.percent(allowed)} of"
    return Sentence(
        about,
        f"With or without any one {statement.unit}’s notes in training, no outcome is more than "
        f"{words.times(_exp(epsilon))} as likely (ε = {words.number(epsilon)}), but for a "
        f"{words.one_in(statement.delta)} chance (δ). By itself this would allow an all-knowing "
        f"attacker, wrongly flagging 1 in 100 outsiders, to point out {share} {statement.unit}s; "
        "what real attacks achieved stands below.",
    )


def _exp(value: float) -> float:
    return math.exp(value) if value < 700 else math.inf


def _canaries(audit: Audit) -> Sentence | None:
    result = headline.canary_membership(audit)
    if result is None:
        return None
    text, tone = _identified(result, "planted test patients")
    return Sentence("Planted test patients", text, tone)


def _people(audit: Audit) -> Sentence | None:
    result = headline.people_membership(audit)
    if result is None:
        return None
    about = f"Real {result.population}"
    text, tone = _identified(result, f"{result.population} used in training")
    if audit.voided and audit.blind_auc is not None:
        text += (
            " But their words alone, without the model, already tell the two groups apart "
            f"(AUC {words.interval(audit.blind_auc)}), so this comparison says nothing about it."
        )
        tone = "plain"
    return Sentence(about, text, tone)


def _identified(result: Membership, who: str) -> tuple[str, str]:
    """The sentence, and ``bad`` where the attack is better than guessing beyond chance."""
    at = headline.at_fpr(result)
    if at is not None:
        text = (
            f"An attacker who wrongly flags at most 1 in 100 outsiders identifies "
            f"{words.percent_interval(at.tpr)} of the {words.count(result.members)} {who}; "
            f"blind guessing identifies 1%."
        )
        return text, "bad" if at.tpr.low > at.fpr else "plain"
    text = (
        f"Shown one of the {words.count(result.members)} {who} and one outsider, an attacker "
        f"picks the right one {words.percent_interval(result.auc)} of the time; blind guessing "
        f"is right 50% of the time. The {words.count(result.non_members)} outsiders are too few "
        f"to allow only 1 in 100 of them to be wrongly flagged."
    )
    return text, "bad" if result.auc.low > 0.5 else "plain"


def _extraction(audit: Audit) -> Sentence | None:
    result = headline.canary_extraction(audit)
    if result is None:
        return None
    wrote = "the model wrote out"
    if result.method == "sampled":
        wrote = "enough samples of the model would hold"
    text = (
        f"Given what came before them, {wrote} {words.count(result.extracted)} of "
        f"{words.count(result.tried)} planted secrets word for word"
    )
    if result.base_extracted is not None:
        count = words.count(result.base_extracted)
        text += f"; the base model, which never saw them, {count}"
    if result.withheld_tried is not None and result.withheld_extracted is not None:
        text += (
            f". Of the {words.count(result.withheld_tried)} withheld secrets it wrote out "
            f"{words.count(result.withheld_extracted)}"
        )
    text += "."
    sampled = headline.sampled_extraction(audit)
    if sampled is not None and sampled is not result:
        text += (
            " Drawn many times over, with chance deciding each word, it would give away "
            f"{words.count(sampled.extracted)}{_against_base(sampled)}."
        )
    leaks = _above_base(result) or (sampled is not None and _above_base(sampled))
    return Sentence("Secrets", text, "bad" if leaks else "good")


def _above_base(found: Extraction) -> bool:
    return found.extracted > (found.base_extracted or 0)


def _against_base(found: Extraction) -> str:
    if found.base_extracted is None:
        return ""
    return f", the base model {words.count(found.base_extracted)}"


def _passages(audit: Audit) -> Sentence | None:
    result = headline.generated_extraction(audit)
    if result is None:
        return None
    manner = "word for word" if result.match == "verbatim" else "word for word or nearly so"
    text = (
        f"Of {words.count(result.tried)} texts that the model wrote, "
        f"{words.count(result.extracted)} hold a long passage of someone’s training note, {manner}"
    )
    if result.base_extracted is not None:
        text += f"; of as many by the base model, {words.count(result.base_extracted)}"
    text += "."
    if result.boilerplate:
        text += (
            f" In {words.count(result.boilerplate)} more the passages are nobody’s own: several "
            "patients share them, or the base model writes them, too."
        )
    return Sentence("Copied passages", text, "bad" if _above_base(result) else "good")


def _identifiers(audit: Audit) -> Sentence | None:
    """Identifiers that the scrubber missed, and those that generated texts hold."""
    about = "Identifiers"
    known = [leak for leak in audit.phi if leak.in_corpus is not None]
    scrubbed = [leak for leak in known if leak.missed_by_scrubber is not None]
    emitted = [leak for leak in audit.phi if leak.emitted_by_model is not None]
    said: list[str] = []
    if scrubbed:
        present = _total(leak.in_corpus for leak in scrubbed)
        missed = _total(leak.missed_by_scrubber for leak in scrubbed)
        share = f" ({words.percent(missed / present)})" if present else ""
        said.append(
            f"Of {words.count(present)} {_identifiers_of(scrubbed)} in the notes the scrubber "
            f"missed {words.count(missed)}{share}."
        )
    if not emitted:
        return Sentence(about, said[0]) if said else None
    above = [leak for leak in emitted if (leak.emitted_by_model or 0) > (leak.emitted_by_base or 0)]
    said.append(_emitted(emitted, above, known=emitted == scrubbed))
    return Sentence(about, " ".join(said), "bad" if above else "good")


def _emitted(emitted: list[PhiLeak], above: list[PhiLeak], *, known: bool) -> str:
    """``known``: the sentence before was about the same identifiers."""
    present = _total(leak.in_corpus for leak in emitted)
    ours = _total(leak.emitted_by_model for leak in emitted)
    which = "of them"
    if not known:
        counted = all(leak.in_corpus is not None for leak in emitted)
        which = f"of {words.count(present)} " if counted else ""
        which += f"{_identifiers_of(emitted)} of the notes"
    text = f"Texts that the model wrote hold {words.count(ours)} {which}"
    if all(leak.emitted_by_base is None for leak in emitted):
        return f"{text}; no texts of the base model were at hand to compare."
    theirs = _total(leak.emitted_by_base for leak in emitted)
    text += f"; texts of the base model, which never saw the notes, hold {words.count(theirs)}."
    if above:
        shown = [
            f"{leak.category} ({words.count(leak.emitted_by_model)} against "
            f"{words.count(leak.emitted_by_base)})"
            for leak in above[:_CATEGORIES]
        ]
        more = len(above) - len(shown)
        text += f" Above the base: {', '.join(shown)}{f' and {more} more' if more else ''}."
    return text


def _total(counts: Iterable[int | None]) -> int:
    return sum(count for count in counts if count is not None)


def _identifiers_of(leaks: list[PhiLeak]) -> str:
    different = all(leak.counted == "values" for leak in leaks)
    return "different identifiers" if different else "identifiers"


def _bound(audit: Audit) -> Sentence | None:
    bound = headline.headline_bound(audit)
    return None if bound is None else _proved(audit, bound, "The promise tested")


def _repeated(audit: Audit) -> Sentence | None:
    bound = headline.repeated_bound(audit)
    if bound is None or bound is headline.headline_bound(audit):
        return None
    return _proved(audit, bound, "Tested by repetition")


def _proved(audit: Audit, bound: Bound, about: str) -> Sentence:
    confidence = words.percent(bound.confidence)
    what = "the attack proves"
    if headline.over_repeated_runs(bound):
        what = (
            f"{words.count(bound.canaries)} trainings by the same settings, each judged by one "
            "test patient who was planted or withheld, prove"
        )
    if bound.epsilon_lower > 0:
        text = (
            f"With {confidence} confidence {what} a leak of at least "
            f"ε = {words.number(bound.epsilon_lower)}"
        )
    else:
        text = f"At {confidence} confidence {what} no leak (ε ≥ 0)"
    text += f"; perfect guesses would have proved ε ≥ {words.number(bound.ceiling)}. "
    judged, tone = _against_claim(audit, bound)
    return Sentence(about, text + judged, tone)


def _against_claim(audit: Audit, bound: Bound) -> tuple[str, str]:
    claimed = headline.claimed_epsilon(audit.privacy)
    if claimed is None:
        return "There is no claim to compare this with.", "plain"
    claim = words.number(claimed)
    if bound.epsilon_lower > claimed:
        return (
            f"That is more than the claimed ε = {claim}: the training or its accounting is "
            "broken. Do not release this model."
        ), "bad"
    if bound.ceiling <= claimed:
        return (
            f"This agrees with the claimed ε = {claim}, but the test was too small to "
            "contradict it."
        ), "plain"
    return f"This agrees with the claimed ε = {claim}.", "good"
