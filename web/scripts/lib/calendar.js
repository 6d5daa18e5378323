// A calendar entry (RFC 5545) for a show: the reminder that works with the page closed. `entry` is pure.

/** @typedef {{id: string, title: string, starts_at: string, url: string}} Event */

/** @param {Event} event @param {Date} now */
export function entry(event, now) {
  const stamp = (/** @type {Date} */ at) => at.toISOString().replace(/[-:]/g, "").replace(/\.\d+/, "");
  const text = (/** @type {string} */ value) =>
    value
      .replace(/\\/g, "\\\\")
      .replace(/\r?\n/g, "\\n")
      .replace(/([,;])/g, "\\$1");
  const start = new Date(event.starts_at);
  return [
    "BEGIN:VCALENDAR",
    "VERSION:2.0",
    "PRODID:-//Tellercast//Shows//EN",
    "BEGIN:VEVENT",
    `UID:${event.id}@tellercast`,
    `DTSTAMP:${stamp(now)}`,
    `DTSTART:${stamp(start)}`,
    `DTEND:${stamp(new Date(start.getTime() + 3_600_000))}`,
    `SUMMARY:${text(event.title)}`,
    `URL:${event.url}`,
    "BEGIN:VALARM",
    "ACTION:DISPLAY",
    `DESCRIPTION:${text(event.title)}`,
    "TRIGGER:-PT10M",
    "END:VALARM",
    "END:VEVENT",
    "END:VCALENDAR",
    "",
  ].join("\r\n");
}

/** @param {Event} event */
export function saveEntry(event) {
  const url = URL.createObjectURL(new Blob([entry(event, new Date())], { type: "text/calendar" }));
  const link = document.createElement("a");
  link.href = url;
  link.download = "tellercast.ics";
  link.click();
  setTimeout(() => URL.revokeObjectURL(url), 10_000);
}
