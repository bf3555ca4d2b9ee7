"""Templates of secrets: which strings a secret could have been, so that a search can try them all.

In a template ``#`` stands for a free digit and ``*`` for the check character of the digits before
it; every other character is itself. The space of a template has 10^(number of ``#``) members.
"""

from __future__ import annotations

import math

from llmsafe.errors import InputError

DIGIT, CHECK = "#", "*"
_CHECK_CHARACTERS = "10X98765432"


def template_size(template: str) -> int:
    """How many secrets a template stands for.

    Raises:
        InputError: a template without a free digit stands for one string, which is no secret.
    """
    digits = template.count(DIGIT)
    if digits == 0:
        raise InputError("a secret's template needs a free digit (#); without one it is no secret")
    return 10**digits


def template_bits(template: str) -> float:
    """log2 of :func:`template_size`: the bits that a uniformly drawn secret has."""
    return math.log2(template_size(template))


def fill_template(template: str, number: int) -> str:
    """The secret with this number, ``0 ≤ number < template_size(template)``.

    Its digits, from the left, go where the ``#`` stand; every secret of the space has one number.

    Raises:
        InputError: the number lies outside the space.
    """
    size = template_size(template)
    if not 0 <= number < size:
        raise InputError(f"number {number} lies outside the template's space; give 0 to {size - 1}")
    digits = iter(f"{number:0{template.count(DIGIT)}d}")
    secret = ""
    for character in template:
        match character:
            case "#":
                secret += next(digits)
            case "*":
                secret += check_character(secret)
            case _:
                secret += character
    return secret


def check_character(digits: str) -> str:
    """Check character of a Chinese resident identity number, from its first 17 digits.

    GB 11643-1999, ISO 7064 MOD 11-2: the weights are powers of two, counted from the right, and
    the check character makes the weighted sum 1 modulo 11, with X for 10.

    Raises:
        InputError: something other than digits comes before the check character.
    """
    if not digits.isdecimal():
        raise InputError("a check character (*) follows digits alone; mend the template")
    remainder = sum(int(d) << place for place, d in enumerate(reversed(digits), start=1)) % 11
    return _CHECK_CHARACTERS[remainder]
