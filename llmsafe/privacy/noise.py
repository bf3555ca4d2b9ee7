"""Gaussian noise in three named levels, and operating-system entropy for the sampling.

``test``      seeded and repeatable. Gives no privacy; the statement is stamped so.
``standard``  a private Mersenne Twister whose whole 19,937-bit state comes from the operating
              system and is never stored. Right against anyone who sees the released weights. Not
              for an opponent who sees raw noise of several steps (the twister's state can be
              solved from 624 outputs), nor against floating-point attacks.
``secure``    every number from the kernel's cryptographic generator; Box-Muller in float64 on
              53-bit uniforms; each coordinate is the normalised sum of four draws, which makes
              the set of reachable values too dense to search (Holohan and Braghin,
              arXiv:2107.10138, Section 4 against Mironov, CCS 2012). Still not covered: the
              distribution is a float64 Gaussian, added in float64 and rounded once, and not the
              exact discrete Gaussian; time and power are not constant.

Noise is never drawn from torch's global generator, and no seed but that of ``test`` exists.
``torch.Generator.manual_seed`` keeps only the low 32 bits of a seed on the CPU, few enough to
try them all; hence the full state is filled instead.
"""

from __future__ import annotations

import hashlib
import math
import os
from typing import Protocol

import numpy as np
import numpy.typing as npt
import torch

from llmsafe.errors import InputError, SetupError
from llmsafe.privacy.plan import NoiseLevel

_BLOCK = 1 << 20
_DRAWS = 4
# CPU generator state as 64-bit words: seed, counters, next, then the 624 words of the twister.
_STATE_WORDS = slice(3, 3 + 624)


class NoiseSource(Protocol):
    """Draws independent Gaussian noise; ``level`` goes into the privacy statement."""

    level: NoiseLevel

    def sample(self, n: int, std: float) -> torch.Tensor:
        """``float64[n]`` of mean 0 and standard deviation ``std``, on the CPU.

        Add it in float64 and round once, after the sum: noise rounded to float32 first leaves
        sums that only one of two neighbouring data sets can reach (Mironov 2012).
        """
        ...


def gaussian_source(level: NoiseLevel, *, seed: int | None = None) -> NoiseSource:
    """The source for a named level; a run of level ``none`` has no source.

    Raises:
        InputError: ``test`` without a seed, another level with one, or no level that draws.
    """
    if level != "test" and seed is not None:
        raise InputError(
            f"noise level {level!r} takes no seed: repeatable noise protects nobody; "
            "leave the seed out, or use level 'test' for a run that claims nothing"
        )
    match level:
        case "test":
            if seed is None:
                raise InputError("noise level 'test' needs a seed")
            return _TorchSource("test", torch.Generator().manual_seed(seed))
        case "standard":
            return _TorchSource("standard", system_generator())
        case "secure":
            return _SecureSource()
        case _:
            raise InputError(
                f"noise level {level!r} draws nothing; choose test, standard or secure"
            )


def step_seed(seed: int, step: int, stream: str) -> int:
    """The seed of one ``stream`` ("draw", "noise") of one step of a ``test`` run.

    A seed for each step lets a resumed test run repeat its lost steps exactly; a name for each
    stream keeps draws and noise from being the same numbers.
    """
    digest = hashlib.sha256(f"{stream}:{seed}:{step}".encode()).digest()
    return int.from_bytes(digest[:4], "big")  # torch keeps 32 bits of a seed on the CPU


def system_generator() -> torch.Generator:
    """A private CPU generator whose full state comes from the operating system's entropy.

    Raises:
        SetupError: this torch keeps its generator state in another layout.
    """
    generator = torch.Generator()
    state = generator.manual_seed(7).get_state()
    words = state.numpy().view(np.uint64)[_STATE_WORDS]
    known = np.random.RandomState(7).get_state(legacy=False)["state"]["key"]
    if not np.array_equal(words, np.asarray(known, dtype=np.uint64)):
        raise SetupError(
            f"torch {torch.__version__} keeps its generator state in an unknown layout; "
            "install a tested torch, or use noise level 'secure'"
        )
    words[:] = np.frombuffer(os.urandom(4 * 624), dtype=np.uint32)
    generator.set_state(state)
    return generator


class _TorchSource:
    def __init__(self, level: NoiseLevel, generator: torch.Generator) -> None:
        self.level: NoiseLevel = level
        self._generator = generator

    def sample(self, n: int, std: float) -> torch.Tensor:
        _check(n, std)
        # In float32 torch draws 24-bit uniforms, which end at 5.8 deviations; float64 has 53 bits.
        noise = torch.randn(n, generator=self._generator, dtype=torch.float64)
        return noise.mul_(std)


class _SecureSource:
    def __init__(self) -> None:
        self.level: NoiseLevel = "secure"

    def sample(self, n: int, std: float) -> torch.Tensor:
        _check(n, std)
        out = np.empty(n, dtype=np.float64)
        for start in range(0, n, _BLOCK):
            count = min(_BLOCK, n - start)
            total = np.zeros(count)
            for _ in range(_DRAWS):
                total += _box_muller(count)
            out[start : start + count] = total * (std / math.sqrt(_DRAWS))
        return torch.from_numpy(out)


def _box_muller(count: int) -> npt.NDArray[np.float64]:
    """``float64[count]`` standard normals from the kernel's generator."""
    pairs = (count + 1) // 2
    bits = np.frombuffer(os.urandom(16 * pairs), dtype=np.uint64) >> np.uint64(11)
    # (0, 1] for the logarithm, [0, 1) for the angle.
    radius = np.sqrt(-2.0 * np.log((bits[:pairs] + np.uint64(1)) * 2.0**-53))
    angle = 2.0 * math.pi * (bits[pairs:] * 2.0**-53)
    return np.concatenate([radius * np.cos(angle), radius * np.sin(angle)])[:count]


def _check(n: int, std: float) -> None:
    if n < 0 or not (0 <= std < math.inf):
        raise InputError(
            f"noise of {n} coordinates and deviation {std} is impossible; "
            "both must be zero or more, and finite"
        )
