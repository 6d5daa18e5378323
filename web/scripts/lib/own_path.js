// Where an address may lead back to: a path of this site, whatever somebody wrote into `?next=`. The server's rule is own_path.

/**
 * `wanted` as a path of `origin`, or `fallback` when a browser could read it as anything else. Browsers take a backslash for a
 * slash and skip tabs and line ends (WHATWG URL, 4.4), so only plain characters pass.
 * @param {string | null} wanted @param {string} [fallback] @param {string} [origin]
 */
export function ownPath(wanted, fallback = "/", origin = location.origin) {
  if (!wanted || !/^\/[!-~]*$/.test(wanted) || wanted.includes("\\") || !URL.canParse(wanted, origin)) return fallback;
  const url = new URL(wanted, origin);
  const path = url.pathname + url.search + url.hash;
  // Dots are gone by now: what was `/.//` may have become the address of another site.
  if (url.origin !== origin || path.startsWith("//")) return fallback;
  return /^\/(login|api\/)/.test(path) ? fallback : path;
}
