"""A real model in this process: the embedded base model behind the guard, by the openai client."""

from __future__ import annotations

import asyncio
import time

import openai
import pytest
from openai import OpenAI

from llmsafe.audit.target import open_target
from llmsafe.notes import PhiSpan
from llmsafe.serve.access import Access
from llmsafe.serve.app import build_app
from llmsafe.serve.endpoint import Endpoint, Limits
from llmsafe.serve.local import LocalModel
from llmsafe.serve.source import Ask, Done, Message

PROMPT = "The patient was admitted with"


@pytest.fixture(scope="module")
def base() -> LocalModel:
    return LocalModel(open_target("llmsafe:base-en", device="cpu"))


def run(source: LocalModel, ask: Ask) -> tuple[list[str], Done]:
    async def collect():
        return [piece async for piece in source.stream(ask)]

    *pieces, done = asyncio.run(collect())
    return pieces, done


def test_the_stream_is_what_generate_gives(base: LocalModel):
    import torch

    from llmsafe.audit.generation import prompt_tokens

    target = base._target
    pieces, done = run(base, Ask(PROMPT, 24, temperature=0))
    ids = prompt_tokens(target.tokenizer, PROMPT)
    with torch.inference_mode():
        made = target.model.generate(torch.tensor([ids]), max_new_tokens=24, do_sample=False)
    new = made[0, len(ids) :].tolist()
    assert "".join(pieces) == target.tokenizer.decode(new, skip_special_tokens=True)
    assert len(pieces) > 3
    assert done.prompt_tokens == len(ids)
    assert done.completion_tokens == len(new)
    assert done.finish == ("length" if len(new) == 24 else "stop")


def test_a_generation_that_nobody_reads_ends(base: LocalModel):
    import threading

    async def leave() -> None:
        stream = base.stream(Ask(PROMPT, 400, temperature=0.9))
        await anext(stream)
        await stream.aclose()

    before = threading.active_count()
    asyncio.run(leave())
    end = time.monotonic() + 20
    while threading.active_count() > before and time.monotonic() < end:
        time.sleep(0.02)
    assert threading.active_count() <= before


def test_a_chat_without_a_template_is_its_texts_in_order(base: LocalModel):
    ask = Ask((Message("system", "Be brief."), Message("user", "Go on.")), 4)
    assert base.context_of(ask) == "Be brief.\n\nGo on.\n\n"


def test_a_chat_template_is_used(tiny_model):
    target = open_target(str(tiny_model), device="cpu")
    target.tokenizer.chat_template = (
        "{% for m in messages %}{% if m.role == 'tool' %}{{ raise_exception('Dr. Strandvik') }}"
        "{% endif %}<{{ m.role }}>{{ m.content }}{% endfor %}<assistant>"
    )
    source = LocalModel(target)
    assert source.context_of(Ask((Message("user", "Hi"),), 4)) == "<user>Hi<assistant>"
    with pytest.raises(Exception, match="template refuses") as refused:
        source.context_of(Ask((Message("tool", "Hi"),), 4))
    assert "Strandvik" not in str(refused.value)
    _, done = run(source, Ask((Message("user", "Hi"),), 4))
    assert done.prompt_tokens == len("<user>Hi<assistant>")  # a byte a token, and no BOS of ours


def test_the_openai_client_gets_the_guarded_text(base: LocalModel, serve_app):
    def vowels(text: str) -> list[PhiSpan]:
        return [PhiSpan(i, i + 1, "NAME") for i, c in enumerate(text) if c in "aeiou"]

    endpoint = Endpoint(base, vowels, limits=Limits(tokens=400))
    app = build_app(endpoint, Access(None, 100), hosts=("127.0.0.1",))
    with serve_app(app) as url:
        client = OpenAI(base_url=url + "/v1", api_key="none", max_retries=0, timeout=60)
        ask = {"model": base.name, "prompt": PROMPT, "max_tokens": 24, "temperature": 0}
        plain = "".join(run(base, Ask(PROMPT, 24, temperature=0))[0])
        expected = "".join("[NAME]" if c in "aeiou" else c for c in plain)
        whole = client.completions.create(**ask)
        assert whole.choices[0].text == expected
        assert whole.usage.completion_tokens == 24
        events = list(client.completions.create(**ask, stream=True))
        assert "".join(event.choices[0].text for event in events) == expected
        assert events[-1].choices[0].finish_reason == whole.choices[0].finish_reason
        with pytest.raises(openai.BadRequestError, match="context"):
            client.completions.create(model=base.name, prompt="word " * 3000, max_tokens=5)
