"""Publish what audit.json and a policy file may hold: JSON schemas, and a page for readers.

    python scripts/make_schemas.py

Everything is read off the models in llmsafe/artifacts, their docstrings among it; a test compares
the files with the models, so that they cannot go stale.
"""

from __future__ import annotations

import datetime
import inspect
import json
import re
from collections.abc import Iterator
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from llmsafe.artifacts import Audit, Policy
from llmsafe.files import write_text

ROOT = Path(__file__).resolve().parents[1]
COMMAND = "python scripts/make_schemas.py"
DIALECT = "https://json-schema.org/draft/2020-12/schema"
WORDS = {
    str: "text",
    int: "integer",
    float: "number",
    bool: "true or false",
    NoneType: "`null`",
    datetime.date: "date",
}
MEANINGS = {
    # of any record
    "schema_version": "The version of this format.",
    "attack": "Name of the attack; the report says what each looks at.",
    "delta": "δ: the chance with which the claim or the bound may fail.",
    "planted": "Canaries in the training notes.",
    "withheld": "Canaries made the same way and never trained on.",
    "canaries": "How many canaries were judged.",
    "guesses": "Guesses made, about the canaries with the most extreme scores.",
    "correct": "How many of them were right.",
    "epsilon_lower": "ε is at least this, at the stated confidence.",
    "ceiling": "What the bound would have been had every guess been right.",
    "seconds": "Wall-clock time.",
    "secrets": "How many secrets were judged.",
    "mean_bits": "Mean exposure.",
    "null_mean_bits": "Mean exposure of a secret never seen.",
    "excess_bits": "Mean exposure above that, with its interval.",
    "base_mean_bits": "Mean exposure under the base model.",
    "withheld_mean_bits": "Mean exposure of withheld secrets.",
    "extracted": "How many the target emitted.",
    "base_extracted": "How many the base emitted.",
    "withheld_extracted": "How many withheld ones the target emitted.",
    # of one
    "Audit.tool": "Name and version of the program.",
    "Audit.canaries": "The canary game: its design, and how its scores spread.",
    "Audit.membership": "Attacks that tell what was trained on, each on one population.",
    "Audit.bounds": "Lower bounds on ε, each with the ceiling that its design allowed.",
    "Audit.extraction": "What was emitted, by each way to get it out.",
    "Audit.phi": "Personal data by category.",
    "Audit.blind_auc": "AUC of a baseline that reads the notes and never asks the model.",
    "Audit.unmeasured": "What the audit could not measure, and why.",
    "Audit.measured_on": "The day of the measurements (UTC); null in files of older versions.",
    "Audit.policy": "The policy that the audit was judged by.",
    "AuditedModel.kind": "What was given to the audit.",
    "AuditedModel.name": "The model's name.",
    "AuditedModel.base": "The base model's name.",
    "AuditedModel.weights_digest": "SHA-256 over the weights.",
    "AuditedModel.parameters": "Parameters of the whole model.",
    "AuditedModel.adapter_parameters": "Parameters of the adapter alone.",
    "PrivacyStatement.private": "Whether a guarantee is claimed.",
    "PrivacyStatement.unit": "Whom the guarantee protects.",
    "PrivacyStatement.adjacency": "How two data sets differ that must look alike.",
    "PrivacyStatement.sampling": "How units are drawn at a step.",
    "PrivacyStatement.sampling_probability": "Chance of a unit to be drawn at a step.",
    "PrivacyStatement.population": "Declared number of units.",
    "PrivacyStatement.units_per_step": "Units expected in a draw.",
    "PrivacyStatement.steps": "Steps that were accounted for.",
    "PrivacyStatement.noise_multiplier": "σ: noise over clip norm.",
    "PrivacyStatement.clip_norm": "Largest norm of one unit's gradient.",
    "PrivacyStatement.noise": "Where the noise comes from; `test` and `none` claim nothing.",
    "PrivacyStatement.accountant": "How ε was computed.",
    "PrivacyStatement.covers": "What the claim is about.",
    "PrivacyStatement.not_covered": "What it is not about.",
    "CanarySummary.manifest_id": "Names the draw of the canaries.",
    "CanarySummary.kind": "Kinds of canaries, joined by `+`.",
    "CanarySummary.count": "Canaries made.",
    "CanarySummary.probability": "Chance of each to be planted.",
    "CanarySummary.copies": "Patients that each planted one was written for.",
    "CanarySummary.scores": "How the attack's scores spread.",
    "Membership.population": "Who is told from whom.",
    "Membership.members": "How many were trained on.",
    "Membership.non_members": "How many were not.",
    "Membership.auc": "How often a member scores above a non-member.",
    "Membership.tpr": "Members identified while few others are flagged.",
    "Membership.primary": "Whether this attack was named beforehand as the one to look at.",
    "Rate.value": "The estimate.",
    "Rate.low": "Lower end of the interval.",
    "Rate.high": "Upper end of the interval.",
    "TprAtFpr.fpr": "Share of non-members that may be flagged.",
    "TprAtFpr.tpr": "Share of members flagged then.",
    "Bound.method": "How the bound was computed.",
    "Bound.design": "Many canaries of one run guessed, or one canary of each of many runs.",
    "Bound.assumption": "What it rests on.",
    "Bound.canaries": "How many canaries were judged.",
    "Bound.confidence": "How surely it holds.",
    "Exposure.references": "Withheld secrets that each planted one is ranked among.",
    "Exposure.max_bits": "The largest exposure of any.",
    "Exposure.ceiling_bits": "The largest that so many references can show.",
    "SampledExposure.samples": "Random secrets of the same form, for each.",
    "ExtrapolatedExposure.secrets": "Secrets likelier than every sample.",
    "ExtrapolatedExposure.mean_bits": "Mean exposure.",
    "ExtrapolatedExposure.mean_low": "Mean of the lower ends.",
    "ExtrapolatedExposure.mean_high": "Mean of the upper ends.",
    "SearchedExposure.space_bits": "log2 of how many secrets there might have been.",
    "SearchedExposure.base_mean_low": "The same of the base model.",
    "SearchedExposure.base_mean_high": "The same of the base model.",
    "SearchedExposure.withheld_mean_low": "The same of withheld secrets.",
    "SearchedExposure.withheld_mean_high": "The same of withheld secrets.",
    "Extraction.method": "`greedy`, `sampled`, `candidates` or `generated`.",
    "Extraction.about": "Whose: of canaries, or of the notes trained on.",
    "Extraction.match": "Word for word, or with a few edits, too.",
    "Extraction.what": "What was looked for, in words.",
    "Extraction.tried": "How many were looked for.",
    "Extraction.rate": "The share extracted.",
    "Extraction.withheld_tried": "How many withheld ones were looked for.",
    "Extraction.curve": "The counts for other numbers of samples, or first places.",
    "Extraction.sampler": "How samples are drawn.",
    "ExtractionPoint.n": "Samples, or first places.",
    "ExtractionPoint.chance": "Share that a guesser without any model has right.",
    "PhiLeak.category": "Category of identifiers, such as `NAME`.",
    "PhiLeak.in_corpus": "Identifiers in the notes.",
    "PhiLeak.missed_by_scrubber": "Those that the scrubber left in them.",
    "PhiLeak.emitted_by_model": "Those that stand in texts of the model.",
    "PhiLeak.emitted_by_base": "Those that stand in texts of its base.",
    "Generated.texts": "Texts of the model.",
    "Generated.tokens": "Tokens in them.",
    "Generated.base_texts": "Texts of its base.",
    "Generated.prompts": "What the texts begin with.",
    "Generated.sampler": "How tokens were drawn.",
    "Utility.notes": "Held-out notes.",
    "Utility.tokens": "Tokens in them.",
    "Utility.perplexity_base": "Of the base.",
    "Utility.perplexity": "Of the target.",
    "Scoring.texts": "Texts scored.",
    "Scoring.tokens": "Tokens in them.",
    "Scoring.passes": "Forward passes per text, by score table.",
    "Unmeasured.what": "What is missing.",
    "Unmeasured.why": "Why.",
    "Verdict.status": "The decision.",
    "Verdict.reasons": "Why, what decided first.",
    "Verdict.alarms": "What must be looked at whatever the policy says.",
    "Policy.name": "The policy's name.",
    "Policy.expires": "The last day on which the policy judges.",
    "Policy.max_audit_age_days": "How old measurements may be on the day they are judged.",
    "Policy.max_claimed_delta": "Largest δ that training may claim.",
    "Policy.max_claimed_epsilon": "Largest ε that training may claim.",
    "Policy.max_epsilon_lower": "Largest ε that an attack may prove.",
    "Policy.max_canary_auc": "Largest AUC on canaries.",
    "Policy.max_canary_tpr": "Largest share of canaries identified.",
    "Policy.max_membership_auc": "Largest AUC on patients or notes.",
    "Policy.max_membership_tpr": "Largest share of patients or notes identified.",
    "Policy.max_extraction_excess": "Largest share extracted above the base.",
    "Policy.max_exposure_excess_bits": "Largest exposure above chance.",
}
"""What docstrings leave to the name of a field, by record and field or by field alone."""
HEAD = f"""# audit.json, field by field

`llmsafe audit` writes `audit.json`; `llmsafe report` makes the page from it. The same in
machine-readable form: [audit.schema.json](schemas/audit.schema.json), and
[policy.schema.json](schemas/policy.schema.json) for the policy that an audit is judged by. A key
that is not listed here is an error; a field with a default may be absent, as it is in files of
earlier versions. Nothing in it names a patient, a secret or a path.

Written by `{COMMAND}` from the models in `llmsafe/artifacts/`; do not edit.
"""


def main() -> None:
    for name, text in pages().items():
        print(write_text(ROOT / name, text))


def pages() -> dict[str, str]:
    """What each published file says, by its path in the repository."""
    return {
        "docs/schemas/audit.schema.json": schema(Audit),
        "docs/schemas/policy.schema.json": schema(Policy),
        "docs/audit-json.md": HEAD + "".join(map(section, reachable(Audit))),
    }


def schema(model: type[BaseModel]) -> str:
    """The JSON schema of a file that ``model`` loads."""
    text = json.dumps({"$schema": DIALECT, **model.model_json_schema()}, indent=2)
    return in_json(text) + "\n"


def in_json(docstring: str) -> str:
    """What Python's words for a value are in the file, in Markdown's quotes."""
    return docstring.replace("``", "`").replace("`None`", "`null`")


def reachable(model: type[BaseModel]) -> list[type[BaseModel]]:
    """The model and every one in it, in the order in which a reader comes upon them."""
    found = [model]
    for each in found:  # grows as it is walked
        for field in each.model_fields.values():
            found += [inner for inner in models_in(field.annotation) if inner not in found]
    return found


def models_in(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for part in get_args(annotation):
        yield from models_in(part)


# --- the page -----------------------------------------------------------------------------------


def section(model: type[BaseModel]) -> str:
    """A heading, what the record is, and a table of its fields."""
    first, *said = sentences(model)
    general = [first]
    general += [text for text in said if not any(speaks_of(text, f) for f in model.model_fields)]
    rows = [
        f"| `{name}` | {kind(field.annotation)} | {default(field)} | {meaning(model, name)} |\n"
        for name, field in model.model_fields.items()
    ]
    head = "| Field | Type | Default | Meaning |\n| --- | --- | --- | --- |\n"
    return f"\n## {model.__name__}\n\n{' '.join(general)}\n\n{head}{''.join(rows)}"


def sentences(model: type[BaseModel]) -> list[str]:
    """The docstring, cut into sentences and clauses that begin with a field."""
    text = in_json(" ".join((inspect.getdoc(model) or "").split()))
    parts = re.split(r"(?<=[.;])\s+(?=[A-Z`])", text)
    return [part[:-1] + "." if part.endswith(";") else part for part in parts]


def speaks_of(text: str, field: str) -> bool:
    """Whether a sentence names the field, if need be with a star: `emitted_by_*`."""
    named = re.findall(r"`([a-z_]+\*?)`", text)
    return any(
        field.startswith(name[:-1]) if name.endswith("*") else name == field for name in named
    )


def meaning(model: type[BaseModel], name: str) -> str:
    """What this file and the docstring say of a field; else what its record is; else its name."""
    key = f"{model.__name__}.{name}"
    own = [MEANINGS[key]] if key in MEANINGS else []
    own += [text for text in sentences(model)[1:] if speaks_of(text, name)]
    if own:
        return " ".join(own)
    inner = [sentences(record)[0] for record in models_in(model.model_fields[name].annotation)]
    return MEANINGS.get(name) or next(iter(inner), name.replace("_", " "))


def kind(annotation: Any) -> str:
    """A type in words, a record as a link to its section."""
    parts = get_args(annotation)
    match get_origin(annotation):
        case None if annotation in WORDS:
            return WORDS[annotation]
        case None:
            return f"[{annotation.__name__}](#{annotation.__name__.lower()})"
        case origin if origin is Literal:
            return " or ".join(f"`{json.dumps(part)}`" for part in parts)
        case origin if origin in (Union, UnionType):
            return " or ".join(map(kind, parts))
        case origin if origin is list:
            return f"list of {kind(parts[0])}{'s' if parts[0] in WORDS else ''}"
        case origin if origin is tuple:
            return f"pairs of {kind(parts[0])}s"
        case origin if origin is dict:
            return f"map from {kind(parts[0])} to {kind(parts[1])}"
        case _:
            raise TypeError(f"no words for {annotation}: add them to scripts/make_schemas.py")


def default(field: FieldInfo) -> str:
    if field.is_required():
        return "required"
    return f"`{json.dumps(field.default)}`"


if __name__ == "__main__":
    main()
