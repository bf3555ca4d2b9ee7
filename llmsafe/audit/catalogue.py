"""What an audit can measure, by name: for ``llmsafe ls attacks`` and the report.

Imports nothing heavy.
"""

from __future__ import annotations

from typing import NamedTuple


class Entry(NamedTuple):
    """One attack or bound: its name in ``audit.json`` or on the command line, what it does, and
    the option that asks for it (none: two forward passes give it to everyone).

    ``plain`` says what a membership attack looks at, for readers of the report who do not know it.
    """

    name: str
    about: str
    option: str = ""
    plain: str = ""


CATALOGUE: tuple[Entry, ...] = (
    Entry(
        "base_difference",
        "membership: gain in log-probability over the base; the primary one",
        plain="how much likelier the text has become since the base model",
    ),
    Entry(
        "ez",
        "membership: gains over losses where greedy decoding errs",
        plain="gains over the base where the model’s own guess is still wrong",
    ),
    Entry(
        "wbc",
        "membership: windows of tokens in which the target beats the base",
        plain="in how many stretches of the text the model beats its base",
    ),
    Entry(
        "loss",
        "membership: log-probability",
        plain="how likely the model finds the text",
    ),
    Entry(
        "zlib",
        "membership: log-likelihood per compressed byte",
        plain="how likely the model finds the text, for how well it can be compressed",
    ),
    Entry(
        "min_k",
        "membership: the least likely fifth of the tokens",
        plain="how likely the model finds the words that surprise it most",
    ),
    Entry(
        "min_k_pp",
        "membership: the same, standardised over the vocabulary",
        plain="how likely it finds these words, against all that it could have expected there",
    ),
    Entry("one-run", "bound on ε from the canaries' coins, and one for Gaussian mechanisms"),
    Entry("twins", "exposure of canary secrets among withheld ones"),
    Entry("greedy", "extraction: secrets and passages that greedy decoding completes"),
    Entry("sampled", "extraction: the same by a sampler, within n draws"),
    Entry(
        "lowercase",
        "membership: loss in lower case over loss",
        "--also lowercase",
        plain="how much stranger the text becomes without its capitals",
    ),
    Entry(
        "recall",
        "membership: loss after a prefix of non-members over loss",
        "--also recall",
        plain="how far outsiders’ notes put before the text change its likelihood",
    ),
    Entry(
        "neighbourhood",
        "membership: loss against texts next to it",
        "--also neighbourhood",
        plain="how much better the model knows the text than small variations of it",
    ),
    Entry("exposure", "secrets among random ones, and among all by search", "--also exposure"),
    Entry("candidates", "secrets told from a list, by the text around", "--also candidates"),
    Entry(
        "lira_offline",
        "membership: against shadows that did not see the note",
        "--shadow RUN",
        plain="the text’s likelihood against that under models trained without it",
    ),
    Entry(
        "lira_online",
        "membership: against shadows that did and that did not",
        "--shadow RUN",
        plain="the text’s likelihood against that under models trained with and without it",
    ),
    Entry(
        "rmia",
        "membership: against other notes, by shadows",
        "--shadow RUN",
        plain="the text against other texts, under this model and models trained on other notes",
    ),
    Entry("generated", "training notes and personal data in free texts", "--generate N"),
    Entry("phi", "personal data by category: there, missed, emitted", "--gold NOTES"),
    Entry("repeated runs", "bound on ε, one canary judged in each run", "--repeat RUN"),
)
