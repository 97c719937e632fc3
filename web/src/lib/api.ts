// The one way to the server. Answers that are refusals become `Refused`, with the server's own words.
import type { Problem, Routes } from "../api.gen";
import { Store } from "./store";

/** A request that did not get what it asked for. */
export class Refused extends Error {
  constructor(
    readonly status: number,
    readonly problem: Problem,
  ) {
    super(problem.error);
  }
}

/** How far the server's clock is ahead of this one, in milliseconds. */
export const skew = new Store(0);

/** Called when the server says that nobody is signed in. */
export const onSignedOut = { call: () => {} };

type Asked<R extends keyof Routes> = Routes[R] extends { query: infer Q } ? { query?: Q } : object;
type Given<R extends keyof Routes> = Routes[R] extends { body: infer B } ? { body: B } : object;
type Named<R extends keyof Routes> = Routes[R] extends { path: infer P } ? { path: P } : object;
type Input<R extends keyof Routes> = Asked<R> & Given<R> & Named<R> & { signal?: AbortSignal };

/** Asks the daemon through the web face. */
export async function ask<R extends keyof Routes>(route: R, input: Input<R>): Promise<Routes[R]["answer"]> {
  const { query, body, path, signal } = input as {
    query?: Record<string, unknown>;
    body?: unknown;
    path?: Record<string, string>;
    signal?: AbortSignal;
  };
  const [method = "GET", pattern = ""] = route.split(" ");
  const filled = pattern.replace(/\{(\w+)\}/g, (_, name: string) => encodeURIComponent(path?.[name] ?? ""));
  const pairs = Object.entries(query ?? {}).filter(([, value]) => value !== undefined && value !== null && value !== "");
  const text = new URLSearchParams(pairs.map(([key, value]) => [key, String(value)])).toString();
  const answer = await request(method, `/api${filled}${text ? `?${text}` : ""}`, body, signal);
  return answer as Routes[R]["answer"];
}

/** Speaks with the web face itself (`/auth/...`, `/service`). */
export async function request(method: string, url: string, body?: unknown, signal?: AbortSignal): Promise<unknown> {
  const init: RequestInit = { method, credentials: "same-origin", cache: "no-store" };
  if (signal) init.signal = signal;
  if (body !== undefined) {
    init.body = JSON.stringify(body);
    init.headers = { "content-type": "application/json" };
  }
  let response: Response;
  try {
    response = await fetch(url, init);
  } catch (error) {
    if (error instanceof DOMException && error.name === "AbortError") throw error;
    throw new Refused(0, { error: "the web face does not answer", hint: "is the network there, and `portguard web` running?", kind: "unavailable" });
  }
  keepTime(response.headers.get("date"));
  const type = response.headers.get("content-type") ?? "";
  const content: unknown = type.includes("json") ? await response.json() : await response.text();
  if (response.ok) return content;
  if (response.status === 401 && !url.startsWith("/auth/log") && !url.startsWith("/auth/link")) onSignedOut.call();
  throw new Refused(response.status, asProblem(content, response));
}

/** Returns what to tell of an error, whatever it is. */
export function problemOf(error: unknown): Problem {
  if (error instanceof Refused) return error.problem;
  return { error: error instanceof Error ? error.message : String(error), kind: "unavailable" };
}

function asProblem(content: unknown, response: Response): Problem {
  if (typeof content === "object" && content !== null && "error" in content) return content as Problem;
  const words = typeof content === "string" && content.length > 0 && content.length < 300 ? content : response.statusText;
  return { error: words || `the server answered ${response.status}`, kind: "unavailable" };
}

/** The header has whole seconds; smaller differences say nothing. */
function keepTime(date: string | null): void {
  if (!date) return;
  const ahead = Date.parse(date) - Date.now();
  if (!Number.isNaN(ahead)) skew.set(Math.abs(ahead) > 2500 ? ahead : 0);
}
