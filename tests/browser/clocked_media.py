"""A camera and a microphone that run on one clock, made in the page: what they show and sound at a moment is that moment's.

Chromium's fake devices play files frame by frame and fall behind when the machine is busy, each for itself; so they can't
say how well a recording keeps picture and sound together. These can: picture and sound are both drawn from the audio clock,
so a late frame shows the later time.
"""

from __future__ import annotations

CLOCKED_MEDIA = """
(() => {
  const PERIOD = 2, LENGTH = 0.1;
  async function clocked() {
    const audio = new AudioContext({ sampleRate: 48000, latencyHint: "interactive" });
    await audio.resume();
    const out = audio.createMediaStreamDestination();
    const tone = audio.createOscillator();
    const gain = audio.createGain();
    tone.frequency.value = 1000;
    gain.gain.value = 0;
    tone.connect(gain).connect(out);
    tone.start();
    const first = Math.ceil(audio.currentTime / PERIOD) * PERIOD + PERIOD;
    for (let i = 0; i < 120; i++) {
      gain.gain.setValueAtTime(0.6, first + i * PERIOD);
      gain.gain.setValueAtTime(0, first + i * PERIOD + LENGTH);
    }
    const canvas = document.createElement("canvas");
    canvas.width = 640; canvas.height = 360;
    const context = canvas.getContext("2d");
    const draw = () => {
      const t = audio.currentTime;
      context.fillStyle = "rgb(24,60,110)";
      context.fillRect(0, 0, 640, 360);
      if (t >= first && (t - first) % PERIOD < LENGTH) { context.fillStyle = "white"; context.fillRect(0, 0, 640, 180); }
      context.fillStyle = "orange";
      context.fillRect(40 + (t * 120) % 480, 220, 80, 80);
    };
    setInterval(draw, 8);
    const stream = canvas.captureStream(30);
    stream.addTrack(out.stream.getAudioTracks()[0]);
    return stream;
  }
  navigator.mediaDevices.getUserMedia = clocked;
})();
"""
