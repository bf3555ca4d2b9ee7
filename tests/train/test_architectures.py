"""Per-unit gradients on every architecture: sensitivity, equality with a naive twin, checkpointing.

Small random models of each family that the recipe promises to train.
"""

from __future__ import annotations

import math

import pytest
import torch
import transformers
from peft import LoraConfig, get_peft_model
from torch import nn

from llmsafe.errors import InputError
from llmsafe.models import checkpoint_layers
from llmsafe.train.loss import NextTokenLoss
from llmsafe.train.rehearsal import rehearse
from llmsafe.train.step import clipped_sum
from llmsafe.train.unit_gradients import UnitGradients, check_isolation
from llmsafe.train.units import TokenUnit

VOCABULARY, CONTEXT, PAD = 50, 64, 0
POISON = VOCABULARY - 1  # its embedding is made NaN where a test wants a unit that is not finite
COMMON = {
    "vocab_size": VOCABULARY,
    "hidden_size": 16,
    "intermediate_size": 24,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "max_position_embeddings": CONTEXT,
    "tie_word_embeddings": False,
}
GROUPED = COMMON | {"num_key_value_heads": 2}
HEADS = GROUPED | {"head_dim": 4}
FAMILIES = {
    "llama": ("Llama", GROUPED),
    "qwen2": ("Qwen2", GROUPED),
    "qwen3": ("Qwen3", HEADS),
    "mistral": ("Mistral", GROUPED | {"sliding_window": 8}),
    "gemma": ("Gemma", HEADS),
    "gemma2": ("Gemma2", HEADS | {"sliding_window": 8, "final_logit_softcapping": 2.0}),
    "gemma3": ("Gemma3Text", HEADS | {"sliding_window": 8}),
    "gpt_neox": ("GPTNeoX", COMMON),
    "gpt2": (
        "GPT2",
        {"vocab_size": VOCABULARY, "n_embd": 16, "n_layer": 2, "n_head": 4, "n_positions": CONTEXT,
         "tie_word_embeddings": False},
    ),
    "falcon": ("Falcon", COMMON | {"alibi": False}),
}  # fmt: skip
CAUSAL = {"GPT2": "GPT2LMHeadModel", "Gemma3Text": "Gemma3ForCausalLM"}
families = pytest.mark.parametrize("family", FAMILIES)


def adapted(family: str, dtype: torch.dtype = torch.float32, **lora) -> nn.Module:
    name, settings = FAMILIES[family]
    torch.manual_seed(1)
    config = getattr(transformers, f"{name}Config")(**settings)
    base = getattr(transformers, CAUSAL.get(name, f"{name}ForCausalLM"))(config)
    settings = {"r": 2, "lora_alpha": 4, "target_modules": "all-linear"} | lora
    model = get_peft_model(base, LoraConfig(task_type="CAUSAL_LM", **settings)).to(dtype).eval()
    with torch.no_grad():
        for parameter_name, parameter in model.named_parameters():
            # Zeros, where these start, would hide errors: in the gradient of A, in the forward.
            if "lora_B" in parameter_name and not lora.get("init_lora_weights"):
                parameter.normal_(0, 0.3)
            elif parameter_name.endswith("bias"):
                parameter.normal_(0, 0.05)
    return model


def random_unit(generator: torch.Generator, name: str, most: int = 24, rows: int = 3) -> TokenUnit:
    def integer(low: int, high: int) -> int:
        return int(torch.randint(low, high, (), generator=generator))

    def row(length: int) -> tuple[int, ...]:
        return tuple(torch.randint(1, POISON, (length,), generator=generator).tolist())

    return TokenUnit(name, tuple(row(integer(2, most)) for _ in range(integer(1, rows + 1))))


def adversary(kind: int, generator: torch.Generator) -> TokenUnit:
    match kind % 8:
        case 0:
            tokens = torch.randint(1, POISON, (CONTEXT,), generator=generator).tolist()
            return TokenUnit("as long as the context", (tuple(tokens),))
        case 1:
            return TokenUnit("one target", ((3, 4),))
        case 2:
            return TokenUnit("empty", ())
        case 3:
            return TokenUnit("repeats itself", ((5,) * 40,))
        case 4:
            return TokenUnit("many notes", tuple(((7, 8, 9) * 4,) * 12))
        case 5:
            return TokenUnit("not finite", ((3, 4, POISON, 6),))
        case 6:
            return TokenUnit("not finite in one note", ((3, 4, 5), (POISON, 4, 4, 4)))
        case _:
            return random_unit(generator, "any")


def summed(loss, gradients, units, clip_norm, tokens_per_batch=100):
    total, report = clipped_sum(
        loss, gradients, units, clip_norm=clip_norm, tokens_per_batch=tokens_per_batch, pad=PAD
    )
    return total.double(), report


def naive_gradient(model: nn.Module, unit: TokenUnit) -> torch.Tensor:
    """Plain autograd on one unit, one row at a time."""
    parameters = [p for p in model.parameters() if p.requires_grad]
    loss = 0.0
    for row in unit.rows:
        ids = torch.tensor([row])
        logits = model(input_ids=ids, use_cache=False).logits[0, :-1]
        loss = loss + nn.functional.cross_entropy(logits, ids[0, 1:], reduction="sum")
    parts = torch.autograd.grad(loss / unit.targets, parameters)
    return torch.cat([part.flatten() for part in parts]).double()


@families
def test_adding_any_unit_moves_the_sum_by_at_most_the_clip_norm(family):
    """The master property: ‖G(S ∪ j) − G(S)‖ ≤ C(1 + 1e-4), ten cases of each adversary."""
    model = adapted(family)
    with torch.no_grad():
        model.get_input_embeddings().weight[POISON] = math.nan
    loss, gradients = NextTokenLoss(model), UnitGradients(model)
    generator = torch.Generator().manual_seed(11)
    worst = 0.0
    for case in range(80):
        size = int(torch.randint(0, 4, (), generator=generator))
        clip_norm = 10 ** float(torch.empty(()).uniform_(-4, 1, generator=generator))
        budget = int(torch.randint(1, 200, (), generator=generator))
        members = [random_unit(generator, f"u{i}") for i in range(size)]
        without, _ = summed(loss, gradients, members, clip_norm, budget)
        with_it, _ = summed(
            loss, gradients, [*members, adversary(case, generator)], clip_norm, budget
        )
        assert torch.isfinite(with_it).all()
        worst = max(worst, float((with_it - without).norm()) / clip_norm)
    assert 0.99 < worst <= 1 + 1e-4  # the bound is reached, so the test has something to find


@families
@pytest.mark.parametrize(
    ("dtype", "tolerance"), [(torch.float64, 1e-6), (torch.float32, 1e-4)], ids=["f64", "f32"]
)
def test_the_sum_is_that_of_a_naive_loop_for_any_micro_batch(family, dtype, tolerance):
    model = adapted(family, dtype)
    generator = torch.Generator().manual_seed(5)
    units = [random_unit(generator, f"u{i}") for i in range(6)]
    each = [naive_gradient(model, unit) for unit in units]
    norms = torch.stack([gradient.norm() for gradient in each])
    clip_norm = float(norms.median())  # some are clipped, some are not
    expected = sum(g * min(1.0, clip_norm / float(g.norm())) for g in each)
    loss, gradients = NextTokenLoss(model), UnitGradients(model)
    for budget in (1, 30, 100, 10_000):
        total, report = summed(loss, gradients, units, clip_norm, budget)
        assert float((total - expected).norm() / expected.norm()) <= tolerance
        assert sorted(report.norms.tolist()) == pytest.approx(sorted(norms.tolist()), rel=1e-4)


@families
def test_no_clipped_unit_exceeds_the_bound_at_all(family):
    """‖clipped‖ ≤ C without any allowance, computed in float64."""
    model = adapted(family)
    loss, gradients = NextTokenLoss(model), UnitGradients(model)
    generator = torch.Generator().manual_seed(8)
    for clip_norm in (1e-3, 0.0123, 0.05):
        for index in range(6):
            total, report = summed(loss, gradients, [random_unit(generator, f"{index}")], clip_norm)
            assert float(report.norms) > clip_norm
            assert 0.999 * clip_norm < float(total.norm()) <= clip_norm


@families
def test_rows_of_a_batch_do_not_see_each_other(family):
    """Logits of a padded batch are those of each row alone; no attention mask is needed."""
    model = adapted(family)
    check_isolation(model)
    rows = [torch.randint(1, POISON, (n,)) for n in (5, 17, 30)]
    batch = nn.utils.rnn.pad_sequence(rows, batch_first=True)
    with torch.no_grad():
        together = model(input_ids=batch, use_cache=False).logits
        for index, row in enumerate(rows):
            alone = model(input_ids=row[None], use_cache=False).logits[0]
            torch.testing.assert_close(together[index, : len(row)], alone, rtol=1e-4, atol=1e-5)


@families
def test_gradient_checkpointing_changes_nothing(family):
    model = adapted(family)
    generator = torch.Generator().manual_seed(5)
    units = [random_unit(generator, f"u{i}") for i in range(4)]
    loss, gradients = NextTokenLoss(model), UnitGradients(model)
    plain, _ = summed(loss, gradients, units, 0.1)
    calls = []
    attention = next(m for m in model.modules() if type(m).__name__.endswith("Attention"))
    attention.register_forward_hook(lambda *_: calls.append(1))
    again, _ = summed(loss, gradients, units, 0.1)
    once = len(calls)
    checkpoint_layers(model)
    checkpointed, _ = summed(loss, gradients, units, 0.1)
    assert len(calls) == 3 * once  # attention ran again in the backward pass
    assert not any(m.training for m in model.modules() if isinstance(m, nn.Dropout))
    torch.testing.assert_close(again, plain)
    torch.testing.assert_close(checkpointed, plain, rtol=1e-6, atol=1e-9)


@families
def test_the_loss_is_computed_in_chunks_and_is_the_loss_of_the_logits(family, monkeypatch):
    model = adapted(family)
    loss = NextTokenLoss(model)
    assert loss.chunked
    monkeypatch.setattr("llmsafe.train.loss.CHUNK_BYTES", 4 * VOCABULARY * 7)  # 7 tokens a chunk
    ids = torch.randint(1, POISON, (3, 20))
    weights = torch.rand(3, 19)
    weights[1, 5:] = 0.0
    logits = model(input_ids=ids, use_cache=False).logits[:, :-1]
    expected = nn.functional.cross_entropy(logits.transpose(1, 2), ids[:, 1:], reduction="none")
    expected = (expected * weights).sum(1)
    found = loss(ids, weights)
    torch.testing.assert_close(found, expected)
    parameters = [p for p in model.parameters() if p.requires_grad]
    for a, b in zip(
        torch.autograd.grad(found.sum(), parameters),
        torch.autograd.grad(expected.sum(), parameters),
        strict=True,
    ):
        torch.testing.assert_close(a, b, rtol=1e-3, atol=1e-6)


def test_a_model_that_scales_its_logits_gets_the_whole_logits():
    torch.manual_seed(1)
    config = transformers.GraniteConfig(**GROUPED, logits_scaling=3.0)
    base = transformers.GraniteForCausalLM(config).eval()
    lora = LoraConfig(task_type="CAUSAL_LM", r=2, target_modules="all-linear")
    model = get_peft_model(base, lora).eval()
    loss = NextTokenLoss(model)
    assert not loss.chunked
    ids = torch.randint(1, POISON, (2, 9))
    logits = model(input_ids=ids).logits[:, :-1]
    expected = nn.functional.cross_entropy(logits.transpose(1, 2), ids[:, 1:], reduction="none")
    torch.testing.assert_close(loss(ids, torch.ones(2, 8)), expected.sum(1))


def test_a_trainable_head_is_refused():
    with pytest.raises(InputError, match="lm_head"):
        NextTokenLoss(adapted("llama", target_modules=["q_proj", "lm_head"]))


@pytest.mark.parametrize("dimension", [0, 1], ids=["other rows", "later tokens"])
def test_a_model_that_mixes_units_is_refused(dimension):
    model = adapted("llama")
    layer = model.get_base_model().model.layers[0]
    mixing = layer.register_forward_hook(
        lambda _m, _i, out: out + out.mean(dimension, keepdim=True)
    )
    with pytest.raises(InputError, match="other rows"):
        check_isolation(model)
    mixing.remove()
    check_isolation(model)


def test_checkpointing_switches_no_dropout_on():
    """XGLM drops by functions that look at its own training flag."""
    torch.manual_seed(1)
    config = transformers.XGLMConfig(
        vocab_size=VOCABULARY, d_model=16, ffn_dim=24, num_layers=2, attention_heads=4,
        max_position_embeddings=CONTEXT, dropout=0.5,
    )  # fmt: skip
    base = transformers.XGLMForCausalLM(config)
    lora = LoraConfig(task_type="CAUSAL_LM", r=2, target_modules="all-linear")
    model = get_peft_model(base, lora).eval()
    generator = torch.Generator().manual_seed(5)
    units = [random_unit(generator, f"u{i}") for i in range(3)]
    loss, gradients = NextTokenLoss(model), UnitGradients(model)
    plain, _ = summed(loss, gradients, units, 0.1)
    checkpoint_layers(model)
    checkpointed, _ = summed(loss, gradients, units, 0.1)
    torch.testing.assert_close(checkpointed, plain, rtol=1e-5, atol=1e-8)


def test_a_base_in_bfloat16_keeps_the_sensitivity_within_its_rounding():
    """The others' gradients may move by rounding when a unit joins their micro-batch."""
    torch.manual_seed(1)
    settings = FAMILIES["llama"][1]
    base = transformers.LlamaForCausalLM(transformers.LlamaConfig(**settings)).to(torch.bfloat16)
    lora = LoraConfig(task_type="CAUSAL_LM", r=2, target_modules="all-linear")
    model = get_peft_model(base, lora).eval()
    assert {p.dtype for p in model.parameters() if p.requires_grad} == {torch.float32}
    loss, gradients = NextTokenLoss(model), UnitGradients(model)
    generator = torch.Generator().manual_seed(3)
    for case in range(40):
        members = [random_unit(generator, f"u{i}") for i in range(3)]
        without, _ = summed(loss, gradients, members, 1e-3)
        with_it, _ = summed(loss, gradients, [*members, adversary(case, generator)], 1e-3)
        assert float((with_it - without).norm()) <= 1e-3 * 1.05


@families
def test_every_family_passes_the_rehearsal(family):
    model = adapted(family)
    gradients = UnitGradients(model)
    rehearse(model, NextTokenLoss(model), gradients, pad=PAD)
    assert all(parameter.grad is None for parameter in gradients.parameters)  # and leaves nothing
    assert "forward" in vars(gradients.layers[0].module)  # the layers are observed again


def test_the_rehearsal_refuses_what_fails_in_the_backward_pass():
    torch.manual_seed(1)
    config = transformers.OPTConfig(
        vocab_size=VOCABULARY, hidden_size=16, ffn_dim=24, num_hidden_layers=1,
        num_attention_heads=4, max_position_embeddings=CONTEXT, word_embed_proj_dim=16,
    )  # fmt: skip
    lora = LoraConfig(task_type="CAUSAL_LM", r=2, target_modules="all-linear")
    model = get_peft_model(transformers.OPTForCausalLM(config), lora).eval()
    gradients = UnitGradients(model)
    with pytest.raises(InputError, match=r"cannot be trained per unit.*nothing was charged"):
        rehearse(model, NextTokenLoss(model), gradients, pad=PAD)


def test_the_rehearsal_finds_gradients_that_are_wrong_or_missing(monkeypatch):
    model = adapted("llama", init_lora_weights=True)
    loss, gradients = NextTokenLoss(model), UnitGradients(model)
    real = UnitGradients.record

    def skewed(self, index, inputs, up):
        real(self, index, inputs, up * (1.01 if index == 3 else 1.0))

    monkeypatch.setattr(UnitGradients, "record", skewed)
    with pytest.raises(InputError, match="plain autograd"):
        rehearse(model, loss, gradients, pad=PAD)
    monkeypatch.undo()
    with torch.no_grad():  # a layer cut off from the loss, in plain autograd as well
        model.get_base_model().model.layers[1].self_attn.o_proj.base_layer.weight.zero_()
        model.get_base_model().model.layers[1].self_attn.o_proj.lora_B["default"].weight.zero_()
    with pytest.raises(InputError, match="have no gradient"):
        rehearse(model, loss, gradients, pad=PAD)


def test_rank_stabilised_lora_is_another_scale_of_the_same_gradients():
    model = adapted("llama", torch.float64, use_rslora=True)
    unit = random_unit(torch.Generator().manual_seed(5), "u")
    expected = naive_gradient(model, unit)
    total, _ = summed(NextTokenLoss(model), UnitGradients(model), [unit], math.inf)
    torch.testing.assert_close(total, expected, rtol=1e-6, atol=1e-8)
