// The catalogue: products in their zones at the left, one of them, a new one or a file at the right. The address names it.
import "../../texts/catalogue.js";
import { api } from "../lib/api.js";
import { fill, h, qs } from "../lib/dom.js";
import { header } from "../lib/header.js";
import { onLang } from "../lib/i18n.js";
import { requireMe } from "../lib/me.js";
import { guarded, setTitle } from "../lib/page.js";
import { confirm, empty, skeleton } from "../lib/ui.js";
import { createEditor } from "./editor.js";
import { createImport } from "./importing.js";
import { createList } from "./list.js";
import { queryOf, readFilters } from "./model.js";
import { openProduct } from "./product.js";
import { fieldNames } from "./shown.js";

/** @typedef {{element: HTMLElement, unsaved: () => string[]}} Pane what stands at the right; `unsaved` names fields that were changed and not saved */

const person = await requireMe();
const may = person.role === "operator";
const main = qs("#main");
const room = h("section", { class: "pane-place", tLabel: "catalogue.tabs" });
const list = createList({
  may,
  filters: readFilters(location.search),
  onFilters: () => history.replaceState(null, "", placeOf(shown)),
  onOpen: (product) => void go(product),
  onNew: () => void go("new"),
  onImport: () => void go("import"),
});
/** @type {Pane | null} */
let pane = null;
/** What is at the right: a product's id, "new:", "import:", or "". */
let shown = "";

document.body.prepend(header({ current: "catalogue" }));
setTitle("catalogue.title");
fill(main, list.element, room);

/** @param {string} what */
function placeOf(what) {
  const special = what === ":new" || what === ":import" ? { show: what.slice(1) } : { product: what };
  return `/catalogue${queryOf({ ...list.filters(), ...special })}`;
}

/** @returns {string} */
function readPlace() {
  const query = new URLSearchParams(location.search);
  const special = query.get("show");
  return special === "new" || special === "import" ? `:${special}` : (query.get("product") ?? "");
}

/** Whether what is at the right may go. */
async function mayLeave() {
  const unsaved = pane?.unsaved() ?? [];
  if (!unsaved.length) return true;
  return confirm({
    title: "catalogue.leave.ask",
    text: "catalogue.leave.text",
    params: { fields: fieldNames(unsaved) },
    yes: "catalogue.leave.yes",
    no: "catalogue.leave.no",
    danger: true,
  });
}

/** @param {string} what "new", "import", a product's id, or "" for the list alone */
async function go(what) {
  const next = what === "new" || what === "import" ? `:${what}` : what;
  if (next === shown || !(await mayLeave())) return;
  history.pushState(null, "", placeOf(next));
  await show(next, true);
}

/** @param {string} what @param {boolean} [byHand] then the focus goes there */
async function show(what, byHand = false) {
  shown = what;
  pane = null;
  main.classList.toggle("catalogue-open", what !== "");
  list.mark(what);
  if (what === "") {
    fill(room, empty({ t: "catalogue.choose", next: "catalogue.choose.next", icon: "bag" }));
    if (byHand) list.focus();
    return;
  }
  fill(room, h("div", { class: "pane" }, skeleton(6, "row")));
  await guarded(room, async () => {
    const made = await make(what);
    if (shown !== what) return;
    pane = made;
    fill(room, made.element);
    if (byHand) /** @type {HTMLElement | null} */ (room.querySelector("h1"))?.focus();
  });
}

/** @param {string} what @returns {Promise<Pane>} */
async function make(what) {
  const onBack = () => void go("");
  if (what === ":import" && may) return createImport({ onBack, onDone: () => void list.load() });
  if (what === ":new" && may) {
    return createEditor({
      item: null,
      may,
      onBack,
      onSaved: (item) => {
        pane = null; // what was typed is saved
        void list.load();
        void go(item.id);
      },
    });
  }
  const item = await api("GET", `/api/catalogue/${encodeURIComponent(what)}`);
  return openProduct({ item, may, onBack, onChanged: () => void list.load() });
}

window.addEventListener("popstate", async () => {
  const wanted = readPlace();
  if (wanted === shown) return;
  if (await mayLeave()) await show(wanted, true);
  else history.pushState(null, "", placeOf(shown));
});
window.addEventListener("beforeunload", (event) => {
  if (pane?.unsaved().length) event.preventDefault();
});
onLang(() => void list.load());
void list.load();
await show(readPlace());
