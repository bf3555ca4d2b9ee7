r"""Phrase banks: a small grammar of nested alternatives, read from text files.

A file holds rules. `[name]` opens a rule, every following line is one alternative, `#` starts a
comment. Inside an alternative:

    {a|b|c}        one of several, nested at will; an empty one is allowed
    <name>         another rule, a fact of the episode, or a slot filled by the renderer;
                   written <Name> its first letter becomes a capital
    <2..9>         a whole number; <2..9:0.5> in steps of 0.5
    <a>            `a` or `an`
    \n             a line break

Audiences. The alternatives of a rule are divided into two disjoint sets, `private` and `public`, by
the order of their SHA-256 digests (first half private), so that a model pretrained on the public
ones has never seen a private sentence frame. A rule headed `[name]*` holds vocabulary
(names of diseases, symptoms, findings) and is shared by both.

Further audiences, `test`, `exam`, `proof`, `trial`, `final`, `blind`, `fresh`, `novel` and
`latest`, are for test sets whose frames were in no development when they were made. The misses of
all but the last are read by now; `latest` is unseen. Their rules stand in the folders
`grammar_test` to `grammar_latest` of a language that has them; a rule there takes the place of the
rule of the same name, whole, for this audience alone. What is left of the divided rules (phrases of
medicine that name nobody) they share with the private half.

A rule `[x.facts]` holds lines `key = alternative`: expanded once per episode of condition `x` and
then the same in every note.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from importlib import resources
from typing import Literal, TypeAlias, cast, get_args

from llmsafe.errors import InputError

Audience = Literal[
    "private",
    "public",
    "test",
    "exam",
    "proof",
    "trial",
    "final",
    "blind",
    "fresh",
    "novel",
    "latest",
]
AUDIENCES: tuple[Audience, ...] = get_args(Audience)
APART = AUDIENCES[2:]
"""Those with frames and names of their own, in folders that end with their name."""


@dataclass(frozen=True)
class Choice:
    options: tuple[Sequence, ...]


@dataclass(frozen=True)
class Number:
    low: float
    steps: int
    step: float
    decimals: int


@dataclass(frozen=True)
class Ref:
    name: str
    capital: bool


Node: TypeAlias = "str | Choice | Number | Ref"
Sequence: TypeAlias = "tuple[Node, ...]"


@dataclass(frozen=True)
class Rule:
    """One phrase bank: its alternatives as written and as compiled, in the same order."""

    sources: tuple[str, ...]
    options: tuple[Sequence, ...]


@dataclass(frozen=True)
class Grammar:
    """All rules and facts of one language for one audience.

    `local` holds the rules once more by the part of their name before the first full stop.
    """

    rules: Mapping[str, Rule]
    facts: Mapping[str, Mapping[str, Sequence]]
    local: Mapping[str, Mapping[str, Rule]]
    _without: dict[tuple[str, str], tuple[Sequence, ...]] = field(
        default_factory=dict["tuple[str, str]", "tuple[Sequence, ...]"], repr=False, compare=False
    )

    def rule(self, name: str) -> Rule:
        """The rule, or InputError: a missing rule is a mistake in the phrase files."""
        try:
            return self.rules[name]
        except KeyError:
            raise InputError(f"phrase bank {name!r} is not defined in the grammar files") from None

    def options_without(self, name: str, slot: str) -> tuple[Sequence, ...]:
        """The alternatives that do not refer to the slot; all of them if each one does."""
        key = (name, slot)
        if key not in self._without:
            options = self.rule(name).options
            self._without[key] = tuple(o for o in options if not mentions(o, slot)) or options
        return self._without[key]

    def options(self, name: str) -> tuple[Sequence, ...]:
        """The alternatives of a rule, or nothing when there is no such rule."""
        rule = self.rules.get(name)
        return rule.options if rule else ()


def mentions(phrase: Sequence, name: str) -> bool:
    """Whether the phrase refers to this name anywhere."""
    return any(
        (isinstance(node, Ref) and node.name == name)
        or (isinstance(node, Choice) and any(mentions(option, name) for option in node.options))
        for node in phrase
    )


_NUMBER = re.compile(r"(-?\d+(?:\.\d+)?)\.\.(-?\d+(?:\.\d+)?)(?::(\d+(?:\.\d+)?))?")
_HEADER = re.compile(r"\[([\w.]+)\](\*?)")
_TOKEN = re.compile(r"[{}|]|<[^<>]*>|[^{}|<>]+")


def compile_text(source: str) -> Sequence:
    """Compile one alternative; InputError on unbalanced braces."""
    tokens = cast("list[str]", _TOKEN.findall(source.replace("\\n", "\n")))
    nodes, rest = _sequence(tokens, 0, depth=0)
    if rest != len(tokens) or "".join(tokens) != source.replace("\\n", "\n"):
        raise InputError(f"unbalanced braces or brackets in phrase {source!r}")
    return nodes


def _sequence(tokens: list[str], at: int, depth: int) -> tuple[Sequence, int]:
    nodes: list[Node] = []
    while at < len(tokens):
        token = tokens[at]
        if token == "{":
            options: list[Sequence] = []
            at += 1
            while True:
                option, at = _sequence(tokens, at, depth + 1)
                options.append(option)
                if at >= len(tokens):
                    return tuple(nodes), -1
                at += 1
                if tokens[at - 1] == "}":
                    break
            nodes.append(Choice(tuple(options)))
            continue
        if token in "|}":
            return (tuple(nodes), at) if depth else (tuple(nodes), -1)
        nodes.append(_leaf(token))
        at += 1
    return tuple(nodes), at


def _leaf(token: str) -> Node:
    if not token.startswith("<"):
        return token
    name = token[1:-1]
    match = _NUMBER.fullmatch(name)
    if match is None:
        return Ref(name[:1].lower() + name[1:], name[:1].isupper())
    low, high = float(match[1]), float(match[2])
    step = float(match[3] or 10.0 ** -max(_decimals(match[1]), _decimals(match[2])))
    decimals = max(_decimals(match[1]), _decimals(match[2]), _decimals(match[3] or ""))
    return Number(low, round((high - low) / step) + 1, step, decimals)


def _decimals(number: str) -> int:
    return len(number.partition(".")[2])


def read_banks(text: str) -> dict[str, list[str]]:
    """Rule headers (with their `*`) to alternatives, in file order."""
    banks: dict[str, list[str]] = {}
    current: list[str] | None = None
    for raw in text.splitlines():
        line = raw.strip()
        if not line or line.startswith("#"):
            continue
        header = _HEADER.fullmatch(line)
        if header:
            current = banks.setdefault(header[1] + header[2], [])
        elif current is None:
            raise InputError(f"phrase line before the first [rule]: {line!r}")
        else:
            current.append(line)
    return banks


def divide(options: Iterable[str], audience: Audience) -> list[str]:
    """The half of the alternatives that belongs to the audience, in their written order."""
    listed = list(options)
    order = sorted(listed, key=lambda text: hashlib.sha256(text.encode()).digest())
    half = (len(order) + 1) // 2
    mine = set(order[half:] if audience == "public" else order[:half])
    return [text for text in listed if text in mine]


def belongs(word: str, audience: Audience) -> bool:
    """Whether a name belongs to the audience: by its own digest, so the same in every list."""
    return (hashlib.sha256(word.casefold().encode()).digest()[0] & 1) == (audience == "public")


def _read_folder(package: str, folder: str) -> dict[str, tuple[list[str], bool]]:
    """Every bank of a folder: its alternatives, and whether it is shared (`*`)."""
    where = resources.files(package) / folder
    if not where.is_dir():
        raise InputError(f"{package} has no phrase banks in {folder}")
    banks: dict[str, tuple[list[str], bool]] = {}
    for entry in sorted(where.iterdir(), key=lambda item: item.name):
        if not entry.name.endswith(".txt"):
            continue
        for header, lines in read_banks(entry.read_text(encoding="utf-8")).items():
            name = header.rstrip("*")
            if name in banks:
                raise InputError(f"phrase bank {name!r} is defined twice, again in {entry.name}")
            banks[name] = lines, header.endswith("*")
    return banks


def load_grammar(package: str, audience: Audience) -> Grammar:
    """Compile every `*.txt` in the `grammar` folder of a language package for one audience."""
    banks = _read_folder(package, "grammar")
    folder = f"grammar_{audience}"
    own = _read_folder(package, folder) if audience in APART else {}
    if strays := own.keys() - banks.keys():
        raise InputError(f"{folder} has rules that take no rule's place: {sorted(strays)}")
    rules: dict[str, Rule] = {}
    facts: dict[str, dict[str, Sequence]] = {}
    for name, (lines, shared) in banks.items():
        if name.endswith(".facts"):
            pairs = (line.partition("=") for line in lines)
            facts[name[:-6]] = {k.strip(): compile_text(v.strip()) for k, _, v in pairs}
            continue
        mine = own[name][0] if name in own else lines if shared else divide(lines, audience)
        if not mine:
            raise InputError(f"phrase bank {name!r} needs two alternatives, or a `*`")
        rules[name] = Rule(tuple(mine), tuple(compile_text(line) for line in mine))
    local: dict[str, dict[str, Rule]] = {}
    for name, rule in rules.items():
        owner, _, rest = name.partition(".")
        local.setdefault(owner, {})[rest] = rule
    return Grammar(rules, facts, local)
