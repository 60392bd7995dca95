// The screen of provider files: the file beside an answer, and below what is read in it and what comes next.

import { html, useContext, useEffect, useMemo, useRef, useState } from "./vendor/preact-htm.js";
import { call, get, withQuery } from "./api.js";
import { go, useLive } from "./live.js";
import { Command, Copy, Dialog, Json, Loading, Shared, To, Trouble, useWork, Word } from "./parts.js";
import { plural, span, title, written } from "./words.js";

const WAIT_MS = 350, MOST_BARS = 12, NEW = "new-provider";
const EMPTY = `name = "${NEW}"
base_url = "https://api.example.com"
path = "/v1/tasks/{task_id}"
format = "generic"      # knows the usual names of all fields
expected_seconds = 120  # how long a task usually takes

[auth]
header = "Authorization"
value = "Bearer {key}"
`;

/** A text with the numbers of its lines; `marks` are { line, tone } of those that something is said about. */
function Editor({ text, change, marks, label }) {
  const [top, scroll] = useState(0), count = text.split("\n").length;
  const tones = new Map(marks.map((mark) => [mark.line, mark.tone]));
  return html`<div class="editor">
    <div class="gutter" aria-hidden="true"><div style=${{ transform: `translateY(${-top}px)` }}>${Array.from({ length: count }, (_, index) => html`<span key=${index} class=${tones.get(index + 1) ?? ""}>${index + 1}</span>`)}</div></div>
    <textarea aria-label=${label} wrap="off" spellcheck=${false} autocomplete="off" value=${text} onInput=${(event) => change(event.target.value)} onScroll=${(event) => scroll(event.target.scrollTop)}></textarea>
  </div>`;
}

/** Returns the lines of two texts as { sign, text }: "-" only before, "+" only after. */
export function difference(before, after) {
  const a = before.split("\n"), b = after.split("\n");
  const common = Array.from({ length: a.length + 1 }, () => new Uint16Array(b.length + 1));
  for (let i = a.length - 1; i >= 0; i -= 1) {
    for (let j = b.length - 1; j >= 0; j -= 1) common[i][j] = a[i] === b[j] ? common[i + 1][j + 1] + 1 : Math.max(common[i + 1][j], common[i][j + 1]);
  }
  const lines = [];
  let i = 0, j = 0;
  while (i < a.length || j < b.length) {
    if (i < a.length && j < b.length && a[i] === b[j]) lines.push({ sign: " ", text: a[i] }), (i += 1), (j += 1);
    else if (j >= b.length || (i < a.length && common[i + 1][j] >= common[i][j + 1])) lines.push({ sign: "-", text: a[i] }), (i += 1);
    else lines.push({ sign: "+", text: b[j] }), (j += 1);
  }
  return lines;
}

function Difference({ before, after, close, what }) {
  const lines = useMemo(() => difference(before, after), [before, after]);
  const same = lines.every((line) => line.sign === " ");
  return html`<${Dialog} title="Compared with ${what}" close=${close}>
    ${same ? html`<p>They are the same.</p>` : html`<pre class="difference" tabindex="0">${lines.map((line, index) => html`<span key=${index} class=${{ "-": "gone", "+": "new" }[line.sign] ?? ""}>${line.sign} ${line.text}\n</span>`)}</pre>`}
    <footer><button type="button" class="main" onClick=${close}>close</button></footer>
  <//>`;
}

/** The answer that is read: written here, kept of a task, or asked for now. */
function Answer({ name, answer, change, chosen, exists }) {
  const [task, setTask] = useState(""), [request, show] = useState(null);
  const [, taking] = useWork(), [busy, asking] = useWork();
  const tasks = useLive((signal) => (exists ? get(withQuery("/v1/tasks", { provider: name, limit: 20 }), signal) : { items: [] }), 15, [name, exists]).data?.items ?? [];
  const use = (kept, from, of) => change({ status: kept.status, headers: kept.headers, text: written(kept.body), from, task: of });
  const take = (id) => id && taking(async () => {
    const kept = await get(`/v1/tasks/${id}/answer`);
    show(null);
    use(kept, `the latest answer of ${id}`, tasks.find((each) => each.id === id)?.task_id ?? "");
  });
  useEffect(() => void take(chosen), [chosen]);
  const ask = (event) => {
    event.preventDefault();
    return asking(async () => {
      const { exchanges } = await call("POST", `/v1/providers/${name}/ask`, { task_id: task.trim() });
      const last = exchanges.at(-1);
      show(last.request);
      use(last.answer, "answered now", task.trim());
    });
  };
  return html`<div class="answer">
    <div class="bar-above"><h2>an answer</h2>
      <label>HTTP <input class="short" type="number" min="100" max="599" value=${answer.status} onInput=${(event) => change({ ...answer, status: Number(event.target.value) })} /></label>
      ${tasks.length > 0 && html`<label>take the latest of <select onChange=${(event) => take(event.target.value)}><option value="">a task …</option>${tasks.map((each) => html`<option key=${each.id} value=${each.id}>${title(each)} (${each.status})</option>`)}</select></label>`}
    </div>
    <${Editor} label="the provider's answer, as JSON or another text" text=${answer.text} change=${(text) => change({ ...answer, text, from: "" })} marks=${[]} />
    ${exists && html`<form class="range" onSubmit=${ask}><label>ask now about the task <input value=${task} onInput=${(event) => setTask(event.target.value)} placeholder="the provider's id" required maxlength="512" /></label><button disabled=${busy}>${busy ? "asking …" : "ask"}</button>
      <span class="dim">${answer.from}</span></form>`}
    ${request && html`<details><summary>${request.method} ${request.url}</summary><${Json} value=${request.headers} label="the headers that were sent" /></details>`}
  </div>`;
}

function Reading({ checked, answer }) {
  if (!checked) return html`<p class="dim" role="status">checking …</p>`;
  const { fields, reading, next } = checked;
  if (!checked.ok || !answer.text.trim()) return html`<p class="dim">${checked.ok ? "The file can be used. Give it an answer, and all that is read of it stands here." : "The file cannot be used yet: what to change stands below it."}</p>`;
  return html`<div class="scroll"><table class="reading"><thead><tr><th scope="col">field</th><th scope="col">what is read</th><th scope="col">where it stands</th></tr></thead>
    <tbody>${fields.map((each, index) => html`<tr key=${index}><th scope="row">${each.field}</th><td><code>${typeof each.value === "string" ? each.value : JSON.stringify(each.value)}</code>
      ${each.field === "provider_status" && reading?.known_status === false && html` <${Word} as="warn">in no table of the file<//>`}</td><td>${each.path ? html`<span class="narrow">from </span><code>${each.path}</code>` : html`<span class="dim">follows from the rest</span>`}</td></tr>`)}</tbody></table></div>
    ${!fields.length && html`<p>Nothing is read in this answer.</p>`}
    ${next && html`<p class="next"><strong>Then</strong> ${next.seconds ? "it is " : ""}${next.text}</p>`}
    <details><summary>all that is read, as JSON</summary><${Json} value=${reading} label="the reading" /></details>`;
}

/** Returns ranges of durations, which may be very many, as at most twelve. */
function ranges(durations) {
  const step = Math.ceil(durations.length / MOST_BARS), rows = [];
  for (let first = 0; first < durations.length; first += step) {
    const own = durations.slice(first, first + step);
    rows.push({ from: own[0].from, to: own.at(-1).to, weight: own.reduce((sum, each) => sum + each.weight, 0) });
  }
  return rows;
}

function Pace({ name }) {
  const { data } = useLive((signal) => get(`/v1/providers/${name}/pace`, signal), 30, [name]);
  if (!data) return null;
  if (!data.items.length) return html`<p class="dim">Nothing is learned yet of how long its tasks take.</p>`;
  return data.items.map((kind) => {
    const rows = ranges(kind.durations), most = Math.max(...rows.map((each) => each.weight));
    return html`<figure class="pace" key=${`${kind.model}/${kind.object}`}>
      <figcaption><strong>${kind.model || "no model"}</strong> (${kind.object}), ${plural(kind.tasks, "task")}: ${Object.entries(kind.seconds).map(([share, value]) => `${share} within ${span(value)}`).join(", ")}. ${plural(kind.polls_a_task, "poll")} a task, told ${span(kind.mean_delay)} after the end. The next one is polled at ${kind.next_task_polled_at.map((at) => span(at)).join(", ")}.</figcaption>
      <div class="bars" role="img" aria-label="how many tasks took how long">${rows.map((each) => html`<div key=${each.from}><span>${each.to === null ? `over ${span(each.from)}` : `to ${span(each.to)}`}</span><b style=${{ width: `${(100 * each.weight) / most}%` }}></b></div>`)}</div>
    </figure>`;
  });
}

function Provider({ name, query, exists, reload }) {
  const { tell } = useContext(Shared);
  const kept = useLive((signal) => (exists ? get(`/v1/providers/${name}`, signal) : { toml: EMPTY, source: "new", bundled_toml: null }), 0, [name, exists]);
  const [draft, write] = useState(null), [answer, change] = useState({ status: 200, headers: {}, text: "", from: "", task: "" });
  const [checked, show] = useState(null), [comparing, compare] = useState(null), [removing, ask] = useState(false), [trouble, fail] = useState(null);
  const order = useRef(0), [, work] = useWork();
  const text = draft ?? kept.data?.toml;
  useEffect(() => {
    if (text === undefined) return;
    const number = (order.current += 1);
    const timer = setTimeout(async () => {
      let body;
      try {
        body = { body: JSON.parse(answer.text) };
      } catch {
        body = { text: answer.text };
      }
      const given = answer.text.trim() ? { answer: { status: answer.status, headers: answer.headers, ...body } } : {};
      if (given.answer && answer.task) given.task_id = answer.task;
      try {
        const found = await call("POST", "/v1/readings", { toml: text, ...given });
        if (number === order.current) show(found), fail(null);
      } catch (problem) {
        if (number === order.current) fail(problem);
      }
    }, WAIT_MS);
    return () => clearTimeout(timer);
  }, [text, answer]);
  if (!kept.data) return html`<${Loading} problem=${kept.problem} what="the file" />`;
  const named = /^\s*name\s*=\s*["']([a-z0-9][a-z0-9_-]{0,63})["']/m.exec(text)?.[1];
  const put = () => work(async () => {
    await call("PUT", `/v1/providers/${named}`, { toml: text });
    tell(`${named} is stored. Open tasks use it from their next poll on, within a minute.`);
    reload();
    if (named === name) await kept.reload(), write(null);
    else go(`/providers/${named}`);
  });
  const remove = () => work(async () => {
    ask(false);
    await call("DELETE", `/v1/providers/${name}`);
    tell(kept.data.bundled_toml ? "The bundled file is in use again." : "It is removed.");
    reload();
    if (kept.data.bundled_toml) await kept.reload(), write(null);
    else go("/providers");
  });
  const changed = draft !== null && draft !== kept.data.toml;
  const marks = [...(checked?.warnings ?? []).map((each) => ({ line: each.line, tone: "warn" })), ...(checked?.problems ?? []).map((each) => ({ line: each.line, tone: "bad" }))];
  const source = { bundled: "shipped with vidhook", stored: "stored in the stack", built_in: "built in", new: "not stored" }[kept.data.source];
  return html`
    <div class="two">
      <div class="file">
        <div class="bar-above"><h2>${exists ? `${name}.toml` : "a new file"}</h2><span class="dim">${source}${changed ? ", changed here" : ""}</span></div>
        <${Editor} label="the provider file" text=${text} change=${write} marks=${marks} />
        <ul class="problems" aria-live="polite">
          ${(checked?.problems ?? []).map((each, index) => html`<li key=${index} class="bad"><strong>${each.line ? `line ${each.line}: ` : ""}${each.field ? `${each.field}: ` : ""}${each.problem}</strong> ${each.hint}</li>`)}
          ${(checked?.warnings ?? []).map((each, index) => html`<li key=${index} class="warn">${each.line ? `line ${each.line}: ` : ""}${each.text}</li>`)}
        </ul>
        <p class="buttons">
          <button type="button" class="main" onClick=${put} disabled=${!checked?.ok || !named || !changed}>put it into the stack</button>
          ${exists && html`<button type="button" onClick=${() => compare({ before: kept.data.toml, what: "the file in use" })}>compare with what is in use</button>`}
          ${kept.data.source === "stored" && kept.data.bundled_toml && html`<button type="button" onClick=${() => compare({ before: kept.data.bundled_toml, what: "the file that is shipped" })}>compare with what is shipped</button>`}
          ${changed && html`<button type="button" onClick=${() => write(null)}>undo all</button>`}
          ${kept.data.source === "stored" && html`<button type="button" class="danger" onClick=${() => ask(true)}>remove it from the stack</button>`}
          <${Copy} text=${text} label="the file">copy the file<//>
        </p>
      </div>
      <${Answer} name=${name} answer=${answer} change=${change} chosen=${query.task} exists=${exists} />
    </div>
    <${Trouble} problem=${trouble} />
    <section class="panel" aria-label="what is read"><h2>What is read</h2><${Reading} checked=${checked} answer=${answer} /></section>
    ${exists && html`<section class="panel" aria-label="how long its tasks take"><h2>How long its tasks take</h2><${Pace} name=${name} /></section>`}
    ${removing && html`<${Dialog} title="Remove ${name} from the stack" close=${() => ask(false)}>
      <p>${kept.data.bundled_toml ? "The file that is shipped is in use again, from the next polls on." : "Open tasks of this provider can no longer be asked about, and new ones are refused. As long as the stack has its key, only the command can put a file for it again."}</p>
      <footer><button type="button" onClick=${() => ask(false)}>no, leave it</button><button type="button" class="danger" onClick=${remove}>remove it</button></footer>
    <//>`}
    ${comparing && html`<${Difference} before=${comparing.before} after=${text} what=${comparing.what} close=${() => compare(null)} />`}`;
}

export function Providers({ name, query }) {
  const { data, problem, reload } = useLive((signal) => get("/v1/providers", signal), 30, []);
  useEffect(() => {
    document.title = "Providers · vidhook";
  }, []);
  const stored = (data?.items ?? []).filter((each) => each.source === "stored"), rest = (data?.items ?? []).filter((each) => each.source !== "stored");
  const chosen = name ?? (query.new !== undefined ? undefined : (stored[0] ?? rest[0])?.provider);
  const entry = (each) => html`<option key=${each.provider} value=${each.provider}>${each.provider}${each.can.length ? ` (${each.can.join(", ")})` : ""}</option>`;
  const exists = chosen !== undefined && (data?.items ?? []).some((each) => each.provider === chosen);
  return html`
    <div class="headline"><h1 tabindex="-1">Providers</h1>
      ${data && html`<label class="chip select">file <select value=${chosen ?? ""} onChange=${(event) => go(event.target.value ? `/providers/${event.target.value}` : "/providers?new")}>
        <option value="">a new one</option>
        ${stored.length > 0 && html`<optgroup label="stored in the stack">${stored.map(entry)}</optgroup>`}<optgroup label="shipped">${rest.map(entry)}</optgroup></select></label>`}
      <${To} class="button" href="/providers?new">new file<//>
    </div>
    <${Trouble} problem=${data && problem} stale />
    ${!data ? html`<${Loading} problem=${problem} what="the providers" />` : name !== undefined && !exists ? html`<div class="empty-state"><h2>There is no provider "${name}"</h2><p>A file makes one: start it here, or with</p><${Command} words=${["providers", "guess", "answer.json"]} /></div>` : html`<${Provider} key=${chosen ?? NEW} name=${chosen ?? NEW} query=${query} exists=${exists} reload=${reload} />`}`;
}
