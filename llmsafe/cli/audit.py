"""``llmsafe audit``: what a model gave away, measured and judged."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from llmsafe.cli.columns import IdColumn, PatientColumn, TextColumn

if TYPE_CHECKING:
    from llmsafe.audit.target import Target

_EXIT = {"pass": 0, "none": 0, "fail": 1, "inconclusive": 3}
_FILES = ("audit.json", "audit.html", "scores.parquet")


def audit(
    model: Annotated[
        str, typer.Option(help="Run folder, release folder, PEFT adapter, model folder or hub id.")
    ],
    canaries: Annotated[
        Path | None, typer.Option(help="Canary manifest; default: the one in the run's vault.")
    ] = None,
    members: Annotated[
        str | None, typer.Option(help="Corpus that was trained on; needs --non-members.")
    ] = None,
    non_members: Annotated[
        str | None, typer.Option(help="Corpus alike that was not trained on.")
    ] = None,
    policy: Annotated[
        str | None, typer.Option(help="Policy file (YAML), or a shipped one: release, strict.")
    ] = None,
    base: Annotated[
        str | None, typer.Option(help="Model before fine-tuning: folder or hub id.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="Folder to write; default: the run folder, else audit-NAME.")
    ] = None,
    max_tokens: Annotated[
        int | None, typer.Option(help="Tokens per note; default: as in training, else 512.")
    ] = None,
    limit: Annotated[int, typer.Option(min=1, help="Most notes of members, and of others.")] = 2000,
    text_column: TextColumn = "text",
    id_column: IdColumn = None,
    patient_column: PatientColumn = None,
    seed: Annotated[int, typer.Option(help="Draws the sample of notes and breaks ties.")] = 0,
    device: Annotated[str, typer.Option(help="auto, cpu or cuda.")] = "auto",
    dtype: Annotated[str, typer.Option(help="auto, float32, bfloat16 or float16.")] = "auto",
    batch_tokens: Annotated[
        int | None, typer.Option(min=1, help="Tokens per batch; default: what fits.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="audit.json on stdout.")] = False,
    force: Annotated[bool, typer.Option("--force", help="Replace an earlier audit.")] = False,
) -> None:
    """Measure what a model gave away: canaries, membership, a bound on epsilon, extraction.

    Target and base are run once over every text; all figures come from that table, which stays in
    the vault (scores.parquet). A run folder brings its own evidence: canaries, split, corpus.
    What cannot be measured is listed with the reason. In a run folder the lineage and the model
    card take the audit up.

    With --policy every threshold is judged on its confidence bound. A measured epsilon above the
    claimed one fails without any policy: the claim is refuted.

    Exit codes: 0 passed or no policy, 1 failed, 2 bad input, 3 inconclusive or evidence missing.

    \b
    Examples:
      llmsafe audit --model runs/dp_lora
      llmsafe audit --model runs/dp_lora --policy release --force
      llmsafe audit --model adapter --base llama --members in.jsonl --non-members out.jsonl
      llmsafe audit --model runs/dp_lora --json | jq .verdict
    """
    from llmsafe.audit.run import run_audit
    from llmsafe.audit.target import open_target
    from llmsafe.audit.verdict import load_policy
    from llmsafe.cli.common import emit_json, finish, progress, say
    from llmsafe.corpus import Columns
    from llmsafe.errors import InputError
    from llmsafe.report.html import write_html
    from llmsafe.report.tables import print_comparison

    _quiet()
    # Whatever can be wrong is found before the first minute of work.
    rules = load_policy(policy) if policy else None
    if dtype not in ("auto", "float32", "bfloat16", "float16"):
        raise InputError(f"--dtype {dtype!r} is unknown; choose auto, float32, bfloat16 or float16")
    if (members is None) != (non_members is None):
        raise InputError("--members and --non-members go together: give both, or neither")
    columns = Columns(text_column, id_column, patient_column) if members else None
    target = open_target(model, base=base, device=device, dtype=dtype)
    with _outputs(target, out, force=force) as (stage, paths):
        result, _ = run_audit(
            target,
            stage["scores.parquet"],
            canaries=canaries,
            members=members,
            non_members=non_members,
            columns=columns,
            policy=rules,
            max_texts=limit,
            max_tokens=max_tokens,
            batch_tokens=batch_tokens,
            seed=seed,
            progress=progress,
        )
        result.save(stage["audit.json"])
        write_html(result, stage["audit.html"])
    if as_json:
        emit_json(result.model_dump(mode="json"))
    else:
        print_comparison([(result.model.name, result)])
    for alarm in result.verdict.alarms:
        say(f"ALARM: {alarm}")
    for missing in result.unmeasured:
        say(f"not measured: {missing.what}: {missing.why}")
    say(f"verdict: {result.verdict.status}" + (f" (policy {rules.name})" if rules else ""))
    for reason in result.verdict.reasons:
        say(f"  {reason}")
    finish(paths.values(), as_json=as_json)
    if code := _EXIT[result.verdict.status]:
        raise typer.Exit(code)


def _quiet() -> None:
    """Keep the libraries' own bars and notices off stderr."""
    import warnings

    from transformers.utils.logging import disable_progress_bar, set_verbosity_error

    warnings.simplefilter("ignore")
    disable_progress_bar()
    set_verbosity_error()


def _take_up(target: Target, release: Path, vault: Path) -> None:
    """Name the audit in the lineage of the run, in place of an earlier one, and in its card."""
    from llmsafe import __version__
    from llmsafe.artifacts import Lineage, LineageStep
    from llmsafe.files import sha256_file
    from llmsafe.report.card import write_card

    path = vault / "lineage.json"
    if path.is_file():
        step = LineageStep(
            step="audit",
            version=__version__,
            inputs={"adapter": target.weights_digest},
            outputs={
                "audit": sha256_file(release / "audit.json"),
                "page": sha256_file(release / "audit.html"),
            },
        )
        steps = [one for one in Lineage.load(path).steps if one.step != "audit"]
        Lineage(steps=[*steps, step]).save(path, private=True)
    if (release / "privacy.json").is_file() and target.adapter:
        write_card(release)


@contextmanager
def _outputs(
    target: Target, out: Path | None, *, force: bool
) -> Generator[tuple[dict[str, Path], dict[str, Path]], None, None]:
    """Staged and final path of each file; the files move when the block succeeds.

    In a run folder they go to release/ and vault/; elsewhere to one folder with its own vault/.
    """
    from llmsafe.errors import InputError
    from llmsafe.files import VAULT, make_folder, staged_folder

    release, vault = target.release, target.evidence.vault
    if out is None and release is not None and vault is not None:
        final = {name: (vault if name == "scores.parquet" else release) / name for name in _FILES}
        if final["audit.json"].exists() and not force:
            raise InputError(
                f"{final['audit.json']} exists; pass --force to replace it, or give --out"
            )
        stage = Path(tempfile.mkdtemp(prefix=".audit.", dir=make_folder(vault, private=True)))
        try:
            staged = {name: stage / name for name in _FILES}
            yield staged, final
            for name in _FILES:
                staged[name].replace(final[name])
            _take_up(target, release, vault)
        finally:
            shutil.rmtree(stage, ignore_errors=True)
        return
    folder = out or Path(f"audit-{target.name.replace('/', '-')}")
    # The whole folder is replaced, so it must be one that an audit made: never a run or a home.
    strangers = {p.name for p in folder.iterdir()} - {*_FILES, VAULT} if folder.is_dir() else set()
    if strangers or (folder / VAULT / "lineage.json").exists():
        raise InputError(f"--out {folder} holds other files; name a folder of its own")
    inside = {name: Path(VAULT if name == "scores.parquet" else "") / name for name in _FILES}
    with staged_folder(folder, force=force) as stage:
        yield (
            {name: stage / path for name, path in inside.items()},
            {name: folder / path for name, path in inside.items()},
        )
