// The screen of all tasks: how each provider does, a search, filters, and rows that change in place.

import { html, useContext, useEffect, useRef, useState } from "./vendor/preact-htm.js";
import { call, get, withQuery } from "./api.js";
import { go, useKeys, useLive, useNow } from "./live.js";
import { At, Changing, Command, Loading, Shared, To, Told, Trouble, useWork, When, Word } from "./parts.js";
import { answered, away, plural, seconds, span, title, tone } from "./words.js";

const PAGE = 50;
const STATUSES = ["pending", "processing", "completed", "failed"];
const AGES = { "1h": 3600, "24h": 86400, "7d": 604800 };

/** Returns the address of this screen with some of its filters changed. */
const filtered = (query, changes) => withQuery("/tasks", { ...query, ...changes });

function listPath({ provider, status, age }, cursor) {
  const since = AGES[age] && new Date((Math.floor(Date.now() / 60000) * 60 - AGES[age]) * 1000).toISOString().replace(".000Z", "Z");
  return withQuery("/v1/tasks", { provider, status, since, limit: PAGE, cursor, with: "deliveries" });
}

/** Shows the tasks that a text names; exactly one is opened at once. */
export async function find(text, tell) {
  const wanted = text.trim();
  if (wanted === "") return go("/tasks");
  try {
    const found = (await get(withQuery("/v1/tasks", { find: wanted }))).items;
    if (found.length === 1) return go(`/tasks/${found[0].id}`);
    go(withQuery("/tasks", { find: wanted }));
  } catch (problem) {
    tell(problem.message, problem);
  }
}

function Provider({ row, query }) {
  const errors = Object.entries(row.errors).filter(([word, count]) => count && !(word === "key_refused" && row.key_refused_since));
  const on = query.provider === row.provider;
  return html`<li class="card ${row.key_refused_since ? "bad" : ""}">
    <h3><${To} href=${filtered(query, { provider: on ? undefined : row.provider, find: undefined })} aria-current=${on}>${row.provider}<//></h3>
    <p><strong>${row.running}</strong> running${row.polls_a_task !== null && html`<span class="dim"> · ${plural(row.polls_a_task, "poll")} a task</span>`}</p>
    <p class="dim">${row.recent_seconds.p50 !== null && `last hour: ${row.recent} ended`}</p>
    ${row.recent_seconds.p50 !== null && html`<p class="dim">p50 ${span(row.recent_seconds.p50)} · p90 ${span(row.recent_seconds.p90)}</p>`}
    <p class="dim">${row.seconds.p50 === null ? "durations are not known yet" : `usually p50 ${span(row.seconds.p50)} · p90 ${span(row.seconds.p90)}`}</p>
    ${errors.length > 0 && html`<p class="warn-text">last hour: ${errors.map(([word, count]) => `${count} × ${answered(word)}`).join(", ")}</p>`}
    ${row.key_refused_since && html`<p class="bad-text">key refused since <${At} at=${seconds(row.key_refused_since)} /></p><${Command} words=${["keys", "set", row.provider]} />`}
  </li>`;
}

/** How much a provider needs somebody to look at it: its card comes first. */
const trouble = (row) => (row.key_refused_since ? 2 : Object.values(row.errors).some(Boolean) ? 1 : 0);

function Activity({ query, quiet }) {
  const { data, problem } = useLive((signal) => get("/v1/activity", signal), 10, []);
  if (!data && problem) return quiet ? null : html`<${Trouble} problem=${problem} />`;
  if (!data) return html`<ul class="cards" aria-hidden="true"><li class="card empty"></li></ul>`;
  if (!data.items.length) return null;
  return html`<ul class="cards" aria-label="providers">${[...data.items].sort((a, b) => trouble(b) - trouble(a)).map((row) => html`<${Provider} key=${row.provider} row=${row} query=${query} />`)}</ul>
    ${!data.all && html`<p class="dim">Counted among the ${data.looked_at} tasks that move next and the newest ones.</p>`}`;
}

function What({ task, now }) {
  const next = seconds(task.next_poll_at), last = seconds(task.settled_at);
  if (task.event_id !== null && last !== null) return `ended ${away(Math.min(last, now), now)}, after ${span(last - seconds(task.retried_at ?? task.submitted_at))}`;
  if (task.settled_at !== null) return "is being stored";
  if (next === null) return "";
  const what = task.creation && task.task_id === null ? "next request" : "next poll";
  const then = next > now ? `${what} in ${span(Math.ceil(next - now))}` : `${what} now`;
  const word = task.last_answer;
  return [...STATUSES, "created", null].includes(word) ? then : html`<span class="${tone(word)}-text">${answered(word)}</span> · ${then}`;
}

function Row({ task, now }) {
  const progress = task.snapshot?.progress, open = task.event_id === null;
  return html`<tr>
    <td><${Word}>${task.status}<//></td>
    <th scope="row"><${To} class="row" href=${`/tasks/${task.id}`}>${title(task)}<//>
      <small>${task.reference ? `${task.provider}/${task.task_id ?? "not created yet"}` : task.id}${task.snapshot?.model ? ` · ${task.snapshot.model}` : ""}</small></th>
    <td class="moves">${open && progress !== null && progress !== undefined && html`<progress max="100" value=${progress} aria-label="progress">${progress} %</progress><${Changing}>${`${progress} %`}<//> · `}<span><${What} task=${task} now=${now} /></span></td>
    <td class="number"><span class="narrow">polls </span><${Changing}>${task.polls}<//></td>
    <td><span class="narrow">delivered </span>${task.deliveries && !open ? html`<${Told} counts=${task.deliveries} ended=${seconds(task.settled_at)} />` : html`<span class="dim">-</span>`}</td>
    <td class="when"><span class="narrow">submitted </span><${When} at=${seconds(task.submitted_at)} /></td>
  </tr>`;
}

function Rows({ tasks }) {
  const now = useNow(), body = useRef(null);
  const move = (by) => {
    const links = [...body.current.querySelectorAll("a.row")], index = links.indexOf(document.activeElement);
    const next = links[index < 0 ? 0 : index + by];
    if (next) next.focus();
    return Boolean(next);
  };
  useKeys({ ArrowDown: () => move(1), ArrowUp: () => move(-1), j: () => move(1), k: () => move(-1) });
  return html`<table class="tasks"><thead><tr>
      <th scope="col">status</th><th scope="col">task</th><th scope="col">progress</th><th scope="col" class="number">polls</th><th scope="col">delivered</th><th scope="col">submitted</th>
    </tr></thead>
    <tbody ref=${body}>${tasks.map((task) => html`<${Row} key=${task.id} task=${task} now=${now} />`)}</tbody></table>`;
}

/** Buttons that submit a task whose end is known. */
export function Samples({ after }) {
  const { about, tell } = useContext(Shared);
  const [, work] = useWork();
  if (!about?.samples?.length) return null;
  const submit = (sample) => work(async () => {
    const id = Math.random().toString(36).slice(2, 10);
    const submission = JSON.parse(JSON.stringify(sample.submission).replaceAll("{id}", id));
    await call("POST", "/v1/tasks", submission);
    tell(`${title({ ...submission, reference: submission.reference ?? null })} is submitted.`);
    await after?.();
  });
  return html`<div class="samples" role="group" aria-label="submit a sample task"><span class="dim">try</span>
    ${about.samples.map((sample) => html`<button type="button" key=${sample.label} onClick=${() => submit(sample)}>${sample.label}</button>`)}</div>`;
}

function Empty({ query, reload }) {
  if (query.find) return html`<div class="empty-state"><h2>No task is called "${query.find}"</h2>
    <p>A search is exact: a reference, tsk_..., evt_..., provider/task_id, or the provider's id. A task that was submitted without a reference is found by its metadata with the command:</p>
    <${Command} words=${["tasks", "--metadata", "order=17"]} /></div>`;
  if (query.provider || query.status || query.age) return html`<div class="empty-state"><h2>No such task</h2><p><${To} href="/tasks">Show all tasks<//></p></div>`;
  return html`<div class="empty-state"><h2>No task yet</h2><ol>
    <li>Give the stack your key of a provider. <${Command} words=${["keys", "set", "alad"]} /></li>
    <li>Name an endpoint that is told. <${Command} words=${["subscribers", "add", "https://example.com/hook"]} /></li>
    <li>Submit a task that you have created there. <${Command} words=${["submit", "alad", "TASK_ID"]} /></li></ol>
    <${Samples} after=${reload} /></div>`;
}

export function Tasks({ query }) {
  const filters = [query.provider, query.status, query.age, query.find];
  const path = query.find ? withQuery("/v1/tasks", { find: query.find, provider: query.provider, status: query.status, with: "deliveries" }) : null;
  const { data, problem, reload } = useLive((signal) => get(path ?? listPath(query), signal), 2, filters);
  const [busy, work] = useWork();
  const [older, setOlder] = useState({ items: [], next: undefined });
  const providers = useLive((signal) => get("/v1/providers", signal), 0, []).data?.items ?? [];
  useEffect(() => {
    document.title = "Tasks · vidhook";
  }, []);
  useEffect(() => setOlder({ items: [], next: undefined }), filters);
  const next = older.next === undefined ? data?.next : older.next;
  const newest = new Set(data?.items.map((task) => task.id));
  const tasks = data ? [...data.items, ...older.items.filter((task) => !newest.has(task.id))] : [];
  const more = () => work(async () => {
    const page = await get(listPath(query, next));
    // What has moved from the first page since stays here.
    setOlder({ items: [...(older.items.length ? older.items : data.items), ...page.items], next: page.next });
  });
  const chip = (name, value, label = value) => {
    const on = query[name] === value;
    return html`<${To} key=${label} class="chip" aria-current=${on ? "true" : undefined} href=${filtered(query, { [name]: on ? undefined : value, find: undefined })}>${label}<//>`;
  };
  const names = [...new Set([...providers.map((each) => each.provider), ...(query.provider ? [query.provider] : [])])];
  return html`
    <div class="headline"><h1 tabindex="-1">Tasks</h1><${Samples} after=${reload} /></div>
    <${Activity} query=${query} quiet=${!data} />
    <div class="filters" role="group" aria-label="filters">
      <label class="chip select">provider <select value=${query.provider ?? ""} onChange=${(event) => go(filtered(query, { provider: event.target.value, find: undefined }))}>
        <option value="">all</option>${names.map((name) => html`<option key=${name} value=${name}>${name}</option>`)}</select></label>
      ${STATUSES.map((status) => chip("status", status))}
      <span class="gap"></span>
      ${Object.keys(AGES).map((age) => chip("age", age, `last ${age}`))}
      ${query.find && html`<${To} class="chip" aria-current="true" href=${filtered(query, { find: undefined })}>"${query.find}" ✕<//>`}
    </div>
    <${Trouble} problem=${data && problem} stale />
    ${!data ? html`<${Loading} problem=${problem} what="the tasks" />` : tasks.length ? html`<${Rows} tasks=${tasks} />` : html`<${Empty} query=${query} reload=${reload} />`}
    ${data && next && html`<p class="center"><button type="button" onClick=${more} disabled=${busy}>${busy ? "loading …" : "older tasks"}</button></p>`}
    ${tasks.length > 0 && html`<p class="dim center">${plural(tasks.length, "task")}${next ? " shown, there are older ones" : ""}</p>`}`;
}
