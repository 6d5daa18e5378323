"""The one permission table (invariant 9): every route, page and Socket.IO event and who may use it. Unlisted means forbidden.

Who may touch *which* show, call or order is decided where those live; this table is the outer door.
"""

from __future__ import annotations

from core.identity import Person, Role

C, A, S, R, OP = Role.CUSTOMER, Role.ADVISER, Role.SUPERVISOR, Role.REVIEWER, Role.OPERATOR
# None stands for nobody signed in.
PUBLIC: frozenset[Role | None] = frozenset({None, C, A, S, R, OP})
SIGNED_IN: frozenset[Role | None] = frozenset({C, A, S, R, OP})


def _only(*roles: Role) -> frozenset[Role | None]:
    return frozenset(roles)


PAGES: dict[str, frozenset[Role | None]] = {
    "/login": PUBLIC,
    "/docs/problems": PUBLIC,
    "/": SIGNED_IN,
    "/watch/{session}": SIGNED_IN,
    "/call": _only(C),
    "/assessment": _only(C),
    "/orders": _only(C),
    "/receipt/{order}": _only(C),
    "/studio": _only(A, S),
    "/desk": _only(A, S),
    "/deliveries": _only(OP),
    "/console": _only(R),
    "/catalogue": _only(R, OP),
}

ROUTES: dict[tuple[str, str], frozenset[Role | None]] = {
    ("GET", "/healthz"): PUBLIC,
    ("GET", "/readyz"): PUBLIC,
    ("GET", "/metrics"): PUBLIC,  # guarded by address or token, not by role
    ("GET", "/api/openapi.json"): PUBLIC,
    ("GET", "/api/demo/people"): PUBLIC,  # there in demo mode only
    ("POST", "/api/demo/login"): PUBLIC,  # there in demo mode only
    ("POST", "/api/login"): PUBLIC,
    ("POST", "/api/logout"): PUBLIC,
    ("GET", "/api/me"): SIGNED_IN,
    ("GET", "/api/shows"): SIGNED_IN,
    ("POST", "/api/shows"): _only(A),
    ("GET", "/api/shows/{show}"): SIGNED_IN,
    ("POST", "/api/shows/{show}/start"): _only(A),
    ("POST", "/api/shows/{show}/pause"): _only(A),
    ("POST", "/api/shows/{show}/resume"): _only(A),
    ("POST", "/api/shows/{show}/end"): _only(A),
    ("POST", "/api/shows/{show}/cancel"): _only(A),
    ("GET", "/api/shows/{show}/shelf"): SIGNED_IN,
    ("PUT", "/api/shows/{show}/shelf"): _only(A),
    ("POST", "/api/shows/{show}/pin"): _only(A),
    ("GET", "/api/sessions/{session}"): SIGNED_IN,
    ("GET", "/api/sessions/{session}/summary"): _only(A, S, R),
    ("GET", "/api/sessions/{session}/replay.mp4"): SIGNED_IN,
    ("GET", "/api/sessions/{session}/poster.jpg"): SIGNED_IN,
    ("GET", "/api/sessions/{session}/moderation"): _only(A, S),
    ("POST", "/api/sessions/{session}/moderation"): _only(A, S),
    ("DELETE", "/api/sessions/{session}/moderation/{act}"): _only(A, S),
    ("GET", "/api/sessions/{session}/replay/comments"): SIGNED_IN,
    ("GET", "/api/sessions/{session}/replay/marks"): SIGNED_IN,
    ("POST", "/api/sessions/{session}/disclosures"): _only(C),
    ("POST", "/api/sessions/{session}/explanations"): _only(A),
    ("POST", "/api/sessions/{session}/whip"): _only(C, A),
    ("OPTIONS", "/api/sessions/{session}/whip"): PUBLIC,
    ("PATCH", "/api/sessions/{session}/whip/{resource}"): _only(C, A),
    ("DELETE", "/api/sessions/{session}/whip/{resource}"): _only(C, A),
    ("OPTIONS", "/api/sessions/{session}/whip/{resource}"): PUBLIC,
    ("POST", "/api/sessions/{session}/whep"): _only(C, A, S),
    ("OPTIONS", "/api/sessions/{session}/whep"): PUBLIC,
    ("PATCH", "/api/sessions/{session}/whep/{resource}"): _only(C, A, S),
    ("DELETE", "/api/sessions/{session}/whep/{resource}"): _only(C, A, S),
    ("OPTIONS", "/api/sessions/{session}/whep/{resource}"): PUBLIC,
    ("POST", "/api/sessions/{session}/whep/{resource}/layer"): _only(C, A, S),
    ("OPTIONS", "/api/sessions/{session}/whep/{resource}/layer"): PUBLIC,
    ("GET", "/api/products"): SIGNED_IN,
    ("GET", "/api/products/{product}"): SIGNED_IN,
    ("GET", "/api/catalogue"): _only(R, OP),
    ("POST", "/api/catalogue"): _only(OP),
    ("GET", "/api/catalogue.csv"): _only(R, OP),
    ("POST", "/api/catalogue/import"): _only(OP),
    ("GET", "/api/catalogue/{product}"): _only(R, OP),
    ("PUT", "/api/catalogue/{product}"): _only(OP),
    ("POST", "/api/catalogue/{product}/withdraw"): _only(OP),
    ("GET", "/api/catalogue/{product}/disclosures"): _only(R, OP),
    ("POST", "/api/catalogue/{product}/disclosures"): _only(OP),
    ("GET", "/api/catalogue/{product}/changes"): _only(R, OP),
    ("GET", "/api/assessments"): _only(C),
    ("POST", "/api/assessments"): _only(C),
    ("POST", "/api/orders"): _only(C),
    ("GET", "/api/orders"): _only(C),
    ("GET", "/api/orders/{order}"): _only(C),
    ("POST", "/api/orders/{order}/cancel"): _only(C),
    ("GET", "/api/deliveries"): _only(OP),
    ("GET", "/api/deliveries/{delivery}"): _only(OP),
    ("POST", "/api/deliveries/{delivery}/again"): _only(OP),
    ("POST", "/api/deliveries/again"): _only(OP),
    ("GET", "/api/receivers"): _only(OP),
    ("POST", "/api/receivers"): _only(OP),
    ("PATCH", "/api/receivers/{receiver}"): _only(OP),
    ("POST", "/api/receivers/{receiver}/rotate"): _only(OP),
    ("GET", "/api/demo/core"): _only(OP),  # there in demo mode only
    ("POST", "/api/demo/core"): _only(OP),  # there in demo mode only
    ("POST", "/api/calls"): _only(C),
    ("GET", "/api/calls"): _only(C, A, S),
    ("GET", "/api/calls/{call}"): _only(C, A, S),
    ("POST", "/api/calls/{call}/consent"): _only(C),
    ("GET", "/api/calls/{call}/customer"): _only(A, S),
    ("GET", "/api/recordings"): _only(R),
    ("GET", "/api/recordings/{session}"): _only(R),
    ("GET", "/api/recordings/{session}/timeline"): _only(R),
    ("GET", "/api/recordings/{session}/fairness"): _only(R),
    ("GET", "/api/recordings/{session}/{stream}.mp4"): _only(R),
    ("POST", "/api/recordings/{session}/verify"): _only(R),
    ("GET", "/api/cases"): _only(R),
    ("POST", "/api/cases"): _only(R),
    ("POST", "/api/cases/{case}/claim"): _only(R),
    ("POST", "/api/cases/{case}/release"): _only(R),
    ("POST", "/api/cases/{case}/decide"): _only(R),
    ("POST", "/api/cases/{case}/confirm"): _only(R),
    ("POST", "/api/cases/{case}/reopen"): _only(R),
    ("POST", "/api/evidence"): _only(R),
    ("GET", "/api/evidence/{evidence}"): _only(R),
    ("GET", "/api/evidence/{evidence}.zip"): _only(R),
}

# Taken from other sites too: what these are sent is a proof of its own, whatever cookie comes with it.
FROM_ANYWHERE = frozenset({("POST", "/api/login")})

EVENTS: dict[tuple[str, str], frozenset[Role | None]] = {
    ("/room", "join"): _only(C, A, S),
    ("/room", "comment"): _only(C, A),
    ("/room", "react"): _only(C, A),
    ("/room", "order"): _only(C),
    ("/room", "leave"): _only(C, A, S),
    ("/desk", "available"): _only(A),
    ("/desk", "request"): _only(C),
    ("/desk", "accept"): _only(A),
    ("/desk", "decline"): _only(A),
    ("/desk", "propose"): _only(A),
    ("/desk", "confirm"): _only(C),
    ("/desk", "transfer"): _only(A, S),
    ("/desk", "hang_up"): _only(C, A, S),
}


def may_call(person: Person | None, method: str, path: str) -> bool:
    """Whether that role may use the route with that path template (HEAD counts as GET)."""
    row = ROUTES.get(("GET" if method == "HEAD" else method, path))
    return row is not None and _role(person) in row


def may_open(person: Person | None, page: str) -> bool:
    """Whether that role may see the page with that path template."""
    row = PAGES.get(page)
    return row is not None and _role(person) in row


def may_emit(person: Person | None, namespace: str, event: str) -> bool:
    """Whether that role may send the Socket.IO event."""
    row = EVENTS.get((namespace, event))
    return row is not None and _role(person) in row


def _role(person: Person | None) -> Role | None:
    return person.role if person is not None else None
