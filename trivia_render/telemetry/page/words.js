// What the figures are called: numbers, times and sentences for people. Pure functions.

const WHOLE = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });
const CLOCK = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit" });
const CLOCK_SECONDS = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit", second: "2-digit" });
const DAY_CLOCK = new Intl.DateTimeFormat("en-GB", { weekday: "short", hour: "2-digit", minute: "2-digit" });

export const number = (value) => WHOLE.format(value);

export const percent = (share, digits = 0) => `${(share * 100).toFixed(digits)} %`;

export const clock = (at) => CLOCK.format(at);

export const clockWithSeconds = (at) => CLOCK_SECONDS.format(at);

/** A time of day, with its day where that is another. */
export function moment(at, now) {
  return Math.abs(now - at) > 20 * 3600e3 ? DAY_CLOCK.format(at) : CLOCK.format(at);
}

export function count(value, one, many = `${one}s`) {
  return `${number(value)} ${value === 1 ? one : many}`;
}

/** "45 s", "25 min", "2 h 10 min", "3 days". */
export function duration(seconds) {
  if (seconds < 60) return `${Math.max(0, Math.round(seconds))} s`;
  const minutes = Math.round(seconds / 60);
  if (minutes < 60) return `${minutes} min`;
  const hours = Math.floor(minutes / 60);
  if (hours >= 48) return count(Math.round(minutes / 1440), "day");
  return minutes % 60 ? `${hours} h ${minutes % 60} min` : `${hours} h`;
}

/** Rounded as one says it: "25 min", "2 h", never to the second. */
export function roughly(seconds) {
  if (seconds < 90) return "a minute";
  const minutes = seconds / 60;
  if (minutes < 10) return `${Math.round(minutes)} min`;
  if (minutes < 90) return `${Math.round(minutes / 5) * 5} min`;
  const hours = minutes / 60;
  if (hours < 36) return count(Math.round(hours), "hour");
  return count(Math.round(hours / 24), "day");
}

export function dollars(usd) {
  if (usd >= 1000) return `$${number(usd)}`;
  if (usd >= 1 || usd === 0) return `$${usd.toFixed(2)}`;
  const digits = Math.min(8, Math.max(2, 1 - Math.floor(Math.log10(usd))));
  return `$${usd.toFixed(digits)}`;
}

/** Machines as the page counts them: of the group, or, where nobody drives one, the live workers. */
export function machineCounts(view) {
  const live = view.workers.filter((worker) => worker.state !== "lost" && worker.state !== "refused");
  const rendering = live.filter((worker) => worker.jobs.length > 0 || worker.runs > 0).length;
  const states = view.machines_by_state;
  const group = Object.entries(states).reduce((sum, [state, machines]) => sum + (state === "leaving" ? 0 : machines), 0);
  return {
    rendering,
    here: Math.max(group, live.length),
    live: live.length,
    starting: states.starting ?? 0,
    failing: states.failing ?? 0,
    draining: (states.draining ?? 0) + (states.drained ?? 0),
  };
}

/** The fleet's state in one sentence. */
export function sentence(view) {
  const { rendering, here } = machineCounts(view);
  const { pending_jobs: waiting, at } = view.queue;
  const due = view.throughput.due_seconds;
  const unknown = at === null && view.decision === null && here === 0;
  if (unknown) return "Nothing is known of the fleet yet.";
  const parts = [];
  if (here === 0) parts.push(waiting > 0 ? "There is no machine to render" : "There is no machine, and nothing to do");
  else if (rendering === 0) parts.push(here === 1 ? "The one machine is idle" : `All ${number(here)} machines are idle`);
  else if (rendering === here) parts.push(here === 1 ? "The one machine is rendering" : `All ${number(here)} machines are rendering`);
  else parts.push(`${number(rendering)} of ${number(here)} machines ${rendering === 1 ? "is" : "are"} rendering`);
  if (waiting > 0) parts.push(`${count(waiting, "job")} ${waiting === 1 ? "waits" : "wait"}`);
  else if (here > 0) parts.push("nothing waits");
  if (due !== null) parts.push(`the last ${waiting + view.queue.running_jobs === 1 ? "is" : "are"} due in about ${roughly(due)}`);
  // A number stays with its noun, wherever the line breaks.
  return `${parts.join("; ").replace(/(\d) /g, "$1\u00a0")}.`;
}

export function priorities(byPriority) {
  const parts = ["high", "default", "low"].filter((name) => byPriority[name]).map((name) => `${number(byPriority[name])} ${name}`);
  return parts.join(" · ");
}

/** What stands out, the worst first: [{key, level, text, detail}]. */
export function notices(view, now) {
  const found = [];
  const add = (key, level, text, detail = null) => found.push({ key, level, text, detail });
  const time = (iso) => moment(Date.parse(iso), now);
  const { store, prefect } = view.sources;
  if (!store.up) {
    const since = store.at === null ? "Nothing was read yet." : `Machines, decisions and totals are those of ${time(store.at)}.`;
    add("store", "bad", `The store does not answer. ${since}`, store.error);
  }
  if (!prefect.up) {
    const since = view.queue.at === null ? "How many jobs wait is not known." : `Jobs were counted at ${time(view.queue.at)}.`;
    add("prefect", "bad", `Prefect’s server does not answer. ${since}`, prefect.error);
  }
  const decision = view.decision;
  if (decision?.error) add("undone", "bad", "The last decision could not be carried out.", decision.error);
  const failing = view.machines.filter((machine) => machine.state === "failing").map((machine) => machine.name);
  if (failing.length) add("failing", "bad", `${count(failing.length, "machine")} ${failing.length === 1 ? "does" : "do"} not serve: ${failing.join(", ")}.`);
  const lost = view.workers.filter((worker) => worker.state === "lost");
  if (lost.length) add("lost", "bad", `${count(lost.length, "worker")} ${lost.length === 1 ? "is" : "are"} lost: ${lost.map((worker) => worker.id).join(", ")}.`);
  const refused = view.workers.filter((worker) => worker.state === "refused" && worker.refused_code !== null);
  if (refused.length) {
    const names = refused.map((worker) => `${worker.id} (${worker.refused_code})`).join(", ");
    add("refused", "bad", `${count(refused.length, "machine")} cannot encode on ${refused.length === 1 ? "its GPU and takes" : "their GPUs and take"} no work: ${names}.`, refused[0].reason);
  }
  if (decision && store.up && now - Date.parse(decision.at) > 5 * 60e3) {
    add("silent", "warn", `The autoscaler has not decided anything since ${time(decision.at)}.`);
  }
  if (view.pause) add("paused", "warn", `Paused since ${time(view.pause.at)}: the autoscaler decides without acting, until “trivia fleet resume”.`);
  if (view.override) {
    const until = view.override.until === null ? "until “trivia fleet scale auto”" : `until ${time(view.override.until)}`;
    add("override", "info", `Set to ${count(view.override.machines, "machine")} by hand ${until}.`);
  }
  if (view.stocked_out) add("stock", "warn", `The cloud has no more machines to give now; ${number(view.target_machines ?? 0)} are asked for.`);
  if (view.fleet === "none") add("undriven", "info", "Nothing drives the number of machines: TRIVIA_FLEET is none.");
  const order = ["bad", "warn", "info"];
  return found.sort((one, other) => order.indexOf(one.level) - order.indexOf(other.level));
}

/** A decision's change: {kind, text}. */
export function change(decision) {
  const { machines_before: before, target_machines: target, error } = decision;
  if (error) return { kind: "error", text: `${before} → ${target} machines, not carried out` };
  if (target > before) return { kind: "up", text: `${before} → ${count(target, "machine")}` };
  if (target < before) return { kind: "down", text: `${before} → ${count(target, "machine")}` };
  return { kind: "same", text: `${count(target, "machine")}` };
}
