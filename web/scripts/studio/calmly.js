/**
 * `fn`, at most once in `ms`. The restart of the media process is told twice (a notice, then the state's new boot): one
 * reconnection is right, a second would break the first. Whoever reconnects tries again by itself, so none is missed.
 * @param {() => void} fn @param {number} [ms] @param {() => number} [now] ms
 */
export function calmly(fn, ms = 3_000, now = () => performance.now()) {
  let last = -Infinity;
  return () => {
    if (now() - last < ms) return;
    last = now();
    fn();
  };
}
