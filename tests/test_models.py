"""Loading a base: complete, from safetensors, at full precision or in four bits."""

from __future__ import annotations

import importlib.util
import math
import shutil
from pathlib import Path

import pytest
import torch
from peft import LoraConfig, get_peft_model
from safetensors.torch import load_file, save_file
from torch import nn

from llmsafe.errors import InputError, SetupError
from llmsafe.models import context_length, load_model
from llmsafe.train.loss import NextTokenLoss
from llmsafe.train.step import clipped_sum
from llmsafe.train.unit_gradients import UnitGradients, check_isolation
from llmsafe.train.units import TokenUnit


def test_a_base_with_missing_weights_is_refused(tiny_model, tmp_path):
    folder = shutil.copytree(tiny_model, tmp_path / "model")
    weights = load_file(folder / "model.safetensors")
    name = next(name for name in weights if "q_proj" in name)
    del weights[name]
    save_file(weights, folder / "model.safetensors", {"format": "pt"})
    with pytest.raises(InputError, match="lacks 1 weights"):
        load_model(str(folder))
    assert load_model(str(tiny_model)).dtype == torch.float32


def test_context_length(tiny_model):
    assert context_length(str(tiny_model)) == 256
    assert context_length("llmsafe:base-en") == 512
    with pytest.raises(SetupError, match="cannot load"):
        context_length("nobody/no-such-model")


def test_four_bits_need_their_package(tiny_model, monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(SetupError, match=r"llmsafe\[4bit\]"):
        load_model(str(tiny_model), four_bit=True)


@pytest.mark.skipif(importlib.util.find_spec("bitsandbytes") is None, reason="no bitsandbytes")
def test_unit_gradients_over_a_base_in_four_bits():
    base = load_model("llmsafe:base-en", four_bit=True)
    check_isolation(base)
    model = get_peft_model(
        base, LoraConfig(task_type="CAUSAL_LM", r=4, target_modules="all-linear")
    )
    model = model.eval()
    layer = next(m for m in model.modules() if type(m).__module__.startswith("bitsandbytes"))
    assert layer.support_avx512bf16_for_cpu is False
    x = torch.randn(3, layer.in_features, requires_grad=True)
    layer(x).sum().backward()  # a kernel for inference alone would pass no gradient on
    assert x.grad is not None
    assert x.grad.any()
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "lora_B" in name:
                parameter.normal_(0, 0.1)
    units = [
        TokenUnit("a", (tuple(range(5, 40)),)),
        TokenUnit("b", (tuple(range(100, 120)), tuple(range(7, 20)))),
    ]
    parameters = [p for p in model.parameters() if p.requires_grad]
    expected = torch.zeros(())
    for unit in units:
        loss = torch.zeros(())
        for row in unit.rows:
            ids = torch.tensor([row])
            logits = model(input_ids=ids).logits[0, :-1].float()
            loss = loss + nn.functional.cross_entropy(logits, ids[0, 1:], reduction="sum")
        parts = torch.autograd.grad(loss / unit.targets, parameters)
        expected = expected + torch.cat([part.flatten() for part in parts])
    gradients = UnitGradients(model)
    total, _ = clipped_sum(
        NextTokenLoss(model), gradients, units, clip_norm=math.inf, tokens_per_batch=64, pad=0
    )
    assert float((total - expected).norm() / expected.norm()) < 1e-5


def test_weights_are_never_a_pickle(tiny_model, tmp_path: Path):
    folder = shutil.copytree(tiny_model, tmp_path / "model")
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    with pytest.raises(InputError, match="pickle"):
        load_model(str(folder))
