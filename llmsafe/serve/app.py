"""OpenAI's routes around an :class:`~llmsafe.serve.endpoint.Endpoint`: keys, limits, events."""

from __future__ import annotations

import math
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing, asynccontextmanager

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from llmsafe.serve.access import Access
from llmsafe.serve.endpoint import Endpoint, Over
from llmsafe.serve.protocol import DONE, Body, Refused, Reply, error_event, read_body


def build_app(
    endpoint: Endpoint,
    access: Access,
    *,
    hosts: Sequence[str] = ("*",),
    at_end: Callable[[], None] = lambda: None,
) -> ASGIApp:
    """The ASGI application; ``at_end`` is called when it is shut down.

    ``hosts`` are the names under which it may be called: on a loopback address they keep a web
    page in somebody's browser from reaching it under a name of its own (DNS rebinding).
    """

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncGenerator[None, None]:
        yield
        await endpoint.source.close()
        at_end()

    routes = _Routes(endpoint, access)
    app = Starlette(
        routes=[
            Route("/v1/models", routes.models),
            Route("/v1/completions", routes.completions, methods=["POST"]),
            Route("/v1/chat/completions", routes.chat, methods=["POST"]),
            Route("/health", routes.health),
            Route("/metrics", routes.metrics),
        ],
        middleware=[Middleware(TrustedHostMiddleware, allowed_hosts=list(hosts))],
        exception_handlers={Refused: routes.refuse, Exception: routes.fail},
        lifespan=lifespan,
    )
    return _Silent(app)


class _Routes:
    def __init__(self, endpoint: Endpoint, access: Access) -> None:
        self._endpoint, self._access = endpoint, access

    async def models(self, request: Request) -> Response:
        self._client(request)
        name = self._endpoint.source.name
        model = {"id": name, "object": "model", "created": 0, "owned_by": "llmsafe"}
        return JSONResponse({"object": "list", "data": [model]})

    async def completions(self, request: Request) -> Response:
        return await self._answer(request, chat=False)

    async def chat(self, request: Request) -> Response:
        return await self._answer(request, chat=True)

    async def health(self, request: Request) -> Response:
        healthy = self._endpoint.healthy
        body = {"status": "ok" if healthy else "stopped"}
        return JSONResponse(body, status_code=200 if healthy else 503)

    async def metrics(self, request: Request) -> Response:
        self._client(request)
        return Response(self._endpoint.metrics.text(), media_type="text/plain; version=0.0.4")

    def refuse(self, request: Request, error: Exception) -> Response:
        assert isinstance(error, Refused)
        self._endpoint.metrics.refused.labels(str(error.status)).inc()
        headers = {"retry-after": str(math.ceil(error.wait))} if error.wait else None
        return JSONResponse(error.body(), status_code=error.status, headers=headers)

    def fail(self, request: Request, error: Exception) -> Response:
        """What nobody foresaw: its kind is counted, its text (it may be PHI) is not looked at."""
        self._endpoint.metrics.errors.labels(type(error).__name__).inc()
        return JSONResponse(Refused(500, "internal error").body(), status_code=500)

    def _client(self, request: Request) -> str:
        client = self._access.client(request.headers.get("authorization", ""))
        if client is None:
            raise Refused(401, "the API key is missing or not known", code="invalid_api_key")
        return client

    async def _body(self, request: Request, *, chat: bool) -> Body:
        # A web page can send any other type to a loopback address without asking first.
        if request.headers.get("content-type", "").partition(";")[0].strip() != "application/json":
            raise Refused(415, "send application/json")
        raw = b""
        most = self._endpoint.limits.bytes
        try:
            async for block in request.stream():
                raw += block
                if len(raw) > most:
                    raise Refused(413, f"the request is over {most} bytes; send less")
        except ClientDisconnect:
            raise Refused(400, "the client is gone") from None
        return read_body(raw, chat=chat)

    async def _answer(self, request: Request, *, chat: bool) -> Response:
        client = self._client(request)
        if wait := self._access.wait(client):
            raise Refused(429, "this client's rate limit is reached", wait=wait)
        body = await self._body(request, chat=chat)
        name = self._endpoint.source.name
        if body.model != name:
            raise Refused(404, f"the one model here is {name}", code="model_not_found")
        ask = body.ask(self._endpoint.limits.tokens)
        reply = Reply(name, chat=chat)
        pieces = self._endpoint.answer(ask, streamed=body.stream)
        # Up to the first piece of text a refusal still has its status.
        first = await anext(pieces)
        if not body.stream:
            async with aclosing(pieces):
                text = first if isinstance(first, str) else ""
                over = first if isinstance(first, Over) else await anext(pieces)
                assert isinstance(over, Over)
            return JSONResponse(reply.whole(text, over.finish, over.usage))
        wanted = body.stream_options is not None and body.stream_options.include_usage
        events = self._events(first, pieces, reply, usage=wanted)
        return StreamingResponse(
            events, media_type="text/event-stream", headers={"cache-control": "no-store"}
        )

    async def _events(
        self,
        piece: str | Over,
        rest: AsyncGenerator[str | Over, None],
        reply: Reply,
        *,
        usage: bool,
    ) -> AsyncGenerator[bytes, None]:
        """The events of a stream. Its status is sent, so what fails now becomes an event too."""
        async with aclosing(rest):
            try:
                yield reply.start()
                while isinstance(piece, str):
                    yield reply.piece(piece)
                    piece = await anext(rest)
                yield reply.piece("", finish=piece.finish)
                if usage:
                    yield reply.usage(piece.usage)
                yield DONE
            except Refused as error:
                self._endpoint.metrics.refused.labels(str(error.status)).inc()
                yield error_event(error)
            except Exception as error:
                self._endpoint.metrics.errors.labels(type(error).__name__).inc()
                yield error_event(Refused(500, "internal error"))


class _Silent:
    """The application, whose errors end here: a server would log them with their text.

    The error has its answer and is counted by then.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await self._app(scope, receive, send)
        except Exception:
            if scope["type"] == "lifespan":
                raise
