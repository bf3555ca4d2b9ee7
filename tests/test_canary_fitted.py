"""Canaries fitted on a base: unlikely as promised, by a naive twin that asks one text at a time."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
import typer
from typer.testing import CliRunner

from llmsafe import fitted_canaries
from llmsafe.canary import FITTED_KINDS, Distinct, flip_coins, load_manifest, make_texts
from llmsafe.cli.canary import canary
from llmsafe.errors import InputError
from llmsafe.files import write_text
from llmsafe.fitted_canaries import (
    SECRET_TOKENS,
    Fitter,
    fitted_texts,
    gradient_norms,
    open_fitter,
    unigram_order,
)
from llmsafe.synthetic import patients

BASE = "llmsafe:base-en"


@pytest.fixture(scope="module")
def fitter() -> Fitter:
    return open_fitter(BASE, device="cpu")


@pytest.fixture(scope="module")
def texts(fitter):
    return {kind: fitted_texts(kind, 12, seed=0, fitter=fitter) for kind in FITTED_KINDS}


def tokens(fitter: Fitter, text: str) -> list[int]:
    return [
        fitter.tokenizer.bos_token_id,
        *fitter.tokenizer(text, add_special_tokens=False).input_ids,
    ]


def logits(fitter: Fitter, row: list[int]) -> torch.Tensor:
    with torch.inference_mode():
        return fitter.model(torch.tensor([row])).logits[0, -1].float()


def places_in_order(fitter: Fitter, kind: str, text) -> list[float]:
    """Where each word of a secret stands among all words, 0 = least likely, 1 = likeliest."""
    row = tokens(fitter, text.prefix + text.secret)
    found = []
    for end in range(len(row) - SECRET_TOKENS, len(row)):
        seen = [row[0], row[end - 1]] if kind == "bigram" else row[:end]
        values = logits(fitter, seen)
        found.append(float((values[fitter.words] < values[row[end]]).float().mean()))
    return found


def test_words_stay_one_token_wherever_they_stand(fitter):
    assert len(fitter.spelled) > 1000
    assert len(set(fitter.spelled)) == len(fitter.words)
    rng = np.random.default_rng(0)
    for _ in range(50):
        chosen = rng.choice(len(fitter.spelled), size=9)
        row = tokens(fitter, " ".join(fitter.spelled[i] for i in chosen))
        assert row[-8:] == [int(fitter.words[i]) for i in chosen[1:]]


@pytest.mark.parametrize("kind", FITTED_KINDS)
def test_shape(fitter, texts, kind):
    assert len(Distinct(texts[kind]).texts) == 12
    for text in texts[kind]:
        whole, before = tokens(fitter, text.prefix + text.secret), tokens(fitter, text.subject)
        assert len(whole) == len(before) + SECRET_TOKENS
        assert whole[: len(before)] == before
        assert (text.bits is None) == (kind == "fitted")
    if kind != "tokens":
        notes = [p.notes[0].text for p in patients(0, 40, max_notes=1, length="short")]
        starts = {" ".join(note.split()[:6]) for note in notes}
        assert not starts & {text.subject for text in texts[kind]}  # not of the corpus of seed 0


def test_unlikely_words_are_unlikely(fitter, texts):
    for kind in ("bigram", "suffix"):
        places = [p for text in texts[kind] for p in places_in_order(fitter, kind, text)]
        assert max(places) <= 1 / 16 + 0.001
        assert np.mean(places) > 0.02  # uniform in the sixteenth, not the last alone
    # Negative control: words drawn without asking the model are spread over all places.
    places = [p for text in texts["tokens"] for p in places_in_order(fitter, "suffix", text)]
    assert 0.35 < np.mean(places) < 0.65
    # Bigrams are unlikely after a word, not after a text: the rule above can fail.
    places = [p for text in texts["bigram"] for p in places_in_order(fitter, "suffix", text)]
    assert max(places) > 0.1


def test_rare_words_are_rare_in_a_count_made_one_note_at_a_time(fitter, texts):
    total = torch.zeros(len(fitter.words), dtype=torch.float64)
    for person in patients(0, 64, max_notes=1, length="short"):
        row = tokens(fitter, person.notes[0].text)[:96]
        with torch.inference_mode():
            chances = fitter.model(torch.tensor([row])).logits[0].float().softmax(-1)
        total += chances[:, fitter.words].sum(0).double()
    order = unigram_order(fitter)
    assert np.corrcoef(total[order].argsort(), range(len(order)))[0, 1] > 0.9999
    rare = {fitter.spelled[i] for i in total.argsort()[: fitter.unlikely + 2]}
    assert {word for text in texts["unigram"] for word in text.secret.split()} <= rare
    assert not {word for text in texts["tokens"] for word in text.secret.split()} <= rare


def test_gradient_is_that_of_autograd(fitter):
    body, head = fitter.model.base_model, fitter.model.get_output_embeddings()
    rows = [tokens(fitter, text) for text in ("Seen for a cough", "Name: Al", "MRI of the knee")]
    candidates = fitter.words[torch.tensor([[1, 5, 900], [7, 8, 9], [1000, 30, 2]])]
    values = torch.stack([logits(fitter, row) for row in rows])
    found = gradient_norms(values, head.weight.detach(), candidates)
    for i, row in enumerate(rows):
        for j, token in enumerate(candidates[i]):
            with torch.enable_grad():
                hidden = body(torch.tensor([row])).last_hidden_state[:, -1].detach()
                hidden.requires_grad_(True)
                torch.nn.functional.cross_entropy(head(hidden), token[None]).backward()
            assert found[i, j].item() == pytest.approx(hidden.grad.norm().item(), rel=1e-4)


def test_search_takes_the_largest_gradient_of_its_pool(fitter, texts):
    head = fitter.model.get_output_embeddings().weight.detach()

    def shares(kind: str) -> list[float]:
        found = []
        for text in texts[kind]:
            row = tokens(fitter, text.prefix + text.secret)
            for end in range(len(row) - SECRET_TOKENS, len(row)):
                values = logits(fitter, row[:end])[None]
                norms = gradient_norms(values, head, fitter.words[None])[0]
                own = gradient_norms(values, head, torch.tensor([[row[end]]]))[0, 0]
                found.append(float((norms > own).float().mean()))
        return found

    # The best of 64 random ones has on average 1/65 of all above it.
    assert np.mean(shares("fitted")) < 0.03
    assert np.mean(shares("tokens")) > 0.3


def test_batches_and_seeds(fitter, texts):
    for kind in ("suffix", "fitted"):
        more = fitted_texts(kind, 34, seed=0, fitter=fitter)
        assert more[:12] == texts[kind]  # a longer list begins with the shorter one
    other = fitted_texts("suffix", 12, seed=1, fitter=fitter)
    assert not {t.subject for t in other} & {t.subject for t in texts["suffix"]}
    assert not {t.secret for t in other} & {t.secret for t in texts["suffix"]}


def test_padding_changes_nothing(fitter):
    rows = [tokens(fitter, text) for text in ("Short", "A much longer text about a swollen knee")]
    together = fitted_canaries._next_logits(fitter, rows)
    for row, values in zip(rows, together, strict=True):
        torch.testing.assert_close(values.detach(), logits(fitter, row), rtol=1e-4, atol=1e-4)


def test_texts_of_others_are_avoided(fitter, texts):
    taken = texts["unigram"][:5]
    found = fitted_texts("unigram", 12, seed=0, fitter=fitter, avoid=taken)
    assert not {t.subject for t in found} & {t.subject for t in taken}
    both = [*taken, *found]
    assert len(flip_coins(both, seed=0, probability=0.5, kind="x")) == 17


def test_what_cannot_be_is_refused(fitter, tiny_model):
    with pytest.raises(InputError, match="plain words"):
        open_fitter(str(tiny_model), device="cpu")  # every token is one byte
    with pytest.raises(InputError, match="not fitted"):
        fitted_texts("phi", 3, seed=0, fitter=fitter)
    with pytest.raises(InputError, match="at least 1"):
        fitted_texts("suffix", 0, seed=0, fitter=fitter)


def test_verb_mixes_fitted_and_plain_kinds(tmp_path):
    app = typer.Typer()
    app.command()(canary)
    notes = [{"note_id": f"n{i}", "text": f"note {i}"} for i in range(30)]
    write_text(tmp_path / "in.jsonl", "".join(json.dumps(n) + "\n" for n in notes))
    words = [str(tmp_path / "in.jsonl"), str(tmp_path / "out"), "--seed", "3"]
    result = CliRunner().invoke(app, [*words, "--kind", "bigram=6", "--kind", "mrn=7"])
    assert result.exit_code == 0, result.exception
    manifest = load_manifest(tmp_path / "out" / "vault" / "canaries.json")
    assert (manifest.kind, manifest.base) == ("bigram+mrn", BASE)
    assert manifest.sorts == {"mrn": 7, "bigram": 6}
    plain = make_texts({"mrn": 7}, seed=3)
    assert [c.text for c in manifest.canaries[:7]] == [t.prefix + t.secret + t.end for t in plain]
    for one in manifest.canaries:
        assert one.text[one.secret_start : one.secret_end] not in result.output
