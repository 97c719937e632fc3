// What happens, told by the server: one stream for the whole page, opened anew whenever it breaks.
import type { Entry, Lagged, Packets, Status } from "../api.gen";
import { Refused, request } from "./api";
import { learnWho } from "./session";
import { Store } from "./store";

/** How it stands with the server: `away` is the daemon, `gone` the web face. */
export type Link = "connecting" | "up" | "away" | "gone";

/** A status and when it came, by this browser's steady clock. */
export interface Told {
  status: Status;
  at: number;
}

export const connection = new Store<Link>("connecting");
export const told = new Store<Told | null>(null);
/** Grows whenever something may have been missed: whoever shows data asks anew. */
export const round = new Store(0);

/** Waits between attempts, in milliseconds: soon at first, so that a restart is hardly seen. */
const WAITS = [300, 500, 1000, 2000, 3000];

type Listener<T> = (value: T) => void;
const entries = new Set<Listener<Entry>>();
const packets = new Set<Listener<Packets>>();

export function onEntry(listener: Listener<Entry>): () => void {
  entries.add(listener);
  return () => entries.delete(listener);
}

export function onPackets(listener: Listener<Packets>): () => void {
  packets.add(listener);
  return () => packets.delete(listener);
}

let source: EventSource | null = null;
let timer: ReturnType<typeof setTimeout> | undefined;
let failures = 0;

export function openStream(): void {
  closeStream();
  const opened = new EventSource("/api/v1/stream");
  source = opened;
  const heard = <T>(name: string, use: (value: T) => void) =>
    opened.addEventListener(name, (event) => use(JSON.parse((event as MessageEvent<string>).data) as T));
  heard<Status>("status", (status) => {
    told.set({ status, at: performance.now() });
    isUp();
  });
  heard<Entry>("entry", (entry) => entries.forEach((listener) => listener(entry)));
  heard<Packets>("packets", (some) => packets.forEach((listener) => listener(some)));
  heard<Lagged>("lagged", () => round.set(round.value + 1));
  // What the web face says when the daemon's end of the stream is lost or back.
  heard<unknown>("away", () => connection.set("away"));
  heard<unknown>("back", isUp);
  opened.onerror = () => void isBroken(opened);
}

export function closeStream(): void {
  clearTimeout(timer);
  source?.close();
  source = null;
}

function isUp(): void {
  failures = 0;
  if (connection.value === "up") return;
  const isBack = connection.value !== "connecting";
  connection.set("up");
  if (isBack) round.set(round.value + 1);
}

/** Finds out who is away, and tries again. */
async function isBroken(broken: EventSource): Promise<void> {
  broken.close();
  if (source !== broken) return;
  source = null;
  const wait = WAITS[Math.min(failures, WAITS.length - 1)] ?? 3000;
  failures += 1;
  const found = await whoIsAway();
  if (found === "signed-out" || source) return;
  if (found !== "up") connection.set(found);
  timer = setTimeout(openStream, wait);
}

async function whoIsAway(): Promise<Link | "signed-out"> {
  try {
    await learnWho();
    await request("GET", "/api/v1/status");
    return "up";
  } catch (error) {
    if (error instanceof Refused && error.status === 401) return "signed-out";
    return error instanceof Refused && error.status > 0 ? "away" : "gone";
  }
}
