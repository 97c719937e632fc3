import { expect, test } from "vitest";
import { addressOf, bytes, countdown, distance, endpoint, many, portOf, span, sum, withMoments } from "../src/lib/format";

test("lengths of time have their two largest units", () => {
  expect([0, 59, 60, 3_661, 90_000, 31_536_000].map(span)).toEqual(["0 s", "59 s", "1 min", "1 h 1 min", "1 d 1 h", "1 y"]);
});

test("moments are told by their distance", () => {
  expect([1, 5, 90, -7_300].map((seconds) => distance(0, seconds * 1000))).toEqual(["just now", "5 s ago", "1 min ago", "in 2 h"]);
});

test("what was not counted is no zero", () => {
  expect([sum([]), sum([null, null]), sum([null, 0]), sum([1, null, 2])]).toEqual([null, null, 0, 3]);
});

test("moments within a text are written as all others", () => {
  const told = withMoments("10.77.0.2 until 2026-11-28T21:44:24.846Z");
  expect(told).toMatch(/^10\.77\.0\.2 until 28 Nov 2026, \d\d:44:24$/);
  expect(withMoments("no moment: 2026-11-28")).toBe("no moment: 2026-11-28");
});

test("a countdown never falls below zero", () => {
  expect([59.2, 61, 0, -3].map(countdown)).toEqual(["1:00", "1:01", "0:00", "0:00"]);
});

test("numbers carry their units", () => {
  expect([0, 999, 1_000, 123_456, 5e9].map(bytes)).toEqual(["0 B", "999 B", "1.0 kB", "123 kB", "5.0 GB"]);
  expect([many(1, "ban"), many(2_000, "ban")]).toEqual(["1 ban", "2,000 bans"]);
});

test("addresses and ports are written and read together", () => {
  for (const [address, port, text] of [["192.0.2.7", 22, "192.0.2.7:22"], ["2001:db8::7", 22, "[2001:db8::7]:22"]] as const) {
    expect(endpoint(address, port)).toBe(text);
    expect([addressOf(text), portOf(text)]).toEqual([address, String(port)]);
    expect([addressOf(address), portOf(address)]).toEqual([address, undefined]);
  }
});
