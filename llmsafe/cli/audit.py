"""``llmsafe audit``: what a model gave away, measured and judged."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from llmsafe.cli.columns import IdColumn, PatientColumn, TextColumn
from llmsafe.cli.common import VERDICT_EXIT
from llmsafe.errors import InputError

if TYPE_CHECKING:
    from llmsafe.artifacts import Audit
    from llmsafe.audit.phi import Detect
    from llmsafe.audit.ranks import Ranks
    from llmsafe.audit.request import Request
    from llmsafe.audit.target import Target
    from llmsafe.notes import PhiSpan

_SHOWN = 50  # secrets that --reveal prints


def audit(
    model: Annotated[
        str, typer.Option(help="Run folder, release folder, PEFT adapter, model folder or hub id.")
    ],
    policy: Annotated[
        str | None, typer.Option(help="Policy file (YAML), or a shipped one: release, strict.")
    ] = None,
    canaries: Annotated[
        Path | None,
        typer.Option(help="Canary manifest; default: the one in the run's vault."),
    ] = None,
    members: Annotated[
        str | None,
        typer.Option(help="Corpus that was trained on; needs --non-members."),
    ] = None,
    non_members: Annotated[
        str | None,
        typer.Option(help="Corpus alike that was not trained on."),
    ] = None,
    base: Annotated[
        str | None,
        typer.Option("--base", "--base-model", help="Model before fine-tuning: folder or hub id."),
    ] = None,
    gold: Annotated[
        str | None,
        typer.Option(
            help="The notes before scrubbing, with gold spans: counts what the model emits."
        ),
    ] = None,
    spans: Annotated[
        Path | None,
        typer.Option(help="What the scrubber found in them (scrub --spans)."),
    ] = None,
    limit: Annotated[
        int,
        typer.Option(min=1, help="Most notes of members, and of others."),
    ] = 2000,
    text_column: TextColumn = "text",
    id_column: IdColumn = None,
    patient_column: PatientColumn = None,
    also: Annotated[
        list[str] | None,
        typer.Option(
            help="lowercase, recall, neighbourhood, exposure, candidates, or all; repeatable."
        ),
    ] = None,
    generate: Annotated[
        int,
        typer.Option(
            min=0,
            help="Texts to draw, and as many from the base, and to search for training notes.",
        ),
    ] = 0,
    generations: Annotated[
        Path | None,
        typer.Option(help='Texts drawn elsewhere: JSON lines {"text", "by": "model"|"base"}.'),
    ] = None,
    shadow: Annotated[
        list[str] | None,
        typer.Option(help="Run with another split, for LiRA and RMIA; repeatable."),
    ] = None,
    repeat: Annotated[
        list[str] | None,
        typer.Option(
            help="Run like this one with canaries of its own, for the bound over repeated runs."
        ),
    ] = None,
    from_scores: Annotated[
        bool,
        typer.Option(
            "--from-scores", help="Assess an earlier audit's tables again; loads no model."
        ),
    ] = False,
    max_tokens: Annotated[
        int | None,
        typer.Option(help="Tokens per note; default: as in training, else 512."),
    ] = None,
    seed: Annotated[
        int,
        typer.Option(min=0, help="Draws notes, copies and texts; breaks ties."),
    ] = 0,
    device: Annotated[str, typer.Option(help="auto, cpu or cuda.")] = "auto",
    dtype: Annotated[str, typer.Option(help="auto, float32, bfloat16 or float16.")] = "auto",
    batch_tokens: Annotated[
        int | None,
        typer.Option(min=1, help="Tokens per batch; default: what fits."),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(help="Folder to write; default: the run folder, else audit-NAME."),
    ] = None,
    reveal: Annotated[
        bool,
        typer.Option("--reveal", help="Show canary secrets that came out."),
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="audit.json on stdout.")] = False,
    force: Annotated[
        bool,
        typer.Option("--force", help="Replace an earlier audit."),
    ] = False,
    context: typer.Context = None,  # pyright: ignore[reportArgumentType] # typer gives it
) -> None:
    """Measure what a model gave away: canaries, membership, a bound on epsilon, extraction.

    Target and base are run once over every text; all figures come from that table, which stays in
    the vault (scores.parquet). A run folder brings its own evidence: canaries, split, corpus.
    What cannot be measured is listed with the reason. In a run folder the lineage and the model
    card take the audit up. Several processes share the scoring: accelerate launch -m llmsafe audit.

    With --policy every threshold is judged on its confidence bound. A measured epsilon above the
    claimed one fails without any policy: the claim is refuted.

    Exit codes: 0 passed or no policy, 1 failed, 2 bad input, 3 inconclusive or evidence missing,
    4 disk, device or package.

    \b
    Examples:
      llmsafe audit --model runs/dp_lora
      llmsafe audit --model runs/dp_lora --policy release --force
      llmsafe audit --model runs/dp_lora --also all --generate 1000 --force
      llmsafe audit --model runs/dp_lora --from-scores --policy strict --force
      llmsafe audit --model adapter --base llama --members in.jsonl --non-members out.jsonl
      llmsafe audit --model runs/dp_lora --json | jq .verdict
    """
    from llmsafe.audit.loading import check_dtype
    from llmsafe.audit.ranks import join_ranks
    from llmsafe.audit.request import EXTRAS, Request
    from llmsafe.audit.run import run_audit
    from llmsafe.audit.target import open_target
    from llmsafe.audit.verdict import load_policy
    from llmsafe.cli.audit_files import SCORES
    from llmsafe.corpus import Columns

    quiet()
    # Whatever can be wrong is found before the first minute of work.
    rules = load_policy(policy) if policy else None
    number_type = check_dtype(dtype)
    names = set(also or ())
    if from_scores:
        _refuse_measuring(context)
    request = Request(
        canaries=canaries,
        members=members,
        non_members=non_members,
        columns=Columns(text_column, id_column, patient_column) if members else None,
        policy=rules,
        also=frozenset(EXTRAS if "all" in names else names),
        shadows=tuple(shadow or ()),
        repeats=tuple(repeat or ()),
        generate=generate,
        generations=generations,
        gold=gold,
        spans=spans,
        max_texts=limit,
        max_tokens=max_tokens,
        batch_tokens=batch_tokens,
        seed=seed,
    )
    ranks = join_ranks(device)
    if from_scores:
        if not ranks.leader:
            return
        result, written = _assess_again(model, request, out, force=force)
    else:
        target = open_target(model, base=base, device=device, dtype=number_type)
        if not ranks.leader:
            run_audit(target, Path(SCORES), request, ranks=ranks)  # writes where the leader says
            return
        result, written = _audit(target, model, request, ranks, out, force=force, reveal=reveal)
    _tell(result, written, as_json=as_json)
    if reveal:
        _reveal(written)
    if code := VERDICT_EXIT[result.verdict.status]:
        raise typer.Exit(code)


_WITHOUT_MEASURING = {
    "model", "policy", "canaries", "from_scores", "out", "as_json", "force",
}  # fmt: skip
"""Options that mean something where nothing is measured; whatever else is given is refused."""


def _refuse_measuring(context: typer.Context) -> None:
    """Raises InputError for an option on the command line that would measure something."""
    wrong: list[str] = []
    for name in context.params:
        source = context.get_parameter_source(name)
        if name not in _WITHOUT_MEASURING and source is not None and source.name == "COMMANDLINE":
            wrong.append(f"--{name.replace('_', '-')}")
    if wrong:
        raise InputError(
            f"--from-scores measures nothing, so it takes no {', '.join(wrong)}; leave it out"
        )


def _audit(
    target: Target,
    model: str,
    request: Request,
    ranks: Ranks,
    out: Path | None,
    *,
    force: bool,
    reveal: bool,
) -> tuple[Audit, list[Path]]:
    """Measure into a private folder; the files take their places when all is there."""
    from llmsafe.audit.loading import locate
    from llmsafe.audit.ranks import clean_end
    from llmsafe.audit.run import run_audit
    from llmsafe.cli.audit_files import AUDIT, PAGE, SCORES, audit_files, earlier_audit
    from llmsafe.cli.common import progress
    from llmsafe.report.html import write_html

    place = locate(model)
    looking = request.generate or request.generations or request.gold
    with clean_end(), audit_files(place, out, force=force) as stage:
        result = run_audit(
            target,
            stage / SCORES,
            request,
            reveal=reveal,
            detect=detector() if looking else None,
            ranks=ranks,
            progress=progress,
        )
        assert result is not None  # this is the leader
        result.save(stage / AUDIT)
        write_html(result, stage / PAGE)
    published, vault = earlier_audit(place, out)
    return result, [published / AUDIT, published / PAGE, vault / SCORES]


def _assess_again(
    model: str, request: Request, out: Path | None, *, force: bool
) -> tuple[Audit, list[Path]]:
    """The figures and the verdict anew, from the tables of an earlier audit."""
    from llmsafe.audit.loading import locate
    from llmsafe.audit.run import run_again
    from llmsafe.cli.audit_files import AUDIT, PAGE, assessed_again
    from llmsafe.report.html import write_html

    place = locate(model)
    with assessed_again(place, out, force=force) as (published, vault):
        result = run_again(
            model,
            vault,
            canaries=request.canaries,
            policy=request.policy,
            in_run=published == place.weights,
        )
        result.save(published / AUDIT)
        write_html(result, published / PAGE)
    return result, [published / AUDIT, published / PAGE]


def _tell(result: Audit, written: Sequence[Path], *, as_json: bool) -> None:
    from llmsafe.cli.common import emit_json, finish, say
    from llmsafe.report.tables import print_comparison

    if as_json:
        emit_json(result.model_dump(mode="json"))
    else:
        print_comparison([(result.model.name, result)])
    for alarm in result.verdict.alarms:
        say(f"ALARM: {alarm}")
    for missing in result.unmeasured:
        say(f"not measured: {missing.what}: {missing.why}")
    rules = result.policy
    say(f"verdict: {result.verdict.status}" + (f" (policy {rules.name})" if rules else ""))
    for reason in result.verdict.reasons:
        say(f"  {reason}")
    finish(written, as_json=as_json)


def _reveal(written: Sequence[Path]) -> None:
    """The secrets of planted canaries that came out, on stderr; they are invented."""
    from llmsafe.artifacts import CanaryOutcomes
    from llmsafe.audit.run import OUTCOMES
    from llmsafe.cli.common import say

    path = written[-1].with_name(OUTCOMES)
    if not path.is_file():
        say("no canaries, so there is nothing to reveal")
        return
    out = [one for one in CanaryOutcomes.load(path).canaries if one.planted and one.extracted]
    say(f"{len(out)} planted secrets came out word for word (all canaries: {path})")
    for one in out[:_SHOWN]:
        say(f"  {one.canary_id}  {one.secret}")
    if len(out) > _SHOWN:
        say(f"  … and {len(out) - _SHOWN} more")


def detector() -> Detect:
    """What the scrubber sees as personal data, in any text, by the languages of each.

    A text in which no language can be made out, as a model may write it, goes through all rules.

    The function raises:
        EvidenceError: a recogniser fails; its answer is then not known.
    """
    from functools import cache

    from llmsafe.errors import EvidenceError
    from llmsafe.scrub.detect.detector import DetectionError, Detector, build_engine
    from llmsafe.scrub.detect.language import languages, readings
    from llmsafe.scrub.detect.mixed import merge

    @cache
    def rules(language: str) -> Detector:
        return Detector(build_engine(language=language), language=language)

    def detect(text: str) -> Sequence[PhiSpan]:
        spoken = languages(text, "auto") or ("zh", "en")
        try:
            found = {
                language: rules(language).detect(part)
                for language, part in readings(text, spoken).items()
            }
        except DetectionError as error:
            raise EvidenceError(f"a generated text cannot be searched: {error.reason}") from None
        return merge(text, found)

    return detect


def quiet() -> None:
    """Keep the libraries' own bars and notices off stderr."""
    import warnings

    from transformers.utils.logging import disable_progress_bar, set_verbosity_error

    warnings.simplefilter("ignore")
    disable_progress_bar()
    set_verbosity_error()
