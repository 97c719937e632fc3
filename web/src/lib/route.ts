// Where the reader is: `#/page/rest?query`. The part behind the hash never leaves the browser.
import { Store } from "./store";

export interface Place {
  page: string;
  rest: string;
  query: URLSearchParams;
}

/** Reads the part of an address behind the hash. */
export function readPlace(hash: string): Place {
  const text = hash.replace(/^#\/?/, "");
  const [path = "", query = ""] = text.split("?", 2);
  const [page = "", ...rest] = path.split("/");
  return { page: page || "overview", rest: safely(rest.join("/")), query: new URLSearchParams(query) };
}

function safely(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

export const place = new Store<Place>(readPlace(location.hash));

addEventListener("hashchange", () => place.set(readPlace(location.hash)));

type Query = Record<string, string | number | boolean | undefined>;

/** Returns the link to a place; values that are empty, false or undefined are left out. */
export function link(page: string, query: Query = {}, rest = ""): string {
  const kept = Object.entries(query).filter(([, value]) => value !== undefined && value !== "" && value !== false);
  const text = new URLSearchParams(kept.map(([key, value]) => [key, String(value)])).toString();
  return `#/${page}${rest ? `/${encodeURIComponent(rest)}` : ""}${text ? `?${text}` : ""}`;
}

/** Returns the link to the story of an address or network. */
export function storyOf(subject: string): string {
  return link("offenders", {}, subject);
}

export function go(target: string): void {
  location.hash = target;
}

/** Changes the query of this place without a new step in the browser's history. */
export function refine(change: Query): void {
  const { page, rest, query } = place.value;
  const next = link(page, { ...Object.fromEntries(query), ...change }, rest);
  history.replaceState(null, "", next);
  place.set(readPlace(next));
}
