// What everybody in a session is told. Of one matter only the latest word stands: "lost", then "back".
import { lang } from "./i18n.js";
import { toast } from "./ui.js";

/** What a notice is about. @param {string} kind such as "publisher_lost" */
export function topicOf(kind) {
  const [matter] = kind.split("_");
  return matter === "media" ? "publisher" : matter;
}

/** @param {{kind: string, text_en: string, text_zh: string}} notice */
export function tell({ kind, text_en: en, text_zh: zh }) {
  toast(lang() === "zh" ? zh : en, { topic: topicOf(kind) });
}
