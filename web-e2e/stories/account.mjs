// Coming in: the one-time link, the password, users and tokens, a viewer, signing out here and everywhere.
import { assert, confirm, PASSWORD, signIn } from "../lib/browser.mjs";
import { onGuarded, portguard } from "../lib/world.mjs";

export async function story(browser) {
  let { page } = browser;
  browser.expect(/status of 401 .*\/auth\//);

  // The link works once, and leaves the address.
  const { link } = JSON.parse(await portguard("web", "token", "--json"));
  await page.goto(link);
  await page.getByRole("heading", { name: "Account", level: 1 }).waitFor();
  assert(!page.url().includes("token"), "the token does not stay in the address");
  await page.getByText("No password yet.").waitFor();
  await browser.shoot("first-time");
  await page.getByLabel("New password", { exact: true }).fill(PASSWORD);
  await page.getByLabel("New password again").fill(`${PASSWORD}!`);
  await page.getByRole("button", { name: "Set the password" }).click();
  await page.getByText("the two new passwords are not the same").waitFor();
  await page.getByLabel("New password again").fill(PASSWORD);
  await page.getByRole("button", { name: "Set the password" }).click();
  await page.getByText("The password is set").waitFor();
  await page.getByText("No password yet.").waitFor({ state: "detached" });

  // Users.
  const dialog = page.getByRole("dialog");
  const users = page.getByRole("region", { name: "Users" });
  await users.getByRole("button", { name: "Add…" }).click();
  await dialog.getByLabel("User", { exact: true }).fill("victor");
  await dialog.getByLabel("Password").fill("another long password");
  await confirm(page, "Add");
  await users.getByText("victor").first().waitFor();
  await browser.shoot("account");

  // A token is shown once, and works.
  const tokens = page.getByRole("region", { name: "API tokens" });
  await tokens.getByRole("button", { name: "Make…" }).click();
  await dialog.getByLabel("Name").fill("grafana");
  await dialog.getByRole("button", { name: "Make", exact: true }).click();
  const header = await dialog.locator("pre").innerText();
  await dialog.getByRole("button", { name: "Close", exact: true }).last().click();
  const asked = await onGuarded(`curl -s -H '${header}' ${browser.url}api/v1/status`);
  assert(JSON.parse(asked).ready === true, "the token lets a program ask");
  await tokens.getByRole("button", { name: "Take away… grafana" }).click();
  await confirm(page, "Take away");
  await page.getByText("There is no token.").waitFor();

  // Out, and in again: a wrong password is told as such.
  await page.getByRole("button", { name: "Sign out", exact: true }).first().click();
  await page.getByRole("heading", { name: "Sign in" }).waitFor();
  await browser.shoot("sign-in");
  await browser.axe("the sign-in page");
  await page.getByLabel("User").fill("admin");
  await page.getByLabel("Password").fill("wrong password");
  await page.getByRole("button", { name: "Sign in" }).click();
  await page.getByRole("alert").waitFor();
  await signIn(browser);

  // The link is spent.
  page = await browser.fresh();
  await page.goto(link);
  await page.getByRole("alert").waitFor();
  await browser.shoot("spent-link");
  await browser.axe("a spent link");

  // A viewer looks, and finds no order to give.
  page = await browser.fresh();
  await signIn(browser, "victor", "another long password");
  for (const place of ["overview", "ports", "offenders", "traffic", "remote", "knock", "share", "service"]) {
    await browser.go(place);
    const orders = await page.getByRole("button", { name: /^(Lockdown|Relax|Open|Add|New rule|Share a port|Pause|Stop|Restart)…/ }).count();
    assert(orders === 0, `a viewer finds an order on ${place}`);
  }
  await browser.go("config");
  assert(!(await page.getByLabel("Text of the configuration").isEditable()), "a viewer does not write");

  // Everywhere: the other browser is out too.
  const other = page;
  const context = browser.context;
  browser.context = undefined;
  page = await browser.fresh();
  await signIn(browser, "victor", "another long password");
  await browser.go("account");
  browser.expect(/status of 401 .*\/api\/v1\//);
  await page.getByRole("button", { name: "Sign out everywhere…" }).click();
  await confirm(page, "Sign out everywhere");
  await page.getByRole("heading", { name: "Sign in" }).waitFor();
  assert((await page.getByText("Your session has ended.").count()) === 0, "who signs out knows that");
  await other.getByText("Your session has ended.").waitFor();
  await context.close();

  await signIn(browser);
  await browser.go("account");
  await page.getByRole("button", { name: "Take away… victor" }).click();
  await confirm(page, "Take away");
  await users.getByText("victor").first().waitFor({ state: "detached" }).catch(() => {});
}
