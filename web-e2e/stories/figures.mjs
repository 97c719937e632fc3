// Figures: how soon the first page can be used with many bans, and how soon an event is on the screen.
import { assert, signIn } from "../lib/browser.mjs";
import { figure, touch } from "../lib/world.mjs";

/** Each figure is the middle one of so many. */
const TIMES = 5;

export async function story(browser, bans) {
  const page = await signIn(browser);
  const shown = Number(bans).toLocaleString("en");

  const loads = [];
  for (let i = 0; i < TIMES; i += 1) {
    const began = Date.now();
    await page.goto(`${browser.url}?${i}#/overview`);
    await page.getByRole("region", { name: "Banned" }).getByRole("link", { name: shown, exact: true }).waitFor();
    loads.push(Date.now() - began);
  }
  await figure("first page usable", middle(loads), "ms");

  const tables = [];
  await browser.go("offenders");
  await page.locator("tbody tr").nth(49).waitFor();
  const bySubject = page.getByRole("button", { name: "Subject", exact: true });
  await Promise.all([page.waitForResponse(/\/table\/holds/), bySubject.click()]);
  // No two subjects are alike: in the other direction there is always another one in front.
  for (let i = 0; i < TIMES; i += 1) {
    const first = await page.locator("tbody a.code").first().innerText();
    const began = Date.now();
    await bySubject.click();
    await page.waitForFunction((old) => document.querySelector("tbody a.code")?.innerText !== old, first, { polling: "raf" });
    tables.push(Date.now() - began);
  }
  await figure("table of all bans sorted anew", middle(tables), "ms");

  const events = [];
  await browser.go("traffic");
  for (let i = 0; i < TIMES; i += 1) {
    const source = `10.77.0.${3 + i}`;
    await page.evaluate((address) => {
      globalThis.seen = new Promise((resolve) => {
        const look = () => {
          if (![...document.querySelectorAll("tbody a.code")].some((one) => one.textContent === address)) return;
          observer.disconnect();
          requestAnimationFrame(() => resolve(Date.now()));
        };
        const observer = new MutationObserver(look);
        observer.observe(document.body, { childList: true, subtree: true, characterData: true });
      });
    }, source);
    const began = await touch(source, 8080);
    events.push((await page.evaluate(() => globalThis.seen)) - began);
  }
  await figure("packet on the screen", middle(events), "ms");
  assert(middle(loads) > 0 && middle(events) > 0, "figures are numbers");
}

function middle(numbers) {
  return [...numbers].sort((a, b) => a - b)[Math.floor(numbers.length / 2)];
}
