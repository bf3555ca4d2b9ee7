"""Fine-tune a language model on clinical notes with LoRA and a privacy guarantee per patient.

    accelerate launch recipes/dp_lora.py                                # embedded corpus and model
    accelerate launch recipes/dp_lora.py --config my.yaml data.corpus=scrubbed output=runs/mine
    accelerate launch recipes/dp_lora.py privacy.epsilon=inf output=runs/control
    torchrun --nproc_per_node 2 recipes/dp_lora.py processes=2          # several CPU processes

Without --config it reads configs/default.yaml, which names every setting (llmsafe cp default .).
"""

import argparse
import json
import math
import os
import re
import sys
import time
import warnings
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import llmsafe  # noqa: F401  # isort: skip  # first: it puts the libraries below offline

import torch
from accelerate import Accelerator
from accelerate.utils import broadcast_object_list, gather_object
from peft import LoraConfig, get_peft_model

from llmsafe.cli.common import progress, say, unexpected
from llmsafe.cli.library import find
from llmsafe.config import RunConfig, dump_config, load_config
from llmsafe.errors import InputError, LlmsafeError
from llmsafe.files import (
    append_line,
    make_folder,
    read_text,
    remove_torn,
    sha256_file,
    sha256_json,
    write_text,
)
from llmsafe.models import (
    checkpoint_layers,
    context_length,
    load_model,
    load_tokenizer,
    public_name,
)
from llmsafe.privacy.evidence import steps_seen
from llmsafe.privacy.ledger import Ledger
from llmsafe.privacy.noise import gaussian_source, step_seed, system_generator
from llmsafe.privacy.plan import check_population, make_plan
from llmsafe.privacy.statement import make_statement, render
from llmsafe.report.card import model_card
from llmsafe.seal.store import keep_access
from llmsafe.train.checkpoint import (
    load_checkpoint,
    save_adapter,
    save_checkpoint,
    share_state,
    weights_digest_of,
)
from llmsafe.train.data import (
    SYNTHETIC,
    load_training_data,
    members_digest,
    synthetic_corpus,
)
from llmsafe.train.loss import NextTokenLoss
from llmsafe.train.rehearsal import rehearse
from llmsafe.train.run_folder import (
    check_agreement,
    check_same_run,
    claim,
    lineage_step,
    set_aside,
)
from llmsafe.train.sampling import poisson_draw, share_of_rank
from llmsafe.train.step import combined, learning_rate, private_step
from llmsafe.train.unit_gradients import UnitGradients, check_isolation


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--config", type=Path, help="default: the shipped configs/default.yaml")
    parser.add_argument("--resume", action="store_true", help="go on with the run in `output`")
    parser.add_argument("--force", action="store_true", help="replace what is in `output`")
    parser.add_argument("overrides", nargs="*", metavar="section.key=value")
    args = parser.parse_intermixed_args()  # options may stand among the overrides
    warnings.filterwarnings("ignore", category=FutureWarning)  # of libraries, to their authors
    try:
        file = args.config or find("configs/default.yaml").path
        config = load_config(RunConfig, file, args.overrides)
        with ExitStack() as held:  # the ledger's lock ends with the run, however that ends
            train(config, args.resume, args.force, held)
    except LlmsafeError as error:
        rank = os.environ.get("RANK", "0")  # one process alone may lack a file or a package
        say(f"dp_lora{'' if rank == '0' else f' (process {rank})'}: error: {error}")
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        say("dp_lora: interrupted; go on with --resume and the same settings")
        sys.exit(130)
    except Exception as error:
        if os.environ.get("LLMSAFE_DEBUG") == "1":
            raise
        say(f"dp_lora: error: {unexpected(error)}")
        sys.exit(4)


def train(config: RunConfig, resume: bool, force: bool, held: ExitStack) -> None:
    # ---- processes -----------------------------------------------------------------------------
    # `accelerate launch --cpu --num_processes 2` starts one process without a word, so the
    # configuration can demand a number and a run with another one is refused.
    accelerator = Accelerator(cpu=not torch.cuda.is_available())
    rank, world = accelerator.process_index, accelerator.num_processes
    leader = accelerator.is_main_process
    if config.processes is not None and config.processes != world:
        raise InputError(
            f"config asks for {config.processes} processes, {world} are running; start with "
            f"torchrun --nproc_per_node {config.processes} (CPU) or accelerate launch --multi_gpu "
            f"--num_processes {config.processes} (GPU)"
        )
    tell = say if leader else (lambda message="": None)

    def on_leader(work: Callable[[], Any]) -> Any:
        """The result of ``work``, done by the leader; its refusal ends every process."""
        outcome, refusal = None, None
        if leader:
            try:
                outcome = work()
            except LlmsafeError as error:
                refusal = error
        outcome, code = broadcast_object_list([(outcome, refusal and refusal.exit_code)])[0]
        if refusal is not None:
            raise refusal
        if code is not None:
            sys.exit(code)  # the leader says why
        return outcome

    tell(f"{world} process{'es' * (world > 1)} on {accelerator.device}")

    # ---- data: privacy units, never loose notes --------------------------------------------------
    run = Path(config.output)
    vault, release = run / "vault", run / "release"
    asked = resume
    resume = on_leader(lambda: held.enter_context(claim(run, config, resume=asked, force=force)))
    if asked and not resume:
        tell(f"no step of {run} was charged yet: starting it")
    tokenizer = load_tokenizer(config.model.base)
    context = context_length(config.model.base)
    if context and config.data.max_tokens > context:
        raise InputError(
            f"data.max_tokens={config.data.max_tokens} is more than the {context} tokens that "
            f"model.base={public_name(config.model.base)} can see at once; set it to {context} or "
            "less (longer notes are cut)"
        )
    source = config.data
    if source.corpus != SYNTHETIC:
        # Who may open the corpus may open what becomes of it, and nobody else.
        on_leader(lambda: keep_access(source.corpus, run))
    if source.corpus == SYNTHETIC:
        if leader and not resume:
            set_aside(run)
            make_folder(vault, private=True)
            synthetic_corpus(
                vault / "corpus",
                patients=source.synthetic_patients,
                canaries=source.synthetic_canaries,
                seed=config.seed,
            )
        source = source.model_copy(update={"corpus": str(vault / "corpus")})
    accelerator.wait_for_everyone()
    data = load_training_data(source, tokenizer, seed=config.seed)
    units = data.members
    if config.privacy.unit not in (None, data.kind):
        raise InputError(
            f"privacy.unit={config.privacy.unit} is asked for, but the corpus gives {data.kind}s; "
            "name its patient column (data.patient_column=…), or ask for privacy.unit=note"
        )
    if data.kind == "note":
        tell("warning: no patient column: the guarantee is per NOTE, and not per patient")
    if data.without_patient:
        tell(f"warning: {data.without_patient} notes name no patient: each is a unit of its own")
    if data.empty == len(units):
        raise InputError(f"none of the {len(units)} {data.kind}s has text to learn from")
    if data.empty:
        tell(f"warning: {data.empty} of {len(units)} {data.kind}s have no text to learn from")

    # ---- the plan, and the statement before any compute ------------------------------------------
    plan = make_plan(
        epsilon=config.privacy.epsilon,
        noise_multiplier=config.privacy.noise_multiplier,
        delta=config.privacy.delta,
        population=config.privacy.population,
        units_per_step=config.train.units_per_step,
        steps=config.train.steps,
        unit=data.kind,
        clip_norm=config.privacy.clip_norm,
        noise=config.privacy.noise,
        max_units_per_step=config.privacy.max_units_per_step,
    )
    check_population(plan, len(units))
    tell(render(plan))
    if not 0.5 <= len(units) / plan.population <= 2:
        tell(
            "warning: the declared population is more than a factor of two off the corpus; the "
            "guarantee holds, but draws have another size than train.units_per_step"
        )

    # ---- model: frozen base, trainable LoRA, per-unit gradients ----------------------------------
    torch.manual_seed(config.seed)  # LoRA initialisation only; never the draws or the noise
    base = load_model(
        config.model.base,
        dtype=getattr(torch, config.model.dtype),
        four_bit=config.model.quantisation == "4bit",
    )
    check_isolation(base)
    targets = config.model.target_modules
    lora = LoraConfig(
        task_type="CAUSAL_LM",
        r=config.model.lora_rank,
        lora_alpha=config.model.lora_alpha,
        target_modules=targets,
        lora_dropout=0.0,  # noise is regularisation enough
    )
    try:
        model = get_peft_model(base, lora).to(accelerator.device)
    except (ValueError, re.error) as error:
        raise InputError(f"model.target_modules={targets}: {str(error).split('. ')[0]}") from error
    names = [name for name, _ in base.named_modules()]
    for target in targets if isinstance(targets, list) else []:
        if not any(name == target or name.endswith(f".{target}") for name in names):
            raise InputError(f"model.target_modules: no layer is named {target!r}")
    model.eval()  # no dropout anywhere: it would only add variance under the noise
    if config.model.gradient_checkpointing:
        checkpoint_layers(model)
    gradients = UnitGradients(model)
    loss = NextTokenLoss(model)
    rehearse(model, loss, gradients, pad=tokenizer.pad_token_id or 0)
    optimiser = torch.optim.AdamW(
        gradients.parameters, lr=config.train.learning_rate, weight_decay=config.train.weight_decay
    )

    # ---- ledger, resume, randomness --------------------------------------------------------------
    origin = lineage_step(config, plan, data)
    facts = {
        "the settings": sha256_json(config.model_dump(mode="json", exclude={"output"})),
        "the plan": plan.digest(),
        "the corpus": members_digest(units),
        "the base model": origin.inputs["base"],
        "the first adapter": weights_digest_of(gradients.parameters),
    }
    check_agreement(facts, gather_object([facts]))
    seeded = config.privacy.noise == "test"  # repeatable draws and noise; never a claim
    # Charges are the budget: a resumed run goes on after the last charge, so steps lost between
    # the last checkpoint and a crash stay paid for. A charge torn by the crash counts as one.
    ledger = None

    def open_ledger() -> tuple[int, int]:
        nonlocal ledger
        path, restored = vault / "ledger.jsonl", 0
        if resume:
            check_same_run(vault, config, origin)  # one ε cannot cover two corpora
            restored = load_checkpoint(vault / "checkpoints", gradients.parameters, optimiser)
            applied = max(restored, steps_seen(vault))
            ledger = held.enter_context(Ledger.resume(path, plan, applied=applied))
        else:
            if config.data.corpus != SYNTHETIC:  # that one lies in the new vault already
                set_aside(run)
            make_folder(vault, private=True)
            write_text(vault / "config.yaml", dump_config(config), private=True)
            data.split.save(vault / "split.json", private=True)
            data.lineage.then(origin).save(vault / "lineage.json", private=True)
            # Last: with it the run can be resumed.
            ledger = held.enter_context(Ledger.create(path, plan))
        remove_torn(run)
        return restored, ledger.charges

    restored, first = on_leader(open_ledger)
    if restored:
        share_state(gradients.parameters, optimiser, lambda mine: broadcast_object_list([mine])[0])
    if resume and not seeded and first >= plan.steps and restored == 0:
        raise InputError(
            f"all {first} steps of {run} are charged and no checkpoint is left to release; start "
            "a new run with train.checkpoint_every above 0"
        )
    if resume:
        tell(f"resumed: weights after step {restored}, {first} steps already charged")
        if first > restored and not seeded:
            lost, remain = first - restored, max(0, plan.steps - first)
            tell(f"warning: {lost} charged steps were lost with the crash; {remain} remain")
    if seeded:
        first = restored  # a test run has no budget to keep and repeats its lost steps
    noisy = plan.noise != "none" and leader
    draws = system_generator()
    noise_source = gaussian_source(plan.noise, seed=0 if seeded else None) if noisy else None

    # ---- the loop --------------------------------------------------------------------------------
    trainable = [p for p in model.parameters() if p.requires_grad]
    before = [p.detach().clone() for p in trainable]
    # Accounting takes a second, so ε is computed at tenths and shown rounded up to the next one.
    marks = sorted({math.ceil(plan.steps * part / 10) for part in range(1, 11)})
    spent, known, steps_with_units, started = None, 0, 0, time.monotonic()
    with progress("training", plan.steps - first if leader else None) as advance:
        for step in range(first, plan.steps):
            if seeded:
                draws = torch.Generator().manual_seed(step_seed(config.seed, step, "draw"))
                if noisy:
                    seed = step_seed(config.seed, step, "noise")
                    noise_source = gaussian_source("test", seed=seed)
            # One Poisson draw for all ranks, made by the leader, then divided.
            draw = None
            if leader:
                draw = poisson_draw(
                    len(units), plan.sampling_probability, draws, cap=plan.max_units_per_step
                )
            draw = broadcast_object_list([draw])[0]
            mine = [units[index] for index in share_of_rank(draw, units, rank, world)]
            report = private_step(
                loss,
                gradients,
                mine,
                plan=plan,
                charge=lambda step=step: ledger.charge(step) if ledger else None,
                noise_source=noise_source,
                all_reduce=lambda vector: accelerator.reduce(vector, "sum"),
                tokens_per_batch=config.train.tokens_per_batch,
                pad=tokenizer.pad_token_id or 0,
            )
            for group in optimiser.param_groups:
                group["lr"] = learning_rate(
                    step, plan.steps, peak=config.train.learning_rate, warmup=config.train.warmup
                )
            optimiser.step()

            # B starts at zero, so without noise A has its first gradient after a step of B.
            steps_with_units += bool(draw)
            if step == first if plan.noise != "none" else steps_with_units == 3:
                check_moved(trainable, before)
            every = config.train.checkpoint_every
            saving = step + 1 == plan.steps or (every and (step + 1) % every == 0)
            if saving:
                check_finite(trainable, step + 1)
                weights = {f"the adapter after step {step + 1}": weights_digest_of(trainable)}
                check_agreement(weights, gather_object([weights]))
            report = combined(gather_object([report]))
            if leader:
                if saving and every:
                    save_checkpoint(
                        vault / "checkpoints", step + 1, gradients.parameters, optimiser
                    )
                if plan.noise_multiplier > 0 and not seeded and step >= known:
                    known = next(mark for mark in marks if mark > step)
                    spent = plan.epsilon_after(known)
                clipped = (report.norms > plan.clip_norm).float()
                line = {
                    "step": step + 1,
                    "units": report.units,
                    "loss": report.loss_sum / max(1, report.units),
                    "median_norm": float(report.norms.median()) if len(report.norms) else None,
                    "clipped": float(clipped.mean()) if len(clipped) else None,
                    "padding": report.padded_tokens / max(1, report.tokens),
                    "epsilon": spent,
                    "seconds": round(time.monotonic() - started, 3),
                }
                append_line(vault / "metrics.jsonl", json.dumps(line))
            advance(1, "not private" if spent is None else f"ε at most {spent:.2f}")
    gradients.detach()
    accelerator.wait_for_everyone()
    if not leader:
        return

    # ---- release: what the guarantee covers ------------------------------------------------------
    level = noise_source.level if noise_source else "none"
    statement = make_statement(plan, charges=ledger.charges, noise=level)
    make_folder(release)
    adapter = save_adapter(release, model, public_name(config.model.base))
    privacy = statement.save(release / "privacy.json")
    card = model_card(statement, None, base=config.model.base, settings=config.model.model_dump())
    write_text(release / "README.md", card)
    if data.canaries:
        write_text(vault / "canaries.json", read_text(data.canaries), private=True)
    released = {
        "adapter": sha256_file(adapter),
        "adapter_config": sha256_file(release / "adapter_config.json"),
        "privacy": sha256_file(privacy),
        "split": sha256_file(vault / "split.json"),
    }
    lineage = data.lineage.then(origin.model_copy(update={"outputs": released}))
    lineage.save(vault / "lineage.json", private=True)
    say(f"trained in {time.monotonic() - started:.0f} s; next: llmsafe audit --model {run}")
    print(f"wrote {release}  {vault}")


def check_moved(trainable: list[torch.nn.Parameter], before: list[torch.Tensor]) -> None:
    """A run whose adapter does not move reports a fine ε and trains nothing."""
    still = sum(bool((old == new).all()) for old, new in zip(before, trainable, strict=True))
    if still:
        raise InputError(
            f"{still} of {len(before)} trainable tensors did not move in the first step: the "
            "optimiser does not hold the parameters that are trained; nothing was released"
        )


def check_finite(trainable: list[torch.nn.Parameter], step: int) -> None:
    """Units that are not finite contribute nothing: a run that diverged would go on in silence."""
    if not all(bool(torch.isfinite(parameter).all()) for parameter in trainable):
        raise InputError(
            f"the adapter is not finite after step {step}; lower train.learning_rate. Nothing was "
            "released, and the steps stay charged"
        )


if __name__ == "__main__":
    main()
