// A receiver without dependencies. Run it with Node 22.18 or later: VIDHOOK_SECRET=whsec_... node receiver.ts
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { unwrap, WebhookError } from "./unwrap.ts";

const MOST_BYTES = 262_144;
const seen = new Set<string>(); // in earnest: a database table with a unique key, which survives a restart

const server = createServer(async (request, response) => {
  const answer = (status: number) => response.writeHead(status).end();
  if (Number(request.headers["content-length"] ?? 0) > MOST_BYTES) return answer(413);
  const pieces: Buffer[] = [];
  for await (const piece of request) pieces.push(piece);
  try {
    const event = unwrap(Buffer.concat(pieces), request.headers, process.env.VIDHOOK_SECRET ?? "");
    if (!seen.has(event.id)) { // an event may come twice: its id is the same
      seen.add(event.id);
      console.log(event.id, event.type); // in earnest: queue it, and work after the answer
    }
    return answer(204);
  } catch (error) {
    if (!(error instanceof WebhookError)) throw error;
    console.log(`refused: ${error.message}`);
    return answer(401);
  }
});

server.listen(Number(process.env.PORT ?? 8471), "127.0.0.1", () => {
  console.log(`listening at http://127.0.0.1:${(server.address() as AddressInfo).port}`);
});
