// Figures, money and times as the reader's locale writes them. Pure but for the locale, which i18n.js sets.

let locale = "en-GB";

/** @param {"zh"|"en"} lang */
export function setLocale(lang) {
  locale = lang === "zh" ? "zh-CN" : "en-GB";
}

/** @param {string} currency @returns {number} digits after the point, 2 for CNY, 0 for JPY */
export function digits(currency) {
  return new Intl.NumberFormat("en", { style: "currency", currency }).resolvedOptions().maximumFractionDigits ?? 2;
}

/** Integer minor units as money: 1000000, "CNY" → "¥10,000". Whole amounts drop their zeros. @param {number} minor @param {string} currency */
export function money(minor, currency) {
  const places = digits(currency);
  const value = minor / 10 ** places;
  const whole = Number.isInteger(value);
  return new Intl.NumberFormat(locale, {
    style: "currency",
    currency,
    currencyDisplay: "narrowSymbol",
    minimumFractionDigits: whole ? 0 : places,
    maximumFractionDigits: places,
  }).format(value);
}

/** What a person typed ("10,000", "10 000.50", "１万" not) as minor units, or null. @param {string} text @param {string} currency @returns {number | null} */
export function parseMoney(text, currency) {
  const ascii = text.replace(/[０-９．，]/g, (c) => String.fromCharCode(c.charCodeAt(0) - 0xfee0));
  const clean = ascii.replace(/[\s,¥￥$€£]/g, "");
  const places = digits(currency);
  const shape = places ? new RegExp(`^(\\d{1,12})(?:\\.(\\d{0,${places}}))?$`) : /^(\d{1,12})$/;
  const match = shape.exec(clean);
  if (!match) return null;
  return Number(match[1]) * 10 ** places + Number((match[2] ?? "").padEnd(places, "0") || 0);
}

/** @param {number} n */
export function number(n) {
  return new Intl.NumberFormat(locale).format(n);
}

/** 12345 → "12K" / "1.2万" @param {number} n */
export function count(n) {
  return new Intl.NumberFormat(locale, { notation: "compact", maximumFractionDigits: 1 }).format(n);
}

/** +3, −2, 0 with a true minus sign. @param {number} n @param {number} [places] */
export function signed(n, places = 0) {
  return new Intl.NumberFormat(locale, {
    signDisplay: "exceptZero",
    minimumFractionDigits: places,
    maximumFractionDigits: places,
  })
    .format(n)
    .replace("-", "−");
}

/** 0.42 → "42%" @param {number} share @param {number} [places] */
export function percent(share, places = 0) {
  return new Intl.NumberFormat(locale, { style: "percent", maximumFractionDigits: places }).format(share);
}

/** 20:05 in the reader's zone @param {string | number | Date} at */
export function time(at) {
  return new Intl.DateTimeFormat(locale, { hour: "2-digit", minute: "2-digit", hourCycle: "h23" }).format(new Date(at));
}

/** 20:05:09 in the reader's zone @param {string | number | Date} at */
export function timeSeconds(at) {
  return new Intl.DateTimeFormat(locale, { hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23" }).format(
    new Date(at),
  );
}

/** 22 Nov 2026 / 2026年11月22日 @param {string | number | Date} at */
export function date(at) {
  return new Intl.DateTimeFormat(locale, { dateStyle: "medium" }).format(new Date(at));
}

/** Date, time and the zone by name: for receipts and everything one may have to prove. @param {string | number | Date} at */
export function dateTime(at) {
  return new Intl.DateTimeFormat(locale, {
    year: "numeric",
    month: "short",
    day: "numeric",
    hour: "2-digit",
    minute: "2-digit",
    second: "2-digit",
    hourCycle: "h23",
    timeZoneName: "short",
  }).format(new Date(at));
}

/** "Today 20:00", "Sun, 29 Nov 20:00": for programmes. @param {string | number | Date} at @param {number} [now] unix ms */
export function when(at, now = Date.now()) {
  const then = new Date(at);
  const days = Math.round((midnight(then) - midnight(new Date(now))) / 86_400_000);
  if (days >= -1 && days <= 1) {
    const word = new Intl.RelativeTimeFormat(locale, { numeric: "auto" }).format(days, "day");
    return `${word.charAt(0).toUpperCase()}${word.slice(1)} ${time(then)}`;
  }
  const day = new Intl.DateTimeFormat(locale, { weekday: "short", month: "short", day: "numeric" }).format(then);
  return `${day} ${time(then)}`;
}

/** @param {Date} day */
function midnight(day) {
  return new Date(day.getFullYear(), day.getMonth(), day.getDate()).getTime();
}

/** 3723000 → "1:02:03", 63000 → "1:03" @param {number} ms */
export function duration(ms) {
  const s = Math.max(0, Math.floor(ms / 1000));
  const two = (/** @type {number} */ n) => String(n).padStart(2, "0");
  const [h, m] = [Math.floor(s / 3600), Math.floor(s / 60) % 60];
  return h ? `${h}:${two(m)}:${two(s % 60)}` : `${m}:${two(s % 60)}`;
}

/** "3 days", "12 min" / "12分钟": rounded up to the largest unit that fits; for waits and countdowns. @param {number} ms */
export function durationWords(ms) {
  /** @type {[string, number][]} */
  const units = [
    ["day", 86_400_000],
    ["hour", 3_600_000],
    ["minute", 60_000],
  ];
  const found = units.find(([, size]) => ms >= size * 1.5) ?? (ms >= 60_000 ? ["minute", 60_000] : ["second", 1000]);
  const [unit, size] = /** @type {[string, number]} */ (found);
  const n = Math.max(1, Math.ceil(ms / size));
  return new Intl.NumberFormat(locale, { style: "unit", unit, unitDisplay: unit === "day" ? "long" : "short" }).format(n);
}
