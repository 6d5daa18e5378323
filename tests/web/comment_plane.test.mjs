// What the comment plane knows: moderation, questions, mentions, and how long one waits.
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { CommentsModel } from "../../web/scripts/lib/comments_model.js";
import { QuestionsModel } from "../../web/scripts/lib/questions_model.js";
import { changed, emptySnapshot, joined, stillRemoved, stillShown } from "../../web/scripts/lib/session_model.js";
import { markAt, momentOf, ReplayTimeline, saleOf } from "../../web/scripts/watch/replay_model.js";
import { floating, Taps } from "../../web/scripts/watch/reactions_model.js";
import { inserted, mentionsIn, Rush, waitLeft, withMention } from "../../web/scripts/lib/talking_model.js";

const comment = (id, more = {}) => ({
  id,
  at: `2026-11-22T01:00:${id.padStart(2, "0")}Z`,
  media_ms: 1,
  author: "李**",
  author_tag: "a",
  text: `text ${id}`,
  host: false,
  ...more,
});
const ids = (model) => model.lines.map(({ id }) => id);

describe("moderated comments", () => {
  test("what is taken down vanishes, and no late batch brings it back", () => {
    const model = new CommentsModel();
    model.received([comment("1"), comment("2"), comment("3")]);
    assert.deepEqual(
      model.removed(["2", "9"]).map(({ id }) => id),
      ["2"],
    );
    assert.equal(model.received([comment("2"), comment("9")]).length, 0);
    assert.deepEqual(ids(model), ["1", "3"]);
  });

  test("what is restored comes back in its place", () => {
    const model = new CommentsModel();
    model.received([comment("1"), comment("2"), comment("3")]);
    model.removed(["2"]);
    const [line] = model.restored([comment("2")]);
    assert.deepEqual(ids(model), ["1", "2", "3"]);
    assert.equal(model.after(line)?.id, "3");
    assert.equal(model.restored([comment("2")]).length, 0);
  });

  test("what is older than a full list is not pressed into it", () => {
    const model = new CommentsModel(2);
    model.received([comment("2"), comment("3")]);
    assert.equal(model.restored([comment("1")]).length, 0);
    assert.deepEqual(ids(model), ["2", "3"]);
  });

  test("one's own that is held waits, is let through once, or says that it was not", () => {
    const model = new CommentsModel();
    model.tag = "a";
    for (const key of ["k1", "k2"]) model.pending(key, "me", `text ${key}`, "2026-11-22T01:00:00Z");
    model.accepted("k1", "1", true);
    model.accepted("k2", "2", true);
    assert.deepEqual(
      model.lines.map(({ state }) => state),
      ["held", "held"],
    );
    assert.equal(model.restored([comment("1")]).length, 0);
    assert.equal(model.removed(["2"]).length, 0);
    assert.deepEqual(
      model.lines.map(({ state }) => state),
      ["sent", "rejected"],
    );
  });

  test("the memory of what is gone is bounded", () => {
    const model = new CommentsModel(10);
    for (let n = 0; n < 2000; n += 1) model.removed([String(n)]);
    assert.ok(model.gone.size <= 400);
  });

  test("who is spoken to knows it, and nobody else", () => {
    const model = new CommentsModel();
    model.tag = "me";
    const [mine, other] = model.received([comment("1", { mentions: ["x", "me"] }), comment("2", { mentions: ["x"] })]);
    assert.equal(mine.mentioned, true);
    assert.equal(other.mentioned, false);
  });

  test("rules and the pinned comment follow the latest word", () => {
    const session = { id: "s", state: "live", required: [], streams: [], shelf: [], sale: { open: true, reason: null } };
    const before = joined(emptySnapshot(), { session: { ...session, rules: { slow_s: 0, premoderated: false } }, seq: 5 });
    const moderated = { session: "s", removed: [], restored: [], pinned_comment: comment("1") };
    const after = changed(before, "moderated", { ...moderated, seq: 7, rules: { slow_s: 30, premoderated: true } });
    assert.equal(after.session.rules.slow_s, 30);
    assert.equal(after.session.pinned_comment.id, "1");
    const late = changed(after, "moderated", { ...moderated, seq: 6, pinned_comment: null, rules: { slow_s: 0 } });
    assert.equal(late.session.pinned_comment.id, "1");
  });
});

describe("questions", () => {
  const answer = (id, to, more = {}) =>
    comment(id, { kind: "answer", host: true, answers: { id: to, author: "王**", text: `asked ${to}` }, ...more });

  test("an answer stands under its question, once", () => {
    const model = new QuestionsModel();
    assert.equal(model.received([comment("1", { kind: "question" }), comment("2"), answer("3", "1")]), true);
    assert.equal(model.received([answer("3", "1")]), false);
    assert.deepEqual(
      model.questions.map(({ id, answers }) => [id, answers.map((one) => one.id)]),
      [["1", ["3"]]],
    );
  });

  test("an answer to a question that came before one joined brings it along", () => {
    const model = new QuestionsModel();
    model.received([answer("3", "1")]);
    assert.equal(model.questions[0].text, "asked 1");
    model.received([answer("4", "2", { answers: { id: "2", author: "", text: "" } })]);
    assert.equal(model.questions.length, 1);
  });

  test("a question that is taken down goes with its answers, and comes back by itself", () => {
    const model = new QuestionsModel();
    model.received([comment("1", { kind: "question" }), answer("3", "1")]);
    assert.equal(model.removed(["1"]), true);
    assert.equal(model.received([comment("1", { kind: "question" }), answer("3", "1")]), false);
    model.restored([comment("1", { kind: "question" })]);
    assert.equal(model.questions.length, 1);
  });

  test("the list is bounded", () => {
    const model = new QuestionsModel(10);
    for (let n = 0; n < 60; n += 1) model.received([comment(String(n), { kind: "question" })]);
    for (let n = 0; n < 60; n += 1) model.received([answer(`a${n}`, "59", { at: "2026-11-22T01:01:00Z" })]);
    assert.equal(model.questions.length, 10);
    assert.equal(model.questions[9].answers.length, 5);
  });
});

describe("the comments of a replay", () => {
  const at = (ms) => comment(String(ms), { media_ms: ms, at: new Date(ms).toISOString() });

  test("what passes is told once, and a jump either way begins anew", () => {
    const timeline = new ReplayTimeline();
    assert.deepEqual(timeline.wanted(1000, 0), [0]);
    assert.deepEqual(timeline.wanted(1200, 0), []);
    assert.equal(timeline.moved(1000), null);
    timeline.came(0, [at(500), at(1500), at(59_000)], 0);
    const told = (ms) => {
      const { jumped, comments } = timeline.moved(ms) ?? { jumped: null, comments: [] };
      return [jumped, comments.map(({ media_ms }) => media_ms)];
    };
    assert.deepEqual(told(1000), [true, [500]]);
    assert.deepEqual(told(1250), [false, []]);
    assert.deepEqual(told(1500), [false, [1500]]);
    assert.deepEqual(told(59_500), [true, [500, 1500, 59_000]]);
    assert.deepEqual(told(600), [true, [500]]);
  });

  test("over the edge of a minute nothing is lost", () => {
    const timeline = new ReplayTimeline();
    assert.deepEqual(timeline.wanted(59_900, 0), [0, 1]);
    timeline.came(0, [at(59_950)], 0);
    timeline.moved(59_900);
    assert.equal(timeline.moved(60_100), null);
    timeline.came(1, [at(60_050)], 0);
    assert.deepEqual(
      timeline.moved(60_100)?.comments.map(({ media_ms }) => media_ms),
      [59_950, 60_050],
    );
  });

  test("after a jump what was said last is looked for in the minutes before", () => {
    const timeline = new ReplayTimeline();
    const jump = (ms, some) => {
      for (const minute of timeline.wanted(ms, 0)) timeline.came(minute, some, 0);
      return timeline.moved(ms)?.comments.length;
    };
    assert.equal(timeline.before(0), null);
    assert.equal(jump(180_500, [at(180_100)]), 1);
    const second = timeline.before(0);
    assert.equal(second?.minute, 2);
    assert.equal(timeline.before(0), null); // on its way
    assert.deepEqual(timeline.cameBefore(second, undefined, 0), []);
    assert.equal(timeline.before(1999), null);
    assert.equal(timeline.before(2000), second);
    const many = Array.from({ length: 48 }, (_, n) => at(120_000 + n));
    assert.equal(timeline.cameBefore(second, many, 2000).length, 48);
    const first = timeline.before(2000);
    assert.deepEqual(
      timeline.cameBefore(first, [at(60_001), at(60_002)], 2000).map(({ media_ms }) => media_ms),
      [60_002],
    );
    assert.equal(timeline.before(2000), null); // the list is full
    jump(600_000, []);
    const left = timeline.before(2000);
    jump(1000, []);
    assert.deepEqual(timeline.cameBefore(left, [at(540_000)], 2000), []);
    assert.equal(timeline.before(2000), null); // nothing is before the beginning
    jump(6_000_000, []);
    let asked = 0;
    for (let one = timeline.before(2000); one; one = timeline.before(2000)) {
      asked += 1;
      timeline.cameBefore(one, [], 2000);
    }
    assert.equal(asked, 15);
  });

  test("what can't be had is asked for ever more rarely, until it comes", () => {
    const timeline = new ReplayTimeline();
    let asked = 0;
    for (let clock = 0; clock < 600_000; clock += 250)
      for (const minute of timeline.wanted(1000, clock)) {
        asked += 1;
        timeline.came(minute, undefined, clock);
      }
    assert.ok(asked > 5 && asked < 16, String(asked));
    timeline.came(0, [at(500)], 600_000);
    assert.deepEqual(timeline.wanted(59_000, 600_000), [1]);
  });

  test("an hour keeps a few minutes; what could not be had is wanted again", () => {
    const timeline = new ReplayTimeline();
    for (let minute = 0; minute < 60; minute += 1)
      for (const one of timeline.wanted(minute * 60_000 + 40_000, 0)) timeline.came(one, [at(one * 60_000)], 0);
    assert.ok(timeline.minutes.size <= 4);
    timeline.came(60, undefined, 0);
    assert.deepEqual(timeline.wanted(60 * 60_000, 2000), [60]);
  });

  test("the shelf is that of the film's time", () => {
    const marks = [
      { at_ms: 0, products: ["a"], pinned: null },
      { at_ms: 5000, products: ["a"], pinned: "a" },
    ];
    assert.equal(markAt(marks, 4999)?.pinned, null);
    assert.equal(markAt(marks, 5000)?.pinned, "a");
    assert.equal(markAt([], 1), null);
  });

  test("what is on screen is a whole moment within the film, also at its very end", () => {
    const film = { offset_ms: 120, duration_ms: 61_000 };
    assert.equal(momentOf(film, 0), 120);
    assert.equal(momentOf(film, 3.0004), 3120);
    assert.equal(momentOf(film, 61.02), 60_620);
    assert.equal(momentOf({ offset_ms: 0, duration_ms: 100 }, 0.1), 0);
  });

  test("it sells where the bank wants it, and says by a code that it doesn't", () => {
    assert.deepEqual(saleOf(true), { open: true, reason: null });
    assert.deepEqual(saleOf(false), { open: false, reason: "replay_sales_off" });
    assert.deepEqual(saleOf(null), { open: false, reason: null }); // nobody has said yet
  });
});

describe("reactions", () => {
  test("taps are gathered, bounded, and sent once", () => {
    const taps = new Taps();
    assert.equal(taps.tap("like"), true);
    for (let n = 0; n < 50; n += 1) assert.equal(taps.tap("like"), false);
    taps.tap("clap");
    assert.deepEqual(taps.take(), [
      { kind: "like", count: 20 },
      { kind: "clap", count: 1 },
    ]);
    assert.deepEqual(taps.take(), []);
    assert.equal(taps.tap("like"), true);
  });

  test("of a rush a few of each kind float", () => {
    assert.deepEqual(floating({}), []);
    assert.deepEqual(floating({ heart: 2 }), ["heart", "heart"]);
    const some = floating({ like: 900, heart: 90, clap: 1, flower: 1 });
    assert.ok(some.length <= 8);
    assert.ok(some.includes("like") && some.includes("heart"));
  });
});

describe("the line to write in", () => {
  test("who was named is spoken to as long as his name stands in the text", () => {
    const named = new Map([
      ["@李**", "a"],
      ["@王**", "b"],
    ]);
    assert.deepEqual(mentionsIn("@李** 好", named), ["a"]);
    assert.deepEqual(mentionsIn("nobody", named), []);
    assert.equal(withMention("", "李**"), "@李** ");
    assert.equal(withMention("hello", "李**"), "hello @李** ");
    assert.equal(withMention("@李** hello", "李**"), "@李** hello");
  });

  test("slow mode counts down from the last comment", () => {
    assert.equal(waitLeft(null, 30, 0), 0);
    assert.equal(waitLeft(1000, 0, 2000), 0);
    assert.equal(waitLeft(1000, 30, 2500), 29);
    assert.equal(waitLeft(1000, 30, 31_000), 0);
  });

  test("a character goes in where the caret is", () => {
    assert.deepEqual(inserted("ab", 1, 1, "👍"), { text: "a👍b", caret: 3 });
  });
});

describe("after a break", () => {
  test("what was said meanwhile comes before what has been heard since", () => {
    const model = new CommentsModel();
    model.received([comment("1")]);
    model.received([comment("5")]);
    const fresh = model.received([comment("1"), comment("3"), comment("4"), comment("5")]);
    assert.deepEqual(
      fresh.map(({ id }) => id),
      ["3", "4"],
    );
    assert.deepEqual(ids(model), ["1", "3", "4", "5"]);
  });

  test("what is on its way has no place in time, whatever this device's clock says", () => {
    const model = new CommentsModel();
    model.pending("k", "me", "mine", "2036-11-22T01:00:00Z");
    model.received([comment("1"), comment("2")]);
    assert.deepEqual(ids(model), [null, "1", "2"]);
    model.accepted("k", "3", false, "2026-11-22T01:00:03Z");
    model.received([comment("4")]);
    assert.deepEqual(ids(model), ["3", "1", "2", "4"]);
  });

  test("what was put back while the answer was under way stays", () => {
    const told = [
      ["comments", { comments: [comment("2")] }],
      ["moderated", { removed: [], restored: [comment("2")] }],
    ];
    assert.deepEqual(stillRemoved(["1", "2"], told), ["1"]);
  });

  test("what was taken down while the answer was under way is not in it", () => {
    const down = ["moderated", { removed: ["1", "2"], restored: [] }];
    const back = ["moderated", { removed: [], restored: [comment("2")] }];
    const shown = (told) => stillShown([comment("1"), comment("2"), comment("3")], told).map(({ id }) => id);
    assert.deepEqual(shown([down, ["comments", { comments: [comment("1")] }], back]), ["2", "3"]);
    assert.deepEqual(shown([back, down]), ["3"]);
    assert.deepEqual(stillRemoved(["2"], [back, down]), ["2"]);
  });

  test("one's own whose answer was lost is there once, and is not offered again", () => {
    const model = new CommentsModel();
    model.tag = "a";
    model.pending("k", "me", "text 1", "2026-11-22T01:00:00Z");
    model.refused("k", { code: "offline" });
    assert.equal(model.received([comment("1")]).length, 0);
    assert.deepEqual(
      model.lines.map(({ id, state, problem }) => [id, state, problem]),
      [["1", "sent", undefined]],
    );
    model.pending("l", "me", "text 2", "2026-11-22T01:00:00Z");
    model.refused("l", { code: "comment_muted" });
    assert.equal(model.received([comment("2")]).length, 1);
  });
});

describe("what is read aloud", () => {
  test("a rush is one while it lasts, and is remembered by a few numbers", () => {
    const rush = new Rush();
    assert.equal(rush.came(1, 0), false);
    for (let now = 0; now < 60_000; now += 2000) assert.equal(rush.came(1, now), false, String(now));
    assert.equal(rush.came(1000, 61_000), true);
    assert.ok(rush.times.length < 10);
    assert.equal(rush.came(1, 70_000), true);
    assert.equal(rush.came(1, 71_001), false);
  });
});
