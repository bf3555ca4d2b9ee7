"""Another OpenAI-compatible server as a source of text: vLLM, ``transformers serve``, any.

Of what it answers only the text and the count of tokens are taken: log-probabilities, tool calls
or hidden reasoning would pass the guard by, and what an error of it says may quote a prompt.
"""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator
from typing import Any
from urllib.parse import urlsplit

import httpx2 as httpx

from llmsafe.errors import SetupError
from llmsafe.serve.server import is_loopback
from llmsafe.serve.source import Ask, Done, SourceError

_LONGEST_LINE = 1 << 20  # a line of an event stream; no token is as long


class Upstream:
    """The model ``name`` at ``url`` (``http://host:port``, with or without ``/v1``)."""

    def __init__(self, url: str, name: str, *, key: str | None, seconds: float = 120.0) -> None:
        self.name = name
        headers = {"authorization": f"Bearer {key}"} if key else {}
        self._client = httpx.AsyncClient(
            base_url=_with_version(url),
            headers=headers,
            timeout=httpx.Timeout(seconds, connect=5.0),
            trust_env=False,  # no proxy that the environment happens to name
        )

    def context_of(self, ask: Ask) -> str:
        """The prompt, or what the messages say, the last one last."""
        if isinstance(ask.prompt, str):
            return ask.prompt
        return "\n".join(message.content for message in ask.prompt) + "\n"

    async def stream(self, ask: Ask) -> AsyncGenerator[str | Done, None]:
        """The text as it comes.

        Raises:
            SourceError: the server cannot be reached, refuses, breaks off or answers nonsense.
        """
        path, body = _request(ask, self.name)
        finish: Any = None
        usage: dict[str, Any] = {}
        try:
            async with self._client.stream("POST", path, json=body) as response:
                if response.status_code != 200:
                    status = response.status_code
                    raise SourceError(502, f"the model's server answers with status {status}")
                async for event in _events(response):
                    text, reason = _text(event)
                    finish = reason or finish
                    usage = event.get("usage") or usage
                    if text:
                        yield text
        except httpx.HTTPError as error:
            raise SourceError(
                502, f"the model's server cannot be reached ({type(error).__name__})"
            ) from None
        except (ValueError, KeyError, TypeError, AttributeError, IndexError) as error:
            raise SourceError(
                502, f"the model's server answers nonsense ({type(error).__name__})"
            ) from None
        if finish is None:
            raise SourceError(502, "the model's server broke off")
        yield Done(
            "length" if finish == "length" else "stop",
            _count(usage.get("prompt_tokens")),
            _count(usage.get("completion_tokens")),
        )

    async def close(self) -> None:
        """Close its connections."""
        await self._client.aclose()


def first_model(url: str, key: str | None) -> str:
    """The first model that a server lists.

    Raises:
        SetupError: it cannot be reached or lists none.
    """
    headers = {"authorization": f"Bearer {key}"} if key else {}
    try:
        with httpx.Client(trust_env=False, timeout=10.0, headers=headers) as client:
            answer = client.get(f"{_with_version(url)}/models").raise_for_status().json()
        return str(answer["data"][0]["id"])
    except (httpx.HTTPError, httpx.InvalidURL, ValueError, LookupError, TypeError) as error:
        raise SetupError(
            f"{url} lists no model ({type(error).__name__}); start it first, or name its model "
            "with --model"
        ) from None


def readable_on_the_way(url: str) -> bool:
    """Whether what is sent there leaves this machine without encryption."""
    parsed = urlsplit(url)
    return parsed.scheme == "http" and not is_loopback(parsed.hostname or "")


def _with_version(url: str) -> str:
    url = url.rstrip("/")
    return url if url.endswith("/v1") else url + "/v1"


def _request(ask: Ask, name: str) -> tuple[str, dict[str, Any]]:
    body: dict[str, Any] = {
        "model": name,
        "max_tokens": ask.max_tokens,
        "temperature": ask.temperature,
        "top_p": ask.top_p,
        "stream": True,
    }
    if isinstance(ask.prompt, str):
        return "/completions", body | {"prompt": ask.prompt}
    messages = [{"role": m.role, "content": m.content} for m in ask.prompt]
    return "/chat/completions", body | {"messages": messages}


async def _events(response: httpx.Response) -> AsyncGenerator[dict[str, Any], None]:
    """The JSON of each ``data:`` line up to ``[DONE]``.

    Not ``aiter_lines``: it also splits at separators that may stand inside a JSON string.
    """
    rest = b""
    async for block in response.aiter_bytes():
        *lines, rest = (rest + block).split(b"\n")
        if len(rest) > _LONGEST_LINE:
            raise SourceError(502, "the model's server sends a line without end")
        for line in lines:
            if not line.startswith(b"data:"):
                continue
            data = line[5:].strip()
            if data == b"[DONE]":
                return
            event = json.loads(data)
            if "error" in event:
                raise SourceError(502, "the model's server reports an error")
            yield event


def _text(event: dict[str, Any]) -> tuple[str, Any]:
    """Text and finish reason of an event; the last one may have usage alone."""
    choices = event["choices"]
    if not choices:
        return "", None
    choice = choices[0]
    text = choice["delta"].get("content") if "delta" in choice else choice.get("text")
    if not isinstance(text, str | None):
        raise TypeError("no text")
    return text or "", choice.get("finish_reason")


def _count(value: Any) -> int | None:
    return value if isinstance(value, int) else None
