"""Signing in and out, and who am I. The bank's own sign-in says who somebody is; in demo mode anybody may be anybody."""

from __future__ import annotations

from urllib.parse import urlsplit

import msgspec
from aiohttp import web

from app import assertions
from app.identity import Identity, clear_cookie
from app.middleware import IDENTITY
from commerce.customers import CUSTOMERS
from commerce.wire import CustomerCard
from core.errors import BAD_REQUEST, Problem, Refused
from core.http import FORM, Route, lang, person
from core.identity import Person, Role

DEMO_PEOPLE = {
    p.id: p
    for p in (
        Person("customer-c1", Role.CUSTOMER, "陈晓"),
        Person("customer-c3", Role.CUSTOMER, "李文"),
        Person("customer-c5", Role.CUSTOMER, "赵敏"),
        Person("customer-elder", Role.CUSTOMER, "王桂兰"),
        Person("adviser-1", Role.ADVISER, "周岚"),
        Person("adviser-2", Role.ADVISER, "吴哲"),
        Person("supervisor-1", Role.SUPERVISOR, "郑宁"),
        Person("reviewer-1", Role.REVIEWER, "孙恒"),
        Person("reviewer-2", Role.REVIEWER, "钱颖"),
        Person("operator-1", Role.OPERATOR, "冯立"),
    )
}

NO_SUCH_PERSON = Problem(
    "no_such_person", 404,
    "There is no demo person called {name}.", "没有名为 {name} 的演示身份。",
    "Choose one of those the sign-in page lists.", "请选择登录页列出的身份。", "login",
)  # fmt: skip
PROBLEMS = (NO_SUCH_PERSON,)

HOMES = {
    Role.CUSTOMER: "/",
    Role.ADVISER: "/studio",
    Role.SUPERVISOR: "/desk",
    Role.REVIEWER: "/console",
    Role.OPERATOR: "/catalogue",
}


class Login(msgspec.Struct, forbid_unknown_fields=True):
    """What the bank's sign-in signed; sent as a form, `next` is the path of ours to go on to."""

    assertion: str
    next: str = ""


class DemoLogin(msgspec.Struct, forbid_unknown_fields=True, rename={"as_": "as"}):
    """Whom to sign in as, such as `customer-c3`."""

    as_: str


class PersonView(msgspec.Struct):
    """A person as pages see them."""

    id: str
    role: Role
    name: str


class SignedIn(msgspec.Struct):
    """The bearer token (also set as the cookie) and whom it proves."""

    token: str
    person: PersonView


class DemoPeople(msgspec.Struct):
    """Everybody one can be in demo mode."""

    people: list[PersonView]


class Me(msgspec.Struct):
    """Who is signed in; `customer` only for customers."""

    id: str
    role: Role
    name: str
    lang: str
    customer: CustomerCard | None = None


def routes(*, demo: bool) -> list[Route]:
    """The ways in and out."""
    ways = [
        Route("GET", "/api/me", me, "Who is signed in", gives=Me),
        Route(
            "POST", "/api/login", log_in, "Sign in with the bank's assertion; a form is answered 303 to `next`",
            takes=Login, gives=SignedIn, problems=(BAD_REQUEST, *assertions.PROBLEMS), form=True,
        ),
        Route("POST", "/api/logout", log_out, "Sign out: takes the cookie away", status=204),
    ]  # fmt: skip
    if demo:
        ways += [
            Route("GET", "/api/demo/people", people, "Whom one can sign in as (demo mode only)", gives=DemoPeople),
            Route(
                "POST", "/api/demo/login", log_in_as, "Sign in as a demo person (demo mode only)",
                takes=DemoLogin, gives=SignedIn, problems=PROBLEMS,
            ),
        ]  # fmt: skip
    return ways


def _view(someone: Person) -> PersonView:
    return PersonView(someone.id, someone.role, someone.name)


async def me(request: web.Request) -> Me:
    someone = person(request)
    answer = Me(someone.id, someone.role, someone.name, lang(request))
    if someone.role is Role.CUSTOMER:
        answer.customer = await request.app[CUSTOMERS].view(someone.id)
    return answer


async def log_out(_request: web.Request) -> web.Response:
    response = web.Response(status=204)
    clear_cookie(response)
    return response


async def people(_request: web.Request) -> DemoPeople:
    return DemoPeople([_view(p) for p in DEMO_PEOPLE.values()])


async def log_in(request: web.Request, body: Login) -> web.Response:
    someone = await request.app[assertions.ASSERTIONS].redeem(body.assertion)
    if request.content_type != FORM:
        return _signed_in(request, someone)
    response = web.Response(status=303, headers={"Location": own_path(body.next) or HOMES[someone.role]})
    identity: Identity = request.app[IDENTITY]
    identity.set_cookie(response, identity.token(someone))
    return response


async def log_in_as(request: web.Request, body: DemoLogin) -> web.Response:
    someone = DEMO_PEOPLE.get(body.as_)
    if someone is None:
        raise Refused(NO_SUCH_PERSON, name=body.as_)
    return _signed_in(request, someone)


def _signed_in(request: web.Request, someone: Person) -> web.Response:
    identity: Identity = request.app[IDENTITY]
    token = identity.token(someone)
    response = web.Response(body=msgspec.json.encode(SignedIn(token, _view(someone))), content_type="application/json")
    identity.set_cookie(response, token)
    return response


def own_path(wanted: str) -> str | None:
    """`wanted` when every browser reads it as a path of this site, else None.

    Browsers take `\\` for `/` and skip tabs and line ends (WHATWG URL, 4.4), so only plain characters pass.
    """
    plain = all("!" <= character <= "~" and character != "\\" for character in wanted)
    if not plain or not wanted.startswith("/") or wanted.startswith("//"):
        return None
    path = urlsplit(wanted).path
    return None if path.startswith(("/login", "/api/")) else wanted
