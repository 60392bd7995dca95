// A receiver without dependencies. Run it: VIDHOOK_SECRET=whsec_... node receiver.mjs
import { createHmac, timingSafeEqual } from "node:crypto";
import { createServer } from "node:http";

const TOLERANCE_SECONDS = 300;
const MOST_BYTES = 262_144;

/** The event in a webhook, or null for one that is not to be trusted. `body` is a Buffer: the bytes as they came. */
export function verify(secret, headers, body) {
  const { "webhook-id": id, "webhook-timestamp": timestamp, "webhook-signature": signatures = "" } = headers;
  const age = Math.abs(Date.now() / 1000 - Number(timestamp));
  if (!(age <= TOLERANCE_SECONDS)) return null; // a missing timestamp is NaN
  const key = Buffer.from(secret.replace(/^whsec_/, ""), "base64");
  const mac = createHmac("sha256", key).update(`${id}.${timestamp}.`).update(body).digest("base64");
  const expected = Buffer.from(`v1,${mac}`);
  // While a secret is rotated there are several signatures; one that fits is enough.
  const fits = signatures.split(" ").some((given) => {
    const candidate = Buffer.from(given);
    return candidate.length === expected.length && timingSafeEqual(candidate, expected);
  });
  return fits ? JSON.parse(body) : null;
}

const seen = new Set(); // in earnest: a database table with a unique key, which survives a restart

const server = createServer(async (request, response) => {
  const answer = (status) => response.writeHead(status).end();
  if (Number(request.headers["content-length"] ?? 0) > MOST_BYTES) return answer(413);
  const pieces = [];
  for await (const piece of request) pieces.push(piece);
  const event = verify(process.env.VIDHOOK_SECRET, request.headers, Buffer.concat(pieces));
  if (event === null) return answer(401);
  if (!seen.has(event.id)) { // an event may come twice: its id is the same
    seen.add(event.id);
    console.log(event.id, event.type); // in earnest: queue it, and work after the answer
  }
  return answer(204);
});

server.listen(Number(process.env.PORT ?? 8471), "127.0.0.1", () => {
  console.log(`listening at http://127.0.0.1:${server.address().port}`);
});
