"""One model behind one guard: a request in, text that the guard let out, and counts."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass
from typing import Literal, get_args

from llmsafe.errors import InputError
from llmsafe.serve.ends import StopStrings
from llmsafe.serve.guard import WHOLE, Find, Guard, Mode
from llmsafe.serve.metrics import Metrics
from llmsafe.serve.protocol import Refused
from llmsafe.serve.source import Ask, Done, Source, SourceError
from llmsafe.serve.tripwires import Tripwires

OnCanary = Literal["unhealthy", "stop"]
ON_CANARY: tuple[OnCanary, ...] = get_args(OnCanary)


@dataclass(frozen=True)
class Limits:
    """``tokens`` of a response, ``bytes`` of a request, generations ``concurrent``, ``seconds``."""

    tokens: int = 1024
    bytes: int = 1 << 20
    concurrent: int = 4
    seconds: float = 600.0


@dataclass(frozen=True)
class Policy:
    """What the guard does; ``on_canary`` ``unhealthy`` answers nothing more once one came out."""

    mode: Mode = "mask"
    tripwires: Tripwires | None = None
    on_canary: OnCanary = "unhealthy"


@dataclass(frozen=True)
class Over:
    """The end of a response; ``content_filter`` where the guard ended it."""

    finish: Literal["stop", "length", "content_filter"]
    usage: dict[str, int]


class Endpoint:
    """Answers requests; everything that leaves went through a :class:`Guard` of its own.

    ``find`` ``None`` is for measuring what the guard costs, and for nothing else.
    """

    def __init__(
        self,
        source: Source,
        find: Find | None,
        *,
        policy: Policy | None = None,
        limits: Limits | None = None,
    ) -> None:
        self.source, self.limits = source, limits or Limits()
        self.metrics = Metrics()
        self._find, self._policy = find, policy or Policy()
        self._running = 0
        self._canary_came_out = False

    @property
    def healthy(self) -> bool:
        """Whether the next request would be answered."""
        return not (self._canary_came_out and self._policy.on_canary == "unhealthy")

    async def answer(self, ask: Ask, *, streamed: bool) -> AsyncGenerator[str | Over, None]:
        """The guarded text in pieces (in one if it is not ``streamed``), then :class:`Over`.

        Raises:
            Refused: too many generations run, a canary came out earlier, the model's source or the
                guard fails, or it took too long. None of the texts it raises quotes a text.
        """
        if not self.healthy:
            raise Refused(503, "this service was stopped; ask its operator", code="stopped")
        if self._running >= self.limits.concurrent:
            raise Refused(429, f"{self._running} generations are running; try again", wait=1.0)
        self._running += 1  # nothing was awaited since it was looked at
        self.metrics.running.set(self._running)
        begun = time.monotonic()
        end = "cancelled"
        try:
            async for piece in self._generate(ask, streamed=streamed):
                if isinstance(piece, Over):
                    end = piece.finish
                yield piece
        except SourceError as error:
            end = "source_failed" if error.status >= 500 else "refused"
            raise Refused(error.status, str(error)) from None
        except Refused:
            end = "guard_failed"
            raise
        finally:
            self._running -= 1
            self.metrics.running.set(self._running)
            self.metrics.responses.labels(end).inc()
            self.metrics.seconds.observe(time.monotonic() - begun)

    async def _generate(self, ask: Ask, *, streamed: bool) -> AsyncGenerator[str | Over, None]:
        context = await asyncio.to_thread(self.source.context_of, ask)
        # Searched as a whole at its end no text would ever reach a stop string before that.
        guard = self._guard(context, streamed=streamed or bool(ask.stop))
        stop = StopStrings(ask.stop)
        held: list[str] = []
        done: Done | None = None
        try:
            async with (
                aclosing(self.source.stream(ask)) as pieces,
                aclosing(_in_time(pieces, self.limits.seconds)) as timely,
            ):
                async for piece in timely:
                    if isinstance(piece, Done):
                        done = piece
                        break
                    text = await asyncio.to_thread(guard.feed, piece) if guard else piece
                    text = stop.feed(text)
                    if streamed and text:
                        yield text
                    else:
                        held.append(text)
                    if stop.found or (guard and guard.ended):
                        break
            if guard and not stop.found:
                cut_off = done is not None and done.finish == "length"
                text = await asyncio.to_thread(guard.finish, cut_off=cut_off)
                held.append(stop.feed(text))
            held.append(stop.finish())
        finally:
            if guard:
                self._count(guard)
        if guard and guard.ended == "failed":
            raise Refused(503, "the output guard failed, so nothing is sent", code="guard_failed")
        filtered = guard is not None and guard.ended is not None
        if done is None and not (filtered or stop.found):
            raise SourceError(502, "the model broke off")
        if text := "".join(held):
            yield text
        usage = _usage(done)
        self.metrics.tokens.inc(usage["completion_tokens"])
        if filtered:
            yield Over("content_filter", usage)
        else:
            yield Over("stop" if stop.found or done is None else done.finish, usage)

    def _guard(self, context: str, *, streamed: bool) -> Guard | None:
        if self._find is None:
            return None
        return Guard(
            self._find,
            mode=self._policy.mode,
            tripwires=self._policy.tripwires,
            context=context,
            reach=None if streamed else WHOLE,
        )

    def _count(self, guard: Guard) -> None:
        for category, count in guard.masked.items():
            self.metrics.phi.labels(category).inc(count)
        self.metrics.late.inc(guard.late)
        if guard.ended == "canary":
            self._canary_came_out = True
            self.metrics.canaries.inc()
        if guard.ended == "failed":
            self.metrics.guard_failures.labels(guard.failure).inc()


async def _in_time(
    pieces: AsyncGenerator[str | Done, None], seconds: float
) -> AsyncGenerator[str | Done, None]:
    """The pieces, until ``seconds`` are over, even while one is waited for."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            piece = await asyncio.wait_for(anext(pieces), deadline - time.monotonic())
        except StopAsyncIteration:
            return
        except asyncio.TimeoutError:
            raise SourceError(504, "the response took too long") from None
        yield piece


def check_on_canary(name: str) -> OnCanary:
    """The policy of that name.

    Raises:
        InputError: there is none; the message names those there are.
    """
    for policy in ON_CANARY:
        if name == policy:
            return policy
    raise InputError(f"--on-canary {name!r} is unknown; choose {' or '.join(ON_CANARY)}")


def _usage(done: Done | None) -> dict[str, int]:
    """Tokens in OpenAI's form; 0 where nobody counted."""
    prompt = (done.prompt_tokens if done else None) or 0
    made = (done.completion_tokens if done else None) or 0
    return {"prompt_tokens": prompt, "completion_tokens": made, "total_tokens": prompt + made}
