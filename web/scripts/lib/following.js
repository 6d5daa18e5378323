// A list that grows at its foot: who is at its end stays there, also when it was hidden meanwhile or has become smaller.

/** Nearer to the end than this counts as being there, px. */
export const NEAR_END = 60;

/**
 * @param {HTMLElement} list scrolls by itself @param {(unread: number) => void} onUnread how many have come below what is in sight
 */
export function follow(list, onUnread) {
  let atEnd = true;
  let unread = 0;

  /** @param {number} n */
  function left(n) {
    unread = n;
    onUnread(n);
  }

  function toEnd() {
    atEnd = true;
    list.scrollTop = list.scrollHeight;
    left(0);
  }

  list.addEventListener("scroll", () => {
    if (!list.clientHeight) return; // what is hidden is scrolled by nobody
    atEnd = list.scrollHeight - list.scrollTop - list.clientHeight < NEAR_END;
    if (atEnd) left(0);
  });
  new ResizeObserver(() => atEnd && toEnd()).observe(list);

  return {
    toEnd,
    /** Rows were added. @param {number} n how many of them at the foot: what is put in above is not to come */
    grew(n) {
      if (atEnd) toEnd();
      else left(unread + n);
    },
  };
}
