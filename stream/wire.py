"""The shapes of the media process's internal API."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec

from stream.offer import MAX_OFFER_BYTES
from stream.quality import Wish

# Session and stream names become parts of archive paths, so they are held to what is harmless there.
Name = Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$")]
Sdp = Annotated[str, msgspec.Meta(min_length=1, max_length=MAX_OFFER_BYTES)]
# Whose the peer is, without telling who: see `Hub.publish`.
Owner = Annotated[str, msgspec.Meta(max_length=128)]
Instant = Annotated[str, msgspec.Meta(min_length=20, max_length=40)]

EXPELLED_AT_ONCE = 500


class PublishIn(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A publisher's offer. `started_at` is the session's start (RFC 3339), media time 0."""

    session: Name
    stream: Name
    started_at: Instant
    sdp: Sdp
    owner: Owner = ""


class SubscribeIn(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A subscriber's offer."""

    session: Name
    stream: Name
    sdp: Sdp
    owner: Owner = ""


class LayerIn(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which video a subscriber wishes for; `height` is that of its picture in device pixels, 0 when it does not say."""

    quality: Wish = "auto"
    height: Annotated[int, msgspec.Meta(ge=0, le=16_384)] = 0


class ExpelIn(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Whose subscribers of a session are to be ended."""

    owners: Annotated[list[Owner], msgspec.Meta(max_length=EXPELLED_AT_ONCE)]


class OpenedOut(msgspec.Struct, frozen=True):
    """The answer to an offer. `etag` is a strong entity tag with its quotes."""

    resource: str
    sdp: str
    etag: str


class RestartedOut(msgspec.Struct, frozen=True):
    """The answer to an ICE restart."""

    sdpfrag: str
    etag: str


class AckIn(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Everything up to record `upto` of the feed with the id `feed` is safe."""

    upto: Annotated[int, msgspec.Meta(ge=0, le=2**53)]
    feed: Annotated[str, msgspec.Meta(max_length=64)] = ""


class ProblemIn(msgspec.Struct, frozen=True):
    """A refusal as the media process tells it."""

    code: str = ""
    params: dict[str, Any] = {}
    retry_after: int = 0


class HealthOut(msgspec.Struct, frozen=True):
    """`boot` differs after each start of the process; `feed` is the number of the last durable record, of `feed_id`."""

    boot: str
    publishers: int
    subscribers: int
    feed: int
    unacknowledged: int
    feed_id: str = ""
