import assert from "node:assert/strict";
import { readdir, readFile } from "node:fs/promises";
import test from "node:test";

import { calmly } from "../../web/scripts/studio/calmly.js";
import { columns, judge, kept, niceTop, steady, summary, TONE, UNDECIDED } from "../../web/scripts/studio/health.js";
import { studioTexts } from "../../web/texts/staff_studio.js";
import { airtime, nextQuarter, offered, own, recordingWord, sorted, stageOf, ticked } from "../../web/scripts/studio/model.js";

const sample = (over = {}) => ({
  kbps: 900,
  loss: 0,
  rttMs: 40,
  fps: 30,
  width: 1280,
  height: 720,
  limited: "none",
  sourceFps: 30,
  availableKbps: null,
  acked: true,
  relayed: false,
  low: null,
  ...over,
});
const five = (over) => Array.from({ length: 5 }, () => sample(over));
const on = { camera: true, microphone: true, connected: true, refused: false, held: false, screen: false, asleep: false };

test("health has a word for each trouble", () => {
  assert.equal(judge(five(), on), "good");
  assert.equal(judge(five({ kbps: 300 }), on), "fair");
  assert.equal(judge(five({ loss: 0.03 }), on), "fair");
  assert.equal(judge(five({ kbps: 100 }), on), "weak");
  assert.equal(judge(five({ loss: 0.12 }), on), "weak");
  assert.equal(judge(five({ rttMs: 600 }), on), "slow");
  assert.equal(judge(five({ kbps: 0 }), on), "silent");
  assert.equal(judge(five({ limited: "cpu" }), on), "busy");
  assert.equal(judge(five({ acked: false }), on), "unheard");
  assert.equal(judge(five({ sourceFps: 0 }), on), "frozen");
  assert.equal(judge(five(), { ...on, asleep: true }), "frozen");
  assert.equal(judge(five({ sourceFps: 8 }), on), "dim");
  assert.equal(judge(five(), { ...on, microphone: false }), "muted");
  assert.equal(judge(five(), { ...on, camera: false }), "off");
  assert.equal(judge(five({ kbps: 20 }), { ...on, camera: false, microphone: false, held: true }), "held");
  assert.equal(judge(five(), { ...on, connected: false }), "lost");
  assert.equal(judge([], { ...on, connected: false }), "starting");
  assert.equal(judge([sample()], on), "starting");
});

test("what is broken comes before what was forgotten, and a browser that says nothing of its camera is believed", () => {
  assert.equal(judge(five({ loss: 0.12 }), { ...on, microphone: false }), "weak");
  assert.equal(judge(five({ acked: false }), { ...on, held: true }), "unheard");
  assert.equal(judge(five({ sourceFps: null }), on), "good");
});

test("one report that is late is not an upload that nobody hears", () => {
  assert.equal(judge([...five(), sample({ acked: false }), sample({ acked: false })], on), "good");
});

test("a page on the screen that stands still is no weak upload; a line too thin for it is", () => {
  const screen = { ...on, screen: true };
  assert.equal(judge(five({ kbps: 30, sourceFps: 0 }), screen), "good");
  assert.equal(judge(five({ kbps: 100, limited: "bandwidth" }), screen), "weak");
});

test("a card that stands still before a good line is no weak upload; where the line is thin or unknown it is", () => {
  const card = { kbps: 60, limited: "none" };
  assert.equal(judge(five({ ...card, availableKbps: 2600 }), on), "good");
  assert.equal(judge(five({ ...card, availableKbps: 120 }), on), "weak");
  assert.equal(judge(five(card), on), "weak");
  assert.equal(judge(five({ kbps: 300, availableKbps: 2600 }), on), "good");
  assert.equal(judge(five({ kbps: 300, availableKbps: 400 }), on), "fair");
  const screen = { ...on, screen: true };
  assert.equal(judge(five({ kbps: 300, limited: "bandwidth", availableKbps: 2600 }), screen), "good");
  assert.equal(judge(five({ kbps: 300, limited: "bandwidth", availableKbps: 400 }), screen), "fair");
  assert.equal(judge(five({ ...card, availableKbps: 2600, loss: 0.12 }), on), "weak");
});

test("a camera whose frames no encoder takes is frozen; a line too thin for any is weak", () => {
  const nothing = { fps: 0, width: 0, height: 0, kbps: 40 };
  assert.equal(judge(five(nothing), on), "frozen");
  assert.equal(judge(five({ fps: 0, kbps: 40, availableKbps: 2600 }), on), "frozen");
  assert.equal(judge(five({ fps: 0, kbps: 40, availableKbps: 60, limited: "bandwidth" }), on), "weak");
  assert.equal(judge(five({ ...nothing, sourceFps: null }), on), "weak");
});

test("what is refused or missing is told as not sent at once, before and after it was", () => {
  assert.equal(judge([], { ...on, connected: false, refused: true }), "unsent");
  assert.equal(judge(five(), { ...on, connected: false, refused: true }), "unsent");
  assert.equal(steady(UNDECIDED, "unsent", false).shown, "unsent");
  const good = { shown: "good", next: "good", times: 0 };
  assert.equal(steady(good, "unsent", false).shown, "unsent");
});

test("with the camera off a low rate is not a weak upload", () => {
  assert.equal(judge(five({ kbps: 40 }), { ...on, camera: false }), "off");
});

test("figures that waver do not change the sentence; what the host did is said at once", () => {
  let verdict = steady(UNDECIDED, "good", true);
  assert.equal(verdict.shown, "good");
  verdict = steady(verdict, "weak", true);
  assert.equal(verdict.shown, "good");
  verdict = steady(verdict, "good", true);
  verdict = steady(verdict, "weak", true);
  assert.equal(verdict.shown, "good");
  assert.equal(steady(verdict, "weak", false).shown, "good");
  assert.equal(steady(verdict, "weak", true).shown, "weak");
  assert.equal(steady(verdict, "muted", false).shown, "muted");
  assert.equal(steady(verdict, "lost", false).shown, "lost");
});

test("every word of health has its advice in both languages and a tone", () => {
  for (const level of Object.keys(TONE))
    for (const texts of [studioTexts.en, studioTexts.zh])
      for (const key of [`health.${level}`, `health.${level}.do`]) assert.ok(texts[key], key);
  assert.deepEqual(Object.keys(studioTexts.zh).sort(), Object.keys(studioTexts.en).sort());
});

test("every word that the studio's scripts name exists", async () => {
  const folder = new URL("../../web/scripts/studio/", import.meta.url);
  let found = 0;
  for (const file of await readdir(folder))
    for (const [, key] of (await readFile(new URL(file, folder), "utf8")).matchAll(/"((?:studio|health)\.[a-z_.]+)"/g)) {
      assert.ok(key in studioTexts.en, `${file}: ${key}`);
      found += 1;
    }
  assert.ok(found > 80);
});

test("two minutes of readings are kept", () => {
  let samples = [];
  for (let i = 0; i < 90; i++) samples = kept(samples, sample({ kbps: i }));
  assert.equal(samples.length, 60);
  assert.equal(samples.at(-1).kbps, 89);
});

test("the plot's newest reading stands at its right edge, and it is told in figures", () => {
  const samples = [sample({ kbps: 250, loss: 0.021 }), sample({ kbps: 1200 })];
  const [at, rate, loss] = columns(samples);
  assert.deepEqual([at.length, rate.length, loss.length], [60, 60, 60]);
  assert.deepEqual([at[0], at.at(-1), rate.at(-1), rate.at(-2), rate.at(-3), loss.at(-2)], [-118, 0, 1200, 250, null, 2.1]);
  assert.deepEqual(summary(samples), { least: 250, most: 1200, now: 1200, loss: 0.021, seconds: 4 });
  assert.equal(summary([]), null);
  assert.deepEqual([0, 501, 1200, 2000].map(niceTop), [500, 1000, 2000, 2000]);
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

test("what stands on the shelf is shown, also when no page has it yet", () => {
  const known = new Map(["a", "b", "c", "d"].map((id) => [id, { id }]));
  const ids = (pages, chosen) =>
    offered(
      pages.map((id) => ({ id })),
      chosen,
      known,
    )
      .map((one) => one.id)
      .join("");
  assert.equal(ids(["a", "b"], ["b"]), "ab");
  assert.equal(ids(["a", "b"], ["d", "b", "c"]), "dcab");
  assert.equal(ids([], ["gone"]), "");
});
