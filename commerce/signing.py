"""The signature on what we send to the bank's core and to partners: HMAC-SHA256 over time, event id and body.

Headers: `Tellercast-Event` the event's id, `Tellercast-Time` Unix seconds, `Tellercast-Signature` `v1=` and hex; while a
secret is being changed one such signature for each, separated by a comma. The signed text is `{time}.{event}.` and the raw
body. A receiver refuses what is older than five minutes and dedupes by event id. For receivers' developers: docs/webhooks.md.
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


def sign(secret: bytes, event: str, unix_s: int, body: bytes, *also: bytes) -> dict[str, str]:
    """The three headers for a body; `also` are further secrets that hold at the moment."""
    signatures = (f"v1={_mac(one, event, unix_s, body)}" for one in (secret, *also))
    return {EVENT: event, TIME: str(unix_s), SIGNATURE: ",".join(signatures)}


def verify(secret: bytes, headers: Mapping[str, str], body: bytes, now_s: float) -> str | None:
    """The event's id when one of the signatures is right and fresh, None otherwise."""
    event, time, signature = headers.get(EVENT, ""), headers.get(TIME, ""), headers.get(SIGNATURE, "")
    if not (event and time.isascii() and time.isdigit()) or abs(now_s - int(time)) > MAX_AGE_S:
        return None
    wanted = f"v1={_mac(secret, event, int(time), body)}".encode()
    right = [hmac.compare_digest(wanted, one.strip().encode()) for one in signature.split(",")]
    return event if any(right) else None


def _mac(secret: bytes, event: str, unix_s: int, body: bytes) -> str:
    return hmac.new(secret, f"{unix_s}.{event}.".encode() + body, hashlib.sha256).hexdigest()
