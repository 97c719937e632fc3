import { expect, test } from "vitest";
import { liesIn } from "../src/lib/address";

test.each([
  ["192.0.2.7", "192.0.2.7", true],
  ["192.0.2.7", "192.0.2.0/24", true],
  ["192.0.3.7", "192.0.2.0/24", false],
  ["192.0.2.7", "0.0.0.0/0", true],
  ["2001:db8::1:7", "2001:db8::/64", true],
  ["2001:db8:0:1::7", "2001:db8::/64", false],
  ["2001:db8:0:0:0:0:0:7", "2001:db8::7", true],
  ["192.0.2.7", "2001:db8::/0", false],
  ["192.0.2.7", "192.0", true],
  ["192.0.2.7", "198.51", false],
])("%s in %s: %s", (address, subject, expected) => {
  expect(liesIn(address, subject)).toBe(expected);
});
