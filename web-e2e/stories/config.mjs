// The configuration: form and text are one; mistakes as one types; the difference; applied, rolled back, confirmed.
import { assert, confirm, eventually, signIn } from "../lib/browser.mjs";
import { connects, onGuarded, serve } from "../lib/world.mjs";

export async function story(browser, file) {
  await signIn(browser);
  await serve("sshd", 22);
  const page = await browser.go("config");
  const text = page.getByLabel("Text of the configuration");
  const form = page.getByRole("region", { name: "Form" });
  const apply = page.getByRole("button", { name: "Apply…" });
  const grace = form.getByRole("textbox", { name: /^grace/ });
  const before = await text.inputValue();
  assert(before.includes("# what this host does"), "the file is shown with its comments");
  await page.getByText("as in the file").waitFor();
  assert(await apply.isDisabled(), "nothing to apply yet");
  assert((await form.getByRole("alert").count()) === 0, "the form knows every shape of the schema");

  // From the form to the text, comments kept.
  await form.getByText("Which ports are open.").click();
  await grace.fill("30s");
  await grace.press("Enter");
  await eventually("the text has the key", async () => (await text.inputValue()).includes('grace = "30s"'));
  assert((await text.inputValue()).includes("# what this host does"), "comments stay");
  await page.getByText("can be applied").waitFor();

  // From the text to the form; mistakes are told as one types, with their line.
  await text.fill((await text.inputValue()).replace('grace = "30s"', 'grace = "40s"'));
  await eventually("the form follows the text", async () => (await grace.inputValue()) === "40s");
  await text.fill((await text.inputValue()).replace('grace = "40s"', "grcae = 40"));
  await page.getByText("1 mistake", { exact: true }).waitFor();
  await browser.shoot("config-mistake");
  assert(await apply.isDisabled(), "what is wrong can not be applied");
  await page.getByRole("button", { name: /^Line \d+/ }).first().click();
  assert(await text.evaluate((area) => area.value.slice(area.selectionStart, area.selectionEnd).includes("grcae")), "the line is shown");
  await text.fill((await text.inputValue()).replace("grcae = 40", 'grace = "50s"'));
  await page.getByText("can be applied").waitFor();

  // Lists of tables: added and taken out again.
  await form.getByText("Ports that nobody honest connects to.").click();
  await form.getByRole("button", { name: "Add to traps" }).click();
  await form.getByText("traps 2").waitFor();
  await form.getByRole("button", { name: "Take out number 2" }).click();
  await form.getByText("traps 2").waitFor({ state: "detached" });

  // The difference, then applied: harmless, so it holds at once.
  await page.getByRole("button", { name: "Difference" }).click();
  await page.getByText('+ grace = "50s"').waitFor();
  await browser.shoot("config-difference");
  await apply.click();
  await confirm(page, "Apply");
  await page.getByText("as in the file").waitFor();
  assert((await onGuarded(`cat '${file}'`)).includes('grace = "50s"'), "the file is written");

  // What takes a way in away waits, and rolls back by itself.
  await page.getByRole("button", { name: "Text" }).click();
  assert(await connects("10.77.0.2", 22), "open before");
  const risky = async () => {
    await text.fill((await text.inputValue()).replace('always = ["tcp/22"]', "always = []"));
    await page.getByText("can be applied").waitFor();
    await apply.click();
    await confirm(page, "Apply");
  };
  const waiting = page.getByRole("region", { name: "A change waits for confirmation" });
  await risky();
  await waiting.waitFor();
  await browser.shoot("config-countdown");
  assert(!(await connects("10.77.0.2", 22)), "the change is in force while it waits");
  await waiting.waitFor({ state: "detached", timeout: 20_000 });
  await eventually("rolled back by itself", () => connects("10.77.0.2", 22));
  await eventually("the page shows the file as it is by now", async () => (await text.inputValue()).includes('always = ["tcp/22"]') || (await page.getByText("The file was changed elsewhere").count()) > 0);
}
