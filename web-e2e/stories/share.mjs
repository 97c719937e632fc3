// Sharing: only what listens; the address and its code, copied, followed when it changes, stopped; a provider that is not there is told.
import { assert, confirm, eventually, signIn } from "../lib/browser.mjs";
import { onScanner, portguard } from "../lib/world.mjs";

export async function story(browser, said) {
  await signIn(browser);
  await browser.context.grantPermissions(["clipboard-read", "clipboard-write"]);
  const page = await browser.go("share");
  await page.getByText("Nothing is shared.").waitFor();
  const dialog = page.getByRole("dialog");
  const share = page.getByRole("region", { name: "tcp/8080" });
  const open = async (port, provider = "") => {
    await page.getByRole("button", { name: "Share a port…" }).click();
    await dialog.getByLabel("Port", { exact: true }).fill(port);
    await dialog.getByLabel("Provider").fill(provider);
  };
  const stop = async () => {
    await share.getByRole("button", { name: "Stop…" }).click();
    await confirm(page, "Stop sharing");
    await page.getByText("Nothing is shared.").waitFor();
  };

  // Nothing listens there: refused, in the guard's words.
  browser.expect(/status of 4\d\d .*\/api\/v1\/shares/);
  await open("8099");
  await browser.shoot("share-dialog");
  await browser.axe("the dialog of a share");
  await dialog.getByRole("button", { name: "Share", exact: true }).click();
  await dialog.getByRole("alert").waitFor();
  await dialog.getByRole("button", { name: "Cancel" }).click();

  // A provider that does not answer: the share is there, says why it is not up, and can be stopped.
  await open("8080", "nobody@127.0.0.1:1");
  await confirm(page, "Share");
  await share.getByText(/waiting|connecting/).first().waitFor();
  await browser.shoot("share-waiting");
  await stop();

  // The configured one: address, code, time left, and the key that was met.
  await open("8080");
  await dialog.getByLabel("For how long").selectOption("1h");
  await confirm(page, "Share");
  await share.getByRole("link", { name: "https://abc123.lhr.example" }).waitFor();
  await share.getByText("up", { exact: true }).waitFor();
  await share.getByRole("img", { name: "QR code of https://abc123.lhr.example" }).waitFor();
  await share.getByText(/^in (1 h|59 min)/).waitFor();
  await share.getByText(/^SHA256:/).waitFor();
  await share.getByText("web:admin").waitFor();
  await browser.shoot("share");
  await browser.axe("a share");
  await share.getByRole("button", { name: "Copy" }).click();
  await page.getByText("Copied.").waitFor();
  assert((await page.evaluate(() => navigator.clipboard.readText())) === "https://abc123.lhr.example", "the address is copied");
  const rows = JSON.parse(await portguard("share", "list", "--json"))[0].qr;
  const drawn = await share.locator("svg.qr path").evaluate((path) => path.getAttribute("d").split("M").length - 1);
  assert(drawn === rows.join("").split("#").length - 1, "every dark module is drawn");

  // Another address is followed, with its code.
  await onScanner(`echo 'now at https://other.lhr.example' >> '${said}'`);
  await share.getByRole("link", { name: "https://other.lhr.example" }).waitFor();
  await share.getByRole("img", { name: "QR code of https://other.lhr.example" }).waitFor();

  await stop();
  await eventually("the tunnel is closed", async () => JSON.parse(await portguard("share", "list", "--json")).length === 0);
  // One goes on, for what comes after this story.
  await open("8080");
  await confirm(page, "Share");
  await share.getByText("up", { exact: true }).waitFor();
}
