// The words of the staff pages: studio, desk, console.
import "./common.js";
import { register } from "../scripts/lib/i18n.js";
import { consoleTexts } from "./staff_console.js";
import { fairnessTexts } from "./staff_fairness.js";
import { deskTexts } from "./staff_desk.js";
import { moderationTexts } from "./staff_moderation.js";
import { studioTexts } from "./staff_studio.js";

for (const texts of [studioTexts, deskTexts, consoleTexts, fairnessTexts, moderationTexts]) register(texts);
