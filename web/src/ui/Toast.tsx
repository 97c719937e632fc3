// Short words on what was done, with a way back where there is one.
import { problemOf } from "../lib/api";
import { Store, useStore } from "../lib/store";
import { Icon } from "./Icon";

interface Toast {
  id: number;
  text: string;
  tone: "good" | "bad";
  undo?: (() => Promise<unknown>) | undefined;
}

const toasts = new Store<Toast[]>([]);
let last = 0;

/** How long words stay, in milliseconds; what went wrong stays until it is put away. */
const STAY = 8000;

export function tell(text: string, more: { tone?: "good" | "bad"; undo?: (() => Promise<unknown>) | undefined } = {}): void {
  last += 1;
  const id = last;
  const tone = more.tone ?? "good";
  toasts.set([...toasts.value.slice(-2), { id, text, tone, undo: more.undo }]);
  if (tone === "good") setTimeout(() => drop(id), STAY);
}

function drop(id: number): void {
  toasts.set(toasts.value.filter((one) => one.id !== id));
}

async function takeBack(toast: Toast): Promise<void> {
  drop(toast.id);
  try {
    await toast.undo?.();
    tell("Undone.");
  } catch (error) {
    const { error: what, hint } = problemOf(error);
    tell(hint ? `${what}: ${hint}` : what, { tone: "bad" });
  }
}

/** The place of these words; it is always there, so that screen readers hear what comes in. */
export function Toasts() {
  const shown = useStore(toasts);
  return (
    <div class="toasts" role="status" aria-live="polite">
      {shown.map((one) => (
        <div key={one.id} class={`toast ${one.tone}`}>
          <Icon sign={one.tone} />
          <p>{one.text}</p>
          {one.undo && (
            <button type="button" class="small" onClick={() => void takeBack(one)}>
              Undo
            </button>
          )}
          <button type="button" class="plain" aria-label="Put away" onClick={() => drop(one.id)}>
            <Icon sign="close" />
          </button>
        </div>
      ))}
    </div>
  );
}
