"""A real server on loopback, a server of another make behind it, and the scrubber's own engine."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager

import pytest
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route
from starlette.types import ASGIApp

from llmsafe.serve.finders import Finders
from llmsafe.serve.server import bind

NAME = "parrot"
"""What the parrot calls its model."""


@contextmanager
def serving(app: ASGIApp) -> Iterator[str]:
    """The address of ``app`` on a real uvicorn, until the block ends."""
    listening = bind("127.0.0.1", 0)
    config = uvicorn.Config(app, log_level="warning", access_log=False, timeout_graceful_shutdown=2)
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    try:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(10)


class Parrot:
    """An OpenAI-compatible server, written here, whose model says ``says`` in the pieces it is
    given; it remembers the bodies that it was sent."""

    def __init__(self) -> None:
        self.says: Sequence[str] = ()
        self.then: Callable[[], str | None] = lambda: "stop"  # the reason for the end
        self.status = 200
        self.pause = 0.0
        self.asked: list[dict[str, object]] = []
        self.abandoned = 0

    def app(self) -> ASGIApp:
        routes = [
            Route("/v1/models", self._models),
            Route("/v1/completions", self._answer, methods=["POST"]),
            Route("/v1/chat/completions", self._answer, methods=["POST"]),
        ]
        return Starlette(routes=routes)

    async def _models(self, request: Request) -> Response:
        return JSONResponse({"object": "list", "data": [{"id": NAME}]})

    async def _answer(self, request: Request) -> Response:
        self.asked.append(await request.json())
        if self.status != 200:
            return JSONResponse({"error": "Dr. Strandvik is not to be told"}, self.status)
        chat = "chat" in request.url.path
        return StreamingResponse(self._events(chat), media_type="text/event-stream")

    async def _events(self, chat: bool):
        def event(choices: list[object], **more: object) -> str:
            data = {"id": "x", "choices": choices, **more}
            return f"data: {json.dumps(data, ensure_ascii=False)}\n\n"

        try:
            for piece in self.says:
                said = {"delta": {"content": piece}} if chat else {"text": piece}
                # What a guard must not let by: the text in other places.
                yield event(
                    [{"index": 0, "finish_reason": None, "logprobs": {"tokens": [piece]}} | said]
                )
                if self.pause:
                    await asyncio.sleep(self.pause)
            if (reason := self.then()) is not None:
                end = {"delta": {}} if chat else {"text": ""}
                usage = {"prompt_tokens": 3, "completion_tokens": len(self.says)}
                yield event([{"index": 0, "finish_reason": reason} | end])
                yield event([], usage=usage)
                yield "data: [DONE]\n\n"
        except asyncio.CancelledError:
            self.abandoned += 1
            raise


@pytest.fixture
def parrot() -> Parrot:
    return Parrot()


@pytest.fixture(scope="session")
def serve_app() -> Callable[[ASGIApp], AbstractContextManager[str]]:
    return serving


@pytest.fixture(scope="module")
def finders() -> Iterator[Finders]:
    made = Finders(count=1, seconds=60.0)  # a busy machine is no failure
    made.check()
    yield made
    made.close()
