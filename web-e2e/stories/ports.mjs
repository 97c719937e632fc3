// Ports: approve, deny, forget, open, close, always, never; each with what the kernel then does.
import { assert, confirm, eventually, signIn } from "../lib/browser.mjs";
import { connects, serve } from "../lib/world.mjs";

const PEER = "10.77.0.2";

export async function story(browser) {
  await signIn(browser);
  await serve("httpd", 8080);
  await serve("ftpd", 2121);
  const page = await browser.go("ports");
  const row = (port) => page.getByRole("row").filter({ hasText: port });
  const reach = (port, word) => row(port).getByText(word, { exact: true }).waitFor();

  // A listener that nobody approved waits, here and in the menu.
  await reach("tcp/8080", "pending");
  await page.getByText("wait for approval").first().waitFor({ state: "attached" });
  await browser.shoot("ports-pending");
  assert(!(await connects(PEER, 8080)), "what waits is closed");
  await page.getByRole("button", { name: "Approve… tcp/8080" }).click();
  const dialog = page.getByRole("dialog");
  await dialog.getByLabel("its user").check();
  await confirm(page, "Approve");
  await reach("tcp/8080", "open");
  assert(await connects(PEER, 8080), "what is approved is open while it listens");

  // Forgotten it waits again; the note's Undo brings the approval back.
  await page.getByRole("button", { name: /^Forget… .*tcp\/8080/ }).click();
  await confirm(page, "Forget");
  await reach("tcp/8080", "pending");
  await page.getByRole("button", { name: "Undo" }).last().click();
  await reach("tcp/8080", "open");

  await page.getByRole("button", { name: "Deny… tcp/2121" }).click();
  await confirm(page, "Deny");
  await reach("tcp/2121", "closed");
  assert(!(await connects(PEER, 2121)), "what is denied is closed");

  // By order, for one source and a while.
  await page.getByRole("button", { name: "Open…", exact: true }).click();
  await dialog.getByLabel("What", { exact: true }).fill("tcp/2121");
  await dialog.getByLabel("From").fill(PEER);
  await dialog.getByLabel("For how long").selectOption("10m");
  await confirm(page, "Open");
  const doors = page.getByRole("region", { name: "Opened and shut by order" });
  await doors.getByText(`for ${PEER}`).waitFor();
  assert(await connects(PEER, 2121), "the source that it was opened for comes in");
  assert(!(await connects("10.77.0.4", 2121)), "nobody else does");
  await doors.getByRole("button", { name: "Close… tcp/2121" }).click();
  await confirm(page, "Close");
  await doors.getByText(`for ${PEER}`).waitFor({ state: "detached" });
  assert(!(await connects(PEER, 2121)), "closed again");

  // A service that there is none of is refused in the guard's own words, and the dialog stays.
  browser.expect(/status of 4\d\d .*\/api\/v1\/open/);
  await page.getByRole("button", { name: "Open…", exact: true }).click();
  await dialog.getByLabel("What", { exact: true }).fill("nonsense");
  await dialog.getByRole("button", { name: "Open", exact: true }).click();
  await dialog.getByRole("alert").waitFor();
  await browser.shoot("refused-order");
  await dialog.getByRole("button", { name: "Cancel" }).click();

  // In the configuration: the difference first, then applied; what could cut somebody off waits.
  const change = async (port, what) => {
    await row(port).getByRole("button", { name: "Change…" }).click();
    await dialog.getByRole("button", { name: what }).click();
    await dialog.getByText(/^\+ /).first().waitFor();
    await confirm(page, "Apply");
  };
  await change("tcp/2121", "Always open…");
  await eventually("tcp/2121 is open for everybody", () => connects("10.77.0.4", 2121));
  await browser.shoot("ports");
  await change("tcp/2121", "Never open…");
  await reach("tcp/2121", "closed");
  await eventually("tcp/2121 is never open", async () => !(await connects("10.77.0.4", 2121)));

  // What only this host reaches is there when it is asked for.
  await page.getByLabel("Find a port").fill("8080");
  await row("tcp/2121").waitFor({ state: "detached" });
  await page.getByLabel("What only this host reaches too").check();
  await eventually("process ids are shown", async () => /\d{2,}/.test(await row("tcp/8080").innerText()));
}
