// Before the show: camera, microphone, shelf, and the one button.
import { api, asProblem } from "../lib/api.js";
import { fill, h, icon, setText } from "../lib/dom.js";
import { when } from "../lib/format.js";
import { confirm, refusal } from "../lib/ui.js";
import { createShelfPicker } from "./picker.js";

/** @typedef {import("./model.js").Show} Show */

/**
 * @param {HTMLElement} root @param {Show} show @param {import("./camera.js").Camera} camera
 * @param {{ onStarted: (show: Show) => void, onBack: () => void }} does
 * @returns {import("./show.js").Part}
 */
export function openBefore(root, show, camera, { onStarted, onBack }) {
  const start = h(
    "button",
    { class: "button button-accent button-wide", type: "button", testid: "go-live", disabled: !camera.media() },
    icon("camera"),
    h("span", { t: "studio.go_live" }),
  );
  const cancel = h("button", {
    class: "button-quiet before-cancel",
    type: "button",
    testid: "cancel-show",
    t: "studio.cancel_show",
  });
  const trouble = h("div");
  const shelf = createShelfPicker(show);
  const ready = h("p", { class: "before-ready", role: "status", t: camera.media() ? "studio.ready" : "studio.waiting_camera" });

  start.addEventListener("click", async () => {
    start.disabled = true;
    start.setAttribute("aria-busy", "true");
    fill(trouble);
    try {
      await shelf.saved();
      onStarted(await api("POST", `/api/shows/${encodeURIComponent(show.id)}/start`));
    } catch (error) {
      start.disabled = false;
      start.removeAttribute("aria-busy");
      fill(trouble, refusal(asProblem(error), { compact: true }));
    }
  });
  cancel.addEventListener("click", async () => {
    if (
      !(await confirm({
        title: "studio.cancel_title",
        text: "studio.cancel_text",
        yes: "studio.cancel_show",
        no: "studio.keep_show",
        danger: true,
      }))
    )
      return;
    try {
      await api("POST", `/api/shows/${encodeURIComponent(show.id)}/cancel`);
      onBack();
    } catch (error) {
      fill(trouble, refusal(asProblem(error), { compact: true }));
    }
  });

  fill(
    root,
    h(
      "div",
      { class: "before" },
      h(
        "div",
        { class: "before-head" },
        h("button", { class: "button-icon", type: "button", tLabel: "studio.back", onclick: onBack }, icon("back")),
        h(
          "div",
          { class: "grow" },
          h("h1", { class: "before-title" }, show.title),
          h("p", { class: "muted small" }, when(show.starts_at)),
        ),
        cancel,
      ),
      h(
        "section",
        { class: "before-camera", tLabel: "studio.check" },
        camera.element,
        h(
          "div",
          { class: "before-check" },
          h("div", { class: "field" }, h("span", { class: "field-label", t: "studio.level" }), camera.meter),
          camera.picker,
        ),
      ),
      h(
        "section",
        { class: "before-shelf", tLabel: "studio.shelf" },
        h(
          "div",
          { class: "before-shelf-head" },
          h("h2", { t: "studio.shelf" }),
          h("p", { class: "muted small", t: "studio.shelf_lead" }),
        ),
        shelf.element,
      ),
      h("div", { class: "before-go" }, ready, trouble, start),
    ),
  );

  return {
    close: shelf.close,
    media(media) {
      start.disabled = media === null;
      setText(ready, media ? "studio.ready" : "studio.waiting_camera");
    },
  };
}
