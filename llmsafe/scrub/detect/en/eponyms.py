"""Names that stand for a disease, a sign, an operation, a stain; single ones are in the lexicon."""

from __future__ import annotations

import re

# Diseases that go by the name of who described them. Names that are more often a patient's (Bell,
# Wilson) are left out.
DISEASES = frozenset(
    ("addison", "alzheimer", "asperger", "barrett", "behcet", "chagas", "crohn", "cushing",
     "dupuytren", "graves", "hashimoto", "hirschsprung", "hodgkin", "huntington", "kawasaki",
     "meniere", "paget", "parkinson", "peyronie", "raynaud", "sjogren", "tourette")
)  # fmt: skip
# Two names that are written together, with a space or a hyphen.
PAIRS = frozenset(
    """argyll robertson|austin flint|bair hugger|beck depression|bence jones|brown sequard
    |budd chiari|charcot marie|child pugh|glasgow coma|graham steell|grey turner
    |guillain barre|henoch schonlein|hester davis|hill rom|holmes adie
    |ivor lewis|jackson pratt|kirby bauer|lawson tait|lou gehrig
    |lund mackay|mallory weiss|marcus gunn|martin gruber|miller fisher|osgood schlatter|osler weber
    |paul bunnell|peutz jeghers|ramsay hunt|rose bengal|simpson angus|spencer wells|stevens johnson
    |swan ganz|tamm horsfall|terry thomas|uncle sam|virchow robin|von recklinghausen|von willebrand
    |wolff parkinson|ziehl neelsen
    """.replace("\n    ", "").split("|")
)
_TITLE = re.compile(r"(?i)\b(?:drs?|mrs?|ms|miss|prof|name|patient|pt)\b[.:]?\s{1,2}\Z")
_SOMEBODY = re.compile(
    r",? \(?(?:age )?\d{1,3}\b|,? (?:MRN|DOB|MD|RN)\b"
    r"| (?:is|was|has|had|says|said|denies|complains|reports|came|presents)\b"
)


def is_pair(words: str, text: str, start: int, end: int) -> bool:
    """Whether the lower-case words at ``[start, end)`` are such a pair, and nothing beside them
    says that somebody is called so."""
    if words.replace("-", " ") not in PAIRS:
        return False
    title = _TITLE.search(text, max(0, start - 12), start)
    return not (title or _SOMEBODY.match(text, end))
