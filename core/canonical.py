"""Canonical JSON (RFC 8785) and the hash over it: the bytes that trail, seal and verifier agree on."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

import rfc8785


def canonical(value: Mapping[str, Any]) -> bytes:
    """The one byte form of a JSON object. Raises rfc8785.CanonicalizationError for what JSON can't carry exactly."""
    return rfc8785.dumps(dict(value))


def sha256_hex(data: bytes) -> str:
    """SHA-256 as 64 lower-case hex digits."""
    return hashlib.sha256(data).hexdigest()
