import assert from "node:assert/strict";
import test from "node:test";

import { choices, lastUndoable, moved, placeFor, sentence } from "../../web/scripts/studio/moderation_model.js";
import { moderationTexts } from "../../web/texts/staff_moderation.js";

const comment = (over = {}) => ({
  id: "cmt_1",
  at: "2026-12-01T10:00:00Z",
  media_ms: 0,
  author: "李**",
  author_tag: "t",
  text: "x",
  host: false,
  ...over,
});

test("the host is neither answered nor silenced", () => {
  assert.deepEqual(
    choices(comment({ host: true }), true).map(({ name }) => name),
    ["pin", "remove"],
  );
  assert.deepEqual(
    choices(comment(), true).map(({ name }) => name),
    ["pin", "answer", "remove", "mute", "mute-show", "shadow", "ban"],
  );
});

test("who says nothing here himself answers nobody", () => {
  const names = choices(comment(), false).map(({ name }) => name);
  assert.deepEqual(names, ["pin", "remove", "mute", "mute-show", "shadow", "ban"]);
});

test("each choice asks the server for its act, by the comment's id", () => {
  const asked = choices(comment(), true).map(({ wish }) => wish?.(comment()));
  assert.deepEqual(asked, [
    { act: "pin", comment: "cmt_1" },
    undefined,
    { act: "remove", comment: "cmt_1" },
    { act: "mute", comment: "cmt_1", minutes: 10 },
    { act: "mute", comment: "cmt_1" },
    { act: "shadow", comment: "cmt_1" },
    { act: "ban", comment: "cmt_1" },
  ]);
});

test("arrows go round, Home and End to the ends, other keys nowhere", () => {
  assert.equal(moved("ArrowDown", 2, 3), 0);
  assert.equal(moved("ArrowUp", 0, 3), 2);
  assert.equal(moved("Home", 2, 3), 0);
  assert.equal(moved("End", 0, 3), 2);
  assert.equal(moved("a", 0, 3), null);
});

test("what comes back goes where its time puts it", () => {
  assert.equal(placeFor(["1", "2", "4"], "3"), 2);
  assert.equal(placeFor(["1", "2"], "9"), 2);
  assert.equal(placeFor(["2"], "1"), 0);
  assert.equal(placeFor([], "1"), 0);
});

test("the way back is offered for what was done last, if there is one", () => {
  const act = { act: 7, kind: "person_muted", author: "李**", text: "吵", undoable: true };
  assert.equal(lastUndoable({ acts: [act] })?.act, 7);
  assert.equal(lastUndoable({ acts: [{ ...act, undoable: false }] }), null);
  assert.equal(lastUndoable({ acts: [] }), null);
  assert.deepEqual(sentence(act), { key: "moderation.did_person_muted", params: { who: "李**", text: "吵" } });
});

test("every act has its sentence in both languages", () => {
  const kinds = ["removed", "restored", "released", "rejected", "pinned", "unpinned"].map((kind) => `comment_${kind}`);
  kinds.push("person_muted", "person_banned", "person_shadowed", "person_forgiven", "room_rules_changed");
  for (const texts of [moderationTexts.en, moderationTexts.zh])
    for (const kind of kinds) assert.ok(`moderation.did_${kind}` in texts, kind);
});
