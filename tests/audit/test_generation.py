"""What is drawn is what the model says, whichever way it is computed."""

import math

import numpy as np
import pytest
import torch
from transformers import (
    GenerationConfig,
    GPT2Config,
    GPT2LMHeadModel,
    MambaConfig,
    MambaForCausalLM,
    MistralConfig,
    MistralForCausalLM,
)
from transformers.generation.logits_process import (
    TemperatureLogitsWarper,
    TopKLogitsWarper,
    TopPLogitsWarper,
)

from llmsafe.audit.decoding import Prefix
from llmsafe.audit.forward import Sampler, sampled_logp
from llmsafe.audit.generation import (
    Generation,
    allowed,
    draw,
    end_tokens,
    gain_over_base,
    generate,
    generate_both,
    prompt_tokens,
)
from llmsafe.audit.overlap import build_index
from llmsafe.errors import InputError
from llmsafe.stats import auc

SAMPLERS = [
    Sampler(1.0, None, 1.0),
    Sampler(0.7, 5, 1.0),
    Sampler(1.3, None, 0.8),
    Sampler(0.9, 12, 0.6),
]
PROMPTS = [[1, 9, 8, 7], [1, 5], [1, 30, 31, 32, 33, 34, 35], [1, 5]]


def seeded(number=0):
    return torch.Generator().manual_seed(number)


def small(kind):
    torch.manual_seed(1)
    common = {"vocab_size": 50, "bos_token_id": 1, "eos_token_id": 2}
    if kind == "gpt2":
        config = GPT2Config(n_embd=16, n_layer=2, n_head=2, n_positions=64, **common)
        return GPT2LMHeadModel(config).eval()
    if kind == "sliding":
        shape = {"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 2}
        heads = {"num_attention_heads": 2, "num_key_value_heads": 1, "sliding_window": 5}
        return MistralForCausalLM(MistralConfig(**shape, **heads, **common)).eval()
    config = MambaConfig(hidden_size=16, num_hidden_layers=2, state_size=4, **common)
    return MambaForCausalLM(config).eval()


@pytest.mark.parametrize("kind", ["gpt2", "sliding", "mamba"])
@pytest.mark.parametrize("sampler", [None, SAMPLERS[3]])
def test_cache_padding_and_batches_change_nothing(kind, sampler):
    model = small(kind)
    # A flat model would hide an error in the cache behind the sampler's own noise.
    with torch.no_grad():
        for weight in model.parameters():
            weight.mul_(2.5)
    common = {"count": 3, "max_new_tokens": 9, "sampler": sampler, "stop": {2, 3, 4}}
    plain = generate(model, PROMPTS, generator=seeded(), cache=False, **common)
    for budget in (1, 40, 10_000):
        cached = generate(model, PROMPTS, generator=seeded(), batch_tokens=budget, **common)
        assert [(g.prompt, g.ids, g.ended) for g in cached] == [
            (g.prompt, g.ids, g.ended) for g in plain
        ]
    assert [g.prompt for g in plain] == [0, 0, 0, 1, 1, 1, 2, 2, 2, 3, 3, 3]
    if sampler is not None:
        assert len({g.ids for g in plain}) > 6
        other = generate(model, PROMPTS, generator=seeded(5), cache=False, **common)
        assert [g.ids for g in other] != [g.ids for g in plain]


def test_greedy_is_the_librarys_own(target):
    model, stop = target.model, end_tokens(target.model, target.tokenizer)
    assert 2 in stop
    prompts = [target.tokenizer(t)["input_ids"] for t in ("patient seen", "no", "lungs clear and")]
    ours = generate(
        model, prompts, count=1, max_new_tokens=12, sampler=None, stop=stop, generator=seeded()
    )
    for prompt, found in zip(prompts, ours, strict=True):
        config = GenerationConfig(
            max_new_tokens=12, do_sample=False, eos_token_id=sorted(stop), pad_token_id=0
        )
        with torch.no_grad():
            out = model.generate(input_ids=torch.tensor([prompt]), generation_config=config)
        wanted = out[0, len(prompt) :].tolist()
        assert list(found.ids) == [t for t in wanted if t not in stop]
        assert found.ended == bool(set(wanted) & stop)


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_the_sampler_is_that_of_the_library_and_of_the_score_table(sampler):
    logits = torch.randn(20, 40, generator=seeded()) * 3
    logits[0] = 0  # all alike: every token is as likely as the last one let in
    logits[1, :30] = 2.0
    ours = allowed(logits, sampler).log_softmax(-1)
    theirs = TemperatureLogitsWarper(sampler.temperature)(None, logits)
    if sampler.top_k:
        theirs = TopKLogitsWarper(sampler.top_k)(None, theirs)
    if sampler.top_p < 1:
        theirs = TopPLogitsWarper(sampler.top_p)(None, theirs)
    # The library cuts ties at top_p by their place in the vocabulary; here they stay together.
    untied = slice(2, None) if sampler.top_p < 1 else slice(None)
    torch.testing.assert_close(ours[untied], theirs.log_softmax(-1)[untied])
    for token in range(40):
        labels = torch.full((20,), token)
        torch.testing.assert_close(sampled_logp(logits.clone(), labels, sampler), ours[:, token])


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_tokens_are_drawn_as_often_as_they_should(sampler):
    logits = torch.randn(1, 15, generator=seeded(3)) * 2
    p = allowed(logits, sampler).softmax(-1)[0]
    n = 40_000
    chances = torch.rand(n, generator=seeded(4), dtype=torch.float64)
    counts = torch.bincount(draw(logits.expand(n, -1), sampler, chances), minlength=15)
    assert counts[p == 0].sum() == 0
    expected = n * p[p > 0].double()
    chi = float(((counts[p > 0] - expected) ** 2 / expected).sum())
    assert chi < (p > 0).sum() + 5 * math.sqrt(2 * float((p > 0).sum()))
    wrong = n * allowed(logits, Sampler(1.1 * sampler.temperature, sampler.top_k)).softmax(-1)[0]
    chi = float(((counts - wrong) ** 2 / wrong.clamp_min(1)).sum())
    assert chi > 60  # planted bug: another temperature is seen


def test_the_ends_of_the_unit_interval_choose_what_is_allowed():
    logits = torch.tensor([[-50.0, 0.0, 1.0, -50.0]])
    sampler = Sampler(1.0, 2)
    for chance, token in ((0.0, 1), (1 - 2**-53, 2)):
        assert draw(logits, sampler, torch.tensor([chance], dtype=torch.float64)).item() == token


@pytest.mark.parametrize("kind", ["gpt2", "sliding", "mamba"])
def test_a_shared_prefix_gives_the_scores_of_whole_texts(kind):
    model = small(kind)
    start = [1, 7, 8, 9, 10, 11, 12]
    rows = [[3], [3, 4, 5, 6], [], [9, 9, 2], [3, 4]]
    prefix = Prefix(model, start)
    found = prefix.logp(rows)
    for row, value in zip(rows, found, strict=True):
        with torch.no_grad():
            logp = model(torch.tensor([start + row])).logits[0].double().log_softmax(-1)
        naive = sum(float(logp[len(start) - 1 + t, token]) for t, token in enumerate(row))
        assert value == pytest.approx(naive, abs=1e-5)
    np.testing.assert_allclose(prefix.logp(rows), found, atol=1e-6)  # its cache is not used up
    with torch.no_grad():
        after = model(torch.tensor([start + rows[3]])).logits[0, -1]
    torch.testing.assert_close(prefix.after(rows)[3], after, atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(
        prefix.after([[8] * len(rows[3]), rows[3]])[1], after, atol=1e-5, rtol=1e-4
    )


def test_the_adapter_is_off_for_the_base(target):
    prompt, rows = [1, 40, 50], [[60, 61], [70]]
    ours = Prefix(target.model, prompt).logp(rows)
    with target.base() as base:
        theirs = Prefix(base, prompt).logp(rows)
    assert np.abs(ours - theirs).min() > 1e-3


def test_refusals(target):
    for prompts, count in (([[]], 1), ([[1]], 0)):
        with pytest.raises(InputError):
            generate(target.model, prompts, count=count, max_new_tokens=2, generator=seeded())
    with pytest.raises(InputError, match="no token"):
        Prefix(target.model, [])
    found = generate(target.model, [[1]], count=1, max_new_tokens=3, generator=seeded())
    assert repr(found[0]).startswith("Generation(<")


def test_untargeted_texts_give_members_away_and_the_gain_finds_them(world, target):
    tokenizer = target.tokenizer
    start = prompt_tokens(tokenizer)
    assert start == [1]
    assert prompt_tokens(tokenizer, "chest")[0] == 1
    assert prompt_tokens(tokenizer, "chest")[-1] != 2
    planted, withheld = (
        [(c.patient_id, c.text) for c in world.manifest.canaries if c.planted == side]
        for side in (True, False)
    )
    members = [(n.patient_id, n.text) for n in world.members] + planted
    others = [(n.patient_id, n.text) for n in world.non_members] + withheld
    trained, unseen = (
        build_index([(unit, prompt_tokens(tokenizer, text)[1:]) for unit, text in notes])
        for notes in (members, others)
    )
    sampler = Sampler(0.7, 40)
    ours, theirs = generate_both(
        target, [start], count=150, max_new_tokens=60, seed=0, sampler=sampler
    )

    def copies(index, texts):
        return sum(len(index.longest_run(g.ids) or ()) >= 17 for g in texts)

    assert copies(trained, ours) >= 10
    assert max(copies(unseen, ours), copies(trained, theirs)) <= 3
    again, _ = generate_both(
        target, [start], count=150, max_new_tokens=60, seed=0, sampler=sampler, batch_tokens=500
    )
    assert [g.ids for g in again] == [g.ids for g in ours]
    gains = [
        gain_over_base(
            target,
            [start],
            [Generation(0, tuple(prompt_tokens(tokenizer, text)[1:]), True) for _, text in notes],
        )
        for notes in (members, others)
    ]
    assert auc(*gains) > 0.9


def test_gain_is_the_difference_of_mean_scores(target):
    prompts = [[1], [1, 40, 41]]
    texts = [
        Generation(1, (60, 61, 62), True),
        Generation(0, (70,), False),
        Generation(0, (), True),
    ]
    found = gain_over_base(target, prompts, texts)
    wanted = []
    for text in texts[:2]:
        ours = Prefix(target.model, prompts[text.prompt]).logp([text.ids])[0]
        with target.base() as base:
            theirs = Prefix(base, prompts[text.prompt]).logp([text.ids])[0]
        wanted.append((ours - theirs) / len(text.ids))
    np.testing.assert_allclose(found, [*wanted, 0], atol=1e-5)
