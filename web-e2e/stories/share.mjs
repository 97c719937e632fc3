// Sharing: only what listens, and what was asked for is seen; a provider that is not there is told.
import { confirm, signIn } from "../lib/browser.mjs";
import { serve } from "../lib/world.mjs";

export async function story(browser) {
  await signIn(browser);
  await serve("httpd", 8080);
  const page = await browser.go("share");
  await page.getByText("Nothing is shared.").waitFor();
  const dialog = page.getByRole("dialog");
  const open = async (port) => {
    await page.getByRole("button", { name: "Share a port…" }).click();
    await dialog.getByLabel("Port", { exact: true }).fill(port);
    await dialog.getByLabel("Provider").fill("nobody@127.0.0.1:1");
  };

  // Nothing listens there: refused, in the guard's words.
  browser.expect(/status of 4\d\d .*\/api\/v1\/shares/);
  await open("8099");
  await browser.shoot("share-dialog");
  await dialog.getByRole("button", { name: "Share", exact: true }).click();
  await dialog.getByRole("alert").waitFor();
  await dialog.getByRole("button", { name: "Cancel" }).click();

  // A provider that does not answer: the share is there, says why it is not up, and can be stopped.
  await open("8080");
  await confirm(page, "Share");
  const share = page.getByRole("region", { name: "tcp/8080" });
  await share.getByText(/waiting|connecting/).first().waitFor();
  await browser.shoot("share");
  await browser.axe("a share");
  await share.getByRole("button", { name: "Stop…" }).click();
  await confirm(page, "Stop sharing");
  await page.getByText("Nothing is shared.").waitFor();
}
