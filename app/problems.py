"""Every code a person or a program can meet, collected for the list of problems and for docs/protocol.md."""

from __future__ import annotations

from app import accounts, assertions, middleware
from commerce import catalogue_errors, delivery_errors
from commerce import errors as commerce_errors
from compliance import errors as compliance_errors
from core import errors as core_errors
from core.errors import Problem
from recording import errors as recording_errors
from rooms import errors as rooms_errors
from stream import errors as stream_errors

PROBLEMS: tuple[Problem, ...] = (
    *core_errors.PROBLEMS,
    *stream_errors.PROBLEMS,
    *recording_errors.PROBLEMS,
    *compliance_errors.PROBLEMS,
    *commerce_errors.PROBLEMS,
    *delivery_errors.PROBLEMS,
    *catalogue_errors.PROBLEMS,
    *rooms_errors.PROBLEMS,
    *accounts.PROBLEMS,
    *assertions.PROBLEMS,
    *middleware.PROBLEMS,
)
