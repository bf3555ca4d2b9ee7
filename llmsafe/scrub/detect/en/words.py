"""Words that the tagger takes for somebody or a place, and that are known as something else.

It has seen few words of everyday life, products and eponyms. What lists say of a word counts
more than it does, unless it is sure or a word for a person stands before.
"""

from __future__ import annotations

import re

from llmsafe.notes import PhiSpan
from llmsafe.scrub.detect.en.names import CLINICAL_NEXT
from llmsafe.scrub.detect.en.vocabulary import is_brand, is_name, is_other, is_thing, is_word
from llmsafe.scrub.detect.lexicon import english
from llmsafe.scrub.detect.outline import outline

_WORD = re.compile(r"[^\W\d_]+(?:['’-][^\W\d_]+)*")

_PERSON = re.compile(
    r"(?i)\b(?:(?:drs?|mrs?|ms|prof|pt)\.\s{1,2}\Z|(?:drs?|mrs?|ms|miss|prof|doctor|nurse|resident|fellow|intern|attending|surgeon|physician"
    r"|pcp|np|rn|pa|tech|therapist|pharmacist|consultant|patient|pt|name|wife|husband|son|daughter"
    r"|mother|father|mom|dad|brother|sister|friend|partner|neighbou?r|aunt|uncle|told"
    r"|called|saw|seen|named|spoke (?:to|with)|cc|[A-Z]\."
    r"|(?:seen|read|signed|dictated|examined|evaluated|performed|entered|reviewed|called|assisted|placed"
    r"|done|taken|given|written|referred) by)[:,]?\s{1,2}\Z)"
)

DOUBT = 0.9


def is_product_name(text: str, span: PhiSpan) -> bool:
    """Whether it is a product by its spelling, or because somebody is allergic to it."""
    if _PRODUCT.fullmatch(text, span.start, span.end) and span.score < DOUBT:
        return True
    return _ALLERGIC.search(text[max(0, span.start - 60) : span.start]) is not None


def all_plain(found: str) -> bool:
    lexicon = english()
    return all(word in lexicon.words for word in re.findall(r"[^\W\d_]+", found.lower()))


def _is_ordinary(text: str, span: PhiSpan) -> bool:
    """Whether a lone word is of ordinary language and nobody's name, and nothing beside it says
    otherwise: "Outgoing", "Nosebleed", the band of Mach."""
    found = text[span.start : span.end]
    word = found.lower()
    if span.score < SURE and found.islower() and " " in found:
        return all(part in english().words and not _is_listed_name(part) for part in word.split())
    if (
        span.score >= SURE
        or " " in found
        or text[max(0, span.start - 2) : span.start] == "& "
        or after_person(text, span)
    ):
        return False
    if _is_listed_name(word):
        return False
    return word in english().words or CLINICAL_NEXT.match(text, span.end) is not None


def _is_listed_name(word: str) -> bool:
    lexicon = english()
    return word in lexicon.first or word in lexicon.last or word in lexicon.everyday


def after_person(text: str, span: PhiSpan) -> bool:
    """Whether a word for a person stands before it: Dr., his wife, seen by."""
    return _PERSON.search(text[max(0, span.start - 25) : span.start]) is not None


_EMPLOYED = re.compile(
    r"(?i)\b(?:at|for|from|in|near|of|to|by|with|work\w*|employ\w*|job|retired|engineer|manager|driver|rep"
    r"|boss|hr|clerk|shift|plant|factory|office|warehouse)\b[:,]?\s(?:the\s)?\Z"
)


def is_workplace(text: str, span: PhiSpan) -> bool:
    """Whether a word before it says that somebody is there or works there."""
    return _EMPLOYED.search(text[max(0, span.start - 24) : span.start]) is not None


def parts_of(found: str) -> list[str]:
    """The words of a finding in lower case and halves of double ones, without single letters."""
    words = (word.lower() for word in _WORD.findall(found))
    parts = [part for word in words for part in re.sub(r"['’]s?$", "", word).split("-")]
    return [part for part in parts if len(part) > 1]


def _is_known(text: str, span: PhiSpan) -> bool:
    """Whether every word is known as a people, a product or an eponym, or, where the tagger is less
    sure, as any other word; and none as a name: "speaks Tongan", "out of Sarna"."""
    if not text[span.start].isupper():
        return False
    start, end = span.start, span.end
    while start and text[start - 1].isalpha():  # the tagger reads Cera and Ve
        start -= 1
    while end < len(text) and text[end].isalpha():
        end += 1
    parts = parts_of(text[start:end])
    if not parts or is_name(parts[0]):
        return False
    if all(map(is_brand, parts)):
        return True  # wife Jewish
    if after_person(text, span):
        return False
    if is_brand(parts[0]) or (any(map(is_thing, parts)) and all(map(is_other, parts))):
        return True  # Ventana Ultra
    return span.score < SURE and all(map(is_other, parts))


def is_small(text: str, span: PhiSpan) -> bool:
    """Whether it is ordinary words without a capital, in a note that has capitals elsewhere: "grit
    and grace"."""
    found = text[span.start : span.end]
    if not found.islower() or any(map(str.isdigit, found)):
        return False
    parts = parts_of(found)
    if not parts or outline(text).quiet or after_person(text, span):
        return False
    words = sum(is_word(part) or part in english().everyday for part in parts)
    return words == len(parts) or (len(parts) > 2 and 3 * words >= 2 * len(parts))


def _is_initialism(text: str, span: PhiSpan) -> bool:
    """Whether it is four capitals or more, in a line that has small letters, and no listed name: a
    gene, a program, an insurer."""
    found = text[span.start : span.end]
    if span.score >= SURE or not (found.isalpha() and found.isupper() and len(found) > 3):
        return False
    start = text.rfind("\n", 0, span.start) + 1
    end = text.find("\n", span.end)
    line = text[start : end if end >= 0 else len(text)]
    small = sum(map(str.islower, line))
    return 3 * small > len(line) and not is_name(found.lower()) and not after_person(text, span)


_LISTED_BEFORE = re.compile(r"([A-Z][a-z]+(?:-[A-Z][a-z]+)?)(?: [LR])?(?: \([A-Z0-9]{2,6}\))?, \Z")
_LISTED_AFTER = re.compile(
    r"(?: \([A-Z0-9]{2,6}\))?, (?:no |and |or )?([A-Z][a-z]+(?:-[A-Z][a-z]+)?)\b"
)
_LIST_ITEM = re.compile(r"[A-Z][a-z]+(?:-[A-Z][a-z]+)?(?: [LR])?")


def _is_listed(text: str, span: PhiSpan) -> bool:
    """Whether it stands in a list with what is known to be nobody: "Charnley, Hohmann, Cobb"."""
    if "," not in text[max(0, span.start - 12) : span.end + 12]:
        return False
    found = text[span.start : span.end]
    items = found.split(", ")
    if not all(map(_LIST_ITEM.fullmatch, items)) or after_person(text, span):
        return False
    before = _LISTED_BEFORE.search(text[max(0, span.start - 40) : span.start])
    after = _LISTED_AFTER.match(text, span.end)
    beside = [match[1] for match in (before, after) if match]
    things = [parts_of(item) for item in (*items, *beside)]
    return len(things) > 1 and any(parts and all(map(is_thing, parts)) for parts in things)


_GREAT = frozenset(("ninety", "hundred"))
_LETTERS = re.compile(r"(?<![\w'’-])[A-Za-z](?:-[A-Za-z]){2,30}(?![\w'’-])")


def is_spelled_word(text: str, span: PhiSpan) -> bool:
    """Whether it is part of an ordinary word that is spelled letter by letter: S-U-L-F-A."""
    if "-" not in text[max(0, span.start - 1) : span.end + 1]:
        return False
    low = max(0, span.start - 60)
    for match in _LETTERS.finditer(text, low, min(len(text), span.end + 60)):
        if match.start() <= span.start and span.end <= match.end():
            word = match[0].replace("-", "").lower()
            said = span.category == "NAME" or match[0].islower()
            return said and word not in _GREAT and is_other(word)
    return False


SURE = 0.97
_ALLERGIC = re.compile(
    r"(?i)\b(?:allergic|intolerant|allerg(?:y|ies)(?: to|:)|reaction) (?:to )?"
    r"(?:[\w-]{3,20}(?:,| and) ){0,3}\Z"
)
_PRODUCT = re.compile(r"[A-Z][a-z]{3,}[A-Z][a-z]{2,}")  # MamaRoo, but MacLeod and DeShawn


# --- everyday words in notes without capitals ---------------------------------------------------

# What is told or done at the head of a clause: "mark the site", "will bill for time".
_TOLD = re.compile(
    r"(?:\A|[\n.;:,•>-]\s*|\b(?:will|may|can|to|please|pls|must|should|and|then|we|i|ok)\s)\Z"
)
_VERB = re.compile(
    r"(?:grant|mark|bill|chase|skip|price|lance|pat|drew|draw|page|rush|jack|rob|hope|wade|cook|bond)\b"
    r"\s(?:the|an?|all|any|this|that|out|up|off|dry|site|skin|labs?|blood|cultures?|request|pass)\b"
    r"|hope\s(?:to|for|that|he|she|pt)\b"
)
# Pairs of words of which the first or the last is somebody's name elsewhere.
_COMPOUND = re.compile(
    r"\b(?:rose (?:hips?|water|bengal|up|from (?:bed|chair|sitting|supine|toilet|lying|floor|seat))"
    r"|dawn phenomenon|grace period|grant (?:request|access|permission|leave|pass(?:es)?)|faith healing"  # noqa: E501
    r"|ginger (?:tea|ale|root|biscuits?)|(?:poison|english) ivy|crystals? (?:meth\w*|in|arthro\w+|seen)"  # noqa: E501
    r"|(?:christian|muslim|jewish|catholic) faith|prince albert|earl grey(?: tea)?|long call|short call"  # noqa: E501
    r"|noble (?:cause|gas)|daisy chain|pearl (?:necklace|earrings?|index)|ruby red|april showers"
    r"|june bugs?|(?:autumn|summer|winter|spring) (?:allerg\w+|months|cold)|lily pollen|olive oil"
    r"|frank (?:blood|pus|discussion|breech|h[a]?ematuria)|hunter(?:'s)? (?:accident|syndrome)"
    r"|(?:heather|grass|birch|ragweed) (?:allergy|pollen)|cane (?:ordered|at|for|in|use\w*)"
    r"|(?:basil|sage|rosemary|olive|ginger)(?: and (?:basil|sage|rosemary|olive|ginger))*"
    r"(?= (?:oil|tea|ok|allerg\w+|in diet|extract|supplements?)))\b"
)


def is_usage(text: str, span: PhiSpan) -> bool:
    """Whether it is an everyday word in its everyday sense: an order, or a pair of words."""
    before = text[max(0, span.start - 40) : span.start]
    verb = _VERB.match(text, span.start)
    if verb and span.end <= verb.end() and _TOLD.search(before):
        return True
    compounds = _COMPOUND.finditer(text, max(0, span.start - 20), span.end + 30)
    return any(pair.start() <= span.start and span.end <= pair.end() for pair in compounds)


_TESTS = (_is_ordinary, _is_known, is_small, _is_initialism, _is_listed, is_spelled_word)


def is_word_of_list(text: str, span: PhiSpan) -> bool:
    """Whether a name is known as what is nobody, and nothing says that somebody is meant."""
    return any(test(text, span) for test in _TESTS)
