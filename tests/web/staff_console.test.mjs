import assert from "node:assert/strict";
import test from "node:test";

import { placeLink, readPlace } from "../../web/scripts/console/address.js";
import { caseActions } from "../../web/scripts/console/case_model.js";
import {
  drawable,
  filtered,
  inOrder,
  lowerBound,
  marks,
  nearest,
  sortIntoLanes,
  spans,
} from "../../web/scripts/console/lanes.js";
import { correction, covers, leader, mediaOf, positionOf } from "../../web/scripts/console/sync.js";
import { clockOf, msOf, panned, ruler, showing, whole, xOf, zoomed } from "../../web/scripts/console/view.js";

const HOUR = 3_600_000;
const LANES = {
  comment: "comments",
  gap: "gaps",
  sale_opened: "sale",
  sale_closed: "sale",
  order_placed: "orders",
  session_started: "session",
};
const entry = (seq, media_ms, kind, lane = LANES[kind], data = {}) => ({
  seq,
  media_ms,
  kind,
  lane,
  data,
  at: "",
  actor: "",
  text: null,
});

test("zooming keeps the pointed moment where it is, from hours to seconds", () => {
  let view = whole(3 * HOUR);
  const at = HOUR;
  const x = xOf(view, 1000, at);
  for (let i = 0; i < 40; i++) view = zoomed(view, 1.5, at);
  assert.equal(Math.round(view.to - view.from), 2000);
  assert.ok(Math.abs(xOf(view, 1000, at) - x) < 1);
  for (let i = 0; i < 60; i++) view = zoomed(view, 1 / 1.5, at);
  assert.deepEqual(view, whole(3 * HOUR));
});

test("the window never leaves the session", () => {
  const view = zoomed(whole(HOUR), 10, HOUR / 2);
  assert.equal(panned(view, 10 * HOUR).to, HOUR);
  assert.equal(panned(view, -10 * HOUR).from, 0);
  assert.equal(showing(view, HOUR / 2), view);
  const moved = showing(view, 10_000);
  assert.ok(moved.from <= 10_000 && moved.to >= 10_000);
  assert.equal(msOf(view, 100, -50) >= 0, true);
});

test("ruler marks are round and far enough apart", () => {
  const { step, marks: at } = ruler(whole(HOUR), 1000);
  assert.equal(step, 300_000);
  assert.equal(at.length, 13);
  assert.equal(clockOf(3_723_400), "1:02:03");
  assert.equal(clockOf(123_400, 100), "2:03.4");
});

test("entries fall into lanes, in the order the console draws them", () => {
  const lanes = sortIntoLanes(
    [entry(3, 900, "order_placed"), entry(1, 0, "session_started"), entry(2, 500, "gap"), entry(4, 100, "anything", "pins")],
    ["comments"],
  );
  assert.deepEqual(
    lanes.map((l) => l.name),
    ["session", "gaps", "pins", "orders", "comments"],
  );
});

test("what reviewers did afterwards stands at the end of the session, after its last entry", () => {
  const list = inOrder([entry(1, null, "viewed", "review"), entry(2, 9000, "comment"), entry(1, 0, "session_started")], 9000);
  assert.deepEqual(
    list.map((e) => [e.kind, e.media_ms]),
    [
      ["session_started", 0],
      ["comment", 9000],
      ["viewed", 9000],
    ],
  );
});

test("fragments that follow each other are one span, a hole parts them", () => {
  const piece = (seq, start_ms, end_ms) => entry(seq, end_ms, "fragment", "picture", { stream: "host", start_ms, end_ms });
  const [lane] = sortIntoLanes([
    piece(1, 0, 3000),
    piece(2, 3010, 6000),
    piece(3, 8000, 9000),
    entry(4, 1, "publisher_joined", "picture"),
  ]);
  const { spans: found, rest } = drawable(lane, 9000);
  assert.deepEqual(
    found.map((s) => [s.from, s.to]),
    [
      [0, 6000],
      [8000, 9000],
    ],
  );
  assert.deepEqual(
    rest.entries.map((e) => e.seq),
    [4],
  );
});

test("a sale that was closed for a tenth of a second was closed", () => {
  const [lane] = sortIntoLanes([entry(1, 0, "sale_opened"), entry(2, 4000, "sale_closed"), entry(3, 4100, "sale_opened")]);
  assert.deepEqual(
    drawable(lane, 9000).spans.map((s) => [s.from, s.to]),
    [
      [0, 4000],
      [4100, 9000],
    ],
  );
});

test("who may do what with a case", () => {
  assert.equal(caseActions({ id: "c", state: "open" }, "r1").claim, true);
  assert.equal(caseActions({ id: "c", state: "claimed", claimed_by: "r1" }, "r1").decide, true);
  assert.equal(caseActions({ id: "c", state: "claimed", claimed_by: "r2" }, "r1").wait, "console.case_other");
  assert.equal(caseActions({ id: "c", state: "awaiting_confirmation", decided_by: "r1" }, "r1").confirm, false);
  assert.equal(caseActions({ id: "c", state: "awaiting_confirmation", decided_by: { id: "r2" } }, "r1").confirm, true);
  assert.equal(caseActions({ id: "c", state: "closed" }, "r1").reopen, true);
});

test("ten thousand entries on a thousand pixels are at most a thousand marks, none lost", () => {
  const many = Array.from({ length: 10_000 }, (_, i) => entry(i, i * 360, "comment"));
  const [lane] = sortIntoLanes(many);
  const drawn = marks(lane, whole(HOUR), 1000);
  assert.ok(drawn.length <= 340);
  assert.equal(
    drawn.reduce((sum, m) => sum + m.count, 0),
    10_000,
  );
});

test("only the window is drawn", () => {
  const [lane] = sortIntoLanes(Array.from({ length: 100 }, (_, i) => entry(i, i * 1000, "comment")));
  const drawn = marks(lane, { from: 10_000, to: 20_000, duration: 100_000 }, 1000);
  assert.equal(drawn.length, 11);
  assert.equal(lowerBound(lane.times, 10_000), 10);
});

test("a click takes the nearest entry within reach", () => {
  const [lane] = sortIntoLanes([entry(1, 1000, "comment"), entry(2, 5000, "comment")]);
  assert.equal(nearest(lane, 1400, 500)?.seq, 1);
  assert.equal(nearest(lane, 4600, 500)?.seq, 2);
  assert.equal(nearest(lane, 3000, 500), null);
});

test("a sale lasts until it closes, a gap has its own ends", () => {
  const [sale] = sortIntoLanes([entry(1, 1000, "sale_opened"), entry(2, 5000, "sale_closed"), entry(3, 7000, "sale_opened")]);
  assert.deepEqual(
    spans(sale, 9000).map((s) => [s.from, s.to]),
    [
      [1000, 5000],
      [7000, 9000],
    ],
  );
  const [gaps] = sortIntoLanes([entry(1, 3000, "gap", "gaps", { stream: "host", from_ms: 1000, to_ms: 3000 })]);
  assert.deepEqual(
    spans(gaps, 9000).map((s) => [s.from, s.to, s.stream]),
    [[1000, 3000, "host"]],
  );
});

test("the list is filtered by hidden lanes and by words", () => {
  const list = [entry(1, 0, "order_placed", "orders", { product: "Steady 90" }), entry(2, 1, "comment", "comments")];
  assert.deepEqual(
    filtered(list, { hidden: new Set(["comments"]), text: "" }).map((e) => e.seq),
    [1],
  );
  assert.deepEqual(
    filtered(list, { hidden: new Set(), text: "steady" }).map((e) => e.seq),
    [1],
  );
});

test("positions follow the offset of each copy, and stay inside it", () => {
  const span = { offset_ms: 2000, duration_ms: 10_000 };
  assert.equal(positionOf(span, 5000), 3);
  assert.equal(positionOf(span, 0), 0);
  assert.equal(positionOf(span, 99_000), 10);
  assert.equal(mediaOf(span, 3), 5000);
  assert.ok(covers(span, 2000) && !covers(span, 1000));
  assert.equal(leader([{ offset_ms: 5000, duration_ms: 1000 }, span], 3000), 1);
  assert.equal(leader([span], 12_500), -1);
});

test("steering brings two pictures within 150 ms whatever the start, at any pace", () => {
  for (const speed of [0.5, 1, 2]) {
    for (let off of [-380, -200, 149, 260, 399, 5000]) {
      let ms = 0;
      while (Math.abs(off) > 40 && ms < 8000) {
        const { rate, seek } = correction(off, speed);
        off = seek ? 0 : off + (rate - speed) * 100;
        ms += 100;
      }
      assert.ok(Math.abs(off) <= 150, `${off}`);
      assert.ok(ms < 8000);
    }
  }
  assert.deepEqual(correction(20, 1), { rate: 1, seek: false });
});

test("a picture that starts 160 ms late after every jump still falls into step", () => {
  let off = 400;
  let ms = 0;
  for (; Math.abs(off) > 40 && ms < 8000; ms += 100) {
    const { rate, seek } = correction(off, 1);
    off = seek ? -160 : off + (rate - 1) * 100;
  }
  assert.ok(Math.abs(off) <= 40, `${off} after ${ms} ms`);
});

test("a link brings back its moment, and nonsense in it is nothing", () => {
  const link = placeLink({ session: "s1", t: 1234.6, seq: 7 });
  assert.equal(link, "/console?session=s1&t=1235&seq=7");
  assert.deepEqual(readPlace(link.slice(link.indexOf("?"))), { session: "s1", t: 1235, seq: 7, view: null });
  assert.deepEqual(readPlace("?t=-4&seq=abc&view=else"), { session: null, t: null, seq: null, view: null });
  const ledger = placeLink({ session: "s1", t: 5, seq: null, view: "fairness" });
  assert.deepEqual(readPlace(ledger.slice(ledger.indexOf("?"))), { session: "s1", t: 5, seq: null, view: "fairness" });
});
