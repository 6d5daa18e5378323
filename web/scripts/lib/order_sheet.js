// The buying sheet: facts, then the disclosure, then the amount and one button that says exactly what happens.
import "../../texts/orders.js";
import { api, asProblem } from "./api.js";
import { fill, h, icon } from "./dom.js";
import { money, parseMoney } from "./format.js";
import { onLang, t } from "./i18n.js";
import { amountFault, Attempts, callAbout, isAnswer, stepped, typed } from "./order_model.js";
import { receipt } from "./receipt.js";
import { grade, refusal, sheet } from "./ui.js";

/** @typedef {import("./session_model.js").Product} Product */
/** @typedef {import("./session_model.js").Order} Order */
/** @typedef {import("./session_model.js").Sale} Sale */

/** Text key of a product's term. @param {Product} product */
export function termKey(product) {
  return product.term_days ? "term.days" : "term.open";
}

/**
 * @param {object} options
 * @param {string} options.session
 * @param {Product} options.product
 * @param {number} [options.amount] minor units; given and fixed by a proposal
 * @param {string} [options.proposal]
 * @param {{media_ms: number}} [options.replay] what is on screen of a show that is seen again
 * @param {(body: import("./order_model.js").OrderBody) => Promise<Order>} options.place throws Problem
 * @param {(order: Order) => void} [options.onPlaced]
 * @param {(problem: import("./api.js").Problem) => void} [options.onRefused] the page reads anew what it shows, and says so by `update`
 * @param {() => void} [options.onClose]
 * @param {Record<string, () => void>} [options.doors] doors answered within the page
 * @returns {{close: () => void, sale: (sale: Sale, sentence: string) => void, update: (product: Product) => void, moved: (order: Order) => void, shows: (order: Order) => boolean}} `sale` greys the button with the reason; `update` takes the product in another language; `moved` an order's next state for its receipt; `shows` whether its receipt is on screen, or about to be
 */
export function orderSheet(options) {
  const sheetOfOrder = new OrderSheet(options);
  return {
    close: () => sheetOfOrder.surface.close(),
    sale: (sale, sentence) => sheetOfOrder.sale(sale, sentence),
    update: (product) => sheetOfOrder.update(product),
    moved: (order) => sheetOfOrder.moved(order),
    shows: (order) => sheetOfOrder.busy || sheetOfOrder.order?.id === order.id,
  };
}

class OrderSheet {
  facts = h("section", { class: "order-facts" });
  answer = h("div", { class: "order-answer", "aria-live": "assertive" });
  text = h("div", {
    class: "disclosure-text",
    tabindex: "0",
    role: "region",
    tLabel: "buy.disclosure",
    testid: "disclosure-text",
  });
  check = h("input", { type: "checkbox", testid: "disclosure-check", disabled: true, onchange: () => this.#ticked() });
  hint = h("p", { class: "field-hint", t: "buy.disclosure.scroll" });
  input = h("input", {
    class: "input",
    inputmode: "decimal",
    autocomplete: "off",
    id: "order-amount",
    testid: "amount",
    "aria-describedby": "order-amount-hint",
    oninput: () => this.#typed(),
    onblur: () => this.#show(),
  });
  less = h("button", { class: "button", type: "button", tLabel: "buy.less", onclick: () => this.#step(-1) }, icon("minus"));
  more = h("button", { class: "button", type: "button", tLabel: "buy.more", onclick: () => this.#step(1) }, icon("plus"));
  amountHint = h("p", { class: "field-hint figures", id: "order-amount-hint", "aria-live": "polite" });
  reason = h("p", { class: "order-reason", id: "order-reason", "aria-live": "polite" });
  button = h("button", {
    class: "button button-accent button-wide",
    type: "button",
    testid: "confirm-order",
    "aria-describedby": "order-reason",
    onclick: () => void this.#place(),
  });
  seen = false;
  confirmed = false;
  busy = false;
  /** An attempt made here had no answer: until it has one, nobody starts a second order by changing the amount. */
  waiting = false;
  blocked = "";
  /** The confirmation on its way to the trail. @type {{version: number, done: Promise<boolean>} | null} */
  confirmation = null;
  attempts = new Attempts(sessionStorage);
  /** Once it is placed. @type {Order | null} */
  order = null;

  /** @param {Parameters<typeof orderSheet>[0]} options */
  constructor(options) {
    this.options = options;
    this.product = options.product;
    this.fixed = options.amount !== undefined;
    /** @type {number | null} */
    this.amount = options.amount ?? options.product.minimum;
    this.#takeUp();
    this.#show();
    const disclosure = h(
      "section",
      { class: "stack-2" },
      h("h3", { t: "buy.disclosure" }),
      this.text,
      this.hint,
      h("label", { class: "choice" }, this.check, h("span", { t: "buy.disclosure.confirm" })),
    );
    const amount = h(
      "section",
      { class: "field" },
      h("label", { class: "field-label", for: "order-amount", t: "buy.amount" }),
      h("div", { class: "stepper" }, !this.fixed && this.less, this.input, !this.fixed && this.more),
      this.amountHint,
    );
    this.surface = sheet({
      title: options.proposal ? "buy.proposal" : "buy.title",
      testid: "sheet",
      content: [
        ...(options.replay ? [h("p", { class: "field-hint", t: "buy.replay", testid: "buy-replay" })] : []),
        this.facts,
        disclosure,
        amount,
        this.answer,
      ],
      canClose: () => !this.busy,
      onClose: () => {
        this.stopLang();
        options.onClose?.();
      },
    });
    this.surface.element.classList.add("light", "order-sheet");
    this.surface.footer.append(this.reason, this.button);
    this.stopLang = onLang(() => this.#refresh());
    this.#watchDisclosure();
    this.#refresh();
  }

  // An attempt that had no answer is gone on with, also by a sheet that was opened anew.
  #takeUp() {
    const open = this.attempts.unanswered(this.#intent());
    if (!open) return;
    this.waiting = true;
    this.amount = open.amount;
    fill(this.answer, h("p", { class: "field-hint", t: "buy.safe" }));
  }

  #typed() {
    this.amount = parseMoney(this.input.value, this.product.currency);
    this.#refresh();
  }

  // Separators are for reading; while one types they would move the cursor.
  #show() {
    if (this.amount !== null) this.input.value = typed(this.amount, this.product.currency);
  }

  #ticked() {
    this.confirmed = this.check.checked;
    if (this.confirmed) this.#confirmDisclosure();
    this.#refresh();
  }

  // The record gets the moment of the tick; should that be lost on the way, placing the order sends it again.
  #confirmDisclosure() {
    const version = this.product.disclosure.version;
    const refused = (/** @type {unknown} */ error) => {
      const problem = asProblem(error);
      if (problem.code === "replay_terms_changed" && !this.busy) this.#refused(problem); // he need not press the button to hear it
      return false;
    };
    this.confirmation = { version, done: this.#tellConfirmed(version).then(() => true, refused) };
  }

  /** @param {number} version */
  #tellConfirmed(version) {
    const { session, replay } = this.options;
    const { id: product, revision } = this.product;
    const path = `/api/sessions/${encodeURIComponent(session)}/disclosures`;
    return api("POST", path, { product, version, ...(replay && { replay, revision }) });
  }

  #watchDisclosure() {
    const look = () => {
      if (this.seen || !this.text.clientHeight || this.text.scrollTop + this.text.clientHeight < this.text.scrollHeight - 8)
        return;
      this.seen = true;
      this.#refresh();
    };
    this.text.addEventListener("scroll", look, { passive: true });
    requestAnimationFrame(look);
    new ResizeObserver(look).observe(this.text);
  }

  /** @param {1|-1} direction */
  #step(direction) {
    this.amount = stepped(this.product, this.amount, direction);
    this.#show();
    this.#refresh();
  }

  /** @param {Sale} sale @param {string} sentence */
  sale(sale, sentence) {
    this.blocked = sale.open ? "" : sentence || t("sale.closed");
    this.#refresh();
  }

  /** @param {Product} product */
  update(product) {
    const { disclosure, revision } = this.product;
    if (product.disclosure.version !== disclosure.version) this.seen = false;
    // In a replay what is confirmed is what stands beside it as well.
    if (!this.seen || (this.options.replay && product.revision !== revision)) this.#untick();
    this.product = product;
    this.#refresh();
    this.#watchDisclosure();
  }

  #untick() {
    this.confirmed = this.check.checked = false;
    this.confirmation = null;
  }

  // One sentence says what is still missing; the button is never silently dead.
  #refresh() {
    const { product, amount } = this;
    fill(this.facts, ...productFacts(product));
    if (this.text.textContent !== product.disclosure.text)
      fill(this.text, ...product.disclosure.text.split(/\n+/).map((line) => h("p", null, line)));
    this.check.disabled = !this.seen;
    this.hint.hidden = this.seen;
    // What was sent and not answered may have been bought: then neither stock nor sale matter, and asking again must be possible.
    const again = this.attempts.unanswered(this.#intent()) !== null;
    const fault = again ? null : amountFault(product, amount);
    const bad = fault && fault.code !== "empty";
    this.input.setAttribute("aria-invalid", String(Boolean(bad)));
    this.amountHint.className = bad ? "field-error figures" : "field-hint figures";
    const wrong = bad ? t(`amount.${fault.code}`, { limit: money(fault.limit, product.currency) }) : "";
    this.amountHint.textContent = bad
      ? wrong
      : t("amount.rule", { minimum: money(product.minimum, product.currency), step: money(product.step, product.currency) });
    this.input.readOnly = this.fixed || this.waiting;
    this.less.disabled = this.waiting || (amount !== null && amount <= product.minimum);
    this.more.disabled = this.waiting;
    const missing = again
      ? ""
      : this.blocked ||
        (!this.seen
          ? t("buy.missing.read")
          : !this.confirmed
            ? t("buy.missing.confirm")
            : fault
              ? wrong || t("buy.missing.amount")
              : "");
    this.reason.textContent = missing;
    this.reason.hidden = !missing;
    this.button.setAttribute("aria-disabled", String(Boolean(missing) || this.busy));
    this.button.setAttribute("aria-busy", String(this.busy));
    this.button.textContent = this.busy
      ? t("buy.sending")
      : fault
        ? t("buy.confirm.bare", { product: product.name })
        : t(again ? "buy.again" : "buy.confirm", { amount: money(amount ?? 0, product.currency), product: product.name });
  }

  /** @returns {import("./order_model.js").Intent} */
  #intent() {
    const { session, proposal } = this.options;
    return { session, product: this.product.id, proposal };
  }

  #nudge() {
    const target = this.blocked ? null : !this.seen ? this.text : !this.confirmed ? this.check : this.input;
    target?.scrollIntoView({ block: "center" });
    target?.focus();
  }

  async #place() {
    if (this.busy) return;
    if (this.button.getAttribute("aria-disabled") === "true" || this.amount === null) return this.#nudge();
    const intent = this.#intent();
    this.busy = true;
    fill(this.answer);
    this.#refresh();
    try {
      const order = await this.options.place(this.attempts.unanswered(intent) ?? (await this.#prepared(intent)));
      this.attempts.answered(intent);
      this.busy = false;
      this.#placed(order);
    } catch (error) {
      const problem = asProblem(error);
      if (isAnswer(problem)) this.attempts.answered(intent);
      this.waiting = this.attempts.unanswered(intent) !== null;
      this.busy = false;
      this.#refused(problem);
    }
  }

  /** A first attempt: the disclosure is on the record before the order goes out. @param {import("./order_model.js").Intent} intent */
  async #prepared(intent) {
    const { proposal, replay } = this.options;
    const { version } = this.product.disclosure;
    if (this.confirmation?.version !== version || !(await this.confirmation.done)) await this.#tellConfirmed(version);
    const body = { product: intent.product, amount: this.amount ?? 0, disclosure: { version } };
    return this.attempts.begin(intent, { ...body, ...(proposal && { proposal }), ...(replay && { replay }) });
  }

  /** @param {Order} order */
  #placed(order) {
    this.order = order;
    // Closed by the system while the answer was coming in.
    if (!this.surface.element.open) this.surface.element.showModal();
    this.surface.setTitle("receipt.title");
    fill(this.surface.body, receipt(order));
    fill(
      this.surface.footer,
      h("a", {
        class: "button",
        href: order.receipt_url || `/receipt/${order.id}`,
        target: "_blank",
        rel: "noopener",
        t: "receipt.open",
      }),
      h("button", {
        class: "button button-primary",
        type: "button",
        t: "receipt.back",
        testid: "receipt-close",
        onclick: () => this.surface.close(),
      }),
    );
    this.surface.body.scrollTop = 0;
    /** @type {HTMLElement | null} */ (this.surface.element.querySelector(".sheet-title"))?.focus();
    this.options.onPlaced?.(order);
  }

  /** @param {Order} order */
  moved(order) {
    if (this.order?.id !== order.id) return;
    this.order = order;
    fill(this.surface.body, receipt(order));
  }

  /** @param {import("./api.js").Problem} problem */
  #refused(problem) {
    this.#refresh();
    const toAmount = () => {
      fill(this.answer);
      this.input.focus();
      this.input.select();
    };
    if (problem.code === "replay_terms_changed") {
      this.#untick(); // what was confirmed stood beside other terms
      this.#refresh();
    }
    this.options.onRefused?.(problem);
    const toDisclosure = () => {
      fill(this.answer);
      this.text.scrollIntoView();
      this.text.focus();
    };
    if (problem.code === "idempotency_conflict") problem.door = "orders"; // one of them exists: that is where to look
    // A call is offered where it helps, and not to who is in one.
    if (problem.door === "call" && (this.options.proposal || problem.params?.call_helps === false)) problem.door = "";
    const toCall = () => location.assign(callAbout(this.product, this.amount));
    const view = refusal(problem, {
      retry: () => void this.#place(),
      doors: { amount: toAmount, disclosure: toDisclosure, call: toCall, ...this.options.doors },
    });
    fill(this.answer, view, this.waiting && h("p", { class: "field-hint", t: "buy.safe" }));
    view.scrollIntoView({ block: "nearest" });
  }
}

/** @param {Product} product @returns {Node[]} name, grade and the facts as a list */
export function productFacts(product) {
  const fact = (/** @type {string} */ key, /** @type {Node | string | null} */ value) =>
    value === null ? [] : [h("dt", { t: key }), h("dd", null, value)];
  const words = (/** @type {string} */ key, /** @type {Record<string, any>} */ tp = {}) => h("span", { t: key, tp });
  return [
    h("div", { class: "order-name" }, h("h3", null, product.name), h("span", { class: "tag", t: `class.${product.class}` })),
    h("div", { class: "order-grade" }, grade(product.risk), h("p", null, product.risk_meaning)),
    h(
      "dl",
      { class: "facts" },
      fact("fact.rate", product.rate_text),
      fact("fact.term", words(termKey(product), { days: product.term_days })),
      fact(
        "fact.minimum",
        words("fact.minimum.value", {
          minimum: { money: [product.minimum, product.currency] },
          step: { money: [product.step, product.currency] },
        }),
      ),
      fact("fact.cap", product.cap === null ? null : money(product.cap, product.currency)),
      fact("fact.left", product.left === null ? null : money(product.left, product.currency)),
    ),
  ];
}
