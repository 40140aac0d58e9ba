// Keeps the page like the fleet: asks for its status every few seconds and changes what has changed.

import { Chart } from "./chart.js";
import { byId, setAttribute, setText } from "./dom.js";
import * as parts from "./parts.js";
import * as words from "./words.js";

/** Of the status that this page can read. */
const VERSION = 1;
const EVERY_MS = 3000;
const ANSWER_MS = 6000;
/** The service looks at its sources every 5 s; figures older than this do not move any more. */
const STILL_MS = 45000;
const ANNOUNCE_MS = 60000;

const chart = new Chart(byId("plot"), byId("readout"));
let view = null;
let timer = 0;
let announced = { text: "", at: -Infinity, trouble: "" };

/** Tells screen readers what matters, and no more than once a minute unless trouble comes or goes. */
function announce(text, trouble, now) {
  if (announced.text === text) return;
  if (announced.trouble === trouble && now - announced.at < ANNOUNCE_MS) return;
  announced = { text, at: now, trouble };
  setText(byId("announcer"), text);
}

function showLive(state, text) {
  setAttribute(byId("live"), "data-state", state);
  setText(byId("live-text"), text);
}

function show(status, serverNow) {
  if (status.version !== VERSION) {
    showLive("lost", "The service was renewed: load this page again");
    return;
  }
  view = status;
  const now = Number.isNaN(serverNow) ? Date.parse(view.at) : serverNow;
  const still = now - Date.parse(view.at) > STILL_MS;
  const text = words.sentence(view);
  setText(byId("sentence"), text);
  document.title = `${words.number(view.queue.pending_jobs)} waiting – Fleet`;
  parts.showFigures(view, now);
  parts.showNotices(view, now);
  parts.showWorkers(view, now);
  parts.showDecisions(view, now);
  parts.showAlso(view);
  chart.show(view, now);
  setAttribute(byId("main"), "aria-busy", "false");
  document.body.classList.toggle("old", still);
  const at = words.clockWithSeconds(Date.parse(view.at));
  if (still) showLive("lost", `Standing still since ${at}`);
  else showLive("live", `Live · ${at}`);
  const trouble = words.notices(view, now).filter((notice) => notice.level === "bad");
  announce([text, ...trouble.map((notice) => notice.text)].join(" "), trouble.map((notice) => notice.key).join(), performance.now());
}

function showLost() {
  document.body.classList.add("old");
  const since = view === null ? "" : ` · figures of ${words.clockWithSeconds(Date.parse(view.at))}`;
  showLive("lost", `Connection lost${since}`);
  announce("Connection lost. Trying again.", "connection", performance.now());
}

/** Returns the status and the service's time, or null where it does not answer. */
async function ask() {
  const stop = new AbortController();
  const tooLong = setTimeout(() => stop.abort(), ANSWER_MS);
  try {
    const answer = await fetch("status", { cache: "no-store", signal: stop.signal });
    if (!answer.ok) return null;
    return { status: await answer.json(), serverNow: Date.parse(answer.headers.get("date") ?? "") };
  } catch {
    return null;
  } finally {
    clearTimeout(tooLong);
  }
}

async function askOn() {
  clearTimeout(timer);
  timer = 0;
  if (document.hidden) {
    showLive("paused", "Paused while out of sight");
    return;
  }
  const answer = await ask();
  clearTimeout(timer);
  timer = setTimeout(askOn, EVERY_MS);
  if (answer === null) showLost();
  else show(answer.status, answer.serverNow);
}

document.addEventListener("visibilitychange", askOn);
for (const input of document.querySelectorAll("input[name=span]")) {
  input.addEventListener("change", () => chart.setHours(Number(input.value)));
}
askOn();
