// The screen of the endpoints that are told: how each does, and all that can be done with one.

import { html, useContext, useEffect, useRef, useState } from "./vendor/preact-htm.js";
import { call, get, typed, withQuery } from "./api.js";
import { Attempt } from "./exchange.js";
import { go, useLive } from "./live.js";
import { Acts, At, Command, Copy, Dialog, Facts, Id, Loading, Shared, To, Trouble, useWork, When, Word } from "./parts.js";
import { answered, brief, clock, place, plural, seconds } from "./words.js";

const DAY = 86400, PAGES = 5, HOURS = 24;
const AT_ONCE = 300; // deliveries that one request starts
const TYPES = ["video.completed", "video.failed", "image.completed", "image.failed", "*.progress"];
const ago = (age) => new Date((Math.floor(Date.now() / 1000) - age) * 1000).toISOString().replace(".000Z", "Z");

/** Returns the newest deliveries of the last day to a subscriber, at most 500, and whether these are all. */
async function lastDay(id, signal, pages = PAGES) {
  const items = [];
  let cursor;
  for (let page = 0; page < pages; page += 1) {
    const found = await get(withQuery("/v1/deliveries", { subscriber: id, since: ago(DAY), limit: 100, cursor }), signal);
    items.push(...found.items);
    cursor = found.next;
    if (!cursor) return { items, all: true };
  }
  return { items, all: false };
}

/** Returns the state in which people see a subscriber: an active one may be failing. */
const stateOf = (subscriber) => (subscriber.state === "active" && subscriber.failing_since !== null ? "failing" : subscriber.state);

/** Returns in words what an attempt got: a status, or why there is none. */
const got = (last) => (/^\d+$/.test(last) ? `HTTP ${last}` : answered(last));

/** How the deliveries of the last day stand, by the hour in which they began. */
function Health({ id, pages, failing }) {
  const { data } = useLive((signal) => lastDay(id, signal, pages), pages === 1 ? 60 : 10, [id]);
  if (!data) return html`<span class="dim">…</span>`;
  const hours = Array.from({ length: HOURS }, () => ({ delivered: 0, open: 0, lost: 0 })), counts = {};
  for (const each of data.items) {
    const hour = Math.min(HOURS - 1, Math.max(0, Math.floor((Date.now() / 1000 - seconds(each.created_at)) / 3600)));
    const tries = each.state === "delivered" ? "delivered" : each.state === "failed" || each.state === "held" || (each.state === "due" && each.attempts) ? "lost" : "open";
    hours[HOURS - 1 - hour][tries] += 1;
    counts[each.state] = (counts[each.state] ?? 0) + 1;
  }
  const most = Math.max(1, ...hours.map((hour) => hour.delivered + hour.open + hour.lost));
  const held = data.all && data.items.findLast((each) => each.state === "held"), since = held ? ` since ${clock(seconds(held.created_at))}` : "";
  const words = Object.entries(counts).map(([state, count]) => `${count} ${state}${state === "held" ? since : ""}`).join(", ") || "nothing was sent";
  const last = failing && data.items.find((each) => each.state !== "delivered" && each.last)?.last;
  return html`<span class="health"><span class="hours" aria-hidden="true">${hours.map((hour, index) => html`<i key=${index} title=${`${plural(hour.delivered + hour.open + hour.lost, "delivery", "deliveries")}, ${HOURS - index} h ago`}>
      ${["delivered", "open", "lost"].map((kind) => html`<b class=${kind} style=${{ height: `${(100 * hour[kind]) / most}%` }}></b>`)}</i>`)}</span>
    <span>${data.all ? "" : "newest of many: "}${words}${last ? `; the last got ${got(last)}` : ""}</span></span>`;
}

function standing(subscriber) {
  if (subscriber.reason) return subscriber.reason;
  if (subscriber.failing_since) return html`failing since <${At} at=${seconds(subscriber.failing_since)} />`;
  return "";
}

function Row({ subscriber, chosen }) {
  const state = stateOf(subscriber), row = useRef(null);
  useEffect(() => {
    const list = row.current.closest(".scroll"); // of a long list the chosen one stands in the middle
    if (chosen) list.scrollTop = row.current.offsetTop - list.clientHeight / 2;
  }, [chosen]);
  return html`<tr ref=${row} class=${chosen ? "chosen" : ""}>
    <td><${Word}>${state}<//></td>
    <th scope="row"><${To} class="row" href=${`/subscribers/${subscriber.id}`} aria-current=${chosen ? "true" : undefined}>${place(subscriber.url).split(/(?=\/)/).map((part) => html`<wbr />${part}`)}<//>
      <small>${subscriber.description || subscriber.id}</small></th>
    <td>${subscriber.events.join(", ")}${subscriber.providers.includes("*") ? "" : html`<br /><small>only ${subscriber.providers.join(", ")}</small>`}</td>
    <td><${Health} id=${subscriber.id} pages=${1} failing=${state === "failing"} /></td>
    <td>${standing(subscriber)}</td>
  </tr>`;
}

/** A secret, which is shown this once. */
function Secret({ secret, close, title }) {
  return html`<${Dialog} title=${title} close=${close}>
    <p>This is the signing secret. It is shown this once: keep it where the receiver reads it.</p>
    <div class="secret"><code>${secret}</code><${Copy} text=${secret} label="the secret" /></div>
    <footer><button type="button" class="main" onClick=${close}>I have kept it</button></footer>
  <//>`;
}

function Add({ close, reload }) {
  const [problem, fail] = useState(null), [secret, show] = useState(null), [busy, work] = useState(false);
  const submit = async (event) => {
    event.preventDefault();
    const form = new FormData(event.target), given = { url: form.get("url").trim(), events: form.getAll("events") };
    const providers = form.get("providers").split(/[\s,]+/).filter(Boolean), description = form.get("description").trim(), metadata = form.get("metadata").trim();
    if (providers.length) given.providers = providers;
    if (description) given.description = description;
    try {
      if (metadata) given.metadata = JSON.parse(metadata);
    } catch {
      return fail({ message: "metadata is not JSON", hint: 'such as {"team": "a"}', field: "metadata" });
    }
    work(true);
    try {
      const added = await call("POST", "/v1/subscribers", given);
      show(added);
      reload();
    } catch (trouble) {
      fail(trouble);
    }
    work(false);
  };
  if (secret) return html`<${Secret} title="It is added" secret=${secret.secret} close=${() => (close(), go(`/subscribers/${secret.id}`))} />`;
  return html`<${Dialog} title="Add a subscriber" close=${close}><form class="form" onSubmit=${submit}>
    <label>URL <input name="url" type="url" required placeholder="https://example.com/hook" maxlength="2048" autofocus /></label>
    <fieldset><legend>events</legend>${TYPES.map((type) => html`<label key=${type} class="check"><input type="checkbox" name="events" value=${type} checked=${!type.includes("progress")} /> ${type}</label>`)}</fieldset>
    <label>only these providers <input name="providers" placeholder="all" /></label>
    <label>only tasks with this metadata <input name="metadata" placeholder=${'{"team": "a"}'} /></label>
    <label>description <input name="description" maxlength="512" /></label>
    <${Trouble} problem=${problem && { ...problem, message: problem.message, hint: problem.hint }} />
    <footer><button type="button" onClick=${close}>no, leave it</button><button class="main" disabled=${busy}>add it</button></footer>
  </form><//>`;
}

function Rotate({ subscriber, close, reload }) {
  const [hours, set] = useState(24), [secret, show] = useState(null), [problem, fail] = useState(null);
  const rotate = async () => {
    try {
      show((await call("POST", `/v1/subscribers/${subscriber.id}/rotate`, { keep_seconds: Math.round(hours * 3600) })).secret);
      reload();
    } catch (trouble) {
      fail(trouble);
    }
  };
  if (secret) return html`<${Secret} title="The new secret" secret=${secret} close=${close} />`;
  return html`<${Dialog} title="Rotate the secret" close=${close}>
    <p>A new secret is made. The old one signs beside it for a while, so that the receiver can change over.</p>
    <label>the old one signs for <input type="number" min="0" max="168" step="1" value=${hours} onInput=${(event) => set(Number(event.target.value))} /> hours</label>
    <${Trouble} problem=${problem} />
    <footer><button type="button" onClick=${close}>no, leave it</button><button type="button" class="main" onClick=${rotate}>rotate</button></footer>
  <//>`;
}

function Secrets({ id, version }) {
  const { data, problem } = useLive((signal) => get(`/v1/subscribers/${id}/secrets`, signal), 60, [id, version]);
  if (!data) return problem ? html`<span class="dim">${problem.message}</span>` : "…";
  return html`${plural(data.items.length, "secret signs", "secrets sign")}${data.items.filter((each) => each.ends_at).map((each) => html`; the older one ends <${When} at=${seconds(each.ends_at)} />`)}`;
}

/** A test event, with both sides of the exchange. */
function Test({ id }) {
  const { about } = useContext(Shared);
  const [tested, set] = useState(null), [busy, work] = useWork();
  const send = () => work(async () => set(await call("POST", `/v1/subscribers/${id}/test`)));
  return html`<h3>Test event</h3>
    <p class="buttons"><button type="button" onClick=${send} disabled=${busy}>${busy ? "sending …" : "send a test event"}</button><${Copy} text=${typed(about, ["subscribers", "test", id])} label="as a command">copy as CLI<//></p>
    ${tested && html`<${Attempt} attempt=${tested.attempt} request=${{ ...tested.request, body: tested.event }} />`}`;
}

const VERDICTS = { ok: "ok", warning: "due", wrong: "wrong" };

/** What the endpoint gets right and wrong, as the doctor finds it. */
function Doctor({ id }) {
  const [found, set] = useState(null), [busy, work] = useWork();
  const examine = () => work(async () => set(await call("POST", `/v1/subscribers/${id}/doctor`)));
  return html`<h3>Doctor</h3>
    <p class="buttons"><button type="button" onClick=${examine} disabled=${busy}>${busy ? "examining, up to half a minute …" : "examine the endpoint"}</button> <span class="dim">sends good, forged, stale and repeated test events</span></p>
    ${found && html`<div class="scroll"><table class="findings"><thead><tr><th scope="col">verdict</th><th scope="col">a good endpoint</th><th scope="col">found</th></tr></thead>
      <tbody>${found.findings.map((each) => html`<tr key=${each.probe}><td><${Word} as=${VERDICTS[each.verdict]}>${each.verdict}<//></td><th scope="row">${each.rule}</th><td>${each.found}${each.hint && html`<small>${each.hint}</small>`}</td></tr>`)}</tbody></table></div>
      ${!found.complete && html`<p class="dim">The time was over before all probes were sent.</p>`}`}`;
}

const local = (at) => new Date(at * 1000 - new Date(at * 1000).getTimezoneOffset() * 60000).toISOString().slice(0, 16);

/** Sends all that failed in a time again, after it was counted. */
function Recover({ id, reload }) {
  const { tell } = useContext(Shared);
  const now = Date.now() / 1000;
  const [from, setFrom] = useState(local(now - DAY)), [until, setUntil] = useState(local(now + 60)), [found, count] = useState(null);
  const range = () => ({ since: new Date(from).toISOString(), until: new Date(until).toISOString() });
  const act = async (dry) => {
    try {
      const answer = await call("POST", `/v1/subscribers/${id}/recover`, { ...range(), dry_run: dry });
      if (dry) return count(answer);
      count(null);
      tell(`${plural(answer.started, "delivery is", "deliveries are")} sent again.${answer.all ? "" : " Count again for the rest."}`);
      reload();
    } catch (problem) {
      tell(problem instanceof RangeError ? "That is no time." : problem.message, problem);
    }
  };
  const set = (change) => (event) => (change(event.target.value), count(null));
  return html`<h3>Send again all that failed</h3>
    <p class="dim">Those that were given up. What is due is tried again without you.</p>
    <form class="range" onSubmit=${(event) => (event.preventDefault(), act(true))}>
      <label>from <input type="datetime-local" value=${from} onInput=${set(setFrom)} required /></label>
      <label>to <input type="datetime-local" value=${until} onInput=${set(setUntil)} required /></label>
      <button>count them</button>
      ${found !== null && html`<span role="status">${found.all ? "" : "at least "}${plural(found.found, "delivery", "deliveries")} failed then.</span> ${found.found > 0 && html`<button type="button" class="main" onClick=${() => act(false)}>send ${found.found > AT_ONCE ? `the first ${AT_ONCE}` : found.found === 1 ? "it" : `all ${found.found}`} again</button>`}`}
    </form>`;
}

function Recent({ id }) {
  const { data } = useLive((signal) => get(withQuery("/v1/deliveries", { subscriber: id, limit: 20 }), signal), 5, [id]);
  if (!data?.items.length) return html`<p class="dim">${data ? "Nothing was sent to it yet." : "…"}</p>`;
  return html`<div class="scroll"><table><thead><tr><th scope="col">state</th><th scope="col">event</th><th scope="col" class="number">attempts</th><th scope="col">last got</th><th scope="col">next try</th><th scope="col">began</th></tr></thead>
    <tbody>${data.items.map((each) => html`<tr key=${each.event_id}><td><${Word}>${each.state}<//></td>
      <th scope="row"><${To} href=${`/tasks/${each.task}`}>${each.event_type}<//><small>${each.task}</small></th>
      <td class="number"><span class="narrow">attempts </span>${each.attempts}</td>
      <td>${each.last && html`<span class="narrow">last got </span>${got(each.last)}`}</td>
      <td>${each.next_at && html`<span class="narrow">next try </span><${When} at=${seconds(each.next_at)} />`}</td>
      <td><span class="narrow">began </span><${When} at=${seconds(each.created_at)} /></td></tr>`)}</tbody></table></div>`;
}

function Subscriber({ id, reload }) {
  const { data: subscriber, problem, reload: again } = useLive((signal) => get(`/v1/subscribers/${id}`, signal), 5, [id]);
  const [rotating, rotate] = useState(false), [version, renew] = useState(0), panel = useRef(null);
  useEffect(() => {
    // Below a long list nobody would see that it has come.
    if (panel.current && panel.current.getBoundingClientRect().top > innerHeight - 120) panel.current.scrollIntoView();
  }, [subscriber === undefined]);
  if (!subscriber) return html`<section class="panel"><${Loading} problem=${problem} what="the subscriber" /></section>`;
  const own = id.startsWith("sub_"), path = `/v1/subscribers/${id}`;
  const after = () => (again(), reload());
  const acts = [];
  const act = (label, method, to, command, rest) => acts.push({ label, method, path: to, command: ["subscribers", ...command], ...rest });
  if (subscriber.state === "active") act("pause", "POST", `${path}/pause`, ["pause", id], { done: () => "It is paused; what comes is held." });
  else act("resume", "POST", `${path}/resume`, ["resume", id], { done: (answer) => `It is active; ${plural(answer.drained, "held delivery is", "held deliveries are")} sent.` });
  if (own) act("remove", "DELETE", path, ["remove", id], { danger: true, ask: `Remove ${subscriber.url}? What it has not got is cancelled. This cannot be undone.`, done: () => (go("/subscribers"), "It is removed.") });
  return html`<section class="panel" aria-label="the subscriber" ref=${panel}>
    <div class="headline"><h2>${brief(subscriber.url)}</h2><${Word}>${stateOf(subscriber)}<//></div>
    <${Trouble} problem=${problem} stale />
    <${Facts} rows=${[
      ["URL", html`<code class="long">${subscriber.url}</code>`],
      ["id", html`<${Id}>${id}<//>`],
      ["why", subscriber.reason],
      ["failing since", subscriber.failing_since && html`<${At} at=${seconds(subscriber.failing_since)} /> (<${When} at=${seconds(subscriber.failing_since)} />)`],
      ["last failure", subscriber.last_failure && html`<${When} at=${seconds(subscriber.last_failure)} />`],
      ["nothing is sent before", subscriber.quiet_until && html`<${When} at=${seconds(subscriber.quiet_until)} />`],
      ["events", subscriber.events.join(", ")],
      ["providers", subscriber.providers.includes("*") ? "all" : subscriber.providers.join(", ")],
      ["only with metadata", Object.keys(subscriber.metadata).length > 0 && html`<code>${JSON.stringify(subscriber.metadata)}</code>`],
      ["own headers", subscriber.header_names.join(", ")],
      ["description", subscriber.description],
      ["added", html`<${When} at=${seconds(subscriber.created_at)} />`],
      ["last day", html`<${Health} id=${id} failing=${stateOf(subscriber) === "failing"} />`],
      ["signing", own ? html`<${Secrets} id=${id} version=${version} /> <button type="button" class="copy" onClick=${() => rotate(true)}>rotate</button>` : "with the stack's own secret"],
    ]} />
    <${Acts} acts=${acts} after=${after} />
    ${rotating && html`<${Rotate} subscriber=${subscriber} close=${() => rotate(false)} reload=${() => renew(version + 1)} />`}
    <${Test} key=${`test-${id}`} id=${id} />
    <${Doctor} key=${`doctor-${id}`} id=${id} />
    <${Recover} key=${`recover-${id}`} id=${id} reload=${after} />
    <h3>Latest deliveries</h3><${Recent} id=${id} />
  </section>`;
}

const STATES = ["disabled", "failing", "paused", "active"]; // in the order in which they need somebody

/** Returns the subscribers with those first that need somebody to look at them. */
const byState = (items) => [...items].sort((a, b) => STATES.indexOf(stateOf(a)) - STATES.indexOf(stateOf(b)));

/** Returns how many subscribers are in each state, as words. */
const standings = (items) => STATES.map((state) => [items.filter((each) => stateOf(each) === state).length, state]).filter(([count]) => count).map(([count, state]) => `${count} ${state}`).join(", ");

export function Subscribers({ id }) {
  const { data, problem, reload } = useLive((signal) => get("/v1/subscribers", signal), 5, []);
  const [adding, add] = useState(false);
  useEffect(() => {
    document.title = "Subscribers · vidhook";
  }, []);
  return html`
    <div class="headline"><h1 tabindex="-1">Subscribers</h1>${data?.items.length > 0 && html`<span class="dim">${standings(data.items)}</span>`}<button type="button" class="main" onClick=${() => add(true)}>add one</button></div>
    ${adding && html`<${Add} close=${() => add(false)} reload=${reload} />`}
    <${Trouble} problem=${data && problem} stale />
    ${!data ? html`<${Loading} problem=${problem} what="the subscribers" />` : !data.items.length ? html`<div class="empty-state"><h2>Nobody is told yet</h2><p>Add the endpoint that receives the webhooks, here or with:</p><${Command} words=${["subscribers", "add", "https://example.com/hook"]} /></div>` : html`<div class="scroll ${id ? "beside" : ""}"><table><thead><tr>
      <th scope="col">state</th><th scope="col">endpoint</th><th scope="col">events</th><th scope="col">last day</th><th scope="col">why</th></tr></thead>
      <tbody>${byState(data.items).map((each) => html`<${Row} key=${each.id} subscriber=${each} chosen=${each.id === id} />`)}</tbody></table></div>`}
    ${id && (data || problem) && html`<${Subscriber} key=${id} id=${id} reload=${reload} />`}`;
}
