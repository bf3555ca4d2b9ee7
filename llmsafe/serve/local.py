"""A model in this process as a source of text: transformers' ``generate``, one thread a request.

It is opened as the audit opens it, so what is served is what was audited. Requests are not batched
together; for many users at once put a server that does so (vLLM, ``transformers serve
--continuous-batching``) behind the guard.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncGenerator
from typing import TYPE_CHECKING, Any

from transformers import StoppingCriteria, TextStreamer

from llmsafe.audit.generation import end_tokens, prompt_tokens
from llmsafe.serve.source import Ask, Done, SourceError

if TYPE_CHECKING:
    import torch

    from llmsafe.audit.target import Target

_NO_TEMPLATE = "\n\n"  # between the messages of a chat, for a model without a chat template


class LocalModel:
    """The model of a :class:`~llmsafe.audit.target.Target`."""

    def __init__(self, target: Target) -> None:
        self._target = target
        self._tokenizer: Any = target.tokenizer
        self._stop = sorted(end_tokens(target.model, target.tokenizer))

    @property
    def name(self) -> str:
        """The name of the run, release or folder."""
        return self._target.name

    def context_of(self, ask: Ask) -> str:
        """The prompt, or the chat as the model reads it."""
        if isinstance(ask.prompt, str):
            return ask.prompt
        messages = [{"role": m.role, "content": m.content} for m in ask.prompt]
        if self._tokenizer.chat_template is None:
            return _NO_TEMPLATE.join(m["content"] for m in messages) + _NO_TEMPLATE
        try:
            return self._tokenizer.apply_chat_template(
                messages, tokenize=False, add_generation_prompt=True
            )
        except Exception as error:  # a template may refuse a role, an order, anything
            raise SourceError(
                400, f"the model's chat template refuses these messages ({type(error).__name__})"
            ) from None

    async def stream(self, ask: Ask) -> AsyncGenerator[str | Done, None]:
        """The text as it is made; the thread ends with the generator.

        Raises:
            SourceError: prompt and ``max_tokens`` are more than the context, or generation fails.
        """
        ids = await asyncio.to_thread(self._tokens, ask)
        room = self._target.context - len(ids)
        if room < ask.max_tokens:
            raise SourceError(
                400,
                f"{len(ids)} tokens of prompt and {ask.max_tokens} to come are more than the "
                f"model's context of {self._target.context}; shorten one of the two",
            )
        pieces = _Pieces(self._tokenizer, asyncio.get_running_loop())
        cancelled = threading.Event()
        thread = threading.Thread(
            target=self._generate, args=(ids, ask, pieces, cancelled), daemon=True
        )
        thread.start()
        try:
            while isinstance(piece := await pieces.queue.get(), str):
                yield piece
            if isinstance(piece, BaseException):
                raise SourceError(500, f"generation failed ({type(piece).__name__})") from None
            yield Done(piece.finish, len(ids), piece.completion_tokens)
        finally:
            cancelled.set()

    async def close(self) -> None:
        """Nothing is held but memory."""

    def _tokens(self, ask: Ask) -> list[int]:
        text = self.context_of(ask)
        if isinstance(ask.prompt, str) or self._tokenizer.chat_template is None:
            return prompt_tokens(self._target.tokenizer, text)
        return list(self._tokenizer(text, add_special_tokens=False)["input_ids"])

    def _generate(
        self, ids: list[int], ask: Ask, pieces: _Pieces, cancelled: threading.Event
    ) -> None:
        import torch

        sampling: dict[str, Any] = {"do_sample": False}
        if ask.temperature > 0:
            sampling = {"do_sample": True, "temperature": ask.temperature, "top_p": ask.top_p}
            sampling["top_k"] = 0
        rows = torch.tensor([ids], device=self._target.device)
        model: Any = self._target.model
        try:
            made = model.generate(
                input_ids=rows,
                attention_mask=torch.ones_like(rows),
                max_new_tokens=ask.max_tokens,
                eos_token_id=self._stop or None,
                pad_token_id=self._tokenizer.pad_token_id or 0,
                streamer=pieces,
                stopping_criteria=[_Cancelled(cancelled)],
                **sampling,
            )
            new = made[0, len(ids) :].tolist()
            ended = bool(new) and new[-1] in self._stop
            pieces.put(Done("stop" if ended else "length", len(ids), len(new)))
        except BaseException as error:  # whatever ends the thread must end the response
            pieces.put(error)


class _Pieces(TextStreamer):
    """Hands text over from the thread of ``generate`` to the event loop."""

    def __init__(self, tokenizer: Any, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(tokenizer, skip_prompt=True, skip_special_tokens=True)
        self.queue: asyncio.Queue[str | Done | BaseException] = asyncio.Queue()
        self._loop = loop

    def put(self, value: Any) -> None:
        """Tokens from ``generate``, or what ends the text."""
        if isinstance(value, (Done, BaseException)):
            self._send(value)
            return
        super().put(value)

    def on_finalized_text(self, text: str, stream_end: bool = False) -> None:
        """Text that no later token changes."""
        if text:
            self._send(text)

    def _send(self, value: str | Done | BaseException) -> None:
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self.queue.put_nowait, value)


class _Cancelled(StoppingCriteria):
    def __init__(self, event: threading.Event) -> None:
        self._event = event

    def __call__(self, input_ids: Any, scores: Any, **kwargs: Any) -> torch.BoolTensor:
        import torch

        rows = input_ids.shape[0]
        stop: Any = torch.full((rows,), self._event.is_set(), device=input_ids.device)
        return stop
