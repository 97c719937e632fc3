// Knocks: whose they are, the key that clients need, one that opened and one that did not.
import { signIn } from "../lib/browser.mjs";

export async function story(browser, hostKey) {
  await signIn(browser);
  const page = await browser.go("knock");
  await page.getByRole("heading", { name: "Knock", level: 1 }).waitFor();
  await page.getByText(hostKey).waitFor();
  await page.getByText("udp/62201").waitFor();
  const keys = page.getByRole("table", { name: "Who may knock" });
  await keys.getByRole("row", { name: /^anna ssh 1/ }).waitFor();
  const last = page.getByRole("table", { name: "Last knocks" });
  await last.getByRole("row", { name: /anna ssh 10\.77\.0\.2 opened/ }).waitFor();
  await last.getByRole("row", { name: /anna vpn 10\.77\.0\.2 refused: / }).waitFor();
  await browser.shoot("knock");
  await browser.axe("knocks");
}
