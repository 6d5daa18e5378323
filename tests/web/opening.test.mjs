// Another camera in the place of the one that is on, and what becomes of the try when it is busy.
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { DeviceProblem } from "../../web/scripts/lib/devices.js";
import { inTurn, nextUntried, openInstead } from "../../web/scripts/studio/opening.js";
import { nextCamera } from "../../web/scripts/studio/sources.js";

describe("another camera", () => {
  const busy = () => new DeviceProblem("busy", "camera");
  /** Opens these alone, and one at a time when `single`. */
  function phone({ opens, on = "front", single = false }) {
    const asked = [];
    const state = { on };
    return {
      asked,
      state,
      before: {
        id: on,
        letGo: () => {
          state.on = "";
        },
      },
      ask: async (id) => {
        asked.push(id);
        if (!opens.includes(id) || (single && state.on)) throw busy();
        state.on = id;
        return id;
      },
    };
  }

  test("where one camera opens at a time, the one before is let go first", async () => {
    const { ask, before, asked } = phone({ opens: ["front", "back"], single: true });
    assert.deepEqual(await openInstead(ask, "back", before), { got: "back", kept: false });
    assert.deepEqual(asked, ["back", "back"]);
  });

  test("one that is busy leaves the one before on", async () => {
    const { ask, before, state } = phone({ opens: ["front"], single: true });
    assert.deepEqual(await openInstead(ask, "back", before), { got: "front", kept: true });
    assert.equal(state.on, "front");
  });

  test("what has no way back is told", async () => {
    await assert.rejects(openInstead(phone({ opens: [] }).ask, "back", null), { kind: "busy" });
    const { ask, before } = phone({ opens: [] });
    await assert.rejects(openInstead(ask, "back", before), { kind: "busy" });
    const denied = phone({ opens: ["front"] });
    const no = async () => Promise.reject(new DeviceProblem("denied", "camera"));
    await assert.rejects(openInstead(no, "back", denied.before), { kind: "denied" });
    assert.equal(denied.state.on, "front", "a refusal that is not about who has it lets nothing go");
  });

  test("a third is reached past one that is refused, and the refused one tried again after all others", () => {
    const cameras = ["a", "b", "c"].map((id) => ({ deviceId: id, label: id }));
    const refused = new Set(["b"]);
    assert.equal(nextUntried(nextCamera, cameras, "a", refused)?.deviceId, "c");
    refused.add("c");
    assert.equal(nextUntried(nextCamera, cameras, "a", refused)?.deviceId, "b");
    assert.equal(refused.size, 0);
  });

  test("picture and sound that end together are both asked for again, one after the other", async () => {
    const queue = inTurn();
    const done = [];
    /** @type {() => void} */ let open = () => {};
    const first = queue(async () => {
      await new Promise((resolve) => void (open = () => resolve(undefined)));
      done.push("camera");
      throw busy();
    });
    const second = queue(async () => void done.push("microphone"));
    await new Promise((resolve) => setImmediate(resolve));
    assert.deepEqual(done, []);
    open();
    await assert.rejects(first);
    await second;
    assert.deepEqual(done, ["camera", "microphone"]);
  });
});
