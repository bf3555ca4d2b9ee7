"""The published schemas and the page on audit.json say what the models say, and files obey them."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[1]
KINDS = {
    "string": str,
    "integer": int,
    "number": (int, float),
    "boolean": bool,
    "null": type(None),
    "array": list,
    "object": dict,
}


def load(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def maker() -> ModuleType:
    return load(ROOT / "scripts" / "make_schemas.py")


@pytest.fixture(scope="module")
def published() -> dict[str, Any]:
    folder = ROOT / "docs" / "schemas"
    return {path.name: json.loads(path.read_text()) for path in sorted(folder.iterdir())}


@pytest.fixture(scope="module")
def examples() -> list[Any]:
    """Audits of every size, as the files that they become."""
    folder = ROOT / "tests" / "report"
    example, full = load(folder / "example.py"), load(folder / "example_full.py")
    whole = full.full(example.audit(), example, shift=0.18)
    return [json.loads(audit.to_json()) for audit in (whole, example.control(), example.bare())]


def obeys(value: Any, rule: dict[str, Any], schema: dict[str, Any]) -> bool:
    """Whether a value obeys a JSON schema, of the keywords that ours use; an unknown one fails."""
    about = {"title", "description", "default", "$defs", "$schema", "type", "format"}
    if "type" in rule and not _is(value, rule["type"]):
        return False
    return all(
        _obeys(value, key, wanted, rule, schema) for key, wanted in rule.items() if key not in about
    )


def _is(value: Any, kind: str) -> bool:
    return isinstance(value, KINDS[kind]) and (kind == "boolean" or not isinstance(value, bool))


def _obeys(value: Any, key: str, wanted: Any, rule: dict[str, Any], schema: dict[str, Any]) -> bool:
    match key:
        case "$ref":
            return obeys(value, schema["$defs"][wanted.rpartition("/")[2]], schema)
        case "anyOf":
            return any(obeys(value, each, schema) for each in wanted)
        case "enum":
            return value in wanted
        case "const":
            return value == wanted
        case "minimum":
            return value >= wanted
        case "required":
            return set(wanted) <= set(value)
        case "properties":
            return all(obeys(value[k], each, schema) for k, each in wanted.items() if k in value)
        case "additionalProperties" if wanted is False:
            return set(value) <= set(rule["properties"])
        case "additionalProperties":
            return all(obeys(each, wanted, schema) for each in value.values())
        case "items":
            return all(obeys(each, wanted, schema) for each in value)
        case "prefixItems":
            pairs = zip(value, wanted, strict=False)
            return all(obeys(each, one, schema) for each, one in pairs)
        case "minItems":
            return len(value) >= wanted
        case "maxItems":
            return len(value) <= wanted
        case _:
            raise AssertionError(f"{key} is not known to this test")


@pytest.mark.parametrize(
    "name",
    ["docs/schemas/audit.schema.json", "docs/schemas/policy.schema.json", "docs/audit-json.md"],
)
def test_what_is_published_is_what_the_models_say(maker, name):
    made = maker.pages()
    assert set(made) == {
        "docs/schemas/audit.schema.json",
        "docs/schemas/policy.schema.json",
        "docs/audit-json.md",
    }
    stale = (ROOT / name).read_text(encoding="utf-8") != made[name]
    assert not stale, f"{name} is not what the models say; run: {maker.COMMAND}"


def test_audits_obey_the_published_schema(published, examples):
    schema = published["audit.schema.json"]
    assert all(obeys(audit, schema, schema) for audit in examples)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("surprise",), 1),
        (("tool",), 7),
        (("seconds",), -1),
        (("model", "kind"), "boat"),
        (("membership", 0, "auc"), None),
        (("bounds", 0, "curve", 0, "guesses"), "many"),
        (("exposure", "curve", 0), [1.0]),
        (("exposure", "sampled", "extrapolated", "fitting"), None),
        (("scoring", "passes", "scores"), "two"),
        (("generated", "source"), "elsewhere"),
    ],
)
def test_what_a_model_refuses_the_schema_refuses(published, examples, path, value):
    from pydantic import ValidationError

    from llmsafe.artifacts import Audit

    audit = json.loads(json.dumps(examples[0]))
    place = audit
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = value
    schema = published["audit.schema.json"]
    assert not obeys(audit, schema, schema)
    with pytest.raises(ValidationError):
        Audit.model_validate(audit)


def test_an_audit_without_its_required_parts_is_refused(published, examples):
    schema = published["audit.schema.json"]
    short = {key: part for key, part in examples[0].items() if key != "bounds"}
    assert not obeys(short, schema, schema)
    # What came later may be absent.
    old = {key: part for key, part in examples[0].items() if key not in ("generated", "scoring")}
    assert obeys(old, schema, schema)


def test_the_shipped_policies_obey_their_schema(published):
    schema = published["policy.schema.json"]
    shipped = sorted((ROOT / "llmsafe" / "assets" / "policies").glob("*.yaml"))
    assert shipped
    for path in shipped:
        assert obeys(yaml.safe_load(path.read_text()), schema, schema), path.name
    assert not obeys({"max_canary_ear": 0.6}, schema, schema)


def test_the_page_has_a_row_for_every_field(maker):
    from llmsafe.artifacts import Audit

    text = (ROOT / "docs" / "audit-json.md").read_text()
    for model in maker.reachable(Audit):
        part = text.split(f"\n## {model.__name__}\n")[1].split("\n## ")[0]
        rows = [line for line in part.splitlines() if line.startswith("| `")]
        assert [row.split("`")[1] for row in rows] == list(model.model_fields)
        assert all(row.count(" | ") == 3 for row in rows)


def test_meanings_are_of_fields_that_exist(maker):
    from llmsafe.artifacts import Audit

    models = maker.reachable(Audit)
    fields = {f"{model.__name__}.{name}" for model in models for name in model.model_fields}
    fields |= {name for model in models for name in model.model_fields}
    assert set(maker.MEANINGS) <= fields
