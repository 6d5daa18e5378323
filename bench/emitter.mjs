// Node's socket.io sending the same batches to a room of clients: the peer of `bench/emitters.py`, which see.
import { createServer } from "node:http";
import { createInterface } from "node:readline";
import { Server } from "socket.io";

const http = createServer();
const io = new Server(http, { transports: ["websocket"] });
io.of("/room").on("connection", (socket) => socket.join("show"));

const say = (answer) => process.stdout.write(`${JSON.stringify(answer)}\n`);
const wait = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

async function emit({ per_s: perSecond, seconds, batch }) {
  const began = performance.now();
  const total = Math.round(perSecond * seconds);
  for (let number = 0; number < total; number += 1) {
    const rest = began + (number / perSecond) * 1000 - performance.now();
    if (rest > 0) await wait(rest);
    io.of("/room").to("show").emit("comments", batch);
  }
  say({ batches: total });
}

http.listen(Number(process.argv[2]), "127.0.0.1", 1024, () => {
  say({ ready: true });
  const lines = createInterface({ input: process.stdin });
  lines.on("line", (line) => void emit(JSON.parse(line)));
  lines.on("close", () => process.exit(0));
});
