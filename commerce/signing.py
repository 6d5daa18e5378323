"""The signature on what passes between us and the bank's core: HMAC-SHA256 over time, event id and body.

Headers: `Tellercast-Event` the event's id, `Tellercast-Time` Unix seconds, `Tellercast-Signature` `v1=` and hex. The signed
text is `{time}.{event}.` and the raw body. A receiver refuses what is older than five minutes and dedupes by event id.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from typing import Final

EVENT: Final = "Tellercast-Event"
TIME: Final = "Tellercast-Time"
SIGNATURE: Final = "Tellercast-Signature"
MAX_AGE_S: Final = 300


def sign(secret: bytes, event: str, unix_s: int, body: bytes) -> dict[str, str]:
    """The three headers for a body."""
    return {EVENT: event, TIME: str(unix_s), SIGNATURE: f"v1={_mac(secret, event, unix_s, body)}"}


def verify(secret: bytes, headers: Mapping[str, str], body: bytes, now_s: float) -> str | None:
    """The event's id when the signature is right and fresh, None otherwise."""
    event, time, signature = headers.get(EVENT, ""), headers.get(TIME, ""), headers.get(SIGNATURE, "")
    if not (event and time.isascii() and time.isdigit()) or abs(now_s - int(time)) > MAX_AGE_S:
        return None
    wanted = f"v1={_mac(secret, event, int(time), body)}"
    return event if hmac.compare_digest(wanted.encode(), signature.encode()) else None


def _mac(secret: bytes, event: str, unix_s: int, body: bytes) -> str:
    return hmac.new(secret, f"{unix_s}.{event}.".encode() + body, hashlib.sha256).hexdigest()
