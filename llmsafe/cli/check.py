"""``llmsafe check``: is a run what it says, and what do all runs on one corpus cost together?"""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from llmsafe.cli.common import emit_json, say
from llmsafe.errors import EvidenceError, InputError

if TYPE_CHECKING:
    from llmsafe.privacy.budget import Budget, Charges
    from llmsafe.privacy.evidence import Check


def check(
    runs: Annotated[
        list[Path] | None,
        typer.Argument(metavar="RUN...", help="Run folders, or folders that hold run folders."),
    ] = None,
    self_test: Annotated[
        bool,
        typer.Option("--self-test", help="Audit the training engine itself, on this machine."),
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Data on stdout.")] = False,
) -> None:
    """Verify runs: lineage, ledger against statement, a second accountant, file modes.

    Digests are taken and epsilon is computed anew. Where there is more than one ledger, the runs
    on one corpus, or with a patient in common, are added up: every ledger counts, also of
    unfinished runs and of those that --force set aside in earlier-N/. Exit 0 when everything that
    must be there is there and right, 3 otherwise. "absent" marks evidence that could not be looked
    at.

    --self-test needs no run: it trains tiny models with canaries whose gradients the attacker
    knows, and measures that what leaks stays below the epsilon claimed. It takes less than
    a minute; do it once after an installation or an upgrade.

    \b
    Examples:
      llmsafe check runs/mine
      llmsafe check runs/mine runs/other
      llmsafe check runs --json
      llmsafe check --self-test
    """
    if self_test:
        if runs:
            raise InputError("--self-test looks at no run; leave the runs out")
        _self_test(as_json)
        return
    if not runs:
        raise InputError("no run given; name the run folder that training wrote, or several")
    from llmsafe.privacy.budget import compose, find_runs, read_charges
    from llmsafe.privacy.check import audit_status, check_run

    ledgers = {run.resolve(): run for given in runs for run in find_runs(given)}
    judged = {run: check_run(run) for run in _to_check(runs)}
    verdicts = {run: audit_status(run) for run in judged}
    # One finished run alone needs no total: its statement is one.
    several = len(ledgers) > 1 or len(judged) > 1 or not judged
    budgets = compose(read_charges(run) for run in ledgers.values()) if several else []
    if as_json:
        _emit(judged, verdicts, budgets)
    else:
        for run, checks in judged.items():
            if len(judged) > 1:
                print(f"{run}:")
            width = max(len(one.name) for one in checks)
            for one in checks:
                print(f"{one.status:<7} {one.name:<{width}}  {one.detail}")
            if several:
                print()
        for budget in budgets:
            print("\n".join(_lines(budget)))
        if len(budgets) > 1:
            print(
                "Counted apart: no corpus and no id of a unit is in more than one of these totals. "
                "People who have another id in each are in both, and for them the epsilons add up."
            )
    _judge(judged, budgets)
    for run in judged:
        say(f"{run}: every check that could be made is ok{_said(verdicts[run])}")


def _self_test(as_json: bool) -> None:
    from llmsafe.cli.common import progress
    from llmsafe.train.self_audit import QUESTIONS
    from llmsafe.train.self_audit import self_test as ask

    warnings.filterwarnings("ignore", category=FutureWarning)  # of libraries, to their authors
    with progress("self-test", QUESTIONS) as advance:
        findings = ask(lambda name: advance(1, name))
    wrong = [one.name for one in findings if not one.ok]
    if as_json:
        rows = [{"name": one.name, "ok": one.ok, "detail": one.detail} for one in findings]
        emit_json({"status": "broken" if wrong else "ok", "findings": rows})
    else:
        for one in findings:
            print(f"{'ok' if one.ok else 'FAIL':<5} {one.name}\n      {one.detail}")
    if wrong:
        raise EvidenceError(
            f"{len(wrong)} of {len(findings)} findings are wrong: {'; '.join(wrong)}; do not train "
            "on private notes with this installation"
        )
    say("the training engine keeps its promise on the CPU of this machine")


def _to_check(given: list[Path]) -> list[Path]:
    """Runs named are checked whatever they hold; in a folder of runs, those that were finished.

    What --force set aside is no longer a run to rely on, and an unfinished one makes no claim:
    both are only counted.
    """
    from llmsafe.files import RELEASE, VAULT
    from llmsafe.privacy.budget import find_runs

    chosen: dict[Path, Path] = {}
    for folder in given:
        within = [
            run
            for run in find_runs(folder)
            if (run / RELEASE / "privacy.json").is_file()
            and not any(part.startswith("earlier-") for part in run.relative_to(folder).parts)
        ]
        is_run = (folder / RELEASE).is_dir() or (folder / VAULT).is_dir()
        unfinished = not is_run and not within and find_runs(folder)
        if unfinished:
            continue
        for run in dict.fromkeys([folder, *within] if is_run or not within else within):
            chosen.setdefault(run.resolve(), run)
    return list(chosen.values())


def _judge(judged: dict[Path, list[Check]], budgets: list[Budget]) -> None:
    broken: list[str] = []
    for run, checks in judged.items():
        names = [one.name for one in checks if one.broken]
        if names:
            broken.append(
                f"{len(names)} of {len(checks)} checks of {run} are broken or without evidence: "
                f"{'; '.join(names)}; do not rely on this run"
            )
    for budget in budgets:
        if budget.problems:
            broken.append(
                f"no total can be stated for corpus {_corpus(budget)}: {budget.problems[0]}"
                + (f", and {len(budget.problems) - 1} more" if len(budget.problems) > 1 else "")
            )
    if broken:
        raise EvidenceError(". ".join(broken))


def _said(verdict: str | None) -> str:
    # Sound evidence of a leak is sound: what it says is another matter.
    return {
        None: "; the run has no audit",
        "none": "; its audit was judged by no policy",
        "pass": "",
    }.get(verdict, f"; the audit's verdict is {str(verdict).upper()}")


# --- the total ----------------------------------------------------------------------------------


def _corpus(budget: Budget) -> str:
    if not budget.corpora:
        return "unknown"
    first, *others = budget.corpora
    return f"{first[:19]}…" + (f" and {len(others)} other forms of it" if others else "")


def _lines(budget: Budget) -> list[str]:
    lines = [f"corpus {_corpus(budget)}"]
    rows = [_row(charges) for charges in (*budget.counted, *budget.apart)]
    rows.insert(0, ["run", "state", "noise", "charges", "sigma", "q", "alone"])
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines += [
        "  "
        + "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]
    if budget.epsilon is not None:
        second = "" if budget.second is None else f" (pld {budget.second:.4g})"
        lines.append(
            f"  together: epsilon {budget.epsilon:.4g} at delta {budget.delta:.3g}, the smallest "
            f"of these runs, per {budget.unit}{second}"
        )
    if budget.apart:
        lines.append(
            f"  not in it: {len(budget.apart)} without private noise. Nothing is claimed about "
            "them, and no bound holds for who sees anything of them besides"
        )
    lines += [f"  no total: {problem}" for problem in budget.problems]
    return [*lines, ""]


def _row(charges: Charges) -> list[str]:
    steps, alone = charges.steps, charges.epsilon
    return [
        str(charges.run),
        "released" if charges.released else "unfinished",
        charges.noise or "unknown",
        "?" if steps is None else f"{steps.count:,}",
        "?" if steps is None else f"{steps.noise_multiplier:g}",
        "?" if steps is None else f"{steps.sampling_probability:.6g}",
        "no claim" if alone is None else f"epsilon {alone:.4g} at delta {charges.delta:.3g}",
    ]


def _emit(
    judged: dict[Path, list[Check]], verdicts: dict[Path, str | None], budgets: list[Budget]
) -> None:
    """One run given: its fields at the top. Several: a list of the same under ``runs``."""
    runs = [
        {
            "run": run.name,
            "status": "broken" if any(one.broken for one in checks) else "ok",
            "audit_verdict": verdicts[run],
            "checks": [
                {
                    "name": one.name,
                    "status": one.status,
                    "detail": one.detail,
                    "required": one.required,
                }
                for one in checks
            ],
        }
        for run, checks in judged.items()
    ]
    bad = any(run["status"] == "broken" for run in runs) or any(b.problems for b in budgets)
    whole = {
        "status": "broken" if bad else "ok",
        "budgets": [_as_json(budget) for budget in budgets],
    }
    emit_json(runs[0] | whole if len(runs) == 1 else {"runs": runs} | whole)


def _as_json(budget: Budget) -> dict[str, Any]:
    return {
        "corpora": list(budget.corpora),
        "unit": budget.unit,
        "epsilon": budget.epsilon,
        "delta": budget.delta,
        "epsilon_pld": budget.second,
        "counted": [_charges_json(charges) for charges in budget.counted],
        "apart": [_charges_json(charges) for charges in budget.apart],
        "problems": list(budget.problems),
    }


def _charges_json(charges: Charges) -> dict[str, Any]:
    steps = charges.steps
    return {
        "run": str(charges.run),
        "released": charges.released,
        "noise": charges.noise,
        "charges": steps.count if steps else None,
        "noise_multiplier": steps.noise_multiplier if steps else None,
        "sampling_probability": steps.sampling_probability if steps else None,
        "overflow": steps.overflow if steps else None,
        "epsilon": charges.epsilon,
        "delta": charges.delta,
        "problem": charges.problem,
    }
