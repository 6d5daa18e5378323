// The customer pages' decisions.
import assert from "node:assert/strict";
import { test } from "node:test";
import { openCall, openProposal, stepOf, waitOf } from "../../web/scripts/call/call_model.js";
import { matching } from "../../web/scripts/lobby/search.js";
import { countdown, stateCard, talking } from "../../web/scripts/watch/watch_state.js";

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
    { kind: "lost", quiet: true },
  );
  assert.deepEqual(stateCard({ session: session(), media: "reconnecting", seen: true }), { kind: "reconnecting", quiet: true });
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
