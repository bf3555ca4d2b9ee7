from __future__ import annotations

import math
import os

import numpy as np
import pytest
import torch
from scipy import stats

from llmsafe.errors import InputError
from llmsafe.privacy import noise
from llmsafe.privacy.noise import gaussian_source, step_seed, system_generator

N = 200_000
ALPHA = 1e-6


def make(level: str):
    return gaussian_source(level, seed=3 if level == "test" else None)


def variance_is(sample: torch.Tensor, std: float) -> bool:
    """Two-sided test of the variance of a normal sample with known mean, at level ALPHA."""
    statistic = float((sample.double() ** 2).sum()) / std**2
    low, high = stats.chi2.ppf([ALPHA / 2, 1 - ALPHA / 2], len(sample))
    return low <= statistic <= high


@pytest.mark.parametrize("level", ["test", "standard", "secure"])
def test_distribution(level):
    std = 0.37
    sample = make(level).sample(N, std)
    assert sample.dtype == torch.float64
    assert sample.shape == (N,)
    assert variance_is(sample, std)
    assert not variance_is(0.9 * sample, std)  # negative controls: 10 % and 3 % too little noise
    assert not variance_is(0.97 * sample, std)
    assert abs(float(sample.double().mean())) < 5 * std / math.sqrt(N)
    scaled = sample.double().numpy() / std
    assert stats.kstest(scaled, "norm").pvalue > ALPHA
    laplace = np.random.default_rng(0).laplace(scale=math.sqrt(0.5), size=N)
    assert stats.kstest(laplace, "norm").pvalue < ALPHA  # control: right variance, wrong shape
    assert 4.0 < np.abs(scaled).max() < 7.5
    # Neighbours and halves (the two Box-Muller branches) are unrelated.
    for lag in (1, N // 2):
        correlation = np.corrcoef(scaled[:-lag], scaled[lag:])[0, 1]
        assert abs(correlation) < 5 / math.sqrt(N - lag)
        correlation = np.corrcoef(scaled[:-lag] ** 2, scaled[lag:] ** 2)[0, 1]
        assert abs(correlation) < 5 / math.sqrt(N - lag)


@pytest.mark.parametrize("level", ["standard", "secure"])
def test_no_vector_comes_twice(level):
    first, second = make(level), make(level)
    draws = [source.sample(64, 1.0) for source in (first, first, second, second)]
    seen = torch.stack(draws).flatten().tolist()
    assert len(set(seen)) > 250  # float32 values of a continuous law


def test_test_level_is_repeatable_and_no_other_takes_a_seed():
    assert torch.equal(make("test").sample(1000, 2.0), make("test").sample(1000, 2.0))
    other = gaussian_source("test", seed=4).sample(1000, 2.0)
    assert not torch.equal(make("test").sample(1000, 2.0), other)
    with pytest.raises(InputError, match="needs a seed"):
        gaussian_source("test")
    for level in ("standard", "secure", "none"):
        with pytest.raises(InputError, match="takes no seed"):
            gaussian_source(level, seed=1)
    for level in ("loud", "none"):
        with pytest.raises(InputError, match="draws nothing"):
            gaussian_source(level)


def test_global_seed_changes_nothing():
    def draw(level: str) -> torch.Tensor:
        torch.manual_seed(0)
        np.random.seed(0)
        return make(level).sample(100, 1.0)

    for level in ("standard", "secure"):
        assert not torch.equal(draw(level), draw(level))
    state = torch.get_rng_state()
    make("standard").sample(100, 1.0)
    assert torch.equal(state, torch.get_rng_state())


@pytest.mark.parametrize("level", ["test", "standard", "secure"])
def test_sizes_and_deviations(level):
    source = make(level)
    for n in (0, 1, 2, 7):
        assert source.sample(n, 1.0).shape == (n,)
    assert not source.sample(5, 0.0).any()
    for n, std in ((-1, 1.0), (5, -1.0), (5, math.nan), (5, math.inf)):
        with pytest.raises(InputError, match="impossible"):
            source.sample(n, std)


def test_secure_blocks_join(monkeypatch):
    monkeypatch.setattr(noise, "_BLOCK", 1000)
    sample = gaussian_source("secure").sample(20_500, 1.0)
    assert variance_is(sample, 1.0)
    assert len(torch.unique(sample)) > 20_000


def test_system_generator_takes_its_whole_state_from_the_system(monkeypatch):
    entropy = os.urandom(4 * 624)
    monkeypatch.setattr(noise.os, "urandom", lambda n: entropy[:n])
    drawn = torch.randint(0, 2**20, (2000,), generator=system_generator())
    twin = np.random.RandomState()
    words = np.frombuffer(entropy, dtype=np.uint32)
    twin.set_state(("MT19937", words, 624))
    expected = twin.randint(0, 2**32, 2000, dtype=np.uint32) % 2**20
    assert drawn.tolist() == expected.tolist()


def test_system_generators_differ():
    streams = {tuple(torch.rand(4, generator=system_generator()).tolist()) for _ in range(20)}
    assert len(streams) == 20


def test_every_step_and_stream_of_a_test_run_has_a_seed_of_its_own():
    seeds = {
        step_seed(seed, step, stream)
        for seed in range(5) for step in range(20) for stream in ("draw", "noise")
    }  # fmt: skip
    assert len(seeds) == 200
    assert all(0 <= seed < 2**32 for seed in seeds)
    assert max(seeds) > 2**31  # all 32 bits are used
    assert step_seed(3, 4, "draw") == step_seed(3, 4, "draw")


@pytest.mark.parametrize("level", ["test", "standard", "secure"])
def test_every_coordinate_of_every_size_has_its_noise(level, monkeypatch):
    """Also the first and last, and those at the border of two blocks."""
    monkeypatch.setattr(noise, "_BLOCK", 3)
    source = gaussian_source(level, seed=5 if level == "test" else None)
    assert source.level == level
    for n in (1, 2, 3, 4, 7):
        squares = torch.stack([source.sample(n, 2.0) for _ in range(600)]).square().sum(0) / 4
        tail = stats.chi2(600).sf(squares.numpy())
        assert ((tail > 1e-7) & (tail < 1 - 1e-7)).all()


def test_box_muller_is_the_formula(monkeypatch):
    """A naive twin on known bits: 53 of a word, the radius from (0, 1], the angle from [0, 1)."""
    words = [2**64 - 1, 0, 2**63, 12345678901234567, 2**52, 2**11, 3 * 2**60, 7]
    monkeypatch.setattr(os, "urandom", lambda n: np.array(words, dtype=np.uint64).tobytes()[:n])
    bits = [word >> 11 for word in words]
    radii = [math.sqrt(-2 * math.log((b + 1) / 2**53)) for b in bits[:4]]
    angles = [2 * math.pi * b / 2**53 for b in bits[4:]]
    pairs = list(zip(radii, angles, strict=True))
    twin = [r * math.cos(a) for r, a in pairs] + [r * math.sin(a) for r, a in pairs]
    assert noise._box_muller(8).tolist() == pytest.approx(twin, abs=1e-12)
    assert noise._box_muller(7).tolist() == pytest.approx(twin[:7], abs=1e-12)
    asked = []
    monkeypatch.setattr(os, "urandom", lambda n: asked.append(n) or bytes(n))
    noise._box_muller(7)
    assert asked == [8 * 8]
