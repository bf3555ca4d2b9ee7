"""Numbers as Chinese notes have them: SI units, Celsius, durations."""

from __future__ import annotations

import random
from collections.abc import Mapping

from llmsafe.synthetic.draw import chance

COUNT = "零一两三四五六七八九十"
# Laboratory code -> (factor from the unit of the tables, decimals, unit in China).
SI: Mapping[str, tuple[float, int, str]] = {
    "na": (1, 0, "mmol/L"), "k": (1, 2, "mmol/L"), "cl": (1, 0, "mmol/L"), "co2": (1, 0, "mmol/L"),
    "bun": (0.357, 1, "mmol/L"), "cr": (88.4, 0, "μmol/L"), "glu": (0.0555, 1, "mmol/L"),
    "ca": (0.2495, 2, "mmol/L"), "mg": (0.4114, 2, "mmol/L"), "phos": (0.3229, 2, "mmol/L"),
    "wbc": (1, 1, "×10^9/L"), "hgb": (10, 0, "g/L"), "hct": (1, 0, "%"), "plt": (1, 0, "×10^9/L"),
    "inr": (1, 2, ""), "ast": (1, 0, "U/L"), "alt": (1, 0, "U/L"), "alp": (1, 0, "U/L"),
    "tbili": (17.1, 1, "μmol/L"), "alb": (10, 1, "g/L"), "lipase": (1, 0, "U/L"),
    "ammonia": (1, 0, "μmol/L"), "bnp": (1, 0, "pg/ml"), "trop": (1, 2, "ng/ml"),
    "ddimer": (1, 2, "mg/L"), "crp": (1, 1, "mg/L"), "esr": (1, 0, "mm/h"),
    "lactate": (1, 1, "mmol/L"), "procal": (1, 2, "ng/ml"), "a1c": (1, 1, "%"),
    "tsh": (1, 2, "mIU/L"), "ft4": (12.87, 1, "pmol/L"), "ferritin": (1, 0, "ng/ml"),
    "iron": (0.179, 1, "μmol/L"), "b12": (0.738, 0, "pmol/L"), "vitd": (1, 0, "ng/ml"),
    "ldl": (0.02586, 2, "mmol/L"), "hdl": (0.02586, 2, "mmol/L"), "trig": (0.01129, 2, "mmol/L"),
    "urate": (59.48, 0, "μmol/L"), "psa": (1, 2, "ng/ml"), "ck": (1, 0, "U/L"),
    "ldh": (1, 0, "U/L"), "bhb": (1, 1, "mmol/L"), "ph": (1, 2, ""), "pco2": (1, 0, "mmHg"),
    "cortisol": (27.59, 0, "nmol/L"), "hcg": (1, 0, "mIU/ml"), "urprot": (10, 0, "mg/L"),
    "retic": (1, 1, "%"), "vl": (1, 0, "copies/ml"), "cd4": (1, 0, "个/μl"),
}  # fmt: skip

# (drug, amount of the tables) -> amount of the tablets that China has.
STRENGTHS: Mapping[tuple[str, float], float] = {
    ("aspirin", 81): 100, ("ferrous_sulfate", 325): 300, ("nitroglycerin", 0.4): 0.5,
    ("colchicine", 0.6): 0.5, ("sodium_bicarbonate", 650): 500,
    ("sodium_bicarbonate", 1300): 1000, ("tmp_smx", 800): 960, ("amox_clav", 875): 457,
    ("polyethylene_glycol", 17): 10,
}  # fmt: skip


def measured(code: str, value: float) -> tuple[str, str]:
    """A value of the tables in the unit that China uses, and this unit."""
    factor, decimals, unit = SI[code]
    return f"{value * factor:.{decimals}f}", unit


def strength(drug: str, value: float) -> str:
    """A dose as it is sold in China, no trailing zero."""
    value = STRENGTHS.get((drug, value), value)
    return f"{value:.0f}" if value == int(value) else f"{value:g}"


def celsius(fahrenheit: float) -> str:
    return f"{(fahrenheit - 32) / 1.8:.1f}"


def span_of_days(rng: random.Random, days: int) -> str:
    """`3天`, `两周`, `2年余`, as one would say it."""
    for size, unit in ((365, "年"), (30, "个月"), (7, "周"), (1, "天")):
        count = round(days / size)
        if days >= size * (2 if size > 1 else 1) or size == 1:
            count = max(1, count)
            word = COUNT[count] if count <= 10 and chance(rng, 0.3) else str(count)
            more = "余" if size > 1 and chance(rng, 0.25) else ""
            return f"{word}{unit}{more}"
    return "数日"
