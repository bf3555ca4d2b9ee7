"""The per-unit gradients against naive twins, and the sensitivity that the guarantee rests on."""

from __future__ import annotations

import math

import pytest
import torch
from peft import LoraConfig, get_peft_model, inject_adapter_in_model
from scipy import stats
from torch import nn
from transformers import GPT2Config, GPT2LMHeadModel, LlamaConfig, LlamaForCausalLM

from llmsafe.errors import InputError
from llmsafe.privacy.noise import gaussian_source
from llmsafe.privacy.plan import make_plan
from llmsafe.train.loss import NextTokenLoss
from llmsafe.train.step import clipped_sum, private_step
from llmsafe.train.unit_gradients import UnitGradients, check_isolation
from llmsafe.train.units import TokenUnit

PAD = 0


def llama() -> nn.Module:
    torch.manual_seed(1)
    return LlamaForCausalLM(
        LlamaConfig(
            vocab_size=50,
            hidden_size=16,
            intermediate_size=24,
            num_hidden_layers=2,
            num_attention_heads=4,
            num_key_value_heads=2,
            max_position_embeddings=64,
        )
    )


def gpt2() -> nn.Module:
    torch.manual_seed(1)
    return GPT2LMHeadModel(
        GPT2Config(vocab_size=50, n_embd=16, n_layer=2, n_head=4, n_positions=64)
    )


def with_lora(base: nn.Module, **settings) -> nn.Module:
    torch.manual_seed(2)
    config = {"r": 4, "lora_alpha": 8, "target_modules": "all-linear", "lora_dropout": 0.0}
    model = get_peft_model(base, LoraConfig(task_type="CAUSAL_LM", **(config | settings)))
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "lora_B" in name:  # B starts at zero, which would hide errors in the gradient of A
                parameter.normal_(0, 0.1)
    return model.eval()


def unit(name: str, *lengths: int) -> TokenUnit:
    generator = torch.Generator().manual_seed(sum(map(ord, name)))
    rows = (tuple(torch.randint(3, 50, (n,), generator=generator).tolist()) for n in lengths)
    return TokenUnit(name, tuple(rows))


def naive_gradient(model: nn.Module, one: TokenUnit) -> torch.Tensor:
    """Plain autograd on one unit: one row at a time, mean over all of the unit's targets."""
    parameters = [p for n, p in model.named_parameters() if p.requires_grad]
    loss = torch.zeros(())
    for row in one.rows:
        ids = torch.tensor([row])
        logits = model(input_ids=ids).logits[0, :-1]
        loss = loss + nn.functional.cross_entropy(logits, ids[0, 1:], reduction="sum")
    loss = loss / one.targets
    return torch.cat([g.flatten() for g in torch.autograd.grad(loss, parameters)])


def naive_sum(model: nn.Module, units: list[TokenUnit], clip_norm: float) -> torch.Tensor:
    total = 0
    for one in units:
        gradient = naive_gradient(model, one)
        total = total + gradient * min(1.0, clip_norm / float(gradient.norm()))
    return total


def ours(model, units, clip_norm, tokens_per_batch=64):
    gradients = UnitGradients(model)
    try:
        return clipped_sum(
            NextTokenLoss(model), gradients, units,
            clip_norm=clip_norm, tokens_per_batch=tokens_per_batch, pad=PAD,
        )  # fmt: skip
    finally:
        gradients.detach()


UNITS = [unit("a", 9), unit("b", 30, 5), unit("c", 17), unit("d", 12, 12, 40), unit("e", 2)]


@pytest.mark.parametrize("base", [llama, gpt2])
@pytest.mark.parametrize("clip_norm", [0.05, math.inf])
def test_clipped_sum_equals_the_naive_twin(base, clip_norm):
    model = with_lora(base())
    expected = naive_sum(model, UNITS, clip_norm)
    total, report = ours(model, UNITS, clip_norm)
    assert report.units == len(UNITS)
    torch.testing.assert_close(total, expected, rtol=2e-4, atol=2e-6)


def test_norms_are_those_of_whole_units():
    model = with_lora(llama())
    _, report = ours(model, UNITS, 1.0)
    expected = sorted(float(naive_gradient(model, one).norm()) for one in UNITS)
    assert sorted(report.norms.tolist()) == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("tokens_per_batch", [1, 20, 64, 10_000])
def test_micro_batches_do_not_change_the_update(tokens_per_batch):
    model = with_lora(llama())
    reference, _ = ours(model, UNITS, 0.05, tokens_per_batch=500)
    total, _ = ours(model, UNITS, 0.05, tokens_per_batch=tokens_per_batch)
    torch.testing.assert_close(total, reference, rtol=1e-4, atol=1e-6)


def test_adding_any_unit_moves_the_sum_by_at_most_the_clip_norm():
    """The master test: random sets, adversarial units (long, one token, many notes, repeated)."""
    model = with_lora(llama())
    clip_norm = 0.03
    adversarial = [
        unit("long", 60),
        unit("short", 2),
        unit("many", *[20] * 12),
        TokenUnit("same", ((5,) * 50,)),
        TokenUnit("empty", ()),
    ]
    for size in (0, 1, 4):
        without, _ = ours(model, UNITS[:size], clip_norm)
        for extra in adversarial:
            with_it, _ = ours(model, [*UNITS[:size], extra], clip_norm)
            assert float((with_it - without).norm()) <= clip_norm * (1 + 1e-4)


def test_the_master_test_can_fail_for_a_batch_token_mean():
    """Negative control: the usual mean over the batch's tokens lets one unit move all others."""
    model = with_lora(llama())
    parameters = [p for p in model.parameters() if p.requires_grad]

    def batch_mean(units):
        targets = sum(u.targets for u in units)
        total = 0
        for one in units:
            ids = torch.tensor([one.rows[0]])
            logits = model(input_ids=ids).logits[0, :-1]
            loss = nn.functional.cross_entropy(logits, ids[0, 1:], reduction="sum") / targets
            gradient = torch.cat([g.flatten() for g in torch.autograd.grad(loss, parameters)])
            total = total + len(units) * gradient * min(
                1.0, clip_norm / (len(units) * float(gradient.norm()))
            )
        return total

    few = [unit("same", 6)] * 12  # aligned gradients: what one unit does to them adds up
    clip_norm = max(float(naive_gradient(model, one).norm()) for one in few)
    moved = float((batch_mean([*few, unit("long", 60)]) - batch_mean(few)).norm())
    assert moved > 3 * clip_norm


def test_a_unit_that_is_not_finite_contributes_zero_and_spares_the_others():
    model = with_lora(llama())
    poisoned = unit("poisoned", 9)
    token = 49
    poisoned = TokenUnit("poisoned", ((*poisoned.rows[0], token, 4),))
    clean = [
        TokenUnit(u.unit_id, tuple(tuple(t % 40 + 3 for t in r) for r in u.rows)) for u in UNITS
    ]
    expected, _ = ours(model, clean, 0.05)
    with torch.no_grad():
        model.base_model.model.model.embed_tokens.weight[token] = math.nan
    total, report = ours(model, [*clean, poisoned], 0.05)
    assert int((~torch.isfinite(report.norms)).sum()) == 1
    torch.testing.assert_close(total, expected, rtol=1e-4, atol=1e-6)


def test_an_empty_draw_gives_zeros():
    model = with_lora(llama())
    total, report = ours(model, [], 1.0)
    assert report.units == 0
    assert total.numel() == sum(p.numel() for p in model.parameters() if p.requires_grad)
    assert float(total.abs().sum()) == 0.0


@pytest.mark.parametrize("shape", [(2, 16), (3, 4, 16)], ids=["flattened", "more rows"])
def test_inputs_that_are_not_kept_apart_by_row_are_refused(shape):
    gradients = UnitGradients(with_lora(llama()))
    gradients.open(2)
    with (
        pytest.raises(InputError, match="cannot be kept apart"),
        gradients.rows(torch.tensor([0, 1])),
    ):
        gradients.record(0, torch.ones(shape), torch.ones(*shape[:-1], 4))


def test_float16_norm_cannot_be_used_to_escape_the_clip():
    """Norms are float32 even where the base runs in bfloat16."""
    model = with_lora(llama().to(torch.bfloat16))
    _, report = ours(model, UNITS, 1e-3)
    assert report.norms.dtype == torch.float32
    total, _ = ours(model, UNITS[:1], 1e-3)
    assert float(total.norm()) <= 1e-3 * (1 + 1e-4)


@pytest.mark.parametrize(
    ("settings", "why"),
    [
        ({"modules_to_save": ["embed_tokens"]}, "trainable"),
        ({"use_dora": True}, "DoRA"),
        ({"bias": "all"}, None),
        ({"lora_bias": True}, "bias"),
        ({"lora_dropout": 0.1}, "dropout"),
        ({"target_modules": ["embed_tokens"]}, "trainable"),
    ],
)
def test_what_escapes_the_clip_is_refused(settings, why):
    model = with_lora(llama(), **settings)
    if why is None:  # Llama has no bias: nothing more is trainable, so nothing is refused
        UnitGradients(model).detach()
        return
    with pytest.raises(InputError, match=why):
        UnitGradients(model)


def test_tied_trainable_weights_and_several_adapters_are_refused():
    model = with_lora(llama())
    first, second = (layer.self_attn for layer in model.base_model.model.model.layers)
    second.q_proj.lora_A["default"].weight = first.q_proj.lora_A["default"].weight
    with pytest.raises(InputError, match=r"shares its weight.*untie"):
        UnitGradients(model)
    model = with_lora(llama())
    model.add_adapter("other", LoraConfig(r=2, target_modules="all-linear"))
    model.base_model.set_adapter(["default", "other"])
    with pytest.raises(InputError, match=r"q_proj has several adapters"):
        UnitGradients(model)
    model = with_lora(llama())
    model.merge_adapter()
    with pytest.raises(InputError, match=r"several adapters or a merged one"):
        UnitGradients(model)


@pytest.mark.parametrize("side", ["lora_A", "lora_B"])
def test_a_bias_on_either_side_is_refused(side):
    model = with_lora(llama())
    layer = getattr(model.base_model.model.model.layers[0].mlp.up_proj, side)["default"]
    layer.bias = nn.Parameter(torch.zeros(layer.out_features))
    with pytest.raises(InputError, match="up_proj has a bias"):
        UnitGradients(model)


@pytest.mark.parametrize(
    "key", ["num_local_experts", "num_experts", "n_routed_experts", "moe_num_experts"]
)
def test_every_name_of_a_mixture_of_experts(key):
    model = llama()
    setattr(model.config, key, 1)
    check_isolation(model)
    setattr(model.config, key, 2)
    with pytest.raises(InputError, match=key):
        check_isolation(model)


def test_a_report_counts_what_was_computed():
    """Also over several micro-batches, and without the losses of units that are not finite."""
    model = with_lora(llama())
    expected = 0.0
    for one in UNITS:
        for row in one.rows:
            ids = torch.tensor([row])
            logits = model(input_ids=ids).logits[0, :-1]
            loss = nn.functional.cross_entropy(logits, ids[0, 1:], reduction="sum")
            expected += float(loss) / one.targets
    for tokens_per_batch in (1, 64):
        _, report = ours(model, UNITS, 1.0, tokens_per_batch)
        assert report.loss_sum == pytest.approx(expected, rel=1e-5)
        assert report.tokens == sum(len(row) for one in UNITS for row in one.rows)
        assert report.padded_tokens >= report.tokens
    assert ours(model, UNITS, 1.0, 1)[1].padded_tokens == report.tokens
    with torch.no_grad():
        model.base_model.model.model.embed_tokens.weight[49] = math.nan
    poisoned = TokenUnit("poisoned", ((4, 49, 5),))
    clean = [unit for unit in UNITS if all(49 not in row for row in unit.rows)]
    both = [ours(model, units, 1.0)[1].loss_sum for units in (clean, [*clean, poisoned])]
    assert both[0] == pytest.approx(both[1])
    assert ours(model, [], 1.0)[1].loss_sum == 0.0


def test_a_forward_without_gradients_is_that_of_peft():
    model = with_lora(gpt2())
    ids = torch.tensor([UNITS[0].rows[0]])
    with torch.no_grad():
        expected = model(input_ids=ids).logits
        gradients = UnitGradients(model)
        torch.testing.assert_close(model(input_ids=ids).logits, expected)
        torch.testing.assert_close(gradients.layers[0].module(torch.ones(1, 2, 16)).shape,
                                   torch.Size([1, 2, 48]))  # fmt: skip


def test_over_a_bfloat16_base_the_gradients_are_those_of_plain_autograd():
    model = with_lora(llama().to(torch.bfloat16))
    for parameter in model.parameters():
        if parameter.requires_grad:
            parameter.data = parameter.data.float()
    expected = naive_sum(model, UNITS, math.inf)
    total, _ = ours(model, UNITS, math.inf)
    assert float((total - expected).norm() / expected.norm()) < 0.03


def test_batch_norm_and_experts_are_refused():
    with pytest.raises(InputError, match="batch normalisation"):
        check_isolation(nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2)))
    model = llama()
    model.config.num_local_experts = 8
    with pytest.raises(InputError, match="mixture of experts"):
        check_isolation(model)
    check_isolation(llama())


def test_detach_restores_plain_lora():
    model = with_lora(llama())
    ids = torch.tensor([UNITS[0].rows[0]])
    expected = model(input_ids=ids).logits
    gradients = UnitGradients(model)
    torch.testing.assert_close(model(input_ids=ids).logits, expected)
    gradients.detach()
    model(input_ids=ids).logits.sum().backward()
    assert all(p.grad is not None for p in model.parameters() if p.requires_grad)


# --- the whole private step, as the recipe calls it ----------------------------------------------

PLAN = make_plan(
    noise_multiplier=3.0, delta=1e-3, population=100, units_per_step=10, steps=2, unit="patient",
    clip_norm=0.02, noise="test",
)  # fmt: skip


def step(model, units, *, plan=PLAN, seed=None, charge=lambda: None, loss=None):
    """The gradient that one private step leaves, flat; no noise without a seed."""
    gradients = UnitGradients(model)
    try:
        private_step(
            loss or NextTokenLoss(model), gradients, units, plan=plan, charge=charge,
            noise_source=None if seed is None else gaussian_source("test", seed=seed),
            all_reduce=lambda vector: vector, tokens_per_batch=64, pad=PAD,
        )  # fmt: skip
        return torch.cat([p.grad.flatten() for p in gradients.parameters])
    finally:
        gradients.detach()


def deviates_by(values: torch.Tensor, sigma: float) -> bool:
    law = stats.chi2(values.numel())
    return bool(1e-6 < law.sf(float(values.double().square().sum()) / sigma**2) < 1 - 1e-6)


def test_an_empty_draw_is_noise_of_the_planned_deviation():
    model = with_lora(llama(), r=64)
    gradient = step(model, [], seed=1)
    wanted = PLAN.noise_multiplier * PLAN.clip_norm / PLAN.units_per_step
    assert deviates_by(gradient, wanted)
    assert not deviates_by(gradient, 0.9 * wanted)
    assert not torch.equal(gradient, step(model, [], seed=2))


def test_a_unit_moves_the_mean_by_at_most_clip_norm_over_the_public_divisor():
    model = with_lora(llama())
    limit = PLAN.clip_norm / PLAN.units_per_step
    assert float(naive_gradient(model, unit("long", 60)).norm()) > 2 * PLAN.clip_norm
    assert 0.999 * limit < float(step(model, [unit("long", 60)]).norm()) <= limit
    one, four = (step(model, [unit("a", 9)] * count) for count in (1, 4))
    torch.testing.assert_close(four, 4 * one)  # a divisor of the draw's size would give 1
    with_noise = step(model, UNITS, seed=1) - step(model, UNITS[1:], seed=1)
    assert float(with_noise.norm()) <= limit * (1 + 1e-3)


def test_a_plan_without_noise_does_not_clip():
    free = make_plan(
        epsilon=math.inf, delta=1e-3, population=100, units_per_step=10, steps=2, unit="patient",
        clip_norm=1e-6,
    )  # fmt: skip
    model = with_lora(llama())
    expected = naive_sum(model, UNITS, math.inf) / 10
    torch.testing.assert_close(step(model, UNITS, plan=free), expected, rtol=2e-4, atol=2e-6)


def test_the_charge_comes_before_the_first_computation():
    model = with_lora(llama())
    loss = NextTokenLoss(model)  # tries itself on tokens of its own
    order: list[str] = []
    body = model.get_base_model().model
    hook = body.register_forward_pre_hook(lambda *_: order.append("forward"))
    step(model, UNITS, charge=lambda: order.append("charge"), loss=loss)
    assert order[0] == "charge"
    assert order.count("charge") == 1
    assert "forward" in order

    def full_disk():
        raise OSError

    order.clear()
    with pytest.raises(OSError):
        step(model, UNITS, charge=full_disk, loss=loss)
    hook.remove()
    assert order == []


# --- norms of real layers -------------------------------------------------------------------------


class OneLayer(nn.Module):
    def __init__(self, inputs: int, outputs: int):
        super().__init__()
        self.proj = nn.Linear(inputs, outputs, bias=False)


def heavy(generator: torch.Generator, *shape: int) -> torch.Tensor:
    """Few coordinates carry nearly all of the length, as in real activations."""
    return torch.randn(*shape, generator=generator).exp() ** 2


def test_the_bound_holds_in_layers_as_wide_as_real_ones():
    """‖clipped‖ ≤ C, in float64, where one float32 sum of squares is off by more than a margin."""
    torch.manual_seed(0)
    config = LoraConfig(r=64, target_modules=["proj"], init_lora_weights=False)
    model = inject_adapter_in_model(config, OneLayer(14336, 64))
    gradients = UnitGradients(model)
    generator = torch.Generator().manual_seed(1)
    errors = []
    for _ in range(3):
        gradients.open(1)
        with gradients.rows(torch.zeros(1, dtype=torch.int64)):
            y = model.proj(heavy(generator, 1, 8, 14336))
            (y * heavy(generator, 1, 8, 64)).sum().backward()
        flat = gradients._buffer.clone()
        errors.append(float(torch.linalg.vector_norm(flat) / flat.double().norm()) - 1)
        clipped = gradients.close(0.5)
        assert float(clipped.norms) > 0.5
        assert 0.9999 * 0.5 < float(clipped.total.double().norm()) <= 0.5
    assert max(map(abs, errors)) > 1e-5  # negative control: float32 would have missed it
