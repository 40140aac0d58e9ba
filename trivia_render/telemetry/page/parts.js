// The parts of the page, each made like the status says.

import { byId, element, fill, setAttribute, setSign, setText, sign } from "./dom.js";
import * as words from "./words.js";

const SHOWN_DECISIONS = 20;
/** From this share of failed jobs on their number stands out. */
const MANY_FAILURES = 0.02;

function showFigure(id, big, small, level = "") {
  const figure = byId(`figure-${id}`);
  setText(figure.querySelector(".big"), big);
  setText(figure.querySelector(".small"), small);
  setAttribute(figure, "data-level", level);
}

export function showFigures(view, now) {
  const { queue, today, throughput } = view;
  const machines = words.machineCounts(view);
  const known = queue.at !== null;
  const { store, prefect } = view.sources;
  const ofThen = (source, at, text) => (source.up || at === null ? text : `as of ${words.moment(Date.parse(at), now)}`);
  const counted = (text) => ofThen(prefect, queue.at, text);
  const read = (text) => ofThen(store, store.at, text);
  showFigure("waiting", known ? words.number(queue.pending_jobs) : "–", known ? counted(words.priorities(queue.pending) || "no job") : "not known");
  showFigure("rendering", known ? words.number(queue.running_jobs) : "–", counted(`${words.count(machines.rendering, "machine")} at work`));
  const target = view.target_machines;
  const state = [
    machines.starting && `${machines.starting} starting`,
    machines.draining && `${machines.draining} draining`,
    machines.failing && `${machines.failing} failing`,
  ].filter(Boolean);
  const figure = target === null || target === machines.here ? `${machines.here}` : `${machines.here} / ${target}`;
  const wanted = target === null ? (machines.here ? "live" : "none was heard of") : target === machines.here ? "as many as wanted" : `${target} wanted`;
  showFigure("machines", figure, read(state.join(" · ") || wanted), machines.failing ? "bad" : "");
  const speed = throughput.videos_per_machine_per_day;
  showFigure("videos", words.number(today.videos), read(speed === null ? "speed not measured yet" : `${words.number(speed)} a day per machine`));
  const unpriced = today.unpriced_seconds > 0;
  const per = today.videos === 0 ? "no video yet" : today.usd_per_video === null ? "unknown per video" : `${words.dollars(today.usd_per_video)} per video`;
  if (unpriced && today.usd === 0) showFigure("cost", "–", "the machines’ price is not known");
  else showFigure("cost", words.dollars(today.usd), read(unpriced ? `${per}, some machines unpriced` : per));
  const ended = today.jobs_completed + today.jobs_failed;
  const failed = ended ? `${words.percent(today.jobs_failed / ended, today.jobs_failed ? 1 : 0)} of ${words.count(ended, "job")}` : "no job has ended";
  showFigure("failures", words.number(today.jobs_failed), read(failed), ended && today.jobs_failed / ended >= MANY_FAILURES ? "bad" : "");
}

export function showNotices(view, now) {
  const found = words.notices(view, now);
  fill(byId("notices"), found, (notice) => notice.key, makeNotice, (node, notice) => {
    setAttribute(node, "data-level", notice.level);
    setSign(node.querySelector(".sign"), notice.level);
    setText(node.querySelector(".level"), { bad: "Trouble: ", warn: "Note: ", info: "" }[notice.level]);
    setText(node.querySelector(".text"), notice.text);
    const detail = node.querySelector("details");
    detail.hidden = notice.detail === null;
    setText(detail.querySelector("p"), notice.detail ?? "");
  });
}

function makeNotice() {
  const node = element("li", "notice");
  const body = element("div");
  const line = element("p");
  line.append(element("span", "level hidden"), element("span", "text"));
  const detail = element("details");
  detail.append(element("summary", "", "What it says"), element("p", "verbatim"));
  body.append(line, detail);
  node.append(sign(), body);
  return node;
}

const STATE_WORDS = {
  rendering: "Rendering", idle: "Idle", draining: "Draining", drained: "Drained", stopping: "Stopping",
  refused: "Refused", lost: "Lost", starting: "Starting", failing: "Failing", leaving: "Leaving",
};

/** Workers, and the machines that have none, by name. */
function machineCards(view) {
  const heard = new Set(view.workers.map((worker) => worker.id));
  const mute = view.machines.filter((machine) => !heard.has(machine.name) && machine.worker === null);
  const cards = [
    ...view.workers.map((worker) => ({ id: worker.id, worker, state: shownState(worker) })),
    ...mute.map((machine) => ({ id: machine.name, worker: null, machine, state: machine.state })),
  ];
  return cards.sort((one, other) => one.id.localeCompare(other.id, "en", { numeric: true }));
}

function shownState(worker) {
  if (worker.state !== "ready") return worker.state;
  return worker.jobs.length > 0 || worker.runs > 0 ? "rendering" : "idle";
}

export function showWorkers(view, now) {
  const cards = machineCards(view);
  byId("no-workers").hidden = cards.length > 0;
  fill(byId("workers"), cards, (card) => card.id, makeCard, (node, card) => updateCard(node, card, now));
}

function makeCard() {
  const node = element("li", "card worker");
  const head = element("div", "worker-head");
  const state = element("p", "state");
  state.append(sign(), element("span"));
  head.append(element("h3"), state);
  const error = element("details", "error");
  error.append(element("summary"), element("p", "verbatim"));
  node.append(head, element("p", "doing"), element("ul", "jobs"), error, element("ul", "meters"));
  return node;
}

function updateCard(node, { id, worker, machine, state }, now) {
  setAttribute(node, "data-state", state);
  setText(node.querySelector("h3"), id);
  setSign(node.querySelector(".state .sign"), state);
  setText(node.querySelector(".state span"), STATE_WORDS[state] ?? state);
  setText(node.querySelector(".doing"), doing(worker, machine, state, now));
  const jobs = worker?.jobs ?? [];
  fill(node.querySelector(".jobs"), jobs, (job) => `${job.channel}/${job.job_id}`, makeJob, (row, job) => updateJob(row, job, now));
  fill(node.querySelector(".meters"), meters(worker), (meter) => meter.label, makeMeter, updateMeter);
  const error = node.querySelector(".error");
  const text = worker?.last_error ?? "";
  error.hidden = text === "";
  setText(error.querySelector("summary"), text.split("\n", 1)[0].slice(0, 300));
  setText(error.querySelector("p"), text);
}

function doing(worker, machine, state, now) {
  if (worker === null) {
    const since = machine.idle_since;
    if (state === "failing") return since ? `No worker for ${words.duration((now - Date.parse(since)) / 1000)}` : "No worker";
    return since ? `For ${words.duration((now - Date.parse(since)) / 1000)}` : "";
  }
  if (state === "lost") return `Silent since ${words.moment(Date.parse(worker.heartbeat_at), now)}`;
  if (worker.reason && state !== "rendering" && state !== "idle") return worker.reason;
  if (state === "idle" && worker.idle_since) return `For ${words.duration((now - Date.parse(worker.idle_since)) / 1000)}`;
  if (state === "rendering" && worker.jobs.length === 0) return "Beginning";
  return `Up for ${words.duration((now - Date.parse(worker.started_at)) / 1000)}`;
}

const STAGE_WORDS = { clips: "clips", mixing: "mixing the sound", joining: "joining", publishing: "publishing" };

function makeJob() {
  const row = element("li", "job");
  const line = element("p", "job-line");
  line.append(element("span", "job-name"), element("span", "job-clips"));
  const bar = element("div", "bar");
  bar.setAttribute("role", "progressbar");
  bar.setAttribute("aria-valuemin", "0");
  bar.append(element("div"));
  row.append(line, bar, element("p", "job-stage"));
  return row;
}

function updateJob(row, job, now) {
  const name = `${job.channel}/${job.job_id}`;
  const total = Math.max(1, job.clips_total);
  setText(row.querySelector(".job-name"), job.job_id);
  setAttribute(row.querySelector(".job-name"), "title", name);
  setText(row.querySelector(".job-clips"), `${job.clips_done} / ${job.clips_total}`);
  const bar = row.querySelector(".bar");
  setAttribute(bar, "aria-label", `Clips of ${name}`);
  setAttribute(bar, "aria-valuemax", total);
  setAttribute(bar, "aria-valuenow", job.clips_done);
  bar.firstElementChild.style.setProperty("--share", Math.min(1, job.clips_done / total));
  setText(row.querySelector(".job-stage"), `${job.channel} · ${STAGE_WORDS[job.stage] ?? job.stage} · ${words.duration((now - Date.parse(job.started_at)) / 1000)}`);
}

function meters(worker) {
  if (worker === null || worker.state === "lost") return [];
  const many = worker.gpus.length > 1;
  const found = worker.gpus.flatMap((gpu, index) => [
    { label: many ? `GPU ${index}` : "GPU", percent: gpu.utilisation_percent },
    { label: many ? `Enc. ${index}` : "Encoder", percent: gpu.encoder_utilisation_percent },
    { label: many ? `Mem. ${index}` : "Memory", percent: gpu.memory_total_bytes ? (100 * gpu.memory_used_bytes) / gpu.memory_total_bytes : 0 },
  ]);
  if (worker.cpu_percent !== null) found.push({ label: "CPU", percent: worker.cpu_percent });
  return found;
}

function makeMeter({ label }) {
  const node = element("li", "meter");
  const bar = element("div", "bar");
  bar.setAttribute("role", "meter");
  bar.setAttribute("aria-label", label);
  bar.setAttribute("aria-valuemin", "0");
  bar.setAttribute("aria-valuemax", "100");
  bar.append(element("div"));
  node.append(element("span", "meter-label", label), bar, element("span", "meter-value"));
  return node;
}

function updateMeter(node, { percent }) {
  const whole = Math.round(percent);
  setText(node.querySelector(".meter-value"), `${whole} %`);
  const bar = node.querySelector(".bar");
  setAttribute(bar, "aria-valuenow", Math.min(100, whole));
  bar.firstElementChild.style.setProperty("--share", Math.min(1, percent / 100));
}

export function showDecisions(view, now) {
  const latest = byId("latest");
  latest.hidden = view.decision === null;
  if (view.decision !== null) {
    setText(latest.querySelector(".when"), `The last one, ${words.moment(Date.parse(view.decision.at), now)}`);
    setText(latest.querySelector(".reason"), view.decision.reason);
  }
  byId("no-decisions").hidden = view.decisions.length > 0;
  fill(byId("decisions"), view.decisions.slice(0, SHOWN_DECISIONS), (past) => past.at, makeDecision, (node, past) => {
    const { kind, text } = words.change(past);
    setAttribute(node, "data-kind", kind);
    setSign(node.querySelector(".sign"), kind);
    setText(node.querySelector("time"), words.moment(Date.parse(past.at), now));
    setAttribute(node.querySelector("time"), "datetime", past.at);
    setText(node.querySelector(".change"), text);
    setText(node.querySelector(".reason"), past.reason);
    const error = node.querySelector("details");
    error.hidden = !past.error;
    setText(error.querySelector("p"), past.error ?? "");
  });
}

function makeDecision() {
  const node = element("li", "decision");
  const body = element("div");
  const line = element("p", "decision-line");
  line.append(element("span", "change"), element("time"));
  const error = element("details");
  error.append(element("summary", "", "What it says"), element("p", "verbatim"));
  body.append(line, element("p", "reason"), error);
  node.append(sign(), body);
  return node;
}

export function showAlso(view) {
  const { today } = view;
  const facts = [];
  if (view.policy) facts.push(`Policy “${view.policy.name}”, ${view.policy.min_machines} to ${words.count(view.policy.max_machines, "machine")}`);
  setText(byId("also"), facts.join(""));
  const totals = [`Today: ${words.duration(today.video_seconds)} of video`];
  if (today.reused_share !== null) totals.push(`${words.percent(today.reused_share)} of clips were there already`);
  totals.push(words.count(today.speech_requests, "speech request"), words.count(today.preemptions, "preemption"), words.count(today.crashes, "crash", "crashes"));
  setText(byId("facts"), `${totals.join(" · ")}.`);
}
