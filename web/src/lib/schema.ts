// The configuration's schema as a form: what kind of field each key is. An unknown shape is an error,
// so that a key that the form can not show is found by a test and not by an operator.

export type Shape =
  | { kind: "switch" }
  | { kind: "number"; least?: number; most?: number; whole: boolean }
  | { kind: "text"; example?: string; loose: boolean }
  | { kind: "choice"; choices: { value: string; about: string }[] }
  | { kind: "words"; whole: boolean; example?: string }
  | { kind: "either"; choices: string[] }
  | { kind: "table"; keys: Key[] }
  | { kind: "tables"; item: Key[] }
  | { kind: "named"; item: Shape };

export interface Key {
  name: string;
  about: string;
  shape: Shape;
  /** What holds when it is left out. */
  usual: unknown;
  required: boolean;
}

type Json = Record<string, unknown>;

export function readSchema(schema: unknown): Key[] {
  const root = schema as Json;
  const defs = (root["$defs"] ?? {}) as Record<string, Json>;
  return keys(root, defs, "");
}

function keys(node: Json, defs: Record<string, Json>, place: string): Key[] {
  const required = (node["required"] ?? []) as string[];
  return Object.entries((node["properties"] ?? {}) as Record<string, Json>).map(([name, one]) => {
    const there = place ? `${place}.${name}` : name;
    const target = resolve(one, defs);
    return {
      name,
      about: String(one["description"] ?? target["description"] ?? ""),
      shape: shape(one, defs, there),
      usual: one["default"] ?? target["default"],
      required: required.includes(name),
    };
  });
}

/** Follows references, and takes `null` out of what may be left out. */
function resolve(node: Json, defs: Record<string, Json>): Json {
  const reference = node["$ref"];
  if (typeof reference === "string") {
    const found = defs[reference.replace("#/$defs/", "")];
    if (!found) throw new Error(`no such definition: ${reference}`);
    return resolve(found, defs);
  }
  const any = node["anyOf"] as Json[] | undefined;
  const rest = any?.filter((one) => one["type"] !== "null");
  const [only] = rest ?? [];
  if (any && rest && rest.length === 1 && rest.length < any.length && only) return resolve(only, defs);
  return node;
}

function shape(raw: Json, defs: Record<string, Json>, place: string): Shape {
  const node = resolve(raw, defs);
  const choices = choicesOf(node);
  if (choices) return { kind: "choice", choices };
  const any = node["anyOf"] as Json[] | undefined;
  if (any) return either(any, place);
  const types = [node["type"]].flat().filter((type) => type !== "null");
  const example = (node["examples"] as unknown[] | undefined)?.[0] ?? (raw["examples"] as unknown[] | undefined)?.[0];
  const shown = example === undefined ? {} : { example: String(example) };
  switch (types.join()) {
    case "boolean":
      return { kind: "switch" };
    case "integer":
    case "number":
      return {
        kind: "number",
        whole: types[0] === "integer",
        ...(typeof node["minimum"] === "number" ? { least: node["minimum"] } : {}),
        ...(typeof node["maximum"] === "number" ? { most: node["maximum"] } : {}),
      };
    case "string":
      return { kind: "text", loose: false, ...shown };
    case "string,integer":
      return { kind: "text", loose: true, ...shown };
    case "array":
      return list(node, defs, place);
    case "object":
      return node["properties"] ? { kind: "table", keys: keys(node, defs, place) } : named(node, defs, place);
    default:
      throw new Error(`${place}: a shape that the form does not know: ${JSON.stringify(node).slice(0, 200)}`);
  }
}

function choicesOf(node: Json): { value: string; about: string }[] | null {
  const values = node["enum"] as unknown[] | undefined;
  if (values) return values.filter((one) => one !== null).map((one) => ({ value: String(one), about: "" }));
  const ones = node["oneOf"] as Json[] | undefined;
  if (!ones) return null;
  return ones.flatMap((one) => {
    if (typeof one["const"] === "string") return [{ value: one["const"], about: String(one["description"] ?? "") }];
    return ((one["enum"] ?? []) as string[]).map((value) => ({ value, about: String(one["description"] ?? "") }));
  });
}

/** A word of a few, or a list of values: `growth`. */
function either(any: Json[], place: string): Shape {
  const words = any.flatMap((one) => (one["enum"] ?? []) as string[]);
  if (words.length > 0 && any.some((one) => one["type"] === "array")) return { kind: "either", choices: words };
  throw new Error(`${place}: a choice that the form does not know`);
}

function list(node: Json, defs: Record<string, Json>, place: string): Shape {
  const item = resolve((node["items"] ?? {}) as Json, defs);
  if (item["type"] === "object") return { kind: "tables", item: keys(item, defs, place) };
  const isWhole = item["type"] === "integer";
  const example = (item["examples"] as unknown[] | undefined)?.[0] ?? choicesOf(item)?.[0]?.value;
  return { kind: "words", whole: isWhole, ...(example === undefined ? {} : { example: String(example) }) };
}

function named(node: Json, defs: Record<string, Json>, place: string): Shape {
  const item = node["additionalProperties"];
  if (typeof item !== "object" || item === null) throw new Error(`${place}: a table without known keys`);
  return { kind: "named", item: shape(item as Json, defs, place) };
}

/** Returns a key as it is written in TOML, quoted where it has to be. */
export function pathOf(parts: (string | number)[]): string {
  return parts.map((part) => (/^[A-Za-z0-9_-]+$/.test(String(part)) ? String(part) : JSON.stringify(String(part)))).join(".");
}

/** Returns the value at a path. */
export function valueAt(values: unknown, parts: (string | number)[]): unknown {
  return parts.reduce<unknown>((value, part) => (typeof value === "object" && value !== null ? (value as Json)[part] : undefined), values);
}

/** Returns the default at a path of tables. */
export function usualAt(all: Key[], parts: string[]): unknown {
  const [first, ...rest] = parts;
  const key = all.find((one) => one.name === first);
  if (!key) return undefined;
  if (rest.length === 0) return key.usual;
  return key.shape.kind === "table" ? usualAt(key.shape.keys, rest) : undefined;
}
