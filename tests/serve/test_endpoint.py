"""The endpoint driven by the openai client, over a real server: what a client can get to see."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import httpx2
import openai
import pytest
from openai import OpenAI

from llmsafe.canary import make_canaries
from llmsafe.canary.draw import make_manifest
from llmsafe.notes import PhiSpan
from llmsafe.serve.access import Access, load_keys, make_key
from llmsafe.serve.app import build_app
from llmsafe.serve.endpoint import Endpoint, Limits, Policy
from llmsafe.serve.finders import Finders
from llmsafe.serve.tripwires import Tripwires, make_tripwires
from llmsafe.serve.upstream import Upstream, readable_on_the_way

NAME = "parrot"
SECRETS = ("Okafor", "Strandvik", "617-555-0199", "48291034", "219-09-9999", "03/04/2021")
SAID = (
    "The patient did well after the procedure. Mrs. Alice Okafor was seen on 03/04/2021 by "
    "Dr. Peter Strandvik; her MRN is 48291034 and her SSN 219-09-9999. Call 617-555-0199. "
    "She takes metoprolol 25 mg daily."
)


@pytest.fixture
def endpoint(parrot, serve_app):
    """``with endpoint(find, ...) as client``: the openai client of a guard before the parrot."""

    @contextmanager
    def client(find, access: Access | None = None, **more) -> Iterator[OpenAI]:
        with serve_app(parrot.app()) as behind:
            made = Endpoint(Upstream(behind, NAME, key=None), find, **more)
            app = build_app(made, access or Access(None, 1000), hosts=("127.0.0.1",))
            with serve_app(app) as url:
                yield OpenAI(base_url=url + "/v1", api_key="none", max_retries=0, timeout=600)

    return client


def no_find(text: str) -> list[PhiSpan]:
    return []


def root(client: OpenAI) -> str:
    return str(client.base_url).removesuffix("/v1/")


def chat(client: OpenAI, **more):
    messages = [{"role": "user", "content": "Tell me about the patient."}]
    return client.chat.completions.create(model=NAME, messages=messages, max_tokens=500, **more)


def test_a_model_that_hangs_is_given_up_and_its_place_is_free_again(endpoint, parrot):
    with endpoint(no_find, limits=Limits(concurrent=1, seconds=1.0)) as client:
        parrot.says, parrot.pause = ["She "], 600.0  # after its first piece it says nothing more
        with pytest.raises(openai.APIStatusError) as refused:
            chat(client)
        assert refused.value.status_code == 504
        parrot.pause = 0.0
        assert chat(client).choices[0].message.content == "She "


@pytest.mark.parametrize(
    ("url", "readable"),
    [
        ("http://127.0.0.1:8001", False),
        ("http://[::1]:8001/v1", False),
        ("http://localhost", False),
        ("https://models.example", False),
        ("http://models.example:8001", True),
        ("http://10.0.0.8", True),
    ],
)
def test_prompts_that_leave_the_machine_unencrypted_are_known(url: str, readable: bool):
    assert readable_on_the_way(url) is readable


def test_planted_phi_is_masked_in_single_characters_too(endpoint, parrot, finders: Finders):
    with endpoint(finders.find) as client:
        assert [model.id for model in client.models.list()] == [NAME]
        seen = []
        for pieces in (list(SAID), [SAID], [SAID[i : i + 5] for i in range(0, len(SAID), 5)]):
            parrot.says = pieces
            events = list(chat(client, stream=True, stream_options={"include_usage": True}))
            assert events[-1].usage.completion_tokens == len(pieces)
            choices = [event.choices[0] for event in events if event.choices]
            assert choices[-1].finish_reason == "stop"
            assert all(choice.logprobs is None for choice in choices)
            seen.append("".join(choice.delta.content or "" for choice in choices))
        parrot.says = list(SAID)
        whole = client.completions.create(model=NAME, prompt="Go on.", max_tokens=500)
        seen.append(whole.choices[0].text)
        assert len(set(seen)) == 1
        for secret in SECRETS:
            assert secret not in seen[0]
        for category in ("[NAME]", "[DATE]", "[MRN]", "[SSN]", "[PHONE]"):
            assert category in seen[0]
        assert seen[0].startswith("The patient did well after the procedure. ")
        assert seen[0].endswith(" She takes metoprolol 25 mg daily.")
        counted = httpx2.get(root(client) + "/metrics").text
        assert 'llmsafe_phi_total{category="MRN"} 4.0' in counted
        assert not any(secret in counted for secret in SECRETS)


def test_block_mode_ends_with_content_filter(endpoint, parrot, finders: Finders):
    parrot.says = list(SAID)
    with endpoint(finders.find, policy=Policy(mode="block")) as client:
        for streamed in (False, True):
            made = chat(client, stream=streamed)
            if streamed:
                choices = [event.choices[0] for event in made]
                text = "".join(choice.delta.content or "" for choice in choices)
                reason = choices[-1].finish_reason
            else:
                text, reason = made.choices[0].message.content, made.choices[0].finish_reason
            assert reason == "content_filter"
            assert SAID.startswith(text)
            assert not any(secret in text for secret in SECRETS)


BROKEN = """
import os
import re
import signal
import time
from presidio_analyzer import EntityRecognizer


class Raising(EntityRecognizer):
    def __init__(self):
        super().__init__(supported_entities=["NAME"], name="broken")

    def load(self):
        pass

    def analyze(self, text, entities, nlp_artifacts=None):
        raise ValueError(text)


class Hanging(Raising):
    def analyze(self, text, entities, nlp_artifacts=None):
        signal.signal(signal.SIGALRM, signal.SIG_IGN)  # as in C code: only a kill ends it
        while True:
            time.sleep(60)


class Slow(Raising):
    def analyze(self, text, entities, nlp_artifacts=None):
        re.match(r"(a+)+$", "a" * 100 + "b")  # as good as endless, but an alarm ends it


class Dying(Raising):
    def analyze(self, text, entities, nlp_artifacts=None):
        os._exit(1)
"""


@pytest.mark.parametrize(
    ("recogniser", "seconds", "grace", "kind"),
    [  # short limits only where nothing ends before them: a busy machine is no failure
        ("Raising", 300.0, 300.0, "broken: ValueError"),
        ("Hanging", 0.5, 0.5, "no answer in"),
        ("Slow", 0.5, 300.0, "time limit"),
        ("Dying", 300.0, 300.0, "the process died"),
    ],
)
def test_a_guard_that_fails_blocks(
    endpoint, parrot, tmp_path, monkeypatch, recogniser, seconds, grace, kind
):
    """The operator's own recogniser raises, is slow, never answers and is killed, or dies."""
    (tmp_path / "broken_recognisers.py").write_text(BROKEN)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr("llmsafe.serve.finders._GRACE", grace)
    parrot.says = list(SAID)
    failing = Finders(recognisers=[f"broken_recognisers:{recogniser}"], seconds=seconds)
    try:
        with endpoint(failing.find) as client:
            with pytest.raises(openai.InternalServerError) as refused:
                chat(client)
            assert refused.value.status_code == 503
            assert refused.value.code == "guard_failed"
            text = ""
            with pytest.raises(openai.APIError, match="guard failed"):
                for event in chat(client, stream=True):
                    text += event.choices[0].delta.content or ""
            assert text == ""
            counted = httpx2.get(root(client) + "/metrics").text
            assert "llmsafe_guard_failures_total" in counted
            assert kind in counted
            assert not any(secret in counted + str(refused.value) for secret in SECRETS)
    finally:
        failing.close()


def test_a_canary_stops_the_response_and_the_service(endpoint, parrot):
    canaries = make_canaries(count=10, kind="phi", seed=5)
    manifest = make_manifest(
        canaries, kind="phi", seed=5, probability=0.5, lang="en", corpus_digest="none"
    )
    planted = next(canary for canary in canaries if canary.planted)
    secret = planted.text[planted.secret_start : planted.secret_end]
    parrot.says = list(f"All is well with this one. {secret} is what I remember. " + "More. " * 50)
    wires = Tripwires(make_tripwires(manifest))
    for policy, after in (("unhealthy", 503), ("stop", 200)):
        made = Policy(tripwires=wires, on_canary=policy)
        with endpoint(no_find, policy=made) as client:
            assert httpx2.get(root(client) + "/health").status_code == 200
            choices = [event.choices[0] for event in chat(client, stream=True)]
            text = "".join(choice.delta.content or "" for choice in choices)
            assert choices[-1].finish_reason == "content_filter"
            assert secret[:3] not in text
            assert "remember" not in text
            assert httpx2.get(root(client) + "/health").status_code == after
            assert "llmsafe_canaries_total 1.0" in httpx2.get(root(client) + "/metrics").text
            if policy == "unhealthy":
                with pytest.raises(openai.InternalServerError, match="stopped"):
                    chat(client)
            else:
                assert chat(client).choices[0].finish_reason == "content_filter"


def test_keys_rates_and_sizes(endpoint, parrot, tmp_path):
    parrot.says = ["fine"]
    key = make_key(tmp_path / "keys.json")
    access = Access(load_keys(tmp_path / "keys.json"), 6)
    with endpoint(no_find, access, limits=Limits(tokens=500, bytes=2000)) as nobody:
        for call in (nobody.models.list, lambda: chat(nobody)):
            with pytest.raises(openai.AuthenticationError):
                call()
        assert httpx2.get(root(nobody) + "/metrics").status_code == 401
        client = nobody.with_options(api_key=key)
        assert chat(client).choices[0].message.content == "fine"
        create = client.completions.create
        with pytest.raises(openai.BadRequestError, match="limit of 500"):
            create(model=NAME, prompt="x", max_tokens=501)
        with pytest.raises(openai.BadRequestError, match="logprobs"):
            create(model=NAME, prompt="x", logprobs=2)
        with pytest.raises(openai.NotFoundError, match=NAME):
            create(model="other", prompt="x")
        with pytest.raises(openai.APIStatusError) as large:
            create(model=NAME, prompt="x" * 3000)
        assert large.value.status_code == 413
        assert chat(client).choices[0].message.content == "fine"
        with pytest.raises(openai.RateLimitError) as busy:
            chat(client)
        assert 1 <= int(busy.value.response.headers["retry-after"]) <= 10
        assert all(body["model"] == NAME and body["stream"] for body in parrot.asked)


def test_only_so_many_generations_run_and_a_client_that_leaves_stops_its_own(endpoint, parrot):
    parrot.says, parrot.pause = ["word "] * 2000, 0.01
    with endpoint(no_find, limits=Limits(concurrent=1)) as client:
        stream = chat(client, stream=True)
        next(iter(stream))
        with pytest.raises(openai.RateLimitError, match="running"):
            chat(client)
        stream.close()
        parrot.says, end = ["fine"], time.monotonic() + 10
        while True:
            try:
                assert chat(client).choices[0].message.content == "fine"
                break
            except openai.RateLimitError:
                assert time.monotonic() < end
                time.sleep(0.05)
        assert parrot.abandoned == 1


def test_failures_of_the_model_quote_nothing(endpoint, parrot):
    with endpoint(no_find) as client:
        parrot.status = 500
        with pytest.raises(openai.InternalServerError, match="status 500") as refused:
            chat(client)
        assert "Strandvik" not in str(refused.value)
        parrot.status, parrot.says, parrot.then = 200, ["Dr. Strandvik"], lambda: None
        with pytest.raises(openai.InternalServerError, match="broke off") as refused:
            chat(client)
        assert "Strandvik" not in str(refused.value)

        def bad() -> str:
            raise ValueError("Dr. Strandvik")

        parrot.then = bad
        with pytest.raises(openai.InternalServerError) as refused:
            chat(client)
        assert "Strandvik" not in str(refused.value)


def test_a_web_page_and_a_bad_body_are_refused(endpoint, parrot):
    parrot.says = ["fine"]
    body = {"model": NAME, "prompt": "x"}
    with endpoint(no_find) as client:
        url = root(client) + "/v1/completions"
        assert httpx2.post(url, json=body).status_code == 200
        assert httpx2.post(url, json=body, headers={"host": "evil.example"}).status_code == 400
        plain = httpx2.post(url, content=b"{}", headers={"content-type": "text/plain"})
        assert plain.status_code == 415
        for wrong in (
            b"",
            b"[]",
            b"{",
            b"[" * 100_000,
            b'{"model": 3, "prompt": "Strandvik"}',
            b'{"model": "parrot", "prompt": ["Strandvik", "b"]}',
            b"\xff",
        ):
            sent = httpx2.post(url, content=wrong, headers={"content-type": "application/json"})
            assert sent.status_code == 400
            assert "Strandvik" not in sent.text
        assert httpx2.get(root(client) + "/v1/other").status_code == 404
        assert httpx2.get(url).status_code == 405


def test_nothing_is_logged(endpoint, parrot, capfd: pytest.CaptureFixture[str]):
    def broken(text: str) -> list[PhiSpan]:
        raise RuntimeError(text)

    parrot.says = list(SAID)
    with endpoint(broken) as client:
        for streamed in (False, True):
            with pytest.raises(openai.APIError):
                list(chat(client, stream=streamed))
        thread = threading.Thread(target=lambda: httpx2.get(root(client) + "/metrics"))
        thread.start()
        thread.join()
    out, err = capfd.readouterr()
    assert not any(secret in out + err for secret in SECRETS)
    assert "Traceback" not in out + err
