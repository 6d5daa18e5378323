// What leaves the studio: the sound, the picture, and the picture once more for viewers with a thin line.

/**
 * The second picture is a copy of the track and not the track itself: what the smaller one's encoder asks of its source (fewer points,
 * fewer frames) must not reach the larger one. Both are switched together, so that a pause hides both.
 * @param {{ twice: boolean, join?: (tracks: MediaStreamTrack[]) => MediaStream }} options without `twice` there is no copy
 */
export function createOutgoing({ twice, join = (tracks) => new MediaStream(tracks) }) {
  /** @type {MediaStream | null} */ let stream = null;
  /** @type {MediaStreamTrack | null} */ let copy = null;
  let may = { sound: true, picture: true };

  function apply() {
    for (const track of stream?.getTracks() ?? []) track.enabled = track.kind === "audio" ? may.sound : may.picture;
  }

  return {
    stream: () => stream,
    /** From now on these; whatever may not go out is silent before anybody gets it. @param {MediaStreamTrack | null} sound @param {MediaStreamTrack | null} picture @returns {MediaStream} */
    send(sound, picture) {
      const before = copy;
      copy = (twice && picture?.clone()) || null;
      if (copy && picture) copy.contentHint = picture.contentHint;
      stream = join(/** @type {MediaStreamTrack[]} */ ([sound, picture, copy].filter(Boolean)));
      apply();
      before?.stop();
      return stream;
    },
    /** @param {{ sound: boolean, picture: boolean }} what */
    allow(what) {
      may = what;
      apply();
    },
    /** Lets go of the camera's second hold: a device is closed when the last copy of its track has stopped. Until `send` the smaller picture stands still. */
    drop() {
      copy?.stop();
      copy = null;
    },
    close() {
      copy?.stop();
      copy = null;
      stream = null;
    },
  };
}
