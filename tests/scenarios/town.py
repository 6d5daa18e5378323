"""A running Tellercast and the people who use it, all through its outermost doors: HTTP, Socket.IO and WHIP."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Self

import aiohttp
import socketio
from sqlalchemy import func, select, update

from app.identity import Identity
from app.settings import secret_file
from commerce import assessments, customers, questionnaire
from commerce.tables import orders, outbox, products
from core.clock import SystemClock
from core.database import Database
from core.identity import Person, Role
from recording.seal import check_session
from recording.trail import Entry, Trail
from tests.browser.server import Server
from tests.scenarios.camera import Camera

BOND = "prd-r2-bond"
AMOUNT = 1_000 * 100
# Answers that mean: not now, and the same key may be used again.
AGAIN = frozenset({"sale_closed", "order_desk_busy", "database_away", "media_unavailable", "too_many_requests"})


class Refusal(Exception):  # noqa: N818 - it is what the server says, not an error of the test
    """The server's problem, as it came."""

    def __init__(self, problem: dict[str, Any]) -> None:
        super().__init__(str(problem.get("code")))
        self.problem = problem
        self.code = str(problem.get("code"))

    @property
    def wait_s(self) -> float:
        """How long to wait before asking again, where the server says so."""
        return float(self.problem.get("params", {}).get("wait_s", 0))


async def until(condition: Callable[[], Awaitable[object]], what: str, within_s: float) -> None:
    """Asks again and again until the answer is truthy. The bound only ends a test that has failed."""
    try:
        async with asyncio.timeout(within_s):
            while not await condition():
                await asyncio.sleep(0.05)
    except TimeoutError:
        raise AssertionError(f"not within {within_s:.0f} s: {what}") from None


class Phone:
    """One person's Socket.IO connection; a lost server fails a call at once instead of after its timeout."""

    def __init__(self, url: str, token: str) -> None:
        self.heard: list[tuple[str, Any]] = []
        self._url, self._auth = url, {"token": token, "lang": "en"}
        self._client: Any = None
        self._gone = asyncio.Event()

    async def open(self) -> Self:
        await self.close()
        self._gone = asyncio.Event()
        client = self._client = socketio.AsyncClient(reconnection=False)
        gone = self._gone
        client.on("disconnect", lambda *_why: gone.set(), namespace="/room")
        client.on("*", lambda event, payload: self.heard.append((event, payload)), namespace="/room")
        await client.connect(self._url, namespaces=["/room"], transports=["websocket"], auth=self._auth, wait_timeout=10)
        return self

    async def close(self) -> None:
        if self._client is None:
            return
        client, self._client = self._client, None
        await client.shutdown()
        if client.eio.http is not None:  # left open after a connection that came to nothing
            await client.eio.http.close()

    async def call(self, event: str, payload: object) -> dict[str, Any]:
        """The acknowledgement. Raises Refusal for one that is not ok, ConnectionError when the server is gone."""
        if self._client is None or self._gone.is_set():
            raise ConnectionError
        answer = asyncio.create_task(self._client.call(event, payload, namespace="/room", timeout=20))
        gone = asyncio.create_task(self._gone.wait())
        await asyncio.wait({answer, gone}, return_when=asyncio.FIRST_COMPLETED)
        gone.cancel()
        if not answer.done():
            answer.cancel()
            raise ConnectionError
        ack = answer.result()
        if not ack["ok"]:
            raise Refusal(ack["error"])
        return dict(ack)


@dataclass
class Town:
    """The server, its database seen from outside, and one HTTP connection pool."""

    server: Server
    database_url: str
    http: aiohttp.ClientSession
    db: Database
    show: str = ""
    session: str = ""
    tokens: dict[str, str] = field(default_factory=dict)
    phones: list[Phone] = field(default_factory=list)
    cameras: list[Camera] = field(default_factory=list)
    _asking: dict[str, asyncio.Task[None]] = field(default_factory=dict)

    async def close(self) -> None:
        for camera in self.cameras:
            await camera.vanish()
        for phone in self.phones:
            await phone.close()
        await self.http.close()
        await self.db.close()

    # --- people ------------------------------------------------------------------------------------------------------------

    async def ask(self, who: str, method: str, path: str, body: object = None) -> Any:
        """The answer's JSON. Raises Refusal, aiohttp.ClientError."""
        if who not in self.tokens:
            async with self.http.post(f"{self.server.url}/api/demo/login", json={"as": who}) as answer:
                self.tokens[who] = (await answer.json())["token"]
        headers = {"Authorization": f"Bearer {self.tokens[who]}"}
        async with self.http.request(method, self.server.url + path, json=body, headers=headers) as answer:
            if answer.status >= 400:
                raise Refusal(await answer.json())
            return await answer.json() if answer.status != 204 else None

    async def phone(self, who: str) -> Phone:
        """Connected, and in the room of the show."""
        phone = Phone(self.server.url, self.tokens[who])
        self.phones.append(phone)
        await (await phone.open()).call("join", {"session": self.session})
        return phone

    async def crowd(self, count: int) -> list[str]:
        """More customers than the demo has, as a bank would import them; signed in, the disclosure confirmed."""
        names = [f"crowd-{number}" for number in range(count)]
        clock, now = SystemClock(), SystemClock().now()
        answers = {question.id: "d" for question in questionnaire.QUESTIONS}
        async with self.db.write() as tx:
            for name in names:
                await customers.create(tx, clock, name, (now - timedelta(days=40 * 366)).date(), "某某")
                await assessments.record(tx, name, now, answers, questionnaire.evaluate(answers))
        self.sign_in(*names)
        for name in names:
            await self.confirm(name)
        return names

    def sign_in(self, *names: str) -> None:
        """As a bank's sign-in would: the demo signs in its own people only."""
        secret = hmac.digest(secret_file(self.server.folder / "var" / "secret"), b"tellercast/identity", hashlib.sha256)
        identity = Identity(secret, secure_cookie=False)
        self.tokens |= {name: identity.token(Person(name, Role.CUSTOMER, "某某")) for name in names}

    async def confirm(self, who: str) -> None:
        await self.ask(who, "POST", f"/api/sessions/{self.session}/disclosures", {"product": BOND, "version": 1})

    # --- the show ----------------------------------------------------------------------------------------------------------

    async def start_show(self) -> None:
        """The demo's show that is about to begin, live, with its shelf."""
        lobby = await self.ask("adviser-1", "GET", "/api/shows")
        mine = next(show for show in lobby["upcoming"] if show["mine"])
        self.show, self.session = mine["id"], mine["session"]
        await self.ask("adviser-1", "POST", f"/api/shows/{self.show}/start")

    async def camera(self) -> Camera:
        """The host's camera, on air."""
        camera = Camera(self.server.url, self.session, self.tokens["adviser-1"])
        self.cameras.append(camera)
        return await camera.publish()

    async def sale(self) -> Any:
        return (await self.ask("adviser-1", "GET", f"/api/sessions/{self.session}"))["sale"]

    async def sale_open(self) -> None:
        """Until something can be bought; the server may be away meanwhile."""

        async def is_open() -> bool:
            try:
                return bool((await self.sale())["open"])
            except Refusal as refusal:
                if refusal.code not in AGAIN:
                    raise
            except (aiohttp.ClientError, ConnectionError):
                pass
            return False

        await self._together("sale open", lambda: until(is_open, "the sale is open", 60))

    async def up(self) -> None:
        """Until the web process answers."""

        async def answers() -> bool:
            try:
                async with self.http.get(f"{self.server.url}/readyz") as answer:
                    return answer.status == 200
            except (aiohttp.ClientError, ConnectionError):
                return False

        await self._together("up", lambda: until(answers, "the web process answers again", 60))

    async def _together(self, name: str, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """However many wait for it, one asks: a crowd that asks would be a load of its own."""
        task = self._asking.get(name)
        if task is None or task.done():
            task = self._asking[name] = asyncio.create_task(work())
        await asyncio.shield(task)

    # --- orders ------------------------------------------------------------------------------------------------------------

    def wish(self, key: str, amount: int = AMOUNT) -> dict[str, Any]:
        return {"session": self.session, "product": BOND, "amount": amount, "key": key, "disclosure": {"version": 1}}

    async def order(self, who: str, key: str, phone: Phone | None = None) -> Any:
        """One try: the order. Raises Refusal, aiohttp.ClientError, ConnectionError."""
        if phone is None:
            return await self.ask(who, "POST", "/api/orders", self.wish(key))
        return (await phone.call("order", self.wish(key)))["order"]

    async def order_at_last(self, who: str, key: str, phone: Phone | None = None) -> Any:
        """The order, however often the server dies meanwhile: the same key is sent again until there is an answer."""
        async with asyncio.timeout(120):
            while True:
                try:
                    return await self.order(who, key, phone)
                except Refusal as refusal:
                    if refusal.code not in AGAIN:
                        raise
                    await asyncio.sleep(refusal.wait_s)
                    await self.sale_open()
                except (aiohttp.ClientError, ConnectionError, socketio.exceptions.SocketIOError):
                    await self.up()
                    if phone is not None:
                        await self._redial(phone)

    async def _redial(self, phone: Phone) -> None:
        try:
            await (await phone.open()).call("join", {"session": self.session})
        except Refusal as refusal:
            if refusal.code not in AGAIN:
                raise
            await phone.close()  # connected, but not in the room; the next try dials anew
        except (socketio.exceptions.SocketIOError, ConnectionError):
            return  # away again; the next try says so

    # --- what is on the record ---------------------------------------------------------------------------------------------

    async def entries(self, *kinds: str) -> Sequence[Entry]:
        async with self.db.read() as tx:
            every: list[Entry] = []
            trail = Trail(SystemClock())
            while page := await trail.entries(tx, self.session, every[-1].seq if every else 0, 500):
                every += page
        return [entry for entry in every if not kinds or entry.kind in kinds]

    async def left(self) -> int:
        async with self.db.read() as tx:
            return int((await tx.execute(select(products.c.left).where(products.c.id == BOND))).scalar_one())

    async def stock(self, left: int) -> None:
        """The warehouse's figure, as a bank would set it before the show."""
        async with self.db.write() as tx:
            await tx.execute(update(products).where(products.c.id == BOND).values(left=left))

    async def ordered(self) -> list[Any]:
        """Every order's row of this session."""
        async with self.db.read() as tx:
            return list(await tx.execute(select(orders).where(orders.c.session_id == self.session)))

    async def deliveries(self) -> dict[str, int]:
        """How many deliveries to the core there are for each order."""
        query = select(outbox.c.order_id, func.count()).where(outbox.c.kind == "order_placed").group_by(outbox.c.order_id)
        async with self.db.read() as tx:
            return {row[0]: int(row[1]) for row in await tx.execute(query)}

    async def leases_over(self) -> None:
        """As when time has gone by: deliveries that a killed worker had taken are due again now."""
        async with self.db.write() as tx:
            await tx.execute(update(outbox).where(outbox.c.state == "waiting").values(next_at=SystemClock().now()))

    async def chain_findings(self) -> list[str]:
        """What is wrong with the trail as it stands, before its seal."""
        async with self.db.read() as tx:
            findings = await check_session(tx, Trail(SystemClock()), [], self.session)
        return [finding for finding in findings if finding != "not sealed"]

    async def end_and_verify(self) -> Any:
        """Ends the show, waits for its seal, and has the reviewer verify record and media; the verdict."""
        await self.ask("adviser-1", "POST", f"/api/shows/{self.show}/end")

        async def sealed() -> bool:
            return bool((await self.ask("reviewer-1", "GET", f"/api/recordings/{self.session}"))["seal"])

        await until(sealed, "the session is sealed", 60)
        return await self.ask("reviewer-1", "POST", f"/api/recordings/{self.session}/verify")
