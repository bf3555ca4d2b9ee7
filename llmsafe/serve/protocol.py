"""OpenAI's wire format, as far as it is spoken here: requests in, responses and events out.

What could carry text past the guard (log-probabilities, tools) or is not done (several choices)
is refused by name rather than left out in silence.
"""

from __future__ import annotations

import json
import secrets
import time
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from llmsafe.serve.source import Ask, Message

_REFUSED = (
    "logprobs", "top_logprobs", "prompt_logprobs", "echo", "suffix", "tools", "tool_choice",
    "functions", "function_call", "response_format", "logit_bias", "seed", "presence_penalty",
    "frequency_penalty", "audio", "modalities", "prediction",
)  # fmt: skip
_HARMLESS = (None, False, 0, [], {}, "", "none", ["text"], {"type": "text"})


class Refused(Exception):
    """A request is not, or no longer, answered: what the client is told, which quotes nothing.

    ``wait``: seconds after which it may be tried again.
    """

    def __init__(
        self, status: int, message: str, *, code: str | None = None, wait: float = 0.0
    ) -> None:
        super().__init__(message)
        self.status, self.code, self.wait = status, code, wait

    def body(self) -> dict[str, Any]:
        """OpenAI's form of an error."""
        kind = "invalid_request_error" if self.status < 500 else "server_error"
        return {"error": {"message": str(self), "type": kind, "param": None, "code": self.code}}


class _Lenient(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)


class _Part(_Lenient):
    type: Literal["text"]
    text: str


class _ChatMessage(_Lenient):
    role: str = Field(max_length=32)
    content: str | list[_Part]

    def plain(self) -> Message:
        if isinstance(self.content, str):
            return Message(self.role, self.content)
        return Message(self.role, "\n".join(part.text for part in self.content))


class _StreamOptions(_Lenient):
    include_usage: bool = False


_Prompt = str | Annotated[list[str], Field(min_length=1, max_length=1)]
_Stop = str | Annotated[list[str], Field(max_length=4)] | None


class Body(_Lenient):
    """What both kinds of request share."""

    model: str
    stream: bool = False
    stream_options: _StreamOptions | None = None
    max_tokens: int | None = Field(default=None, ge=1)
    max_completion_tokens: int | None = Field(default=None, ge=1)
    temperature: float | None = Field(default=None, ge=0, le=2)
    top_p: float | None = Field(default=None, gt=0, le=1)
    stop: _Stop = None
    n: int | None = None
    best_of: int | None = None

    def ask(self, most: int) -> Ask:
        """The request in our own words; at most ``most`` tokens.

        Raises:
            Refused: it asks for more.
        """
        wanted = self.max_completion_tokens or self.max_tokens or most
        if wanted > most:
            raise Refused(400, f"max_tokens {wanted} is over the limit of {most}; ask for less")
        if (self.n or 1) != 1 or (self.best_of or 1) != 1:
            raise Refused(400, "only one choice is made of a prompt; set n=1")
        stop = (self.stop,) if isinstance(self.stop, str) else tuple(self.stop or ())
        return Ask(
            prompt=self.about(),
            max_tokens=wanted,
            temperature=1.0 if self.temperature is None else self.temperature,
            top_p=1.0 if self.top_p is None else self.top_p,
            stop=stop,
        )

    def about(self) -> str | tuple[Message, ...]:
        """The prompt or the messages."""
        raise NotImplementedError


class CompletionBody(Body):
    """``POST /v1/completions``."""

    prompt: _Prompt

    def about(self) -> str:
        """The one prompt."""
        return self.prompt if isinstance(self.prompt, str) else self.prompt[0]


class ChatBody(Body):
    """``POST /v1/chat/completions``."""

    messages: list[_ChatMessage] = Field(min_length=1)

    def about(self) -> tuple[Message, ...]:
        """The messages, each as one text."""
        return tuple(message.plain() for message in self.messages)


def read_body(raw: bytes, *, chat: bool) -> Body:
    """A request from its bytes.

    Raises:
        Refused: it is no JSON object, lacks something, or asks for what is not done here.
    """
    try:
        fields: Any = json.loads(raw)
        fields = dict(fields)
        refused = [name for name in _REFUSED if fields.get(name) not in _HARMLESS]
        body = (ChatBody if chat else CompletionBody).model_validate(fields)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        # Names of fields are the client's own where they are wrong: only ours are repeated.
        where = str(first["loc"][0]) if first["loc"] else "the request"
        raise Refused(400, f"{where}: {first['msg']}") from None
    except (ValueError, TypeError, RecursionError):
        raise Refused(400, "the body is no JSON object; send one, in UTF-8") from None
    if refused:
        names = ", ".join(refused)
        raise Refused(400, f"{names}: not offered behind an output guard; leave it out")
    return body


class Reply:
    """The responses and events of one request."""

    def __init__(self, model: str, *, chat: bool) -> None:
        kind = "chatcmpl-" if chat else "cmpl-"
        self._chat = chat
        self._head = {
            "id": kind + secrets.token_hex(12),
            "created": int(time.time()),
            "model": model,
        }

    def whole(self, text: str, finish: str, usage: dict[str, int]) -> dict[str, Any]:
        """The response that is not streamed."""
        if self._chat:
            said = {"message": {"role": "assistant", "content": text}}
            kind = "chat.completion"
        else:
            said, kind = {"text": text}, "text_completion"
        choice = {"index": 0, "finish_reason": finish, "logprobs": None, **said}
        return {**self._head, "object": kind, "choices": [choice], "usage": usage}

    def start(self) -> bytes:
        """The first event of a stream: who speaks."""
        said: dict[str, Any] = {"role": "assistant", "content": ""} if self._chat else {}
        return self._event(said, None)

    def piece(self, text: str, *, finish: str | None = None) -> bytes:
        """An event with the next text, or with the reason for the end."""
        return self._event({"content": text} if text or not self._chat else {}, finish)

    def usage(self, usage: dict[str, int]) -> bytes:
        """The event that a client may ask for: tokens, and no text."""
        kind = "chat.completion.chunk" if self._chat else "text_completion"
        return event({**self._head, "object": kind, "choices": [], "usage": usage})

    def _event(self, said: dict[str, Any], finish: str | None) -> bytes:
        choice: dict[str, Any] = {"index": 0, "finish_reason": finish, "logprobs": None}
        if self._chat:
            choice["delta"], kind = said, "chat.completion.chunk"
        else:
            choice["text"], kind = said.get("content", ""), "text_completion"
        return event({**self._head, "object": kind, "choices": [choice]})


DONE = b"data: [DONE]\n\n"


def event(data: dict[str, Any]) -> bytes:
    """A server-sent event."""
    return b"data: " + json.dumps(data, ensure_ascii=False).encode() + b"\n\n"


def error_event(error: Refused) -> bytes:
    """The event that ends a stream that failed."""
    return event(error.body())
