import { expect, test } from "vitest";
import { diff, isChanged } from "../src/lib/diff";

function shown(before: string, after: string): string {
  const marks = { same: " ", gone: "-", new: "+", skip: "~" };
  return diff(before, after).map((line) => marks[line.kind] + line.text).join("|");
}

test("what is the same changes nothing", () => {
  expect(isChanged(diff("a\nb", "a\nb"))).toBe(false);
});

test("lines go, come and change", () => {
  expect(shown("a\nb\nc", "a\nc")).toBe(" a|-b| c");
  expect(shown("a\nc", "a\nb\nc")).toBe(" a|+b| c");
  expect(shown("a\nb\nc", "a\nx\nc")).toBe(" a|-b|+x| c");
});

test("two changes with lines between them stay two", () => {
  expect(shown("a\nb\nc\nd\ne", "x\nb\nc\nd\ny")).toBe("-a|+x| b| c| d|-e|+y");
});

test("what is far from a change is left out", () => {
  expect(shown("1\n2\n3\n4\n5\n6", "1\n2\n3\n4\n5\nx")).toBe("~…| 4| 5|-6|+x");
});
