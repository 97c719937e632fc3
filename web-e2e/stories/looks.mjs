// Every page with something on it, in both themes and at both widths: no barrier, no sideways scrolling, a picture of each.
import { DESKTOP, eventually, PHONE, signIn } from "../lib/browser.mjs";
import { connects, onGuarded, onScanner, portguard, serve, touch } from "../lib/world.mjs";

/** Each page, and a text (or part) that is there as soon as it shows what it is about. */
const PAGES = [
  ["overview", (main) => main.getByRole("region", { name: "Most turned away" }).getByRole("link")],
  ["ports", "ftpd"],
  ["offenders", "a long address with a reason that has quite some words"],
  ["offenders?list=allowed", "198.51.100.7"],
  ["offenders?list=protected", "10.77.0.1"],
  ["offenders?list=offenders", "10.77.0.6"],
  ["offenders/10.77.0.3", /packets? matched/],
  ["traffic", "10.77.0.8"],
  ["traffic?show=connections", "10.77.0.7"],
  ["traffic?show=anomalies", "Accept…"],
  ["traffic?show=interfaces", "cable"],
  ["traps", /Failed password for root/],
  ["config", "as in the file"],
  ["logs", /started/],
  ["logs?show=packets", "10.77.0.8"],
  ["service", "guarding"],
  ["remote", "There is no control file."],
  ["knock", "No knocks are taken."],
  ["share", "https://abc123.lhr.example"],
  ["account", "has a password"],
];

/** The narrowest phone that is still sold. */
const NARROW = { width: 360, height: 780 };

const SIZES = { desktop: DESKTOP, phone: PHONE, narrow: NARROW };

export async function story(browser, size, scheme, log) {
  await signIn(browser);
  await prepare(log);
  const storageState = await browser.context.storageState();
  const options = { viewport: SIZES[size], colorScheme: scheme };
  let page = await browser.fresh({ ...options, storageState });
  const faults = [];
  const look = async (name) => {
    if (size !== "narrow") {
      await browser.shoot(`${name.replace(/[^a-z0-9]+/g, "-")}-${size}-${scheme}`);
      await browser.axe(`${name}, ${size}, ${scheme}`).catch((error) => faults.push(error.message));
    }
    const wide = await browser.overflow();
    if (wide > 0) faults.push(`${name}, ${size}: ${wide} pixels wider than the window`);
  };
  for (const [place, what] of PAGES) {
    await browser.go(place);
    const main = page.locator("main");
    const part = typeof what === "function" ? what(main) : main.getByText(what);
    await part.first().waitFor();
    await look(place);
  }

  // The menu of a phone, and a dialog.
  await browser.go("offenders");
  const menu = page.getByRole("button", { name: "Menu" });
  if (await menu.isVisible()) {
    await menu.click();
    await page.getByRole("link", { name: "Traps and watches" }).waitFor();
    await look("menu");
    await menu.click();
  }
  await page.getByRole("button", { name: "Add…" }).click();
  await page.getByRole("dialog").waitFor();
  await look("dialog");

  page = await browser.fresh(options);
  await page.goto(browser.url);
  await page.getByRole("heading", { name: "Sign in" }).waitFor();
  await look("sign in");
  if (faults.length > 0) throw new Error(faults.join("\n"));
}

/** Gives every page something to show. */
async function prepare(log) {
  await serve("httpd", 8080);
  await serve("ftpd", 2121);
  for (const last of [3, 4, 5, 6]) await touch(`10.77.0.${last}`, 23);
  for (let i = 0; i < 7; i += 1) await connects("10.77.0.3", 8080);
  await eventually("the kernel counts what it turns away", async () => JSON.parse(await portguard("log", "--rule", "ban", "--json")).items.length >= 7);
  await onScanner("nmap -n -Pn -sS -e cable -S 10.77.0.8 -p 100-130 --max-retries 0 10.77.0.1 >/dev/null");
  await onScanner("(sleep 120 | nc -s 10.77.0.7 10.77.0.1 8080) >/dev/null 2>&1 &");
  await onGuarded(`echo 'Nov 21 03:55:01 host sshd[4711]: Failed password for root from 203.0.113.9 port 50122 ssh2' >> '${log}'`);
  await portguard("ban", "2001:db8:1234:5678:9abc:def0:1234:5678", "--for", "2h", "--reason", "a long address with a reason that has quite some words");
  await portguard("allow", "198.51.100.7");
  await portguard("open", "tcp/2121", "--from", "10.77.0.2", "--for", "1h");
  await portguard("share", "8080");
}
