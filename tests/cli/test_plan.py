from __future__ import annotations

import json

import pytest
import typer
from typer.testing import CliRunner

from llmsafe.cli.plan import plan
from llmsafe.errors import InputError

app = typer.Typer()
app.command()(plan)
COMMON = "--delta 6.8e-6 --population 100000 --units-per-step 1024"


def run(arguments: str):
    return CliRunner().invoke(app, arguments.split())


@pytest.mark.parametrize(("sigma", "expected"), [(0.8, 2.1481), (1.2, 0.7637)])
def test_json_gives_epsilon_and_only_data_on_stdout(sigma, expected):
    result = run(f"{COMMON} --noise-multiplier {sigma} --steps 292 --json")
    assert result.exit_code == 0, result.exception
    data = json.loads(result.stdout)
    assert data["epsilon"] == pytest.approx(expected, abs=0.02)
    assert data["sampling_probability"] == 0.01024
    promised = "noise_multiplier epsilon delta sampling_probability steps accountant unit adjacency"
    assert set(promised.split()) <= set(data)
    assert "Privacy plan" in result.stderr


def test_text_from_epsilon_and_epochs():
    result = run(f"{COMMON} --epsilon 3 --epochs 1.5 --unit note")
    assert result.exit_code == 0, result.exception
    assert "per note" in result.stdout
    assert "147" in result.stdout  # 1.5 × 100000 / 1024 = 146.5
    assert "Does not cover" in result.stdout


def test_a_cap_on_the_draws():
    result = run(f"{COMMON} --noise-multiplier 0.8 --steps 292 --max-units-per-step 1280 --json")
    assert result.exit_code == 0, result.exception
    data = json.loads(result.stdout)
    assert data["max_units_per_step"] == 1280
    assert data["epsilon"] == pytest.approx(2.1481, abs=0.02)
    assert "cap on a draw     1,280 units" in result.stderr


def test_noise_above_the_signal_of_a_step_is_warned_of():
    result = run(
        "--delta 1e-6 --population 100000 --units-per-step 2 --noise-multiplier 4 --steps 9"
    )
    assert result.exit_code == 0
    assert "the noise multiplier 4 exceeds the 2 units of a step" in result.stderr
    assert "warning" not in run(f"{COMMON} --noise-multiplier 0.8 --steps 292").stderr


def test_control():
    result = run(f"{COMMON} --epsilon inf --steps 5")
    assert "NOT PRIVATE" in result.stdout
    data = json.loads(run(f"{COMMON} --epsilon inf --steps 5 --json").stdout)
    assert (data["epsilon"], data["noise_multiplier"], data["noise"]) == (None, 0.0, "none")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (f"{COMMON} --epsilon 3", "neither of --steps and --epochs"),
        (f"{COMMON} --epsilon 3 --steps 5 --epochs 1", "both of --steps and --epochs"),
        (f"{COMMON} --steps 5", "neither of --epsilon"),
        (f"{COMMON} --epsilon 3 --noise-multiplier 1 --steps 5", "both of --epsilon"),
        (f"{COMMON} --epsilon 3 --steps 5 --unit ward", "choose patient or note"),
        (f"{COMMON} --epsilon 0 --steps 5", "positive"),
        (f"{COMMON} --epsilon 3 --epochs 0", "epochs"),
        (
            f"{COMMON} --epsilon 3 --steps 5 --max-units-per-step 1024",
            "the smallest that would do is 12",
        ),
        (
            "--delta 1e-3 --population 45 --units-per-step 8 --epsilon 0.01 --steps 40",
            "all else as it is, epsilon 0.03, or a population of 1",
        ),
        ("--delta 0.1 --population 100 --units-per-step 10 --epsilon 1 --steps 5", "delta"),
    ],
)
def test_errors_name_value_and_rule(arguments, words):
    result = run(arguments)
    assert isinstance(result.exception, InputError)
    assert words in str(result.exception)
    assert result.stdout == ""


def test_delta_is_asked_for():
    result = run("--population 100 --units-per-step 10 --epsilon 1 --steps 5")
    assert result.exit_code == 2
    assert "--delta" in result.output
