// What happens outside of the browser: the test that started this script does it, on the hosts of its lab.
// One JSON line goes out for each wish, one comes back when it is done.
import { createInterface } from "node:readline";

const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]();

async function wish(what) {
  process.stdout.write(`${JSON.stringify(what)}\n`);
  const { value, done } = await lines.next();
  if (done) throw new Error("the test is gone");
  const answer = JSON.parse(value);
  if (answer.failed) throw new Error(`${JSON.stringify(what)}: ${answer.failed}`);
  return answer.out;
}

/** Runs a line of the shell on the guarded host. */
export const onGuarded = (line) => wish({ on: "guarded", line });

/** Runs a line of the shell on the host that scans. */
export const onScanner = (line) => wish({ on: "scanner", line });

/** Completes a handshake with a port of the guarded host from this address; returns when it began, in Unix milliseconds. */
export const touch = async (from, port) => Number(await wish({ touch: from, port }));

/** Whether somebody at this address can connect to a port of the guarded host. */
export const connects = async (from, port) => (await wish({ connect: from, port })) === "yes";

/** Starts a server on the guarded host, under this name of a program. */
export const serve = (name, port) => wish({ serve: name, port });

/** Runs one of the program's own commands on the guarded host. */
export const portguard = (...words) => wish({ portguard: words });

/** Does something with the daemon itself: `kill`, `start`, `reload`. */
export const daemon = (what) => wish({ daemon: what });

/** Tells a figure, for the benchmark and for whoever reads the test's output. */
export const figure = (name, value, unit) => wish({ figure: name, value, unit });
