// One session opened: pictures, timeline, entries, inspector, seal and case, all on one selection and one clock.
import { api, asProblem } from "../lib/api.js";
import { fill, h, icon } from "../lib/dom.js";
import { date, time } from "../lib/format.js";
import { t } from "../lib/i18n.js";
import { empty, refusal, skeleton, tabs, toast } from "../lib/ui.js";
import { placeLink } from "./address.js";
import { createCase } from "./case.js";
import { createControls } from "./controls.js";
import { createEntryList } from "./entries.js";
import { createFairness } from "./fairness.js";
import { createInspector } from "./inspector.js";
import { filtered, inOrder, msOfEntry, seqOf, sortIntoLanes } from "./lanes.js";
import { createPlayer } from "./player.js";
import { createSeal } from "./seal.js";
import { createTimeline } from "./timeline.js";

/** @typedef {import("./lanes.js").Entry} Entry */
/** @typedef {import("./address.js").Place} Place */

/** How often to look whether the playable copy has been made. */
const COPY_MS = 3_000;

/**
 * @param {HTMLElement} root @param {Place} place @param {{ id: string }} person
 * @param {{ onPlace: (place: Place) => void, onBack: () => void, onChange: () => void }} does
 */
export function openWorkspace(root, place, person, does) {
  const session = /** @type {string} */ (place.session);
  let closed = false;
  /** @type {(() => void)[]} */
  const closers = [];
  fill(root, h("div", { class: "workspace-loading" }, skeleton(8)));

  void load();
  return {
    close: () => {
      closed = true;
      for (const close of closers) close();
    },
  };

  async function load() {
    try {
      const [recording, timeline, cases] = await Promise.all([
        api("GET", `/api/recordings/${session}`),
        wholeTimeline(session),
        api("GET", `/api/cases?session=${session}`),
      ]);
      if (!closed) build(recording, timeline, cases.cases);
    } catch (error) {
      if (!closed)
        fill(root, h("div", { class: "workspace-loading" }, refusal(asProblem(error), { retry: () => void load() })));
    }
  }

  /** @param {any} recording @param {any} timeline @param {any[]} cases */
  function build(recording, timeline, cases) {
    const own = cases.find((c) => c.session === session) ?? null;
    const made = assemble(recording, timeline, createCase(session, own, person, does.onChange));
    const { player, timeline: lanes, list } = made;
    closers.push(made.close, watchCopies(recording, made.pictures));
    fill(root, made.bar, made.seal.findings, made.stage, made.side);
    list.show(made.entries);
    if (place.seq !== null) {
      const entry = made.entries.find((e) => seqOf(e) === place.seq);
      if (entry) made.select(entry, place.t === null);
    }
    if (place.t !== null) {
      player().seek(place.t);
      lanes.time(place.t, true);
    } else if (place.seq === null) player().seek(firstPicture(recording.streams));
  }

  /** @param {any} recording @param {any} timeline @param {ReturnType<typeof createCase>} ownCase */
  function assemble(recording, timeline, ownCase) {
    const total = Math.max(
      timeline.duration_ms ?? 0,
      ...recording.streams.map((/** @type {any} */ s) => (s.offset_ms ?? 0) + (s.duration_ms ?? 0)),
    );
    const entries = inOrder([...timeline.entries, ...looks(recording)], total);
    const lanes = sortIntoLanes(
      entries,
      (timeline.lanes ?? []).map((/** @type {any} */ l) => (typeof l === "string" ? l : l.name)),
    );
    /** @type {Entry | null} */ let selected = null;
    let words = "";
    /** @type {"fairness" | null} */ let view = null;
    /** @type {Set<string>} */ let hidden = new Set();

    const pictures = createPictures(
      recording.streams,
      total,
      (ms) => {
        controls.time(ms);
        line.time(ms, player().playing());
      },
      (playing) => {
        controls.playing(playing);
        if (!playing) tellPlace();
      },
    );
    const player = () => pictures.player;
    const controls = createControls(
      {
        toggle: () => player().toggle(),
        skip: (ms) => jump(player().time() + ms),
        speed: (n) => player().setSpeed(n),
        link: () => void copy({ session, t: player().time(), seq: selected && seqOf(selected), view }),
        zoom: (factor) => line.zoom(factor),
        fit: () => line.fit(),
      },
      total,
    );
    const list = createEntryList({ onSelect: (entry) => select(entry, true), onEnter: enter });
    const inspector = createInspector({ onLink: (entry) => void copy({ session, t: msOfEntry(entry), seq: seqOf(entry) }) });
    const line = createTimeline(
      lanes,
      total,
      recording.streams.map((/** @type {any} */ s) => s.name),
      {
        onSeek: jump,
        onSelect: (entry) => select(entry, true),
        onStep: list.step,
        onEnter: enter,
        onToggle: () => player().toggle(),
        onEdge: (end) => (end === "first" ? list.first() : list.last()),
        onHide: (next) => {
          hidden = next;
          refilter();
        },
      },
    );
    const seal = createSeal(session, recording.seal);
    const find = h("input", {
      class: "input entries-search",
      type: "search",
      tPlaceholder: "console.find_entry",
      tLabel: "console.find_entry",
      testid: "entry-search",
    });
    find.addEventListener("input", () => {
      words = find.value;
      refilter();
    });

    /** @param {number} ms */
    function jump(ms) {
      player().seek(ms);
      line.time(player().time(), true);
      tellPlace();
    }
    /** @param {Entry} entry @param {boolean} go */
    function select(entry, go) {
      selected = entry;
      list.select(entry);
      line.select(entry);
      inspector.show(entry);
      if (go) jump(msOfEntry(entry));
    }
    function enter() {
      if (selected) jump(msOfEntry(selected));
    }
    function refilter() {
      list.show(filtered(entries, { hidden, text: words }));
    }
    function tellPlace() {
      does.onPlace({ session, t: player().time(), seq: selected && seqOf(selected), view });
    }

    const fairness = createFairness(session, {
      onMoment: ({ seq }) => {
        const entry = entries.find((e) => seqOf(e) === seq);
        if (entry) select(entry, true);
      },
    });
    const panels = tabs(
      [
        { id: "entries", t: "console.entries", panel: list.element, testid: "tab-entries" },
        { id: "fairness", t: "fairness.title", panel: fairness.element, testid: "tab-fairness" },
      ],
      "console.panels",
      (id) => {
        find.hidden = id !== "entries";
        view = id === "fairness" ? id : null;
        if (view) fairness.open();
      },
    );
    if (place.view) panels.select(place.view);
    for (const event of ["click", "keyup"]) panels.element.addEventListener(event, tellPlace);

    const bar = sessionBar(recording, seal.element, does.onBack);
    const stage = h("div", { class: "workspace-stage" }, pictures.element, controls.element, line.element);
    const side = h(
      "div",
      { class: "workspace-side" },
      h("div", { class: "panel-head panel-head-tabs" }, panels.element, find),
      list.element,
      fairness.element,
      inspector.element,
      h("div", { class: "panel-head panel-head-case" }, h("h2", { class: "panel-title", t: "console.case" })),
      ownCase.element,
    );
    return {
      bar,
      stage,
      side,
      seal,
      player,
      timeline: line,
      list,
      entries,
      select,
      pictures,
      close: () => {
        player().close();
        line.close();
        list.close();
      },
    };
  }

  /** Asks again until every copy is made. @param {any} recording @param {ReturnType<typeof createPictures>} pictures */
  function watchCopies(recording, pictures) {
    const waiting = () => recording.streams.some((/** @type {any} */ s) => !s.ready);
    if (recording.streams.length && !waiting()) return () => {};
    const timer = setInterval(async () => {
      const next = await api("GET", `/api/recordings/${session}`).catch(() => null);
      if (closed || !next) return;
      recording = next;
      if (!recording.streams.length || waiting()) return;
      clearInterval(timer);
      pictures.rebuild(recording.streams);
    }, COPY_MS);
    return () => clearInterval(timer);
  }

  /** @param {Place} where */
  async function copy(where) {
    const link = new URL(placeLink(where), location.href).href;
    try {
      await navigator.clipboard.writeText(link);
      toast(t("console.copied"), { tone: "good" });
    } catch {
      toast(link);
    }
    does.onPlace(where);
  }
}

/** A call's second picture often begins a moment after the first: later than that nobody waits for it. */
const TOGETHER_MS = 5_000;

/** Where there is something to see in every picture, if that is soon. @param {any[]} streams */
function firstPicture(streams) {
  const starts = streams.filter((s) => s.ready).map((s) => s.offset_ms);
  if (!starts.length) return 0;
  const first = Math.min(...starts);
  return Math.max(...starts.filter((ms) => ms - first <= TOGETHER_MS));
}

/** What reviewers did since: entries of the trail after the seal. @param {any} recording @returns {Entry[]} */
function looks(recording) {
  return (recording.looks ?? []).map((/** @type {any} */ look) => ({ ...look, lane: "review", media_ms: null, data: {} }));
}

/** Every entry, however many answers that takes. @param {string} session @returns {Promise<any>} */
async function wholeTimeline(session) {
  const first = await api("GET", `/api/recordings/${session}/timeline`);
  for (let more = first.more; typeof more === "number";) {
    const next = await api("GET", `/api/recordings/${session}/timeline?after=${more}`);
    first.entries.push(...next.entries);
    more = next.more;
  }
  return first;
}

/**
 * The player, or what stands in its place while there is no copy.
 * @param {any[]} streams @param {number} total @param {(ms: number) => void} onTime @param {(playing: boolean) => void} onPlaying
 */
function createPictures(streams, total, onTime, onPlaying) {
  const element = h("div", { class: "pictures" });
  const made = { element, player: build(streams), rebuild };

  /** @param {any[]} list */
  function build(list) {
    const ready = list.filter((s) => s.ready && s.mp4);
    const player = createPlayer(ready, total, { onTime, onPlaying });
    if (ready.length) fill(element, player.element);
    else
      fill(
        element,
        empty({
          t: list.length ? "console.copy_waiting" : "console.no_media",
          next: list.length ? "console.copy_waiting_next" : "console.no_media_next",
          icon: "clock",
        }),
      );
    return player;
  }

  /** @param {any[]} list */
  function rebuild(list) {
    const at = made.player.time();
    made.player.close();
    made.player = build(list);
    made.player.seek(at);
  }
  return made;
}

/** @param {any} recording @param {HTMLElement} seal @param {() => void} onBack */
function sessionBar(recording, seal, onBack) {
  const host = typeof recording.host === "string" ? recording.host : recording.host?.name;
  return h(
    "div",
    { class: "workspace-bar" },
    h("button", { class: "button-icon workspace-back", type: "button", tLabel: "console.back", onclick: onBack }, icon("back")),
    h(
      "div",
      { class: "workspace-name" },
      h("h1", { class: "workspace-title" }, recording.title ?? recording.session),
      h(
        "p",
        { class: "workspace-facts" },
        h("span", { t: `console.kind_${recording.kind ?? "show"}` }),
        host ? ` · ${host}` : "",
        recording.started_at ? ` · ${date(recording.started_at)} ${time(recording.started_at)}` : "",
      ),
    ),
    seal,
  );
}
