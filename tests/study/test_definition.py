"""What a study file asks for, and which change makes which stage anew."""

from __future__ import annotations

from pathlib import Path

import pytest

from llmsafe.cli.library import library
from llmsafe.config import RunConfig, load_config
from llmsafe.errors import InputError
from llmsafe.study.definition import Study, load_study, override
from llmsafe.study.estimate import training_config
from llmsafe.study.stages import STAGES, jobs

INF = float("inf")
PLAIN = {
    "name": "x",
    "corpora": {"a": {"patients": 100}},
    "config": "configs/demo.yaml",
    "grids": [{"epsilon": [INF, 8], "seed": [0, 1]}, {"epsilon": 8, "scrub": False}],
}


def keys(work: Path, **changes) -> list[dict[str, str]]:
    study = Study.model_validate(PLAIN | changes)
    return [{s.name: s.key for s in job.stages} for job in jobs(study, work, gpu=False)]


def test_a_grid_is_every_combination_once():
    cells = Study.model_validate(PLAIN).cells()
    points = [(cell.epsilon, cell.seed, cell.scrub) for cell in cells]
    assert points == [
        (INF, 0, True), (INF, 1, True), (8.0, 0, True), (8.0, 1, True), (8.0, 0, False),
    ]  # fmt: skip
    twice = Study.model_validate(PLAIN | {"grids": [{"epsilon": [8, 8]}, {"epsilon": 8}]})
    assert len(twice.cells()) == 1
    # Folders and pages tell six digits: what differs behind them is one cell, not two of one name.
    close = Study.model_validate(PLAIN | {"grids": [{"epsilon": [1.0000001, 1.0000002, 1]}]})
    assert [cell.epsilon for cell in close.cells()] == [1.0]
    both = {"a": {"patients": 100}, "b": {"path": "notes", "population": 5}}
    everywhere = Study.model_validate(PLAIN | {"corpora": both, "grids": [{"epsilon": 8}]})
    assert [cell.corpus for cell in everywhere.cells()] == ["a", "b"]
    assert len({cell.cell_id for cell in cells}) == 5


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"grids": [{"epsilom": 8}]}, "epsilom"),
        ({"grids": [{"kind": "ssnn"}]}, "ssnn"),
        ({"grids": [{"corpus": "b"}]}, "corpora are: a"),
        ({"grids": []}, "grids"),
        ({"corpora": {"a": {"path": "notes"}}}, "population"),
        ({"corpora": {"a": {}}}, "either patients"),
        ({"set": {"privacy.epsilon": 1}}, "decides"),
        ({"set": {"privacy.unit": "note"}}, "decides"),
        ({"set": {"data.patient_column": "ward"}}, "decides"),
        ({"set": {"data.canaries": "mine.json"}}, "decides"),
        ({"set": {"model": {"base": "x"}}}, r"section\.key"),
        ({"set": {"train": {"steps": 3}}}, r"section\.key"),
        ({"grids": [{"epsilon": True}]}, "truth value"),
        ({"grids": [{"epsilon": 8, "seed": [0, True]}]}, "truth value"),
        ({"corpora": {"a|b": {"patients": 100}}}, r"a\|b"),
        ({"corpora": {"a\nb": {"patients": 100}}}, "refused"),
        ({"corpora": {"a": {"patients": 100, "known_identifiers": ["x"]}}}, "known_identifiers"),
        ({"corpora": {"a": {"path": "n", "population": 9, "length": "mixed"}}}, "length"),
        ({"name": "../x"}, "name"),
    ],
)
def test_a_wrong_study_is_refused(tmp_path, change, says):
    import yaml

    path = tmp_path / "study.yaml"
    path.write_text(yaml.safe_dump(PLAIN | change))
    with pytest.raises(InputError, match=says):
        load_config(Study, path)


def test_known_identifiers_that_are_not_there_are_an_error_of_input(tmp_path):
    import yaml

    (tmp_path / "notes").mkdir()
    missing = str(tmp_path / "people.csv")
    corpus = {"path": str(tmp_path / "notes"), "population": 9, "known_identifiers": [missing]}
    path = tmp_path / "study.yaml"
    path.write_text(yaml.safe_dump(PLAIN | {"corpora": {"a": corpus}}))
    with pytest.raises(InputError, match=r"known_identifiers.*people\.csv is no file"):
        load_study(str(path))


@pytest.mark.parametrize(
    "value", [None, True, 3, 1e-5, INF, "8", "null", "a: b # c", "两 lines\n", ["all", "q: x"]]
)
def test_a_setting_is_read_back_as_what_it_is(value):
    import yaml

    key, _, text = override("data.max_tokens", value).partition("=")
    assert key == "data.max_tokens"
    assert yaml.safe_load(text) == value


def test_stages_and_estimate_read_a_setting_alike(tmp_path):
    study = Study.model_validate(
        PLAIN | {"set": {"privacy.max_units_per_step": None, "train.learning_rate": 1e-5}}
    )
    assert training_config(study).privacy.max_units_per_step is None
    typed = next(s.command for s in jobs(study, tmp_path, gpu=False)[0].stages if s.name == "train")
    assert {"privacy.max_units_per_step=null", "train.learning_rate=1.0e-05"} <= set(typed)
    words = [word for word in typed if "=" in word and not word.startswith("-")]
    config = load_config(RunConfig, Path(typed[typed.index("--config") + 1]), words)
    assert config.train.learning_rate == 1e-5
    assert config.privacy.epsilon == INF


def test_a_stage_is_made_anew_where_what_determines_it_changes(tmp_path):
    plain = keys(tmp_path)
    # What is shared is one: one corpus, one scrub, a planted corpus per seed.
    shared = {name: {cell[name] for cell in plain} for name in STAGES}
    counts = {"notes": 1, "prepare": 1, "scrub": 1, "plant": 3, "train": 5, "audit": 5}
    assert {name: len(shared[name]) for name in counts} == counts

    def changed(**changes) -> set[str]:
        return {n for a, b in zip(plain, keys(tmp_path, **changes), strict=True)
                for n in STAGES if a[n] != b[n]}  # fmt: skip

    later = {"train", "audit", "evaluate"}
    assert changed(name="y", about="other words") == set()
    assert changed(set={"train.steps": 7}) == later
    assert changed(delta=1e-6) == later
    assert changed(canaries=300) == {"plant", *later}
    assert changed(held_back=50) == {"audit", "evaluate"}
    assert changed(task_notes=5) == {"evaluate"}
    assert changed(corpora={"a": {"patients": 101}}) == set(STAGES)
    assert keys(tmp_path / "elsewhere") == plain


def test_code_that_decides_is_part_of_the_key(tmp_path, monkeypatch):
    from llmsafe.study import stages

    plain = keys(tmp_path)
    monkeypatch.setattr(stages, "code_digest", lambda name: f"other {name == 'audit'}")
    again = keys(tmp_path)
    assert {n for n in STAGES if plain[0][n] != again[0][n]} == set(STAGES)
    monkeypatch.undo()
    real = stages.code_digest
    monkeypatch.setattr(stages, "code_digest", lambda n: "new" if n == "audit" else real(n))
    again = keys(tmp_path)
    assert {n for n in STAGES if plain[0][n] != again[0][n]} == {"audit", "evaluate"}


def test_versions_and_tokenizer_are_part_of_the_key(tmp_path, monkeypatch, tiny_model):
    import shutil

    from llmsafe.study import stages

    base = shutil.copytree(tiny_model, tmp_path / "base")
    grids = [{"epsilon": 8, "base": str(base), "kind": "suffix"}]

    def changed(before: dict[str, str]) -> set[str]:
        [now] = keys(tmp_path, grids=grids)
        return {name for name in STAGES if now[name] != before[name]}

    [plain] = keys(tmp_path, grids=grids)
    real = stages.versions

    def newer(name: str):
        return lambda *names: {n: "0" if n == name else v for n, v in real(*names).items()}

    monkeypatch.setattr(stages, "versions", newer("torch"))
    assert changed(plain) == {"plant", "train", "audit", "evaluate"}
    monkeypatch.setattr(stages, "versions", newer("presidio-analyzer"))
    assert changed(plain) == {"scrub", "plant", "train", "audit", "evaluate"}
    monkeypatch.setattr(stages, "versions", real)
    assert changed(plain) == set()
    for name in ("tokenizer.json", "config.json"):
        stages.base_digest.cache_clear()
        (base / name).write_text((base / name).read_text() + "\n")
        assert changed(plain) == {"plant", "train", "audit", "evaluate"}
        [plain] = keys(tmp_path, grids=grids)


def test_what_a_cell_types(tmp_path):
    study = Study.model_validate(
        PLAIN | {"grids": [{"epsilon": 4, "unit": "note", "repetition": 3, "rank": 8}]}
    )
    [job] = jobs(study, tmp_path, gpu=False)
    words = {stage.name: list(stage.command) for stage in job.stages}
    assert words["plant"][-6:] == ["--copies", "3", "--seed", "0", "--force"][-5:] or (
        "--copies" in words["plant"]
    )
    assert words["plant"][words["plant"].index("--copies") + 1] == "3"
    assert "--patient-column" not in words["plant"]
    train = [word for word in words["train"] if "=" in word]
    assert "privacy.unit=note" in train
    assert "model.lora_alpha=16" in train
    assert "privacy.population=700" in train  # 100 patients and 3 copies of 200 canaries
    assert not any(word.startswith("data.patient_column") for word in train)


def test_every_shipped_study_can_be_read():
    names = [item.name for item in library() if item.kind == "studies"]
    shipped = ("clinical", "cpu", "length", "paper", "quick")
    assert names == [f"studies/{name}.yaml" for name in shipped]
    for name in ("cpu", "length", "paper", "quick"):
        study, _ = load_study(name)
        assert study.name == name
        training_config(study)
        assert any(not cell.private for cell in study.cells())
    cells = load_study("cpu")[0].cells()
    assert {cell.epsilon for cell in cells} == {INF, 8.0, 4.0, 1.0}
    with pytest.raises(InputError, match=r"clinical\.yaml|does not exist|notes"):
        study, _ = load_study("clinical")
        jobs(study, Path("w"), gpu=False)
