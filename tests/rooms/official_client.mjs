// The official client (socket.io-client) at work, for test_official_clients.py: each line of JSON read is one thing to do, each
// line of JSON written is its outcome, or an event it heard meanwhile.

import { createInterface } from "node:readline";
import { io } from "socket.io-client";

const ACK_WITHIN_MS = 10_000;

/** @param {object} said one line for the test */
const tell = (said) => process.stdout.write(JSON.stringify(said) + "\n");

/** Bytes as JSON can carry them. @param {any} value */
function plain(value) {
  if (value instanceof Uint8Array) return { bytes: [...value] };
  if (Array.isArray(value)) return value.map(plain);
  if (value !== null && typeof value === "object")
    return Object.fromEntries(Object.entries(value).map(([key, one]) => [key, plain(one)]));
  return value;
}

/** The other way. @param {any} value */
function full(value) {
  if (Array.isArray(value)) return value.map(full);
  if (value === null || typeof value !== "object") return value;
  if (Array.isArray(value.bytes)) return Buffer.from(value.bytes);
  return Object.fromEntries(Object.entries(value).map(([key, one]) => [key, full(one)]));
}

/** @type {Map<string, import("socket.io-client").Socket>} */
const sockets = new Map();

const deeds = {
  /** Connects to a namespace; those of one address share a connection. */
  connect({ url, namespace, auth, transports }) {
    const socket = io(url + namespace, { auth, transports, reconnectionDelay: 10, reconnectionDelayMax: 50 });
    sockets.set(namespace, socket);
    const transport = () => socket.io.engine?.transport.name;
    socket.on("connect", () => tell({ heard: "connect", namespace, engine: socket.io.engine.id, transport: transport() }));
    socket.on("disconnect", (reason) => tell({ heard: "disconnect", namespace, reason }));
    socket.on("connect_error", (error) =>
      tell({ heard: "connect_error", namespace, message: error.message, data: error.data, active: socket.active }),
    );
    socket.onAny((event, ...values) => {
      const answer = values.at(-1);
      if (typeof answer === "function") answer(Buffer.from([0, 255]), ...values.slice(0, -1));
      else tell({ heard: event, namespace, values: plain(values) });
    });
  },

  async emit({ namespace, event, value }) {
    const socket = sockets.get(namespace);
    tell({ answer: plain(await socket.timeout(ACK_WITHIN_MS).emitWithAck(event, full(value))) });
  },

  async upgraded({ namespace }) {
    const engine = sockets.get(namespace).io.engine;
    if (engine.transport.name === "polling") await new Promise((moved) => engine.once("upgrade", moved));
    tell({ transport: engine.transport.name });
  },

  disconnect({ namespace }) {
    sockets.get(namespace).disconnect();
  },
};

for await (const line of createInterface({ input: process.stdin })) {
  const { deed, ...what } = JSON.parse(line);
  await deeds[deed](what);
}
for (const socket of sockets.values()) socket.disconnect(); // what is yet to be sent is, then the process ends by itself
