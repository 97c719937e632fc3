// The control file: none, then one that is not signed; the page says both, and what it did.
import { signIn } from "../lib/browser.mjs";

export async function story(browser, url) {
  await signIn(browser);
  const page = await browser.go("remote");
  await page.getByRole("heading", { name: "Control file" }).waitFor();
  await page.getByText(url).waitFor();
  await page.getByText("unsigned files are taken").waitFor();
  const web = page.getByRole("row", { name: /^web / });
  await web.getByText("open", { exact: true }).waitFor();
  await web.getByText("control file, unsigned").waitFor();
  await page.getByText("names `mail`, which is not in remote.services").waitFor();
  await browser.shoot("remote");
  await browser.axe("the control file");
}
