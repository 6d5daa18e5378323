"""The records of the media feed as shapes: what is not one of these is malformed, whoever sent it.

Media times are ms since the session's start. Unknown fields are ignored, so that a newer media process can say more.
"""

from __future__ import annotations

from typing import Annotated, Any

import msgspec

Name = Annotated[str, msgspec.Meta(pattern=r"^[a-z0-9_-]{1,32}\Z")]
SessionId = Annotated[str, msgspec.Meta(pattern=r"^[a-z0-9_]{1,40}\Z")]
Epoch = Annotated[int, msgspec.Meta(ge=0, le=2**53)]
Moment = Annotated[int, msgspec.Meta(ge=-(2**53), le=2**53)]
Count = Annotated[int, msgspec.Meta(ge=0, le=2**53)]
Index = Annotated[int, msgspec.Meta(ge=0, le=2**31 - 1)]
Reason = Annotated[str, msgspec.Meta(max_length=200)]
Digest = Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{64}\Z")]
# Relative and without "..": it is joined to the archive's root.
FilePath = Annotated[str, msgspec.Meta(pattern=r"^(?!.*\.\.)[A-Za-z0-9_-][A-Za-z0-9_./-]*\Z", max_length=300)]


class MediaStarted(msgspec.Struct, frozen=True):
    """A media process began; whoever published to the one before is gone."""

    boot: Annotated[str, msgspec.Meta(max_length=100)]


class PublisherReport(msgspec.Struct, frozen=True):
    """Something happened to a publisher or to the recording of what it sends."""

    session: SessionId
    stream: Name
    epoch: Epoch
    media_ms: Moment
    reason: Reason = ""


class Hole(msgspec.Struct, frozen=True):
    """What never arrived of one track within what was recorded: the picture stood still, or the sound was silent."""

    track: Annotated[str, msgspec.Meta(pattern=r"^[a-z]{1,16}\Z")]
    from_ms: Moment
    to_ms: Moment
    reason: Reason = ""

    def __post_init__(self) -> None:
        if self.to_ms < self.from_ms:
            raise ValueError("a hole ends before it begins")


class FragmentSealed(msgspec.Struct, frozen=True):
    """A fragment is on disk, synced and hashed. `path` is relative to the archive's root.

    `recorded_ms`: up to here every track that the publisher announced is recorded; None while one of them never was. A fragment
    found again after a crash may have lost it, and then speaks for its end.
    """

    session: SessionId
    stream: Name
    epoch: Epoch
    index: Index
    start_ms: Moment
    end_ms: Moment
    bytes: Count
    sha256: Digest
    path: FilePath
    video: dict[str, Any] | None = None
    audio: dict[str, Any] | None = None
    holes: Annotated[list[Hole], msgspec.Meta(max_length=1000)] = []
    recorded_ms: Moment | msgspec.UnsetType | None = msgspec.UNSET

    def __post_init__(self) -> None:
        if self.end_ms < self.start_ms:
            raise ValueError("a fragment ends before it begins")


class StreamClosed(msgspec.Struct, frozen=True):
    """The recorder has announced the last fragment of this publisher; `fragments` is how many there were."""

    session: SessionId
    stream: Name
    epoch: Epoch
    end_ms: Moment | None = None
    fragments: Count = 0


class SessionClosed(msgspec.Struct, frozen=True):
    """The recorder is done with this session: nothing more will come of it."""

    session: SessionId


Report = MediaStarted | PublisherReport | FragmentSealed | StreamClosed | SessionClosed

SHAPES: dict[str, type[msgspec.Struct]] = {
    "media_started": MediaStarted,
    "publisher_joined": PublisherReport,
    "publisher_lost": PublisherReport,
    "publisher_left": PublisherReport,
    "recording_failed": PublisherReport,
    "recording_recovered": PublisherReport,
    "fragment_sealed": FragmentSealed,
    "stream_closed": StreamClosed,
    "session_closed": SessionClosed,
}


class Malformed(ValueError):  # noqa: N818 - it names the finding
    """A record that says nothing that can be understood; log it, count it, go on."""


def read_report(record: dict[str, Any]) -> Any:
    """The record as one of SHAPES. Raises Malformed."""
    shape = SHAPES.get(str(record.get("kind")))
    if shape is None:
        raise Malformed(f"unknown kind {record.get('kind')!r}")
    try:
        return msgspec.convert(record, shape)
    except msgspec.ValidationError as error:
        raise Malformed(str(error)) from error
