"""The user's own models as Presidio recognisers: Hugging Face, GLiNER, spaCy. Loads torch.

Models come from a folder or the local cache, never from the network (unless ``HF_HUB_OFFLINE=0``),
and only with safetensors weights. A long note is cut into overlapping pieces that the model can
hold. A model that raises quarantines the note: Presidio's recogniser hides that behind a log line,
which the detector takes for the failure that it is.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, cast

from presidio_analyzer import EntityRecognizer, RecognizerResult
from presidio_analyzer.chunkers import CharacterBasedTextChunker, TokenizerBasedTextChunker
from presidio_analyzer.predefined_recognizers import GLiNERRecognizer, HuggingFaceNerRecognizer

from llmsafe.errors import InputError, LlmsafeError, SetupError
from llmsafe.models import check_weights, folder_of
from llmsafe.scrub.detect.tagger import may_be_age, may_be_date
from llmsafe.scrub.ner import ASKED, NerModel

Find = Callable[[str], list[RecognizerResult]]
_NONE = "NOT_PHI"
_PREFIXES = ["B-", "I-", "U-", "L-", "E-", "S-"]
_OVERLAP = 32
_LEFT = re.compile(r"[^\W_]*\Z")
_RIGHT = re.compile(r"[^\W_]*")
_HAN = re.compile(r"[\u3400-\u9fff]")


def load_model(model: NerModel) -> ModelRecogniser:
    """The recogniser of a model, ready to run.

    Raises:
        InputError: it does not exist, has no safetensors weights or labels of unknown meaning.
        SetupError: what runs it is not installed, or it cannot be loaded.
    """
    made = {"hf": _hugging_face, "gliner": _gliner, "spacy": _spacy}[model.kind]
    try:
        return made(model)
    except LlmsafeError:
        raise
    except ImportError as error:
        raise SetupError(f"{model.name} needs a package: {error}") from error
    except Exception as error:
        why = f"{type(error).__name__}: {error}"
        raise SetupError(f"{model.name} cannot be loaded: {why}") from error


class ModelRecogniser(EntityRecognizer):
    """What a model finds, as PHI in the sense of Safe Harbor: whole words, ages over 89 alone, no
    bare years."""

    def __init__(self, model: NerModel, categories: Mapping[str, str | None], find: Find) -> None:
        self._find, self._threshold = find, model.threshold
        self.lang = model.lang
        kept = sorted({category for category in categories.values() if category})
        super().__init__(supported_entities=kept, name=model.name)

    def load(self) -> None:
        """It is loaded."""

    def analyze(
        self, text: str, entities: list[str], nlp_artifacts: Any = None
    ) -> list[RecognizerResult]:
        """The findings; ``entities`` limits the categories unless it is empty."""
        return [
            result
            for found in self._find(text)
            for result in (_whole(text, found),)
            if result.score >= self._threshold
            and result.entity_type != _NONE
            and (not entities or result.entity_type in entities)
            and _private(result.entity_type, text[result.start : result.end])
        ]


def _whole(text: str, found: RecognizerResult) -> RecognizerResult:
    """Without white space, and with the rest of the words that it begins and ends in: pieces of
    words are what a token classifier sees, and half a name would stay. Chinese has no words."""
    start, end = found.start, found.end
    while start < end and text[start].isspace():
        start += 1
    while end > start and text[end - 1].isspace():
        end -= 1
    if start < end and not _HAN.search(text, start, end):
        left = cast("re.Match[str]", _LEFT.search(text[max(0, start - 40) : start]))
        right = cast("re.Match[str]", _RIGHT.match(text, end, end + 40))
        start, end = start - len(left[0]), right.end()
    return RecognizerResult(found.entity_type, start, end, found.score)


def _private(category: str, found: str) -> bool:
    match category:
        case "AGE":
            return may_be_age(found)
        case "DATE":
            return may_be_date(found)
        case _:
            return bool(found)


# --- kinds --------------------------------------------------------------------------------------


def _hugging_face(model: NerModel) -> ModelRecogniser:
    folder = _folder(model)
    config = _read(folder / "config.json")
    labels = sorted({_bare(label) for label in config.get("id2label", {}).values()} - {"O"})
    categories = model.categories(labels)
    recogniser = HuggingFaceNerRecognizer(
        name=model.name,
        model_name=str(folder),
        label_mapping={label: category or _NONE for label, category in categories.items()},
        label_prefixes=_PREFIXES,
        threshold=model.threshold,
        device=model.device,
        text_chunker=TokenizerBasedTextChunker(
            max_tokens=_room(config, folder), overlap_tokens=_OVERLAP
        ),
    )  # which loads it
    return ModelRecogniser(model, categories, lambda text: recogniser.analyze(text, []))


def _bare(label: str) -> str:
    return next((label[2:] for prefix in _PREFIXES if label.startswith(prefix)), label)


def _room(config: Mapping[str, Any], folder: Path) -> int:
    """Tokens of a piece: what positions and tokeniser allow, less special tokens and some to spare,
    for what is cut can have more tokens than it had in the whole, and the pipeline drops in silence
    what is too much."""
    path = folder / "tokenizer_config.json"
    longest = _read(path).get("model_max_length") if path.exists() else None
    positions = config.get("max_position_embeddings")
    limits = [limit for limit in (longest, positions) if isinstance(limit, (int, float))]
    room = int(min([512, *limits])) - 20
    if room <= _OVERLAP:
        raise InputError(f"{folder} holds {room + 20} tokens at a time, too few to read a note")
    return room


def _gliner(model: NerModel) -> ModelRecogniser:
    folder = _folder(model)
    asked = {**ASKED, **model.labels} if not model.labels else dict(model.labels)
    mapping = {label: category or _NONE for label, category in asked.items()}
    recogniser = GLiNERRecognizer(
        name=model.name,
        model_name=str(folder),
        entity_mapping=mapping,
        threshold=model.threshold,
        map_location=model.device,
        model_kwargs={"local_files_only": True},
    )  # which loads it
    return ModelRecogniser(model, asked, lambda text: recogniser.analyze(text, []))


def _spacy(model: NerModel) -> ModelRecogniser:
    import spacy

    try:
        nlp = spacy.load(model.model)
    except OSError as error:
        raise InputError(
            f"{model.model} is neither an installed spaCy pipeline nor a folder of one"
        ) from error
    given = {name: labels for name, labels in nlp.pipe_labels.items() if name in _ENTITIES}
    found = {label for labels in given.values() for label in labels}
    categories = model.categories(sorted(found))
    # A pipeline refuses what is longer than a million characters; its memory grows with a text.
    chunker = CharacterBasedTextChunker(20_000, 200, boundary_chars=" \n\t,;.。，；")

    def piece(text: str) -> list[RecognizerResult]:
        # Rules and models of spaCy give no scores.
        return [
            RecognizerResult(categories[e.label_] or _NONE, e.start_char, e.end_char, 0.85)
            for e in nlp(text).ents
        ]

    return ModelRecogniser(
        model, categories, lambda text: chunker.predict_with_chunking(text, piece)
    )


_ENTITIES = ("ner", "entity_ruler", "span_ruler")


# --- files --------------------------------------------------------------------------------------


def _folder(model: NerModel) -> Path:
    """The folder of a model: a path, or a hub id in the local cache."""
    folder = folder_of(model.model)
    check_weights(folder)
    return folder


def _read(path: Path) -> dict[str, Any]:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"{path} cannot be read as JSON ({type(error).__name__})") from None
