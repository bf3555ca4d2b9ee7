"""Pretrain the embedded base language model on public text only.

    python scripts/pretrain_base.py prepare  --prose-dir PROSE --work WORK
    python scripts/pretrain_base.py train    --work WORK [--minutes 80] [section.key=value ...]
    python scripts/pretrain_base.py export   --work WORK --out llmsafe/assets/base-en
    python scripts/pretrain_base.py evaluate MODEL --text notes.jsonl.gz

With `--lang zh` the same program makes the Chinese base, from notes of our own making alone
(`pretrain_zh.py`), so it needs no PROSE.

`prepare` trains the tokenizer and writes one uint16 token file per source; `train` is resumable
(run it again with the same WORK) and follows the clock rather than a step count, so a machine that
is busy with other things still ends on a fully decayed model; `export` writes half-precision
safetensors, tokenizer and card. `--config scripts/configs/pretrain_gpu.yaml` scales the same
program up. Nothing private is read here: the prose is openly licensed and the synthetic patients
are the *public* audience, whose templates and seeds the private corpora never use. Training needs
torch 2.9 or later (`torch.optim.Muon`).
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import signal
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from string import Template
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
import yaml
from pretrain_data import Data, Mixture, Stage, jsonl, markdown, prepare
from pretrain_eval import evaluate, heldout_bits
from transformers import AutoTokenizer, LlamaConfig, LlamaForCausalLM

HERE = Path(__file__).resolve().parent
CONFIGS = {"en": "pretrain_cpu.yaml", "zh": "pretrain_zh.yaml"}

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
class Optim:
    muon_lr: float  # hidden matrices
    adam_lr: float  # embedding (tied to the head) and norms
    weight_decay: float
    clip: float
    warmup: float  # share of the budget
    decay_from: float  # share of the budget at which the linear decay to zero begins


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


@dataclass
class State:
    """Everything a resumed run needs; `checkpoint.pt` in the work folder is its only copy."""

    model: LlamaForCausalLM
    optimizers: list[torch.optim.Optimizer]
    step: int = 0
    tokens: int = 0
    spent: float = 0.0  # seconds by the wall, over all resumed runs
    cpu: float = 0.0  # seconds of processor time
    counts: dict[str, int] = field(default_factory=dict)  # rows drawn from each source

    PLAIN = ("step", "tokens", "spent", "cpu", "counts")

    def save(self, path: Path) -> None:
        partial = path.with_suffix(".partial")
        values: dict[str, Any] = {name: getattr(self, name) for name in self.PLAIN}
        values["model"] = self.model.state_dict()
        values["optimizers"] = [o.state_dict() for o in self.optimizers]
        torch.save(values, partial)
        partial.replace(path)

    def load(self, path: Path, device: torch.device) -> None:
        values = torch.load(path, map_location=device, weights_only=True)
        self.model.load_state_dict(values["model"])
        for optimizer, saved in zip(self.optimizers, values["optimizers"], strict=True):
            optimizer.load_state_dict(saved)
        for name in self.PLAIN:
            setattr(self, name, values[name])


def train_step(
    state: State,
    rows: torch.Tensor,
    accumulate: int,
    clip: float,
    loss_of: Callable[[LlamaForCausalLM, torch.Tensor], torch.Tensor],
    bf16: bool,
) -> float:
    """One optimizer step on rows [accumulate * batch, context + 1]; returns the mean loss."""
    total = torch.zeros((), device=rows.device)
    for micro in rows.chunk(accumulate):
        with torch.autocast(rows.device.type, torch.bfloat16, enabled=bf16):
            loss = loss_of(state.model, micro) / accumulate
        loss.backward()
        total += loss.detach()
    torch.nn.utils.clip_grad_norm_(state.model.parameters(), clip, error_if_nonfinite=True)
    for optimizer in state.optimizers:
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
    state.step += 1
    state.tokens += rows.shape[0] * (rows.shape[1] - 1)
    return float(total)


def report(state: State, losses: list[float], factor: float, work: Path, tokenizer: Any) -> None:
    """One line of `metrics.jsonl`, and a checkpoint."""
    line = {
        "minutes": round(state.spent / 60, 2),
        "cpu_minutes": round(state.cpu / 60, 2),
        "step": state.step,
        "tokens": state.tokens,
        "lr_factor": round(factor, 4),
        "train_loss": round(float(np.mean(losses)), 4) if losses else None,
        "bits_per_character": heldout_bits(state.model, tokenizer, work, limit=24, context=256),
    }
    print(json.dumps(line), flush=True)
    with (work / "metrics.jsonl").open("a", encoding="utf-8") as log:
        log.write(json.dumps(line) + "\n")
    state.save(work / "checkpoint.pt")


def train(config: Config, work: Path) -> None:
    run, optim = config.run, config.optim
    device = torch.device(run.device)
    tokenizer = AutoTokenizer.from_pretrained(work)
    model = make_model(config).to(device)
    state = State(model, make_optimizers(model, optim))
    full_lrs = [[g["lr"] for g in o.param_groups] for o in state.optimizers]
    print(f"{sum(p.numel() for p in model.parameters()):,} parameters, {config.model}", flush=True)
    if (work / "checkpoint.pt").exists():
        state.load(work / "checkpoint.pt", device)
        print(f"resumed at {state.tokens:,} tokens, {state.spent / 60:.1f} minutes", flush=True)
    loss_of = torch.compile(mean_loss, dynamic=False) if run.compile else mean_loss
    stopping: list[int] = []  # SIGTERM or SIGINT: finish the step, save, leave
    caught = (signal.SIGTERM, signal.SIGINT)
    before = [signal.signal(number, lambda n, _: stopping.append(n)) for number in caught]

    stage = mixture = None
    losses: list[float] = []
    wall, cpu, reported = time.monotonic(), time.process_time(), state.spent
    while True:
        now, now_cpu = time.monotonic(), time.process_time()
        state.spent, state.cpu, wall, cpu = (
            state.spent + now - wall,
            state.cpu + now_cpu - cpu,
            now,
            now_cpu,
        )
        share = state.tokens / run.tokens if run.tokens else state.spent / 60 / float(run.minutes)
        factor = lr_factor(share, optim)
        finished = share >= 1.0 or bool(stopping)
        if finished or state.spent - reported >= run.report_minutes * 60:
            report(state, losses, factor, work, tokenizer)
            losses, reported = [], state.spent
        if finished:
            break
        current = next(s for s in config.stages if share < s.until)
        if current is not stage:
            stage, mixture = current, Mixture(work, current, run.seed, state.counts)
        for optimizer, lrs in zip(state.optimizers, full_lrs, strict=True):
            for group, lr in zip(optimizer.param_groups, lrs, strict=True):
                group["lr"] = lr * factor
        rows = mixture.batch(state.step, stage.batch * stage.accumulate).to(device)
        losses.append(train_step(state, rows, stage.accumulate, optim.clip, loss_of, run.bf16))
    for number, handler in zip(caught, before, strict=True):
        signal.signal(number, handler)
    print("stopped; run again to go on" if stopping else f"finished: {work}", flush=True)


# ------------------------------------------------------------------------------ export


def loss_curve(work: Path, rows: int = 24) -> str:
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
    config: Config,
    work: Path,
    out: Path,
    foreign: dict[str, Path],
    compare: dict[str, Path],
    note: str = "",
) -> None:
    """Weights in half precision, tokenizer and card; `config.json` asks for float32 on load."""
    out.mkdir(parents=True, exist_ok=True)
    state = torch.load(work / "checkpoint.pt", map_location="cpu", weights_only=True)
    model = make_model(config)
    model.load_state_dict(state["model"])
    model.half().save_pretrained(out)
    (out / "model.safetensors").chmod(0o644)
    tokenizer = AutoTokenizer.from_pretrained(work)
    tokenizer.model_max_length = config.model.context
    tokenizer.save_pretrained(out)
    for name, drop, add in (
        ("config.json", (), {"dtype": "float32"}),
        # A class name that transformers 4 and 5 both know.
        (
            "tokenizer_config.json",
            ("backend", "is_local", "local_files_only"),
            {"tokenizer_class": "PreTrainedTokenizerFast"},
        ),
    ):
        settings = json.loads((out / name).read_text(encoding="utf-8"))
        settings = {k: v for k, v in settings.items() if k not in drop} | add
        (out / name).write_text(json.dumps(settings, indent=2) + "\n", encoding="utf-8")
    parameters = sum(p.numel() for p in model.parameters())
    card_file = HERE / "configs" / f"pretrain_card_{config.data.lang}.md"
    card = Template(card_file.read_text(encoding="utf-8"))
    (out / "README.md").write_text(
        card.substitute(
            parameters=f"{parameters:,}",
            tokens=f"{state['tokens']:,}",
            steps=f"{state['step']:,}",
            minutes=f"{state['spent'] / 60:.0f}",
            cpu_minutes=f"{state['cpu'] / 60:.0f}",
            data=(work / "data.md").read_text(encoding="utf-8").strip(),
            facts=(work / "facts.md").read_text(encoding="utf-8").strip(),
            rows=rows_seen(state["counts"]),
            curve=loss_curve(work),
            comparison=comparison(config, work, out, foreign, compare),
            **dataclasses.asdict(config.model),
            seed=config.run.seed,
            note=note,
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
        sub.add_argument("--lang", choices=sorted(CONFIGS), default="en")
        sub.add_argument("--config", type=Path, help=f"default: {', '.join(CONFIGS.values())}")
        sub.add_argument("--work", type=Path, required=True, help="folder outside the repository")
        sub.add_argument("overrides", nargs="*", metavar="section.key=value")
        if name == "export":
            sub.add_argument("--out", type=Path, required=True)
            sub.add_argument("--note", default="", help="what the card should say about this run")
            sub.add_argument("--foreign", nargs="*", type=named, default=[], metavar="NAME=FILE")
            sub.add_argument("--compare", nargs="*", type=named, default=[], metavar="NAME=MODEL")
        if name == "prepare":
            sub.add_argument("--prose-dir", type=Path, help="needed for English")
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
    file = args.config or HERE / "configs" / CONFIGS[args.lang]
    config = load_config(file, args.overrides)
    if args.command == "prepare":
        prepare(config.data, config.model.vocabulary, args.prose_dir, args.work)
    elif args.command == "train":
        if args.minutes is not None:
            run = dataclasses.replace(config.run, minutes=args.minutes, tokens=None)
            config = dataclasses.replace(config, run=run)
        train(config, args.work)
    else:
        export(config, args.work, args.out, dict(args.foreign), dict(args.compare), args.note)


if __name__ == "__main__":
    main()
