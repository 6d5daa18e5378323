// Taking in a file: it is checked first, every wrong line is named, and nothing changes before the person says so.
import { asProblem, offline, problemOf } from "../lib/api.js";
import { fill, h } from "../lib/dom.js";
import { lang, t } from "../lib/i18n.js";
import { refusal, toast } from "../lib/ui.js";
import { differences, paneHead } from "./shown.js";

/** @typedef {{line: number, column: string, code: string, title: string, next: string}} LineError */
/** @typedef {{line: number, column: string, words: string, title: string, next: string}} LineWarning */
/** @typedef {{line: number, product: string, name: string, currency: string, done: string, before: any, after: any}} LineChange */
/** @typedef {{dry_run: boolean, rows: number, created: number, changed: number, unchanged: number, changes: LineChange[], error_count: number, errors: LineError[], warning_count: number, warnings: LineWarning[]}} Report */

const TIMEOUT_MS = 60_000;

/** @param {{onBack: () => void, onDone: () => void}} options @returns {import("./main.js").Pane} */
export function createImport({ onBack, onDone }) {
  const chosen = h("input", {
    class: "visually-hidden",
    type: "file",
    accept: ".csv,text/csv",
    testid: "file",
    id: "import-file",
  });
  const label = h("label", { class: "button button-primary", for: "import-file", t: "import.choose" });
  const place = h("div", { class: "report", "aria-live": "polite" });
  const drop = h(
    "div",
    { class: "drop" },
    h("p", { t: "import.how" }),
    h(
      "div",
      { class: "row row-wrap" },
      chosen,
      label,
      h("a", { class: "button-quiet", href: "/api/catalogue.csv", download: "catalogue.csv", t: "import.how.example" }),
    ),
  );
  chosen.addEventListener("change", () => {
    const [file] = chosen.files ?? [];
    chosen.value = ""; // the same name again, corrected, is another file
    if (file) void check(file);
  });
  for (const name of ["dragover", "drop"]) {
    drop.addEventListener(name, (event) => {
      event.preventDefault();
      const [file] = /** @type {DragEvent} */ (event).dataTransfer?.files ?? [];
      if (name === "drop" && file) void check(file);
    });
  }

  /** @param {File} file */
  async function check(file) {
    fill(place, h("p", { class: "muted", t: "import.checking", tp: { name: file.name } }));
    try {
      const data = await file.arrayBuffer(); // as it is now: it may be changed on the disk while its report is read
      draw(file.name, data, await send(data, true));
    } catch (error) {
      fill(place, refusal(asProblem(error), { retry: () => void check(file) }));
    }
    label.dataset.t = "import.another";
    label.textContent = t("import.another");
  }

  /** @param {string} name @param {ArrayBuffer} data @param {Report} report */
  function draw(name, data, report) {
    const count = report.created + report.changed;
    const take = h("button", {
      class: "button button-accent",
      type: "button",
      testid: "do-import",
      t: count === 1 ? "import.do.one" : "import.do",
      tp: { n: count },
      onclick: () => void run(name, data, report, take),
    });
    fill(
      place,
      h("h2", { class: "group-title", t: "import.rows", tp: { name, n: report.rows } }),
      sums(report),
      report.error_count > 0 && errorsOf(report.errors, report.error_count),
      warningsOf(report),
      !report.error_count && !count && h("p", { class: "notice", t: "import.nothing" }),
      !report.error_count && count > 0 && h("div", { class: "report-take" }, take),
      changesOf(report),
    );
  }

  /** @param {string} name @param {ArrayBuffer} data @param {Report} before @param {HTMLButtonElement} button */
  async function run(name, data, before, button) {
    button.setAttribute("aria-busy", "true");
    button.disabled = true;
    try {
      const report = await send(data, false);
      const { created, changed } = report;
      fill(
        place,
        h("p", { class: "notice notice-good", testid: "imported", t: "import.done", tp: { created, changed } }),
        warningsOf(report),
        changesOf(report),
      );
      toast(t("import.done", { created, changed }), { tone: "good" });
      onDone();
    } catch (error) {
      const problem = asProblem(error);
      const errors = /** @type {LineError[]} */ (problem.params.errors ?? []);
      // Something has changed since the check: what is wrong now, and the same file once more.
      draw(name, data, { ...before, errors, error_count: errors.length ? problem.params.count : 0 });
      place.prepend(refusal(problem, { retry: () => void run(name, data, before, button) }));
    }
  }

  const head = paneHead({ title: h("h1", { class: "pane-title", t: "import.title", tabindex: "-1" }), onBack });
  return {
    element: h("div", { class: "pane importing" }, head, h("div", { class: "pane-panel" }, drop, place)),
    unsaved: () => [],
  };
}

/** @param {ArrayBuffer} data @param {boolean} dry @returns {Promise<Report>} */
async function send(data, dry) {
  /** @type {Response} */
  let answer;
  try {
    answer = await fetch(`/api/catalogue/import${dry ? "?dry_run=1" : ""}`, {
      method: "POST",
      credentials: "same-origin",
      headers: { "Content-Type": "text/csv", Accept: "application/json", "Accept-Language": lang() },
      body: data,
      signal: AbortSignal.timeout(TIMEOUT_MS),
    });
  } catch {
    throw offline();
  }
  if (!answer.ok) throw await problemOf(answer);
  return answer.json();
}

/** @param {Report} report */
function sums(report) {
  const shown = /** @type {const} */ ([
    ["created", report.created, ""],
    ["changed", report.changed, ""],
    ["unchanged", report.unchanged, ""],
    ["wrong", report.error_count, report.error_count ? "sum-bad" : ""],
  ]);
  return h(
    "dl",
    { class: "sums", testid: "sums" },
    shown.map(([name, count, tone]) =>
      h("div", { class: `sum ${tone}` }, h("dt", { t: `import.${name}` }), h("dd", { testid: `sum-${name}` }, count)),
    ),
  );
}

/** @param {LineError[]} errors @param {number} count */
function errorsOf(errors, count) {
  return h(
    "section",
    { class: "report-errors" },
    h("h3", { class: "group-title", t: "import.errors" }),
    h("p", { class: "muted small", t: "import.errors.next" }),
    linesOf(errors, "line-error"),
    count > errors.length && h("p", { class: "muted small", t: "import.errors.more", tp: { shown: errors.length, n: count } }),
  );
}

/** What should be looked at before it is taken in. @param {Report} report */
function warningsOf({ warnings, warning_count: count }) {
  if (!count) return null;
  return h(
    "section",
    { class: "report-warnings" },
    h("h3", { class: "group-title", t: "import.warnings" }),
    h("p", { class: "muted small" }, warnings[0].next),
    linesOf(warnings, "line-warning"),
    count > warnings.length &&
      h("p", { class: "muted small", t: "import.errors.more", tp: { shown: warnings.length, n: count } }),
  );
}

/**
 * Line by line what is the matter; the next step where each has its own. @param {(LineError | LineWarning)[]} lines @param {string} testid
 */
function linesOf(lines, testid) {
  return h(
    "table",
    { class: "table errors-table" },
    h(
      "thead",
      null,
      h(
        "tr",
        null,
        ["line", "column", testid === "line-error" ? "what" : "says"].map((name) =>
          h("th", { scope: "col", t: `import.${name}` }),
        ),
      ),
    ),
    h(
      "tbody",
      null,
      lines.map((one) =>
        h(
          "tr",
          { testid, data: { line: one.line, code: "code" in one ? one.code : "wording" } },
          h("th", { scope: "row", class: "errors-line" }, one.line),
          h("td", null, one.column ? h("code", null, one.column) : h("span", { t: "import.row" })),
          h("td", null, h("span", null, one.title), "code" in one ? [" ", h("span", { class: "muted" }, one.next)] : null),
        ),
      ),
    ),
  );
}

/** @param {Report} report */
function changesOf(report) {
  const count = report.created + report.changed;
  if (!count) return null;
  const { changes } = report;
  return h(
    "section",
    { class: "report-changes" },
    report.dry_run && h("h3", { class: "group-title", t: "import.changes" }),
    changes.map((one) =>
      h(
        "details",
        { class: "report-change", open: changes.length <= 5 },
        h(
          "summary",
          null,
          h("span", { class: "tag", t: `import.${one.done}` }),
          h("span", { class: "report-name" }, one.name),
          h("span", { class: "product-id" }, one.product),
          h("span", { class: "muted small", t: "import.line.of", tp: { n: one.line } }),
        ),
        differences(one.before, one.after, one.currency),
      ),
    ),
    count > changes.length &&
      h("p", { class: "muted small", t: "import.changes.more", tp: { shown: changes.length, n: count } }),
  );
}
