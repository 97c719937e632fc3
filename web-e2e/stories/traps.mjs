// Traps with their catch, watches with their last line, scans, and a rule on pasted lines.
import { assert, signIn } from "../lib/browser.mjs";
import { onGuarded, touch } from "../lib/world.mjs";

const LINE = "Nov 21 03:55:01 host sshd[4711]: Failed password for invalid user <b>admin</b> from 203.0.113.9 port 50122 ssh2";

export async function story(browser, log) {
  await signIn(browser);
  const page = await browser.go("traps");
  const trap = page.getByRole("row").filter({ hasText: "tcp/23" }).first();
  await trap.getByText("set", { exact: true }).waitFor();
  await trap.getByText("0 times").waitFor();
  await touch("10.77.0.3", 23);
  await page.getByRole("row").filter({ hasText: "tcp/23" }).getByText("1 time", { exact: true }).waitFor();
  await page.getByRole("link", { name: "10.77.0.3" }).first().waitFor();

  const watch = page.getByRole("article", { name: "Watch sshd" });
  await watch.getByText("good").waitFor();
  await onGuarded(`echo '${LINE}' >> '${log}'`);
  await watch.getByText("Failed password for invalid user <b>admin</b>").waitFor();
  await watch.getByText("1, 1 in the last hour").waitFor();

  await page.getByRole("row").filter({ hasText: "throttle-hard" }).getByText("500 in 30 min").waitFor();
  await browser.shoot("traps");

  // A rule on pasted lines; one that there is none of is told in the guard's own words.
  await page.getByLabel("Rule", { exact: true }).fill("sshd");
  await page.getByLabel("Lines of a log").fill(`${LINE}\nsomething else`);
  await page.getByRole("button", { name: "Try", exact: true }).click();
  await page.getByText("2 lines: 1 matched, 1 missed, 0 ignored").waitFor();
  await page.getByText("failure", { exact: true }).waitFor();
  await page.getByText("nothing", { exact: true }).waitFor();
  await page.getByText("user <b>admin</b>", { exact: true }).waitFor();
  assert((await page.locator("b").count()) === 0, "what an attacker writes is text and nothing else");
  await browser.shoot("rule-trial");
  await browser.axe("a trial of a rule");
  browser.expect(/status of 4\d\d .*\/api\/v1\/rule-test/);
  await page.getByLabel("Rule", { exact: true }).fill("no-such-rule");
  await page.getByRole("button", { name: "Try", exact: true }).click();
  await page.getByRole("alert").filter({ hasText: "no-such-rule" }).waitFor();
  assert((await page.getByText("2 lines: 1 matched").count()) === 0, "an old result does not stay beside a refusal");
}
