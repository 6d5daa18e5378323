"""Writes docs/protocol.md from the code that serves it; a test compares. `python -m app.protocol` writes it anew."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import msgspec

from app.permissions import EVENTS, ROUTES
from app.problems import PROBLEMS
from app.shapes import describe, reachable
from app.web import all_routes
from commerce.wire import Order, PlaceOrder
from core.http import Route
from core.identity import Role
from rooms import call_wire, moderation_wire, wire

DOCUMENT = Path(__file__).resolve().parent.parent / "docs" / "protocol.md"


class OrderAnswer(msgspec.Struct):
    """The answer to an order: it is committed, whatever happens next."""

    order: Order
    seq: int


class CommentAnswer(msgspec.Struct):
    """The answer to a comment: it is on the record, as shown; `held` while a moderator has to see it first."""

    id: str
    comment: wire.Comment
    held: bool = False


class ReactAnswer(msgspec.Struct):
    """The answer to a reaction: how many of the taps counted."""

    counted: int


class CallAnswer(msgspec.Struct):
    """The answer to what changes a call."""

    call: call_wire.Call


class ProposeAnswer(msgspec.Struct):
    """The answer to a proposal."""

    proposal: call_wire.Proposal
    call: call_wire.Call


class QueueAnswer(msgspec.Struct):
    """The answer to `available`: the line as it stands."""

    queue: call_wire.Queue


# (namespace, event) → what is sent, what the acknowledgement carries beside `ok`, what it is for.
INCOMING: dict[tuple[str, str], tuple[Any, Any, str]] = {
    ("/room", "join"): (wire.Join, wire.Joined, "Enter a session's room; again with `after` to catch up"),
    ("/room", "comment"): (wire.Say, CommentAnswer, "Say something; acknowledged when it is on the record"),
    ("/room", "react"): (wire.React, ReactAnswer, "Taps on a reaction, gathered"),
    ("/room", "order"): (PlaceOrder, OrderAnswer, "Buy; acknowledged after the commit. The same as POST /api/orders"),
    ("/room", "leave"): (wire.Leave, None, "Leave the room"),
    ("/desk", "available"): (call_wire.SetAvailable, QueueAnswer, "An adviser takes calls, or no longer"),
    ("/desk", "request"): (call_wire.RequestCall, CallAnswer, "A customer asks for an adviser"),
    ("/desk", "accept"): (call_wire.CallRef, CallAnswer, "An adviser takes a call; of two the first gets it"),
    ("/desk", "decline"): (call_wire.CallRef, CallAnswer, "An adviser passes a call on, or gives an accepted one back"),
    ("/desk", "propose"): (call_wire.Propose, ProposeAnswer, "The adviser proposes a product and an amount"),
    ("/desk", "confirm"): (call_wire.Confirm, OrderAnswer, "The customer's yes to a proposal: an order through the gate"),
    ("/desk", "transfer"): (call_wire.Transfer, CallAnswer, "Hand the call on"),
    ("/desk", "hang_up"): (call_wire.CallRef, CallAnswer, "End the call, or stop waiting"),
}

OUTGOING: dict[tuple[str, str], tuple[Any, str]] = {
    ("/room", "comments"): (wire.Comments, "A tick's comments, at most every 200 ms"),
    ("/room", "reactions"): (wire.ReactionSums, "Everybody's taps, at most once a second; may be left out"),
    ("/room", "presence"): (wire.Presence, "How many watch, at most once a second"),
    ("/room", "shelf"): (wire.Shelf, "The shelf, or what is left of it, changed"),
    ("/room", "pinned"): (wire.Pinned, "What is being explained now"),
    ("/room", "order"): (wire.OrderChanged, "To a customer: an own order changed"),
    ("/room", "order (host)"): (wire.HostOrder, "To the host: the sums changed"),
    ("/room", "state"): (wire.State, "State, sale, streams or recording changed"),
    ("/room", "moderated"): (
        wire.Moderated,
        "Moderators took comments down or put them back, pinned one, or changed the rules",
    ),
    ("/room", "moderation"): (moderation_wire.QueueChanged, "To the host and supervisors: something new for moderators"),
    ("/room", "banned"): (wire.Banned, "To one who may not be in the session any more, and is out of it"),
    ("/room", "notice"): (wire.Notice, "Something everybody in the session should know"),
    ("/desk", "queue"): (call_wire.Queue, "To advisers and supervisors: the waiting line"),
    ("/desk", "call"): (call_wire.CallEvent, "To both parties: the call changed"),
    ("/desk", "proposal"): (call_wire.ProposalEvent, "To both parties: a proposal was made, replaced or confirmed"),
    ("/desk", "state"): (wire.State, "To both parties: as in /room"),
}

_INTRODUCTION = """\
# The protocol


Generated from the code by `python -m app.protocol`; a test keeps it true. The same for machines: `/api/openapi.json`.

- Times are RFC 3339 in UTC with `Z` and microseconds. Money is an integer of the currency's minor unit. `media_ms` is
  milliseconds since the session started: the one axis of recording, trail, comments and orders.
- Who asks is proved by the cookie `tellercast` or by `Authorization: Bearer`; over Socket.IO by the cookie or by
  `auth: {token}`. With the cookie, unsafe methods need an `Origin` of this site.
- Texts come in Chinese or English: `?lang=zh|en`, the cookie `lang`, or `Accept-Language`.
- A refusal is `application/problem+json` (RFC 9457) with a stable `code`, a sentence in `title`, the next step in
  `next` and the `door` a page should offer. Over Socket.IO the same object is in the acknowledgement: `{"ok": false,
  "error": {…}}`.
- Media: WHIP (RFC 9725) and WHEP. `POST` an SDP offer (`application/sdp`), get 201 with the answer, `Location` and a
  strong `ETag`; `PATCH` (`application/trickle-ice-sdpfrag`) trickles or, with `If-Match: "*"`, restarts ICE; `DELETE`
  ends it; 404 with `Retry-After` while nobody publishes, 503 with `Retry-After` when full or away. A show has the
  stream `host`, a call `adviser` and `customer`; `?stream=` chooses.
  `Link` headers of the 201 name STUN and TURN servers (`rel="ice-server"`), the latter with credentials for this one
  connection: use them from `setConfiguration` on, before the offer is set. `OPTIONS` names none.
  FFmpeg works (`-f whip -authorization TOKEN`); one built on GnuTLS makes itself a P-224 key, which OpenSSL 4 refuses,
  and needs a P-256 certificate of its own: `-cert_file cert.pem -key_file key.pem`.
- Socket.IO: namespaces `/room` and `/desk`, over WebSocket or polling. Every event is acknowledged. All events out
  but `comments` and `presence` carry `seq`, the session's trail number at that moment; after a drop, `join {session,
  after}` brings what was missed.
  Engine.IO v4 and Socket.IO v5 as published, but for JSONP; a later poll ends an earlier one with a noop. A message has at
  most 64 KiB; an event at most 4 attachments, together as large, within 5 s (no event takes one: it is refused as
  `bad_request`). A connection that is in no namespace for 10 s is ended, as is one that does not speak the protocol.
  A handshake may be refused with 429, `Retry-After` and the code `too_many_connections` or `too_many_requests`, where one
  address has, or begins, more than it may. To enter a namespace (CONNECT) is refused, with the problem as `data`, with the
  code `not_signed_in`, `too_many_requests`, or `too_many_open`: one person has at most 20 connections to a namespace of one
  web process, and the newest is the one that is refused.
"""


def render() -> str:
    """The whole document."""
    routes = [route for route in all_routes(demo=True) if route.path.startswith("/api/")]
    shapes: list[Any] = [shape for route in routes for shape in (route.takes, route.gives) if shape is not None]
    shapes += [part for takes, gives, _ in INCOMING.values() for part in (takes, gives) if part is not None]
    shapes += [shape for shape, _ in OUTGOING.values()]
    parts = [
        _INTRODUCTION,
        "## HTTP\n\n" + _http(routes),
        "## Socket.IO, from clients\n\n" + _incoming(),
        "## Socket.IO, to clients\n\n" + _outgoing(),
        "## Codes\n\n" + _codes(),
        "## Shapes\n\n" + "\n".join(describe(shape) for shape in reachable(shapes)),
    ]
    return "\n".join(parts)


def _http(routes: Iterable[Route]) -> str:
    lines = ["| | | takes | gives | who |", "|---|---|---|---|---|"]
    for route in sorted(routes, key=lambda route: (route.path, route.method)):
        gives = _link(route.gives) if route.gives is not None else str(route.status)
        roles = _who(ROUTES[route.method, route.path])
        lines.append(f"| `{route.method} {route.path}` | {route.summary} | {_link(route.takes)} | {gives} | {roles} |")
    return "\n".join([*lines, ""])


def _incoming() -> str:
    lines = ["| event | | sends | answer | who |", "|---|---|---|---|---|"]
    for (namespace, event), (takes, gives, what) in INCOMING.items():
        who = _who(EVENTS[namespace, event])
        lines.append(f"| `{namespace}` `{event}` | {what} | {_link(takes)} | {_link(gives)} | {who} |")
    return "\n".join([*lines, ""])


def _outgoing() -> str:
    lines = ["| event | | carries |", "|---|---|---|"]
    lines += [
        f"| `{namespace}` `{event}` | {what} | {_link(shape)} |" for (namespace, event), (shape, what) in OUTGOING.items()
    ]
    return "\n".join([*lines, ""])


def _codes() -> str:
    lines = ["| code | status | sentence | next | door |", "|---|---|---|---|---|"]
    lines += [
        f"| `{problem.code}` | {problem.status} | {problem.en} | {problem.next_en} | {problem.door} |"
        for problem in sorted(PROBLEMS, key=lambda problem: problem.code)
    ]
    return "\n".join([*lines, ""])


def _link(shape: Any) -> str:
    return f"[{shape.__name__}](#{shape.__name__.lower()})" if shape is not None else ""


def _who(roles: frozenset[Role | None]) -> str:
    if None in roles:
        return "anybody"
    return ", ".join(sorted(role.value for role in roles if role is not None))


if __name__ == "__main__":
    DOCUMENT.write_text(render())
    sys.stdout.write(f"{DOCUMENT}\n")
