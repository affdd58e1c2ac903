"""Repeats a request once if its replica died.

Ray Serve answers such a request with 500. Its HTTP proxy runs `middlewares` when it starts with
`RAY_SERVE_HTTP_PROXY_CALLBACK_IMPORT_PATH=retry:middlewares`, and this folder in `PYTHONPATH`.
A classification changes nothing, so it may be computed twice.
"""

from starlette.middleware import Middleware

LARGEST_KEPT = 4_000_000  # bytes of a body that is kept for a second try


class RetryOnce:
    """Calls the proxy a second time if it gave no answer, and then answers 503."""

    def __init__(self, app):
        self.app = app

    async def __call__(self, scope, receive, send):
        """Handles one connection, by ASGI's protocol."""
        if scope["type"] != "http":
            return await self.app(scope, receive, send)
        exchange = _Exchange(receive, send)
        await self.app(dict(scope), exchange.receive, exchange.send)
        if exchange.may_be_repeated:
            await self.app(dict(scope), exchange.receive_again, exchange.send)
        if not exchange.answered:
            await _send_unavailable(exchange.send)


class _Exchange:
    """One request: the received messages, and whether an answer has begun."""

    def __init__(self, receive, send):
        self._receive, self._send = receive, send
        self._kept, self._size = [], 0
        self.answered = False

    @property
    def may_be_repeated(self) -> bool:
        """Whether there is no answer, the client is still there, and its body was kept."""
        gone = any(message["type"] == "http.disconnect" for message in self._kept)
        return not self.answered and not gone and self._size <= LARGEST_KEPT

    async def receive(self):
        message = await self._receive()
        self._size += len(message.get("body", b""))
        if self._size <= LARGEST_KEPT:
            self._kept.append(message)
        return message

    async def receive_again(self):
        return self._kept.pop(0) if self._kept else await self._receive()

    async def send(self, message):
        self.answered = True
        await self._send(message)


async def _send_unavailable(send) -> None:
    body = b'{"detail": "The server was interrupted. Send the request again."}'
    headers = [(b"content-type", b"application/json"), (b"retry-after", b"1")]
    await send({"type": "http.response.start", "status": 503, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def middlewares() -> list[Middleware]:
    """The middlewares of Ray Serve's HTTP proxy, which calls this when it starts."""
    return [Middleware(RetryOnce)]
