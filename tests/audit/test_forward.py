"""The forward pass against a naive twin on every kind of head; samplers; tokens of a secret."""

import math
import platform
import subprocess
import sys
import zlib

import numpy as np
import pytest
import torch
import transformers
from hypothesis import given
from hypothesis import strategies as st
from peft import LoraConfig, PromptTuningConfig, get_peft_model
from transformers import LogitsProcessorList, TemperatureLogitsWarper
from transformers.generation.logits_process import TopKLogitsWarper, TopPLogitsWarper

from llmsafe.audit import forward
from llmsafe.audit.forward import (
    STATS,
    Encoded,
    Sampler,
    Scorer,
    Text,
    encode,
    plan_batches,
    sampled_logp,
    score_batch,
    token_stats,
)
from llmsafe.errors import InputError
from llmsafe.models import cut_model

VOCABULARY = 90
COMMON = {
    "vocab_size": VOCABULARY,
    "hidden_size": 16,
    "intermediate_size": 24,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 64,
    "pad_token_id": 0,
}
NEOX = {k: v for k, v in COMMON.items() if k != "num_key_value_heads"}
SMALL = {"n_embd": 16, "n_layer": 2, "n_head": 4, "n_positions": 64, "vocab_size": VOCABULARY}
FAMILIES = {
    "llama": ("Llama", COMMON | {"tie_word_embeddings": False}),
    "llama_tied": ("Llama", COMMON | {"tie_word_embeddings": True}),
    "gemma2_cap": ("Gemma2", COMMON | {"head_dim": 4, "final_logit_softcapping": 3.0}),
    "cohere_factor": ("Cohere", COMMON | {"logit_scale": 0.25, "bos_token_id": 1}),
    "granite_divisor": ("Granite", COMMON | {"logits_scaling": 8.0}),
    "gpt2": ("GPT2", SMALL),
    "gpt_neox": ("GPTNeoX", NEOX),
    "bloom_alibi": ("Bloom", {"vocab_size": VOCABULARY, "hidden_size": 16, "n_head": 4}),
    "opt_projects": ("OPT", NEOX | {"ffn_dim": 24, "word_embed_proj_dim": 8}),
    "mistral_window": ("Mistral", COMMON | {"sliding_window": 6, "head_dim": 4}),
}


class Odd(transformers.LlamaForCausalLM):
    """Does to its logits what no configuration tells."""

    def forward(self, *args, **kwargs):
        output = super().forward(*args, **kwargs)
        output.logits = output.logits * 0.5 + torch.linspace(-1, 1, VOCABULARY)
        return output


def build(family, dtype=torch.float32):
    torch.manual_seed(1)
    name, settings = FAMILIES.get(family, ("Llama", COMMON))
    config = getattr(transformers, f"{name}Config")(**settings)
    names = {"GPT2": "GPT2LMHeadModel"}
    kind = Odd if family == "odd" else getattr(transformers, names.get(name, f"{name}ForCausalLM"))
    model = kind(config).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.dim() > 1:  # far from uniform, so that an error of any kind shows
                parameter.mul_(12)
    return model.to(dtype)


def batch_of(*lengths):
    rng = np.random.default_rng(3)
    rows = [tuple(int(i) for i in rng.integers(1, VOCABULARY, n)) for n in lengths]
    return [Encoded(Text(f"t{i}", "u", "member", ""), r, None, 1) for i, r in enumerate(rows)]


def naive(model, ids, sampler=None):
    """One text, one token at a time, in float64, no padding, no batching, whole logits."""
    sampler = sampler or Sampler()
    found = {name: [] for name in STATS}
    with torch.no_grad():
        logits = model(input_ids=torch.tensor([ids])).logits[0, -len(ids) :].double()
    for position, token in enumerate(ids[1:]):
        row = logits[position]
        p = torch.softmax(row, 0)
        log_p = torch.log_softmax(row, 0)
        found["logp"].append(float(log_p[token]))
        found["hit"].append(int(row.argmax()) == token)
        found["rank"].append(sum(float(v) > float(row[token]) for v in row))
        mean = sum(float(q) * float(v) for q, v in zip(p, log_p, strict=True))
        second = sum(float(q) * (float(v) - mean) ** 2 for q, v in zip(p, log_p, strict=True))
        found["mean"].append(mean)
        found["std"].append(second**0.5)
        found["sampled"].append(float(warped(row[None], sampler)[0, token]))
    return found


def warped(logits, sampler):
    """What transformers draws from: its own warpers, then a log-softmax in float64."""
    steps = LogitsProcessorList()
    if sampler.temperature != 1:
        steps.append(TemperatureLogitsWarper(sampler.temperature))
    if sampler.top_k is not None:
        steps.append(TopKLogitsWarper(sampler.top_k))
    if sampler.top_p < 1:
        steps.append(TopPLogitsWarper(sampler.top_p))
    return steps(None, logits.clone()).double().log_softmax(-1)


def check(stats, twin, tolerance=1e-5):
    assert stats.hit.tolist() == twin["hit"]
    assert stats.rank.tolist() == twin["rank"]
    for name in ("logp", "mean", "std", "sampled"):
        np.testing.assert_allclose(getattr(stats, name), twin[name], atol=tolerance, rtol=1e-5)


def same(a, b, tolerance=1e-5):
    check(a, {name: getattr(b, name).tolist() for name in STATS}, tolerance)


# --- every kind of head -------------------------------------------------------------------------


@pytest.mark.parametrize("family", FAMILIES)
def test_the_head_in_blocks_equals_the_naive_twin(family, monkeypatch):
    model = build(family)
    monkeypatch.setattr(forward, "_BLOCK_TOKENS", 5)
    monkeypatch.setitem(forward._BLOCK_BYTES, "cpu", 1)
    scorer = Scorer(model, pad=0)
    assert scorer.chunked
    assert scorer._block(model.device) == 5
    batch = batch_of(12, 2, 7, 3, 20)
    for item, stats in zip(batch, scorer(batch), strict=True):
        check(stats, naive(model, item.ids), 2e-5)


def test_logits_of_a_batch_never_exist_at_once(monkeypatch):
    monkeypatch.setitem(forward._BLOCK_BYTES, "cpu", 4 * VOCABULARY * 100)
    model = build("llama")
    sizes = []
    model.lm_head.register_forward_hook(lambda m, i, output: sizes.append(output.shape[:-1]))
    scorer = Scorer(model, pad=0)
    sizes.clear()
    scorer(batch_of(*[40] * 10))
    assert sum(math.prod(size) for size in sizes) == 10 * 39  # no padding, no last token
    assert max(math.prod(size) for size in sizes) == 100


def test_a_model_that_cannot_be_cut_is_scored_by_its_whole_logits():
    model = build("odd")
    assert cut_model(model) is None
    scorer = Scorer(model, pad=0)
    assert not scorer.chunked
    batch = batch_of(12, 5)
    for item, stats in zip(batch, scorer(batch), strict=True):
        check(stats, naive(model, item.ids))
    assert scorer.batch_tokens <= Scorer(build("llama"), pad=0).batch_tokens


def test_a_factor_or_cap_that_is_not_applied_is_not_believed():
    model = build("llama")
    model.config.final_logit_softcapping = 3.0
    model.config.logit_scale = 0.3
    cut = cut_model(model)
    assert cut is not None
    assert (cut.scale, cut.cap) == (1.0, None)
    for family, scale, cap in (("cohere_factor", 0.25, None), ("granite_divisor", 0.125, None)):
        found = cut_model(build(family))
        assert (found.scale, found.cap) == (scale, cap)
    assert cut_model(build("gemma2_cap")).cap == 3.0


def test_prompt_tuning_is_scored_whole_and_its_base_in_blocks():
    model = build("llama")
    settings = PromptTuningConfig(task_type="CAUSAL_LM", num_virtual_tokens=3)
    tuned = get_peft_model(model, settings).eval()
    batch = batch_of(9, 4)
    scorer = Scorer(tuned, pad=0)
    assert not scorer.chunked
    for item, stats in zip(batch, scorer(batch), strict=True):
        check(stats, naive(tuned, item.ids))
    with tuned.disable_adapter():
        base = Scorer(tuned, pad=0)
        assert base.chunked
        for item, stats in zip(batch, base(batch), strict=True):
            check(stats, naive(model, item.ids))


def test_an_adapted_head_is_scored_with_its_adapter():
    targets = ["q_proj", "lm_head"]
    settings = LoraConfig(
        task_type="CAUSAL_LM", r=2, target_modules=targets, init_lora_weights=False
    )
    tuned = get_peft_model(build("llama"), settings).eval()
    batch = batch_of(9, 4)
    scorer = Scorer(tuned, pad=0)
    assert scorer.chunked
    adapted = scorer(batch)
    for item, stats in zip(batch, adapted, strict=True):
        check(stats, naive(tuned, item.ids))
    with tuned.disable_adapter():
        plain = Scorer(tuned, pad=0)(batch)
    assert float(np.abs(plain[0].logp - adapted[0].logp).max()) > 0.1


@pytest.mark.parametrize("family", ["llama", "gemma2_cap", "gpt_neox"])
def test_half_precision_is_that_of_the_models_own_logits(family):
    model = build(family, torch.bfloat16)
    scorer = Scorer(model, pad=0)
    assert scorer.chunked
    (item,) = batch_of(30)
    # The log-softmax adds no error of its own to the rounded logits.
    check(scorer([item])[0], naive(model, item.ids), 2e-5)


def test_a_model_that_sees_later_tokens_is_refused():
    config = transformers.BertConfig(**NEOX, is_decoder=False)
    torch.manual_seed(0)
    model = transformers.BertLMHeadModel(config).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(5)
    with pytest.raises(InputError, match="BertLMHeadModel lets a token see"):
        Scorer(model, pad=0)


@pytest.mark.parametrize("pad", [0, 77])
@pytest.mark.parametrize("family", ["llama", "gpt2", "bloom_alibi", "mistral_window", "odd"])
def test_padding_and_company_do_not_matter(family, pad):
    model = build(family)
    batch = batch_of(20, 3, 2, 11)
    together = Scorer(model, pad)(batch)
    assert len(together) == len(batch)
    for item, stats in zip(batch, together, strict=True):
        same(stats, score_batch(model, [item], 0)[0])


def test_weights_that_are_not_finite_are_refused():
    model = build("llama")
    with torch.no_grad():
        model.model.norm.weight[3] = float("nan")
    with pytest.raises(InputError, match="not finite"):
        Scorer(model, pad=0)(batch_of(5))


FAULTS = """
import resource, torch
from llmsafe.audit.forward import _keep_freed_memory

def faults():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(10):
        block = [torch.ones(2 << 20) for _ in range(5)]  # 8 MiB each
        del block
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

print(faults())
_keep_freed_memory()
print(faults(), faults())
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="another allocator")
def test_a_batch_finds_the_memory_that_the_one_before_it_freed():
    done = subprocess.run([sys.executable, "-c", FAULTS], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    before, _, after = map(int, done.stdout.split())
    assert after <= before / 20


# --- statistics of one place --------------------------------------------------------------------


def one(logits, label, sampler=None):
    z = torch.tensor([logits], dtype=torch.float32)
    stats = token_stats(z, torch.tensor([label]), sampler or Sampler())
    return {name: column[0].item() for name, column in zip(STATS, stats, strict=True)}


def test_ties_are_broken_as_greedy_decoding_breaks_them():
    logits = [1.0, 7.0, 7.0, 0.0]
    assert one(logits, 1)["hit"]
    assert not one(logits, 2)["hit"]
    assert one(logits, 1)["rank"] == one(logits, 2)["rank"] == 0
    assert one(logits, 0)["rank"] == 2


@pytest.mark.parametrize("shift", [0.0, 1e4, -1e4])
def test_a_model_sure_of_itself_loses_no_digits(shift):
    # p = 1 - 3e-7 for one entry of 4: entropy and deviation are known in closed form.
    gap = 16.0
    found = one([shift + gap, shift, shift, shift], 0)
    q = 1 / (math.exp(gap) + 3)
    p = 1 - 3 * q
    mean = p * math.log(p) + 3 * q * math.log(q)
    deviation = math.sqrt(p * (math.log(p) - mean) ** 2 + 3 * q * (math.log(q) - mean) ** 2)
    assert found["mean"] == pytest.approx(mean, rel=0.05, abs=1e-7)
    assert found["std"] == pytest.approx(deviation, rel=1e-3)
    assert one([shift + gap, shift, shift, shift], 2)["logp"] == pytest.approx(-gap, abs=1e-4)


def test_a_token_without_a_chance_has_a_finite_logarithm():
    found = one([0.0, -300.0, -1.0], 1)
    assert found["logp"] == pytest.approx(-300 - math.log1p(math.exp(-1)), rel=1e-6)


def test_equal_logits_have_no_deviation():
    found = one([2.5] * 50, 7)
    assert found["std"] == pytest.approx(0, abs=1e-6)
    assert found["mean"] == pytest.approx(-math.log(50), abs=1e-6)


# --- samplers -----------------------------------------------------------------------------------

SAMPLERS = [
    Sampler(top_k=None),
    Sampler(),
    Sampler(top_k=1),
    Sampler(top_k=1000),
    Sampler(top_k=None, top_p=0.9),
    Sampler(top_k=12, top_p=0.6),
    Sampler(temperature=0.7, top_k=None),
    Sampler(temperature=1.8, top_k=25, top_p=0.95),
    Sampler(top_k=None, top_p=1e-6),
]


@pytest.mark.parametrize("sampler", SAMPLERS, ids=str)
def test_a_sampler_draws_as_transformers_does(sampler):
    torch.manual_seed(4)
    logits = 3 * torch.randn(40, VOCABULARY)
    expected = warped(logits, sampler)
    for label in range(VOCABULARY):
        labels = torch.full((40,), label)
        found = sampled_logp(logits.clone(), labels, sampler)
        torch.testing.assert_close(found.double(), expected[:, label], atol=1e-5, rtol=1e-5)
        again = token_stats(logits.clone(), labels, sampler)[STATS.index("sampled")]
        torch.testing.assert_close(again, found)


def test_ties_at_the_edge_of_top_k_are_all_let_in():
    logits = torch.tensor([[3.0, 1.0, 1.0, 1.0, 0.0]])
    sampler = Sampler(top_k=2)
    expected = warped(logits, sampler)
    chances = [math.exp(sampled_logp(logits.clone(), torch.tensor([t]), sampler)) for t in range(5)]
    np.testing.assert_allclose(chances, expected.exp()[0], atol=1e-6)
    assert chances[3] > 0
    assert chances[4] == 0


@pytest.mark.parametrize(
    "bad", [{"temperature": 0.0}, {"temperature": math.nan}, {"top_k": 0}, {"top_p": 0}]
)
def test_a_sampler_that_draws_nothing_is_refused(bad):
    with pytest.raises(InputError, match="sampler"):
        Sampler(**bad)


def test_ties_below_the_edge_and_beyond_what_was_looked_at():
    rows = [[5.0, 4.0, 4.0, 2.0, 2.0, 2.0, 2.0], [5.0, 4.0, 3.0, 2.0, 1.0, 0.0, -1.0]]
    logits = torch.tensor([*rows, [2.0] * 7])
    for sampler in (Sampler(top_k=2), Sampler(top_k=4), Sampler(0.7, 4, 0.9), Sampler(top_k=6)):
        expected = warped(logits, sampler).exp()
        for token in range(7):
            labels = torch.full((3,), token)
            chances = sampled_logp(logits.clone(), labels, sampler).double().exp()
            torch.testing.assert_close(chances, expected[:, token], atol=1e-6, rtol=0)


# --- tokens of a text ---------------------------------------------------------------------------


def decoded(tokenizer, item, secret):
    start, end = secret
    return tokenizer.decode(item.ids[1 + start : 1 + end])


def test_secret_tokens_are_found_by_offsets(world, target):
    for canary in world.manifest.canaries[:12]:
        place = (canary.secret_start, canary.secret_end)
        item = encode(target.tokenizer, Text("t", "u", "planted", canary.text, place), 64)
        wanted = canary.text[slice(*place)]
        found = decoded(target.tokenizer, item, item.secret)
        assert wanted in found
        assert len(found.strip()) <= len(wanted) + 1  # at most one straddling character
        # Planted bug: one token off in either direction loses a part of the secret.
        start, end = item.secret
        assert wanted not in decoded(target.tokenizer, item, (start + 1, end + 1))
        assert wanted not in decoded(target.tokenizer, item, (start - 1, end - 1))
    assert encode(target.tokenizer, Text("t", "u", "member", "no secret"), 64).secret is None


def test_secret_after_wide_characters_and_at_the_borders(target):
    for prefix in ("", "患者👩‍⚕️ naïve: "):
        text = Text("t", "t", "planted", prefix + "48213", (len(prefix), len(prefix) + 5))
        item = encode(target.tokenizer, text, 64)
        assert "48213" in decoded(target.tokenizer, item, item.secret)


def test_a_secret_cut_off_has_no_range(target):
    text = Text("t", "t", "planted", "fever " * 30 + "48213", (180, 185))
    whole = encode(target.tokenizer, text, 128)
    assert whole.secret is not None
    assert encode(target.tokenizer, text, whole.secret[1] + 1).secret is not None
    for limit in (whole.secret[1], whole.secret[0] + 1, 10):
        assert encode(target.tokenizer, text, limit).secret is None


def test_zlib_counts_only_what_the_model_saw(target):
    text = "fever and cough " * 40
    item = encode(target.tokenizer, Text("t", "t", "member", text), 20)
    seen = target.tokenizer.decode(item.ids[1:])
    assert len(seen) < len(text) / 4
    assert item.zlib_bytes == len(zlib.compress(seen.encode()))


def test_repr_shows_no_text():
    assert "secret words" not in repr(Text("i", "u", "member", "secret words"))


# --- batches ------------------------------------------------------------------------------------


@given(st.lists(st.integers(1, 90), max_size=60), st.integers(1, 400))
def test_batches_partition_and_respect_the_budget(lengths, budget):
    batches = plan_batches(lengths, budget)
    assert sorted(i for batch in batches for i in batch) == list(range(len(lengths)))
    for batch in batches:
        assert len(batch) == 1 or len(batch) * max(lengths[i] for i in batch) <= budget
    order = [lengths[i] for batch in batches for i in batch]
    assert order == sorted(order, reverse=True)


def test_sorted_batches_hardly_pad():
    rng = np.random.default_rng(0)
    lengths = [int(n) for n in np.clip(rng.lognormal(4.5, 0.8, 2000), 8, 512)]
    padded = sum(len(b) * max(lengths[i] for i in b) for b in plan_batches(lengths, 8192))
    assert padded / sum(lengths) < 1.06
    in_order = [lengths[i : i + 16] for i in range(0, len(lengths), 16)]
    assert sum(len(b) * max(b) for b in in_order) / sum(lengths) > 2
