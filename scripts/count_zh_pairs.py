"""Count which Chinese characters stand beside each other in ordinary language, for `pairs_*.txt`.

    python scripts/count_zh_pairs.py PROSE [--out llmsafe/assets/lexicons/scrub_zh]

PROSE is a folder of plain text, a passage a line; scripts/phi_ner/README.md says of what. Passages
that may name somebody are left out, and so is all PHI of the templates and of the synthetic notes,
which add what hospitals write. Two characters that hardly ever meet (唐妤, 侯岗) are likely a name;
two that often do (手术, 回来) are likely none, whatever their characters.
"""

from __future__ import annotations

import argparse
import random
import re
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "scripts"))

from phi_ner import CHINESE, read_templates  # noqa: E402
from phi_ner.zh.prose import pairs, read_prose  # noqa: E402

from llmsafe.scrub.detect.zh.lexicon import simplified  # noqa: E402
from llmsafe.synthetic import patients  # noqa: E402

OUT = ROOT / "llmsafe" / "assets" / "lexicons" / "scrub_zh"
EACH = 10_000_000  # characters that each source counts as
MOST = 10.0  # times that a character of a small source counts
LEAST = {"frequent": 200, "seen": 20}
HEAD = "# Characters that stand beside each other in ordinary language; scripts/count_zh_pairs.py\n"


def template_texts() -> Iterator[str]:
    """The templates without what is filled in."""
    for template in read_templates(CHINESE.templates, CHINESE):
        yield re.sub(r"\{[^}]*\}|\[\[.*?\]\]", "|", template.text)


def note_lines(count: int) -> set[str]:
    """The different lines of synthetic notes without their PHI."""
    rng, lines = random.Random(0), set[str]()
    people = [
        patients(seed, count, lang="zh", audience=audience)
        for seed, audience in enumerate(("public", "private", "test"))
    ]
    for person in (one for stream in people for one in stream):
        for note in rng.sample(person.notes, min(3, len(person.notes))):
            text = note.text
            for span in reversed(note.extra["spans"]):
                text = f"{text[: span['start']]}|{text[span['end'] :]}"
            lines.update(re.split(r"[\n。；，,|]", text))
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("prose", type=Path)
    parser.add_argument("--out", type=Path, default=OUT)
    args = parser.parse_args()
    counts = Counter[str]()
    for texts in (*read_prose(args.prose), list(template_texts()), list(note_lines(700))):
        scale = min(MOST, EACH / max(1, sum(map(len, texts))))
        for pair, count in pairs(map(simplified, texts)).items():
            counts[pair] += round(scale * count)
    ordered = sorted(counts, key=lambda pair: (-counts[pair], pair))
    most = max(counts.values()) + 1
    for kind, least in LEAST.items():
        found = [pair for pair in ordered if least <= counts[pair] < most]
        lines = (" ".join(found[i : i + 30]) for i in range(0, len(found), 30))
        path = args.out / f"pairs_{kind}.txt"
        path.write_text(HEAD + "\n".join(lines) + "\n", encoding="utf-8")
        print(f"{len(found):,} pairs in {path}")
        most = least


if __name__ == "__main__":
    main()
