// A provider whose host key changed: the page says so, shows no address, and lets one end the share.
import { assert, confirm, signIn } from "../lib/browser.mjs";

export async function story(browser) {
  await signIn(browser);
  const page = await browser.go("share");
  const share = page.getByRole("region", { name: "tcp/8080" });
  await share.getByText("refused", { exact: true }).waitFor();
  await share.getByText(/the host key of .* is not the one on record/).waitFor();
  await share.getByText(/take the line of .* out of/).waitFor();
  assert((await share.getByRole("link").count()) === 0, "nobody is sent there");
  assert((await share.getByRole("img").count()) === 0, "and no code leads there");
  await browser.shoot("impostor");
  await browser.axe("a refused share");
  await share.getByRole("button", { name: "Stop…" }).click();
  await confirm(page, "Stop sharing");
  await page.getByText("Nothing is shared.").waitFor();
}
