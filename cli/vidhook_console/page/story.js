// Reads the facts of one task: in a few sentences what became of it, and as the lanes of its time axis.

import { answered, beginning, brief, bytes, place, plural, REASONS, resultOf, seconds, span, tone } from "./words.js";

const MOST_SAID = 240; // characters of what a provider says, which stands whole in its answer
const LAST = ["completed", "failed"];

/** Whether nothing more happens to a task by itself. */
export function over(task, deliveries) {
  return task.event_id !== null && deliveries.every((each) => each.state !== "due");
}

/** The deliveries of the task's terminal event, or of any. */
export const ofEvent = (task, deliveries) => deliveries.filter((each) => each.event_id === task.event_id);

function ofPolls(task, now) {
  const last = task.history.at(-1), next = seconds(task.next_poll_at);
  const then = next === null ? "" : next > now ? `It is asked again in ${span(Math.ceil(next - now))}${last?.why && last.why !== "create" ? ` (${REASONS[last.why] ?? last.why})` : ""}.` : "It is being asked.";
  if (task.creation && task.task_id === null) {
    const tries = plural(task.creation.tries, "request");
    const why = task.snapshot?.error ? `: ${beginning(task.snapshot.error.message, MOST_SAID)}` : "";
    return { tone: task.snapshot?.error ? "warn" : "busy", text: `${task.provider} has not created it yet, after ${tries}${why}.`, then };
  }
  if (!last) return { tone: "busy", text: "Nothing was asked yet.", then };
  const progress = last.progress === null ? "" : `, ${last.progress} %`;
  const bad = !["pending", "processing", ...LAST].includes(last.answer);
  const said = bad ? `The last answer of ${task.provider}: ${answered(last.answer)}` : `${task.provider} says ${task.snapshot?.provider_status ?? last.answer}${progress}`;
  const key = last.answer === "key_refused" ? ["keys", "set", task.provider] : null;
  return { tone: key ? "bad" : bad ? "warn" : "busy", text: `${said} (${plural(task.polls, "poll")} so far).`, then, command: key };
}

function ofDelivery(delivery, url, subscriber, stored, now) {
  const name = url ? brief(url) : delivery.subscriber, last = delivery.log.at(-1), next = seconds(delivery.next_at);
  const got = !last ? "" : last.status === null ? last.detail || last.kind : `HTTP ${last.status}`;
  const answer = last && last.outcome !== "delivered" ? last.answer.slice(0, 160) : "";
  const key = last ? `attempt/${delivery.event_id}/${delivery.subscriber}/${last.attempt}` : `next/${delivery.event_id}/${delivery.subscriber}`;
  const then = next === null ? "" : next > now ? `Next try in ${span(Math.ceil(next - now))}.` : "Being tried.";
  const known = subscriber && subscriber.state !== "active" ? ` It is ${subscriber.state}${subscriber.reason ? `: ${subscriber.reason}` : ""}.` : "";
  const resume = ["subscribers", "resume", delivery.subscriber];
  const replay = ["replay", delivery.task, "--subscriber", delivery.subscriber];
  return {
    delivered: { tone: "good", text: `${name} has it: ${got} at attempt ${last?.attempt}.`, key },
    due: { tone: last ? "bad" : "busy", text: last ? `${name} has not got it: ${got} at attempt ${last.attempt}.` : `${name} has not been tried yet.`, then, answer, key },
    held: { tone: "bad", text: `${name} has not got it, and is not tried.${known}${last ? ` The last attempt got ${got}.` : ""}`, answer, key, command: resume },
    failed: { tone: "bad", text: `${name} has not got it: given up after ${plural(delivery.attempts, "attempt")}, the last one got ${got}.`, answer, key, command: replay },
    cancelled: { tone: "calm", text: `${name} does not get it: ${stored ? "the subscriber was removed" : "the event is no longer stored"}.`, key },
  }[delivery.state];
}

/**
 * Returns what became of a task, as sentences { tone, text, then, answer, key, command }: `then` says what comes and
 * changes with each second, `answer` is what a subscriber wrote, `key` the mark of the axis that shows it, `command` the
 * words behind `vidhook` that would help.
 */
export function verdict(task, deliveries, subscribers, now) {
  const error = task.event?.data?.error ?? (task.status === "failed" ? task.snapshot?.error : null);
  if (task.event_id === null) {
    const wish = task.cancel ? [{ tone: "calm", text: `It is to be cancelled: ${task.cancel.answer ?? "its provider is asked with the next poll"}${task.cancel.message ? ` (${task.cancel.message})` : ""}.` }] : [];
    return task.settled_at ? [{ tone: "busy", text: `${task.provider} says ${task.status}; the video is stored and the event published now.` }] : [ofPolls(task, now), ...wish];
  }
  const took = seconds(task.settled_at) - seconds(task.retried_at ?? task.submitted_at);
  const lines = [];
  if (task.status === "completed") {
    const lost = (task.event?.data?.assets ?? []).filter((asset) => asset.store_error);
    lines.push({ tone: "good", text: `Completed after ${span(took)}, seen with ${plural(task.polls, "poll")}.` });
    lines.push(...lost.map((asset) => ({ tone: "warn", text: `The ${asset.role} is not stored: ${asset.store_error.message}. Its link at the provider was sent.`, key: `asset/${asset.role}` })));
  } else {
    const again = error?.retryable ? " The same may succeed if it is submitted again." : "";
    lines.push({ tone: "bad", text: `Failed after ${span(took)}: ${beginning(error?.message ?? "no reason is known", MOST_SAID)} (${error?.category ?? "provider"}${error?.provider_code ? `, ${error.provider_code}` : ""}).${again}`, command: task.snapshot && !task.snapshot.said ? ["retry", task.id] : null });
  }
  const told = ofEvent(task, deliveries);
  if (!told.length) lines.push({ tone: "warn", text: "Nobody was told: no subscriber wants this event, and the task has no callback_url." });
  const url = (id) => subscribers.get(id)?.url ?? told.find((each) => each.subscriber === id)?.request?.url;
  const rank = (line) => ["bad", "warn", "busy", "calm", "good"].indexOf(line.tone);
  lines.push(...told.map((each) => ofDelivery(each, url(each.subscriber), subscribers.get(each.subscriber), task.event !== null, now)).sort((a, b) => rank(a) - rank(b)));
  return lines;
}

/** Returns the number of the first poll that is kept: of a long task only the latest are. */
export const firstPoll = (task) => Math.max(0, task.polls - task.history.filter((poll) => poll.why !== "create").length) + 1;

/** Returns which poll of the task one of its history is, 0 for a request to create it. */
export function numberOf(task, index) {
  if (task.history[index].why === "create") return 0;
  return firstPoll(task) + task.history.slice(0, index).filter((poll) => poll.why !== "create").length;
}

/** Returns instants, which are told to the second, so that each comes after the one before, and none before another one. */
function ordered(instants, before = 0) {
  let last = 0;
  return instants.map((at) => (last = Math.max(after(seconds(at), before), last + 0.001)));
}

/** Returns an instant that is told to the second, no earlier than one of the same second before it. */
const after = (at, before) => (at !== null && Math.floor(before) === at ? before : at);

/** Returns when a task ended, and when that was published: not before the poll that saw the end. */
function endOf(task) {
  const last = ordered(task.history.map((poll) => poll.at)).findLast((at) => Math.floor(at) === seconds(task.settled_at));
  const ended = after(seconds(task.settled_at), last);
  return { ended, published: after(seconds(task.event?.timestamp), ended) };
}

function asked(task, now) {
  const times = ordered(task.history.map((poll) => poll.at));
  const marks = task.history.map((poll, index) => {
    const number = numberOf(task, index), at = times[index];
    const progress = poll.progress === null ? "" : ` ${poll.progress} %`;
    return { key: `poll/${index}`, at, tone: poll.answer === "created" ? "good" : tone(poll.answer), label: `${number ? `poll ${number}` : "request to create it"}: ${answered(poll.answer)}${progress}`, text: number === 0 ? "+" : number > 1 && number < 100 ? String(number) : "" };
  });
  const pauses = task.history.flatMap((poll, index) => (poll.pause ? [{ from: times[index], to: times[index] + poll.pause, text: `${span(poll.pause)}: ${REASONS[poll.why] ?? poll.why}`, why: poll.why === "create" ? "" : poll.why.replaceAll("_", " ") }] : []));
  for (const [index, pause] of pauses.entries()) {
    // A poll comes a little after its pause, and one that somebody asked for comes before its end.
    const next = marks.find((mark) => mark.at > pause.from);
    if (next) pauses[index] = { ...pause, to: next.at };
  }
  const next = seconds(task.next_poll_at);
  if (next !== null) marks.push({ key: "next", at: Math.max(next, now), tone: "busy", open: true, label: "the next poll", text: "" });
  if (!task.history.length && next !== null) pauses.push({ from: seconds(task.submitted_at), to: Math.max(next, now), text: "the first pause" });
  if (next !== null && pauses.length) pauses.at(-1).to = Math.max(next, now);
  return { name: "asked", label: "asked", title: `what ${task.provider} was asked and answered`, marks, pauses };
}

function stored(task) {
  const event = task.event, { ended: from, published: at } = endOf(task);
  const marks = (event?.data?.assets ?? []).map((asset, index) => ({
    key: `asset/${asset.role}`,
    at: at + index * 0.001,
    tone: asset.stored ? "good" : "warn",
    label: asset.stored ? `${asset.role}: ${asset.bytes === null ? "stored" : bytes(asset.bytes)}` : `${asset.role}: not stored`,
    text: "",
  }));
  const pauses = marks.length && from !== null && from < at ? [{ from, to: at, text: `storing took ${span(at - from)}` }] : [];
  return { name: "stored", label: "stored", title: "what was stored in the bucket", marks, pauses };
}

function delivered(delivery, url, published) {
  const [, host, path] = /^([^/]*)(.*)$/.exec(url ? place(url) : delivery.subscriber);
  const times = ordered(delivery.log.map((attempt) => attempt.at), published);
  const marks = delivery.log.map((attempt, index) => ({
    key: `attempt/${delivery.event_id}/${delivery.subscriber}/${attempt.attempt}`,
    at: times[index],
    tone: attempt.outcome === "delivered" ? "good" : "bad",
    label: `attempt ${attempt.attempt}: ${resultOf(attempt)}, ${attempt.status ?? answered(attempt.kind)}`,
    text: attempt.attempt > 1 ? String(attempt.attempt) : "",
  }));
  const pauses = delivery.log.flatMap((attempt, index) => {
    const next = marks[index + 1]?.at ?? (delivery.state === "due" ? seconds(attempt.next_at) : null);
    return attempt.next_at && next ? [{ from: times[index], to: next, text: `${span(next - times[index])} before the next attempt` }] : [];
  });
  const next = seconds(delivery.next_at);
  if (next !== null) marks.push({ key: `next/${delivery.event_id}/${delivery.subscriber}`, at: next, tone: "busy", open: true, label: "the next attempt", text: "" });
  if (delivery.state === "held") marks.push({ key: `next/${delivery.event_id}/${delivery.subscriber}`, at: (times.at(-1) ?? seconds(delivery.created_at)) + 0.001, tone: "bad", open: true, label: "held", text: "" });
  const of = delivery.event_type.endsWith(".progress") ? " (progress)" : "";
  return { name: `${delivery.event_id}/${delivery.subscriber}`, label: host, path: path + of, title: `${delivery.event_type} to ${url ?? delivery.subscriber}`, marks, pauses };
}

/** Returns the lanes of the axis, and the instants of the whole task as lines { at, label }. */
export function axisOf(task, deliveries, subscribers, now) {
  const url = (each) => subscribers.get(each.subscriber)?.url ?? each.request?.url, { ended, published } = endOf(task);
  const lanes = [asked(task, now), stored(task), ...deliveries.filter((each) => each.log.length || each.next_at || each.state === "held").map((each) => delivered(each, url(each), each.event_id === task.event?.id ? published : 0))];
  const instants = [
    ["submitted", seconds(task.submitted_at)],
    ["retried", seconds(task.retried_at)],
    ["cancel asked", seconds(task.cancel?.asked_at)],
    [task.status, ended],
    ["published", published],
  ];
  const lines = new Map();
  for (const [label, at] of instants) {
    if (at) lines.set(at, [...(lines.get(at) ?? []), label]);
  }
  return { lanes, lines: [...lines].map(([at, labels]) => ({ at, label: labels.join(", ") })) };
}

/** Returns the mark that is looked at first: what stands in the way, else the video, else the latest poll. */
export function first(task, deliveries, sentences) {
  const trouble = sentences.find((line) => line.key && line.tone !== "good");
  if (trouble) return trouble.key;
  if (task.event?.data?.assets?.length) return `asset/${task.event.data.assets[0].role}`;
  return task.history.length ? `poll/${task.history.length - 1}` : null;
}
