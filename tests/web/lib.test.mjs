// The pages' thinking that needs no page.
import assert from "node:assert/strict";
import { afterEach, describe, test } from "node:test";
import { CommentsModel, draft } from "../../web/scripts/lib/comments_model.js";
import { capacity, DEFAULTS, FlightClock, laneCount, Lanes, settingsOf } from "../../web/scripts/lib/danmaku_model.js";
import { duration, durationWords, money, parseMoney, setLocale, signed } from "../../web/scripts/lib/format.js";
import { register, t } from "../../web/scripts/lib/i18n.js";
import { amountFault, Attempts, isAnswer, stepped, typed } from "../../web/scripts/lib/order_model.js";
import { changed, emptySnapshot, joined, pinnedProduct, saleSentence } from "../../web/scripts/lib/session_model.js";
import { ownPath } from "../../web/scripts/lib/own_path.js";
import { backoff, negotiate, parseIceLinks } from "../../web/scripts/lib/webrtc.js";
import { preferred } from "../../web/scripts/lib/whip.js";
import { browserOf, deviceRequests, failureOf, isUsable, loudness } from "../../web/scripts/lib/devices.js";
import { entry } from "../../web/scripts/lib/calendar.js";

const comment = (id, more = {}) => ({
  id,
  at: "2026-11-22T01:00:00Z",
  media_ms: 1,
  author: "李**",
  author_tag: "a",
  text: "hello",
  host: false,
  ...more,
});
const product = (more = {}) => ({
  id: "p1",
  minimum: 1_000_000,
  step: 100_000,
  cap: null,
  left: null,
  currency: "CNY",
  ...more,
});

describe("comments", () => {
  test("a batch received twice is listed once", () => {
    const model = new CommentsModel();
    assert.equal(model.received([comment("1"), comment("2")]).length, 2);
    assert.equal(model.received([comment("2"), comment("3")]).length, 1);
    assert.equal(model.lines.length, 3);
  });

  test("one's own comment stands at once and is settled by the answer, then by its batch", () => {
    const model = new CommentsModel();
    model.pending("k", "me", "hello", "now");
    assert.equal(model.lines[0].state, "pending");
    assert.equal(model.accepted("k", "9"), null);
    assert.equal(model.received([comment("9")]).length, 0);
    assert.deepEqual(
      model.lines.map((line) => [line.id, line.state, line.own]),
      [["9", "sent", true]],
    );
    assert.equal(model.tag, "a");
  });

  test("a batch that overtakes the answer leaves no double", () => {
    const model = new CommentsModel();
    model.pending("k", "me", "hello", "now");
    model.received([comment("9")]);
    assert.equal(model.accepted("k", "9"), "9");
    assert.equal(model.lines.length, 1);
  });

  test("with the own tag known, a batch that overtakes the answer settles the pending line", () => {
    const model = new CommentsModel();
    model.tag = "a";
    model.pending("k", "me", "hello", "now");
    assert.equal(model.received([comment("9")]).length, 0);
    assert.equal(model.accepted("k", "9"), null);
    assert.equal(model.lines.length, 1);
  });

  test("a refused comment stays as such", () => {
    const model = new CommentsModel();
    model.pending("k", "me", "hello", "now");
    model.refused("k", { code: "comment_blocked" });
    assert.equal(model.lines[0].state, "failed");
  });

  test("the list is bounded", () => {
    const model = new CommentsModel(10);
    for (let n = 0; n < 100; n += 1) model.received([comment(String(n))]);
    assert.equal(model.lines.length, 10);
    assert.ok(model.ids.size <= 40);
  });

  test("a draft counts characters as people do", () => {
    assert.deepEqual(draft("  a \n b "), { text: "a b", left: 97, ok: true });
    assert.equal(draft("👍".repeat(100)).ok, true);
    assert.equal(draft("字".repeat(101)).ok, false);
    assert.equal(draft("   ").ok, false);
  });
});

describe("danmaku", () => {
  test("settings of an older or broken store fall back one by one", () => {
    assert.deepEqual(settingsOf(null), DEFAULTS);
    assert.deepEqual(settingsOf("{nonsense"), DEFAULTS);
    assert.deepEqual(settingsOf('{"on":false,"size":"huge","opacity":9}'), { ...DEFAULTS, on: false, opacity: 1 });
  });

  test("more fly where more is wanted", () => {
    const of = (/** @type {any} */ more) => capacity({ ...DEFAULTS, ...more }, 390, 400);
    assert.ok(of({ density: "low" }) < of({ density: "high" }));
    assert.ok(of({ area: "quarter" }) < of({ area: "full" }));
    assert.equal(laneCount(DEFAULTS, 100, 20), 3);
  });

  test("no two are ever over each other, whatever their widths and speeds; one's own waits for a lane", () => {
    const lanes = new Lanes();
    const layer = { width: 400, lanes: 3 };
    const flown = [];
    let seed = 7;
    const random = () => (seed = (seed * 16_807) % 2_147_483_647) / 2_147_483_647;
    let refused = 0;
    for (let now = 0; now < 60_000; now += 50) {
      const item = { width: 30 + random() * 900, speed: random() < 0.5 ? 0.09 : 0.2, own: random() < 0.01 };
      const got = lanes.take(now, item, layer);
      if (!got) refused += 1;
      else {
        assert.ok(got.lane < 3 && got.at >= now && (item.own || got.at === now));
        flown.push({ ...item, ...got });
      }
    }
    assert.ok(refused > 0 && flown.some((one) => one.own) && flown.length > 30);
    const left = (one, time) => layer.width - (time - one.at) * one.speed;
    for (let lane = 0; lane < 3; lane += 1) {
      const inLane = flown.filter((one) => one.lane === lane);
      for (let n = 1; n < inLane.length; n += 1) {
        const [before, after] = [inLane[n - 1], inLane[n]];
        const gone = before.at + (layer.width + before.width) / before.speed;
        for (let time = after.at; time <= gone; time += 20)
          assert.ok(left(before, time) + before.width <= left(after, time) + 1e-6, "they touch");
      }
    }
  });

  test("a paused clock stands still and goes on where it stood", () => {
    let now = 0;
    const clock = new FlightClock(() => now);
    now = 1000;
    clock.pause();
    now = 9000;
    assert.equal(clock.time, 1000);
    clock.play();
    now = 9500;
    assert.equal(clock.time, 1500);
  });
});

describe("orders", () => {
  test("an amount is judged before it is sent", () => {
    assert.equal(amountFault(product(), 1_000_000), null);
    assert.equal(amountFault(product(), 999_999)?.code, "minimum");
    assert.equal(amountFault(product(), 1_050_000)?.code, "step");
    assert.equal(amountFault(product({ cap: 1_500_000 }), 1_600_000)?.code, "cap");
    assert.equal(amountFault(product({ left: 1_500_000 }), 1_600_000)?.code, "left");
    assert.equal(amountFault(product(), null)?.code, "empty");
  });

  test("steps keep within what may be ordered and land on steps", () => {
    assert.equal(stepped(product(), 1_000_000, 1), 1_100_000);
    assert.equal(stepped(product(), 1_050_000, -1), 1_000_000);
    assert.equal(stepped(product(), 1_000_000, -1), 1_000_000);
    assert.equal(stepped(product({ cap: 1_150_000 }), 1_100_000, 1), 1_100_000);
    assert.equal(stepped(product(), null, 1), 1_000_000);
  });

  const attempts = (store, made = { keys: 0 }) =>
    new Attempts(
      { getItem: (k) => store.get(k) ?? null, setItem: (k, v) => store.set(k, v), removeItem: (k) => store.delete(k) },
      () => `key-${(made.keys += 1)}`,
    );
  const intent = { session: "s", product: "p", proposal: undefined };
  const body = { product: "p", amount: 5, disclosure: { version: 1 } };

  test("what was sent and not answered is sent again as the very same body, also after a reload", () => {
    const store = new Map();
    assert.equal(attempts(store).unanswered(intent), null);
    const sent = attempts(store).begin(intent, body);
    assert.deepEqual(sent, { ...body, key: "key-1" });
    assert.deepEqual(attempts(store).unanswered({ product: "p", session: "s" }), sent);
    assert.equal(attempts(store).unanswered({ ...intent, proposal: "x" }), null);
  });

  test("once answered, the next order has a key of its own", () => {
    const [store, made] = [new Map(), { keys: 0 }];
    attempts(store, made).begin(intent, body);
    attempts(store).answered(intent);
    assert.equal(attempts(store).unanswered(intent), null);
    assert.equal(attempts(store, made).begin(intent, body).key, "key-2");
  });

  test("only the gate's refusal of the order says that there is none", () => {
    for (const code of [
      "risk_too_high",
      "sale_closed",
      "session_not_live",
      "disclosure_outdated",
      "out_of_stock",
      "proposal_gone",
      "bad_request",
    ])
      assert.equal(isAnswer({ code }), true, code);
    const silent = ["offline", "internal_error", "http_502", "media_unavailable", "order_desk_busy", "too_many_requests"];
    for (const code of [...silent, "not_signed_in", "forbidden", "idempotency_conflict"])
      assert.equal(isAnswer({ code }), false, code);
  });
});

describe("money and time", () => {
  test("money has its currency and separators, and reads back", () => {
    setLocale("en");
    assert.equal(money(1_000_000, "CNY"), "¥10,000");
    assert.equal(money(1_000_050, "CNY"), "¥10,000.50");
    assert.equal(money(500, "JPY"), "¥500");
    assert.equal(typed(1_000_000, "CNY"), "10,000");
    assert.equal(parseMoney("10,000", "CNY"), 1_000_000);
    assert.equal(parseMoney("¥ 10,000.5", "CNY"), 1_000_050);
    assert.equal(parseMoney("\uff11\uff10\uff0c\uff10\uff10\uff10", "CNY"), 1_000_000);
    assert.equal(parseMoney("1e9", "CNY"), null);
    assert.equal(parseMoney("-5", "CNY"), null);
    assert.equal(parseMoney("1.5", "JPY"), null);
  });

  test("durations", () => {
    setLocale("en");
    assert.equal(duration(3_723_000), "1:02:03");
    assert.equal(duration(63_400), "1:03");
    assert.equal(signed(-3), "−3");
    assert.match(durationWords(90_000), /2 min/);
    assert.match(durationWords(3 * 86_400_000), /3 days/);
    setLocale("zh");
    assert.equal(durationWords(260_000), "5分钟");
    setLocale("en");
  });

  test("texts fill their parameters and format them anew", () => {
    register({ en: { "test.sum": "Buy {amount} of {name}" }, zh: { "test.sum": "购买 {name} {amount}" } });
    assert.equal(t("test.sum", { amount: { money: [1_000_000, "CNY"] }, name: "X" }), "Buy ¥10,000 of X");
    assert.equal(t("test.unknown"), "test.unknown");
  });
});

describe("session", () => {
  const session = {
    id: "s",
    state: "live",
    required: ["host"],
    streams: [{ name: "host", status: "publishing" }],
    sale: { open: true, reason: null },
    shelf: [
      { id: "a", pinned: false },
      { id: "b", pinned: true },
    ],
    pinned: "b",
  };

  test("joining again adds what was missed and never goes back", () => {
    const first = joined(emptySnapshot(), {
      seq: 7,
      session,
      viewers: 3,
      orders: [{ id: "o", placed_at: "2", state: "placed" }],
    });
    const again = joined(first, {
      seq: 9,
      session,
      viewers: 4,
      orders: [
        { id: "o", placed_at: "2", state: "confirmed" },
        { id: "n", placed_at: "3", state: "placed" },
      ],
    });
    assert.deepEqual(
      again.orders.map((order) => [order.id, order.state]),
      [
        ["n", "placed"],
        ["o", "confirmed"],
      ],
    );
    assert.equal(again.seq, 9);
    assert.equal(again.recording, true);
  });

  const told = (before, seq, state) => changed(before, "state", { seq, state });

  test("a join's answer does not take back what was told while it was under way", () => {
    const start = joined(emptySnapshot(), { seq: 10, session, viewers: 1, orders: [] });
    const answer = { seq: 11, session, viewers: 1, orders: [] };
    const meanwhile = [
      ["state", { seq: 12, state: "ended" }],
      ["presence", { viewers: 9 }],
    ];
    const again = joined(told(start, 12, "ended"), answer, meanwhile);
    assert.equal(again.session.state, "ended");
    assert.equal(again.viewers, 9);
    assert.equal(again.seq, 11, "what the next join asks for is what the last one did not know");
    assert.equal(joined(start, { ...answer, seq: 13 }, meanwhile).session.state, "live", "the answer is the newer one");
  });

  test("what comes before the first answer is not lost", () => {
    const order = { id: "o", placed_at: "1", state: "placed" };
    const first = joined(emptySnapshot(), { seq: 4, session, orders: [] }, [["order", { seq: 5, order }]]);
    assert.deepEqual(first.orders, [order]);
  });

  test("an event that was overtaken changes nothing; of two with one number the later holds", () => {
    const start = joined(emptySnapshot(), { seq: 10, session, viewers: 1, orders: [] });
    assert.equal(told(start, 9, "paused").session.state, "live");
    assert.equal(told(told(start, 12, "paused"), 11, "live").session.state, "paused");
    assert.equal(told(told(start, 12, "paused"), 12, "live").session.state, "live");
    const sold = changed(start, "shelf", { seq: 14, products: [{ id: "a", pinned: true }] });
    assert.equal(changed(sold, "shelf", { seq: 13, products: [] }).session.shelf.length, 1);
    assert.equal(pinnedProduct(changed(sold, "pinned", { seq: 13, product: null }).session)?.id, "a");
    const pinned = changed(start, "pinned", { seq: 14, product: { id: "a" } });
    const left = changed(pinned, "shelf", { seq: 13, products: session.shelf });
    assert.equal(pinnedProduct(left.session)?.id, "a", "a shelf read before does not take the pin back");
  });

  test("each order has a newest state of its own", () => {
    const order = (id, state) => ({ id, placed_at: id, state });
    const start = joined(emptySnapshot(), { seq: 10, session, orders: [order("1", "sent")] });
    const confirmed = changed(start, "order", { seq: 12, order: order("1", "confirmed") });
    const both = changed(confirmed, "order", { seq: 11, order: order("2", "placed") });
    assert.equal(both.orders.length, 2, "an order is not void because another one came later");
    assert.equal(changed(both, "order", { seq: 11, order: order("1", "sent") }).orders[1].state, "confirmed");
    const sums = changed(both, "order", { seq: 3, tally: { count: 2, amount: 5, currency: "CNY" } });
    assert.equal(sums.tally.count, 2);
  });

  test("pinning, selling and states change only their part", () => {
    const start = joined(emptySnapshot(), { seq: 1, session, viewers: 1, orders: [] });
    const pinned = changed(start, "pinned", { seq: 2, product: { id: "a" } });
    assert.equal(pinnedProduct(pinned.session)?.id, "a");
    assert.equal(pinnedProduct(changed(pinned, "pinned", { seq: 3, product: null }).session), null);
    const closed = changed(pinned, "state", {
      seq: 4,
      state: "live",
      sale: { open: false, reason: "recording_stale", sentence_en: "paused", sentence_zh: "暂停" },
      streams: [],
      recording: false,
      media_boot: "b",
    });
    assert.equal(saleSentence(closed.session.sale, "zh"), "暂停");
    assert.equal(closed.recording, false);
    assert.equal(changed(closed, "presence", { viewers: 12 }).viewers, 12);
    assert.equal(changed(emptySnapshot(), "state", { seq: 5 }).seq, 0, "before the join nothing counts");
  });
});

describe("media", () => {
  test("ICE servers of a Link header", () => {
    assert.deepEqual(
      parseIceLinks(
        '<stun:a:3478>; rel="ice-server", <turn:b:3478?transport=udp>; rel="ice-server"; username="u"; credential="p"; credential-type="password", </x>; rel="next"',
      ),
      [{ urls: "stun:a:3478" }, { urls: "turn:b:3478?transport=udp", username: "u", credential: "p" }],
    );
    assert.deepEqual(parseIceLinks(null), []);
  });

  test("a TURN server that a browser would refuse the whole connection for is left out", () => {
    assert.deepEqual(
      parseIceLinks(
        '<turn:a>; rel="ice-server", <TURNS:b>; rel="ice-server"; username="u", <stun:c>; rel="ice-server", <turn:d>; rel="ice-server"; credential="p"',
      ),
      [{ urls: "stun:c" }],
    );
  });

  describe("an offer", () => {
    const TURN = '<turn:t>; rel="ice-server"; username="1:u"; credential="c+/="; credential-type="password"';

    /** A peer that notes what is done to it, and a server that answers with `link`. */
    const offering = (/** @type {string | null} */ link, /** @type {Record<string, any>} */ peer = {}) => {
      /** @type {any[]} */
      const done = [];
      const note = (/** @type {string} */ name) => async (/** @type {any} */ what) => void done.push([name, what]);
      const pc = {
        signalingState: "stable",
        createOffer: async () => ({ type: "offer", sdp: "o" }),
        setConfiguration: (/** @type {any} */ what) => void done.push(["configuration", what.iceServers]),
        setLocalDescription: note("local"),
        setRemoteDescription: note("remote"),
        ...peer,
      };
      globalThis.fetch = /** @type {any} */ (
        async (/** @type {string} */ url, /** @type {any} */ { method, body }) => {
          done.push([method, body ?? url]);
          const headers = new Headers({ Location: "/r/1", ...(link ? { Link: link } : {}) });
          return { ok: true, url: "http://t/whip", headers, text: async () => "a" };
        }
      );
      return { done, sent: () => negotiate(/** @type {any} */ (pc), "/whip") };
    };
    const original = globalThis.fetch;
    afterEach(() => void (globalThis.fetch = original));

    test("is set, which starts the gathering, when the answer has told the ICE servers", async () => {
      const { done, sent } = offering(TURN);
      assert.equal(await sent(), "http://t/r/1");
      assert.deepEqual(done, [
        ["POST", "o"],
        ["configuration", [{ urls: "turn:t", username: "1:u", credential: "c+/=" }]],
        ["local", { type: "offer", sdp: "o" }],
        ["remote", { type: "answer", sdp: "a" }],
      ]);
    });

    test("needs no ICE servers, nor such as the browser can read", async (context) => {
      context.mock.method(console, "warn", () => {});
      const none = offering(null);
      await none.sent();
      assert.deepEqual(
        none.done.map(([name]) => name),
        ["POST", "local", "remote"],
      );
      const refusing = () => {
        throw new SyntaxError("no such server");
      };
      const broken = offering(TURN, { setConfiguration: refusing });
      await broken.sent();
      assert.deepEqual(
        broken.done.map(([name]) => name),
        ["POST", "local", "remote"],
      );
    });

    test("that can't be gone through with gives its resource back", async () => {
      const closed = offering(TURN, { signalingState: "closed" });
      await assert.rejects(closed.sent(), { code: "offline" });
      assert.deepEqual(closed.done, [
        ["POST", "o"],
        ["DELETE", "http://t/r/1"],
      ]);
      const refusing = () => Promise.reject(new Error("no such answer"));
      const bad = offering(null, { setRemoteDescription: refusing });
      await assert.rejects(bad.sent(), /no such answer/);
      assert.deepEqual(bad.done.at(-1), ["DELETE", "http://t/r/1"]);
    });
  });

  test("of several requests for devices the latest counts, and none after closing", async () => {
    const stream = () => {
      const track = { readyState: "live", stop: () => (track.readyState = "ended") };
      return { getTracks: () => [track] };
    };
    /** @type {((media: any) => void)[]} */
    const prompts = [];
    const requests = deviceRequests(() => new Promise((resolve) => prompts.push(resolve)));
    const answers = [requests.open(), requests.open()];
    const [early, late, after] = [stream(), stream(), stream()];
    prompts[1](late);
    prompts[0](early);
    assert.deepEqual(await Promise.all(answers), [null, late]);
    assert.deepEqual([isUsable(early), isUsable(late)], [false, true]);
    const open = requests.open();
    requests.close();
    prompts[2](after);
    assert.equal(await open, null);
    assert.equal(isUsable(after), false);
    assert.equal(await requests.open(), null);
    assert.equal(prompts.length, 3, "nobody is asked any more");
    assert.equal(isUsable(null), false);
  });

  test("waits grow and stop growing", () => {
    assert.deepEqual(
      [0, 1, 2, 3, 4, 9].map((n) => backoff(n, 0)),
      [500, 1000, 2000, 4000, 8000, 8000],
    );
    assert.equal(backoff(0, 1), 625);
  });

  test("H.264 comes first, the rest keep their order", () => {
    const codecs = ["video/VP8", "video/H264", "video/AV1"].map((mimeType) => ({ mimeType }));
    assert.deepEqual(
      preferred(codecs, "video/h264").map((codec) => codec.mimeType),
      ["video/H264", "video/VP8", "video/AV1"],
    );
  });

  test("a device's failure and the browser to explain", () => {
    assert.equal(failureOf("NotAllowedError"), "denied");
    assert.equal(failureOf("NotFoundError"), "none");
    assert.equal(failureOf("NotReadableError"), "busy");
    assert.equal(browserOf("Mozilla/5.0 (iPhone) MicroMessenger/8"), "wechat");
    assert.equal(browserOf("Mozilla/5.0 (Macintosh) Version/17 Safari/605"), "safari");
    assert.equal(browserOf("Mozilla/5.0 Chrome/120 Safari/537"), "chrome");
    assert.equal(loudness(new Float32Array(8)), 0);
    assert.equal(loudness(new Float32Array(8).fill(1)), 1);
  });
});

test("one is led back to a path of this site and nowhere else", () => {
  const site = "https://bank.example";
  const lead = (wanted) => ownPath(wanted, "/", site);
  assert.equal(lead("/watch/s1?a=b%20c#d"), "/watch/s1?a=b%20c#d");
  assert.equal(lead("/a/../orders"), "/orders");
  const away = [
    "//evil.example",
    "/\\evil.example",
    "\\\\evil.example",
    "/.//evil.example",
    "/a/..//evil.example",
    "/\t/evil.example",
  ];
  const broken = [
    null,
    "",
    "orders",
    "https://evil.example/",
    "javascript:alert(1)",
    "/ünder",
    "/a\\b",
    "//",
    "//[",
    "/ a",
    "/a\nb",
  ];
  for (const wanted of [...away, ...broken]) assert.equal(lead(wanted), "/", String(wanted));
  for (const wanted of ["/login?next=/", "/x/../login", "/api/me"]) assert.equal(lead(wanted), "/", wanted);
  assert.equal(ownPath("//evil.example", "", site), "");
});

test("a calendar entry escapes what its format reserves", () => {
  const text = entry(
    { id: "x", title: "Funds, bonds; more", starts_at: "2026-11-22T12:00:00Z", url: "https://x/watch/s" },
    new Date("2026-11-20T00:00:00Z"),
  );
  assert.match(text, /SUMMARY:Funds\\, bonds\\; more\r\n/);
  assert.match(text, /DTSTART:20261122T120000Z\r\n/);
});
