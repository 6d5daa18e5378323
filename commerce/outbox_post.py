"""One signed POST of an event, and what came back; bounded in time and size, and never anywhere else than it was sent to."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any, Final

import aiohttp

from commerce import signing
from commerce.webhook_guard import PrivateAddress
from core.canonical import canonical

_MAX_ANSWER: Final = 64 * 1024
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_AGAIN: Final = frozenset({HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_EARLY, HTTPStatus.TOO_MANY_REQUESTS})


@dataclass(frozen=True, slots=True)
class Address:
    """Where events go and what signs them; several secrets while one is being changed, the newest first."""

    url: str
    secrets: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class Reply:
    """What came back. `status` is None when no whole answer did; `error` says why, or is "". `refused`: we don't send there."""

    status: int | None = None
    body: bytes = b""
    error: str = ""
    retry_after_s: float = 0.0
    refused: bool = False

    @property
    def away(self) -> bool:
        """Whether it says that the receiver can take nothing now, rather than something about this one event."""
        return self.status is None or self.status == HTTPStatus.TOO_MANY_REQUESTS or self.fails

    @property
    def fails(self) -> bool:
        """Whether the receiver itself failed."""
        return self.status is not None and self.status >= HTTPStatus.INTERNAL_SERVER_ERROR

    @property
    def may_change(self) -> bool:
        """Whether the same event may be answered otherwise later on."""
        return not self.refused and (self.status is None or self.status in _AGAIN or self.fails)


async def post(
    http: aiohttp.ClientSession, address: Address, event_id: str, payload: dict[str, Any], now: datetime, timeout_s: float
) -> Reply:
    """Send it. Redirects are not followed, cookies not kept, and of an answer at most 64 KiB is read."""
    body = canonical(payload)
    first, *others = address.secrets
    unix_s = int((now - _EPOCH).total_seconds())
    headers = {"Content-Type": "application/json", **signing.sign(first, event_id, unix_s, body, *others)}
    try:
        async with http.post(
            address.url,
            data=body,
            headers=headers,
            timeout=aiohttp.ClientTimeout(total=timeout_s),
            allow_redirects=False,
        ) as response:
            answer = await _read(response)
            return Reply(response.status, answer, retry_after_s=_retry_after(response.headers.get("Retry-After", "")))
    except TimeoutError:
        return Reply(error=f"no answer within {timeout_s} s")
    except (aiohttp.ClientError, OSError, ValueError) as error:  # UnicodeError among them: a name that the resolver can't read
        if isinstance(error, aiohttp.ClientConnectorError) and isinstance(error.os_error, PrivateAddress):
            return Reply(error=str(error.os_error.strerror), refused=True)
        return Reply(error=f"{type(error).__name__}: {error}")


async def _read(response: aiohttp.ClientResponse) -> bytes:
    answer = b""
    while len(answer) < _MAX_ANSWER and (chunk := await response.content.read(_MAX_ANSWER - len(answer))):
        answer += chunk
    return answer


def _retry_after(text: str) -> float:
    """RFC 9110, 10.2.3, in seconds; the date form is not worth its trouble, our own pauses do."""
    return float(text) if text.isascii() and text.isdigit() and len(text) < 10 else 0.0  # noqa: PLR2004 - digits
