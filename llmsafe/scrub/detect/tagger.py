"""A small neural tagger of PHI: hashed features of each token, a few convolutions, one category.

It reads what patterns cannot: whether "Hope" came by or is what the family has, whether "rock
county mill" employs somebody. The features are those of Lample et al. 2016 and of spaCy's
``MultiHashEmbed`` in spirit (word, affixes, character n-grams, shape, word lists), summed from one
hashed table; the context comes from residual convolutions (Strubell et al. 2017). It runs on numpy
alone, one note at a time: the answer does not depend on what else is scrubbed, nor on how many
processes do it.

``scripts/train_phi_ner.py`` trains it; the card beside the weights gives data, licence and figures.
"""

from __future__ import annotations

import json
import re
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from importlib import resources
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load as load_tensors

from llmsafe.errors import InputError
from llmsafe.notes import PhiSpan

FloatArray = NDArray[np.floating]
Rows = tuple[tuple[int, float], ...]
"""What a token is made of: rows of the table and their weights."""

_HAN = "\u3400-\u4dbf\u4e00-\u9fff"
_FIRST_HAN = "\u3400"
_TOKEN = re.compile(rf"[{_HAN}]|[^\W_{_HAN}]+|\n|\t|[ ]{{3,}}|[^\w\s]|_")
CHARACTER = re.compile(rf"[{_HAN}]")
# Words that were glued together: DrQuayle, subramanian64m, 14march.
_SEAM = re.compile(r"(?<=[a-z])(?=[A-Z][a-z])|(?<=[A-Za-z]{4})(?=\d{2})|(?<=\d)(?=[A-Za-z]{4})")
_MISREAD = str.maketrans("015836", "olsbeb")
_REACH = 4  # characters of a key on either side of a Chinese one
CHUNK = 4096  # tokens at a time, so that memory does not grow with the note
_KNOWN = 16_384  # words whose vectors are kept, 2 kB each
_YEAR = re.compile(r"(?:18|19|20)\d\d")
_PAIR = re.compile(r"(\d{1,2})[/-](\d{1,2})")
_OLD = re.compile(r"nine?t|n.?i.?n.?e.?t|hundred|centen", re.IGNORECASE)
_WORDED = frozenset(("NAME", "LOCATION", "ORGANIZATION", "DATE", "AGE"))
_GLUED_LEFT = re.compile(r"(?:[A-Za-z0-9][A-Za-z0-9_./:@+-]*)?\Z")
_GLUED_NUMBER = re.compile(r"\d{3,}[A-Za-z0-9]*")
_GLUED_RIGHT = re.compile(r"(?:[-_./:@+?=#&]?[A-Za-z0-9]+)*")
_GAP = re.compile(r"[\s'’.,&/^-]{0,3}")


class Token(NamedTuple):
    """Half-open ``start`` and ``end`` in the text; ``place`` is a row of the context table.

    ``key`` is what its features are made of: the token, or a Chinese character with the four before
    and the four behind it, for words have no borders there.
    """

    start: int
    end: int
    text: str
    place: int
    key: str


class Tokens(Protocol):
    """Tokens by their number."""

    def __getitem__(self, index: int, /) -> Token: ...


PLACES = 12
"""Contexts: what precedes (nothing, space, line) x capitals throughout the line x no capitals."""


def tokenise(text: str, lower: bool | None = None) -> list[Token]:
    """Words, signs, line ends and column gaps of ``text``, in order.

    ``lower``: whether the note that ``text`` is a line of is written without capitals.
    """
    lower = text == text.lower() if lower is None else lower
    tokens: list[Token] = []
    padded = f"{' ' * _REACH}{text}{' ' * _REACH}"
    line_end = -1
    written = 0  # how the line is written: capitals throughout, no capitals in the text
    end, fresh = -1, True
    for match in _TOKEN.finditer(text):
        start, stop = match.span()
        if start > line_end:
            line_end = text.find("\n", start)
            line_end = len(text) if line_end < 0 else line_end
            written = 2 * (text[start:line_end].isupper() and not lower) + lower
        word = match[0]
        place = written + (8 if fresh else 4 * (start > end))
        if word[0] >= _FIRST_HAN and CHARACTER.match(word):
            key = padded[start : stop + 2 * _REACH]
            tokens.append(Token(start, stop, word, place, key))
        elif stop - start < 4:
            tokens.append(Token(start, stop, word, place, word))
        else:
            for left, part in _parts(word):
                begin = start + left
                tokens.append(Token(begin, begin + len(part), part, place, part))
                place = written
        end, fresh = stop, word == "\n"
    return tokens


@lru_cache(maxsize=20_000)
def _parts(word: str) -> tuple[tuple[int, str], ...]:
    """The words that were glued together, each with its offset."""
    if word.isdigit() or (word.isalpha() and (word.islower() or word.isupper())):
        return ((0, word),)
    seams = [0, *(m.start() for m in _SEAM.finditer(word)), len(word)]
    return tuple((left, word[left:right]) for left, right in pairwise(seams))


@dataclass(frozen=True)
class Features:
    """Rows of a token: hashed ones in ``[0, hashed)``, behind them one row for each list of words.

    ``lists`` gives the lists that a (lower-case) word is in, by number; there are ``count``. Three
    times as many rows follow for Chinese characters that begin, are inside or end such a word.
    """

    hashed: int
    lists: Mapping[str, Sequence[int]]
    count: int = 0

    def rows(self, token: str) -> Rows:
        """Word, affixes, shape, n-grams (weights sum to 1) and lists of a token; of a Chinese
        character, its pairs with both neighbours and the words of the lists that it lies in.

        ``token`` is a key of :func:`tokenise`.
        """
        if _chinese(token):
            return self._character(token)
        word = self.word(token)
        found = [(self._row("w", word), 1.0), *self.listed(word)]
        if not token[0].isalnum():
            return tuple(found)
        found.append((self._row("s", shape(token)), 1.0))
        for kind, part in (("p", word[:3]), ("u", word[-3:]), ("v", word[-2:])):
            found.append((self._row(kind, part), 1.0))
        framed = f"<{word}>"
        grams = [framed[i : i + n] for n in (3, 4) for i in range(len(framed) - n + 1)]
        found += [(self._row("g", gram), 1.0 / len(grams)) for gram in grams]
        if not word.isalpha() and not word.isdigit():
            read = word.translate(_MISREAD)  # as a scanner may have misread it
            found.append((self._row("o", read), 1.0))
            found += self.listed(read)
        return tuple(found)

    @staticmethod
    def word(token: str) -> str:
        """The word of a token: long numbers count by their length alone."""
        return "0" * len(token) if token.isdigit() and len(token) > 4 else token.lower()

    def _character(self, key: str) -> Rows:
        found = [(self._row(kind, part), 1.0) for kind, part in _parts_of(key).items()]
        found += self.listed(key[_REACH])
        within = set[int]()
        for start in range(_REACH + 1):  # after the soft words of Ma et al. 2020
            for end in range(max(start + 2, _REACH + 1), start + _REACH + 2):
                numbers = self.lists.get(key[start:end])
                if numbers:
                    place = 1 if start == _REACH else 3 if end == _REACH + 1 else 2
                    within.update(place * self.count + number for number in numbers)
        found += [(self.hashed + number, 1.0) for number in sorted(within)]
        return tuple(found)

    def own(self, key: str) -> frozenset[int]:
        """The rows that stand for this very token, so that it is a stranger without them."""
        if _chinese(key):
            return frozenset(self._row(k, p) for k, p in _parts_of(key).items() if k != "w")
        return frozenset([self._row("w", self.word(key))])

    def listed(self, word: str) -> list[tuple[int, float]]:
        """The rows of the lists that hold the word."""
        return [(self.hashed + number, 1.0) for number in self.lists.get(word, ())]

    def _row(self, kind: str, part: str) -> int:
        return zlib.crc32(f"{kind}:{part}".encode()) % self.hashed


def _chinese(key: str) -> bool:
    return len(key) == 2 * _REACH + 1 and CHARACTER.match(key, _REACH) is not None


def _parts_of(key: str) -> dict[str, str]:
    """A Chinese character alone, with its left, its right and both neighbours."""
    left, middle, right = key[_REACH - 1 : _REACH + 2]
    return {"w": middle, "l": left + middle, "r": middle + right, "t": left + middle + right}


def shape(token: str) -> str:
    """Capitals X, small letters x, digits 0; of a run no more than four."""
    signs = "".join("0" if c.isdigit() else "X" if c.isupper() else "x" for c in token)
    return re.sub(r"(.)\1{4,}", r"\1\1\1\1", signs)


@dataclass(frozen=True, repr=False)
class Weights:
    """``table`` [rows, e], ``project`` [e, d], ``place`` [PLACES, d]; per layer a kernel [3 d, d],
    a bias [d], scale and shift [d] of the layer norm; ``out`` [d, 1 + categories], its bias."""

    table: FloatArray
    project: FloatArray
    place: FloatArray
    kernels: Sequence[FloatArray]
    biases: Sequence[FloatArray]
    scales: Sequence[FloatArray]
    shifts: Sequence[FloatArray]
    out: FloatArray
    out_bias: FloatArray
    dilations: Sequence[int]


@dataclass(repr=False)
class Tagger:
    """The tagger; :func:`spans` says what ``threshold`` and ``edge`` are."""

    weights: Weights
    features: Features
    categories: Sequence[str]
    threshold: float
    edge: float

    def __post_init__(self) -> None:
        # What a word adds to the first layer: as it is, and as the neighbour on the right, the word
        # itself and the neighbour on the left of a place see it. Each is computed alone, so that
        # the bits of an answer do not depend on what was read before.
        weights = self.weights
        self._first = np.concatenate(np.split(weights.kernels[0], 3), axis=1)
        self._places = np.concatenate([weights.place, weights.place @ self._first], axis=1)
        self._rows: dict[str, int] = {}
        self._vectors = np.empty((256, self._places.shape[1]), np.float32)

    def probabilities(self, tokens: Sequence[Token | None]) -> FloatArray:
        """[tokens, 1 + categories]: first that a token is no PHI, then each category.

        Of several texts at once, ``None`` stands between them as often as the widest layer reaches
        far; what is said of it means nothing.
        """
        reach = sum(self.weights.dilations)
        made = [np.zeros((0, 1 + len(self.categories)), np.float32)]
        for start in range(0, len(tokens), CHUNK):
            left = max(0, start - reach)
            chunk = tokens[left : start + CHUNK + reach]
            made.append(self._forward(chunk)[start - left : start - left + CHUNK])
        whole = np.concatenate(made)
        if not np.isfinite(whole).all():
            raise ArithmeticError("not finite")
        return whole

    def _forward(self, tokens: Sequence[Token | None]) -> FloatArray:
        weights, size = self.weights, len(tokens)
        seen = self._seen([token.key if token else "\n" for token in tokens])
        seen += self._places[[token.place if token else 0 for token in tokens]]
        # As nothing is beyond the ends of a text.
        borders = np.array([i for i, token in enumerate(tokens) if token is None], np.intp)
        seen[borders] = 0
        x, left, own, right = np.split(seen, 4, axis=1)
        near = np.empty((size, 3 * x.shape[1]), np.float32)
        before, at, after = np.split(near, 3, axis=1)
        for layer, gap in enumerate(weights.dilations):
            inside = max(0, size - gap)
            if layer == 0:
                y = own + weights.biases[0]
                y[gap:] += left[:inside]
                y[:inside] += right[gap:]
            else:
                before[:gap], before[gap:] = 0, x[:inside]
                at[:] = x
                after[:inside], after[inside:] = x[gap:], 0
                y = near @ weights.kernels[layer]
                y += weights.biases[layer]
            np.maximum(y, 0, out=y)
            y += x
            y -= np.add.reduce(y, axis=1, keepdims=True) / np.float32(y.shape[1])
            spread = np.einsum("td,td->t", y, y) / np.float32(y.shape[1])
            y *= (1 / np.sqrt(spread + np.float32(1e-5)))[:, None]
            y *= weights.scales[layer]
            y += weights.shifts[layer]
            y[borders] = 0
            x = y
        chances = x @ weights.out
        chances += weights.out_bias
        chances -= chances.max(axis=1, keepdims=True)
        np.exp(chances, out=chances)
        chances /= chances.sum(axis=1, keepdims=True)
        return chances

    def _seen(self, keys: Sequence[str]) -> FloatArray:
        """What each token adds to the first layer. Words are kept, for they come again; a Chinese
        character with its neighbours hardly does, so those of a chunk are worked out together:
        what is computed with what depends on the note alone."""
        characters = [place for place, key in enumerate(keys) if _chinese(key)]
        if not characters:
            known = self._known(keys)  # may replace the vectors
            return self._vectors[known]
        seen = np.empty((len(keys), self._vectors.shape[1]), np.float32)
        words = [place for place, key in enumerate(keys) if not _chinese(key)]
        known = self._known([keys[place] for place in words])
        seen[words] = self._vectors[known]
        made = [[row for row, _ in self.features.rows(keys[place])] for place in characters]
        starts = np.cumsum([0, *(len(rows) for rows in made[:-1])])
        table = self.weights.table[[row for rows in made for row in rows]].astype(np.float32)
        vectors = np.add.reduceat(table, starts) @ self.weights.project
        seen[characters] = np.concatenate([vectors, vectors @ self._first], axis=1)
        return seen

    def _known(self, words: Sequence[str]) -> list[int]:
        """The rows of the words in ``_vectors``; those of new words are made."""
        if len(self._rows) + len(words) > _KNOWN + 2 * CHUNK:
            self._rows.clear()
        places: list[int] = []
        for word in words:
            row = self._rows.get(word)
            if row is None:
                row = self._rows[word] = len(self._rows)
                if row == len(self._vectors):
                    self._vectors = np.concatenate([self._vectors, np.empty_like(self._vectors)])
                vector = self._vector(word)
                self._vectors[row] = np.concatenate([vector, vector @ self._first])
            places.append(row)
        return places

    def _vector(self, word: str) -> FloatArray:
        rows = self.features.rows(word)
        table = self.weights.table[[row for row, _ in rows]]
        summed = np.array([w for _, w in rows], np.float32) @ table.astype(np.float32)
        return summed @ self.weights.project

    def find(self, text: str) -> Iterator[PhiSpan]:
        """Spans of neighbouring tokens of one category; the score is the largest probability."""
        tokens = tokenise(text)
        chances = self.probabilities(tokens)
        yield from self.spans(text, tokens, chances)

    def spans(self, text: str, tokens: Tokens, chances: FloatArray) -> Iterator[PhiSpan]:
        """:func:`spans` of what :meth:`probabilities` gave."""
        return spans(text, tokens, chances, self.categories, self.threshold, self.edge)


def spans(
    text: str,
    tokens: Tokens,
    chances: FloatArray,
    categories: Sequence[str],
    threshold: float,
    edge: float,
) -> Iterator[PhiSpan]:
    """Neighbouring tokens of one category, joined across at most a sign or two.

    A token whose chance of being PHI reaches ``threshold`` makes a span; those beside it belong to
    it from ``edge`` on, whatever their own category. Signs and line ends at its ends are left out.
    """
    private = 1.0 - chances[:, 0].astype(np.float64)
    seen = np.flatnonzero(private >= edge)
    indices: list[int] = seen.tolist()
    sure: list[float] = private[seen].tolist()
    best: list[int] = chances[seen, 1:].argmax(axis=1).tolist()
    run: list[_Seen] = []
    for index, chance, kind in zip(indices, sure, best, strict=True):
        token = tokens[index]
        if not token.text[0].isalnum():
            continue
        if run and not _GAP.fullmatch(text, run[-1][0].end, token.start):
            yield from _divide(text, run, threshold)
            run = []
        run.append((token, chance, categories[kind]))
    if run:
        yield from _divide(text, run, threshold)


_Seen = tuple[Token, float, str]
"""A token, its chance of being PHI, and its likeliest category."""


def _divide(text: str, run: Sequence[_Seen], threshold: float) -> Iterator[PhiSpan]:
    """The spans of a run of neighbours: a doubtful token goes with the sure one before it."""
    sure = [category for _, chance, category in run if chance >= threshold]
    if not sure:
        return
    start, end, category, score = run[0][0].start, -1, sure[0], 0.0
    for token, chance, likeliest in run:
        if chance >= threshold and likeliest != category:
            yield from _whole(text, PhiSpan(start, end, category, score))
            start, category, score = token.start, likeliest, 0.0
        end, score = token.end, max(score, chance)
    yield from _whole(text, PhiSpan(start, end, category, score))


def _whole(text: str, span: PhiSpan) -> Iterator[PhiSpan]:
    """A number with all that is glued to it; nothing for what can be no date or no age over 89."""
    start, end = span.start, span.end
    found = text[start:end]
    if span.category == "DATE" and not may_be_date(found):
        return
    if span.category == "AGE" and not may_be_age(found):
        return
    if span.category in _WORDED and (rest := _GLUED_NUMBER.match(text, end)):
        end = rest.end()  # PATID5421 is no name, and its number must not stay
    if span.category not in _WORDED:
        start -= len(_GLUED_LEFT.search(text[max(0, start - 40) : start])[0])  # type: ignore[index]
        end = _GLUED_RIGHT.match(text, end, end + 80).end()  # type: ignore[union-attr]
    yield PhiSpan(start, end, span.category, span.score, span.source)


def may_be_date(found: str) -> bool:
    """A bare year may stay (Safe Harbor); 48/60 and 20/25 are scores and acuities."""
    pair = _PAIR.fullmatch(found)
    if pair is None:
        return not _YEAR.fullmatch(found)
    one, two = int(pair[1]), int(pair[2])
    month_first = 1 <= one <= 12 and two > 0  # 4/26, and 4/56: a month and a year
    return month_first or (1 <= two <= 12 and 1 <= one <= 31)


def may_be_age(found: str) -> bool:
    """Only ages over 89 are PHI."""
    numbers = [int(number) for number in re.findall(r"\d+", found)]
    return max(numbers) >= 90 if numbers else _OLD.search(found) is not None


def load_tagger(folder: Path) -> Tagger:
    """The tagger of a folder with ``config.json``, ``lexicon.tsv`` and ``model.safetensors``.

    Raises:
        InputError: a file is missing or is not what the config says.
    """
    return _read(lambda name: (folder / name).read_bytes(), str(folder))


@cache
def embedded_tagger(language: str) -> Tagger:
    """The embedded tagger of a language, ``en`` or ``zh``."""
    name = f"phi-ner-{language}"
    folder = resources.files("llmsafe") / "assets" / name
    return _read(lambda file: (folder / file).read_bytes(), name)


def _read(read: Callable[[str], bytes], name: str) -> Tagger:
    try:
        config = json.loads(read("config.json"))
        tensors = load_tensors(read("model.safetensors"))
        lines = read("lexicon.tsv").decode().splitlines()
        lists = {
            word: tuple(int(number) for number in numbers.split(","))
            for word, _, numbers in (line.partition("\t") for line in lines if line)
        }
        _check(config, tensors, lists, name)
        f32 = {key: value.astype(np.float32) for key, value in tensors.items() if key != "table"}
        layers = range(len(config["dilations"]))
        weights = Weights(
            table=tensors["table"],
            project=f32["project"],
            place=f32["place"],
            kernels=[f32[f"kernel.{i}"] for i in layers],
            biases=[f32[f"bias.{i}"] for i in layers],
            scales=[f32[f"scale.{i}"] for i in layers],
            shifts=[f32[f"shift.{i}"] for i in layers],
            out=f32["out"],
            out_bias=f32["out_bias"],
            dilations=tuple(config["dilations"]),
        )
        features = Features(config["hashed_rows"], lists, len(config["lists"]))
        return Tagger(weights, features, config["categories"], config["threshold"], config["edge"])
    except (OSError, KeyError, ValueError, SafetensorError) as error:
        raise InputError(
            f"{name} is no PHI tagger ({type(error).__name__}); it needs config.json, lexicon.tsv "
            "and model.safetensors as scripts/train_phi_ner.py writes them"
        ) from None


def _check(
    config: Mapping[str, Any],
    tensors: Mapping[str, NDArray[Any]],
    lists: Mapping[str, Sequence[int]],
    name: str,
) -> None:
    """Refuse arrays that are not of the number and shape that the config asks for, and list numbers
    without a row: numpy would broadcast the ones and end the others in a note's quarantine."""
    wide, deep = tensors["project"].shape
    layers, outputs = len(config["dilations"]), 1 + len(config["categories"])
    wanted: dict[str, tuple[int, ...]] = {
        "table": (config["hashed_rows"] + 4 * len(config["lists"]), wide),
        "project": (wide, deep),
        "place": (PLACES, deep),
        "out": (deep, outputs),
        "out_bias": (outputs,),
    }
    for layer in range(layers):
        wanted[f"kernel.{layer}"] = (3 * deep, deep)
        wanted |= {f"{part}.{layer}": (deep,) for part in ("bias", "scale", "shift")}
    for key in sorted(wanted.keys() | tensors.keys()):
        shape = tensors[key].shape if key in tensors else None
        if shape != wanted.get(key):
            raise InputError(
                f"{name}: model.safetensors holds {key} of shape {shape}, its config.json asks for "
                f"{wanted.get(key)}; take both from one run of scripts/train_phi_ner.py"
            )
    if unknown := {n for numbers in lists.values() for n in numbers} - set(
        range(len(config["lists"]))
    ):
        raise InputError(
            f"{name}: lexicon.tsv names list {min(unknown)}, its config.json has "
            f"{len(config['lists'])} lists, from 0; take both from one run of "
            "scripts/train_phi_ner.py"
        )
