"""What is written must say what was merged."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import torch
from transformers import AutoModelForCausalLM

from llmsafe.errors import EvidenceError, InputError
from llmsafe.release.weights import _check_rounded


def moved(tiny_model: Path, folder: Path, scale: float) -> Path:
    """The model with every weight moved at random, by ``scale`` times its own size."""
    shutil.copytree(tiny_model, folder)
    model = AutoModelForCausalLM.from_pretrained(folder)
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for weight in model.parameters():
            noise = torch.randn(weight.shape, generator=generator)
            weight += scale * weight.abs().mean() * noise
    model.save_pretrained(folder)
    return folder


def test_rounding_is_let_by_and_another_layout_is_not(tiny_model: Path, tmp_path: Path):
    _check_rounded(tiny_model, "int8", moved(tiny_model, tmp_path / "rounded", 1e-3))
    _check_rounded(tiny_model, "int4", moved(tiny_model, tmp_path / "coarse", 0.05))
    scrambled = moved(tiny_model, tmp_path / "scrambled", 5.0)
    for form in ("int8", "int4"):
        with pytest.raises(EvidenceError, match="is rounding; release it merged"):
            _check_rounded(tiny_model, form, scrambled)
    broken = moved(tiny_model, tmp_path / "broken", float("nan"))
    with pytest.raises(InputError, match="cannot be computed as int4"):
        _check_rounded(tiny_model, "int4", broken)
