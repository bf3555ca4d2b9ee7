"""``llmsafe ls`` and ``llmsafe cp``: what ships is found in a checkout and in a wheel."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from llmsafe.cli import library
from llmsafe.errors import InputError

APP = typer.Typer()
APP.command()(library.ls)
APP.command()(library.cp)


@pytest.fixture
def shelf(tmp_path: Path, monkeypatch) -> Path:
    """A package folder with recipes inside, as in a wheel."""
    package = tmp_path / "site" / "llmsafe"
    files = {
        "recipes/dp_lora.py": '"""Fine-tune with a guarantee.\n\nMore.\n"""\n',
        "recipes/silent.py": "x = 1\n",
        "recipes/configs/default.yaml": "# ----\n# The embedded job.\n# more\na: 1\n",
        "recipes/configs/release.yaml": "# A config of the same file name as a policy.\n",
        "recipes/accelerate/cpu.yaml": "a: 1\n",
        "assets/policies/release.yaml": "# What a release must meet.\nname: release\n",
    }
    for name, text in files.items():
        path = package / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    monkeypatch.setattr("importlib.resources.files", lambda _: package)
    return package


def call(*args: object):
    return CliRunner().invoke(APP, [str(arg) for arg in args])


def test_ls_names_kinds_and_says_what_each_is(shelf):
    result = call("ls")
    assert result.exit_code == 0
    files, _, attacks = result.stdout.partition("\nattacks\n")
    assert "  recall                 membership:" in attacks
    assert files == (
        "recipes\n"
        "  dp_lora.py             Fine-tune with a guarantee.\n"
        "  silent.py\n"
        "\nconfigs\n"
        "  configs/default.yaml   The embedded job.\n"
        "  configs/release.yaml   A config of the same file name as a policy.\n"
        "\naccelerate\n"
        "  accelerate/cpu.yaml\n"
        "\npolicies\n"
        "  policies/release.yaml  What a release must meet.\n"
    )


def test_ls_of_one_kind_and_as_json(shelf):
    assert call("ls", "policies").stdout.startswith("policies\n  policies/release.yaml")
    data = json.loads(call("ls", "configs", "--json").stdout)
    assert data[0] == {
        "kind": "configs",
        "name": "configs/default.yaml",
        "about": "The embedded job.",
    }
    error = call("ls", "config").exception
    assert isinstance(error, InputError)
    assert "did you mean configs?" in str(error)


def test_ls_knows_every_attack_that_an_audit_can_name():
    from llmsafe.audit.attacks import attacks
    from llmsafe.audit.catalogue import CATALOGUE
    from llmsafe.audit.request import EXTRAS

    known = {entry.name for entry in CATALOGUE}
    assert {*attacks(True), *EXTRAS} <= known
    assert len(known) == len(CATALOGUE)
    options = {entry.option for entry in CATALOGUE}
    assert {f"--also {name}" for name in EXTRAS} <= options


def test_every_judged_attack_is_told_in_plain_words_too():
    from llmsafe.audit.attacks import attacks
    from llmsafe.audit.catalogue import CATALOGUE
    from llmsafe.audit.request import VARIANTS

    judged = {*attacks(True), *VARIANTS, "lira_offline", "lira_online", "rmia"}
    assert {entry.name for entry in CATALOGUE if entry.plain} == judged
    assert all(entry.about.startswith("membership") for entry in CATALOGUE if entry.plain)


@pytest.mark.parametrize("name", ["configs/default.yaml", "default.yaml", "default"])
def test_cp_takes_a_full_name_a_file_name_or_a_stem(shelf, tmp_path, name):
    target = tmp_path / "mine.yaml"
    result = call("cp", name, target)
    assert result.exit_code == 0, result.exception
    assert target.read_bytes() == (shelf / "recipes/configs/default.yaml").read_bytes()
    assert result.stdout == f"wrote {target}\n"


def test_cp_into_a_folder_keeps_the_name_and_never_overwrites(shelf, tmp_path):
    assert call("cp", "dp_lora.py", tmp_path).exit_code == 0
    target = tmp_path / "dp_lora.py"
    target.write_text("mine")
    error = call("cp", "dp_lora.py", tmp_path).exception
    assert isinstance(error, InputError)
    assert "--force" in str(error)
    assert target.read_text() == "mine"
    assert call("cp", "dp_lora.py", tmp_path, "--force").exit_code == 0
    assert target.read_text().startswith('"""Fine-tune')


def test_cp_makes_the_folder_it_needs(shelf, tmp_path):
    assert call("cp", "cpu.yaml", tmp_path / "new" / "cpu.yaml").exit_code == 0
    assert (tmp_path / "new" / "cpu.yaml").is_file()


def test_an_ambiguous_or_unknown_name_is_refused_with_help(shelf, tmp_path):
    both = call("cp", "release.yaml", tmp_path).exception
    assert isinstance(both, InputError)
    assert "configs/release.yaml, policies/release.yaml" in str(both)
    near = call("cp", "dp_laro.py", tmp_path).exception
    assert isinstance(near, InputError)
    assert "did you mean dp_lora.py?" in str(near)
    assert "did you mean configs/default.yaml?" in str(call("cp", "defalt", tmp_path).exception)
    assert "did you mean" not in str(call("cp", "../../etc/passwd", tmp_path).exception)
    assert list(tmp_path.iterdir()) == [tmp_path / "site"]


def test_the_checkout_has_its_recipe():
    item = library.find("dp_lora.py")
    assert item.path.is_file()
    assert item.about
    # Every file that ships says what it is.
    assert all(entry.about for entry in library.library())


def test_data_sets_are_told_by_their_card(shelf):
    folder = shelf.parent / "eval"
    folder.mkdir()
    (folder / "gold.jsonl").write_text('{"text": "x"}\n', encoding="utf-8")
    (folder / "gold.md").write_text("# Invented notes\n\nMore.\n", encoding="utf-8")
    (folder / "scratch.jsonl").write_text("{}\n", encoding="utf-8")  # no card, not listed
    assert call("ls", "data").stdout == "data\n  data/gold.jsonl  Invented notes\n"
    assert call("cp", "gold.jsonl", folder / "mine.jsonl").exit_code == 0
    assert (folder / "mine.jsonl").read_text(encoding="utf-8") == '{"text": "x"}\n'
