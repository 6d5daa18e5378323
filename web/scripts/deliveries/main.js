// The deliveries: what was given up first, who is told at the side. Read anew every few seconds while somebody looks.
import "../../texts/deliveries.js";
import { api, asProblem } from "../lib/api.js";
import { fill, h, qs } from "../lib/dom.js";
import { header } from "../lib/header.js";
import { onLang } from "../lib/i18n.js";
import { requireMe } from "../lib/me.js";
import { setTitle } from "../lib/page.js";
import { refusal, skeleton } from "../lib/ui.js";
import { createDemo } from "./demo.js";
import { createList } from "./list.js";
import { firstState, queryOf, readFilter } from "./model.js";
import { createReceivers } from "./receivers.js";

/** @typedef {import("./model.js").Receiver} Receiver */

const AGAIN_MS = 5000;

await requireMe();
const main = qs("#main");
document.body.prepend(header({ current: "deliveries" }));
setTitle("deliveries.title");

/** @type {Receiver[]} */ let known = [];
let asked = 0;
let answered = 0;
const filter = readFilter(location.search);
const named = new URLSearchParams(location.search).has("state");
const list = createList({ filter, receivers: () => known, onFilter: filtered, onSent: () => void look() });
const receivers = createReceivers({ chosen: () => filter.receiver, onChoose: choose, onChanged: () => void look() });
const side = h("aside", { class: "deliveries-side" }, receivers.element);

fill(main, h("div", { class: "deliveries-wait" }, skeleton(6, "row")));
await begin();

async function begin() {
  try {
    known = (await api("GET", "/api/receivers")).receivers;
  } catch (error) {
    return fill(main, h("div", { class: "deliveries-wait" }, refusal(asProblem(error), { retry: () => void begin() })));
  }
  if (!named && !filter.order) filter.state = firstState(known);
  receivers.show(known);
  fill(main, list.element, side);
  await list.load(true);
  const demo = await createDemo(() => void look());
  if (demo) side.append(demo);
  onLang(() => {
    list.redraw();
    receivers.redraw();
  });
  setInterval(() => {
    if (document.visibilityState === "visible") void look();
  }, AGAIN_MS);
}

/** @param {string} id a receiver's, "" for all */
function choose(id) {
  filter.receiver = id;
  filtered();
}

function filtered() {
  history.replaceState(null, "", `/deliveries${queryOf(filter)}`);
  receivers.redraw();
  void list.load(true);
}

/** Everything anew; what can't be read now is read the next time. An answer that a later question overtook is out of date. */
async function look() {
  const mine = ++asked;
  try {
    const found = (await api("GET", "/api/receivers")).receivers;
    if (mine < answered) return;
    answered = mine;
    known = found;
  } catch {
    return;
  }
  receivers.show(known);
  await list.load();
}
