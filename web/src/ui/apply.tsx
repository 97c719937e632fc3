// A change of the configuration: shown as a difference first, then applied; what is risky waits for confirmation.
import { useEffect, useState } from "preact/hooks";
import type { ConfigFile, Problem, Reloaded } from "../api.gen";
import { ask, problemOf, Refused } from "../lib/api";
import { pathOf, readSchema, usualAt, valueAt } from "../lib/schema";
import { closeDialog, Consequence, Dialog, showDialog } from "./Dialog";
import { Diff } from "./Diff";
import { Trouble } from "./part";
import { tell } from "./Toast";

const CONSEQUENCE = {
  does: "The file is written and read again at once, as a whole. If it takes a way in away, it waits for your confirmation.",
  undo: "A change that waits is undone by itself unless you confirm it, or with Undo in the banner. Otherwise change it back here.",
};

/** Writes the configuration, and tells what came of it. */
export async function apply(file: ConfigFile, text: string): Promise<Reloaded> {
  const done = await ask("PUT /v1/config/file", { body: { text, version: file.version } });
  if (done.mistakes.length > 0) throw new Refused(409, { error: done.mistakes.join("; "), hint: "nothing was changed", kind: "refused" });
  const warnings = done.warnings.length > 0 ? ` Set in vain: ${done.warnings.join("; ")}.` : "";
  tell(done.pending ? `Applied; it waits for confirmation.${warnings}` : `Applied.${warnings}`);
  return done;
}

export function askApply(file: ConfigFile, text: string, then: () => void): void {
  showDialog(
    <Dialog title="Apply this configuration?" confirm="Apply" wide run={() => apply(file, text).then(then)}>
      <Diff before={file.text} after={text} />
      <Consequence {...CONSEQUENCE} />
    </Dialog>,
  );
}

interface Edit {
  key: string[];
  /** Returns the new value from the one in effect. */
  change: (now: unknown) => unknown;
}

/** Changes keys of the file, with its comments kept, after showing the difference. */
export function askEdit(title: string, edits: Edit[]): void {
  showDialog(<EditDialog title={title} edits={edits} />);
}

function EditDialog({ title, edits }: { title: string; edits: Edit[] }) {
  const [made, setMade] = useState<{ file: ConfigFile; text: string }>();
  const [problem, setProblem] = useState<Problem>();
  useEffect(() => {
    const mine = new AbortController();
    prepare(edits, mine.signal).then(setMade, (error: unknown) => {
      if (!mine.signal.aborted) setProblem(problemOf(error));
    });
    return () => mine.abort();
  }, []);
  return (
    <Dialog title={title} confirm="Apply" wide disabled={!made || made.text === made.file.text} run={async () => made && apply(made.file, made.text).then(closeDialog)}>
      <Trouble problem={problem} />
      {made ? <Diff before={made.file.text} after={made.text} /> : !problem && <p class="muted">Reading the configuration…</p>}
      <Consequence {...CONSEQUENCE} />
    </Dialog>
  );
}

async function prepare(edits: Edit[], signal: AbortSignal): Promise<{ file: ConfigFile; text: string }> {
  const [file, schema] = await Promise.all([ask("GET /v1/config/file", { signal }), ask("GET /v1/config/schema", { signal })]);
  const usual = readSchema(schema);
  let text = file.text;
  for (const edit of edits) {
    const { values } = await ask("POST /v1/config/check", { body: { text }, signal });
    const now = valueAt(values, edit.key) ?? usualAt(usual, edit.key);
    const next = edit.change(now);
    if (JSON.stringify(next) === JSON.stringify(now)) continue;
    ({ text } = await ask("POST /v1/config/edit", { body: { text, key: pathOf(edit.key), value: next as Record<string, unknown> }, signal }));
  }
  return { file, text };
}

/** Returns the list with the word, or without it. */
export function withWord(word: string): (now: unknown) => unknown {
  return (now) => [...new Set([...(Array.isArray(now) ? (now as string[]) : []), word])];
}

export function withoutWord(word: string): (now: unknown) => unknown {
  return (now) => (Array.isArray(now) ? (now as string[]).filter((one) => one !== word) : now);
}
