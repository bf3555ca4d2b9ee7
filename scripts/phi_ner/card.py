"""The card of a trained tagger, with figures measured on the weights as they are shipped."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from llmsafe.scrub.detect.tagger import load_tagger

from .core import Language
from .judge import foreign, rates, tags_of
from .mixture import AUDIENCES
from .templates import read_templates

MORE = {
    "en": "; notes of `llmsafe synth`; passages\n  of public prose (MedQuAD, OpenStax, open-access "
    "trial reports; CC BY)",
    "zh": "; notes of `llmsafe synth\n  --lang zh` and `zh-Hant`"
    "; ordinary prose (laws and regulations of the PRC, Tatoeba, recipes; see\n"
    "  `scripts/phi_ner/README.md`) in which people, places and firms took the place of others",
}
OPTIONS = {"en": " --prose DATA --steps 4000", "zh": " --prose TEXTS --steps 2800 --notes 40"}
CARD = """# PHI tagger ({lang})

A token tagger of {parameters:,} parameters ({megabytes:.1f} MB in half precision): hashed features
of each token (word, affixes, character n-grams, shape, word lists), {layers} residual convolutions
of width {width}, one of {tags} categories or none. numpy runs it; see
`llmsafe/scrub/detect/tagger.py`.

- **Made by** `scripts/train_phi_ner.py --lang {lang}{options}` (seed 0) from `scripts/phi_ner/`:
  {templates:,} templates ({clean:,} of them without PHI) that the project wrote by hand, filled
  anew each time from word lists that it wrote too{more}.
- **Checkpoint** chosen on the files below and on the templates that are held out, not on notes of
  the generator.
- **Seen of the generator**: names and phrases of the audiences {seen}, with other seeds.
  What is measured on `llmsafe synth` notes of these is no figure for names and phrases unseen.
- **Not seen**: the unseen halves of the stress sets. The development halves were read while the
  last templates were written and the thresholds set: figures on them flatter.
- **Licence** Apache-2.0, weights and lists.
- **Use** as one layer of `llmsafe scrub`, beside rules and known identifiers. Alone it misses what
  the table says, and it has seen no real patient's note: measure on yours.

Tagger alone, tokens from a chance of {threshold:g} on, letters and digits counted:

| gold | recall | precision | notes without PHI touched |
| --- | ---: | ---: | ---: |
{rows}
"""


def write_card(
    out: Path, language: Language, lang: str, folder: Path, check: Sequence[Path]
) -> None:
    """The README of a trained tagger, measured on the weights as they are shipped."""
    tagger, tags = load_tagger(out), tags_of(language)
    templates = read_templates(folder, language)
    rows = []
    for path in check:
        gold = foreign(path, tags)
        chances = [1 - tagger.probabilities(tokens)[:, 0] for tokens, _ in gold.notes]
        [(recall, precision, touched, _)] = rates(gold, chances, [tagger.threshold])
        cells = (f"{100 * value:.1f} %" for value in (recall, precision, touched))
        rows.append(f"| {gold.name} | {' | '.join(cells)} |")
    weights = tagger.weights
    arrays = [weights.table, weights.project, weights.place, weights.out, weights.out_bias]
    for group in (weights.kernels, weights.biases, weights.scales, weights.shifts):
        arrays += group
    text = CARD.format(
        lang=lang,
        parameters=sum(array.size for array in arrays),
        megabytes=(out / "model.safetensors").stat().st_size / 1e6,
        layers=len(weights.dilations),
        width=weights.out.shape[0],
        tags=len(tags),
        templates=len(templates),
        clean=sum(template.clean for template in templates),
        more=MORE[lang],
        options=OPTIONS[lang],
        seen=", ".join(AUDIENCES[lang]),
        threshold=tagger.threshold,
        rows="\n".join(rows),
    )
    (out / "README.md").write_text(text, encoding="utf-8")
