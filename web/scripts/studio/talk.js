// The pane of what is said: the comments, and beside them the moderator's panel, as two tabs.
import { h, on, setText } from "../lib/dom.js";
import { moved } from "./moderation_model.js";

/**
 * @param {HTMLElement} comments @param {{ element: HTMLElement, told: HTMLElement }} moderation
 * @param {MediaQueryList | null} [roomy] while it matches both stand side by side, and there is nothing to choose
 */
export function createTalk(comments, moderation, roomy = null) {
  let chosen = 0;
  const waiting = h("span", { class: "talk-count", testid: "held-count", hidden: true });
  const spoken = h("span", { class: "visually-hidden" });
  const tabs = [
    tab("comments", "studio.comments", comments),
    tab("moderation", "moderation.title", moderation.element, waiting, spoken),
  ];
  const list = h(
    "div",
    { class: "tabs talk-tabs", role: "tablist", tLabel: "studio.comments" },
    tabs.map(({ button }) => button),
  );
  const element = h(
    "section",
    { class: "pane pane-talk", tLabel: "studio.comments" },
    list,
    moderation.told,
    tabs.map(({ panel }) => panel),
  );
  list.addEventListener("keydown", (event) => {
    const at = tabs.findIndex(({ button }) => button === document.activeElement);
    const next = at < 0 ? null : moved(event.key, at, tabs.length);
    if (next === null) return;
    event.preventDefault();
    show(next);
    tabs[next]?.button.focus();
  });
  const stopRoomy = roomy ? on(roomy, "change", () => show(chosen)) : () => {};
  show(0);

  /** @param {string} name @param {string} key @param {HTMLElement} content @param {...HTMLElement} more */
  function tab(name, key, content, ...more) {
    const id = `talk-${name}`;
    const button = h(
      "button",
      { class: "tab", type: "button", role: "tab", id: `${id}-tab`, "aria-controls": id, testid: `tab-${name}` },
      h("span", { t: key }),
      ...more,
    );
    button.addEventListener("click", () => show(tabs.findIndex((one) => one.button === button)));
    const title = h("h2", { class: "pane-title talk-title", id: `${id}-title`, t: key });
    const panel = h("div", { class: "talk-panel", id }, title, content);
    return { button, panel };
  }

  /** @param {number} which */
  function show(which) {
    chosen = which;
    const beside = roomy?.matches ?? false;
    element.classList.toggle("is-beside", beside);
    list.hidden = beside;
    for (const [at, { button, panel }] of tabs.entries()) {
      button.setAttribute("aria-selected", String(at === chosen));
      button.tabIndex = at === chosen ? 0 : -1;
      panel.hidden = !beside && at !== chosen;
      panel.setAttribute("role", beside ? "region" : "tabpanel");
      // The tabs are out of sight then, and one of them says a number as well.
      panel.setAttribute("aria-labelledby", `${panel.id}-${beside ? "title" : "tab"}`);
    }
  }

  return {
    element,
    /** How many comments wait for a moderator. @param {number} n */
    waiting(n) {
      waiting.hidden = n === 0;
      waiting.textContent = n > 99 ? "99+" : String(n);
      setText(spoken, n ? "moderation.held_n" : "moderation.held_none", { n });
    },
    close: () => stopRoomy(),
  };
}
