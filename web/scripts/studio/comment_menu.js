// What can be done about one comment: a menu in the browser's top layer, one for the whole list.
import { fill, h } from "../lib/dom.js";
import { moved } from "./moderation_model.js";

/** @typedef {import("./moderation_model.js").Choice} Choice */
/** @typedef {import("../lib/session_model.js").Comment} Comment */

const GAP = 4;

/** @param {{ choices: (comment: Comment) => Choice[], onChoose: (choice: Choice, comment: Comment) => void, onClose: () => void }} does */
export function createCommentMenu({ choices, onChoose, onClose }) {
  const element = h("div", {
    class: "talk-menu",
    role: "menu",
    popover: "auto",
    tLabel: "moderation.menu",
    testid: "comment-menu",
  });
  /** @type {HTMLElement | null} */ let opener = null;

  element.addEventListener("toggle", (event) => {
    if (/** @type {ToggleEvent} */ (event).newState === "open") return;
    opener?.setAttribute("aria-expanded", "false");
    // Whoever closed it by Escape or a choice goes on where he was; who clicked elsewhere is there already.
    if (element.contains(document.activeElement) || document.activeElement === document.body) opener?.focus();
    opener = null;
    onClose();
  });
  element.addEventListener("keydown", (event) => {
    const items = /** @type {HTMLElement[]} */ ([...element.children]);
    const next = moved(event.key, items.indexOf(/** @type {HTMLElement} */ (document.activeElement)), items.length);
    if (event.key === "Tab") element.hidePopover();
    if (next === null) return;
    event.preventDefault();
    items[next]?.focus();
  });

  /** @param {HTMLElement} button @param {Comment} comment */
  function open(button, comment) {
    fill(
      element,
      choices(comment).map((choice) => item(choice, comment)),
    );
    opener = button;
    button.setAttribute("aria-expanded", "true");
    element.showPopover();
    place(button);
    /** @type {HTMLElement | null} */ (element.firstElementChild)?.focus();
  }

  /** @param {Choice} choice @param {Comment} comment */
  function item(choice, comment) {
    return h("button", {
      class: `talk-menu-item${choice.grave ? " talk-menu-grave" : ""}`,
      type: "button",
      role: "menuitem",
      tabindex: "-1",
      t: choice.key,
      testid: `comment-${choice.name}`,
      onclick: () => {
        element.hidePopover();
        onChoose(choice, comment);
      },
    });
  }

  /** Under its button, or over it where there is no room. @param {HTMLElement} button */
  function place(button) {
    const at = button.getBoundingClientRect();
    const { offsetWidth: width, offsetHeight: height } = element;
    const below = at.bottom + GAP + height <= innerHeight;
    element.style.left = `${Math.max(GAP, Math.min(at.right - width, innerWidth - width - GAP))}px`;
    element.style.top = `${below ? at.bottom + GAP : Math.max(GAP, at.top - GAP - height)}px`;
  }

  return { element, open, isOpen: () => element.matches(":popover-open") };
}
