"""LoRA folded into the weights for a batch: the same scores, and nothing of the model changes."""

import contextlib

import numpy as np
import pytest
import torch
import transformers
from peft import LoraConfig, get_peft_model
from torch import nn

from llmsafe.audit.folding import foldable_layers, folded
from llmsafe.audit.forward import STATS, Encoded, Scorer, Text
from llmsafe.models import cut_model

SHAPE = {
    "vocab_size": 90,
    "hidden_size": 16,
    "intermediate_size": 24,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 64,
}
LINEARS = 2 * 7  # of the layers, without the head


def tuned(dtype=torch.float32, base=None, **settings):
    torch.manual_seed(1)
    base = base or transformers.LlamaForCausalLM(transformers.LlamaConfig(**SHAPE))
    with torch.no_grad():
        for parameter in base.parameters():
            if parameter.dim() > 1:
                parameter.mul_(12)
    settings = {"target_modules": "all-linear", "r": 2, "lora_alpha": 3, **settings}
    config = LoraConfig(task_type="CAUSAL_LM", init_lora_weights=False, **settings)
    return get_peft_model(base.to(dtype), config, autocast_adapter_dtype=False).eval()


def batch_of(*lengths):
    rng = np.random.default_rng(3)
    rows = [tuple(int(i) for i in rng.integers(1, 90, n)) for n in lengths]
    return [Encoded(Text(f"t{i}", "u", "member", ""), r, None, 1) for i, r in enumerate(rows)]


def as_it_is(model, batch, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr("llmsafe.audit.forward.foldable_layers", lambda model: [])
        return Scorer(model, pad=0)(batch)


def same(ours, theirs, tolerance):
    for a, b in zip(ours, theirs, strict=True):
        for name in STATS:
            np.testing.assert_allclose(getattr(a, name), getattr(b, name), atol=tolerance, rtol=0)


def passes_of_a(model):
    """Counts the passes through a LoRA layer's first matrix."""
    passed = []
    for module in model.modules():
        if "lora_A" in dict(module.named_children()):
            module.lora_A["default"].register_forward_hook(lambda *_: passed.append(1))
    return passed


@pytest.mark.parametrize("settings", [{}, {"use_rslora": True, "r": 8}, {"lora_dropout": 0.5}])
def test_scores_are_those_of_the_layers_as_they_are(settings, monkeypatch):
    model, batch = tuned(**settings), batch_of(30, 7, 19)
    expected = as_it_is(model, batch, monkeypatch)
    scorer = Scorer(model, pad=0)
    passed = passes_of_a(model)
    found = scorer(batch)
    assert not passed  # all layers were folded
    same(found, expected, 2e-5)
    # Planted bug: without the adapter they are others.
    with model.disable_adapter():
        assert np.abs(Scorer(model, pad=0)(batch)[0].logp - found[0].logp).max() > 0.1


def test_two_adapters_at_once(monkeypatch):
    model, batch = tuned(), batch_of(30, 30)
    other = LoraConfig(task_type="CAUSAL_LM", r=3, target_modules=["q_proj", "up_proj"])
    other.init_lora_weights = False
    model.add_adapter("other", other)
    alone = Scorer(model, pad=0)(batch)
    model.base_model.set_adapter(["default", "other"])
    assert len(foldable_layers(model)) == LINEARS
    both = Scorer(model, pad=0)(batch)
    same(both, as_it_is(model, batch, monkeypatch), 2e-5)
    assert np.abs(both[0].logp - alone[0].logp).max() > 0.1


def test_nothing_of_the_model_changes_even_when_a_batch_fails():
    model, batch = tuned(), batch_of(30, 20)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    with model.disable_adapter():
        base = Scorer(model, pad=0)
        first = base(batch)
    scorer = Scorer(model, pad=0)
    scorer(batch)
    layers = foldable_layers(model)
    with contextlib.suppress(KeyboardInterrupt), folded(layers):
        raise KeyboardInterrupt
    assert not any("forward" in vars(layer) for layer in layers)
    with model.disable_adapter():
        again = base(batch)
    for a, b in zip(first, again, strict=True):
        for name in STATS:
            assert np.array_equal(getattr(a, name), getattr(b, name))
    after = model.state_dict()
    assert before.keys() == after.keys()
    assert all(torch.equal(before[name], after[name]) for name in before)


def test_few_tokens_are_not_worth_a_sum_of_weights():
    model = tuned()
    scorer = Scorer(model, pad=0)
    passed = passes_of_a(model)
    (stats,) = scorer(batch_of(3))  # 16 x 16 weights, and 32 numbers a token
    assert passed
    assert len(stats) == 2


class Quantised(nn.Linear):
    """Stands for the layers of a quantisation library, whose weight is no matrix to add to."""


def quantised():
    model = transformers.LlamaForCausalLM(transformers.LlamaConfig(**SHAPE))
    for module in list(model.model.layers.modules()):
        if type(module) is nn.Linear:
            module.__class__ = Quantised
    return model


def gpt2():
    shape = {"n_embd": 16, "n_layer": 2, "n_head": 4, "n_positions": 64, "vocab_size": 90}
    return transformers.GPT2LMHeadModel(transformers.GPT2Config(**shape))


KEPT = {
    "half precision": lambda: tuned(torch.bfloat16),
    "quantised base": lambda: tuned(base=quantised()),
    "transposed weights": lambda: tuned(base=gpt2()),
    "DoRA": lambda: tuned(use_dora=True),
    "other kind of adapter": lambda: tuned(target_modules=["embed_tokens"]),
}


@pytest.mark.parametrize("kind", KEPT)
def test_what_cannot_be_folded_to_the_last_digits_runs_as_it_is(kind):
    model = KEPT[kind]()
    assert foldable_layers(model) == []
    scorer = Scorer(model, pad=0)
    passed = passes_of_a(model) if kind != "other kind of adapter" else [1]
    scorer(batch_of(30, 20))
    assert passed


def test_biases_of_lora_run_as_they_are():
    shape = SHAPE | {"attention_bias": True, "mlp_bias": True}
    base = transformers.LlamaForCausalLM(transformers.LlamaConfig(**shape))
    with_bias = tuned(base=base, lora_bias=True)
    assert foldable_layers(with_bias) == []
    again = transformers.LlamaForCausalLM(transformers.LlamaConfig(**shape))
    assert len(foldable_layers(tuned(base=again))) == LINEARS


def test_an_adapter_that_is_off_or_merged_already_is_not_folded():
    model = tuned()
    assert len(foldable_layers(model)) == LINEARS
    with model.disable_adapter():
        assert foldable_layers(model) == []
    assert len(foldable_layers(model)) == LINEARS
    model.merge_adapter()
    assert foldable_layers(model) == []


def test_a_bias_of_the_base_is_kept(monkeypatch):
    shape = SHAPE | {"attention_bias": True}
    base = transformers.LlamaForCausalLM(transformers.LlamaConfig(**shape))
    with torch.no_grad():
        for module in base.modules():
            if isinstance(module, nn.Linear) and module.bias is not None:
                module.bias.normal_()
    model, batch = tuned(base=base), batch_of(30, 20)
    same(Scorer(model, pad=0)(batch), as_it_is(model, batch, monkeypatch), 2e-5)
    assert cut_model(model) is not None
