"""The media process's settings, as one frozen value."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class MediaSettings:
    """Times in seconds, rates in bits per second.

    `port` 0 takes any free port. `public_addresses` are advertised instead of the host's own, for a process behind NAT.
    """

    bind_host: str = "::"  # all addresses: media is for the public; what is answered is authenticated by ICE
    port: int = 0
    public_addresses: tuple[str, ...] = ()
    # Chromium checks consent every 2.5 s at the slowest and sends media all the while.
    publisher_timeout_s: float = 6.0
    # RFC 7675: consent expires after 30 s; half of that frees a dead viewer's share sooner.
    subscriber_timeout_s: float = 20.0
    handshake_timeout_s: float = 15.0
    flush_timeout_s: float = 30.0
    max_peers: int = 2000
    # Places beyond those, for publishers alone: a full house must not keep its host out.
    kept_for_publishers: int = 200
    start_bitrate: int = 2_500_000
    min_bitrate: int = 200_000
    max_bitrate: int = 4_000_000
    # What a publisher sends beyond this is dropped. Senders that follow no advice (FFmpeg) may well go to twice the advised.
    publisher_limit: int = 20_000_000
