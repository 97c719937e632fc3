// Offenders: add, find, sort, extend, lift, many at once, put back; the story of one; who is protected stays so.
import { assert, confirm, eventually, signIn } from "../lib/browser.mjs";
import { portguard, touch } from "../lib/world.mjs";

export async function story(browser) {
  await signIn(browser);
  const page = await browser.go("offenders");
  const dialog = page.getByRole("dialog");
  const row = (subject) => page.getByRole("row").filter({ has: page.getByRole("link", { name: subject, exact: true }) });
  const holds = async (subject, verdict) => {
    const check = JSON.parse(await portguard("check", subject, "--json"));
    assert(check.verdict === verdict, `${subject} is ${check.verdict}, not ${verdict}`);
  };
  const add = async (subjects, fill) => {
    await page.getByRole("button", { name: "Add…" }).click();
    await dialog.getByLabel("Addresses or networks").fill(subjects);
    await fill?.();
  };

  // Nothing yet: the page says what to do.
  await page.getByText("Nobody is banned.").waitFor();
  await browser.shoot("offenders-empty");

  await add("203.0.113.9", async () => {
    await dialog.getByLabel("Reason, for the journal").fill("a test of the page");
    await browser.shoot("ban-dialog");
    await browser.axe("the dialog of a ban");
  });
  await confirm(page, "Ban");
  await row("203.0.113.9").getByText("a test of the page").waitFor();
  await row("203.0.113.9").getByText("web:admin").waitFor();
  await holds("203.0.113.9", "banned");

  // Many at once, with ports and a length of one's own.
  await add("198.51.100.0/24, 198.51.101.7\n2001:db8:7::/64", async () => {
    await dialog.getByLabel("For how long").selectOption("own");
    await dialog.getByLabel("Length of time").fill("90m");
    await dialog.getByLabel("Ports").fill("tcp/22");
  });
  await confirm(page, "Ban");
  await row("2001:db8:7::/64").getByText("only tcp/22").waitFor();
  await row("198.51.100.0/24").getByText("in 1 h").waitFor();

  // Sorted and found by the server.
  const subjects = () => page.locator("tbody a.code").allInnerTexts();
  await page.locator('th[aria-sort="ascending"]').getByRole("button", { name: "Subject" }).waitFor();
  const up = await eventually("sorted", async () => ((await subjects()).length === 4 ? subjects() : null));
  await page.getByRole("button", { name: "Subject" }).click();
  await page.locator('th[aria-sort="descending"]').waitFor();
  await eventually("sorted the other way", async () => (await subjects()).join() === [...up].reverse().join());
  await page.getByLabel("Find in this list").fill("198.51.100.77");
  await eventually("only what contains the address", async () => (await subjects()).join() === "198.51.100.0/24");
  await page.getByLabel("Find in this list").fill("nobody");
  await page.getByText("Nothing here contains “nobody”.").waitFor();
  await page.getByRole("button", { name: "Show all" }).click();
  await page.getByLabel("Find in this list").fill("");
  await row("203.0.113.9").waitFor();

  // A new end; then lifted, and put back by the note's Undo.
  await row("203.0.113.9").getByRole("button", { name: "Extend…" }).click();
  await dialog.getByLabel("For how long").selectOption("1w");
  await confirm(page, "Set the end");
  await row("203.0.113.9").getByText(/in (6|7) d/).waitFor();
  await row("203.0.113.9").getByRole("button", { name: "Lift…" }).click();
  await confirm(page, "Lift");
  await row("203.0.113.9").waitFor({ state: "detached" });
  await holds("203.0.113.9", "none");
  await page.getByRole("button", { name: "Undo" }).last().click();
  await row("203.0.113.9").getByText(/in (6|7) d/).waitFor();
  await holds("203.0.113.9", "banned");

  // Chosen together.
  await page.getByLabel("Choose 198.51.101.7").check();
  await page.getByLabel("Choose 198.51.100.0/24").check();
  await page.getByText("2 chosen").waitFor();
  await browser.shoot("offenders");
  await page.getByRole("button", { name: "Lift…", exact: true }).click();
  await confirm(page, "Lift");
  await row("198.51.101.7").waitFor({ state: "detached" });
  await row("198.51.100.0/24").waitFor({ state: "detached" });

  // Other lists.
  await page.getByRole("link", { name: /^Throttled hard/ }).click();
  await add("203.0.113.50");
  await confirm(page, "Throttle");
  await row("203.0.113.50").waitFor();
  await holds("203.0.113.50", "throttled");
  await page.getByRole("link", { name: /^Allow list/ }).click();
  await add("203.0.113.60");
  await confirm(page, "Allow");
  await row("203.0.113.60").waitFor();
  await row("203.0.113.60").getByRole("button", { name: "Take off…" }).click();
  await confirm(page, "Take off");
  await row("203.0.113.60").waitFor({ state: "detached" });

  // Nobody locks themselves out: one is warned, and the guard refuses in its own words.
  await page.getByRole("link", { name: /^Protected/ }).click();
  await row("10.77.0.1").waitFor();
  await page.getByRole("link", { name: /^Bans/ }).click();
  browser.expect(/status of 409 .*\/api\/v1\/hold/);
  await add("10.77.0.1");
  await dialog.getByText("the guard will refuse this order").waitFor();
  await dialog.getByRole("button", { name: "Ban", exact: true }).click();
  await dialog.getByText(/protected/).last().waitFor();
  await browser.shoot("protected");
  await dialog.getByRole("button", { name: "Cancel" }).click();

  // The whole story of one who touched a trap.
  await touch("10.77.0.5", 23);
  await row("10.77.0.5").getByRole("link", { name: "10.77.0.5" }).click();
  await page.getByRole("heading", { name: "10.77.0.5", level: 1 }).waitFor();
  const timeline = page.getByRole("region", { name: "Timeline" });
  await timeline.getByText("offence").first().waitFor();
  await timeline.getByText("decision").first().waitFor();
  await page.getByText("portguard unban 10.77.0.5").waitFor();
  await page.getByRole("region", { name: "What the kernel says" }).getByText(/packets? matched/).waitFor();
  await browser.shoot("story");
  await browser.axe("a story");
  await page.getByRole("button", { name: "Lift…" }).click();
  await confirm(page, "Lift");
  await page.getByText("nothing in force").waitFor();
  await timeline.getByText("release").first().waitFor();

  await page.getByRole("link", { name: "Offenders" }).last().click();
  await page.getByRole("link", { name: /^Offenders \d/ }).click();
  await row("10.77.0.5").getByText("free").waitFor();

  await page.getByRole("link", { name: /^Bans/ }).click();
  await page.getByRole("button", { name: "Lift all…" }).click();
  await confirm(page, "Lift all bans");
  await page.getByText("Nobody is banned.").waitFor();
  await holds("203.0.113.9", "none");
}
