"""The classic Chinese mask: 张*, 138****5678, and of identity and card numbers 前六后四.

It leaves in place what it leaves in place: a surname, a region and a year of birth. It is there for
those whose rules prescribe it and is weaker than every other method.
"""

from __future__ import annotations

import re

from llmsafe.scrub.replace.zh.names import HAN, compact, split_name

# Category -> how many letters and digits stay at the beginning and at the end.
_KEPT = {
    "PHONE": (3, 4),
    "FAX": (3, 4),
    "RESIDENT_ID": (6, 4),
    "ACCOUNT": (6, 4),
    "SSN": (0, 4),
    "HEALTH_PLAN": (2, 2),
    "MRN": (2, 2),
}


def classic_mask(category: str, text: str) -> str:
    """``text`` with all but what the classic mask shows as stars; ``****`` for what it has no form
    for. Masking again changes nothing."""
    if category == "NAME" and HAN.search(text):
        name = compact(text)
        family, _ = split_name(re.sub(r"[某×xX*＊○]", "", name) or name)
        if len(name) == 1:
            return "*"
        shown = family or name[:1]
        return shown + "*" * max(1, len(name) - len(shown))
    if category in _KEPT:
        head, tail = _KEPT[category]
        places = [i for i, c in enumerate(text) if c.isalnum() or c == "*"]
        if len(places) >= head + tail + 3:
            hidden = set(places[head : len(places) - tail])
            return "".join("*" if i in hidden else c for i, c in enumerate(text))
    return "****"
