// Verifies a webhook and returns its event, typed. Node 22 or later; copy vidhook.d.ts too.
import { createHmac, timingSafeEqual } from "node:crypto";
import type { components } from "./vidhook.d.ts";

/** One event; its `type` tells which, and so what is in its `data`. */
export type Event = components["schemas"]["Event"];

/** What Node and frameworks have (an object) and what the fetch API has (Headers): names in any case. */
export type HeadersLike = Iterable<[string, string]> | Record<string, string | string[] | undefined>;

/** A webhook that is not to be trusted. The message says why; answer 401. */
export class WebhookError extends Error {}

const TOLERANCE_SECONDS = 300;
const NAMES = ["webhook-id", "webhook-timestamp", "webhook-signature"] as const;

/**
 * The event in a webhook. Throws WebhookError for one that is not to be trusted.
 *
 * body: the bytes as they came, before anything parses them. secret: whsec_..., or several separated by spaces.
 */
export function unwrap(body: Uint8Array, headers: HeadersLike, secret: string): Event {
  const [id, timestamp, signatures] = NAMES.map((name) => given(headers, name)) as [string, string, string];
  if (!/^[0-9]{1,12}$/.test(timestamp)) throw new WebhookError("webhook-timestamp is not a number of seconds");
  const age = Date.now() / 1000 - Number(timestamp);
  if (Math.abs(age) > TOLERANCE_SECONDS) {
    const side = age > 0 ? "old" : "in the future";
    throw new WebhookError(`webhook-timestamp is ${Math.abs(age).toFixed()} s ${side}`);
  }
  // While a secret is rotated there are several signatures; one that fits is enough.
  const expected = secret.trim().split(/\s+/).map((each) => signature(each, `${id}.${timestamp}.`, body));
  const fits = signatures.split(/\s+/).some((each) => {
    const candidate = Buffer.from(each);
    return expected.some((one) => one.length === candidate.length && timingSafeEqual(one, candidate));
  });
  if (!fits) throw new WebhookError("no signature fits: it was signed with another secret, or the body was changed");
  try {
    return JSON.parse(Buffer.from(body).toString("utf8")) as Event;
  } catch {
    throw new WebhookError("the body is not JSON");
  }
}

/** The value of a header, which must come once. */
function given(headers: HeadersLike, name: (typeof NAMES)[number]): string {
  const entries = Symbol.iterator in headers ? [...(headers as Iterable<[string, string]>)] : Object.entries(headers);
  const values = entries.filter(([each]) => each.toLowerCase() === name).flatMap(([, value]) => value ?? []);
  const value = values[0]?.trim();
  if (!value) throw new WebhookError(`${name} is missing`);
  // Node joins two headers of one name with a comma; one stands in each signature anyway.
  if (values.length > 1 || value.includes(name === "webhook-signature" ? ", " : ",")) {
    throw new WebhookError(`${name} comes more than once`);
  }
  return value;
}

function signature(secret: string, prefix: string, body: Uint8Array): Buffer {
  const text = secret.replace(/^whsec_/, "");
  const key = Buffer.from(text, "base64"); // which skips what is not base64
  if (!/^[A-Za-z0-9+/]+={0,2}$/.test(text) || !key.length) {
    throw new WebhookError("the secret is not whsec_ and base64");
  }
  const mac = createHmac("sha256", key).update(prefix).update(body).digest("base64");
  return Buffer.from(`v1,${mac}`);
}
