// A session that runs out while a page is open: the page asks for the password, and goes on where it was.
import { PASSWORD, signIn } from "../lib/browser.mjs";

export async function story(browser) {
  const page = await signIn(browser);
  browser.expect(/status of 401 /);
  await browser.go("logs");
  await page.getByRole("heading", { name: "Sign in" }).waitFor({ timeout: 30_000 });
  await page.getByText("Your session has ended.").waitFor();
  await browser.shoot("ended");
  await browser.axe("a session that ended");
  await page.getByLabel("User").fill("admin");
  await page.getByLabel("Password").fill(PASSWORD);
  await page.getByRole("button", { name: "Sign in" }).click();
  await page.getByRole("heading", { name: "Logs", level: 1 }).waitFor();
  await page.locator(".entries > li").first().waitFor();
}
