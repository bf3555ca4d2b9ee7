"""Pretrain the embedded base language model on public text only.

    python scripts/pretrain_base.py prepare  --prose-dir PROSE --work WORK
    python scripts/pretrain_base.py train    --work WORK [--minutes 80] [section.key=value ...]
    python scripts/pretrain_base.py export   --work WORK --out llmsafe/assets/base-en
    python scripts/pretrain_base.py evaluate MODEL --text notes.jsonl.gz

`prepare` trains the tokenizer and writes one uint16 token file per source; `train` is resumable
(run it again with the same WORK) and follows the clock rather than a step count, so a machine that
is busy with other things still ends on a fully decayed model; `export` writes half-precision
safetensors, tokenizer and card. `--config scripts/configs/pretrain_gpu.yaml` scales the same
program up. Nothing private is read here: the prose is openly licensed and the synthetic patients
are the *public* audience, whose templates and seeds the private corpora never use.
"""

from __future__ import annotations

import argparse
import csv
import dataclasses
import gzip
import hashlib
import itertools
import json
import math
import random
import re
import signal
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from string import Template
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
import yaml
from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, processors, trainers
from transformers import (
    AutoModelForCausalLM,
    AutoTokenizer,
    LlamaConfig,
    LlamaForCausalLM,
    PreTrainedTokenizerFast,
)

HERE = Path(__file__).resolve().parent
PAD, BOS, EOS = "<pad>", "<s>", "</s>"
# A pre-token is a contraction, a word, ONE digit, a run of symbols, or white space. Numbers are
# split so that a secret costs as many tokens as it has digits, whatever the tokenizer saw.
SPLIT = r"'(?:[sdmt]|ll|ve|re)| ?\p{L}+| ?\p{N}| ?[^\s\p{L}\p{N}]+|\s*[\r\n]+|\s+(?!\S)|\s+"

# ------------------------------------------------------------------------------ configuration


@dataclass(frozen=True)
class Model:
    hidden: int
    layers: int
    heads: int
    intermediate: int
    context: int
    vocabulary: int


@dataclass(frozen=True)
class Data:
    synthetic_patients: int
    synthetic_seed: int
    holdout: float  # share of documents kept back, by hash of their key
    tokenizer_megabytes: float  # per source, so that the largest does not own the vocabulary


@dataclass(frozen=True)
class Optim:
    muon_lr: float  # hidden matrices
    adam_lr: float  # embedding (tied to the head) and norms
    weight_decay: float
    clip: float
    warmup: float  # share of the budget
    decay_from: float  # share of the budget at which the linear decay to zero begins


@dataclass(frozen=True)
class Stage:
    until: float  # share of the budget at which the stage ends
    context: int
    batch: int  # rows per micro-batch
    accumulate: int
    mix: dict[str, float]  # source -> weight; a source that was not prepared is left out


@dataclass(frozen=True)
class Run:
    device: str
    bf16: bool
    compile: bool
    minutes: float | None  # budget by the clock, or
    tokens: float | None  # budget by tokens; exactly one of the two
    seed: int
    report_minutes: float


@dataclass(frozen=True)
class Config:
    model: Model
    data: Data
    optim: Optim
    run: Run
    stages: tuple[Stage, ...]


def build(kind: type[Any], values: dict[str, Any], where: str) -> Any:
    """A dataclass from a mapping; a missing or an unknown key is fatal."""
    wanted = {f.name for f in dataclasses.fields(kind)}
    if wanted != set(values):
        sys.exit(f"{where}: keys must be {sorted(wanted)}, found {sorted(values)}")
    return kind(**values)


def load_config(path: Path, overrides: Sequence[str]) -> Config:
    raw = yaml.safe_load(path.read_text(encoding="utf-8"))
    for item in overrides:
        key, _, value = item.partition("=")
        section, _, name = key.partition(".")
        if section not in raw or not isinstance(raw[section], dict) or name not in raw[section]:
            sys.exit(f"{item}: no such key in {path.name}; write section.key=value")
        raw[section][name] = yaml.safe_load(value)
    parts = {"model": Model, "data": Data, "optim": Optim, "run": Run}
    stages = tuple(build(Stage, s, f"{path.name} stages") for s in raw.pop("stages"))
    config = Config(
        **{n: build(k, raw[n], f"{path.name} {n}") for n, k in parts.items()}, stages=stages
    )
    if (config.run.minutes is None) == (config.run.tokens is None):
        sys.exit("run.minutes and run.tokens: set exactly one of the two")
    return config


# ------------------------------------------------------------------------------ public text

Document = tuple[str, str]  # key that groups what must be kept back together, text


def jsonl(path: Path) -> Iterator[dict[str, Any]]:
    opener = gzip.open if path.suffix == ".gz" else open
    with opener(path, "rt", encoding="utf-8") as lines:
        yield from map(json.loads, lines)


def read_trials(prose: Path) -> Iterator[Document]:
    """Open-access trial reports without their back matter; section labels as plain headings."""
    back = re.compile(
        r"COMPETING|CONTRIBUTIONS|PRE-PUBLICATION|ABBREVIATIONS|SUPPLEMENTARY|SUPPORTING INFO"
        r"|ACKNOWLEDG|FUNDING|REFERENCES|CONSENT FOR PUBL|AVAILABILITY OF|DISCLOSURE"
    )
    label = re.compile(r"^ ?(?:TITLE|(?:ABSTRACT|BODY)(?:\.[^\n]{1,120})?):", re.M)
    for row in jsonl(prose / "evidence_inference_pmc" / "pmc_rct_ccby.jsonl.gz"):
        text = row["text"]
        starts = [m.start() for m in label.finditer(text)] + [len(text)]
        parts = [text[a:b].strip() for a, b in itertools.pairwise(starts)]
        kept = [
            re.sub(r"^(?:ABSTRACT|BODY)\.(?:\d+\. )?", "", p)
            for p in parts
            if not back.search(p.split(":", 1)[0].upper())
        ]
        yield row["id"], "\n\n".join(kept)


def read_medquad(prose: Path) -> Iterator[Document]:
    for row in jsonl(prose / "medquad" / "medquad.jsonl.gz"):
        yield row["url"], f"{row['question'].strip()}\n{row['answer'].strip()}"


def read_openstax(prose: Path) -> Iterator[Document]:
    for row in jsonl(prose / "openstax_health" / "openstax_health.jsonl.gz"):
        yield row["id"], f"{row['title'].strip()}\n{row['text'].strip()}"


def read_aci(prose: Path) -> Iterator[Document]:
    for name in ("train.csv", "valid.csv"):
        with (prose / "aci-bench" / name).open(newline="", encoding="utf-8") as handle:
            for row in csv.DictReader(handle):
                yield row["encounter_id"], row["note"].strip()


def read_primock(prose: Path) -> Iterator[Document]:
    for path in sorted((prose / "primock57" / "notes").glob("*.json")):
        yield path.stem, json.loads(path.read_text(encoding="utf-8"))["note"].strip()


PROSE: dict[str, Callable[[Path], Iterator[Document]]] = {
    "trials": read_trials,
    "medquad": read_medquad,
    "openstax": read_openstax,
    "aci": read_aci,
    "primock": read_primock,
}


def read_synthetic(seed: int, count: int) -> Iterator[Document]:
    from llmsafe.synthetic import patients

    for index, patient in enumerate(patients(seed, count, audience="public")):
        for note in patient.notes:
            yield f"public-{index}", note.text


# ------------------------------------------------------------------------------ prepare


def kept_back(key: str, share: float) -> bool:
    return int.from_bytes(hashlib.sha256(key.encode()).digest()[:4], "big") < share * 2**32


def train_tokenizer(texts: Iterable[str], vocabulary: int) -> PreTrainedTokenizerFast:
    """Byte-level BPE: every text round-trips; `<s>` is prepended on encode, `</s>` is not added."""
    bpe = Tokenizer(models.BPE())
    bpe.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(SPLIT), behavior="isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    bpe.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary,
        special_tokens=[PAD, BOS, EOS],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    bpe.train_from_iterator(texts, trainer)
    bpe.post_processor = processors.TemplateProcessing(
        single=f"{BOS} $A",
        pair=f"{BOS} $A {BOS}:1 $B:1",
        special_tokens=[(BOS, bpe.token_to_id(BOS))],
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=bpe,
        pad_token=PAD,
        bos_token=BOS,
        eos_token=EOS,
        padding_side="right",
        clean_up_tokenization_spaces=False,
    )


def write_tokens(texts: Iterable[str], tokenizer: PreTrainedTokenizerFast, path: Path) -> int:
    """`<s> text </s>` of every text, end to end, as uint16. Returns the number of tokens."""
    eos, total = tokenizer.eos_token_id, 0
    partial = path.with_suffix(".partial")
    with partial.open("wb") as out:
        for chunk in batched(texts, 256):
            for row in tokenizer.backend_tokenizer.encode_batch(chunk):
                np.asarray([*row.ids, eos], dtype=np.uint16).tofile(out)
                total += len(row.ids) + 1
    partial.rename(path)
    return total


def batched(items: Iterable[Any], size: int) -> Iterator[list[Any]]:
    iterator = iter(items)
    while chunk := list(itertools.islice(iterator, size)):
        yield chunk


def prepare(config: Config, prose: Path, work: Path) -> None:
    work.mkdir(parents=True, exist_ok=True)
    sources: dict[str, Callable[[], Iterator[Document]]] = {
        name: (lambda read=read: read(prose)) for name, read in PROSE.items()
    }
    if config.data.synthetic_patients:
        data = config.data
        sources["synthetic"] = lambda: read_synthetic(data.synthetic_seed, data.synthetic_patients)

    def sample() -> Iterator[str]:
        for read in sources.values():
            left = config.data.tokenizer_megabytes * 1e6
            # The few real notes are small and matter most: a source may come round 8 times.
            for key, text in itertools.chain.from_iterable(read() for _ in range(8)):
                if kept_back(key, config.data.holdout):
                    continue
                yield text
                left -= len(text)
                if left < 0:
                    break

    if not (work / "tokenizer.json").exists():
        train_tokenizer(sample(), config.model.vocabulary).save_pretrained(work)
    tokenizer = AutoTokenizer.from_pretrained(work)
    rows: list[list[str]] = []
    for name, read in sources.items():
        for split in ("heldout", "train"):
            path = work / f"{name}.{split}.bin"
            held = split == "heldout"
            texts = [t for k, t in read() if kept_back(k, config.data.holdout) == held and t]
            tokens = write_tokens(texts, tokenizer, path)
            if held:
                with gzip.open(work / f"{name}.heldout.jsonl.gz", "wt", encoding="utf-8") as out:
                    out.writelines(json.dumps({"text": t}) + "\n" for t in texts)
            characters = sum(map(len, texts))
            rows.append([name, split, f"{len(texts):,}", f"{characters:,}", f"{tokens:,}"])
            print(*rows[-1], flush=True)
    header = ["source", "split", "documents", "characters", "tokens"]
    (work / "data.md").write_text(markdown(header, rows) + "\n", encoding="utf-8")


# ------------------------------------------------------------------------------ batches


class Source:
    """Rows of one token file, each epoch cut at a fresh offset and visited in a fresh order.

    Row `k` depends on (seed, context, k) alone, so a resumed run continues where it was.
    """

    def __init__(self, path: Path, context: int, seed: int) -> None:
        self.tokens = np.memmap(path, dtype=np.uint16, mode="r")
        self.width, self.seed, self.epoch = context + 1, seed, -1
        self.rows = (len(self.tokens) - 1) // self.width - 1
        self.order = np.empty(0, dtype=np.int64)
        self.offset = 0
        if self.rows < 1:
            sys.exit(f"{path.name}: {len(self.tokens)} tokens are fewer than two rows")

    def row(self, k: int) -> np.ndarray:
        epoch, index = divmod(k, self.rows)
        if epoch != self.epoch:
            rng = np.random.default_rng([self.seed, self.width, epoch])
            self.order, self.offset = rng.permutation(self.rows), int(rng.integers(self.width))
            self.epoch = epoch
        start = self.offset + int(self.order[index]) * self.width
        return self.tokens[start : start + self.width].astype(np.int64)


class Mixture:
    """Draws rows from several sources; `counts` (rows taken per source) is its whole state."""

    def __init__(self, work: Path, stage: Stage, seed: int, counts: dict[str, int]) -> None:
        weights = {n: w for n, w in stage.mix.items() if (work / f"{n}.train.bin").exists()}
        self.names, self.counts, self.context = list(weights), counts, stage.context
        self.weights = np.array(list(weights.values())) / sum(weights.values())
        self.sources = [Source(work / f"{n}.train.bin", stage.context, seed) for n in self.names]
        self.seed = seed

    def batch(self, step: int, rows: int) -> torch.Tensor:
        """[rows, context + 1] token ids."""
        rng = np.random.default_rng([self.seed, step])
        out = np.empty((rows, self.context + 1), dtype=np.int64)
        for i, which in enumerate(rng.choice(len(self.names), size=rows, p=self.weights)):
            key = f"{self.names[which]}@{self.context}"
            out[i] = self.sources[which].row(self.counts.get(key, 0))
            self.counts[key] = self.counts.get(key, 0) + 1
        return torch.from_numpy(out)


# ------------------------------------------------------------------------------ training


def make_model(config: Config) -> LlamaForCausalLM:
    torch.manual_seed(config.run.seed)
    m = config.model
    model = LlamaForCausalLM(
        LlamaConfig(
            vocab_size=m.vocabulary,
            hidden_size=m.hidden,
            intermediate_size=m.intermediate,
            num_hidden_layers=m.layers,
            num_attention_heads=m.heads,
            max_position_embeddings=m.context,
            tie_word_embeddings=True,
            pad_token_id=0,
            bos_token_id=1,
            eos_token_id=2,
        )
    )
    with torch.no_grad():  # every block starts as the identity: steadier under Muon's full steps
        for layer in model.model.layers:
            layer.self_attn.o_proj.weight.zero_()
            layer.mlp.down_proj.weight.zero_()
    return model


def make_optimizers(model: LlamaForCausalLM, optim: Optim) -> list[torch.optim.Optimizer]:
    """Muon orthogonalises hidden matrices; embedding and norms are not its business: AdamW."""
    matrices = [p for p in model.model.layers.parameters() if p.ndim == 2]
    norms = [p for p in model.parameters() if p.ndim < 2]
    return [
        torch.optim.Muon(matrices, lr=optim.muon_lr, weight_decay=optim.weight_decay),
        torch.optim.AdamW(
            [
                {"params": [model.model.embed_tokens.weight], "weight_decay": optim.weight_decay},
                {"params": norms, "weight_decay": 0.0},
            ],
            lr=optim.adam_lr,
            betas=(0.9, 0.95),
        ),
    ]


def lr_factor(share: float, optim: Optim) -> float:
    """Warm up, stay, decay linearly to zero; `share` is the spent part of the budget."""
    if share < optim.warmup:
        return max(share, 1e-4) / optim.warmup
    if share < optim.decay_from:
        return 1.0
    return max(0.0, (1.0 - share) / (1.0 - optim.decay_from))


def mean_loss(model: LlamaForCausalLM, rows: torch.Tensor) -> torch.Tensor:
    """Mean next-token loss in nats over [batch, context + 1] full rows; no padding exists."""
    hidden = model.model(input_ids=rows[:, :-1], use_cache=False).last_hidden_state
    logits = F.linear(hidden.flatten(0, 1), model.lm_head.weight)
    return F.cross_entropy(logits.float(), rows[:, 1:].flatten())


def save_atomically(state: dict[str, Any], path: Path) -> None:
    partial = path.with_suffix(".partial")
    torch.save(state, partial)
    partial.replace(path)


def train(config: Config, work: Path) -> None:
    run, optim = config.run, config.optim
    device = torch.device(run.device)
    model = make_model(config).to(device)
    optimizers = make_optimizers(model, optim)
    base_lrs = [[g["lr"] for g in o.param_groups] for o in optimizers]
    counts: dict[str, int] = {}
    step = tokens = 0
    spent = cpu = 0.0  # seconds of training by the wall and by the processor, all runs together
    checkpoint = work / "checkpoint.pt"
    if checkpoint.exists():
        state = torch.load(checkpoint, map_location=device, weights_only=True)
        model.load_state_dict(state["model"])
        for optimizer, saved in zip(optimizers, state["optimizers"], strict=True):
            optimizer.load_state_dict(saved)
        step, tokens, counts = state["step"], state["tokens"], state["counts"]
        spent, cpu = state["spent"], state["cpu"]
        print(f"resumed at step {step:,}, {tokens:,} tokens, {spent / 60:.1f} minutes", flush=True)
    loss_of = torch.compile(mean_loss, dynamic=False) if run.compile else mean_loss
    precision = (lambda: torch.autocast(device.type, torch.bfloat16)) if run.bf16 else nullcontext
    tokenizer = AutoTokenizer.from_pretrained(work)
    parameters = sum(p.numel() for p in model.parameters())
    print(f"{parameters:,} parameters, {config.model}", flush=True)

    stage: Stage | None = None
    mixture: Mixture | None = None
    clock, cpu_clock = time.monotonic(), time.process_time()
    reported, recent = spent, []
    stopping: list[int] = []  # SIGTERM or SIGINT: finish the step, save, leave
    for signal_number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(signal_number, lambda number, _: stopping.append(number))
    while True:
        used = spent + time.monotonic() - clock
        share = tokens / run.tokens if run.tokens else used / 60 / float(run.minutes or 1)
        finished = share >= 1.0 or bool(stopping)
        if finished or used - reported >= run.report_minutes * 60:
            reported = used
            line = {
                "minutes": round(used / 60, 2),
                "cpu_minutes": round((cpu + time.process_time() - cpu_clock) / 60, 2),
                "step": step,
                "tokens": tokens,
                "lr_factor": round(lr_factor(share, optim), 4),
                "train_loss": round(float(np.mean(recent)), 4) if recent else None,
                "bits_per_character": heldout_bits(model, tokenizer, work, limit=24, context=256),
            }
            recent = []
            print(json.dumps(line), flush=True)
            with (work / "metrics.jsonl").open("a", encoding="utf-8") as log:
                log.write(json.dumps(line) + "\n")
            save_atomically(
                {
                    "model": model.state_dict(),
                    "optimizers": [o.state_dict() for o in optimizers],
                    "step": step,
                    "tokens": tokens,
                    "counts": counts,
                    "spent": spent + time.monotonic() - clock,
                    "cpu": cpu + time.process_time() - cpu_clock,
                },
                checkpoint,
            )
        if finished:
            break
        now = next(s for s in config.stages if share < s.until)
        if now is not stage or mixture is None:
            stage, mixture = now, Mixture(work, now, run.seed, counts)
        factor = lr_factor(share, optim)
        for optimizer, lrs in zip(optimizers, base_lrs, strict=True):
            for group, lr in zip(optimizer.param_groups, lrs, strict=True):
                group["lr"] = lr * factor
        rows = mixture.batch(step, stage.batch * stage.accumulate).to(device)
        loss_sum = torch.zeros((), device=device)
        for micro in rows.split(stage.batch):
            with precision():
                loss = loss_of(model, micro)
            (loss / stage.accumulate).backward()
            loss_sum += loss.detach() / stage.accumulate
        torch.nn.utils.clip_grad_norm_(model.parameters(), optim.clip, error_if_nonfinite=True)
        for optimizer in optimizers:
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
        recent.append(float(loss_sum))
        step, tokens = step + 1, tokens + rows.shape[0] * (rows.shape[1] - 1)
    print("stopped; run again to go on" if stopping else f"finished: {work}", flush=True)


# ------------------------------------------------------------------------------ evaluation


@torch.no_grad()
def bits_per_character(
    model: torch.nn.Module, tokenizer: Any, texts: Sequence[str], context: int, batch: int = 8
) -> tuple[float, int]:
    """Mean bits a character, and the characters scored, over the opening of each text.

    `<s>` and then as much of the text as fits in `context` tokens is scored; the divisor is the
    number of characters those tokens cover, so that models with other vocabularies compare.
    """
    device = next(model.parameters()).device
    bits, characters = 0.0, 0
    rows: list[list[int]] = []
    for text in texts:
        encoded = tokenizer(
            text,
            add_special_tokens=False,
            return_offsets_mapping=True,
            truncation=True,
            max_length=context - 1,
        )
        rows.append([tokenizer.bos_token_id, *encoded["input_ids"]])
        characters += encoded["offset_mapping"][-1][1]
    rows.sort(key=len)
    for chunk in batched(rows, batch):
        width = len(chunk[-1])
        ids = torch.zeros(len(chunk), width, dtype=torch.long, device=device)
        mask = torch.zeros_like(ids)
        for i, row in enumerate(chunk):
            ids[i, : len(row)] = torch.tensor(row, device=device)
            mask[i, : len(row)] = 1
        logits = model(input_ids=ids, attention_mask=mask, use_cache=False).logits[:, :-1].float()
        nats = F.cross_entropy(logits.transpose(1, 2), ids[:, 1:], reduction="none")
        bits += float((nats * mask[:, 1:]).sum(dtype=torch.float64)) / math.log(2)
    return bits / characters, characters


def heldout_bits(
    model: torch.nn.Module, tokenizer: Any, work: Path, limit: int, context: int
) -> dict[str, float]:
    """Bits a character on kept-back documents of every prepared source."""
    found: dict[str, float] = {}
    for path in sorted(work.glob("*.heldout.jsonl.gz")):
        texts = [r["text"] for r in itertools.islice(jsonl(path), limit)]
        if texts:
            bits, _ = bits_per_character(model, tokenizer, texts, context)
            found[path.name.split(".")[0]] = round(bits, 4)
    return found


def evaluate(folder: Path, text: Path, limit: int, seed: int) -> dict[str, Any]:
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
    tokenizer = AutoTokenizer.from_pretrained(folder)
    texts = [row["text"] for row in jsonl(text) if row["text"].strip()]
    if len(texts) > limit:
        texts = random.Random(seed).sample(texts, limit)
    context = model.config.max_position_embeddings
    bits, characters = bits_per_character(model, tokenizer, texts, context)
    return {"texts": len(texts), "characters": characters, "bits_per_character": round(bits, 4)}


# ------------------------------------------------------------------------------ export


def markdown(header: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    lines = ["| " + " | ".join(map(str, row)) + " |" for row in [header, *rows]]
    return "\n".join([lines[0], "|" + "---|" * len(header), *lines[1:]])


def loss_curve(work: Path, rows: int = 16) -> str:
    """The run's own log, thinned to about `rows` lines that keep the first and the last."""
    lines = list(jsonl(work / "metrics.jsonl"))
    keep = sorted({round(i) for i in np.linspace(0, len(lines) - 1, rows)})
    names = sorted({n for line in lines for n in line["bits_per_character"]})
    return markdown(
        ["minutes", "tokens", "learning rate", "training loss (nats)", *names],
        (
            [f"{x['minutes']:.0f}", f"{x['tokens']:,}", x["lr_factor"], x["train_loss"]]
            + [f"{b:.3f}" if (b := x["bits_per_character"].get(n)) else "-" for n in names]
            for x in (lines[i] for i in keep)
        ),
    )


def comparison(
    config: Config, work: Path, out: Path, foreign: dict[str, Path], compare: dict[str, Path]
) -> str:
    """Bits a character of the exported model and of others, on kept-back and on foreign text."""
    texts = {p.name.split(".")[0]: p for p in sorted(work.glob("*.heldout.jsonl.gz"))}
    contenders = {"this model": out, **compare}
    rows = []
    for name, path in {**texts, **foreign}.items():
        if not any(row["text"].strip() for row in jsonl(path)):
            continue
        found = [evaluate(m, path, 376, config.run.seed) for m in contenders.values()]
        kind = "zero-shot" if name in foreign else "kept back"
        rows.append([name, kind, found[0]["texts"], *(f["bits_per_character"] for f in found)])
        print(*rows[-1], flush=True)
    return markdown(["text", "", "documents", *contenders], rows)


def export(
    config: Config, work: Path, out: Path, foreign: dict[str, Path], compare: dict[str, Path]
) -> None:
    """Weights in half precision, tokenizer and card; `config.json` asks for float32 on load."""
    out.mkdir(parents=True, exist_ok=True)
    state = torch.load(work / "checkpoint.pt", map_location="cpu", weights_only=True)
    model = make_model(config)
    model.load_state_dict(state["model"])
    model.half().save_pretrained(out)
    settings = json.loads((out / "config.json").read_text(encoding="utf-8"))
    settings["dtype"] = "float32"
    (out / "config.json").write_text(json.dumps(settings, indent=2) + "\n", encoding="utf-8")
    tokenizer = AutoTokenizer.from_pretrained(work)
    tokenizer.model_max_length = config.model.context
    tokenizer.save_pretrained(out)
    parameters = sum(p.numel() for p in model.parameters())
    card = Template((HERE / "configs" / "pretrain_card.md").read_text(encoding="utf-8"))
    (out / "README.md").write_text(
        card.substitute(
            parameters=f"{parameters:,}",
            tokens=f"{state['tokens']:,}",
            steps=f"{state['step']:,}",
            minutes=f"{state['spent'] / 60:.0f}",
            cpu_minutes=f"{state['cpu'] / 60:.0f}",
            data=(work / "data.md").read_text(encoding="utf-8").strip(),
            rows=rows_seen(state["counts"]),
            curve=loss_curve(work),
            comparison=comparison(config, work, out, foreign, compare),
            **dataclasses.asdict(config.model),
            **dataclasses.asdict(config.run) | {"minutes": f"{state['spent'] / 60:.0f}"},
            synthetic_seed=config.data.synthetic_seed,
            synthetic_patients=f"{config.data.synthetic_patients:,}",
            holdout=f"{config.data.holdout:.0%}",
        ),
        encoding="utf-8",
    )
    print(out)


def rows_seen(counts: dict[str, int]) -> str:
    """Tokens drawn from each source, and their share."""
    tokens: dict[str, int] = {}
    for key, rows in counts.items():
        name, _, context = key.partition("@")
        tokens[name] = tokens.get(name, 0) + rows * int(context)
    total = sum(tokens.values())
    return markdown(
        ["source", "tokens seen", "share"],
        ([n, f"{t:,}", f"{t / total:.1%}"] for n, t in sorted(tokens.items())),
    )


# ------------------------------------------------------------------------------ command line


def named(value: str) -> tuple[str, Path]:
    name, _, path = value.partition("=")
    return name, Path(path)


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    commands = parser.add_subparsers(dest="command", required=True)
    for name in ("prepare", "train", "export"):
        sub = commands.add_parser(name)
        sub.add_argument("--config", type=Path, default=HERE / "configs" / "pretrain_cpu.yaml")
        sub.add_argument("--work", type=Path, required=True, help="folder outside the repository")
        sub.add_argument("overrides", nargs="*", metavar="section.key=value")
        if name == "export":
            sub.add_argument("--out", type=Path, required=True)
            sub.add_argument("--foreign", nargs="*", type=named, default=[], metavar="NAME=FILE")
            sub.add_argument("--compare", nargs="*", type=named, default=[], metavar="NAME=MODEL")
        if name == "prepare":
            sub.add_argument("--prose-dir", type=Path, required=True)
        if name == "train":
            sub.add_argument("--minutes", type=float, help="run.minutes: budget by the clock")
    sub = commands.add_parser("evaluate")
    sub.add_argument("model", type=Path)
    sub.add_argument("--text", type=Path, required=True, help="jsonl[.gz] with a column `text`")
    sub.add_argument("--limit", type=int, default=376)
    sub.add_argument("--seed", type=int, default=0)
    args = parser.parse_args(argv)
    if args.command == "evaluate":
        print(json.dumps(evaluate(args.model, args.text, args.limit, args.seed)))
        return
    config = load_config(args.config, args.overrides)
    if args.command == "prepare":
        prepare(config, args.prose_dir, args.work)
    elif args.command == "train":
        if args.minutes is not None:
            run = dataclasses.replace(config.run, minutes=args.minutes, tokens=None)
            config = dataclasses.replace(config, run=run)
        train(config, args.work)
    else:
        export(config, args.work, args.out, dict(args.foreign), dict(args.compare))


if __name__ == "__main__":
    main()
