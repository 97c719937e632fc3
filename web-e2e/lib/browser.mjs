// A headless Chromium in which any complaint is a failure: console errors, uncaught errors, breaches of the policy.
import { mkdirSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { chromium } from "playwright-core";

const AXE = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

/** No service of the browser's own reaches out, and nothing needs a display or a sandbox of its own. */
const ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"];

/** How long the page may take for what normally takes milliseconds. */
export const PATIENCE = 10_000;

export const DESKTOP = { width: 1280, height: 860 };
export const PHONE = { width: 390, height: 844 };

export class Browser {
  #complaints = [];
  #allowed = [];

  static async open(url, shots) {
    const browser = new Browser();
    browser.url = url;
    browser.shots = shots;
    mkdirSync(shots, { recursive: true });
    browser.chromium = await chromium.launch({ executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium", args: ARGUMENTS });
    await browser.fresh();
    return browser;
  }

  /** Begins anew, as somebody who was never here. */
  async fresh(options = {}) {
    await this.context?.close();
    this.context = await this.chromium.newContext({ viewport: DESKTOP, ignoreHTTPSErrors: false, ...options });
    this.context.setDefaultTimeout(PATIENCE);
    this.page = await this.context.newPage();
    if (process.env.PORTGUARD_PAGES) await freshlyBuilt(this.context, this.url, process.env.PORTGUARD_PAGES);
    await this.page.addInitScript(() => {
      addEventListener("securitypolicyviolation", (event) => console.error(`policy: ${event.violatedDirective} ${event.blockedURI} ${event.sample}`));
    });
    this.page.on("console", (message) => {
      if (message.type() === "error" || message.type() === "warning") this.#complain(`console: ${message.text()} ${message.location().url}`);
    });
    this.page.on("pageerror", (error) => this.#complain(`uncaught: ${error.stack ?? error.message}`));
    return this.page;
  }

  #complain(text) {
    if (!this.#allowed.some((pattern) => pattern.test(text))) this.#complaints.push(text);
  }

  /** Chromium itself writes each refused request to the console: those that a test provokes are named. */
  expect(pattern) {
    this.#allowed.push(pattern);
  }

  /** Fails if anything was complained about. */
  check() {
    if (this.#complaints.length > 0) throw new Error(`the page complained:\n${this.#complaints.join("\n")}`);
  }

  /** Goes to one of the pages and waits until it is drawn. */
  async go(place) {
    await this.page.goto(`${this.url}#/${place}`);
    await this.page.locator("#page-title").waitFor();
    return this.page;
  }

  async shoot(name) {
    await this.page.screenshot({ path: `${this.shots}/${name}.png`, fullPage: true });
  }

  /** Looks for barriers; those that keep people out are failures. */
  async axe(where) {
    await this.page.evaluate(AXE);
    const found = await this.page.evaluate(() => globalThis.axe.run(document, { resultTypes: ["violations"] }));
    const serious = found.violations.filter((one) => ["serious", "critical"].includes(one.impact));
    if (serious.length === 0) return;
    const shown = serious.map((one) => `${one.id} (${one.impact}): ${one.nodes.map((node) => `${node.html} ${node.failureSummary}`).join("\n    ")}`);
    throw new Error(`axe on ${where}:\n  ${shown.join("\n  ")}`);
  }

  /** Returns by how many pixels the page is wider than its window. */
  async overflow() {
    return this.page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
  }

  async close() {
    await this.chromium.close();
  }
}

/** Lays newly built pages over those in the program, under the program's own policy: for whoever works on them. */
async function freshlyBuilt(context, url, folder) {
  await context.route((asked) => asked.href.startsWith(url) && asked.pathname === "/", async (route) => route.fulfill({ response: await route.fetch(), body: readFileSync(`${folder}/index.html`) }));
  await context.route(`${url}assets/**`, (route) => route.fulfill({ path: folder + new URL(route.request().url()).pathname }));
}

export const PASSWORD = "correct horse battery";

/** Signs in by the form. */
export async function signIn(browser, user = "admin", password = PASSWORD) {
  const { page } = browser;
  // Who asks without a session is told so with 401, which Chromium writes down.
  browser.expect(/status of 401 .*\/auth\/me/);
  await page.goto(browser.url);
  await page.getByLabel("User").fill(user);
  await page.getByLabel("Password").fill(password);
  await page.getByRole("button", { name: "Sign in" }).click();
  await page.locator("#page-title").waitFor();
  await page.getByText("live", { exact: true }).waitFor({ state: "attached" });
  return page;
}

/** Presses the button of the open dialog, and waits until the dialog is gone. */
export async function confirm(page, name) {
  const dialog = page.getByRole("dialog");
  await dialog.getByRole("button", { name, exact: true }).click();
  // What was refused stands in the dialog, which then stays.
  const refused = dialog.getByRole("alert");
  await Promise.race([dialog.waitFor({ state: "detached" }), refused.waitFor().then(async () => Promise.reject(new Error(`${name}: ${await refused.innerText()}`)), () => {})]);
  await dialog.waitFor({ state: "detached" });
}

export function assert(holds, what) {
  if (!holds) throw new Error(what);
}

/** Looks again and again until something holds. */
export async function eventually(what, look) {
  const end = Date.now() + PATIENCE;
  for (;;) {
    const found = await look();
    if (found) return found;
    if (Date.now() > end) throw new Error(`${what}: not within ${PATIENCE} ms`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}
