import assert from "node:assert/strict";
import test from "node:test";

import { judge, plot, read } from "../../web/scripts/studio/health.js";
import { airtime, nextQuarter, own, recordingWord, sorted, stageOf, ticked } from "../../web/scripts/studio/model.js";

const sample = (over = {}) => ({ at: 0, kbps: 900, loss: 0, rtt_ms: 40, fps: 30, limited: "none", ...over });
const five = (over) => Array.from({ length: 5 }, () => sample(over));
const on = { camera: true, connected: true };

test("a rate needs two readings, and a new connection never gives a negative one", () => {
  const first = read([{ type: "outbound-rtp", kind: "video", bytesSent: 1000 }], null, 1000);
  assert.equal(first.sample, null);
  const second = read([{ type: "outbound-rtp", kind: "video", bytesSent: 126_000 }], first.counters, 2000);
  assert.equal(second.sample?.kbps, 1000);
  const restarted = read([{ type: "outbound-rtp", kind: "video", bytesSent: 10 }], second.counters, 3000);
  assert.equal(restarted.sample?.kbps, 0);
});

test("loss and round trip come from the far end, the pair's round trip stands in", () => {
  const before = { at: 0, bytes: 0 };
  const far = read([{ type: "remote-inbound-rtp", fractionLost: 0.1, roundTripTime: 0.2 }], before, 1000);
  assert.equal(far.sample?.loss, 0.1);
  assert.equal(far.sample?.rtt_ms, 200);
  const pair = read([{ type: "candidate-pair", nominated: true, currentRoundTripTime: 0.05 }], before, 1000);
  assert.equal(pair.sample?.rtt_ms, 50);
});

test("health has a word for each trouble", () => {
  assert.equal(judge(five(), on), "good");
  assert.equal(judge(five({ kbps: 300 }), on), "fair");
  assert.equal(judge(five({ kbps: 100 }), on), "weak");
  assert.equal(judge(five({ loss: 0.12 }), on), "weak");
  assert.equal(judge(five({ rtt_ms: 600 }), on), "slow");
  assert.equal(judge(five({ kbps: 0 }), on), "silent");
  assert.equal(judge(five({ limited: "cpu" }), on), "busy");
  assert.equal(judge(five(), { camera: true, connected: false }), "lost");
  assert.equal(judge([], on), "starting");
});

test("with the camera off a low rate is not a weak upload", () => {
  assert.equal(judge(five({ kbps: 40 }), { camera: false, connected: true }), "good");
});

test("the plot's newest reading stands at the right edge", () => {
  const { line, top_kbps } = plot([sample({ kbps: 250 }), sample({ kbps: 1200 })], 240, 40);
  assert.equal(top_kbps, 2000);
  assert.match(line.split(" ").at(-1), /^240\.0,/);
});

test("own shows stand once, on air first, then upcoming by time, then past with the newest first", () => {
  const show = (id, state, starts_at, mine = true) => ({ id, state, starts_at, mine });
  const lists = {
    live: [show("a", "live", "2026-01-03")],
    upcoming: [show("c", "scheduled", "2026-01-09"), show("b", "scheduled", "2026-01-05"), show("x", "scheduled", "2026-01-01", false)],
    replays: [show("d", "ended", "2026-01-01"), show("e", "ended", "2026-01-02"), show("a", "live", "2026-01-03")],
  };
  assert.deepEqual(own(lists).map((s) => s.id), ["a", "b", "c", "e", "d"]);
  assert.deepEqual(sorted([]), []);
});

test("stages, clock, recording words and ticks", () => {
  assert.equal(stageOf("scheduled"), "before");
  assert.equal(stageOf("ended"), "after");
  assert.equal(airtime("2026-01-01T00:00:00Z", Date.parse("2026-01-01T01:02:03Z")), "1:02:03");
  assert.equal(recordingWord({ recording: true, stage: "live", publisher: "connected" }), "recording");
  assert.equal(recordingWord({ recording: false, stage: "live", publisher: "connecting" }), "starting");
  assert.equal(recordingWord({ recording: false, stage: "live", publisher: "connected" }), "failed");
  assert.equal(recordingWord({ recording: false, stage: "paused", publisher: "connected" }), "paused");
  let ticks = [];
  for (let i = 0; i < 40; i++) ticks = ticked(ticks, { name: String(i), product: "p", amount: 1, at: "" });
  assert.equal(ticks.length, 30);
  assert.equal(ticks[0].name, "39");
});

test("the next quarter of an hour is later than now and fits a datetime-local field", () => {
  const text = nextQuarter(new Date("2026-05-05T10:15:00"));
  assert.equal(text, "2026-05-05T10:30");
});
