// Every page in both themes and at both widths: no barrier, no sideways scrolling, a picture of each.
import { DESKTOP, eventually, PHONE, signIn } from "../lib/browser.mjs";
import { onScanner, portguard, serve, touch } from "../lib/world.mjs";

const PAGES = ["overview", "ports", "offenders", "offenders?list=allowed", "offenders?list=protected", "offenders?list=offenders", "offenders/10.77.0.3", "traffic", "traffic?show=connections", "traffic?show=anomalies", "traffic?show=interfaces", "traps", "config", "logs", "logs?show=packets", "service", "share", "account"];

/** The narrowest phone that is still sold. */
const NARROW = { width: 360, height: 780 };

const SIZES = { desktop: DESKTOP, phone: PHONE, narrow: NARROW };

export async function story(browser, size, scheme) {
  await signIn(browser);
  await serve("httpd", 8080);
  await serve("ftpd", 2121);
  for (const last of [3, 4, 5, 6]) await touch(`10.77.0.${last}`, 23);
  await onScanner("nmap -n -Pn -sS -e cable -S 10.77.0.8 -p 100-130 --max-retries 0 10.77.0.1 >/dev/null");
  await portguard("ban", "2001:db8:1234:5678:9abc:def0:1234:5678", "--for", "2h", "--reason", "a long address with a reason that has quite some words");
  await portguard("allow", "198.51.100.7");
  await portguard("open", "tcp/2121", "--from", "10.77.0.2", "--for", "1h");
  const storageState = await browser.context.storageState();
  const page = await browser.fresh({ viewport: SIZES[size], colorScheme: scheme, storageState });
  const faults = [];
  for (const place of PAGES) {
    await browser.go(place);
    await eventually(`${place} is drawn`, () => page.locator("main .card, main .tile, main .schema").count());
    if (size !== "narrow") {
      await browser.shoot(`${place.replace(/[^a-z0-9]+/g, "-")}-${size}-${scheme}`);
      await browser.axe(`${place}, ${size}, ${scheme}`).catch((error) => faults.push(error.message));
    }
    const wide = await browser.overflow();
    if (wide > 0) faults.push(`${place}, ${size}: ${wide} pixels wider than the window`);
  }
  if (faults.length > 0) throw new Error(faults.join("\n"));
}
