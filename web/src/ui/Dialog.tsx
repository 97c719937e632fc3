// Dialogs of the browser's own kind. One is open at a time; it is drawn at the page's root.
import type { ComponentChildren, VNode } from "preact";
import { useEffect, useId, useRef, useState } from "preact/hooks";
import type { Problem } from "../api.gen";
import { problemOf } from "../lib/api";
import { Store, useStore } from "../lib/store";
import { Icon } from "./Icon";
import { Trouble } from "./part";

const shown = new Store<VNode | null>(null);

export function showDialog(dialog: VNode): void {
  shown.set(dialog);
}

export function closeDialog(): void {
  shown.set(null);
}

export function Dialogs() {
  return useStore(shown);
}

interface Props {
  title: string;
  children: ComponentChildren;
  wide?: boolean;
  /** The words on the button; without them there is only a way out. */
  confirm?: string;
  danger?: boolean;
  disabled?: boolean;
  /** What the button does; the dialog closes when it is done, and stays open with what went wrong. */
  run?: () => Promise<unknown>;
}

export function Dialog({ title, children, wide, confirm, danger, disabled, run }: Props) {
  const frame = useRef<HTMLDialogElement>(null);
  const alive = useRef(true);
  const heading = useId();
  const [problem, setProblem] = useState<Problem>();
  const [busy, setBusy] = useState(false);
  useEffect(() => {
    const dialog = frame.current;
    alive.current = true;
    dialog?.showModal();
    const leave = () => closeDialog();
    addEventListener("hashchange", leave);
    return () => {
      removeEventListener("hashchange", leave);
      // Its closing is told later, when another dialog may be there.
      alive.current = false;
      dialog?.close();
    };
  }, []);

  const submit = async (event: Event) => {
    event.preventDefault();
    if (!run) return;
    setBusy(true);
    setProblem(undefined);
    try {
      await run();
      closeDialog();
    } catch (error) {
      setProblem(problemOf(error));
      setBusy(false);
    }
  };

  return (
    <dialog ref={frame} class={wide ? "wide" : undefined} aria-labelledby={heading} onClose={() => alive.current && closeDialog()}>
      <form onSubmit={(event) => void submit(event)}>
        <header class="card-head">
          <h2 id={heading}>{title}</h2>
          <button type="button" class="plain" aria-label="Close this dialog" onClick={closeDialog}>
            <Icon sign="close" />
          </button>
        </header>
        <div class="dialog-body">{children}</div>
        <Trouble problem={problem} />
        <footer class="row end">
          <button type="button" onClick={closeDialog}>
            {confirm ? "Cancel" : "Close"}
          </button>
          {confirm && (
            <button type="submit" class={danger ? "danger" : "primary"} disabled={disabled || busy} aria-busy={busy}>
              {confirm}
            </button>
          )}
        </footer>
      </form>
    </dialog>
  );
}

/** What an order will do, and how to take it back. */
export function Consequence({ does, undo }: { does: ComponentChildren; undo: ComponentChildren }) {
  return (
    <dl class="consequence">
      <div>
        <dt>What happens</dt>
        <dd>{does}</dd>
      </div>
      <div>
        <dt>How to undo it</dt>
        <dd>{undo}</dd>
      </div>
    </dl>
  );
}

/** Asks before something is done. */
export function askFirst(question: { title: string; does: ComponentChildren; undo: ComponentChildren; confirm: string; danger?: boolean; run: () => Promise<unknown> }): void {
  const { title, does, undo, confirm, danger = true, run } = question;
  showDialog(
    <Dialog title={title} confirm={confirm} danger={danger} run={run}>
      <Consequence does={does} undo={undo} />
    </Dialog>,
  );
}
