// The console: sessions at the left, one of them open. The address always names the moment that is on screen.
import "../../texts/staff.js";
import { fill, h, qs } from "../lib/dom.js";
import { header } from "../lib/header.js";
import { onLang, t } from "../lib/i18n.js";
import { requireMe } from "../lib/me.js";
import { empty } from "../lib/ui.js";
import { placeLink, readPlace } from "./address.js";
import { createSessions } from "./sessions.js";
import { openWorkspace } from "./workspace.js";

/** @typedef {import("./address.js").Place} Place */

const person = await requireMe();
const main = qs("#main");
const room = h("section", { class: "workspace", tLabel: "console.workspace" });
const sessions = createSessions({ onOpen: (session) => go({ session, t: null, seq: null }) });
/** @type {ReturnType<typeof openWorkspace> | null} */
let workspace = null;

document.body.prepend(header({ current: "console" }));
fill(main, sessions.element, room);

/** @param {Place} place */
function show(place) {
  workspace?.close();
  workspace = null;
  main.classList.toggle("console-open", place.session !== null);
  sessions.mark(place.session);
  document.title = `${t("console.title")} · Tellercast`;
  if (place.session === null) return fill(room, empty({ t: "console.choose", next: "console.choose_next", icon: "search" }));
  workspace = openWorkspace(room, place, person, {
    onPlace: (next) => history.replaceState(null, "", placeLink(next)),
    onBack: () => go({ session: null, t: null, seq: null }),
    onChange: () => void sessions.load(),
  });
}

/** @param {Place} place */
function go(place) {
  history.pushState(null, "", placeLink(place));
  show(place);
}

window.addEventListener("popstate", () => show(readPlace(location.search)));
onLang(() => {
  document.title = `${t("console.title")} · Tellercast`;
  void sessions.load();
  show(readPlace(location.search));
});
show(readPlace(location.search));
await sessions.load();
sessions.mark(readPlace(location.search).session);
