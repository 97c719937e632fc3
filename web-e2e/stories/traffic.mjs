// Traffic: packets as they come, filtered and held still; connections; rules that anomalies propose; a rule by hand.
import { assert, confirm, eventually, signIn } from "../lib/browser.mjs";
import { onGuarded, onScanner, portguard, serve, touch } from "../lib/world.mjs";

export async function story(browser) {
  await signIn(browser);
  await serve("httpd", 8080);
  const page = await browser.go("traffic");
  const dialog = page.getByRole("dialog");
  const from = (source) => page.getByRole("row").filter({ has: page.getByRole("link", { name: source, exact: true }) });

  // Packets appear by themselves.
  await touch("10.77.0.3", 8080);
  await from("10.77.0.3").getByText("allowed").first().waitFor();
  await touch("10.77.0.4", 23);
  await onScanner("ping -c 1 -W 1 -I 10.77.0.4 10.77.0.1 || true");
  await from("10.77.0.4").getByText("blocked").first().waitFor();
  await browser.shoot("traffic");

  // Filtered, also what comes later.
  await page.getByLabel("Decision").selectOption("blocked");
  await from("10.77.0.3").first().waitFor({ state: "detached" });
  await page.getByLabel("Source").fill("10.77.0.8/30");
  await page.getByText("No packet like that so far.").waitFor();
  await page.getByRole("button", { name: "Show all" }).click();
  await page.getByLabel("Port").fill("8080");
  await from("10.77.0.4").first().waitFor({ state: "detached" });
  await from("10.77.0.3").first().waitFor();

  // Held still: new ones are counted and wait.
  await page.getByRole("button", { name: "Pause" }).click();
  await touch("10.77.0.6", 8080);
  await page.getByRole("button", { name: /Go on \(\d+ new\)/ }).click();
  await from("10.77.0.6").first().waitFor();

  // A rule by hand from a row.
  await from("10.77.0.6").first().getByRole("button", { name: "Ban…" }).click();
  await confirm(page, "Ban");
  assert(JSON.parse(await portguard("check", "10.77.0.6", "--json")).verdict === "banned", "a ban from a row of the packets");

  // Connections, with who serves them.
  await onScanner("(sleep 60 | nc -s 10.77.0.7 10.77.0.1 8080) >/dev/null 2>&1 &");
  await page.getByRole("link", { name: "Connections" }).click();
  await from("10.77.0.7").getByText("httpd").waitFor();
  await page.getByLabel("Find a connection").fill("nothing like it");
  await page.getByText("No connection contains “nothing like it”.").waitFor();
  // What has no socket is known from the kernel's connection tracking.
  await onScanner("ping -i 0.5 -w 60 -I 10.77.0.5 10.77.0.1 >/dev/null 2>&1 &");
  await page.getByLabel("Find a connection").fill("icmp");
  await from("10.77.0.5").getByText("replied", { exact: true }).waitFor();
  await page.getByText(/^The kernel tracks \d+ of at most/).waitFor();
  await page.getByLabel("Find a connection").fill("10.77.0.7");
  await from("10.77.0.7").waitFor();
  await browser.shoot("connections");

  // A scan leads to a proposal; one is accepted, one dismissed.
  await page.getByRole("link", { name: "Anomalies" }).click();
  await page.getByText("No rule waits for you.").waitFor();
  await onScanner("nmap -n -Pn -sS -e cable -S 10.77.0.8 -p 100-130 --max-retries 0 10.77.0.1 >/dev/null");
  await onScanner("nmap -n -Pn -sS -e cable -S 10.77.0.9 -p 100-130 --max-retries 0 10.77.0.1 >/dev/null");
  const proposals = page.getByRole("region", { name: "Proposed rules" });
  await proposals.getByRole("link", { name: "10.77.0.8" }).first().waitFor();
  await proposals.getByRole("link", { name: "10.77.0.9" }).first().waitFor();
  await browser.shoot("proposals");
  await proposals.getByRole("button", { name: "Accept… 10.77.0.8" }).first().click();
  await confirm(page, "Accept");
  await proposals.getByRole("link", { name: "10.77.0.8" }).first().waitFor({ state: "detached" });
  await eventually("the rule is in the kernel", async () => JSON.parse(await portguard("check", "10.77.0.8", "--json")).verdict !== "none");
  await proposals.getByRole("button", { name: "Dismiss… 10.77.0.9" }).first().click();
  await confirm(page, "Dismiss");
  await proposals.getByRole("link", { name: "10.77.0.9" }).first().waitFor({ state: "detached" });
  await page.getByRole("region", { name: "Anomalies of the last 7 days" }).getByText("10.77.0.8").first().waitFor();

  await page.getByRole("link", { name: "Interfaces" }).click();
  await page.getByRole("row").filter({ hasText: "cable" }).getByText("/s").first().waitFor();

  // A rule from nothing.
  await page.getByRole("button", { name: "New rule…" }).click();
  await dialog.getByLabel("Measure").selectOption("throttle-soft");
  await dialog.getByLabel("Addresses or networks").fill("203.0.113.70");
  await confirm(page, "Throttle");
  assert(JSON.parse(await portguard("check", "203.0.113.70", "--json")).verdict === "throttled", "a rule by hand");
  await onGuarded("true");
}
