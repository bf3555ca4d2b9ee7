"""Count the scrubber's word lists from public medical prose.

    python scripts/make_scrub_words.py PROSE.jsonl.gz [PROSE.jsonl.gz …]

The lists in llmsafe/assets/lexicons came from 106 M characters of CC BY prose: MedQuAD, the
OpenStax health textbooks and PubMed Central trial reports (the base model's card cites them). A
list of word counts holds no sentence of its source. Rewrites scrub_words.txt and
scrub_capitals.txt, and adds what it counts to scrub_eponyms.txt, which also holds signs, scores and
instruments written down by hand. The comment lines at the head of each file are kept.
"""

from __future__ import annotations

import argparse
import gzip
import json
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from llmsafe.scrub.detect.lexicon import count_words

LEXICONS = Path(__file__).resolve().parents[1] / "llmsafe" / "assets" / "lexicons"
CAPITAL = re.compile(r"(?<=[a-z,] )([A-Z][a-z]{2,})\b")
HEADS = (
    "disease|syndrome|sign|reflex|score|scale|test|criteria|classification|index|catheter|"
    "phenomenon|lymphoma|sarcoma|tumor|anemia|palsy|procedure|maneuver|position|fracture|method|"
    "stain|reaction|cells?|tube|muscle|duct|gland|canal|nodes?|ulcer|questionnaire|inventory"
)
EPONYM = re.compile(rf"\b([A-Z][a-z]{{2,}})(?:'s|s')? (?:{HEADS})\b")
LETTERS = {
    *("dear", "sincerely", "regards", "hello", "hi", "thanks", "thank", "attn", "signed"),
    *("cosigned", "dictated", "transcribed", "attending", "resident", "fellow", "intern"),
    *("nurse", "physician", "surgeon", "author", "provider", "yours", "cordially"),
}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "prose", nargs="+", type=Path, help="jsonl.gz: text, or question and answer"
    )
    files = parser.parse_args().prose
    names = set(read("scrub_first.txt")) | set(read("scrub_last.txt"))
    often = set(count_words(texts(files), floor=200))
    words = {w for w in count_words(texts(files)) if w not in names or w in often} | LETTERS
    capital: Counter[str] = Counter()
    eponym: Counter[str] = Counter()
    for text in texts(files):
        capital.update(w.lower() for w in CAPITAL.findall(text))
        eponym.update(w.lower() for w in EPONYM.findall(text))
    eponyms = {w for w, n in eponym.items() if n >= 5 and w not in words}
    eponyms |= set(read("scrub_eponyms.txt"))
    known = names | words | eponyms
    write("scrub_words.txt", words)
    write("scrub_eponyms.txt", eponyms)
    write("scrub_capitals.txt", {w for w, n in capital.items() if n >= 25 and w not in known})


def texts(files: list[Path]) -> Iterator[str]:
    for path in files:
        with gzip.open(path, "rt", encoding="utf-8") as lines:
            for line in lines:
                row = json.loads(line)
                yield row.get("text") or f"{row.get('question', '')} {row.get('answer', '')}"


def read(name: str) -> list[str]:
    lines = (LEXICONS / name).read_text(encoding="utf-8").splitlines()
    return [word for line in lines if not line.startswith("#") for word in line.split()]


def write(name: str, words: set[str]) -> None:
    path = LEXICONS / name
    lines = path.read_text(encoding="utf-8").splitlines()
    body, line = [line for line in lines if line.startswith("#")], ""
    for word in sorted(words):
        if len(line) + len(word) > 97:
            body.append(line)
            line = ""
        line = f"{line} {word}".strip()
    path.write_text("\n".join([*body, line]) + "\n", encoding="utf-8")
    print(f"{path.name}: {len(words):,} words")


if __name__ == "__main__":
    main()
