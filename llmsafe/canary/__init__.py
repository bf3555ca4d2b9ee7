"""Canaries: invented patients, each with one short note that ends in a secret.

Every canary is generated first and only then meets its own fair coin, from an independent stream:
planted and withheld ones come from one distribution, and a withheld secret is an exact reference
for a planted one (Carlini et al., arXiv:1802.08232). Coins are independent and not halves of a
shuffled list, which is what the one-run bound assumes (Steinke et al., arXiv:2305.08846, Theorem
5.2). Each canary is planted once: planted k times it would answer for k-fold group privacy.

Texts are made from public lists (here) or a public base model (:mod:`llmsafe.fitted_canaries`),
never from the corpus they hide in.

The seed decides canaries and coins, so whoever knows it knows the secrets: it is kept with them in
the vault. A language is one data file, ``assets/lexicons/canary_<lang>.json``.
"""

from __future__ import annotations

from llmsafe.canary.draw import (
    check_probability,
    flip_coins,
    load_manifest,
    make_canaries,
    make_manifest,
)
from llmsafe.canary.planting import Survey, plant, planting_stream, survey
from llmsafe.canary.secret import check_character, fill_template, template_bits, template_size
from llmsafe.canary.texts import (
    DEFAULT_KIND,
    FITTED_KINDS,
    KINDS,
    PHI_SORTS,
    CanaryKind,
    CanaryText,
    Distinct,
    kinds_in,
    make_texts,
    random_words,
    stream,
)

__all__ = [
    "DEFAULT_KIND",
    "FITTED_KINDS",
    "KINDS",
    "PHI_SORTS",
    "CanaryKind",
    "CanaryText",
    "Distinct",
    "Survey",
    "check_character",
    "check_probability",
    "fill_template",
    "flip_coins",
    "kinds_in",
    "load_manifest",
    "make_canaries",
    "make_manifest",
    "make_texts",
    "plant",
    "planting_stream",
    "random_words",
    "stream",
    "survey",
    "template_bits",
    "template_size",
]
