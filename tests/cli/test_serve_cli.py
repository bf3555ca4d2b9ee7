"""``llmsafe serve``: what it refuses, and what it makes besides serving."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys

import httpx2
import pytest
from typer.testing import CliRunner

from llmsafe.artifacts import TripwireFile
from llmsafe.canary import make_canaries
from llmsafe.canary.draw import make_manifest
from llmsafe.cli.main import app
from llmsafe.cli.serve import serve
from llmsafe.errors import InputError
from llmsafe.serve.access import Access, load_keys


def call(*arguments: str):
    return CliRunner().invoke(app, ["serve", *arguments])


def test_a_new_key_is_the_only_thing_on_stdout(tmp_path):
    done = call("--keys", str(tmp_path / "keys.json"), "--new-key")
    key = done.stdout.strip()
    assert re.fullmatch(r"llmsafe-[\w-]{43}", key)
    assert Access(load_keys(tmp_path / "keys.json"), 60).client(f"Bearer {key}")


def test_canaries_are_hashed_for_a_server_without_the_vault(tmp_path):
    canaries = make_canaries(count=30, kind={"phi": 20, "diagnosis": 10}, seed=2)
    made = make_manifest(
        canaries, kind="phi+diagnosis", seed=2, probability=0.5, lang="en", corpus_digest="none"
    )
    made.save(tmp_path / "canaries.json")
    wires = tmp_path / "wires.json"
    done = call("--canaries", str(tmp_path / "canaries.json"), "--hash-canaries", str(wires))
    assert done.exit_code == 0
    written = TripwireFile.load(wires)
    assert sum(map(len, written.digests.values())) + written.left_out == sum(
        canary.planted for canary in canaries
    )
    assert written.left_out > 0
    again = call("--canaries", str(tmp_path / "canaries.json"), "--hash-canaries", str(wires))
    assert isinstance(again.exception, InputError)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "--upstream"),
        (["model", "--upstream", "http://127.0.0.1:1"], "--upstream"),
        (["model", "--guard", "off"], "mask or block"),
        (["model", "--on-canary", "smile"], "unhealthy or stop"),
        (["model", "--host", "0.0.0.0"], "--new-key"),
        (["--upstream", "http://127.0.0.1:1", "--signed-by", "x"], "--signed-by"),
        (["--new-key"], "--keys"),
        (["--hash-canaries", "x"], "--canaries"),
    ],
)
def test_what_cannot_be_served_is_refused_at_once(arguments, message):
    done = call(*arguments)
    assert isinstance(done.exception, InputError)
    assert message in str(done.exception)


def test_the_verb_serves_until_it_is_told_to_stop():
    """The whole verb as a process: the embedded model, the real engine, SIGTERM."""
    command = [sys.executable, "-m", "llmsafe", "serve", "llmsafe:base-en", "--port", "0"]
    process = subprocess.Popen(
        command, stderr=subprocess.PIPE, text=True, env=os.environ | {"OMP_NUM_THREADS": "1"}
    )
    try:
        url = None
        for line in process.stderr:
            if found := re.search(r"at (http://127.0.0.1:\d+)/v1", line):
                url = found[1]
                break
        assert url is not None
        body = {
            "model": "llmsafe:base-en",
            "prompt": "Patient: Alice Okafor. Seen by Dr. Peter Strandvik. Patient:",
            "max_tokens": 20,
        }
        for _ in range(50):
            try:
                answer = httpx2.post(url + "/v1/completions", json=body, timeout=60)
                break
            except httpx2.ConnectError:
                continue
        assert answer.status_code == 200
        assert answer.json()["usage"]["completion_tokens"] > 0
        process.send_signal(signal.SIGTERM)
        rest = process.stderr.read()
        assert process.wait(30) in (-signal.SIGTERM, 0)
        assert "Okafor" not in rest
        assert "Traceback" not in rest
    finally:
        process.kill()


def test_examples_are_in_the_help():
    assert "llmsafe serve runs/dp_lora" in (serve.__doc__ or "")
