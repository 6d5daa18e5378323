// Which of a stream's pictures a viewer wants, told to the server: one word at a time, the last one counts.
import { backoff } from "./webrtc.js";

/** @typedef {"auto"|"high"|"low"|"audio"} Quality */
/** `height`: device pixels in which the picture is shown. @typedef {{quality: Quality, height: number}} Choice */

const TRIES = 5;
const ANSWER_MS = 5000;

/**
 * @param {object} options
 * @param {() => string} options.where the subscription's resource, "" while there is none
 * @param {(able: boolean) => void} options.onAble whether this server lets viewers choose: false as long as it never did, also when it can't be asked
 * @param {(url: string, choice: Choice) => Promise<number>} [options.post] answers the status, 0 when there was none
 * @param {(ms: number) => Promise<unknown>} [options.pause]
 */
export function layerTeller({ where, onAble, post = postChoice, pause = sleep }) {
  /** @type {Choice | null} */ let choice = null;
  let settled = "";
  let busy = false;
  let able = false;
  let tries = 0;
  let tried = "";
  let wake = () => {};
  const wanted = () => (choice && where() ? `${where()} ${JSON.stringify(choice)}` : "");

  async function run() {
    // A busy server is not asked sooner for what it did not take; something new need not wait.
    if (busy) {
      if (wanted() !== tried) wake();
      return;
    }
    busy = true;
    tried = "";
    while (choice && where() && wanted() !== settled) {
      const mine = wanted();
      if (mine !== tried) tries = 0;
      tried = mine;
      const status = await post(`${where()}/layer`, choice);
      if (mine !== wanted()) continue;
      const passing = status === 0 || status === 429 || status >= 500;
      if (passing && ++tries < TRIES) await interval();
      else {
        if (!passing) settled = mine;
        able ||= status > 0 && status < 300;
        // A resource that is gone is not found either: its server still lets viewers choose.
        onAble(able);
        if (mine === wanted()) break;
      }
    }
    busy = false;
  }

  function interval() {
    /** @type {Promise<void>} */ const woken = new Promise((resolve) => {
      wake = resolve;
    });
    return Promise.race([pause(backoff(tries)), woken]);
  }

  return {
    /** @param {Choice} next */
    choose(next) {
      choice = next;
      void run();
    },
    /** A connection stands that has heard of no choice yet. */
    connected: () => void run(),
  };
}

/** @param {string} url @param {Choice} choice @returns {Promise<number>} */
async function postChoice(url, choice) {
  try {
    const answer = await fetch(url, {
      method: "POST",
      credentials: "same-origin",
      signal: AbortSignal.timeout(ANSWER_MS),
      headers: { "Content-Type": "application/json", Accept: "application/problem+json" },
      body: JSON.stringify(choice),
    });
    return answer.status;
  } catch {
    return 0;
  }
}

/** @param {number} ms */
function sleep(ms) {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
