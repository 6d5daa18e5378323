"""What nobody expected, at the outermost doors: logged with a reference, answered with a refusal that says what to do."""

from __future__ import annotations

import secrets

import structlog

from core.database import is_away
from core.errors import DATABASE_AWAY, INTERNAL, Refused, Unavailable

log = structlog.get_logger()


def failed(error: Exception, what: str, **where: str) -> Refused:
    """The answer to a request or an event (`what`) that ended with this error."""
    if is_away(error):  # a line each: while the database is away there are many
        log.error("not_answered_in_time", what=what, error=repr(error)[:300], **where)
        return Unavailable(DATABASE_AWAY)
    reference = secrets.token_hex(4)
    log.error("failed", what=what, reference=reference, exc_info=error, **where)
    return Refused(INTERNAL, reference=reference)
