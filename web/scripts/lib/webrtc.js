// What publishing (WHIP, RFC 9725) and watching (WHEP) have in common: one POST of an offer, one answer, one resource.
import { offline, problemOf } from "./api.js";

const GATHER_MS = 1000;

/** ICE servers that the server named in a Link header; used from the next connection on. @type {RTCIceServer[]} */
let iceServers = [];

/** @returns {RTCPeerConnection} throws what the browser throws at a server it can't read; the next one goes without */
export function newPeer() {
  try {
    return new RTCPeerConnection({ bundlePolicy: "max-bundle", iceServers });
  } catch (error) {
    iceServers = [];
    throw error;
  }
}

/**
 * `<turn:example.org>; rel="ice-server"; username="u"; credential="p"`, several of them in one header. A TURN server without
 * both credentials is left out: browsers refuse the whole connection for it.
 * @param {string | null} header @returns {RTCIceServer[]}
 */
export function parseIceLinks(header) {
  /** @type {RTCIceServer[]} */
  const servers = [];
  for (const part of (header ?? "").split(/,\s*(?=<)/)) {
    const url = /^\s*<([^>]+)>/.exec(part)?.[1];
    if (!url || !/;\s*rel="?ice-server"?/i.test(part)) continue;
    const value = (/** @type {string} */ name) => new RegExp(`;\\s*${name}="([^"]*)"`, "i").exec(part)?.[1];
    const [username, credential] = [value("username"), value("credential")];
    if (username && credential) servers.push({ urls: url, username, credential });
    else if (!/^turns?:/i.test(url)) servers.push({ urls: url });
  }
  return servers;
}

/** How long to wait before attempt n (from 0): 0.5, 1, 2, 4, 8, 8 … s, with up to a quarter of jitter. @param {number} attempt @param {number} [random] 0..1 */
export function backoff(attempt, random = Math.random()) {
  return Math.min(8000, 500 * 2 ** attempt) * (1 + random / 4);
}

/** @param {RTCPeerConnection} pc @returns {Promise<void>} when all candidates are known, or after a second */
function gathered(pc) {
  if (pc.iceGatheringState === "complete") return Promise.resolve();
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, GATHER_MS);
    pc.addEventListener("icegatheringstatechange", () => {
      if (pc.iceGatheringState !== "complete") return;
      clearTimeout(timer);
      resolve();
    });
  });
}

/**
 * Offers `pc` to `url` and sets the answer. Throws Problem (retryAfter from the server, when it gave one).
 * @param {RTCPeerConnection} pc @param {string} url @returns {Promise<string>} the resource to DELETE at the end
 */
export async function negotiate(pc, url) {
  await pc.setLocalDescription(await pc.createOffer());
  await gathered(pc);
  let response;
  let answer;
  try {
    response = await fetch(url, {
      method: "POST",
      credentials: "same-origin",
      signal: AbortSignal.timeout(10_000),
      headers: { "Content-Type": "application/sdp", Accept: "application/sdp, application/problem+json" },
      body: pc.localDescription?.sdp ?? "",
    });
    if (response.ok) answer = await response.text();
  } catch {
    throw offline();
  }
  if (!response.ok) throw await problemOf(response);
  const named = parseIceLinks(response.headers.get("Link"));
  if (named.length) iceServers = named;
  const resource = new URL(response.headers.get("Location") ?? "", response.url).href;
  if (pc.signalingState === "closed") {
    release(resource);
    throw offline();
  }
  await pc.setRemoteDescription({ type: "answer", sdp: answer ?? "" });
  return resource;
}

/** Gives a resource back; also while the page is going away. @param {string} resource */
export function release(resource) {
  if (!resource) return;
  fetch(resource, { method: "DELETE", credentials: "same-origin", keepalive: true }).catch(() => {
    // The server drops a connection that fell silent by itself.
  });
}
