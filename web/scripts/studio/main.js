// The studio: the own shows, or one of them on its stage. The address says which.
import "../../texts/staff.js";
import { fill, h, qs } from "../lib/dom.js";
import { header } from "../lib/header.js";
import { onLang, t } from "../lib/i18n.js";
import { requireMe } from "../lib/me.js";
import { beginAnewWhenRestored } from "../lib/page.js";
import { openList } from "./list.js";
import { openShow } from "./show.js";

await requireMe();
const main = qs("#main");
/** @type {{ close: () => void, redraw?: () => void } | null} */
let open = null;

document.body.prepend(header({ current: "studio" }));

function title() {
  document.title = `${t("studio.title")} · Tellercast`;
}

function show() {
  open?.close();
  const id = new URLSearchParams(location.search).get("show");
  const room = h("div", { class: id ? "stage-room" : "page" });
  fill(main, room);
  open = id
    ? openShow(room, id, () => go("/studio"))
    : openList(room, (show) => go(`/studio?show=${encodeURIComponent(show)}`));
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
