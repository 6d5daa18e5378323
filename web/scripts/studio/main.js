// The studio: the own shows, or one of them on its stage. The address says which.
import "../../texts/staff.js";
import { fill, h, qs } from "../lib/dom.js";
import { header } from "../lib/header.js";
import { onLang, t } from "../lib/i18n.js";
import { requireMe } from "../lib/me.js";
import { beginAnewWhenRestored } from "../lib/page.js";
import { openList } from "./list.js";
import { openShow } from "./show.js";
import { openSupervised } from "./supervised.js";
import { openRunning } from "./running.js";

const person = await requireMe();
const supervisor = person.role === "supervisor";
const main = qs("#main");
/** @type {{ close: () => void, redraw?: () => void } | null} */
let open = null;

document.body.prepend(header({ current: "studio" }));

function title() {
  document.title = `${t(supervisor ? "supervised.shows" : "studio.title")} · Tellercast`;
}

function show() {
  open?.close();
  const id = new URLSearchParams(location.search).get("show");
  const room = h("div", { class: id ? "stage-room" : "page" });
  fill(main, room);
  const back = () => go("/studio");
  /** @param {string} chosen */
  const choose = (chosen) => go(`/studio?show=${encodeURIComponent(chosen)}`);
  if (supervisor) open = id ? openSupervised(room, id, back) : openRunning(room, choose);
  else open = id ? openShow(room, id, back) : openList(room, choose);
}

/** @param {string} path */
function go(path) {
  history.pushState(null, "", path);
  show();
  main.focus();
}

window.addEventListener("popstate", show);
window.addEventListener("pagehide", () => open?.close());
beginAnewWhenRestored();
onLang(() => {
  title();
  open?.redraw?.();
});
title();
show();
