// The sheet in which an adviser picks a product and an amount. What it says is what the customer will see.
import { asProblem } from "../lib/api.js";
import { fill, h } from "../lib/dom.js";
import { money } from "../lib/format.js";
import { typed } from "../lib/order_model.js";
import { grade, refusal, sheet } from "../lib/ui.js";
import { proposedAmount } from "./model.js";

/** From this grade on, somebody of 65 or over hears the risks once more before ordering. */
const ELDER_RISK = 3;

/**
 * @param {import("./picture.js").Known} known @param {(product: string, amount: number) => Promise<void>} send
 * @param {(product: string) => Promise<void>} explained puts on record that this product's risks were explained once more
 */
export function openProposal({ customer }, send, explained) {
  /** @type {any[]} */
  const products = customer?.suitable ?? [];
  const select = h(
    "select",
    { class: "select", id: "propose-product", testid: "propose-product" },
    products.map((p) => h("option", { value: p.id }, `${p.risk} · ${p.name}`)),
  );
  const amount = h("input", {
    class: "input proposal-amount",
    id: "propose-amount",
    testid: "propose-amount",
    inputmode: "decimal",
    autocomplete: "off",
    required: true,
    "aria-describedby": "propose-hint",
  });
  const hint = h("p", { class: "field-hint", id: "propose-hint" });
  const facts = h("div", { class: "proposal-facts" });
  const trouble = h("div");
  const told = h("input", { type: "checkbox", testid: "risk-explained" });
  const telling = h("label", { class: "choice", hidden: true }, told, h("span", { t: "desk.explained" }));
  const button = h("button", {
    class: "button button-accent button-wide",
    type: "submit",
    testid: "propose-send",
    t: "desk.propose_send",
  });
  const form = h(
    "form",
    { class: "stack" },
    products.length ? null : h("p", { class: "notice notice-warn", t: "desk.suits_none" }),
    h("label", { class: "field", for: select.id }, h("span", { class: "field-label", t: "desk.product" }), select),
    facts,
    h("label", { class: "field", for: amount.id }, h("span", { class: "field-label", t: "desk.amount" }), amount, hint),
    telling,
    trouble,
    button,
  );
  button.disabled = !products.length;
  const opened = sheet({ title: "desk.propose", content: form });

  const chosen = () => products.find((p) => p.id === select.value);

  function picked() {
    const product = chosen();
    if (!product) return;
    fill(facts, grade(product.risk, product.risk_meaning), h("span", null, product.rate_text));
    amount.value = amount.value || typed(product.minimum, product.currency);
    telling.hidden = !(customer.age_65 && Number(product.risk.slice(1)) >= ELDER_RISK);
    told.required = !telling.hidden;
    told.checked = false;
    checked();
  }

  function checked() {
    const product = chosen();
    if (!product) return;
    const { amount: minor, problem } = proposedAmount(amount.value, product);
    const limits = {
      minimum: money(product.minimum, product.currency),
      step: money(product.step, product.currency),
      cap: product.cap ? money(product.cap, product.currency) : "–",
      amount: money(minor, product.currency),
    };
    hint.classList.toggle("field-error", problem !== null);
    amount.setAttribute("aria-invalid", String(problem !== null));
    fill(hint, h("span", { t: problem ? `desk.amount_${problem}` : "desk.amount_ok", tp: limits }));
  }

  select.addEventListener("change", () => {
    amount.value = "";
    picked();
  });
  amount.addEventListener("input", checked);
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const product = chosen();
    const { amount: minor, problem } = proposedAmount(amount.value, product);
    if (problem) return amount.focus();
    button.disabled = true;
    try {
      await send(product.id, minor);
      // Only what is proposed is on this call's shelf, and only that can be explained on the record.
      if (!telling.hidden) await explained(product.id);
      opened.close();
    } catch (error) {
      button.disabled = false;
      fill(trouble, refusal(asProblem(error), { compact: true }));
    }
  });
  picked();
}
