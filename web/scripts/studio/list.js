// The own shows, and a form for the next one.
import { api, asProblem } from "../lib/api.js";
import { fill, h, icon } from "../lib/dom.js";
import { when } from "../lib/format.js";
import { empty, refusal, skeleton } from "../lib/ui.js";
import { nextQuarter, own, stageOf } from "./model.js";

/** @typedef {import("./model.js").Show} Show */

const CLASSES = ["deposit", "wealth", "fund", "insurance"];

/** @param {HTMLElement} root @param {(id: string) => void} onOpen */
export function openList(root, onOpen) {
  let closed = false;
  /** @type {Show[] | null} */ let shows = null;
  const list = h("div", { class: "shows" }, skeleton(3, "row"));
  fill(
    root,
    h(
      "div",
      { class: "studio-lobby" },
      h(
        "section",
        { class: "studio-shows", "aria-labelledby": "shows-title" },
        h("h1", { id: "shows-title", t: "studio.shows" }),
        list,
      ),
      creation(onCreated),
    ),
  );
  void load();

  async function load() {
    try {
      shows = own(await api("GET", "/api/shows"));
      if (!closed) draw();
    } catch (error) {
      if (!closed) fill(list, refusal(asProblem(error), { retry: () => void load() }));
    }
  }

  function draw() {
    if (!shows) return;
    fill(
      list,
      shows.length
        ? shows.map((show) => showItem(show, onOpen))
        : empty({ t: "studio.none", next: "studio.none_next", icon: "camera" }),
    );
  }

  /** @param {Show} show */
  function onCreated(show) {
    shows = own({ upcoming: [...(shows ?? []), { ...show, mine: true }] });
    draw();
    const made = list.querySelector(`[data-show="${CSS.escape(show.id)}"]`);
    if (made instanceof HTMLElement) made.focus();
  }

  return {
    close: () => {
      closed = true;
    },
    redraw: draw,
  };
}

/** A show as a line that opens it. @param {Show} show @param {(id: string) => void} onOpen @param {Node | null} [more] */
export function showItem(show, onOpen, more = null) {
  const stage = stageOf(show.state);
  const tone = stage === "live" ? "tag-live" : stage === "paused" ? "tag-warn" : "";
  const link = h(
    "a",
    {
      class: `show show-${stage}`,
      href: `/studio?show=${encodeURIComponent(show.id)}`,
      testid: "show-item",
      data: { show: show.id, state: show.state },
    },
    h("span", { class: "show-when" }, when(show.started_at ?? show.starts_at)),
    h("span", { class: "show-title" }, show.title),
    h(
      "span",
      { class: "show-tags" },
      more,
      show.product_class ? h("span", { class: "tag", t: `class.${show.product_class}` }) : null,
      h("span", { class: `tag ${tone}`, t: `studio.stage_${stage}` }),
    ),
    icon("forward", "show-go"),
  );
  link.addEventListener("click", (event) => {
    if (event.metaKey || event.ctrlKey || event.button !== 0) return;
    event.preventDefault();
    onOpen(show.id);
  });
  return link;
}

/** @param {(show: Show) => void} onCreated */
function creation(onCreated) {
  const title = h("input", {
    class: "input",
    id: "show-title",
    testid: "show-title",
    required: true,
    maxlength: "120",
    autocomplete: "off",
  });
  const summary = h("textarea", { class: "textarea", id: "show-summary", rows: "2", maxlength: "2000" });
  const starts = h("input", {
    class: "input",
    id: "show-starts",
    testid: "show-starts",
    type: "datetime-local",
    required: true,
    value: nextQuarter(new Date()),
  });
  const kind = h(
    "select",
    { class: "select", id: "show-class", testid: "show-class" },
    h("option", { value: "", t: "class.mixed" }),
    CLASSES.map((name) => h("option", { value: name, t: `class.${name}` })),
  );
  const send = h("button", {
    class: "button button-accent button-wide",
    type: "submit",
    testid: "create-show",
    t: "studio.create",
  });
  const trouble = h("div", { class: "studio-trouble" });
  const form = h(
    "form",
    { class: "card stack studio-new", "aria-labelledby": "new-title" },
    h("h2", { id: "new-title", t: "studio.new" }),
    field("studio.show_title", title),
    field("studio.starts", starts),
    field("studio.class", kind),
    field("studio.summary", summary),
    trouble,
    send,
  );
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    send.disabled = true;
    fill(trouble);
    try {
      onCreated(
        await api("POST", "/api/shows", {
          title: title.value.trim(),
          summary: summary.value.trim(),
          starts_at: new Date(starts.value).toISOString(),
          product_class: kind.value || null,
        }),
      );
      form.reset();
      starts.value = nextQuarter(new Date());
    } catch (error) {
      fill(trouble, refusal(asProblem(error), { compact: true }));
    } finally {
      send.disabled = false;
    }
  });
  return form;
}

/** @param {string} key @param {HTMLElement} input */
function field(key, input) {
  return h("label", { class: "field", for: input.id }, h("span", { class: "field-label", t: key }), input);
}
