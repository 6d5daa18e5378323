// In demo mode: what the demo's core does with orders.
import { api, asProblem } from "../lib/api.js";
import { h, qsa } from "../lib/dom.js";
import { toast } from "../lib/ui.js";

const MOODS = ["amounts", "confirm", "reject", "delay", "pending", "fail", "reset"];

/** @param {() => void} onChanged @returns {Promise<HTMLElement | null>} null outside demo mode, or where the core is a real one */
export async function createDemo(onChanged) {
  /** @type {string} */ let mood;
  try {
    mood = (await api("GET", "/api/demo/core")).mood;
  } catch {
    return null;
  }
  const choices = h("div", { class: "demo-moods", role: "radiogroup", tLabel: "demo.mood" }, MOODS.map(choice));
  return h(
    "section",
    { class: "demo", tLabel: "demo.core", testid: "demo-core" },
    h("h2", { class: "receivers-title", t: "demo.core" }),
    h("p", { class: "muted tiny", t: "demo.core_text" }),
    choices,
    h("p", { class: "muted tiny", t: "demo.amounts" }),
  );

  /** @param {string} name */
  function choice(name) {
    const input = h("input", { type: "radio", name: "mood", value: name, checked: name === mood, class: "visually-hidden" });
    input.addEventListener("change", () => void set(name));
    return h("label", { class: "chip demo-mood", testid: `mood-${name}` }, input, h("span", { t: `demo.mood.${name}` }));
  }

  /** @param {string} name */
  async function set(name) {
    try {
      mood = (await api("POST", "/api/demo/core", { mood: name })).mood;
    } catch (error) {
      toast(asProblem(error).title, { tone: "warn" });
    }
    for (const input of qsa("input", choices))
      /** @type {HTMLInputElement} */ (input).checked = input.getAttribute("value") === mood;
    onChanged();
  }
}
