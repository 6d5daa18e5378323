import assert from "node:assert/strict";
import test from "node:test";

import { calmly } from "../../web/scripts/studio/calmly.js";
import { judge, kept, plot } from "../../web/scripts/studio/health.js";
import { airtime, nextQuarter, own, recordingWord, sorted, stageOf, ticked } from "../../web/scripts/studio/model.js";

const sample = (over = {}) => ({ kbps: 900, loss: 0, rttMs: 40, fps: 30, limited: "none", ...over });
const five = (over) => Array.from({ length: 5 }, () => sample(over));
const on = { camera: true, connected: true };

test("health has a word for each trouble", () => {
  assert.equal(judge(five(), on), "good");
  assert.equal(judge(five({ kbps: 300 }), on), "fair");
  assert.equal(judge(five({ kbps: 100 }), on), "weak");
  assert.equal(judge(five({ loss: 0.12 }), on), "weak");
  assert.equal(judge(five({ rttMs: 600 }), on), "slow");
  assert.equal(judge(five({ kbps: 0 }), on), "silent");
  assert.equal(judge(five({ limited: "cpu" }), on), "busy");
  assert.equal(judge(five(), { camera: true, connected: false }), "lost");
  assert.equal(judge([], on), "starting");
});

test("with the camera off a low rate is not a weak upload", () => {
  assert.equal(judge(five({ kbps: 40 }), { camera: false, connected: true }), "good");
});

test("two minutes of readings are kept", () => {
  let samples = [];
  for (let i = 0; i < 90; i++) samples = kept(samples, sample({ kbps: i }));
  assert.equal(samples.length, 60);
  assert.equal(samples.at(-1).kbps, 89);
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
    upcoming: [
      show("c", "scheduled", "2026-01-09"),
      show("b", "scheduled", "2026-01-05"),
      show("x", "scheduled", "2026-01-01", false),
    ],
    replays: [show("d", "ended", "2026-01-01"), show("e", "ended", "2026-01-02"), show("a", "live", "2026-01-03")],
  };
  assert.deepEqual(
    own(lists).map((s) => s.id),
    ["a", "b", "c", "e", "d"],
  );
  assert.deepEqual(sorted([]), []);
});

test("stages, clock, recording words and ticks", () => {
  assert.equal(stageOf("scheduled"), "before");
  assert.equal(stageOf("ended"), "after");
  assert.equal(airtime("2026-01-01T00:00:00Z", Date.parse("2026-01-01T01:02:03Z")), "1:02:03");
  assert.equal(recordingWord({ recording: true, stage: "live", publisher: "live" }), "recording");
  assert.equal(recordingWord({ recording: false, stage: "live", publisher: "connecting" }), "starting");
  assert.equal(recordingWord({ recording: false, stage: "live", publisher: "live" }), "failed");
  assert.equal(recordingWord({ recording: false, stage: "paused", publisher: "live" }), "paused");
  let ticks = [];
  for (let i = 0; i < 40; i++) ticks = ticked(ticks, { name: String(i), product: "p", amount: 1, at: "" });
  assert.equal(ticks.length, 30);
  assert.equal(ticks[0].name, "39");
});

test("the next quarter of an hour is later than now and fits a datetime-local field", () => {
  const text = nextQuarter(new Date("2026-05-05T10:15:00"));
  assert.equal(text, "2026-05-05T10:30");
});

test("news that comes twice reconnects once, later news again", () => {
  let at = 0;
  let done = 0;
  const reconnect = calmly(
    () => done++,
    3000,
    () => at,
  );
  reconnect();
  at = 1000;
  reconnect();
  assert.equal(done, 1);
  at = 5000;
  reconnect();
  assert.equal(done, 2);
});
