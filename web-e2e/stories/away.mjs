// The daemon dies and comes back: the page says so, and comes back by itself.
import { signIn } from "../lib/browser.mjs";
import { daemon, touch } from "../lib/world.mjs";

export async function story(browser) {
  browser.expect(/status of 50[0-9] /);
  const page = await signIn(browser);
  const banned = page.getByRole("region", { name: "Banned" });
  await banned.getByRole("link", { name: "0", exact: true }).waitFor();
  await daemon("kill");
  await page.getByText("The daemon is away.").waitFor();
  await browser.shoot("away");
  await browser.axe("a daemon that is away");
  await daemon("start");
  await page.getByText("The daemon is away.").waitFor({ state: "detached" });
  await page.getByText("live", { exact: true }).waitFor();
  await touch("10.77.0.3", 23);
  await banned.getByRole("link", { name: "1", exact: true }).waitFor();
}
