// Starts the page: the frame around the screens, the search, the keys and the notices.

import { html, render, useCallback, useEffect, useRef, useState } from "./vendor/preact-htm.js";
import { about as loadAbout, token } from "./api.js";
import { go, useAddress, useKeys, useLive } from "./live.js";
import { Dialog, Shared, To, Trouble } from "./parts.js";
import { Providers } from "./providers.js";
import { Subscribers } from "./subscribers.js";
import { Task } from "./task.js";
import { find, Tasks } from "./tasks.js";

const SCREENS = { tasks: "Tasks", subscribers: "Subscribers", providers: "Providers" };
const KEYS = [
  ["/", "search"],
  ["g t", "tasks"],
  ["g s", "subscribers"],
  ["g p", "providers"],
  ["↓ ↑ or j k", "next and previous row"],
  ["← → ↑ ↓", "along and across the time axis"],
  ["Esc", "close a dialog"],
  ["?", "this list"],
];
const NOTICE_SECONDS = 8, SECOND_KEY_SECONDS = 1.5;

function Screen({ path, query }) {
  const [, screen, id] = path.split("/"); // the id stays as it is escaped, since it becomes a part of the API's paths
  if (screen === "subscribers") return html`<${Subscribers} id=${id} query=${query} />`;
  if (screen === "providers") return html`<${Providers} name=${id} query=${query} />`;
  if (screen === "tasks" && id) return html`<${Task} key=${id} id=${id} query=${query} />`;
  return html`<${Tasks} query=${query} />`;
}

/** Which stack this is. Where a sandbox waits shorter than its times say, the countdowns of the page end early. */
function Stack({ about }) {
  const faster = about.sandbox && about.wait_scale > 0 && about.wait_scale < 1 && Math.round(1 / about.wait_scale);
  const name = about.sandbox ? `sandbox${faster ? `, ${faster} × faster` : ""}` : [about.stack, about.region, about.account].filter(Boolean).join(" · ");
  const more = faster ? `It waits ${faster} times shorter than this page shows.` : name;
  return html`<span class="stack" title=${`${more}\n${about.api_url}`}>${name}</span>`;
}

function Search({ tell, field }) {
  const submit = (event) => {
    event.preventDefault();
    find(field.current.value, tell);
  };
  return html`<form role="search" onSubmit=${submit}>
    <input ref=${field} type="search" name="find" aria-label="find a task by its reference, its id or its event" placeholder="reference, task or event id" autocomplete="off" spellcheck=${false} maxlength="512" />
    <kbd aria-hidden="true">/</kbd>
  </form>`;
}

function Page() {
  const { path, query } = useAddress();
  const { data: about, problem } = useLive(() => loadAbout(), 0, []);
  const [notice, setNotice] = useState(null);
  const [help, showHelp] = useState(false);
  const field = useRef(null), main = useRef(null), first = useRef(0);
  const tell = useCallback((text, trouble) => setNotice({ text, trouble, at: Date.now() }), []);
  const screen = path.split("/")[1] || "tasks";
  useEffect(() => {
    const timer = notice && !notice.trouble && setTimeout(() => setNotice(null), NOTICE_SECONDS * 1000);
    return () => clearTimeout(timer);
  }, [notice]);
  useEffect(() => {
    scrollTo(0, 0);
    if (document.activeElement === document.body || main.current?.contains(document.activeElement)) main.current?.querySelector("h1")?.focus();
  }, [path]);
  const second = (address) => () => {
    if (Date.now() - first.current > SECOND_KEY_SECONDS * 1000) return false;
    go(address);
  };
  useKeys({
    "/": () => field.current.focus(),
    "?": () => showHelp(true),
    g: () => void (first.current = Date.now()),
    t: second("/tasks"),
    s: second("/subscribers"),
    p: second("/providers"),
  });
  if (!token || problem?.status === 401) {
    return html`<main class="alone"><h1>This page has no token</h1>
      <p>Open the address that <code>vidhook console</code> prints, with all that follows the #. A new tab does not have it, and a console that was started again has a new one.</p></main>`;
  }
  return html`<${Shared.Provider} value=${{ about, tell }}>
    <a class="skip" href="#main" onClick=${(event) => (event.preventDefault(), main.current.querySelector("h1")?.focus())}>to the content</a>
    <header class="top">
      <${To} class="brand" href="/tasks"><img src="/icon.svg" alt="" width="22" height="22" />vidhook<//>
      <nav aria-label="screens">${Object.entries(SCREENS).map(([name, label]) => html`<${To} key=${name} href=${`/${name}`} aria-current=${name === screen ? "page" : undefined}>${label}<//>`)}</nav>
      <${Search} tell=${tell} field=${field} />
      ${about && html`<${Stack} about=${about} />`}
      <button type="button" class="plain" onClick=${() => showHelp(true)} aria-label="keys">?</button>
    </header>
    <main id="main" ref=${main}>
      ${problem && html`<${Trouble} problem=${problem} />`}
      <${Screen} path=${path} query=${query} />
    </main>
    <div class="notices" role="status" aria-live="polite">${notice && html`<div class="notice ${notice.trouble ? "bad" : ""}">
      <p>${notice.text}${notice.trouble?.hint && html`<br /><small>${notice.trouble.hint}</small>`}</p>
      <button type="button" class="plain" onClick=${() => setNotice(null)} aria-label="close the notice">✕</button></div>`}</div>
    ${help && html`<${Dialog} title="Keys" close=${() => showHelp(false)}>
      <dl class="facts">${KEYS.map(([key, what]) => html`<div key=${key}><dt><kbd>${key}</kbd></dt><dd>${what}</dd></div>`)}</dl><//>`}
  <//>`;
}

render(html`<${Page} />`, document.body);
