"""Numbers as a reader meets them, and text made safe to look at.

Text that comes from a file may hold characters that hide or reorder what is shown (control
characters, terminal escapes, bidirectional overrides). :func:`visible` spells them out; HTML
escaping is a separate step, done by the template engine.
"""

from __future__ import annotations

import math
import re
import unicodedata

from llmsafe.artifacts import PrivacyStatement, Rate

ABSENT = "–"
STATUS = {"pass": "PASS", "fail": "FAIL", "inconclusive": "INCONCLUSIVE", "none": "NO POLICY"}
_SUPERSCRIPT = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def visible(text: str) -> str:
    """Spell out characters that cannot be seen: ``U+202E`` becomes ``⟨U+202E⟩``.

    Covers control and format characters (zero-width, bidirectional), line and paragraph
    separators, surrogates and private use; a space, a tab or a newline becomes one space.
    """
    return "".join(_show(character) for character in text)


def _show(character: str) -> str:
    if character in "\t\n\r":
        return " "
    if unicodedata.category(character) in {"Cc", "Cf", "Zl", "Zp", "Cs", "Co", "Cn"}:
        return f"⟨U+{ord(character):04X}⟩"
    return character


def unbroken(text: str) -> str:
    """``ε = 8`` with spaces at which no line ends."""
    return re.sub(r"ε ([=≥]) (?=\d)", "ε\u00a0\\1\u00a0", text)


def shorten(text: str, limit: int = 40) -> str:
    """:func:`visible` text of at most ``limit`` characters, cut with an ellipsis."""
    shown = visible(text)
    return shown if len(shown) <= limit else shown[: limit - 1] + "…"


def count(value: int | None) -> str:
    """``12345`` as ``12,345``."""
    return ABSENT if value is None else f"{value:,}"


def number(value: float | None, digits: int = 2) -> str:
    """A plain decimal with a real minus sign; infinity as ``∞``."""
    match value:
        case None:
            return ABSENT
        case _ if math.isnan(value):
            return "not a number"
        case _ if math.isinf(value):
            return "∞" if value > 0 else "−∞"
        case _:
            # Adding 0.0 after rounding turns -0.0 into 0.0.
            return f"{round(value, digits) + 0.0:,.{digits}f}".replace("-", "−")


def significant(value: float | None, digits: int = 3) -> str:
    """Up to ``digits`` significant figures: 52.7, 0.74, 1; below 0.001 as ``1 × 10⁻⁵``."""
    if value is None or not math.isfinite(value) or value == 0:
        return number(value, 0)
    exponent = math.floor(math.log10(abs(value)))
    if exponent < -3:
        mantissa = f"{value / 10.0**exponent:.{digits}g}".replace("-", "−")
        return f"{mantissa} × 10{str(exponent).translate(_SUPERSCRIPT)}"
    text = number(value, max(0, digits - 1 - exponent))
    return text.rstrip("0").rstrip(".") if "." in text else text


def percent(share: float | None) -> str:
    """A share as a percentage that never rounds something to nothing (nor nearly all to all)."""
    if share is None or not math.isfinite(share):
        return number(share)
    value = round(100 * share, 9)
    if 0 < abs(value) < 0.1:
        return "under 0.1%" if value > 0 else "above −0.1%"
    if 99.9 < value < 100:
        return "over 99.9%"
    digits = 0 if value == round(value) or (10 <= abs(value) <= 99) else 1
    return number(value, digits) + "%"


def interval(rate: Rate, *, digits: int = 2) -> str:
    """``0.53 (0.46 to 0.60)``."""
    return f"{number(rate.value, digits)} ({span(rate, digits=digits)})"


def span(rate: Rate, *, digits: int = 2) -> str:
    """``0.46 to 0.60``."""
    return f"{number(rate.low, digits)} to {number(rate.high, digits)}"


def percent_interval(rate: Rate) -> str:
    """``12% (8.1% to 17%)``."""
    return f"{percent(rate.value)} ({percent(rate.low)} to {percent(rate.high)})"


def one_in(share: float) -> str:
    """A small probability as ``1 in 100,000``."""
    if not math.isfinite(share) or share <= 0:
        return "no chance" if share == 0 else number(share)
    return f"1 in {1 / share:,.0f}"


def times(factor: float) -> str:
    """A factor as ``2.7 times``, ``about 3,000 times`` or ``10¹⁹ times``."""
    if math.isinf(factor):
        return "any number of times"
    if factor >= 1e7:
        return f"10{str(math.floor(math.log10(factor))).translate(_SUPERSCRIPT)} times"
    if factor >= 100:
        rounded = round(factor, 1 - math.floor(math.log10(factor)))
        return f"about {rounded:,.0f} times"
    return f"{factor:.1f} times"


def claim(statement: PrivacyStatement | None) -> str:
    """The claimed ε with its δ in a few words."""
    match statement:
        case None:
            return "no statement"
        case PrivacyStatement(private=True, epsilon=float() as epsilon, delta=delta):
            return f"{number(epsilon)} (δ {significant(delta)})"
        case PrivacyStatement(noise="test"):
            return "none (test noise)"
        case _:
            return "none (ε = ∞)"
