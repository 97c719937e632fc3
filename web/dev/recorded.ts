// A development server's answers, replayed from a file. Never part of a build or of a test.
import { existsSync, readFileSync } from "node:fs";
import type { IncomingMessage, ServerResponse } from "node:http";
import type { Plugin } from "vite";

/** `{"GET /api/v1/status": {...}}`, as `dev/answers.mjs` writes it. */
const FILE = "dev/answers.json";

export function recordedAnswers(): Plugin {
  return {
    name: "recorded-answers",
    apply: "serve",
    configureServer(server) {
      server.middlewares.use((request: IncomingMessage, response: ServerResponse, next: () => void) => {
        const path = (request.url ?? "").split("?")[0] ?? "";
        if (!/^\/(api|auth|service)(\/|$)/.test(path)) return next();
        const answers = existsSync(FILE) ? (JSON.parse(readFileSync(FILE, "utf8")) as Record<string, unknown>) : {};
        if (path === "/api/v1/stream") return stream(response, answers);
        const url = request.url ?? "";
        const answer = answers[`${request.method} ${url}`] ?? answers[`${request.method} ${path}`];
        response.setHeader("content-type", "application/json");
        response.statusCode = answer === undefined ? 404 : 200;
        response.end(JSON.stringify(answer ?? { error: "not recorded", kind: "usage" }));
      });
    },
  };
}

function stream(response: ServerResponse, answers: Record<string, unknown>) {
  response.writeHead(200, { "content-type": "text/event-stream", "cache-control": "no-store" });
  const tell = (name: string, data: unknown) => response.write(`event: ${name}\ndata: ${JSON.stringify(data)}\n\n`);
  tell("status", answers["GET /api/v1/status"]);
  const log = answers["GET /api/v1/log"] as { items: object[] } | undefined;
  let number = 1e6;
  const timer = setInterval(() => {
    const items = log?.items ?? [];
    const packet = items[number % Math.max(1, items.length)];
    number += 1;
    if (packet) tell("packets", { items: [{ ...packet, number, at: new Date().toISOString() }], more: 0 });
  }, 700);
  response.on("close", () => clearInterval(timer));
}
