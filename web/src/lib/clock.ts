// The clocks that the page is drawn by: a slow one for `3 min ago`, a quick one for countdowns.
import { useEffect, useState } from "preact/hooks";
import { skew } from "./api";
import { Store, useStore } from "./store";

const slow = new Store(Date.now());
setInterval(() => slow.set(Date.now()), 5000);

/** Returns the server's time in milliseconds, drawn anew every few seconds. */
export function useNow(): number {
  return useStore(slow) + useStore(skew);
}

/** Returns the seconds that are left until a moment of the steady clock, drawn anew each second. */
export function useSecondsLeft(end: number | null): number | null {
  const [, draw] = useState({});
  useEffect(() => {
    if (end === null) return;
    const timer = setInterval(() => draw({}), 500);
    return () => clearInterval(timer);
  }, [end]);
  return end === null ? null : Math.max(0, (end - performance.now()) / 1000);
}
