"""Models of the user's own: loaded offline from a folder, joined to the rules, failing closed."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import spacy
import torch
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
from transformers import BertConfig, BertForTokenClassification, PreTrainedTokenizerFast

from llmsafe.artifacts import ScrubManifest
from llmsafe.corpus import open_corpus
from llmsafe.errors import InputError, SetupError
from llmsafe.notes import Note
from llmsafe.scrub.detect.models import load_model
from llmsafe.scrub.keys import Key
from llmsafe.scrub.ner import NerModel, describe, read_models
from llmsafe.scrub.pipeline import scrub_corpus
from llmsafe.scrub.request import Request
from llmsafe.scrub.scrubber import build_scrubber
from llmsafe.scrub.settings import Settings

KEY = Key(b"k" * 32)
LABELS = ["O", "B-PATIENT", "I-PATIENT", "B-AGE", "B-DATE", "B-GIZMO"]
# No rule and no tagger takes these for PHI, so that what is hidden is hidden by the model.
WORDS = {"mild": 1, "oedema": 2, "71": 3, "95": 3, "2019": 4, "insulin": 5}


def _classifier(folder: Path, *, positions: int = 64, labels: list[str] = LABELS) -> Path:
    """A BERT that knows a few words by heart: embedding and head are set, attention adds nothing.

    Its tokeniser cuts what it does not know into letters, as word pieces do.
    """
    letters = [c for c in map(chr, range(33, 127)) if c.isalnum()]
    pieces = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", *WORDS]
    pieces += [p for c in letters for p in (c, f"##{c}")] + [".", ","]
    tokeniser = Tokenizer(models.WordPiece({p: i for i, p in enumerate(pieces)}, unk_token="[UNK]"))
    tokeniser.normalizer = normalizers.Lowercase()
    tokeniser.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokeniser.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokeniser, pad_token="[PAD]", unk_token="[UNK]", cls_token="[CLS]",
        sep_token="[SEP]", model_max_length=positions,
    )  # fmt: skip
    fast.save_pretrained(folder)
    config = BertConfig(
        vocab_size=len(pieces), hidden_size=8, num_hidden_layers=1, num_attention_heads=1,
        intermediate_size=8, max_position_embeddings=positions,
        id2label=dict(enumerate(labels)), label2id={label: i for i, label in enumerate(labels)},
    )  # fmt: skip
    model = BertForTokenClassification(config)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.zero_()
        for norm in (m for m in model.modules() if isinstance(m, torch.nn.LayerNorm)):
            norm.weight.fill_(1.0)
        embedding = model.bert.embeddings.word_embeddings.weight
        embedding[:, 0] = 1.0
        for word, label in WORDS.items():
            embedding[pieces.index(word)] = torch.nn.functional.one_hot(torch.tensor(label), 8)
        model.classifier.weight.copy_(4 * torch.eye(len(labels), 8))
    model.save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def classifier(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return _classifier(tmp_path_factory.mktemp("models") / "tiny")


@pytest.fixture(scope="module")
def pipeline(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models") / "ruler"
    nlp = spacy.blank("en")
    ruler: Any = nlp.add_pipe("entity_ruler")
    ruler.add_patterns(
        [{"label": "GPE", "pattern": "rhubarb"}, {"label": "CARDINAL", "pattern": "seven"}]
    )
    nlp.to_disk(folder)
    return folder


def _found(model: NerModel, text: str) -> list[tuple[str, str]]:
    return [(r.entity_type, text[r.start : r.end]) for r in load_model(model).analyze(text, [])]


def test_a_token_classifier_finds_with_offsets_in_the_note(classifier: Path) -> None:
    model = NerModel(kind="hf", model=str(classifier), labels={"GIZMO": None})
    assert _found(model, "Seen: mild oedema, on insulin.") == [("NAME", "mild oedema")]


def test_only_what_safe_harbor_calls_phi_is_hidden(classifier: Path) -> None:
    model = NerModel(kind="hf", model=str(classifier), labels={"GIZMO": "ORGANIZATION"})
    text = "at 71 and 95, since 2019, insulin"
    assert _found(model, text) == [("AGE", "95"), ("ORGANIZATION", "insulin")]


def test_half_a_word_becomes_the_word(classifier: Path) -> None:
    model = NerModel(kind="hf", model=str(classifier), labels={"GIZMO": None})
    assert _found(model, "so mildxy, it is") == [("NAME", "mildxy")]  # mild and ##x and ##y


def test_long_notes_are_read_to_the_end(classifier: Path) -> None:
    model = NerModel(kind="hf", model=str(classifier), labels={"GIZMO": None})
    text = "a stable week . " * 60 + "mild " + "b c d e f " * 60 + "oedema"
    assert _found(model, text) == [("NAME", "mild"), ("NAME", "oedema")]
    glued = "x" * 3000 + " mild"  # no place to cut
    assert _found(model, glued) == [("NAME", "mild")]


def test_its_findings_join_the_others_and_name_their_source(
    classifier: Path, pipeline: Path
) -> None:
    models = read_models([f"spacy:{pipeline}"])
    hf = NerModel(kind="hf", model=str(classifier), labels={"GIZMO": None}, lang="en")
    scrubber = build_scrubber(Settings("tag", KEY, models=(*models, hf)))
    outcome = scrubber.scrub(Note("n", "Dr. Okafor: mild oedema of seven days, ate rhubarb."))
    assert outcome.note is not None
    assert outcome.note.text == "Dr. [NAME]: [NAME] of seven days, ate [LOCATION]."
    assert [s.source for s in outcome.spans] == ["titled names", "hf:tiny", "spacy:ruler"]
    zh = scrubber.scrub(Note("n", "患者 mild oedema, 今日步行入院，吃 rhubarb。"))
    assert zh.note is not None
    assert "mild" in zh.note.text  # the classifier reads English alone
    assert "rhubarb" not in zh.note.text


def test_a_model_that_raises_quarantines_the_note(
    classifier: Path, pipeline: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hf = NerModel(kind="hf", model=str(classifier), labels={"GIZMO": None})
    scrubber = build_scrubber(Settings("tag", KEY, models=(hf,)))

    def broken(*args: Any, **kwargs: Any) -> Any:
        raise RuntimeError("mild oedema")

    monkeypatch.setattr(BertForTokenClassification, "forward", broken)
    outcome = scrubber.scrub(Note("n", "Nothing of note."))
    assert (outcome.note, outcome.reason) == (None, "hf:tiny: hidden failure")

    scrubber = build_scrubber(Settings("tag", KEY, models=read_models([f"spacy:{pipeline}"])))
    monkeypatch.setattr(spacy.language.Language, "__call__", broken)
    outcome = scrubber.scrub(Note("n", "Nothing of note."))
    assert (outcome.note, outcome.reason) == (None, "spacy:ruler: RuntimeError")


def test_the_whole_job_names_its_models_and_says_what_they_found(
    classifier: Path, tmp_path: Path
) -> None:
    config = tmp_path / "ner.yaml"
    entry = {"kind": "hf", "model": str(classifier), "labels": {"GIZMO": None}}
    config.write_text(json.dumps({"models": [entry]}))
    notes = tmp_path / "notes.jsonl"
    notes.write_text(json.dumps({"note_id": "1", "text": "Found mild oedema."}) + "\n")
    request = Request(open_corpus(notes), tmp_path / "out", method="tag")
    plain = scrub_corpus(request)  # a light one first: the heavy one must not inherit its processes
    assert plain.spans_by_source == {}
    heavy = Request(
        open_corpus(notes), tmp_path / "out2", method="tag", models=read_models([str(config)])
    )
    manifest = scrub_corpus(heavy)
    assert manifest.spans_by_source == {"hf:tiny": 1}
    [described] = ScrubManifest.load(tmp_path / "out2/vault/scrub_manifest.json").settings["models"]
    assert described["digest"].startswith("sha256:")
    assert "Found [NAME]." in next((tmp_path / "out2/corpus").iterdir()).read_text()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"model": "/nowhere"}, "does not exist"),
        ({"model": "nobody/nothing"}, "not in the local model cache"),
        ({"labels": {}}, "GIZMO"),
        ({"labels": dict.fromkeys(("PATIENT", "AGE", "DATE", "GIZMO"))}, "nothing that is PHI"),
        ({"kind": "spacy", "model": "en_core_no_such"}, "installed spaCy pipeline"),
    ],
)
def test_what_cannot_be_used_is_refused(
    classifier: Path, change: dict[str, Any], words: str
) -> None:
    fields = {"kind": "hf", "model": str(classifier), "labels": {"GIZMO": None}} | change
    with pytest.raises(InputError, match=words):
        load_model(NerModel(**fields))


def test_a_pickle_is_refused(classifier: Path, tmp_path: Path) -> None:
    folder = tmp_path / "pickled"
    folder.mkdir()
    (folder / "config.json").write_text((classifier / "config.json").read_text())
    (folder / "pytorch_model.bin").write_bytes(b"never read")
    with pytest.raises(InputError, match="pickle"):
        load_model(NerModel(kind="hf", model=str(folder)))


@pytest.mark.parametrize("place", ["bert", "hf:", "onnx:x", "no-such.yaml"])
def test_what_names_no_model_is_refused(place: str) -> None:
    with pytest.raises(InputError):
        read_models([place])


def test_a_category_that_does_not_exist_and_a_model_twice_are_refused(tmp_path: Path) -> None:
    config = tmp_path / "ner.yaml"
    config.write_text("models: [{kind: hf, model: x, labels: {HCW: NAMES}}]")
    with pytest.raises(InputError, match="NAMES"):
        read_models([str(config)])
    with pytest.raises(InputError, match="twice"):
        read_models(["hf:a/x", "hf:b/x"])


def test_a_change_of_its_files_changes_what_is_said_of_a_model(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{}")
    model = NerModel(kind="hf", model=str(tmp_path))
    before = describe(model)
    (tmp_path / "config.json").write_text("{ }")
    assert describe(model)["digest"] != before["digest"]


def test_gliner_is_asked_for_when_it_is_not_there(classifier: Path) -> None:
    if importlib.util.find_spec("gliner"):
        pytest.skip("GLiNER is installed")
    with pytest.raises(SetupError, match="GLiNER"):
        load_model(NerModel(kind="gliner", model=str(classifier)))


def test_a_scrubber_without_models_imports_no_torch() -> None:
    code = (
        "import llmsafe.scrub.light, sys; assert not {'torch', 'transformers'} & set(sys.modules);"
        "from llmsafe.scrub.light import without\n"
        "with without('tabnanny'):\n"
        "    try: import tabnanny\n"
        "    except ImportError: pass\n"
        "    else: raise SystemExit('imported')\n"
        "import tabnanny\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
