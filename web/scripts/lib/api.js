// The HTTP side of the server. Every failure is a Problem with a code, a sentence and a next step.
import { lang, t } from "./i18n.js";

const TIMEOUT_MS = 15_000;

/** @typedef {{code?: string, title?: string, next?: string, door?: string, params?: Record<string, any>, status?: number}} ProblemBody */

/** A refusal as the server words it, or `offline` when nobody answered. `door` names what to offer next (see ui.js `DOORS`). */
export class Problem extends Error {
  /** @param {ProblemBody} body */
  constructor(body) {
    super(body.title ?? body.code ?? "internal_error");
    this.name = "Problem";
    this.code = body.code ?? "internal_error";
    this.title = body.title ?? t("problem.internal_error");
    this.next = body.next ?? "";
    this.door = body.door ?? "";
    this.params = body.params ?? {};
    this.status = body.status ?? 0;
    /** seconds after which to ask again, when the server said so */
    this.retryAfter = 0;
  }
}

/** What `fetch` could not deliver. */
export function offline() {
  return new Problem({ code: "offline", title: t("problem.offline"), next: t("problem.offline.next"), door: "retry" });
}

/** Anything thrown, as a Problem. @param {unknown} error @returns {Problem} */
export function asProblem(error) {
  if (error instanceof Problem) return error;
  console.error(error);
  return new Problem({
    code: "internal_error",
    title: t("problem.internal_error"),
    next: t("problem.internal_error.next"),
    door: "retry",
  });
}

/** @param {Response} response @returns {Promise<Problem>} */
export async function problemOf(response) {
  /** @type {ProblemBody} */
  let body = {};
  try {
    body = await response.json();
  } catch {
    body = { title: t("problem.internal_error"), next: t("problem.internal_error.next"), code: `http_${response.status}` };
  }
  const problem = new Problem({ ...body, status: response.status });
  const after = Number(response.headers.get("Retry-After"));
  problem.retryAfter = Number.isFinite(after) && after > 0 ? after : 0;
  return problem;
}

/**
 * @param {string} method @param {string} path @param {unknown} [body] sent as JSON
 * @returns {Promise<any>} the decoded body, null for 204; throws Problem
 */
export async function api(method, path, body) {
  /** @type {RequestInit} */
  const request = { method, credentials: "same-origin", headers: { Accept: "application/json", "Accept-Language": lang() } };
  request.signal = AbortSignal.timeout(TIMEOUT_MS);
  if (body !== undefined) {
    request.body = JSON.stringify(body);
    /** @type {Record<string, string>} */ (request.headers)["Content-Type"] = "application/json";
  }
  /** @type {Response} */
  let response;
  try {
    response = await fetch(path, request);
  } catch {
    throw offline();
  }
  if (!response.ok) throw await problemOf(response);
  if (response.status === 204) return null;
  try {
    return await response.json();
  } catch {
    throw offline();
  }
}
