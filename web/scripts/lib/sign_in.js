// The sign-in has run out while the page was open. What is on the page stays until the person goes to sign in again.
import { dialog, refusal } from "./ui.js";

let asked = false;

/** Says so over the page, once however many connections were refused. @param {import("./api.js").Problem} problem */
export function askToSignIn(problem) {
  if (asked) return;
  asked = true;
  dialog({ title: "signed_out.title", testid: "signed-out", content: refusal(problem) });
}
