// Writes times, sizes and the words of vidhook's facts as people read them.

const UNITS = [[86400, "d"], [3600, "h"], [60, "min"]];

/** Returns a number of seconds as text: "14 s", "3 min 5 s", "2 h 10 min". */
export function span(seconds) {
  const whole = Math.max(0, Math.round(seconds));
  for (const [index, [size, name]] of UNITS.entries()) {
    if (whole < size) continue;
    const [below, short] = UNITS[index + 1] ?? [1, "s"];
    const rest = Math.floor((whole % size) / below);
    return `${Math.floor(whole / size)} ${name}${rest ? ` ${rest} ${short}` : ""}`;
  }
  return seconds > 0 && seconds < 10 && !Number.isInteger(seconds) ? `${Number(seconds.toFixed(1))} s` : `${whole} s`;
}

/** Returns an instant as unix seconds, null for none. */
export const seconds = (instant) => (instant ? Date.parse(instant) / 1000 : null);

/** Returns how far away an instant is: "in 14 s", "3 min ago"; of what was more than a minute ago without the seconds. */
export function away(at, now) {
  const distance = at - now;
  if (distance > 0) return `in ${span(Math.ceil(distance))}`;
  return `${span(-distance < 60 ? Math.floor(-distance) : 60 * Math.floor(-distance / 60))} ago`;
}

/** Returns the time of day of an instant, in the reader's own time zone. */
export const time = (at) => new Date(at * 1000).toLocaleTimeString(undefined, { hour: "2-digit", minute: "2-digit", second: "2-digit", hour12: false });

/** Returns the date of an instant; nothing if it is today, and without the year if it is of this one. */
export function day(at) {
  const then = new Date(at * 1000), now = new Date();
  if (then.toDateString() === now.toDateString()) return "";
  const year = then.getFullYear() === now.getFullYear() ? undefined : "numeric";
  return then.toLocaleDateString(undefined, { year, month: "short", day: "numeric" });
}

/** Returns an instant in the reader's own time zone; the date only where it is not today. */
export const clock = (at) => [day(at), time(at)].filter(Boolean).join(", ");

/** Returns a number of bytes as text. */
export function bytes(number) {
  if (number < 1000) return `${number} B`;
  for (const unit of ["kB", "MB", "GB"]) {
    number /= 1000;
    if (number < 1000 || unit === "GB") return `${number < 10 ? number.toFixed(1) : Math.round(number)} ${unit}`;
  }
}

export const plural = (number, one, many = `${one}s`) => `${number} ${number === 1 ? one : many}`;

/** Returns how people name a task: by their own reference, else as provider/task_id. */
export const title = (task) => task.reference ?? `${task.provider}/${task.task_id ?? task.idempotency_key ?? "not created yet"}`;

/** Returns a URL without its scheme and query, as a short name of an endpoint. */
export const place = (url) => (url ?? "").replace(/^https?:\/\//, "").replace(/\?.*$/, "");

const BRIEF = 48;

/** Returns the place of a URL for a sentence or a button: a long one without its middle. */
export function brief(url) {
  const whole = place(url);
  return whole.length <= BRIEF ? whole : `${whole.slice(0, BRIEF - 17)}…${whole.slice(-16)}`;
}

/** Returns the beginning of a text that may be long. */
export const beginning = (text, most) => (text.length <= most ? text : `${text.slice(0, most)}…`);

/** Returns a JSON value as text that people read; a text stays as it is. */
export const written = (value) => (typeof value === "string" ? value : JSON.stringify(value, null, 2));

/** Returns a URL that a link may lead to, undefined for any other text. */
export const link = (url) => (/^https?:\/\//i.test(url ?? "") ? url : undefined);

// Why a pause is so long (`why` of a poll).
export const REASONS = {
  learned: "learned from tasks that ended",
  expected: "from the expected time",
  eta: "from the provider's estimate",
  progress: "from its progress",
  queue: "from its place in the queue",
  started: "from when it was started",
  together: "from all that was said",
  retry_after: "the provider asked to wait",
  key_refused: "the key is refused",
  doubt: "the end is not certain",
  budget: "the budget of polls is used",
  deadline: "the last poll is at the deadline",
  create: "before the task is asked for again",
};

// What a poll got, beside a status.
const ANSWERS = {
  unconfirmed: "an end that is not certain",
  key_refused: "the key was refused",
  retry: "try again later",
  permanent_error: "an error",
  timeout: "no answer in time",
  dns: "the host name is unknown",
  connect: "no connection",
  tls: "no valid certificate",
  reset: "the connection was cut",
  blocked: "an address that is not allowed",
  too_large: "too long an answer",
  no_provider_file: "there is no provider file",
  bad_request: "the file's request cannot be made",
};
export const answered = (word) => ANSWERS[word] ?? word.replaceAll("_", " ");

/** Returns what became of an attempt: one that is to be tried again has failed, too. */
export const resultOf = (attempt) => (attempt.outcome === "retry" ? "failed" : attempt.outcome);

const STATUSES = ["pending", "processing", "completed", "failed"];

/** Returns the tone, a class of the style sheet, of a word: a status, a state, an outcome, or what went wrong. */
export function tone(word) {
  if (["completed", "delivered", "ok", "active"].includes(word)) return "good";
  if (["failed", "wrong", "disabled", "gone", "failing", "key_refused", "permanent_error"].includes(word)) return "bad";
  if (["pending", "cancelled", "paused", "held"].includes(word)) return "calm";
  if (["processing", "due"].includes(word)) return "busy";
  return STATUSES.includes(word) ? "calm" : "warn";
}
