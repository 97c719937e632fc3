// Logs: the journal follows, is filtered and held still; the packet log is there.
import { eventually, signIn } from "../lib/browser.mjs";
import { touch } from "../lib/world.mjs";

export async function story(browser) {
  await signIn(browser);
  const page = await browser.go("logs");
  const lines = page.locator(".entries > li");
  await lines.first().waitFor();
  await touch("10.77.0.3", 23);
  await lines.filter({ hasText: "10.77.0.3" }).first().waitFor();
  await browser.shoot("logs");

  await page.getByRole("button", { name: "Stop following" }).click();
  await touch("10.77.0.4", 23);
  await page.getByRole("button", { name: /Follow \(\d+ new\)/ }).click();
  await lines.filter({ hasText: "10.77.0.4" }).first().waitFor();

  await page.getByLabel("About").fill("10.77.0.4");
  await eventually("only lines about the subject", async () => (await lines.count()) > 0 && (await lines.filter({ hasText: "10.77.0.3" }).count()) === 0);
  await touch("10.77.0.5", 23);
  await page.getByLabel("About").fill("");
  await lines.filter({ hasText: "10.77.0.5" }).first().waitFor();
  await page.getByLabel("Level").selectOption("error");
  await eventually("no line that is no error", async () => (await page.locator(".entries > li.calm").count()) === 0);
  await page.getByLabel("Level").selectOption("");
  await page.getByLabel("Since").selectOption("3600");
  await lines.filter({ hasText: "10.77.0.5" }).first().waitFor();

  await page.getByRole("link", { name: "Packet log" }).click();
  await page.getByRole("row").filter({ hasText: "10.77.0.5" }).first().waitFor();
}
