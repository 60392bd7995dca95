// The screen of one task: what became of it, on one time axis, and all that is known of each moment.

import { html, useEffect, useMemo, useState } from "./vendor/preact-htm.js";
import { get, withQuery } from "./api.js";
import { Axis } from "./axis.js";
import { Attempt } from "./exchange.js";
import { go, useLive, useNow } from "./live.js";
import { Acts, At, Command, Copy, Facts, Id, Json, Loading, To, Told, Trouble, When, Word } from "./parts.js";
import { axisOf, first, firstPoll, numberOf, ofEvent, over, verdict } from "./story.js";
import { answered, brief, bytes, link, plural, REASONS, seconds, span, title } from "./words.js";

const MOST_SENTENCES = 6, MOST_REPLAYS = 3;

async function load(id, signal) {
  const path = `/v1/tasks/${id}`;
  const [task, page, known] = await Promise.all([
    get(path, signal),
    get(`${path}/deliveries?limit=100`, signal),
    get("/v1/subscribers", signal),
  ]);
  return { task, deliveries: page.items, more: page.next !== null, subscribers: new Map(known.items.map((each) => [each.id, each])) };
}

/** One poll: what the provider answered, beside what was read of it. */
function PollDetail({ task, index }) {
  const poll = task.history[index];
  const kept = useLive((signal) => get(withQuery(`/v1/tasks/${task.id}/answer`, { at: poll.at }), signal), 0, [task.id, poll.at]);
  // A poll that got no answer has none of its own: what is kept is of the poll before.
  const own = kept.data && (index === 0 || seconds(kept.data.at) > seconds(task.history[index - 1].at));
  const read = kept.data?.read, number = numberOf(task, index);
  return html`<h3>${number ? `Poll ${number}` : "Request to create it"}: ${answered(poll.answer)}</h3>
    <${Facts} rows=${[
      ["at", html`<${At} at=${seconds(poll.at)} />`],
      ["progress", poll.progress === null ? null : `${poll.progress} %`],
      ["then waits", poll.pause === null ? null : `${span(poll.pause)}, ${REASONS[poll.why] ?? poll.why}`],
      ...Object.entries(poll.hints).map(([name, value]) => [`expected in all, ${REASONS[name.replace(/:.*/, "")] ?? `by its ${name}`}`, span(value)]),
    ]} />
    ${own ? html`<div class="sides">
      <section aria-label="what the provider answered"><h4>${task.provider} answered</h4>
        <p class="line"><code>HTTP ${kept.data.status}</code> <span class="dim">${bytes(kept.data.bytes)}, ${html`<${At} at=${seconds(kept.data.at)} />`}</span></p>
        <dl class="headers">${Object.entries(kept.data.headers).map(([name, value]) => html`<div key=${name}><dt>${name}</dt><dd>${value}</dd></div>`)}</dl>
        ${kept.data.body === "" ? html`<p class="dim">an empty body</p>` : html`<${Json} value=${kept.data.body} label="the provider's answer" />`}
        ${kept.data.truncated && html`<p class="dim">The rest of it was not kept.</p>`}
      </section>
      <section aria-label="what was read"><h4>what was read</h4>
        <${Facts} rows=${[
          ["status", read.status && html`<${Word}>${read.status}<//>`],
          ["the provider's word", read.provider_status && html`${read.provider_status}${!read.known_status && html` <${Word} as="warn">in no table of the file<//>`}`],
          ["progress", read.progress === null ? null : `${read.progress} %`],
          ["error", read.error && `${read.error.category}: ${read.error.message}`],
          ["error code", read.error && read.error.code],
          ["asked to wait", read.retry_after_seconds && span(read.retry_after_seconds)],
          ["counts as", answered(read.answer)],
        ]} />
        <p><${To} href=${withQuery(`/providers/${task.provider}`, { task: task.id })}>read it with the provider's file<//></p>
      </section>
    </div>` : kept.data || kept.problem ? html`<p class="dim">No answer to it is kept: there was none, or it was too long ago.</p>` : html`<div class="sides waiting"><${Loading} what="the answer" /></div>`}`;
}

function AssetDetail({ asset }) {
  const expires = seconds(asset.source_expires_at), film = asset.stored && link(asset.url);
  return html`<h3>${asset.role}: ${asset.stored ? "stored" : "not stored"}</h3>
    ${asset.store_error && html`<${Trouble} problem=${{ message: asset.store_error.message, hint: `kind: ${asset.store_error.kind}` }} />`}
    <div class="film">
      ${film && (asset.type === "image" ? html`<img src=${film} alt="the ${asset.role}" />` : html`<video controls preload="metadata" src=${film} aria-label="the ${asset.role}"></video>`)}
      <div>
        <${Facts} rows=${[
          ["type", asset.content_type ?? asset.type],
          ["size", asset.bytes !== null && bytes(asset.bytes)],
          ["length", asset.duration_ms && span(asset.duration_ms / 1000)],
          ["picture", asset.width && `${asset.width} × ${asset.height}`],
          ["sound", asset.has_audio === null || asset.has_audio === undefined ? null : asset.has_audio ? "yes" : "none"],
          ["in the bucket", asset.stored && html`<code>s3://${asset.bucket}/${asset.key}</code>`],
          ["SHA-256", asset.sha256 && html`<code class="long">${asset.sha256}</code>`],
          ["the provider's link", asset.source_url && html`<code class="long">${asset.source_url}</code>`],
          ["that link expires", expires && html`<${When} at=${expires} />`],
        ]} />
        ${film && html`<p class="buttons"><a class="button" href=${film} target="_blank" rel="noreferrer noopener">open the link</a><${Copy} text=${film} label="the link">copy the link<//></p>`}
      </div>
    </div>`;
}

function AttemptDetail({ task, delivery, number }) {
  const index = delivery.log.findIndex((each) => each.attempt === number), attempt = delivery.log[index];
  if (!attempt) return html`<p class="dim">That attempt is not shown.</p>`;
  const own = task.event?.id === delivery.event_id;
  const headers = delivery.request?.headers ?? {};
  const request = {
    method: "POST",
    url: delivery.request?.url,
    headers: "webhook-timestamp" in headers ? { ...headers, "webhook-timestamp": String(Math.floor(seconds(attempt.at))) } : headers,
    body: own ? task.event : undefined,
    note: own ? "" : "The body of this event is no longer kept here.",
  };
  return html`<h3>${delivery.event_type} to <${To} href=${`/subscribers/${delivery.subscriber}`}>${brief(delivery.request?.url) || delivery.subscriber}<//></h3>
    <${Attempt} attempt=${attempt} request=${request} next=${index + 1 === delivery.log.length && delivery.next_at} after=${delivery.log[index + 1]?.at} />`;
}

function NextDetail({ delivery, task }) {
  const at = seconds(delivery ? delivery.next_at : task.next_poll_at);
  if (delivery?.state === "held") {
    return html`<h3>Held</h3><p>It is sent when <${To} href=${`/subscribers/${delivery.subscriber}`}>the subscriber<//> is resumed, as long as the event is kept.</p>`;
  }
  return html`<h3>${delivery ? "The next attempt" : "The next poll"}</h3><p>${at === null ? "There is none." : html`<${When} at=${at} />, at <${At} at=${at} />`}</p>`;
}

function Detail({ chosen, task, deliveries }) {
  const [kind, ...rest] = (chosen ?? "").split("/");
  const delivery = deliveries.find((each) => each.event_id === rest[0] && each.subscriber === rest[1]);
  if (kind === "poll" && task.history[rest[0]]) return html`<${PollDetail} task=${task} index=${Number(rest[0])} />`;
  const asset = kind === "asset" && task.event?.data?.assets?.find((each) => each.role === rest[0]);
  if (asset) return html`<${AssetDetail} asset=${asset} />`;
  if (kind === "attempt" && delivery) return html`<${AttemptDetail} task=${task} delivery=${delivery} number=${Number(rest[2])} />`;
  if (kind === "next") return html`<${NextDetail} task=${task} delivery=${delivery} />`;
  return html`<p class="dim">Choose a mark above: it shows what was sent and answered.</p>`;
}

/** What can be done. Of many endpoints, the event can be sent again to those that stand in the way, and to the `chosen` one. */
function acts(task, deliveries, subscribers, chosen) {
  const path = `/v1/tasks/${task.id}`, name = title(task), found = [];
  const act = (label, method, to, command, rest = {}) => found.push({ label, method, path: to, command: command, ...rest });
  const open = task.event_id === null && task.settled_at === null;
  if (open && task.task_id !== null) act("poll now", "POST", `${path}/poll`, ["poll", task.id], { done: () => "It is polled at once." });
  if (task.status === "failed" && task.event_id !== null && task.snapshot?.said === false) {
    act("retry", "POST", `${path}/retry`, ["retry", task.id], { done: (answer) => `It is polled at once, and followed until ${answer.deadline_at}.` });
  }
  const late = (each) => Number(each.state === "delivered");
  const looked = (each) => Number(chosen?.includes(`/${each.subscriber}`) ?? false);
  const told = (task.event === null ? [] : ofEvent(task, deliveries)).filter((each) => subscribers.has(each.subscriber) || each.subscriber.startsWith("cb_"));
  told.sort((a, b) => (told.length > MOST_REPLAYS ? looked(b) - looked(a) : 0) || late(a) - late(b));
  for (const each of told.slice(0, MOST_REPLAYS)) {
    const to = brief(subscribers.get(each.subscriber)?.url ?? each.request?.url) || each.subscriber;
    const words = each.state === "delivered" ? { ask: `${to} has this event already. It is sent again with the same id.` } : {};
    act(`replay to ${to}`, "POST", `${path}/deliveries/${each.subscriber}/replay`, ["replay", task.id, "--subscriber", each.subscriber], { ...words, done: () => `The event is sent to ${to} again.` });
  }
  if (open) {
    act("cancel", "POST", `${path}/cancel`, ["cancel", task.id], {
      danger: true,
      ask: `Cancel ${name}? Its provider is asked to; where that is not possible, vidhook stops following it, and its end is told as failed.`,
      done: (answer) => (answer.cancel?.answer === "stopped" ? "vidhook no longer follows it." : "Its provider is asked to cancel it."),
    });
  }
  act("erase", "DELETE", path, ["erase", task.id], {
    danger: true,
    ask: `Erase ${name}, with its video and all that is stored of it? This cannot be undone.`,
    done: () => (go("/tasks"), `${name} is erased.`),
  });
  return found;
}

/** Returns how many deliveries are in each state. */
function counted(deliveries) {
  const counts = {};
  for (const each of deliveries) counts[each.state] = (counts[each.state] ?? 0) + 1;
  return counts;
}

/** Returns how many of the sentences that are not shown tell of somebody who has not got the event. */
function rest(sentences) {
  const bad = sentences.filter((line) => line.tone === "bad").length;
  return bad ? `${bad} of them not delivered` : "all is well with these";
}

export function Task({ id, query }) {
  const now = useNow();
  const every = (data) => (!data ? 2 : over(data.task, data.deliveries) ? 20 : 2);
  const { data, problem, reload } = useLive((signal) => load(id, signal), every, [id]);
  const [all, showAll] = useState(false);
  const sentences = useMemo(() => (data ? verdict(data.task, data.deliveries, data.subscribers, now) : []), [data, Math.floor(now)]);
  useEffect(() => {
    document.title = `${data ? title(data.task) : "task"} · vidhook`;
  }, [data]);
  if (!data) {
    const why = problem?.status === 404 ? { message: "There is no such task here, or no longer.", hint: id } : problem;
    // The heading stays the same element when the task is there, and keeps the focus.
    return html`
    <p class="path"><${To} href="/tasks">Tasks<//> <span aria-hidden="true">/</span></p>
    <div class="headline"><h1 tabindex="-1">Task</h1></div>
    <${Loading} problem=${why} what="the task" />`;
  }
  const { task, deliveries, subscribers, more } = data, told = ofEvent(task, deliveries);
  const shown = all || sentences.length <= MOST_SENTENCES + 1 ? sentences : sentences.slice(0, MOST_SENTENCES);
  const { lanes, lines } = axisOf(task, deliveries, subscribers, now);
  const keys = lanes.flatMap((lane) => lane.marks.map((mark) => mark.key));
  const start = first(task, deliveries, sentences);
  const chosen = keys.includes(query.at) ? query.at : keys.includes(start) ? start : keys[0];
  const choose = (key) => go(withQuery(`/tasks/${id}`, { at: key }), { replace: true });
  const hidden = firstPoll(task) - 1;
  return html`
    <p class="path"><${To} href="/tasks">Tasks<//> <span aria-hidden="true">/</span></p>
    <div class="headline"><h1 tabindex="-1">${title(task)}</h1><${Word}>${task.status}<//>${told.length > 0 && html`<span class="told"><${Told} counts=${counted(told)} ended=${seconds(task.settled_at)}> delivered<//></span>`}${task.snapshot?.progress !== null && task.snapshot?.progress !== undefined && task.event_id === null && html`<progress max="100" value=${task.snapshot.progress}>${task.snapshot.progress} %</progress>`}</div>
    <${Trouble} problem=${problem} stale />
    <ul class="verdict" aria-label="what became of it" aria-live="polite">
      ${shown.map((line, index) => html`<li key=${index} class=${line.tone}>
        <span>${line.key ? html`<a href=${withQuery(`/tasks/${id}`, { at: line.key })} onClick=${(event) => (event.preventDefault(), choose(line.key))}>${line.text}</a>` : line.text}${line.then && html` <span aria-live="off">${line.then}</span>`}</span>
        ${line.answer && html`<code>${line.answer}</code>`}
        ${line.command && html`<${Command} words=${line.command} />`}
      </li>`)}
      ${shown.length < sentences.length && html`<li class="calm"><button type="button" class="plain" onClick=${() => showAll(true)}>show ${sentences.length - shown.length} more, ${rest(sentences.slice(shown.length))}</button></li>`}
    </ul>
    <${Acts} acts=${acts(task, deliveries, subscribers, chosen)} after=${reload} />
    <${Axis} lanes=${lanes} lines=${lines} chosen=${chosen} choose=${choose} />
    ${hidden > 0 && html`<p class="dim">${plural(hidden, "earlier poll")} not shown.</p>`}
    ${more && html`<p class="dim">The first 100 deliveries are shown.</p>`}
    <section class="panel" aria-label="the chosen moment"><${Detail} chosen=${chosen} task=${task} deliveries=${deliveries} /></section>
    <section class="panel" aria-label="the task"><h2>The task</h2>
      <${Facts} rows=${[
        ["id", html`<${Id}>${task.id}<//>`],
        ["provider", html`<${To} href=${`/providers/${task.provider}`}>${task.provider}<//>`],
        ["the provider's id", task.task_id && html`<${Id}>${task.task_id}<//>`],
        ["reference", task.reference && html`<${Id}>${task.reference}<//>`],
        ["idempotency key", task.idempotency_key && html`<${Id}>${task.idempotency_key}<//>`],
        ["event", task.event_id && html`<${Id}>${task.event_id}<//>`],
        ["execution", task.execution !== task.id && html`<${Id}>${task.execution}<//>`],
        ["model", task.snapshot?.model],
        ["prompt", task.snapshot?.prompt],
        ["submitted", html`<${At} at=${seconds(task.submitted_at)} /> (<${When} at=${seconds(task.submitted_at)} />)`],
        ["deadline", task.event_id === null && html`<${At} at=${seconds(task.deadline_at)} />`],
        ["retried", task.retries > 0 && plural(task.retries, "time")],
        ["params", Object.keys(task.params).length > 0 && html`<code>${JSON.stringify(task.params)}</code>`],
        ["callback URLs", task.callback_urls.length > 0 && task.callback_urls.join(", ")],
        ["usage", task.snapshot?.usage && html`<code>${JSON.stringify(task.snapshot.usage)}</code>`],
      ]} />
      ${Object.keys(task.metadata).length > 0 && html`<h3>metadata</h3><${Json} value=${task.metadata} label="metadata" />`}
      ${task.event && html`<details><summary>the event, as it was sent</summary><${Json} value=${task.event} label="the event" /></details>`}
    </section>`;
}
