// Numbers with their units, times and spans as people read them. Pure.

const WHOLE = new Intl.NumberFormat("en");
const SHORT = new Intl.NumberFormat("en", { notation: "compact", maximumFractionDigits: 1 });
const EXACT = new Intl.DateTimeFormat("en-GB", { dateStyle: "medium", timeStyle: "medium" });
const CLOCK = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit", second: "2-digit" });

export function count(value: number): string {
  return WHOLE.format(value);
}

/** Returns the sum of what was counted; null if nothing was. */
export function sum(values: (number | null)[]): number | null {
  const counted = values.filter((value) => value !== null);
  return counted.length === 0 ? null : counted.reduce((all, value) => all + value, 0);
}

/** Returns a number in at most five characters, for places that are small: `12.3K`. */
export function short(value: number): string {
  return value < 10_000 ? WHOLE.format(value) : SHORT.format(value);
}

/** Returns the number with the word, which gets an `s` for all but one. */
export function many(value: number, word: string, words = `${word}s`): string {
  return `${count(value)} ${value === 1 ? word : words}`;
}

export function bytes(value: number): string {
  const units = ["B", "kB", "MB", "GB", "TB", "PB"];
  let unit = 0;
  while (value >= 999.5 && unit < units.length - 1) {
    value /= 1000;
    unit += 1;
  }
  return `${unit === 0 || value >= 100 ? Math.round(value) : value.toFixed(1)} ${units[unit]}`;
}

const SPANS: [number, string][] = [
  [31_536_000, "y"],
  [86_400, "d"],
  [3_600, "h"],
  [60, "min"],
  [1, "s"],
];

/** Returns a length of time in its two largest units: `1 d 2 h`. */
export function span(seconds: number): string {
  let left = Math.max(0, Math.round(seconds));
  if (left === 0) return "0 s";
  const first = SPANS.findIndex(([size]) => left >= size);
  const words: string[] = [];
  for (const [size, name] of SPANS.slice(first, first + 2)) {
    const times = Math.floor(left / size);
    if (times > 0) words.push(`${times} ${name}`);
    left -= times * size;
  }
  return words.join(" ");
}

/** Returns `m:ss`, for countdowns. */
export function countdown(seconds: number): string {
  const left = Math.max(0, Math.ceil(seconds));
  if (left >= 3600) return span(left);
  return `${Math.floor(left / 60)}:${String(left % 60).padStart(2, "0")}`;
}

/** Returns how far a moment is from another in one unit: `3 min ago`, `in 2 h`. */
export function distance(at: number, now: number): string {
  const seconds = Math.round((now - at) / 1000);
  const size = Math.abs(seconds);
  if (size < 5) return "just now";
  const [unit, name] = SPANS.find(([one]) => size >= one) ?? [1, "s"];
  const text = `${Math.floor(size / unit)} ${name}`;
  return seconds > 0 ? `${text} ago` : `in ${text}`;
}

export function exact(at: string | number): string {
  const date = new Date(at);
  return Number.isNaN(date.getTime()) ? String(at) : EXACT.format(date);
}

/** Returns a text of the guard with its moments (RFC 3339) as everywhere else on the pages. */
export function withMoments(text: string): string {
  return text.replace(/\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z/g, exact);
}

export function clockTime(at: string | number): string {
  const date = new Date(at);
  return Number.isNaN(date.getTime()) ? String(at) : CLOCK.format(date);
}

/** Returns an address with its port as both are written together. */
export function endpoint(address: string, port: number | null | undefined): string {
  if (port === null || port === undefined) return address;
  return address.includes(":") ? `[${address}]:${port}` : `${address}:${port}`;
}

/** Returns the address of `ADDRESS:PORT`, `[ADDRESS]:PORT` or `ADDRESS`. */
export function addressOf(text: string): string {
  return split(text)[0];
}

/** Returns the port of `ADDRESS:PORT` or `[ADDRESS]:PORT`. */
export function portOf(text: string): string | undefined {
  return split(text)[1];
}

function split(text: string): [address: string, port?: string] {
  const match = /^(?:\[(.+)\]|([^:]+)):(\d+)$/.exec(text);
  return match ? [match[1] ?? match[2] ?? text, match[3]] : [text];
}
