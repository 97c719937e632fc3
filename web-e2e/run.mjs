// Runs one story: `node run.mjs STORY URL FOLDER-FOR-SCREENSHOTS [WORDS]`. Ends with 0 if it holds.
import { Browser } from "./lib/browser.mjs";

const [name, url, shots, ...words] = process.argv.slice(2);
const { story } = await import(`./stories/${name}.mjs`);
const browser = await Browser.open(url, shots);
try {
  await story(browser, ...words);
  browser.check();
  process.stdout.write('"passed"\n');
} catch (error) {
  await browser.shoot(`failed-${name}`).catch(() => {});
  try {
    browser.check();
  } catch (complaints) {
    console.error(complaints.message);
  }
  console.error(error);
  process.exitCode = 1;
} finally {
  await browser.close();
  process.stdin.destroy();
}
