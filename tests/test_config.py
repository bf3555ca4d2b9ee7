"""Configuration: overrides, ranges, and unknown keys that are fatal."""

from __future__ import annotations

import math
import re
from pathlib import Path

import pytest

from llmsafe.config import RunConfig, dump_config, load_config
from llmsafe.errors import InputError

NEEDED = ["privacy.epsilon=8", "privacy.delta=1e-5", "privacy.population=1000"]


def load(*overrides: str, file: Path | None = None) -> RunConfig:
    return load_config(RunConfig, file, [*NEEDED, *overrides])


def test_overrides_reach_their_fields():
    config = load("privacy.epsilon=inf", "model.target_modules=[q_proj, v_proj]", "seed=3")
    assert math.isinf(config.privacy.epsilon)
    assert config.privacy.delta == 1e-5
    assert config.model.target_modules == ["q_proj", "v_proj"]
    assert config.seed == 3


def test_two_overrides_cannot_ask_for_two_noises():
    both = ["privacy.epsilon=1", "privacy.noise_multiplier=0.5"]
    for order in (both, both[::-1]):
        with pytest.raises(InputError, match="not both"):
            load(*order)
    assert load("privacy.epsilon=null", "privacy.noise_multiplier=0.5").privacy.epsilon is None


def test_epsilon_and_noise_multiplier_replace_each_other(tmp_path: Path):
    file = tmp_path / "c.yaml"
    file.write_text("privacy: {epsilon: 8, delta: 1.0e-5, population: 1000}")
    config = load_config(RunConfig, file, ["privacy.noise_multiplier=1.1"])
    assert (config.privacy.epsilon, config.privacy.noise_multiplier) == (None, 1.1)


def test_file_then_overrides_then_back(tmp_path: Path):
    config = load("train.steps=7")
    path = tmp_path / "c.yaml"
    path.write_text(dump_config(config))
    assert load_config(RunConfig, path) == config
    assert load_config(RunConfig, path, ["train.steps=9"]).train.steps == 9


@pytest.mark.parametrize(
    ("override", "says"),
    [
        ("privacy.epsilom=8", "did you mean 'privacy.epsilon'"),
        ("epsilon=8", "did you mean 'epsilon'|did you mean 'privacy.epsilon'"),
        ("zzz.qqq=1", "unknown key"),
        ("train.steps=0", "train.steps"),
        ("train.steps=many", "train.steps"),
        ("privacy.delta=2", "privacy.delta"),
        ("steps", "is not section.key=value"),
        ("seed.deep=1", "unknown key|seed"),
        ("privacy.noise=loud", "test"),
    ],
)
def test_bad_overrides_are_refused(override, says):
    with pytest.raises(InputError, match=says) as caught:
        load(override)
    assert "\n" not in str(caught.value)


def test_delta_and_population_are_asked_for():
    with pytest.raises(InputError, match=r"privacy\.(delta|population) is required"):
        load_config(RunConfig, None, ["privacy.epsilon=8"])
    with pytest.raises(InputError, match="exactly one of epsilon and noise_multiplier"):
        load_config(RunConfig, None, NEEDED[1:])


@pytest.mark.parametrize(("text", "says"), [("a: [", "no valid YAML"), ("- 1", "no mapping")])
def test_bad_files(tmp_path: Path, text, says):
    path = tmp_path / "c.yaml"
    path.write_text(text)
    with pytest.raises(InputError, match=says):
        load(file=path)
    with pytest.raises(InputError, match="cannot read"):
        load(file=tmp_path / "absent.yaml")


@pytest.mark.parametrize(
    ("override", "says"),
    [
        ("train.steps=yes", "steps is True, a truth value"),
        ("train.steps=0", "0 is refused: input should be greater than or equal to 1"),
        ("train.learning_rate=.inf", "finite"),
        ("seed=-1", "-1 is refused"),
        ("seed=99999999999999999999999", "is refused"),
        ("processes=0", "0 is refused"),
    ],
)
def test_a_refused_value_is_named(override, says):
    given = ["privacy.epsilon=8", "privacy.delta=1e-5", "privacy.population=100", override]
    with pytest.raises(InputError, match=re.escape(says)):
        load_config(RunConfig, None, given)


def test_an_infinite_epsilon_is_the_control():
    given = ["privacy.epsilon=.inf", "privacy.delta=1e-5", "privacy.population=100"]
    assert load_config(RunConfig, None, given).privacy.epsilon == math.inf
