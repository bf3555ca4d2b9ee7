"""``release/README.md``: the model card that travels with an adapter or a release.

Valid Hugging Face front matter, and no local path: a release folder leaves the building.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, cast

import jinja2
import yaml
from markupsafe import Markup

from llmsafe.artifacts import Audit, Form, PrivacyStatement, Release
from llmsafe.errors import EvidenceError
from llmsafe.files import RELEASE, write_text
from llmsafe.report import headline, rows, sentences, tables, words

_HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*(/[A-Za-z0-9][\w.-]*)?")
_SETTINGS = {
    "lora_rank": "LoRA rank",
    "lora_alpha": "LoRA alpha",
    "target_modules": "LoRA on",
    "dtype": "Precision of the base",
}


def model_card(
    statement: PrivacyStatement,
    audit: Audit | None = None,
    *,
    base: str,
    settings: Mapping[str, Any] | None = None,
) -> str:
    """The card of an adapter in Markdown.

    ``base`` is a hub id, ``llmsafe:<name>`` or a local folder; of a folder only its name is
    shown. Of ``settings`` the LoRA settings are shown (``lora_rank``, ``lora_alpha``,
    ``target_modules``, ``dtype``); other keys are left out, since they may hold local paths.
    """
    rows = [("this adapter", audit)] if audit else []
    return _card(statement, rows, base=base, settings=settings)


def release_card(
    release: Release,
    statement: PrivacyStatement,
    audit: Audit,
    parent: Audit,
    *,
    settings: Mapping[str, Any] | None = None,
) -> str:
    """The card of a release: its own audit beside that of the adapter it was made of."""
    rows = [("this release", audit), ("the adapter as trained", parent)]
    return _card(statement, rows, base=release.base, settings=settings, release=release)


def _card(
    statement: PrivacyStatement,
    audits: Sequence[tuple[str, Audit]],
    *,
    base: str,
    settings: Mapping[str, Any] | None,
    release: Release | None = None,
) -> str:
    shown = settings or {}
    audit = audits[0][1] if audits else None
    form: Form = release.form if release else "adapter"
    page = _environment().get_template("card.md.j2")
    return page.render(
        front_matter=Markup(_front_matter(base, form)),
        release=release,
        form=form,
        statement=statement,
        base=_base_name(base),
        base_code=Markup(_base_code(base)),
        embedded=base.startswith("llmsafe:"),
        settings=[(_SETTINGS[key], _value(shown[key])) for key in _SETTINGS if key in shown],
        findings=sentences.plain_words(audit) if audit else [],
        bounds=audit.bounds if audit else [],
        further=_further(audit) if audit else [],
        table=Markup(tables.comparison_markdown(audits)) if audits else None,
        alarms=audit.verdict.alarms if audit else [],
        reasons=audit.verdict.reasons if audit else [],
        verdict=words.STATUS[audit.verdict.status] if audit else None,
        policy=audit.policy.name if audit and audit.policy else None,
        not_tested=sentences.NOT_TESTED if release is None else sentences.NOT_TESTED_OF_A_RELEASE,
    )


def write_card(folder: Path) -> Path:
    """Make the card of a run or release folder anew from the JSON files that lie in it.

    Raises:
        EvidenceError: the folder holds no ``privacy.json`` or no ``adapter_config.json``.
    """
    release = folder / RELEASE if (folder / RELEASE).is_dir() else folder
    statement = PrivacyStatement.load(release / "privacy.json")
    base, settings = adapter_settings(release)
    audit = Audit.load(release / "audit.json") if (release / "audit.json").is_file() else None
    return write_text(
        release / "README.md", model_card(statement, audit, base=base, settings=settings)
    )


def adapter_settings(folder: Path) -> tuple[str, dict[str, Any]]:
    """The base that ``adapter_config.json`` names, and the LoRA settings that a card shows.

    Raises:
        EvidenceError: it cannot be read.
    """
    file = folder / "adapter_config.json"
    try:
        config = json.loads(file.read_bytes())
        settings = {
            "lora_rank": config["r"],
            "lora_alpha": config["lora_alpha"],
            "target_modules": config["target_modules"],
        }
        return str(config["base_model_name_or_path"]), settings
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise EvidenceError(f"{file} is no readable PEFT adapter config; save it anew") from error


def _further(audit: Audit) -> list[str]:
    """What was measured beside the headline figures, a line each."""
    said: list[str] = []
    for row in rows.exposure_rows(audit.exposure)[1:] if audit.exposure else []:
        bits = f"{row.mean} bits"
        if row.excess != words.ABSENT:
            bits = f"{row.excess} bits above chance"
        said.append(f"Exposure of {row.secrets} secrets among {row.among}: {bits}; {row.remark}.")
    for found in audit.extraction:
        if found is headline.canary_extraction(audit):
            continue
        base = "the base was not tried"
        if found.base_extracted is not None:
            base = f"by the base {words.count(found.base_extracted)}"
        counts = f"{words.count(found.extracted)} of {words.count(found.tried)}"
        said.append(f"Extraction of {found.what}: {counts}, {base}.")
    attacks = {result.attack for result in audit.membership}
    if len(attacks) > 1:
        said.append(
            f"Membership by {len(attacks)} attacks. The table shows the one named beforehand; "
            "the best of many flatters the attacker."
        )
    return said


_RELATION: dict[Form, str] = {
    "adapter": "adapter",
    "merged": "finetune",
    "int8": "quantized",
    "int4": "quantized",
}


def _front_matter(base: str, form: Form) -> str:
    embedded = base.removeprefix("llmsafe:base-")
    # What language the notes were in is known of the embedded bases alone.
    fields: dict[str, Any] = {} if embedded == base else {"language": [embedded]}
    fields |= {
        "license": "other",
        "license_name": "to-be-chosen",
        "library_name": "peft" if form == "adapter" else "transformers",
        "pipeline_tag": "text-generation",
        "tags": ["lora", "differential-privacy", "clinical-notes", "medical", "llmsafe"],
    }
    # The hub refuses a card whose base_model is no hub id.
    if _on_hub(base):
        fields["base_model"] = base
        fields["base_model_relation"] = _RELATION[form]
    return yaml.safe_dump(fields, sort_keys=False, allow_unicode=True)


def _on_hub(base: str) -> bool:
    return _HUB_ID.fullmatch(base) is not None and not Path(base).exists()


def _base_name(base: str) -> str:
    if _on_hub(base) or base.startswith("llmsafe:"):
        return base
    return re.split(r"[/\\]", base.rstrip("/\\"))[-1] or "a local model"


def _base_code(base: str) -> str:
    if base.startswith("llmsafe:"):
        return f"resolve_model({json.dumps(words.visible(base))})"
    if _on_hub(base):
        return json.dumps(base)
    return '"PATH OF THE BASE MODEL"'


def _value(value: Any) -> str:
    match value:
        case [*names]:
            return ", ".join(sorted(str(name) for name in names))
        case _:
            return str(value)


def _finalize(value: Any) -> Any:
    match value:
        case Markup():
            return value
        case None:
            return words.ABSENT
        case _:
            return re.sub(r"([\\`*\[\]<>|&#])", r"\\\1", words.visible(str(value)))


def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("llmsafe.report"),
        autoescape=False,  # this is Markdown; _finalize escapes what would be markup
        finalize=_finalize,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    loose = cast(Any, environment)  # jinja2 leaves the values of both tables untyped
    loose.filters.update(
        count=words.count,
        number=words.number,
        significant=words.significant,
        one_in=words.one_in,
        percent=words.percent,
    )
    loose.globals.update(claim=words.claim, families=rows.FAMILIES)
    return environment
