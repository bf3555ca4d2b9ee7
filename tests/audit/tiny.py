"""A whole run in seconds: tokenizer, base model, corpus, canaries, adapters, vault and release."""

from __future__ import annotations

import random
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from peft import LoraConfig, get_peft_model
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from llmsafe import __version__
from llmsafe.artifacts import (
    Canary,
    CanaryManifest,
    Lineage,
    LineageStep,
    PrivacyStatement,
    Split,
)
from llmsafe.canary import make_manifest as make_manifest_of
from llmsafe.corpus import open_corpus, write_corpus
from llmsafe.files import sha256_file
from llmsafe.models import encode_note, weights_digest
from llmsafe.notes import Note, texts_digest

MAX_TOKENS = 64
WORDS = (
    *("patient", "seen", "today", "for", "pain", "in", "the", "chest", "with", "fever", "and"),
    *("cough", "no", "nausea", "given", "aspirin", "daily", "plan", "follow", "up", "clinic"),
    *("blood", "pressure", "stable", "heart", "regular", "lungs", "clear", "mild", "edema"),
)


@dataclass(frozen=True)
class World:
    """Paths and objects of one run."""

    root: Path
    base: Path
    run: Path
    corpus: Path
    manifest: CanaryManifest
    members: tuple[Note, ...]
    non_members: tuple[Note, ...]


def make_tokenizer(folder: Path, texts: list[str]) -> PreTrainedTokenizerFast:
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=320,
        special_tokens=["<pad>", "<s>", "</s>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, bos_token="<s>", eos_token="</s>", pad_token="<pad>"
    )
    fast.save_pretrained(folder)
    return fast


def make_model(
    folder: Path, *, seed: int = 0, vocabulary: int = 320, hidden: int = 32
) -> LlamaForCausalLM:
    torch.manual_seed(seed)
    config = LlamaConfig(
        vocab_size=vocabulary,
        hidden_size=hidden,
        intermediate_size=2 * hidden,
        num_hidden_layers=1,
        num_attention_heads=4,
        max_position_embeddings=128,
        bos_token_id=1,
        eos_token_id=2,
        pad_token_id=0,
    )
    model = LlamaForCausalLM(config)
    model.save_pretrained(folder)
    return model


def sentence(rng: random.Random, words: int) -> str:
    return " ".join(rng.choice(WORDS) for _ in range(words))


def make_notes(patients: int, *, seed: int, prefix: str, notes: int = 2) -> tuple[Note, ...]:
    rng = random.Random(seed)
    return tuple(
        Note(f"{prefix}{i}-{k}", sentence(rng, 10) + ".", f"{prefix}{i}", f"2020-01-{k + 1:02d}")
        for i in range(patients)
        for k in range(notes)
    )


def make_manifest(count: int, *, seed: int) -> CanaryManifest:
    """Canaries by independent fair coins: a five-digit number at the end of a short note."""
    rng = random.Random(seed)
    canaries: list[Canary] = []
    for index in range(count):
        prefix = f"{sentence(rng, 3)}, record number "
        secret = f"{rng.randrange(10**5):05d}"
        canaries.append(
            Canary(
                canary_id=f"canary-{index:04d}",
                patient_id=f"cp{index:04d}",
                note_id=f"cn{index:04d}",
                planted=rng.random() < 0.5,
                text=prefix + secret + ".",
                secret_start=len(prefix),
                secret_end=len(prefix) + len(secret),
            )
        )
    return make_manifest_of(
        canaries, kind="phi", seed=seed, probability=0.5, lang="en", corpus_digest="sha256:0"
    )


def batch_of(rows: list[list[int]]) -> tuple[torch.Tensor, torch.Tensor]:
    width = max(len(row) for row in rows)
    ids = torch.zeros((len(rows), width), dtype=torch.long)
    mask = torch.zeros((len(rows), width), dtype=torch.long)
    for index, row in enumerate(rows):
        ids[index, : len(row)] = torch.tensor(row)
        mask[index, : len(row)] = 1
    return ids, mask


def fit(model: torch.nn.Module, rows: list[list[int]], *, steps: int, rate: float) -> None:
    ids, mask = batch_of(rows)
    labels = ids.masked_fill(mask == 0, -100)
    wanted = [p for p in model.parameters() if p.requires_grad]
    optimiser = torch.optim.Adam(wanted, lr=rate)
    for _ in range(steps):
        optimiser.zero_grad()
        model(input_ids=ids, attention_mask=mask, labels=labels).loss.backward()
        optimiser.step()


def lora(base: Path, *, seed: int = 0) -> torch.nn.Module:
    torch.manual_seed(seed)
    model = LlamaForCausalLM.from_pretrained(base, dtype=torch.float32)
    return get_peft_model(
        model, LoraConfig(task_type="CAUSAL_LM", r=32, lora_alpha=64, target_modules="all-linear")
    )


def statement(epsilon: float | None) -> PrivacyStatement:
    return PrivacyStatement(
        private=epsilon is not None,
        epsilon=epsilon,
        delta=1e-5,
        unit="patient",
        sampling_probability=0.1,
        population=100,
        units_per_step=10.0,
        steps=10,
        noise_multiplier=1.0 if epsilon else 0.0,
        clip_norm=1.0,
        noise="standard" if epsilon else "none",
    )


def recorded_texts(world: World) -> dict[str, str]:
    """What training records of each unit's texts."""
    texts: dict[str, list[str]] = {}
    for note in (*world.members, *world.non_members):
        texts.setdefault(str(note.patient_id), []).append(note.text)
    texts |= {c.patient_id: [c.text] for c in world.manifest.canaries if c.planted}
    return {unit: texts_digest(own) for unit, own in texts.items()}


def write_run(world: World, run: Path, model: torch.nn.Module, *, epsilon: float | None) -> Path:
    """Write ``run`` as training does, with the evidence of ``world``."""
    release, vault = run / "release", run / "vault"
    model.peft_config["default"].base_model_name_or_path = str(world.base)
    model.save_pretrained(release)
    privacy = statement(epsilon).save(release / "privacy.json")
    canaries = world.manifest.save(vault / "canaries.json", private=True)
    planted = [c.patient_id for c in world.manifest.canaries if c.planted]
    members = sorted({note.patient_id for note in world.members if note.patient_id})
    held_out = sorted({note.patient_id for note in world.non_members if note.patient_id})
    split = Split(
        unit="patient",
        members=members + planted,
        held_out=held_out,
        texts=recorded_texts(world),
    ).save(vault / "split.json", private=True)
    step = LineageStep(
        step="train",
        version=__version__,
        inputs={
            "corpus": open_corpus(world.corpus).digest(),
            "canaries": sha256_file(canaries),
            "base": weights_digest(str(world.base)),
        },
        outputs={
            "adapter": sha256_file(release / "adapter_model.safetensors"),
            "privacy": sha256_file(privacy),
            "split": sha256_file(split),
        },
        settings={
            "corpus_path": str(world.corpus),
            "max_tokens": MAX_TOKENS,
            "max_notes_per_unit": 4,
            "train": {"learning_rate": 2e-2},
            "columns": {"text_column": "text", "id_column": None},
        },
    )
    Lineage().then(step).save(vault / "lineage.json", private=True)
    return run


def make_world(root: Path, *, canaries: int = 80, patients: int = 12, steps: int = 180) -> World:
    """A base that knows the words, a corpus with planted canaries, and an overfitted run."""
    base = root / "base"
    members = make_notes(patients, seed=1, prefix="m")
    non_members = make_notes(patients, seed=2, prefix="n")
    manifest = make_manifest(canaries, seed=3)
    rng = random.Random(4)
    public = [sentence(rng, 8) + f", record number {rng.randrange(10**5):05d}." for _ in range(64)]
    tokenizer = make_tokenizer(base, public)
    model = make_model(base)
    rows = [encode_note(tokenizer, text, MAX_TOKENS)[0] for text in public]
    fit(model, rows, steps=40, rate=1e-2)
    model.save_pretrained(base)
    planted = tuple(Note(c.note_id, c.text, c.patient_id) for c in manifest.canaries if c.planted)
    corpus = root / "corpus"
    write_corpus(corpus / "corpus", [*members, *planted, *non_members])
    world = World(root, base, root / "run", corpus, manifest, members, non_members)
    adapter = lora(base)
    train = [encode_note(tokenizer, n.text, MAX_TOKENS)[0] for n in (*members, *planted)]
    fit(adapter, train, steps=steps, rate=2e-2)
    write_run(world, world.run, adapter, epsilon=None)
    return world


def at(world: World, run: Path) -> World:
    """The same world with another run."""
    return replace(world, run=run)
