"""What an audit can measure, by name: for ``llmsafe ls attacks``. Imports nothing heavy."""

from __future__ import annotations

from typing import NamedTuple


class Entry(NamedTuple):
    """One attack or bound: its name in ``audit.json`` or on the command line, what it does, and
    the option that asks for it (none: two forward passes give it to everyone)."""

    name: str
    about: str
    option: str = ""


CATALOGUE: tuple[Entry, ...] = (
    Entry("base_difference", "membership: gain in log-probability over the base; the primary one"),
    Entry("ez", "membership: gains over losses where greedy decoding errs"),
    Entry("wbc", "membership: windows of tokens in which the target beats the base"),
    Entry("loss", "membership: log-probability"),
    Entry("zlib", "membership: log-likelihood per compressed byte"),
    Entry("min_k", "membership: the least likely fifth of the tokens"),
    Entry("min_k_pp", "membership: the same, standardised over the vocabulary"),
    Entry("one-run", "bound on ε from the canaries' coins, and one for Gaussian mechanisms"),
    Entry("twins", "exposure of canary secrets among withheld ones"),
    Entry("greedy", "extraction: secrets and passages that greedy decoding completes"),
    Entry("sampled", "extraction: the same by a sampler, within n draws"),
    Entry("lowercase", "membership: loss in lower case over loss", "--also lowercase"),
    Entry("recall", "membership: loss after a prefix of non-members over loss", "--also recall"),
    Entry("neighbourhood", "membership: loss against texts next to it", "--also neighbourhood"),
    Entry("exposure", "secrets among random ones, and among all by search", "--also exposure"),
    Entry("candidates", "secrets told from a list, by the text around", "--also candidates"),
    Entry("lira_offline", "membership: against shadows that did not see the note", "--shadow RUN"),
    Entry("lira_online", "membership: against shadows that did and that did not", "--shadow RUN"),
    Entry("rmia", "membership: against other notes, by shadows", "--shadow RUN"),
    Entry("generated", "training notes and personal data in free texts", "--generate N"),
    Entry("phi", "personal data by category: there, missed, emitted", "--gold NOTES"),
    Entry("repeated runs", "bound on ε, one canary judged in each run", "--repeat RUN"),
)
