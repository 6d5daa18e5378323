// What is sent in how many sizes, what its statistics say, and where it comes from.
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { layerTeller } from "../../web/scripts/lib/layer.js";
import { measured, sampled } from "../../web/scripts/lib/publish_stats.js";
import { partsOf, videoEncoding } from "../../web/scripts/lib/qualities.js";
import { createOutgoing } from "../../web/scripts/studio/outgoing.js";
import { isMirrored, nextCamera } from "../../web/scripts/studio/sources.js";

const track = (kind, more = {}) => ({
  kind,
  contentHint: "",
  enabled: true,
  stopped: false,
  getSettings: () => ({}),
  stop() {
    this.stopped = true;
  },
  clone() {
    return track(kind, { enabled: this.enabled, of: this });
  },
  ...more,
});
const join = (tracks) => ({
  getTracks: () => tracks,
  getAudioTracks: () => tracks.filter((one) => one.kind === "audio"),
  getVideoTracks: () => tracks.filter((one) => one.kind === "video"),
});

describe("two sizes", () => {
  test("sound comes first, then the picture, then the smaller one, however the stream was put together", () => {
    const [sound, picture, smaller] = [track("audio"), track("video"), track("video")];
    const parts = partsOf(join([picture, smaller, sound]));
    assert.deepEqual(
      parts.map((part) => [part.track, part.low]),
      [
        [sound, false],
        [picture, false],
        [smaller, true],
      ],
    );
    assert.equal(partsOf(join([picture])).length, 1);
  });

  test("the larger one has most of the line; alone it asks for less", () => {
    const face = { contentHint: "" };
    const high = videoEncoding(face, { low: false, paired: true });
    const low = videoEncoding(face, { low: true, paired: true });
    assert.deepEqual([high.maxBitrate, high.scaleResolutionDownBy, high.priority], [2_500_000, 1, "high"]);
    assert.deepEqual([low.maxBitrate, low.maxFramerate, low.scaleResolutionDownBy, low.priority], [300_000, 15, 2, "low"]);
    assert.equal(videoEncoding(face, { low: false, paired: false }).maxBitrate, 1_500_000);
  });

  test("a screen keeps its letters and gives up frames", () => {
    const screen = videoEncoding({ contentHint: "detail" }, { low: true, paired: true });
    assert.ok(screen.maxFramerate <= 5 && screen.scaleResolutionDownBy < 2);
  });

  test("a pause hides both pictures, also those that are chosen in it", () => {
    const out = createOutgoing({ twice: true, join });
    const [sound, face] = [track("audio"), track("video")];
    const first = out.send(sound, face);
    assert.equal(first.getVideoTracks().length, 2);
    assert.notEqual(first.getVideoTracks()[1], face);
    out.allow({ sound: false, picture: false });
    assert.deepEqual(
      first.getTracks().map((one) => one.enabled),
      [false, false, false],
    );
    const second = out.send(sound, track("video", { contentHint: "detail" }));
    assert.deepEqual(
      second.getTracks().map((one) => one.enabled),
      [false, false, false],
    );
    assert.equal(second.getVideoTracks()[1].contentHint, "detail");
    assert.ok(first.getVideoTracks()[1].stopped, "the copy that is no longer sent is let go");
    assert.ok(!face.stopped, "the camera itself is kept");
  });

  test("a camera is let go of whole, and comes back in two sizes", () => {
    const out = createOutgoing({ twice: true, join });
    const first = out.send(null, track("video"));
    out.drop();
    assert.ok(first.getVideoTracks()[1].stopped, "the copy holds the device open");
    const [, copy] = out.send(null, track("video")).getVideoTracks();
    assert.ok(copy && !copy.stopped);
  });

  test("a call has one picture", () => {
    assert.equal(createOutgoing({ twice: false, join }).send(track("audio"), track("video")).getVideoTracks().length, 1);
  });
});

describe("statistics", () => {
  const report = (...rows) => new Map(rows.map((row, index) => [row.id ?? String(index), row]));
  const high = (more) => ({
    type: "outbound-rtp",
    id: "O1",
    kind: "video",
    mid: "1",
    bytesSent: 0,
    packetsSent: 0,
    frameWidth: 1280,
    frameHeight: 720,
    framesPerSecond: 30,
    qualityLimitationReason: "none",
    ...more,
  });
  const low = (more) => ({
    ...high(more),
    id: "O2",
    mid: "2",
    frameWidth: 640,
    frameHeight: 360,
    framesPerSecond: 15,
    ...more,
  });
  const sound = (more) => ({ type: "outbound-rtp", id: "O0", kind: "audio", mid: "0", bytesSent: 0, packetsSent: 0, ...more });

  test("rates are those between two readings, of all that is sent and of the smaller picture alone", () => {
    const before = sampled(report(low(), sound(), high()), 0);
    const now = sampled(
      report(
        low({ bytesSent: 50_000, packetsSent: 60 }),
        sound({ bytesSent: 10_000, packetsSent: 100 }),
        high({ bytesSent: 440_000, packetsSent: 340, qualityLimitationReason: "bandwidth" }),
        { type: "remote-inbound-rtp", id: "R", packetsLost: 25, roundTripTime: 0.08, timestamp: 1900 },
        { type: "media-source", id: "S", kind: "video", framesPerSecond: 29.6 },
      ),
      2000,
    );
    assert.deepEqual(measured(before, now), {
      kbps: 2000,
      loss: 0.05,
      rttMs: 80,
      fps: 30,
      width: 1280,
      height: 720,
      limited: "bandwidth",
      sourceFps: 30,
      availableKbps: null,
      acked: true,
      relayed: false,
      low: { kbps: 200, width: 640, height: 360, fps: 15 },
    });
  });

  test("the pictures keep their places beyond nine m-lines", () => {
    const { videos } = sampled(report(low({ mid: "10" }), high({ mid: "9" })), 0);
    assert.deepEqual(
      videos.map((video) => video.width),
      [1280, 640],
    );
  });

  test("no new report is no confirmation, and losses that are taken back are none", () => {
    const told = { type: "remote-inbound-rtp", id: "R", packetsLost: 9, timestamp: 500 };
    const before = sampled(report(high({ packetsSent: 10 }), told), 0);
    const now = sampled(report(high({ packetsSent: 90 }), { ...told, packetsLost: 4 }), 2000);
    assert.equal(measured(before, now).acked, false);
    assert.equal(measured(before, now).loss, 0);
    assert.equal(measured(before, now).low, null);
    assert.equal(measured(before, now).sourceFps, null);
  });

  test("without a report yet, the path's own check tells the round trip, and whether it is relayed", () => {
    const path = { type: "candidate-pair", id: "P", nominated: true, state: "succeeded", currentRoundTripTime: 0.03 };
    const unused = { ...path, id: "Q", nominated: false, availableOutgoingBitrate: 9_000_000 };
    const sample = sampled(
      report({ ...path, localCandidateId: "L", availableOutgoingBitrate: 2_600_400 }, unused, {
        type: "local-candidate",
        id: "L",
        candidateType: "relay",
      }),
      0,
    );
    assert.deepEqual([sample.rttMs, sample.relayed], [30, true]);
    assert.equal(measured(sample, sample).availableKbps, 2600);
  });
});

describe("sources", () => {
  const cameras = (...labels) => labels.map((label) => ({ deviceId: label, label }));

  test("on a phone switching looks the other way, past the lenses of the same side", () => {
    const phone = cameras("camera 1, facing front", "camera 3, facing front", "camera 2, facing back", "camera 0, facing back");
    assert.equal(nextCamera(phone, "camera 1, facing front")?.label, "camera 2, facing back");
    assert.equal(nextCamera(phone, "camera 2, facing back")?.label, "camera 1, facing front");
    const chinese = cameras("前置相机", "后置超广角相机", "后置相机");
    assert.equal(nextCamera(chinese, "后置超广角相机")?.label, "前置相机");
  });

  test("on a desk it goes round, and with one camera nowhere", () => {
    const desk = cameras("HD Webcam", "Document camera", "Capture card");
    assert.equal(nextCamera(desk, "HD Webcam")?.label, "Document camera");
    assert.equal(nextCamera(desk, "Capture card")?.label, "HD Webcam");
    assert.equal(nextCamera(cameras("HD Webcam"), "HD Webcam"), null);
    assert.equal(nextCamera([], undefined), null);
  });

  test("a face is mirrored, what is shown is not", () => {
    assert.equal(isMirrored(track("video")), true);
    assert.equal(isMirrored(track("video", { getSettings: () => ({ facingMode: "environment" }) })), false);
    assert.equal(isMirrored(track("video", { contentHint: "detail" })), false);
  });
});

describe("the viewer's choice", () => {
  /** A server that answers with these statuses in turn, then with 204. @param {number[]} statuses */
  function house(statuses = [], where = { now: "/r1" }) {
    /** @type {any[]} */ const posted = [];
    /** @type {boolean[]} */ const able = [];
    const teller = layerTeller({
      where: () => where.now,
      onAble: (is) => able.push(is),
      post: async (url, choice) => {
        posted.push([url, choice.quality]);
        return statuses.shift() ?? 204;
      },
      pause: async () => {},
    });
    const settled = () => new Promise((resolve) => setImmediate(resolve));
    return { teller, posted, able, where, settled };
  }
  const choice = (quality) => ({ quality, height: 720 });

  test("it waits for a connection, and each new connection hears it again", async () => {
    const { teller, posted, where, settled } = house([], { now: "" });
    teller.choose(choice("low"));
    await settled();
    assert.deepEqual(posted, []);
    where.now = "/r1";
    teller.connected();
    await settled();
    teller.connected();
    await settled();
    where.now = "/r2";
    teller.connected();
    await settled();
    assert.deepEqual(posted, [
      ["/r1/layer", "low"],
      ["/r2/layer", "low"],
    ]);
  });

  test("of several choices at once the server hears the last one last", async () => {
    const { teller, posted, settled } = house();
    for (const quality of ["low", "audio", "high"]) teller.choose(choice(quality));
    await settled();
    assert.deepEqual(posted.at(-1), ["/r1/layer", "high"]);
    assert.equal(posted.length, 2);
  });

  test("what the network or a busy server did not take is said again, a few times", async () => {
    const { teller, posted, able, settled } = house([0, 503]);
    teller.choose(choice("low"));
    await settled();
    assert.equal(posted.length, 3);
    assert.deepEqual(able, [true]);
    const dead = house(Array.from({ length: 99 }, () => 0));
    dead.teller.choose(choice("low"));
    await dead.settled();
    assert.equal(dead.posted.length, 5);
    assert.deepEqual(dead.able, [false], "who can't be asked offers nothing");
    dead.teller.connected();
    await dead.settled();
    assert.equal(dead.posted.length, 10, "a new connection is worth as many tries");
    const known = house([204, ...Array.from({ length: 99 }, () => 503)]);
    known.teller.choose(choice("low"));
    await known.settled();
    known.teller.choose(choice("high"));
    await known.settled();
    assert.deepEqual(known.able, [true, true], "a server that let viewers choose still does");
  });

  test("what is chosen when the tries are used up is told, and has tries of its own", async () => {
    /** @type {string[]} */ const posted = [];
    /** @type {boolean[]} */ const able = [];
    const teller = layerTeller({
      where: () => "/r1",
      onAble: (is) => {
        able.push(is);
        if (!is && able.length === 1) teller.choose(choice("auto"));
      },
      post: async (_, { quality }) => {
        posted.push(quality);
        return 503;
      },
      pause: async () => {},
    });
    teller.choose(choice("audio"));
    await new Promise((resolve) => setImmediate(resolve));
    assert.deepEqual(posted, [...Array(5).fill("audio"), ...Array(5).fill("auto")]);
    assert.deepEqual(able, [false, false]);
  });

  /** A server that takes nothing until told to, and a clock that stands still. */
  function stuck() {
    const server = { status: 503, where: "/r1", pauses: 0 };
    /** @type {any[]} */ const posted = [];
    /** @type {() => void} */ let pass = () => {};
    const teller = layerTeller({
      where: () => server.where,
      onAble: () => {},
      post: async (url, { quality }) => {
        posted.push([url, quality]);
        return server.status;
      },
      pause: () => {
        server.pauses += 1;
        return new Promise((resolve) => {
          pass = () => resolve(undefined);
        });
      },
    });
    const settled = () => new Promise((resolve) => setImmediate(resolve));
    /** As far as the last pause there is. */
    async function exhaust() {
      for (let past = 0; past < 3; past += 1) {
        await settled();
        pass();
      }
      await settled();
      assert.equal(posted.length, 4);
    }
    return { server, posted, teller, settled, exhaust, pass: () => pass() };
  }

  test("a choice does not wait for the pause after an earlier one that failed, also the last pause", async () => {
    const { server, posted, teller, settled, exhaust } = stuck();
    teller.choose(choice("low"));
    await exhaust();
    server.status = 204;
    teller.choose(choice("high"));
    await settled();
    assert.deepEqual(posted.slice(4), [["/r1/layer", "high"]]);
  });

  test("a new connection during the last pause hears the choice, with tries of its own", async () => {
    const { server, posted, teller, settled, exhaust, pass } = stuck();
    teller.choose(choice("low"));
    await exhaust();
    server.where = "/r2";
    teller.connected();
    await settled();
    server.status = 204;
    pass();
    await settled();
    assert.deepEqual(posted.slice(4), [
      ["/r2/layer", "low"],
      ["/r2/layer", "low"],
    ]);
  });

  test("a connection that comes after the last pause has ended hears the choice", async () => {
    const { server, posted, teller, settled, exhaust, pass } = stuck();
    teller.choose(choice("low"));
    await exhaust();
    server.where = "";
    pass();
    await settled();
    server.where = "/r2";
    server.status = 204;
    teller.connected();
    await settled();
    assert.deepEqual(posted.slice(4), [["/r2/layer", "low"]]);
  });

  test("the same choice again does not cut a busy server's pause short", async () => {
    const { server, posted, teller, settled } = stuck();
    teller.choose(choice("low"));
    await settled();
    for (let again = 0; again < 9; again += 1) teller.choose(choice("low"));
    await settled();
    assert.equal(posted.length, 1);
    assert.equal(server.pauses, 1);
  });

  test("a server without the choice says so; a resource that has gone does not", async () => {
    const without = house([404]);
    without.teller.choose(choice("low"));
    await without.settled();
    assert.deepEqual(without.able, [false]);
    const gone = house([204, 404]);
    gone.teller.choose(choice("low"));
    await gone.settled();
    gone.teller.choose(choice("high"));
    await gone.settled();
    assert.deepEqual(gone.able, [true, true]);
  });
});
