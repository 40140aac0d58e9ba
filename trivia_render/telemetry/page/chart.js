// The chart: jobs waiting above, machines below, on one axis of time, drawn at the size it is shown at.

import * as words from "./words.js";

const SVG = "http://www.w3.org/2000/svg";
const HOUR = 3600e3;
const TOP = 12;
const LEFT = 46;
const RIGHT = 14;
const WAITING_HEIGHT = 150;
const GAP = 34;
const MACHINES_HEIGHT = 92;
const BOTTOM = 26;
const HEIGHT = TOP + WAITING_HEIGHT + GAP + MACHINES_HEIGHT + BOTTOM;
/** Between two points further apart than this the autoscaler was away: no line. */
const HOLE = 20 * 60e3;
const MARK_REACH = 7;

function make(tag, attributes = {}, text = "") {
  const node = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  if (text) node.textContent = text;
  return node;
}

/** A round number not under the largest value, and its ticks. */
function scaleOf(largest) {
  const least = Math.max(largest, 2);
  const power = 10 ** Math.floor(Math.log10(least));
  const step = [0.2, 0.25, 0.5, 1, 2, 2.5, 5].map((part) => part * power).find((one) => Number.isInteger(one) && one * 4 >= least) ?? Math.ceil(least / 4);
  const top = Math.ceil(least / step) * step;
  return { top, ticks: Array.from({ length: Math.round(top / step) + 1 }, (_, index) => index * step) };
}

/** Moments of the axis: whole hours or minutes of this device's clock. */
function timeTicks(from, to, minutes) {
  const ticks = [];
  const first = new Date(from);
  first.setHours(0, 0, 0, 0);
  for (let at = first.getTime(); at <= to; at += minutes * 60e3) if (at >= from) ticks.push(at);
  return ticks;
}

export class Chart {
  #plot;
  #readout;
  #hours = 24;
  #view = null;
  #now = 0;
  #points = [];
  #marks = [];
  #cursor = null;
  #drawn = "";
  #layer = null;

  constructor(plot, readout) {
    this.#plot = plot;
    this.#readout = readout;
    new ResizeObserver(() => this.#draw()).observe(plot);
    plot.addEventListener("pointermove", (event) => this.#pointAt(event));
    plot.addEventListener("pointerdown", (event) => this.#pointAt(event));
    plot.addEventListener("pointerleave", (event) => event.pointerType === "mouse" && this.#setCursor(null));
    plot.addEventListener("blur", () => this.#setCursor(null));
    plot.addEventListener("keydown", (event) => this.#key(event));
  }

  show(view, now) {
    this.#view = view;
    this.#now = now;
    this.#draw();
  }

  setHours(hours) {
    this.#hours = hours;
    this.#cursor = null;
    this.#draw();
  }

  #draw() {
    const width = Math.floor(this.#plot.clientWidth);
    if (this.#view === null || width < 80) return;
    const { history, decisions, queue, workers, target_machines: target, decision } = this.#view;
    const to = Math.max(this.#now, Date.parse(this.#view.at));
    const from = to - this.#hours * HOUR;
    const live = workers.filter((worker) => worker.state !== "lost").length;
    const points = history.map((point) => ({
      at: Date.parse(point.at),
      pending: point.pending_jobs,
      running: point.running_jobs,
      workers: point.workers,
      target: point.target_machines,
    }));
    if (queue.at !== null && decision !== null) {
      points.push({ at: to, pending: queue.pending_jobs, running: queue.running_jobs, workers: live, target: target ?? live, now: true });
    }
    const cursorAt = this.#cursor === null ? null : this.#points[this.#cursor]?.at;
    this.#points = points.filter((point) => point.at >= from);
    this.#marks = decisions.map((past) => ({ at: Date.parse(past.at), past, ...words.change(past) })).filter((mark) => mark.at >= from);
    if (cursorAt !== null) this.#cursor = nearest(this.#points, cursorAt);
    // Once a minute the axis has moved by a pixel; in between only new figures change the picture.
    const drawn = JSON.stringify([width, this.#hours, Math.floor(to / 30e3), points.length, points.at(-2)?.at, queue.pending_jobs, live, target]);
    if (drawn !== this.#drawn) {
      this.#drawn = drawn;
      this.#paint(width, from, to);
    }
    this.#showCursor();
  }

  #paint(width, from, to) {
    const x = (at) => LEFT + ((at - from) / (to - from)) * (width - LEFT - RIGHT);
    const waiting = { ...scaleOf(Math.max(0, ...this.#points.map((point) => point.pending))), top0: TOP, height: WAITING_HEIGHT };
    const machines = {
      ...scaleOf(Math.max(0, ...this.#points.map((point) => Math.max(point.workers, point.target)))),
      top0: TOP + WAITING_HEIGHT + GAP,
      height: MACHINES_HEIGHT,
    };
    const y = (panel, value) => panel.top0 + panel.height * (1 - value / panel.top);
    for (const point of this.#points) {
      point.x = x(point.at);
      point.y = [y(waiting, point.pending), y(machines, point.workers)];
    }
    for (const mark of this.#marks) mark.x = x(mark.at);

    const svg = make("svg", { width, height: HEIGHT, viewBox: `0 0 ${width} ${HEIGHT}`, "aria-hidden": "true" });
    for (const panel of [waiting, machines]) {
      for (const tick of panel.ticks) {
        if (panel === machines && panel.ticks.length > 4 && panel.ticks.indexOf(tick) % 2 === 1) continue;
        const at = Math.round(y(panel, tick)) + 0.5;
        svg.append(make("line", { class: tick === 0 ? "axis" : "grid", x1: LEFT, x2: width - RIGHT, y1: at, y2: at }));
        svg.append(make("text", { class: "tick", x: LEFT - 8, y: at + 4, "text-anchor": "end" }, words.number(tick)));
      }
    }
    const narrow = width < 560;
    const minutes = this.#hours === 1 ? (narrow ? 20 : 10) : narrow ? 360 : 180;
    for (const at of timeTicks(from, to, minutes)) {
      const place = x(at);
      const anchor = place > width - 30 ? "end" : place < LEFT + 12 ? "start" : "middle";
      svg.append(make("line", { class: "tick-line", x1: place, x2: place, y1: HEIGHT - BOTTOM, y2: HEIGHT - BOTTOM + 5 }));
      svg.append(make("text", { class: "tick", x: place, y: HEIGHT - 6, "text-anchor": anchor }, words.clock(at)));
    }
    for (const run of runsOf(this.#points)) {
      const line = run.map((point, index) => `${index ? "L" : "M"}${point.x.toFixed(1)} ${point.y[0].toFixed(1)}`).join("");
      const floor = y(waiting, 0).toFixed(1);
      svg.append(make("path", { class: "waiting-area", d: `${line}L${run.at(-1).x.toFixed(1)} ${floor}L${run[0].x.toFixed(1)} ${floor}Z` }));
      svg.append(make("path", { class: "waiting-line", d: line }));
      svg.append(make("path", { class: "machines-area", d: `${steps(run, (point) => y(machines, point.workers))}V${y(machines, 0).toFixed(1)}H${run[0].x.toFixed(1)}Z` }));
      svg.append(make("path", { class: "target-line", d: steps(run, (point) => y(machines, point.target)) }));
      svg.append(make("path", { class: "machines-line", d: steps(run, (point) => y(machines, point.workers)) }));
    }
    for (const mark of this.#marks) svg.append(markOf(mark, machines.top0 - 16));
    const last = this.#points.at(-1);
    if (last?.now) {
      svg.append(make("circle", { class: "now waiting-dot", cx: last.x, cy: last.y[0], r: 4 }));
      svg.append(make("circle", { class: "now machines-dot", cx: last.x, cy: last.y[1], r: 4 }));
    }
    if (this.#points.length === 0) {
      svg.append(make("text", { class: "nothing", x: (LEFT + width) / 2, y: TOP + WAITING_HEIGHT / 2, "text-anchor": "middle" }, "No decision in this time"));
    }
    this.#layer = make("g", { class: "cursor" });
    svg.append(this.#layer);
    this.#plot.replaceChildren(svg);
    this.#plot.setAttribute("aria-valuemax", Math.max(0, this.#points.length - 1));
  }

  #showCursor() {
    const point = this.#cursor === null ? this.#points.at(-1) : this.#points[this.#cursor];
    const text = point === undefined ? "Nothing is known of this time." : this.#words(point);
    if (this.#readout.textContent !== text) this.#readout.textContent = text;
    this.#plot.setAttribute("aria-valuetext", text);
    this.#plot.setAttribute("aria-valuenow", this.#cursor ?? Math.max(0, this.#points.length - 1));
    if (this.#layer === null) return;
    if (this.#cursor === null || point === undefined) {
      this.#layer.replaceChildren();
      return;
    }
    this.#layer.replaceChildren(
      make("line", { x1: point.x, x2: point.x, y1: TOP, y2: HEIGHT - BOTTOM }),
      make("circle", { class: "waiting-dot", cx: point.x, cy: point.y[0], r: 4 }),
      make("circle", { class: "machines-dot", cx: point.x, cy: point.y[1], r: 4 }),
    );
  }

  #words(point) {
    const when = point.now ? "Now" : words.moment(point.at, this.#now);
    const said = `${when}: ${words.number(point.pending)} waiting, ${words.number(point.running)} rendering, ${words.count(point.workers, "machine")} with a worker, ${words.number(point.target)} wanted.`;
    const mark = this.#cursor === null ? null : this.#markNear(point);
    return mark === null ? said : `${said} ${words.clock(mark.at)}, ${mark.text}: ${mark.past.reason}`;
  }

  #markNear(point) {
    const near = this.#marks.filter((mark) => Math.abs(mark.x - point.x) <= MARK_REACH);
    near.sort((one, other) => Math.abs(one.x - point.x) - Math.abs(other.x - point.x));
    return near[0] ?? null;
  }

  #pointAt(event) {
    const place = event.clientX - this.#plot.getBoundingClientRect().left;
    let best = null;
    for (const [index, point] of this.#points.entries()) {
      if (best === null || Math.abs(point.x - place) < Math.abs(this.#points[best].x - place)) best = index;
    }
    this.#setCursor(best);
  }

  #key(event) {
    const last = this.#points.length - 1;
    const at = this.#cursor ?? last;
    const moves = { ArrowLeft: at - 1, ArrowDown: at - 1, ArrowRight: at + 1, ArrowUp: at + 1, PageUp: at + 20, PageDown: at - 20, Home: 0, End: last };
    if (event.key === "Escape") this.#setCursor(null);
    else if (event.key in moves) this.#setCursor(Math.min(last, Math.max(0, moves[event.key])));
    else return;
    event.preventDefault();
  }

  #setCursor(index) {
    this.#cursor = index !== null && index >= 0 ? index : null;
    this.#showCursor();
  }
}

function nearest(points, at) {
  let best = null;
  for (const [index, point] of points.entries()) {
    if (best === null || Math.abs(point.at - at) < Math.abs(points[best].at - at)) best = index;
  }
  return best;
}

/** The points without the holes between them. */
function runsOf(points) {
  const runs = [];
  for (const point of points) {
    const run = runs.at(-1);
    if (run === undefined || point.at - run.at(-1).at > HOLE) runs.push([point]);
    else run.push(point);
  }
  return runs;
}

function steps(run, y) {
  return run.map((point, index) => (index ? `H${point.x.toFixed(1)}V${y(point).toFixed(1)}` : `M${point.x.toFixed(1)} ${y(point).toFixed(1)}`)).join("");
}

function markOf({ x, kind }, y) {
  if (kind === "error") return make("path", { class: "mark-error", d: `M${x - 4} ${y - 4}L${x + 4} ${y + 4}M${x + 4} ${y - 4}L${x - 4} ${y + 4}` });
  if (kind === "down") return make("path", { class: "mark-down", d: `M${x - 4.5} ${y - 4}H${x + 4.5}L${x} ${y + 4}Z` });
  if (kind === "up") return make("path", { class: "mark-up", d: `M${x - 4.5} ${y + 4}H${x + 4.5}L${x} ${y - 4}Z` });
  return make("path", { class: "mark-same", d: `M${x - 4} ${y - 1.5}H${x + 4}V${y + 1.5}H${x - 4}Z` });
}
