"""Where text comes from: what every source of text is asked and answers.

There are two: :class:`llmsafe.serve.local.LocalModel`, a model in this process, and
:class:`llmsafe.serve.upstream.Upstream`, any OpenAI-compatible server.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from dataclasses import dataclass
from typing import Literal, Protocol

Finish = Literal["stop", "length"]


@dataclass(frozen=True, repr=False)
class Message:
    """One message of a chat."""

    role: str
    content: str


@dataclass(frozen=True, repr=False)
class Ask:
    """One request: a ``prompt`` to go on from, or the ``messages`` of a chat.

    ``stop`` is for the endpoint: no source looks at it (:mod:`llmsafe.serve.ends`).
    """

    prompt: str | tuple[Message, ...]
    max_tokens: int
    temperature: float = 1.0
    top_p: float = 1.0
    stop: tuple[str, ...] = ()


@dataclass(frozen=True)
class Done:
    """The end of a text: why, and how many tokens it took (``None`` where nobody counted)."""

    finish: Finish
    prompt_tokens: int | None = None
    completion_tokens: int | None = None


class SourceError(Exception):
    """A source cannot answer; ``status`` is the HTTP status. The message quotes no text."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class Source(Protocol):
    """A model that goes on from a text."""

    @property
    def name(self) -> str:
        """What clients call it."""
        ...

    def context_of(self, ask: Ask) -> str:
        """The text that the model goes on from, or its end."""
        ...

    def stream(self, ask: Ask) -> AsyncGenerator[str | Done, None]:
        """The text in pieces, then :class:`Done`. Closing it stops the model.

        Raises:
            SourceError: it cannot answer this.
        """
        ...

    async def close(self) -> None:
        """Give up what it holds."""
        ...
