"""Identifiers: a prefix that says what a thing is, and a ULID that sorts by time of birth."""

from __future__ import annotations

import re

from ulid import ULID

_SHAPE = re.compile(r"^[a-z]{3}_[0-9a-hjkmnp-tv-z]{26}$")


def new_id(prefix: str) -> str:
    """A fresh id such as `ses_01jd…`: 30 characters, safe in URLs and file names.

    Prefixes in use: shw show, ses session, cal call, prd product, dsc disclosure, ord order, asm assessment, cmt comment,
    prp proposal, cas case, obx outbox, rcv receiver, act an operator's act, imp import, rsc media resource.
    """
    return f"{prefix}_{str(ULID()).lower()}"


def is_id(text: str, prefix: str) -> bool:
    """Whether `text` has the shape of an id with that prefix; use it before a path is built from outside input."""
    return text.startswith(prefix + "_") and _SHAPE.match(text) is not None
