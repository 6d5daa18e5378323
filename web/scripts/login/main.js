// Signing in. In a demonstration one chooses who to be; elsewhere the bank's own app signs people in.
import "../../texts/customer.js";
import { api, asProblem, Problem } from "../lib/api.js";
import { fill, h, icon } from "../lib/dom.js";
import { setElder } from "../lib/elder.js";
import { brand, elderSwitch, initial, languageSwitch } from "../lib/header.js";
import { has } from "../lib/i18n.js";
import { ownPath } from "../lib/own_path.js";
import { setTitle } from "../lib/page.js";
import { empty, refusal, skeleton } from "../lib/ui.js";

/** @typedef {{id: string, role: "customer"|"adviser"|"supervisor"|"reviewer"|"operator", name: string}} DemoPerson */

const HOMES = { customer: "/", adviser: "/studio", supervisor: "/desk", reviewer: "/console", operator: "/catalogue" };
const query = new URLSearchParams(location.search);

setTitle("title.login");
const place = h("div", { class: "login-choice" }, skeleton(4, "row"));
document.body.prepend(
  h("header", { class: "login-head" }, brand(), h("div", { class: "row" }, languageSwitch(), elderSwitch())),
  h(
    "main",
    { id: "main", class: "login-main" },
    h("section", { class: "login-words" }, h("h1", { t: "login.title" }), h("p", { class: "login-lead", t: "login.lead" })),
    place,
  ),
);

const direct = query.get("as");
if (direct) void signIn(direct);
else void choose();

async function choose() {
  try {
    const { people } = await api("GET", "/api/demo/people");
    const group = (/** @type {string} */ key, /** @type {DemoPerson[]} */ some) =>
      some.length > 0 &&
      h(
        "section",
        { class: "stack-2" },
        h("h2", { class: "login-group", t: key }),
        h("div", { class: "login-cards" }, some.map(card)),
      );
    fill(
      place,
      h("p", { class: "notice" }, icon("info"), h("span", { t: "login.demo" })),
      group(
        "login.customers",
        people.filter((/** @type {DemoPerson} */ one) => one.role === "customer"),
      ),
      group(
        "login.staff",
        people.filter((/** @type {DemoPerson} */ one) => one.role !== "customer"),
      ),
    );
  } catch (error) {
    const problem = asProblem(error);
    if (problem.status === 404 || problem.status === 403 || problem.status === 401)
      fill(place, empty({ t: "login.none", next: "login.none.next", icon: "person" }));
    else fill(place, refusal(problem, { retry: () => void choose() }));
  }
}

/** @param {DemoPerson} person */
function card(person) {
  const about = `login.${person.id.replace("customer-", "")}`;
  return h(
    "button",
    { class: "login-card", type: "button", testid: `as-${person.id}`, onclick: () => void signIn(person.id) },
    h("span", { class: `login-face login-${person.role}`, "aria-hidden": "true" }, initial(person.name)),
    h(
      "span",
      { class: "grow" },
      h("span", { class: "login-name" }, person.name),
      h("span", { class: "login-about", t: has(about) ? about : `login.${person.role}` }),
      h("span", { class: "login-id" }, person.id),
    ),
    icon("forward", "login-go"),
  );
}

/** @param {string} name */
async function signIn(name) {
  fill(place, h("p", { class: "muted", role: "status", t: "login.signing" }), skeleton(3, "row"));
  try {
    const { person } = await api("POST", "/api/demo/login", { as: name });
    if (name === "customer-elder") setElder(true);
    location.replace(ownPath(query.get("next"), HOMES[/** @type {DemoPerson} */ (person).role]));
  } catch (error) {
    const problem = asProblem(error);
    if (problem.status === 404 && problem.code !== "no_such_person")
      fill(place, empty({ t: "login.none", next: "login.none.next", icon: "person" }));
    else
      fill(
        place,
        refusal(problem instanceof Problem && problem.door === "login" ? Object.assign(problem, { door: "retry" }) : problem, {
          retry: () => void choose(),
        }),
      );
  }
}
