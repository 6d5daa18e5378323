import assert from "node:assert/strict";
import test from "node:test";

import { placeLink, readPlace } from "../../web/scripts/console/address.js";
import { filtered, lowerBound, marks, nearest, sortIntoLanes, spans } from "../../web/scripts/console/lanes.js";
import { correction, covers, leader, mediaOf, positionOf } from "../../web/scripts/console/sync.js";
import { clockOf, msOf, panned, ruler, showing, whole, xOf, zoomed } from "../../web/scripts/console/view.js";

const HOUR = 3_600_000;
const entry = (seq, media_ms, kind, lane = "", data = {}) => ({ seq, media_ms, kind, lane, data, at: "", actor: "", text: null });

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

test("entries fall into lanes, by the server's word or by their kind", () => {
  const lanes = sortIntoLanes(
    [entry(3, 900, "order_placed"), entry(1, 0, "session_started"), entry(2, 500, "gap"), entry(4, 100, "anything", "pins")],
    ["comments"],
  );
  assert.deepEqual(lanes.map((l) => l.name), ["gaps", "session", "pins", "orders", "comments"]);
});

test("ten thousand entries on a thousand pixels are at most a thousand marks, none lost", () => {
  const many = Array.from({ length: 10_000 }, (_, i) => entry(i, i * 360, "comment"));
  const [lane] = sortIntoLanes(many);
  const drawn = marks(lane, whole(HOUR), 1000);
  assert.ok(drawn.length <= 340);
  assert.equal(drawn.reduce((sum, m) => sum + m.count, 0), 10_000);
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
  assert.deepEqual(spans(sale, 9000).map((s) => [s.from, s.to]), [[1000, 5000], [7000, 9000]]);
  const [gaps] = sortIntoLanes([entry(1, 3000, "gap", "", { stream: "host", from_ms: 1000, to_ms: 3000 })]);
  assert.deepEqual(spans(gaps, 9000).map((s) => [s.from, s.to, s.stream]), [[1000, 3000, "host"]]);
});

test("the list is filtered by hidden lanes and by words", () => {
  const list = [entry(1, 0, "order_placed", "orders", { product: "Steady 90" }), entry(2, 1, "comment", "comments")];
  assert.deepEqual(filtered(list, { hidden: new Set(["comments"]), text: "" }).map((e) => e.seq), [1]);
  assert.deepEqual(filtered(list, { hidden: new Set(), text: "steady" }).map((e) => e.seq), [1]);
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

test("a link brings back its moment, and nonsense in it is nothing", () => {
  const link = placeLink({ session: "s1", t: 1234.6, seq: 7 });
  assert.equal(link, "/console?session=s1&t=1235&seq=7");
  assert.deepEqual(readPlace(link.slice(link.indexOf("?"))), { session: "s1", t: 1235, seq: 7 });
  assert.deepEqual(readPlace("?t=-4&seq=abc"), { session: null, t: null, seq: null });
});
