// What publishing (WHIP, RFC 9725) and watching (WHEP) have in common: one POST of an offer, one answer, one resource.
import { offline, problemOf } from "./api.js";

/** @type {RTCConfiguration} */
const CONFIGURATION = { bundlePolicy: "max-bundle" };

export const newPeer = () => new RTCPeerConnection(CONFIGURATION);

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

/**
 * Offers `pc` to `url` and sets the answer. Throws Problem (retryAfter from the server, when it gave one).
 *
 * The offer goes out before it is set: the ICE servers come with the answer, and setting the offer starts the gathering, which takes
 * only those it knows by then (RFC 9725 section 4.6). Candidates need not be in the offer, as the server answers whoever checks it.
 * @param {RTCPeerConnection} pc @param {string} url @returns {Promise<string>} the resource to DELETE at the end
 */
export async function negotiate(pc, url) {
  const offer = await pc.createOffer();
  let response;
  let answer;
  try {
    response = await fetch(url, {
      method: "POST",
      credentials: "same-origin",
      signal: AbortSignal.timeout(10_000),
      headers: { "Content-Type": "application/sdp", Accept: "application/sdp, application/problem+json" },
      body: offer.sdp ?? "",
    });
    if (response.ok) answer = await response.text();
  } catch {
    throw offline();
  }
  if (!response.ok) throw await problemOf(response);
  const resource = new URL(response.headers.get("Location") ?? "", response.url).href;
  if (pc.signalingState === "closed") {
    release(resource);
    throw offline();
  }
  try {
    useServers(pc, parseIceLinks(response.headers.get("Link")));
    await pc.setLocalDescription(offer);
    await pc.setRemoteDescription({ type: "answer", sdp: answer ?? "" });
  } catch (error) {
    release(resource);
    throw error;
  }
  return resource;
}

/** One that the browser can't read costs it all of them, but not the connection. @param {RTCPeerConnection} pc @param {RTCIceServer[]} iceServers */
function useServers(pc, iceServers) {
  if (!iceServers.length) return;
  try {
    pc.setConfiguration({ ...CONFIGURATION, iceServers });
  } catch (error) {
    console.warn("No ICE server is used, as this browser can't read one of them.", error);
  }
}

/** Gives a resource back; also while the page is going away. @param {string} resource */
export function release(resource) {
  if (!resource) return;
  fetch(resource, { method: "DELETE", credentials: "same-origin", keepalive: true }).catch(() => {
    // The server drops a connection that fell silent by itself.
  });
}
