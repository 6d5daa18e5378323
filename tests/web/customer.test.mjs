// The customer pages' decisions.
import assert from "node:assert/strict";
import { test } from "node:test";
import { openCall, openProposal, stepOf, waitOf } from "../../web/scripts/call/call_model.js";
import { layerTeller } from "../../web/scripts/lib/layer.js";
import { matching } from "../../web/scripts/lobby/search.js";
import { ChosenQuality, paced, qualityOf, shownHeight } from "../../web/scripts/watch/quality_model.js";
import { away, countdown, stateCard, talking } from "../../web/scripts/watch/watch_state.js";

const session = (more = {}) => ({
  state: "live",
  required: ["host"],
  streams: [{ name: "host", status: "publishing" }],
  ...more,
});
const call = (more = {}) => ({
  id: "c",
  state: "waiting",
  waiting_since: "1",
  eta_s: 90,
  proposal: null,
  consent: { given_at: null },
  ...more,
});

test("what stands over the picture", () => {
  assert.deepEqual(stateCard({ session: null, media: "connecting", seen: false }), { kind: "opening", quiet: false });
  assert.equal(stateCard({ session: session(), media: "playing", seen: true }), null);
  assert.deepEqual(stateCard({ session: session({ state: "paused" }), media: "playing", seen: true }), {
    kind: "paused",
    quiet: false,
  });
  assert.deepEqual(stateCard({ session: session({ state: "ended" }), media: "ended", seen: true }), {
    kind: "ended",
    quiet: false,
  });
  assert.deepEqual(stateCard({ session: session(), media: "waiting", seen: false }), { kind: "waiting", quiet: false });
  assert.deepEqual(
    stateCard({ session: session({ streams: [{ name: "host", status: "lost" }] }), media: "reconnecting", seen: true }),
    { kind: "lost", quiet: false },
  );
  assert.deepEqual(stateCard({ session: session(), media: "reconnecting", seen: true }), { kind: "reconnecting", quiet: true });
});

test("a host who left is away like one who was lost; one whose recording failed is not", () => {
  for (const [status, gone] of [
    ["publishing", false],
    ["lost", true],
    ["left", true],
    ["closed", true],
    ["failed", false],
  ])
    assert.equal(away(session({ streams: [{ name: "host", status }] })), gone, status);
  const left = session({ streams: [{ name: "host", status: "left" }] });
  assert.equal(stateCard({ session: left, media: "reconnecting", seen: true })?.kind, "lost");
  assert.equal(stateCard({ session: left, media: "playing", seen: true }), null);
  assert.equal(away({ ...left, state: "ended" }), false);
  assert.equal(away(session({ streams: [{ name: "slides", status: "left" }] })), false);
});

test("the sound alone has a card while it plays, and gives way to what is worse", () => {
  const known = { session: session(), media: "playing", seen: true, soundOnly: true };
  assert.deepEqual(stateCard(known), { kind: "sound", quiet: false });
  assert.equal(stateCard({ ...known, session: session({ state: "paused" }) })?.kind, "paused");
  assert.equal(stateCard({ ...known, media: "reconnecting" })?.kind, "reconnecting");
});

test("a quality that was kept by another version is automatic", () => {
  assert.deepEqual(["auto", "high", "low", "audio", "4k", "", null].map(qualityOf), [
    "auto",
    "high",
    "low",
    "audio",
    "auto",
    "auto",
    "auto",
  ]);
});

/** A device that keeps. @param {Record<string, string>} [kept] */
function device(kept = {}) {
  const store = new Map(Object.entries(kept));
  const visit = () =>
    new ChosenQuality(
      (key) => store.get(key) ?? null,
      (key, value) => void store.set(key, value),
    );
  return { store, visit };
}

test("after the sound alone the picture comes back as it was chosen before, also at a later visit", () => {
  const { visit } = device();
  const first = visit();
  assert.deepEqual([first.quality, first.pictured], ["auto", "auto"]);
  first.choose("low");
  first.choose("audio");
  assert.deepEqual([first.quality, first.pictured], ["audio", "low"]);
  const second = visit();
  assert.deepEqual([second.quality, second.pictured], ["audio", "low"]);
  second.choose(second.pictured);
  assert.equal(visit().quality, "low");
  const older = device({ "tellercast.quality": "low" });
  older.visit().choose("audio");
  assert.equal(older.visit().pictured, "low");
  for (const kept of ["audio", "4k"])
    assert.equal(device({ "tellercast.quality": "audio", "tellercast.quality.picture": kept }).visit().pictured, "auto");
});

test("the sound alone, where it can't be chosen, is everything; the device keeps the choice for where it can", () => {
  const { store, visit } = device({ "tellercast.quality": "audio" });
  const chosen = visit();
  assert.deepEqual([chosen.quality, chosen.soundOnly], ["audio", false]);
  assert.equal(chosen.allowed(false), true);
  assert.deepEqual([chosen.quality, chosen.soundOnly], ["auto", false]);
  assert.equal(chosen.allowed(false), false);
  assert.equal(store.get("tellercast.quality"), "audio");
  assert.equal(chosen.allowed(true), true);
  assert.deepEqual([chosen.quality, chosen.soundOnly], ["audio", true]);
});

test("a kept sound alone, at a server that does not answer, ends with the picture and not with a black page", async () => {
  const { visit } = device({ "tellercast.quality": "audio" });
  const chosen = visit();
  const tell = () => teller.choose({ quality: chosen.quality, height: 720 });
  let status = 503;
  const teller = layerTeller({
    where: () => "/r1",
    onAble: (able) => chosen.allowed(able) && tell(),
    post: async () => status,
    pause: async () => {},
  });
  const settled = () => new Promise((resolve) => setImmediate(resolve));
  tell();
  await settled();
  assert.deepEqual([chosen.quality, chosen.soundOnly], ["auto", false]);
  status = 204;
  teller.connected();
  await settled();
  assert.deepEqual([chosen.quality, chosen.soundOnly], ["audio", true]);
});

test("the picture's height is what is seen of it, in device pixels", () => {
  const phone = { width: 390, height: 844 };
  const wide = { width: 1280, height: 720 };
  assert.equal(shownHeight(phone, wide, { whole: true, ratio: 3 }), 658);
  assert.equal(shownHeight(phone, wide, { whole: false, ratio: 3 }), 2532);
  assert.equal(shownHeight(phone, { width: 0, height: 0 }, { whole: true, ratio: 2 }), 1688);
  assert.equal(shownHeight({ width: 0, height: 0 }, wide, { whole: true, ratio: 1 }), 1);
  assert.equal(shownHeight({ width: 9000, height: 9000 }, wide, { whole: false, ratio: 3 }), 4320);
});

test("while a window is dragged nothing is sent, and afterwards at most once in two seconds", () => {
  let now = 0;
  let done = 0;
  /** @type {{at: number, run: () => void} | null} */ let timer = null;
  const pass = (/** @type {number} */ ms) => {
    now += ms;
    if (!timer || timer.at > now) return;
    const { run } = timer;
    timer = null;
    run();
  };
  const resized = paced(() => done++, {
    now: () => now,
    after: (run, ms) => {
      timer = { at: now + ms, run };
      return 1;
    },
    stop: () => {
      timer = null;
    },
  });
  for (let i = 0; i < 10; i++) {
    resized();
    pass(100);
  }
  assert.equal(done, 0);
  pass(300);
  assert.equal(done, 1);
  resized();
  pass(300);
  assert.equal(done, 1);
  pass(1700);
  assert.equal(done, 2);
});

test("one may talk while the show is on", () => {
  assert.equal(talking(null), "before");
  assert.equal(talking(session({ state: "scheduled" })), "before");
  assert.equal(talking(session({ state: "paused" })), "open");
  assert.equal(talking(session({ state: "ended" })), "over");
});

test("the countdown ends at the start", () => {
  const start = "2026-11-22T12:00:00Z";
  assert.deepEqual(countdown(start, Date.parse(start) - 3_661_000), {
    days: 0,
    hours: 1,
    minutes: 1,
    seconds: 1,
    ms: 3_661_000,
  });
  assert.equal(countdown(start, Date.parse(start)), null);
});

test("a call's steps, also for who comes back in the middle", () => {
  assert.equal(stepOf(null, false), "topic");
  assert.equal(stepOf(call(), false), "consent");
  assert.equal(stepOf(call({ state: "accepted" }), true), "consent");
  const agreed = { consent: { given_at: "2" } };
  assert.equal(stepOf(call(agreed), false), "check");
  assert.equal(stepOf(call(agreed), true), "line");
  assert.equal(stepOf(call({ ...agreed, state: "live" }), false), "check");
  assert.equal(stepOf(call({ ...agreed, state: "live" }), true), "talk");
  assert.equal(stepOf(call({ state: "ended" }), true), "over");
});

test("who hung up is not put back into the call, whatever is heard of it, until it is over", () => {
  const live = { consent: { given_at: "2" }, state: "live" };
  assert.equal(stepOf(call(live), true, "c"), "leaving");
  assert.equal(stepOf(call({ ...live, state: "waiting" }), false, "c"), "leaving");
  assert.equal(stepOf(call({ ...live, state: "ended" }), true, "c"), "over");
  assert.equal(stepOf(call({ ...live, id: "d" }), true, "c"), "talk");
});

test("the newest open call is the one to go on with", () => {
  assert.equal(
    openCall([call({ id: "a", state: "ended" }), call({ id: "b" }), call({ id: "d", waiting_since: "5" })])?.id,
    "d",
  );
  assert.equal(openCall([]), null);
});

test("a wait is honest", () => {
  assert.equal(waitOf(call({ eta_s: null })).key, "call.eta.unknown");
  assert.equal(waitOf(call({ eta_s: 20 })).key, "call.eta.soon");
  assert.deepEqual(waitOf(call({ eta_s: 90 })), { key: "call.eta", params: { words: { words: 90_000 } } });
});

test("only an open proposal of a running call asks for an answer", () => {
  const proposal = { id: "p", state: "open" };
  assert.equal(openProposal(call({ state: "live", proposal }))?.id, "p");
  assert.equal(openProposal(call({ state: "live", proposal: { ...proposal, state: "replaced" } })), null);
  assert.equal(openProposal(call({ state: "ended", proposal })), null);
});

test("search wants every word, wherever it stands", () => {
  const shows = [
    { title: "Funds explained", summary: "with examples", host: { name: "周岚" } },
    { title: "Deposits", summary: "", host: { name: "吴哲" } },
  ];
  assert.equal(matching(shows, "周岚 FUNDS").length, 1);
  assert.equal(matching(shows, "").length, 2);
  assert.equal(matching(shows, "gold").length, 0);
});
