// The moderator's panel: what waits, who is sanctioned, the rules, and the last acts, each with its way back.
import { api, asProblem } from "../lib/api.js";
import { fill, h, setText } from "../lib/dom.js";
import { time } from "../lib/format.js";
import { t } from "../lib/i18n.js";
import { refusal } from "../lib/ui.js";
import { lastUndoable, sentence, SLOW } from "./moderation_model.js";

/** @typedef {import("./moderation_model.js").Moderation} Moderation */
/** @typedef {import("./moderation_model.js").Wish} Wish */

const TOLD_MS = 12_000;
const AGAIN_MS = 500;

/** @param {string} session @param {{ onWaiting: (n: number) => void }} does */
export function createModeration(session, { onWaiting }) {
  const path = `/api/sessions/${encodeURIComponent(session)}/moderation`;
  let seq = -1;
  let asking = false;
  let stale = false;
  /** @type {number | undefined} */ let telling;
  /** @type {number | undefined} */ let reading;
  const trouble = h("div");
  const told = h("div", { class: "moderation-told", role: "status", "aria-live": "polite", testid: "moderation-told" });
  const rules = createRules((wish) => void act(wish));
  const held = h("ul", { class: "moderation-list", testid: "held" });
  const sanctions = h("ul", { class: "moderation-list", testid: "sanctions" });
  const acts = h("ul", { class: "moderation-list", testid: "acts" });
  const waiting = h("h3", { class: "moderation-title", t: "moderation.held" });
  const element = h(
    "div",
    { class: "moderation" },
    h("h3", { class: "moderation-title", t: "moderation.rules" }),
    rules.element,
    waiting,
    held,
    h("h3", { class: "moderation-title", t: "moderation.sanctions" }),
    sanctions,
    h("h3", { class: "moderation-title", t: "moderation.acts" }),
    acts,
  );

  /** Reads it anew; at most once in a while, and after that once more if something has come meanwhile. */
  async function refresh() {
    if (asking) return void (stale = true);
    asking = true;
    try {
      draw(await api("GET", path));
    } catch (error) {
      fill(trouble, refusal(asProblem(error), { compact: true, retry: () => void refresh() }));
    }
    reading = window.setTimeout(() => {
      asking = false;
      if (!stale) return;
      stale = false;
      void refresh();
    }, AGAIN_MS);
  }

  /** @param {Wish} wish */
  async function act(wish) {
    await change(() => api("POST", path, wish), true);
  }

  /** @param {number} number */
  async function undo(number) {
    await change(() => api("DELETE", `${path}/${number}`), false);
  }

  /** @param {() => Promise<Moderation>} ask @param {boolean} offerUndo */
  async function change(ask, offerUndo) {
    fill(trouble);
    try {
      const view = await ask();
      draw(view);
      tell(view, offerUndo);
    } catch (error) {
      fill(trouble, refusal(asProblem(error), { compact: true, retry: () => void refresh() }));
      void refresh();
    }
  }

  /** Says what was done, with the way back beside it for a while. @param {Moderation} view @param {boolean} offerUndo */
  function tell(view, offerUndo) {
    clearTimeout(telling);
    const done = view.acts[0];
    if (!done) return;
    const { key, params } = sentence(done);
    const back = offerUndo ? lastUndoable(view) : null;
    fill(told, h("span", { t: key, tp: params }), back ? undoButton(back.act, "undo-last") : null);
    telling = window.setTimeout(() => fill(told), TOLD_MS);
  }

  /** @param {Moderation} view */
  function draw(view) {
    if (view.seq < seq) return; // overtaken by a newer reading
    seq = view.seq;
    onWaiting(view.waiting);
    rules.show(view.rules);
    setText(waiting, view.waiting ? "moderation.held_n" : "moderation.held", { n: view.waiting });
    keepingFocus(() => {
      fill(held, rows(view.held.map(heldRow), "moderation.held_none"));
      fill(sanctions, rows(view.sanctions.map(sanctionRow), "moderation.sanctions_none"));
      fill(acts, rows(view.acts.map(actRow), "moderation.acts_none"));
    });
  }

  /** What is drawn anew takes the focus with it: it goes back to the same button, or to the panel. @param {() => void} redraw */
  function keepingFocus(redraw) {
    const focused = /** @type {HTMLElement | null} */ (document.activeElement);
    const key = focused && element.contains(focused) ? focused.dataset["key"] : undefined;
    redraw();
    if (key === undefined) return;
    const same = /** @type {HTMLElement | null} */ (element.querySelector(`[data-key="${CSS.escape(key)}"]`));
    (same ?? /** @type {HTMLElement | null} */ (held.querySelector("button")) ?? rules.first).focus();
  }

  /** @param {HTMLElement[]} found @param {string} none */
  function rows(found, none) {
    return found.length ? found : [h("li", { class: "muted", t: none })];
  }

  /** @param {import("./moderation_model.js").Held} one */
  function heldRow({ comment, reason, flags }) {
    const why = flags.length ? flags.join(" · ") : null;
    return h(
      "li",
      { class: "moderation-row", data: { id: comment.id } },
      h("p", { class: "moderation-said" }, h("span", { class: "talk-who" }, comment.author), " ", comment.text),
      h("p", { class: "moderation-why muted" }, h("span", { t: `moderation.why_${reason}` }), why ? ` ${why}` : null),
      h(
        "div",
        { class: "moderation-does" },
        doButton("moderation.release", { act: "release", comment: comment.id }, comment.text),
        doButton("moderation.reject", { act: "reject", comment: comment.id }, comment.text),
      ),
    );
  }

  /** @param {string} key @param {Wish} wish @param {string} about */
  function doButton(key, wish, about) {
    return h(
      "button",
      {
        class: "button button-small",
        type: "button",
        testid: wish.act,
        data: { key: `${wish.act}:${wish.comment ?? ""}` },
        onclick: () => void act(wish),
      },
      h("span", { t: key }),
      h("span", { class: "visually-hidden" }, about),
    );
  }

  /** @param {import("./moderation_model.js").Sanction} one */
  function sanctionRow(one) {
    return h(
      "li",
      { class: "moderation-row moderation-row-flat" },
      h(
        "p",
        { class: "moderation-said" },
        h("span", null, one.author),
        " ",
        h("span", { class: "tag tag-bad", t: `moderation.is_${one.kind}` }),
        " ",
        one.until ? h("span", { class: "muted", t: "moderation.until", tp: { at: time(one.until) } }) : null,
      ),
      h(
        "button",
        {
          class: "button button-small",
          type: "button",
          testid: "forgive",
          data: { key: `forgive:${one.act}` },
          onclick: () => void undo(one.act),
        },
        h("span", { t: "moderation.forgive" }),
        h("span", { class: "visually-hidden" }, one.author),
      ),
    );
  }

  /** @param {import("./moderation_model.js").Act} one */
  function actRow(one) {
    const { key, params } = sentence(one);
    return h(
      "li",
      { class: "moderation-row moderation-row-flat" },
      h(
        "p",
        { class: "moderation-said" },
        h("time", { class: "talk-at", datetime: one.at }, time(one.at)),
        " ",
        h("span", { t: key, tp: params }),
        one.reason ? h("span", { class: "muted" }, ` ${one.reason}`) : null,
      ),
      one.undoable ? undoButton(one.act, "undo") : null,
    );
  }

  /** @param {number} number @param {string} testid */
  function undoButton(number, testid) {
    return h("button", {
      class: "button button-small",
      type: "button",
      testid,
      t: "moderation.undo",
      data: { key: `${testid}:${number}` },
      onclick: () => void undo(number),
    });
  }

  return {
    element,
    /** stands with the comments as well: what was done there is said there */
    told: h("div", { class: "moderation-news" }, trouble, told),
    act,
    refresh,
    close() {
      clearTimeout(telling);
      clearTimeout(reading);
    },
  };
}

/** How often one may comment, and whether each is seen first. @param {(wish: Wish) => void} onWish */
function createRules(onWish) {
  const slow = h(
    "select",
    { class: "select", testid: "slow" },
    SLOW.map((seconds) =>
      h("option", { value: String(seconds), t: seconds ? "moderation.slow_s" : "moderation.slow_off", tp: { n: seconds } }),
    ),
  );
  const first = h("input", { class: "switch", type: "checkbox", role: "switch", testid: "premoderated" });
  slow.addEventListener("change", () => onWish({ act: "rules", slow_s: Number(slow.value) }));
  first.addEventListener("change", () => onWish({ act: "rules", premoderated: first.checked }));
  return {
    first: slow,
    element: h(
      "div",
      { class: "moderation-rules" },
      h("label", { class: "moderation-rule" }, h("span", { t: "moderation.slow" }), slow),
      h("label", { class: "moderation-rule" }, h("span", { t: "moderation.premoderated" }), first),
    ),
    /** @param {import("./moderation_model.js").Rules} rules */
    show(rules) {
      const known = SLOW.includes(rules.slow_s);
      if (!known && !slow.querySelector(`[value="${rules.slow_s}"]`))
        slow.append(h("option", { value: String(rules.slow_s) }, t("moderation.slow_s", { n: rules.slow_s })));
      slow.value = String(rules.slow_s);
      first.checked = rules.premoderated;
    },
  };
}
