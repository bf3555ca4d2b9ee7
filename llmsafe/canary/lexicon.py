"""The data file of a language: names, reasons to be seen, carriers of secrets, words."""

from __future__ import annotations

import json
from importlib import resources

from pydantic import BaseModel, ConfigDict, ValidationError

from llmsafe.errors import InputError, SetupError

HOLES = ("{name}", "{reason}", "{secret}")


class Carrier(BaseModel):
    """A sentence with holes, and the form of its secret (see :mod:`llmsafe.canary.secret`).

    ``sort`` says what the secret is. ``{birth}`` in the text is the date that ``{digits}`` in the
    secret repeats; ``{conditions}`` is two diagnoses.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    sort: str
    text: str
    secret: str


class Lexicon(BaseModel):
    """The data file of one language.

    ``name`` is the form of a name, every hole a list in ``name_parts``; a value of each is drawn in
    the order of the lists. ``separator`` stands between words, ``conjunction`` between diagnoses.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    lang: str
    separator: str
    conjunction: str
    name: str
    name_parts: dict[str, list[str]]
    reasons: list[str]
    carriers: list[Carrier]
    conditions: list[str]
    words: list[str]


def load_lexicon(lang: str) -> Lexicon:
    """The lexicon of ``lang``.

    Raises:
        InputError: there is none for this language (those there are listed).
        SetupError: the installed file is damaged.
    """
    folder = resources.files("llmsafe") / "assets" / "lexicons"
    names = sorted(entry.name for entry in folder.iterdir())
    known = [n[7:-5] for n in names if n.startswith("canary_") and n.endswith(".json")]
    if lang not in known:
        raise InputError(f"no canaries in language {lang!r}; choose from {', '.join(known)}")
    name = f"canary_{lang}.json"
    try:
        lexicon = Lexicon.model_validate(json.loads((folder / name).read_text("utf-8")))
    except (ValidationError, json.JSONDecodeError) as error:
        raise SetupError(
            f"assets/lexicons/{name} is no canary lexicon ({type(error).__name__}); "
            "reinstall llmsafe"
        ) from error
    if any(lexicon.name.count(f"{{{part}}}") != 1 for part in lexicon.name_parts):
        raise SetupError(
            f"assets/lexicons/{name}: the name needs each of its parts once; mend the file"
        )
    for carrier in lexicon.carriers:
        if any(carrier.text.count(hole) != 1 for hole in HOLES):
            raise SetupError(
                f"assets/lexicons/{name}: every carrier needs {', '.join(HOLES)} once; "
                "mend the file"
            )
    return lexicon
