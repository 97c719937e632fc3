import { expect, test } from "vitest";
import { pathOf, readSchema, usualAt, valueAt } from "../src/lib/schema";

const schema = {
  $defs: {
    Posture: { oneOf: [{ const: "open", description: "Everything." }, { const: "closed", description: "Nothing." }] },
    Guard: { type: "object", properties: { posture: { $ref: "#/$defs/Posture", default: "open" }, observe: { type: "boolean" } } },
    Trap: { type: "object", required: ["ports"], properties: { ports: { type: "array", items: { type: "string" } }, base: { type: ["string", "integer", "null"] } } },
    Growth: { anyOf: [{ enum: ["fixed", "double"] }, { type: "array", items: { type: ["string", "integer"] } }] },
  },
  type: "object",
  properties: {
    guard: { $ref: "#/$defs/Guard" },
    traps: { type: "array", items: { $ref: "#/$defs/Trap" } },
    ladders: { type: "object", additionalProperties: { type: "object", properties: { growth: { anyOf: [{ $ref: "#/$defs/Growth" }, { type: "null" }] } } } },
  },
};

test("each shape becomes its kind of field", () => {
  const [guard, traps, ladders] = readSchema(schema);
  expect(guard?.shape).toMatchObject({ kind: "table", keys: [{ name: "posture", usual: "open", shape: { kind: "choice" } }, { shape: { kind: "switch" } }] });
  expect(traps?.shape).toMatchObject({ kind: "tables", item: [{ required: true, shape: { kind: "words" } }, { shape: { kind: "text", loose: true } }] });
  expect(ladders?.shape).toMatchObject({ kind: "named", item: { kind: "table", keys: [{ shape: { kind: "either", choices: ["fixed", "double"] } }] } });
});

test("a shape that is not known is an error", () => {
  expect(() => readSchema({ properties: { a: { not: {} } } })).toThrow("a: a shape");
});

test("paths are quoted where TOML wants it", () => {
  expect(pathOf(["share", "providers", "localhost.run", "login"])).toBe('share.providers."localhost.run".login');
  expect(pathOf(["watch", 0, "howmany"])).toBe("watch.0.howmany");
});

test("values and what is usual are found by their paths", () => {
  expect(valueAt({ watch: [{ howmany: 5 }] }, ["watch", 0, "howmany"])).toBe(5);
  expect(usualAt(readSchema(schema), ["guard", "posture"])).toBe("open");
});
