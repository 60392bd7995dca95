// Calls the stack's API through the console's proxy, and writes calls as the commands that do the same.

// The token stands in the address that `vidhook console` prints. It leaves the address bar at once; the history entry of
// this tab keeps it, so that the page can be loaded again. A tab without it, such as one that a link was opened in, asks
// the other tabs of this page; no other site's hear that.
const given = location.hash.slice(1), TABS_MS = 250;
const tabs = new BroadcastChannel("vidhook");
const asked = () => new Promise((answer) => {
  tabs.onmessage = ({ data }) => data.token && answer(data.token);
  tabs.postMessage({});
  setTimeout(() => answer(""), TABS_MS);
});
export const token = given || history.state?.token || (await asked());
tabs.onmessage = null;
const told = ({ data }) => !data.token && tabs.postMessage({ token });
history.replaceState({ token }, "", location.pathname + location.search);
// Another address of the same page changes only what is behind the #, which loads nothing by itself.
addEventListener("hashchange", () => location.hash && location.reload());

/** What the API, or the way to it, answered instead of success: an RFC 9457 problem document. */
export class Problem extends Error {
  constructor({ detail, title, status = 0, hint, field }) {
    super(detail ?? title ?? `the answer has the status ${status}`);
    Object.assign(this, { status, hint, field });
  }
}

async function request(path, options) {
  let answer;
  try {
    answer = await fetch(path, { ...options, cache: "no-store", redirect: "error" });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Problem({ detail: "the console does not answer", hint: "is `vidhook console` still running?" });
  }
  const text = await answer.text();
  let body = null;
  try {
    body = text === "" ? null : JSON.parse(text);
  } catch {
    if (answer.ok) throw new Problem({ status: answer.status, detail: "the answer is not JSON" });
  }
  if (answer.status === 401) tabs.onmessage = null; // of a console that has ended: no other tab should get it
  if (!answer.ok) throw new Problem({ ...(body !== null && typeof body === "object" ? body : {}), status: answer.status });
  return body;
}

const authorized = { authorization: `Bearer ${token}` };

/** Returns the JSON that the API answers. Raises Problem. */
export function call(method, path, body, signal) {
  const headers = body === undefined ? authorized : { ...authorized, "content-type": "application/json" };
  return request(`/api${path}`, { method, headers, signal, body: body === undefined ? undefined : JSON.stringify(body) });
}

export const get = (path, signal) => call("GET", path, undefined, signal);

/** Returns which stack this is, see `console.json` in proxy.py. */
export async function about() {
  const facts = await request("/console.json", { headers: authorized });
  tabs.onmessage = told;
  return facts;
}

/** Returns a path with a query of the values that there are. */
export function withQuery(path, values) {
  const query = new URLSearchParams(Object.entries(values).filter(([, value]) => value !== undefined && value !== null && value !== ""));
  return query.size ? `${path}?${query}` : path;
}

const quoted = (text) => (/^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`);

/** Returns a command line of these words. */
export const shell = (...words) => words.map((word) => quoted(String(word))).join(" ");

/** Returns a command of vidhook as it is typed here: for the same stack, and where the program is not on the PATH. */
export const typed = (about, words) => `${about?.program ?? "vidhook"} ${shell(...words)}`;

/** Returns the call as a curl command, which signs with the keys in the reader's environment. */
export function curl({ api_url, region }, method, path, body) {
  const words = ["curl", "--aws-sigv4", `aws:amz:${region}:execute-api`];
  const key = '--user "$AWS_ACCESS_KEY_ID:$AWS_SECRET_ACCESS_KEY" -H "x-amz-security-token: $AWS_SESSION_TOKEN"';
  const data = body === undefined ? "" : ` ${shell("-H", "content-type: application/json", "-d", JSON.stringify(body))}`;
  return `${shell(...words)} ${key}${data} ${shell("-X", method, api_url + path)}`;
}
