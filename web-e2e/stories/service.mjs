// The service: enforcement paused and resumed; reload; what is said where systemd does not run.
import { assert, confirm, eventually, signIn } from "../lib/browser.mjs";
import { connects, serve, touch } from "../lib/world.mjs";

export async function story(browser) {
  await signIn(browser);
  await serve("httpd", 8080);
  const page = await browser.go("service");
  await page.getByText("portguard.service").waitFor();
  await page.getByText("guarding", { exact: true }).waitFor();
  await browser.shoot("service");

  await touch("10.77.0.3", 23);
  await eventually("banned", async () => !(await connects("10.77.0.3", 8080)));
  await page.getByRole("button", { name: "Pause…" }).click();
  await browser.shoot("pause-dialog");
  await confirm(page, "Pause");
  await page.getByText("Paused.", { exact: true }).waitFor();
  await eventually("nobody is turned away", () => connects("10.77.0.3", 8080));
  await browser.axe("a pause");
  await page.getByRole("button", { name: "Go on now" }).first().click();
  await page.getByText("guarding", { exact: true }).waitFor();
  await eventually("turned away again", async () => !(await connects("10.77.0.3", 8080)));

  await page.getByRole("button", { name: "Reload…" }).click();
  await confirm(page, "Reload");
  await page.getByText("Read again.").waitFor();

  // No systemd in the lab: the page says so and claims nothing, and the order is refused in words.
  await page.getByText(/systemd does not run/).first().waitFor();
  assert((await page.getByText("At boot").count()) === 0, "nobody knows what happens at boot");
  browser.expect(/status of 409 .*\/service/);
  const dialog = page.getByRole("dialog");
  for (const name of ["Start", "Restart", "Stop"]) {
    await page.getByRole("button", { name: `${name}…`, exact: true }).click();
    await dialog.getByRole("button", { name, exact: true }).click();
    await dialog.getByRole("alert").filter({ hasText: "systemd" }).waitFor();
    await dialog.getByRole("button", { name: "Cancel" }).click();
  }
  assert((await dialog.count()) === 0, "no dialog is left");
}
