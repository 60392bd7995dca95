// One HTTP exchange, both sides: what was sent on the left, what came back on the right, and how long each part took.

import { html } from "./vendor/preact-htm.js";
import { At, Facts, Json, When, Word } from "./parts.js";
import { resultOf, seconds, span } from "./words.js";

function Headers({ headers }) {
  const rows = Object.entries(headers ?? {});
  if (!rows.length) return null;
  return html`<dl class="headers">${rows.map(([name, value]) => html`<div key=${name}><dt>${name}</dt><dd>${value}</dd></div>`)}</dl>`;
}

/** The two sides. `request` is { method, url, headers, body }, `answer` { status, headers, body, truncated }. */
export function Exchange({ request, answer, nothing }) {
  return html`<div class="sides">
    <section aria-label="what was sent">
      <h4>sent</h4>
      <p class="line"><code>${request.method} ${request.url ?? "(its endpoint was removed)"}</code></p>
      <${Headers} headers=${request.headers} />
      ${request.body !== undefined && request.body !== null && html`<${Json} value=${request.body} label="the body that was sent" />`}
      ${request.note && html`<p class="dim">${request.note}</p>`}
    </section>
    <section aria-label="what was answered">
      <h4>answered</h4>
      ${answer ? html`<p class="line"><code>HTTP ${answer.status}</code></p>
        <${Headers} headers=${answer.headers} />
        ${answer.body === "" ? html`<p class="dim">an empty body</p>` : html`<${Json} value=${answer.body} label="the body that was answered" />`}
        ${answer.truncated && html`<p class="dim">The rest of it was not kept.</p>`}` : html`<p>${nothing}</p>`}
    </section>
  </div>`;
}

const milliseconds = (ms) => (ms >= 10000 ? span(ms / 1000) : `${ms < 10 ? Number(ms.toFixed(1)) : Math.round(ms)} ms`);

/** How long each phase of an exchange took, as parts of one bar. */
export function Timings({ timings }) {
  const { total, ...phases } = timings;
  const parts = Object.entries(phases).filter(([, ms]) => ms > 0);
  const known = parts.reduce((sum, [, ms]) => sum + ms, 0), whole = Math.max(total ?? 0, known, 0.1);
  if (parts.length && whole - known > whole / 100) parts.push(["the rest", whole - known]);
  if (total === undefined && !parts.length) return null;
  return html`<div class="timings">
    <div class="bar" aria-hidden="true">${parts.map(([name, ms], index) => html`<span key=${name} class="phase-${index % 5}" style=${{ width: `${(100 * ms) / whole}%` }}></span>`)}</div>
    <ul>${parts.map(([name, ms], index) => html`<li key=${name}><i class="phase-${index % 5}" aria-hidden="true"></i>${name.replaceAll("_", " ")} ${milliseconds(ms)}</li>`)}
      ${total !== undefined && html`<li><strong>${milliseconds(total)} in all</strong></li>`}</ul>
  </div>`;
}

/** One attempt to deliver an event. `request` is what was sent, as in Exchange; `next` is when the next one is due, `after` when it was. */
export function Attempt({ attempt, request, next, after }) {
  const answer = attempt.status === null ? null : { status: attempt.status, headers: attempt.headers, body: attempt.answer };
  const nothing = `nothing: ${attempt.kind}${attempt.detail ? `, ${attempt.detail}` : ""}`;
  return html`<${Facts} rows=${[
      ["attempt", attempt.attempt],
      ["at", html`<${At} at=${seconds(attempt.at)} />`],
      ["result", html`<${Word}>${resultOf(attempt)}<//>`],
      ["broken off", attempt.status !== null && attempt.detail],
      ["address", attempt.address],
      ["TLS", attempt.status === null ? null : (attempt.tls ?? "none, plain HTTP")],
      ["next try", next && html`<${When} at=${seconds(next)} />`],
      ["tried again after", after && span(seconds(after) - seconds(attempt.at))],
    ]} />
    <${Timings} timings=${attempt.timings_ms} />
    <${Exchange} request=${request} answer=${answer} nothing=${nothing} />`;
}
