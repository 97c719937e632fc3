// Without a mouse: past the menu, through it, into a dialog and out of it again.
import { assert, signIn } from "../lib/browser.mjs";

export async function story(browser) {
  const page = await signIn(browser);
  await page.goto(`${browser.url}#/overview`);
  await page.reload();
  await page.locator("#page-title").waitFor();
  const focused = () => page.evaluate(() => document.activeElement?.textContent?.trim() ?? "");
  await page.keyboard.press("Tab");
  assert((await focused()) === "Skip to the page", "the first stop leads past the menu");
  await page.keyboard.press("Enter");
  assert((await page.evaluate(() => document.activeElement?.id)) === "main", "the page has the focus");

  await page.reload();
  await page.locator("#page-title").waitFor();
  for (let i = 0; i < 30 && !(await focused()).startsWith("Offenders"); i += 1) await page.keyboard.press("Tab");
  await page.keyboard.press("Enter");
  await page.getByRole("heading", { name: "Offenders", level: 1 }).waitFor();
  assert((await page.evaluate(() => document.activeElement?.id)) === "page-title", "after a step the new title has the focus");
  assert((await page.title()) === "Offenders · Portguard", "the window's title follows");

  for (let i = 0; i < 30 && (await focused()) !== "Add…"; i += 1) await page.keyboard.press("Tab");
  await page.keyboard.press("Enter");
  const dialog = page.getByRole("dialog");
  await dialog.waitFor();
  assert(await dialog.evaluate((one) => one.contains(document.activeElement)), "the dialog has the focus");
  await page.keyboard.press("Escape");
  await dialog.waitFor({ state: "detached" });
  assert((await focused()) === "Add…", "the focus returns to where it came from");
}
