"""What a canary's secret might have been instead: how many there are, and one of them at random.

Known where free digits fill a template and where random words of a list were drawn. Whatever
compares a secret with others drawn as it was, takes them from here.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

from llmsafe.artifacts import Canary
from llmsafe.audit.secrets_search import Form, parts_of
from llmsafe.canary import fill_template, random_words, template_size


@dataclass(frozen=True)
class Space:
    """``size`` secrets, of which ``draw`` gives each with the same chance."""

    size: int
    draw: Callable[[random.Random], str]

    @classmethod
    def of_form(cls, form: Form) -> Space:
        """All that has this form."""
        return cls(form.space, form.draw)


def space_of(canary: Canary, lang: str) -> Space | None:
    """Where the secret was drawn from; ``lang`` is its manifest's. ``None`` where nobody knows."""
    template = canary.secret_template
    if template is not None:
        size = template_size(template)
        return Space(size, lambda rng: fill_template(template, rng.randrange(size)))
    if canary.sort == "random" and canary.secret_space_bits is not None:
        words = _words(lang)
        # Another version of the word list would not be what it was drawn from.
        return words if math.isclose(math.log2(words.size), canary.secret_space_bits) else None
    form = Form.of_secret(parts_of(canary)[1])
    # Only where nothing but digits could differ is this all that the secret might have been.
    return Space.of_form(form) if canary.sort is None and form.space > 1 else None


@cache
def _words(lang: str) -> Space:
    return Space(*random_words(lang))
