// The pages' thinking that needs no page.
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { CommentsModel, draft } from "../../web/scripts/lib/comments_model.js";
import { Airspace, capacity, DEFAULTS, FlightClock, settingsOf } from "../../web/scripts/lib/danmaku_model.js";
import { duration, durationWords, money, parseMoney, setLocale, signed } from "../../web/scripts/lib/format.js";
import { register, t } from "../../web/scripts/lib/i18n.js";
import { amountFault, IntentKeys, isAnswer, stepped, typed } from "../../web/scripts/lib/order_model.js";
import { changed, emptySnapshot, joined, pinnedProduct, saleSentence } from "../../web/scripts/lib/session_model.js";
import { backoff, parseIceLinks } from "../../web/scripts/lib/webrtc.js";
import { judge, preferred } from "../../web/scripts/lib/whip.js";
import { browserOf, failureOf, loudness } from "../../web/scripts/lib/devices.js";
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

  test("the air holds what the density allows; one's own always flies", () => {
    const air = new Airspace();
    const limit = capacity({ ...DEFAULTS, density: "low", area: "quarter" }, 390, 400);
    let flown = 0;
    for (let n = 0; n < 50; n += 1) flown += Number(air.admit(0, 3000, limit, false));
    assert.equal(flown, limit);
    assert.equal(air.admit(0, 3000, limit, true), true);
    assert.equal(air.admit(3001, 3000, limit, false), true);
  });

  test("a paused clock stands still and goes on where it stood", () => {
    let now = 0;
    const clock = new FlightClock(() => now);
    now = 1000;
    clock.pause();
    now = 9000;
    assert.equal(clock.currentTime, 1);
    clock.play();
    now = 9500;
    assert.equal(clock.currentTime, 1.5);
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

  test("the same order keeps its key until it was answered", () => {
    const store = new Map();
    let made = 0;
    const keys = () =>
      new IntentKeys(
        { getItem: (k) => store.get(k) ?? null, setItem: (k, v) => store.set(k, v), removeItem: (k) => store.delete(k) },
        () => `key-${(made += 1)}`,
      );
    const intent = { session: "s", product: "p", amount: 5, proposal: undefined };
    assert.equal(keys().key(intent), "key-1");
    assert.equal(
      keys().key({ amount: 5, product: "p", session: "s" }),
      "key-1",
      "also after a reload, whatever the order of the fields",
    );
    assert.equal(keys().key({ ...intent, amount: 6 }), "key-2");
    keys().answered(intent);
    assert.equal(keys().key(intent), "key-3");
  });

  test("a lost connection or a busy server is no answer", () => {
    assert.equal(isAnswer({ code: "offline", status: 0 }), false);
    assert.equal(isAnswer({ code: "media_unavailable", status: 503 }), false);
    assert.equal(isAnswer({ code: "too_many_requests", status: 429 }), false);
    assert.equal(isAnswer({ code: "risk_too_high", status: 409 }), true);
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

  test("an upload's health in a word", () => {
    const sample = (more) => ({
      at: 0,
      bytes: 0,
      packets: 0,
      lost: 0,
      rttMs: 20,
      fps: 30,
      width: 1280,
      height: 720,
      limited: "none",
      ...more,
    });
    const after = (more) => sample({ at: 2000, bytes: 250_000, packets: 300, ...more });
    assert.equal(judge(sample(), after()).level, "good");
    assert.equal(judge(sample(), after()).kbps, 1000);
    assert.equal(judge(sample(), after({ lost: 15 })).level, "weak");
    assert.equal(judge(sample(), after({ lost: 60 })).level, "bad");
    assert.equal(judge(sample(), after({ bytes: 1000 })).level, "bad");
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

test("a calendar entry escapes what its format reserves", () => {
  const text = entry(
    { id: "x", title: "Funds, bonds; more", starts_at: "2026-11-22T12:00:00Z", url: "https://x/watch/s" },
    new Date("2026-11-20T00:00:00Z"),
  );
  assert.match(text, /SUMMARY:Funds\\, bonds\\; more\r\n/);
  assert.match(text, /DTSTART:20261122T120000Z\r\n/);
});
