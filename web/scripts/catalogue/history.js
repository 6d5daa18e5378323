// Who changed what of a product, and when.
import { api, asProblem } from "../lib/api.js";
import { fill, h } from "../lib/dom.js";
import { empty, refusal, skeleton } from "../lib/ui.js";
import { queryOf } from "./model.js";
import { differences } from "./shown.js";

/** @typedef {{revision: number, at: string, actor: string, kind: string, import_id: string | null, before: any, after: any}} Change */

export function createHistory() {
  const element = h("div", { class: "history", testid: "history" }, skeleton(3, "row"));

  /** @param {{id: string, currency: string}} item @param {number | null} [before] @param {Change[]} [known] */
  async function load(item, before = null, known = []) {
    const query = before ? queryOf(/** @type {any} */ ({ before: String(before) })) : "";
    try {
      const page = await api("GET", `/api/catalogue/${encodeURIComponent(item.id)}/changes${query}`);
      draw(item, [...known, ...page.changes], page.next);
    } catch (error) {
      fill(element, refusal(asProblem(error), { retry: () => void load(item, before, known) }));
    }
  }

  /** @param {{id: string, currency: string}} item @param {Change[]} changes @param {number | null} next */
  function draw(item, changes, next) {
    if (!changes.length) return fill(element, empty({ t: "history.none", next: "history.none.next", icon: "clock" }));
    fill(
      element,
      h(
        "ol",
        { class: "history-list" },
        changes.map((change) =>
          h(
            "li",
            { class: "history-item", testid: "change" },
            h(
              "p",
              { class: "history-head" },
              h("strong", { t: `history.${change.kind}` }),
              h("span", { class: "muted", t: "catalogue.revision", tp: { n: change.revision } }),
              h("span", { class: "muted", t: "history.by", tp: { actor: change.actor, at: { dateTime: change.at } } }),
              change.import_id && h("span", { class: "tag", t: "history.import", title: change.import_id }),
            ),
            differences(change.before, change.after, change.after.currency ?? item.currency),
          ),
        ),
      ),
      next &&
        h("button", {
          class: "button",
          type: "button",
          t: "catalogue.more",
          onclick: () => void load(item, next, changes),
        }),
    );
  }

  return { element, load };
}
