// What a publisher does with the server's answer: a second picture that is refused, a show that is not its own.
import assert from "node:assert/strict";
import { afterEach, beforeEach, describe, test } from "node:test";
import { publish } from "../../web/scripts/lib/whip.js";

const KEPT = ["window", "location", "fetch", "RTCPeerConnection", "RTCRtpSender"].map((name) => [name, globalThis[name]]);

/** As much of a connection as publishing touches; its server takes one video when `single`. */
class Peer extends EventTarget {
  /** @type {Peer[]} */ static all = [];
  static single = false;
  connectionState = "new";
  signalingState = "stable";
  transceivers = [];
  constructor() {
    super();
    Peer.all.push(this);
  }
  addTransceiver(track, { sendEncodings }) {
    const parameters = { encodings: sendEncodings.map((one) => ({ ...one })) };
    const one = {
      currentDirection: null,
      stopped: false,
      stop() {
        this.stopped = true;
      },
      sender: {
        track,
        getParameters: () => structuredClone(parameters),
        setParameters: async (next) => void Object.assign(parameters, next),
        replaceTrack: async (next) => void (one.sender.track = next),
      },
    };
    this.transceivers.push(one);
    return one;
  }
  createOffer = async () => ({ type: "offer", sdp: "v=0" });
  setLocalDescription = async () => {};
  async setRemoteDescription() {
    let videos = 0;
    for (const one of this.transceivers)
      if (one.sender.track.kind === "video" && Peer.single && videos++) one.currentDirection = "inactive";
      else one.currentDirection = "sendonly";
  }
  close() {
    this.connectionState = this.signalingState = "closed";
  }
}

const track = (kind) => ({ kind, contentHint: "" });
const media = () => {
  const [sound, ...pictures] = [track("audio"), track("video"), track("video")];
  return { getAudioTracks: () => [sound], getVideoTracks: () => pictures };
};
const settled = () =>
  new Promise((resolve) => setTimeout(resolve, 0)).then(() => new Promise((resolve) => setImmediate(resolve)));

describe("publishing", () => {
  let answer = () => new Response("v=0", { status: 201, headers: { Location: "/r1" } });
  /** @type {import("../../web/scripts/lib/whip.js").Publisher | null} */ let publisher = null;
  beforeEach(() => {
    Peer.all = [];
    Peer.single = false;
    Object.assign(globalThis, {
      window: Object.assign(new EventTarget(), { setTimeout, setInterval }),
      RTCPeerConnection: Peer,
      RTCRtpSender: { getCapabilities: () => null },
      fetch: async (url, { method }) => {
        const got = method === "POST" ? answer() : new Response(null, { status: 204 });
        Object.defineProperty(got, "url", { value: new URL(url, "http://bank.test").href });
        return got;
      },
    });
  });
  afterEach(() => {
    publisher?.close();
    for (const [name, value] of KEPT) globalThis[name] = value;
  });

  test("a picture whose smaller one is refused has the limits of one that is alone, and keeps them", async () => {
    Peer.single = true;
    publisher = publish({ session: "s", media: media() });
    await settled();
    const [, high, low] = Peer.all[0].transceivers;
    assert.ok(low.stopped);
    assert.equal(high.sender.getParameters().encodings[0].maxBitrate, 1_500_000);
    publisher.replace(media());
    await settled();
    assert.equal(high.sender.getParameters().encodings[0].maxBitrate, 1_500_000);
    assert.equal(Peer.all.length, 1);
  });

  test("with both taken, the larger one has most of the line", async () => {
    publisher = publish({ session: "s", media: media() });
    await settled();
    const [, high, low] = Peer.all[0].transceivers;
    assert.ok(!low.stopped);
    assert.equal(high.sender.getParameters().encodings[0].maxBitrate, 2_500_000);
  });

  for (const status of [403, 409])
    test(`a show that is refused with ${status} leaves no connection open, and asks again when told to`, async () => {
      answer = () => new Response("{}", { status, headers: { "Content-Type": "application/problem+json" } });
      const states = [];
      publisher = publish({ session: "s", media: media(), onState: (state) => states.push(state) });
      await settled();
      assert.equal(states.at(-1), "failed");
      assert.equal(Peer.all[0].connectionState, "closed");
      answer = () => new Response("v=0", { status: 201, headers: { Location: "/r1" } });
      publisher.reconnect();
      await settled();
      assert.equal(Peer.all.length, 2);
      assert.equal(Peer.all[1].connectionState, "new");
    });
});
