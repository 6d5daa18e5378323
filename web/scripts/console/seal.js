// The seal's state, always on screen, with the two things that lean on it: verifying here, and exporting the evidence.
import { api, asProblem } from "../lib/api.js";
import { fill, h, icon } from "../lib/dom.js";
import { number, time } from "../lib/format.js";
import { t } from "../lib/i18n.js";
import { sheet, toast } from "../lib/ui.js";

/** @typedef {{ at: string, entries: number, fragments: number, root: string, verified_at: string | null, [more: string]: any }} Seal */
/** @typedef {{ ok: boolean, findings: any[], entries: number, fragments: number, at: string }} Verdict */

/** How often and how long to ask whether an export is ready. */
const ASK_MS = 1_000;
const ASK_FOR_MS = 10 * 60_000;

/** @param {string} session @param {Seal | null} seal */
export function createSeal(session, seal) {
  const state = h("span", { class: "seal-state", testid: "seal-state", role: "status" });
  const verify = h("button", { class: "seal-button", type: "button", testid: "verify", t: "console.verify", disabled: !seal });
  const exporting = h(
    "button",
    { class: "seal-button", type: "button", testid: "export", disabled: !seal },
    h("span", { t: "console.export" }),
  );
  const download = h("a", {
    class: "seal-button seal-button-done",
    testid: "export-download",
    hidden: true,
    t: "console.download",
  });
  const findings = h("div", { class: "seal-findings", role: "alert", hidden: true });
  const element = h("div", { class: "seal" }, state, verify, exporting, download);

  /** @param {string} tone @param {string} glyph @param {string} text */
  function say(tone, glyph, text) {
    state.dataset["tone"] = tone;
    fill(state, icon(glyph), h("span", null, text));
  }

  function showSeal() {
    if (!seal) return say("open", "clock", t("console.unsealed"));
    const counts = { entries: number(seal.entries), fragments: number(seal.fragments) };
    if (seal.verified_at) say("good", "seal", t("console.verified", { at: time(seal.verified_at), ...counts }));
    else say("plain", "seal", t("console.sealed", { at: time(seal.at), ...counts }));
  }

  verify.addEventListener("click", async () => {
    verify.disabled = true;
    say("plain", "clock", t("console.verifying"));
    try {
      /** @type {Verdict} */
      const verdict = await api("POST", `/api/recordings/${session}/verify`, {});
      showVerdict(verdict);
    } catch (error) {
      showSeal();
      toast(asProblem(error).title, { tone: "warn" });
    } finally {
      verify.disabled = false;
    }
  });

  /** @param {Verdict} verdict */
  function showVerdict(verdict) {
    findings.hidden = verdict.ok;
    const counts = { entries: number(verdict.entries), fragments: number(verdict.fragments), at: time(verdict.at) };
    if (verdict.ok) return say("good", "seal", t("console.verified", counts));
    say("bad", "warn", t("console.not_verified", { n: number(verdict.findings.length), at: counts.at }));
    fill(
      findings,
      h("strong", { t: "console.findings" }),
      h(
        "ul",
        null,
        verdict.findings.map((f) => h("li", null, findingText(f))),
      ),
    );
  }

  exporting.addEventListener("click", () => askReason(session, (reason) => void run(reason)));

  /** @param {string} reason */
  async function run(reason) {
    exporting.disabled = true;
    download.hidden = true;
    try {
      const made = await api("POST", "/api/evidence", { session, reason });
      fill(exporting, h("span", { class: "seal-progress", "aria-hidden": "true" }), h("span", { t: "console.exporting" }));
      const ready = await whenReady(made);
      download.href = ready.url;
      download.setAttribute("download", "");
      download.hidden = false;
      download.focus();
    } catch (error) {
      toast(asProblem(error).title, { tone: "warn" });
    } finally {
      exporting.disabled = false;
      fill(exporting, h("span", { t: "console.export" }));
    }
  }

  showSeal();
  return { element, findings, redraw: showSeal };
}

/** @param {any} finding */
const findingText = (finding) =>
  typeof finding === "string" ? finding : (finding.text ?? finding.message ?? JSON.stringify(finding));

/**
 * @param {any} made the answer to POST /api/evidence @returns {Promise<{ url: string }>}
 */
async function whenReady(made) {
  let now = made;
  const until = Date.now() + ASK_FOR_MS;
  while (now.state && now.state !== "ready") {
    if (now.state === "failed" || Date.now() > until) throw new Error(now.error ?? t("console.export_failed"));
    await new Promise((resolve) => setTimeout(resolve, ASK_MS));
    now = await api("GET", `/api/evidence/${made.id}`);
  }
  return now;
}

/** @param {string} session @param {(reason: string) => void} done */
function askReason(session, done) {
  const reason = h("textarea", {
    class: "textarea",
    rows: "3",
    required: true,
    maxlength: "300",
    id: `reason-${session}`,
    testid: "export-reason",
  });
  const send = h("button", {
    class: "button button-accent",
    type: "submit",
    testid: "export-confirm",
    t: "console.export_confirm",
  });
  const form = h(
    "form",
    { class: "stack" },
    h("p", { class: "muted", t: "console.export_lead" }),
    h("label", { class: "field", for: reason.id }, h("span", { class: "field-label", t: "console.export_reason" }), reason),
    send,
  );
  const opened = sheet({ title: "console.export_title", content: form });
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    opened.close();
    done(reason.value.trim());
  });
}
