// The overview: what happens is seen at once; a lockdown tells what it takes, waits, and is undone or kept.
import { assert, confirm, eventually, signIn } from "../lib/browser.mjs";
import { connects, serve, touch } from "../lib/world.mjs";

export async function story(browser) {
  const page = await signIn(browser);
  await serve("httpd", 8080);
  await page.getByText("all in the kernel").waitFor();

  // A ban is counted without anybody asking.
  const banned = page.getByRole("region", { name: "Banned" });
  await banned.getByRole("link", { name: "0", exact: true }).waitFor();
  await touch("10.77.0.3", 23);
  await banned.getByRole("link", { name: "1", exact: true }).waitFor();
  const journal = page.getByRole("region", { name: "Journal" });
  await journal.getByText("10.77.0.3").first().waitFor();
  await page.getByRole("img", { name: /Line chart of offences and bans in the last 24 hours/ }).waitFor();
  await page.getByLabel("Time that is shown").selectOption("3600");
  await page.getByRole("img", { name: /in the last 1 hour: 1 offences, 1 bans/ }).waitFor();

  // Who and what stood out; each leads on.
  await touch("10.77.0.3", 80).catch(() => {});
  const worst = page.getByRole("region", { name: "Most turned away" });
  await eventually("the banned source among those turned away", async () => {
    await page.getByLabel("Time that is shown").selectOption("86400");
    await page.getByLabel("Time that is shown").selectOption("3600");
    return (await worst.getByRole("link", { name: "10.77.0.3" }).count()) > 0;
  });

  // The lockdown: first what it takes away, then the banner with its countdown.
  const waiting = page.getByRole("region", { name: "A change waits for confirmation" });
  const lockDown = async () => {
    await page.getByRole("button", { name: "Lockdown…" }).click();
    await page.getByRole("dialog").getByText("tcp/8080").waitFor();
    await browser.shoot("lockdown-dialog");
    await confirm(page, "Lock down");
    await waiting.getByText("waits for confirmation").waitFor();
  };
  assert(await connects("10.77.0.2", 8080), "nobody is locked out before the lockdown");
  await lockDown();
  await browser.shoot("lockdown-banner");
  await browser.axe("the banner of a lockdown");
  assert(!(await connects("10.77.0.2", 8080)), "the lockdown closes what no rule opens");
  await waiting.getByRole("button", { name: "Undo" }).click();
  await waiting.waitFor({ state: "detached" });
  assert(await connects("10.77.0.2", 8080), "Undo opens again");
  await page.getByText("Everything passes but offenders.", { exact: true }).waitFor();

  await lockDown();
  await waiting.getByRole("button", { name: "Confirm" }).click();
  await waiting.waitFor({ state: "detached" });
  assert(!(await connects("10.77.0.2", 8080)), "what is confirmed stays");
  await page.getByRole("button", { name: "Relax…" }).click();
  await confirm(page, "Relax");
  await page.getByText("Everything passes but offenders.", { exact: true }).waitFor();
  assert(await connects("10.77.0.2", 8080), "relaxed, everything passes");
}
