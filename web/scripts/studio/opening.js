// Opening one device in the place of another, so that a try that fails costs nobody the picture they had. Pure.
import { DeviceProblem } from "../lib/devices.js";

/**
 * @template T
 * @param {(id: string) => Promise<T>} ask throws DeviceProblem @param {string} id
 * @param {{ id: string, letGo: () => void } | null} before the camera that is on
 * @returns {Promise<{ got: T, kept: boolean }>} `kept`: the one asked for is busy, and this is the one of before. Throws DeviceProblem when there is none
 */
export async function openInstead(ask, id, before) {
  const unlessBusy = (/** @type {unknown} */ error) => {
    if (!before || !(error instanceof DeviceProblem) || error.kind !== "busy") throw error;
    return before;
  };
  let last;
  try {
    return { got: await ask(id), kept: false };
  } catch (error) {
    // Many phones open one camera at a time.
    last = unlessBusy(error);
    last.letGo();
  }
  try {
    return { got: await ask(id), kept: false };
  } catch (error) {
    unlessBusy(error);
    return { got: await ask(last.id), kept: true };
  }
}

/**
 * Runs what it is given one after the other, whatever becomes of the earlier: a webcam that is pulled out ends its picture and its
 * sound at once, and both are asked for anew.
 * @returns {<T>(task: () => Promise<T>) => Promise<T>}
 */
export function inTurn() {
  /** @type {Promise<unknown>} */ let last = Promise.resolve();
  return (task) => {
    const mine = last.then(task);
    last = mine.catch(() => undefined);
    return mine;
  };
}

/**
 * The next camera to try, past those that were refused since one last opened; once all were, from the beginning.
 * @template {{deviceId: string, label: string}} C
 * @param {(cameras: C[], now: string | undefined) => C | null} next @param {C[]} cameras @param {string | undefined} now id @param {Set<string>} refused
 */
export function nextUntried(next, cameras, now, refused) {
  const untried = cameras.filter((one) => !refused.has(one.deviceId));
  const found = next(untried, now);
  if (found) return found;
  refused.clear();
  return next(cameras, now);
}
