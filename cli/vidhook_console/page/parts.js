// Small parts that several screens show.

import { createContext, html, useContext, useEffect, useRef, useState } from "./vendor/preact-htm.js";
import { call, curl, shell, typed } from "./api.js";
import { go, useNow } from "./live.js";
import { away, clock, tone, written } from "./words.js";

const LATE_SECONDS = 60; // after the end of a task, by when all have it usually

/** What every part may need: { about, tell }, the stack and how to show a notice. */
export const Shared = createContext({});

/** Returns whether something is under way, and a function that does it and tells what goes wrong with it. */
export function useWork() {
  const { tell } = useContext(Shared);
  const [busy, set] = useState(false);
  const work = async (doing) => {
    set(true);
    try {
      await doing();
    } catch (problem) {
      tell(problem.message, problem);
    }
    set(false);
  };
  return [busy, work];
}

/** A link within the page. */
export function To({ href, children, ...rest }) {
  const follow = (event) => {
    if (event.button || event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    go(href);
  };
  return html`<a href=${href} onClick=${follow} ...${rest}>${children}</a>`;
}

/** A status or another word, with a sign beside its colour. */
export function Word({ children, as = children }) {
  return html`<span class="word ${tone(as)}">${String(children).replaceAll("_", " ")}</span>`;
}

/** Text that shows for a moment that it has changed. */
export function Changing({ children }) {
  const before = useRef(children), changed = before.current !== children;
  before.current = children;
  return html`<span key=${changed ? Math.random() : "same"} class=${changed ? "changed" : ""}>${children}</span>`;
}

/** To how many of those who are told an event was delivered. `counts` are deliveries by state, `ended` when the task did. */
export function Told({ counts, ended, children }) {
  const now = useNow(), all = Object.values(counts).reduce((sum, each) => sum + each, 0);
  if (!all) return html`<span class="dim">nobody</span>`;
  const late = now - ended > LATE_SECONDS;
  const look = counts.failed || counts.held ? "bad" : counts.due ? (late ? "warn" : "busy") : "good";
  const rest = ["due", "held", "failed", "cancelled"].filter((name) => counts[name]).map((name) => `${counts[name]} ${name}`).join(", ");
  return html`<span class="word ${look}" title=${rest}><${Changing}>${`${counts.delivered ?? 0} of ${all}`}<//>${children}</span>${rest && html`<small>${rest}</small>`}`;
}

/** An instant, as its distance from now; the pointer shows the rest. */
export function When({ at }) {
  const now = useNow();
  if (at === null || at === undefined) return html`<span class="dim">-</span>`;
  return html`<time datetime=${new Date(at * 1000).toISOString()} title=${new Date(at * 1000).toString()}>${away(at, now)}</time>`;
}

/** An instant as the time of day. */
export function At({ at }) {
  return html`<time datetime=${new Date(at * 1000).toISOString()} title=${new Date(at * 1000).toString()}>${clock(at)}</time>`;
}

/** A button that copies a text. */
export function Copy({ text, children = "copy", label }) {
  const [done, set] = useState(false);
  useEffect(() => {
    const timer = done && setTimeout(() => set(false), 1500);
    return () => clearTimeout(timer);
  }, [done]);
  const copy = async () => {
    try {
      await navigator.clipboard.writeText(text);
      set(true);
    } catch {
      set(null);
    }
  };
  const said = done ? "copied" : done === null ? "not allowed" : children;
  return html`<button type="button" class="copy" onClick=${copy} aria-label=${label ? `copy ${label}` : undefined} aria-live="polite">${said}</button>`;
}

/** An id or another text that people copy. */
export function Id({ children, label }) {
  return html`<span class="id"><code>${children}</code><${Copy} text=${children} label=${label ?? children} /></span>`;
}

/** A command of vidhook: shown as people write it, copied as it is typed here. */
export function Command({ words }) {
  const { about } = useContext(Shared);
  return html`<div class="command"><code>${shell("vidhook", ...words)}</code><${Copy} text=${typed(about, words)} label="the command" /></div>`;
}

const JSON_PARTS = /("(?:[^"\\]|\\.)*")(\s*:)?|\b(?:true|false|null)\b|-?\b\d[\d.eE+-]*/g;
const MOST_SHOWN = 65536;

/** A JSON value, or a text, as it is: nothing of it is markup. */
export function Json({ value, label }) {
  const text = written(value);
  const shown = text.slice(0, MOST_SHOWN), found = [];
  let end = 0;
  if (typeof value !== "string") {
    for (const match of shown.matchAll(JSON_PARTS)) {
      const kind = match[2] ? "name" : match[1] ? "text" : "fact";
      found.push(shown.slice(end, match.index), html`<span class="json-${kind}">${match[1] ?? match[0]}</span>`, match[2] ?? "");
      end = match.index + match[0].length;
    }
  }
  const cut = text.length > MOST_SHOWN && html`<p class="dim">${text.length - MOST_SHOWN} more characters are not shown; all are copied.</p>`;
  return html`<div class="json">
    <pre tabindex="0" aria-label=${label}>${found}${shown.slice(end)}</pre>
    <${Copy} text=${text} label=${label} />${cut}
  </div>`;
}

const LONG = 64;

/** Names and values, those that there are; a long text has a line of its own. */
export function Facts({ rows }) {
  const long = (value) => String(value?.props?.children ?? value).length > LONG;
  const known = rows.filter(([, value]) => value !== null && value !== undefined && value !== "" && value !== false);
  return html`<dl class="facts">${known.map(([name, value]) => html`<div key=${name} class=${long(value) ? "wide" : ""}><dt>${name}</dt><dd>${value}</dd></div>`)}</dl>`;
}

/** What went wrong, in words, and what helps. */
export function Trouble({ problem, stale = false }) {
  if (!problem) return null;
  const about = stale ? "This is what was known before: " : "";
  return html`<div class="trouble" role="alert">
    <strong>${about}${problem.message}</strong>${problem.hint && html`<p>${problem.hint}</p>`}
  </div>`;
}

/** A dialog over the page, open while it is there. Escape closes it. */
export function Dialog({ title, close, children }) {
  const dialog = useRef(null);
  useEffect(() => {
    const before = document.activeElement, shown = dialog.current;
    shown.showModal();
    return () => {
      shown.close(); // as long as it is open, nothing outside of it takes the focus
      before?.focus?.();
    };
  }, []);
  const cancel = (event) => (event.preventDefault(), close());
  return html`<dialog ref=${dialog} aria-labelledby="dialog-title" onClose=${() => dialog.current && close()} onCancel=${cancel}>
    <header><h2 id="dialog-title">${title}</h2><button type="button" class="plain" onClick=${close} aria-label="close">✕</button></header>
    ${children}
  </dialog>`;
}

/**
 * Buttons that act, and below them the command that does the same as the one that is looked at.
 *
 * An act is { label, method, path, body, command, ask, danger, done }: `command` is the words behind `vidhook`, `ask` a
 * question that is asked before, `done` is called with the answer and may return what is said.
 */
export function Acts({ acts, after }) {
  const { about, tell } = useContext(Shared);
  const [looked, look] = useState(0);
  const [asking, ask] = useState(null);
  const [busy, work] = useState(null);
  const doing = async (act) => {
    work(act.label);
    try {
      const answer = await call(act.method, act.path, act.body);
      tell(act.done?.(answer) ?? `${act.label}: done`);
      await after?.();
    } catch (problem) {
      tell(problem.message, problem);
    }
    work(null);
  };
  if (!acts.length) return null;
  const shown = acts[Math.min(looked, acts.length - 1)];
  return html`<div class="acts" role="group" aria-label="acts">
    <div class="buttons">
      ${acts.map((act, index) => html`<button type="button" key=${act.label} class=${act.danger ? "danger" : ""} disabled=${busy !== null}
          onMouseEnter=${() => look(index)} onFocus=${() => look(index)} onClick=${() => (act.ask ? ask(act) : doing(act))}>
        ${busy === act.label ? `${act.label} …` : act.label}
      </button>`)}
    </div>
    <div class="same">
      <code>${shell("vidhook", ...shown.command)}</code>
      <${Copy} text=${typed(about, shown.command)} label="as a command">copy as CLI<//>
      ${about && html`<${Copy} text=${curl(about, shown.method, shown.path, shown.body)} label="as curl">copy as curl<//>`}
    </div>
    ${asking && html`<${Dialog} title=${asking.label} close=${() => ask(null)}>
      <p>${asking.ask}</p>
      <footer>
        <button type="button" onClick=${() => ask(null)}>no, leave it</button>
        <button type="button" class=${asking.danger ? "danger" : "main"} onClick=${() => (ask(null), doing(asking))}>${asking.label}</button>
      </footer>
    <//>`}
  </div>`;
}

/** Nothing to show yet: while it is loaded, and when loading failed. */
export function Loading({ problem, what }) {
  return problem ? html`<${Trouble} problem=${problem} />` : html`<p class="dim" role="status">loading ${what} …</p>`;
}
