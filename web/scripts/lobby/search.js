// Search over what is there: every word must occur in the title, the summary or the host's name. Pure.

/** @template {{title: string, summary: string, host: {name: string}}} T @param {T[]} shows @param {string} query @returns {T[]} */
export function matching(shows, query) {
  const words = query.normalize("NFKC").toLowerCase().split(/\s+/).filter(Boolean);
  if (!words.length) return shows;
  return shows.filter((show) => {
    const text = `${show.title} ${show.summary} ${show.host.name}`.normalize("NFKC").toLowerCase();
    return words.every((word) => text.includes(word));
  });
}
