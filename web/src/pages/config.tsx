// The configuration: a form made from the schema, the text beside it, what is wrong, what would change.
import { useEffect, useRef, useState } from "preact/hooks";
import type { ConfigCheck, ConfigFile, ConfigMistake } from "../api.gen";
import { ask, problemOf } from "../lib/api";
import { many } from "../lib/format";
import { type Key, pathOf, readSchema } from "../lib/schema";
import { useMayOrder } from "../lib/session";
import { useResource } from "../lib/resource";
import { Store, useStore } from "../lib/store";
import { askApply } from "../ui/apply";
import { Diff } from "../ui/Diff";
import { askFirst } from "../ui/Dialog";
import { SchemaForm, type Setter } from "../ui/SchemaForm";
import { Chip, Head, Trouble } from "../ui/part";
import { tell } from "../ui/Toast";

/** How long typing rests before the text is checked, in milliseconds. */
const REST = 300;

/** A draft outlives a look at another page, but not the page itself: it may hold secrets. */
const draft = new Store<{ file: ConfigFile; text: string } | null>(null);

export function Configuration() {
  const mayOrder = useMayOrder();
  const held = useStore(draft);
  const schema = useResource<Key[]>(async (signal) => readSchema(await ask("GET /v1/config/schema", { signal })), []);
  const file = useResource<ConfigFile>((signal) => ask("GET /v1/config/file", { signal }), [], { every: 10, on: () => true });
  useEffect(() => {
    const fresh = file.value;
    const old = draft.value;
    if (!fresh) return;
    // What somebody typed is never thrown away; the server refuses it if the file is another by now.
    if (!old || old.text === old.file.text) draft.set({ file: fresh, text: fresh.text });
  }, [file.value]);
  const { check, isFresh } = useCheck(held?.text);
  const [view, setView] = useState<"form" | "text" | "difference">(() => (matchMedia("(max-width: 1100px)").matches ? "form" : "text"));
  const area = useRef<HTMLTextAreaElement>(null);

  if (!held) {
    return (
      <>
        <Head title="Configuration" />
        <Trouble problem={file.problem} retry={file.renew} />
      </>
    );
  }
  const setText = (text: string) => draft.set({ file: draft.value?.file ?? held.file, text });
  const set: Setter = async (path, value) => {
    try {
      // Whoever typed on meanwhile keeps that: the change is made again on what is there by then.
      for (let times = 0; times < 5; times += 1) {
        const sent = draft.value?.text ?? "";
        const { text } = await ask("POST /v1/config/edit", { body: { text: sent, key: pathOf(path), value: value as Record<string, unknown> } });
        if (draft.value?.text !== sent) continue;
        setText(text);
        return;
      }
    } catch (error) {
      const { error: what, hint } = problemOf(error);
      tell(hint ? `${what}: ${hint}` : what, { tone: "bad" });
    }
  };
  const isChanged = held.text !== held.file.text;
  const isOld = file.value !== undefined && file.value.version !== held.file.version;
  const isWrong = (check?.mistakes.length ?? 0) > 0;
  const discard = () => {
    const back = held;
    draft.set({ file: file.value ?? held.file, text: (file.value ?? held.file).text });
    tell("What you changed is put away.", { undo: async () => draft.set(back) });
  };
  const goTo = (mistake: ConfigMistake) => {
    setView("text");
    requestAnimationFrame(() => area.current && selectLine(area.current, mistake.line ?? 1));
  };
  return (
    <>
      <Head title="Configuration" about={<code>{held.file.path}</code>}>
        {isChanged && (
          <button type="button" onClick={discard}>
            Put away
          </button>
        )}
        {mayOrder && (
          <button type="button" class="primary" disabled={!isChanged || isWrong || !isFresh} onClick={() => askApply(held.file, held.text, () => { draft.set(null); file.renew(); })}>
            Apply…
          </button>
        )}
      </Head>
      {isOld && isChanged && (
        <p class="warning" role="alert">
          <span>The file was changed elsewhere since you began. Take your changes over by hand, or put them away.</span>
          <button type="button" onClick={() => askFirst({ title: "Put your changes away?", does: "The file as it is by now is shown.", undo: "Press Undo in the note that follows.", confirm: "Put away", run: async () => discard() })}>
            Put away…
          </button>
        </p>
      )}
      {held.file.drop_ins.length > 0 && (
        <p class="note">
          <span>
            Read after this file, and stronger: <code>{held.file.drop_ins.join(", ")}</code>
          </span>
        </p>
      )}
      <div class="views row" role="group" aria-label="What is shown">
        {(["form", "text", "difference"] as const).map((one) => (
          <button key={one} type="button" aria-pressed={view === one} onClick={() => setView(one)}>
            {one === "form" ? "Form" : one === "text" ? "Text" : "Difference"}
          </button>
        ))}
        <State check={isFresh ? check : undefined} isChanged={isChanged} />
      </div>
      <Mistakes check={check} goTo={goTo} />
      <div class={`editor at-${view}`}>
        <section class="form-side" aria-label="Form">
          <Trouble problem={schema.problem} retry={schema.renew} />
          {schema.value && <SchemaForm keys={schema.value} values={check?.values ?? {}} set={set} disabled={!mayOrder || !check || check.values === null} />}
        </section>
        <section class="text-side" aria-label="Text">
          {view === "difference" ? <Diff before={held.file.text} after={held.text} /> : <TextArea area={area} text={held.text} change={setText} mistakes={check?.mistakes ?? []} readOnly={!mayOrder} />}
        </section>
      </div>
    </>
  );
}

/** Checks the text on the server once it rests; the last answer stays until the next is there. */
function useCheck(text: string | undefined): { check: ConfigCheck | undefined; isFresh: boolean } {
  const [state, setState] = useState<{ check: ConfigCheck; of: string }>();
  const isFirst = useRef(true);
  useEffect(() => {
    if (text === undefined) return;
    const mine = new AbortController();
    const timer = setTimeout(
      () => {
        ask("POST /v1/config/check", { body: { text }, signal: mine.signal }).then(
          (check) => setState({ check, of: text }),
          (error: unknown) => {
            if (!mine.signal.aborted) setState({ check: { mistakes: [{ ...problemOf(error) }], warnings: [], values: null }, of: text });
          },
        );
      },
      isFirst.current ? 0 : REST,
    );
    isFirst.current = false;
    return () => {
      clearTimeout(timer);
      mine.abort();
    };
  }, [text]);
  return { check: state?.check, isFresh: state !== undefined && state.of === text };
}

function State({ check, isChanged }: { check: ConfigCheck | undefined; isChanged: boolean }) {
  return (
    <span class="row" role="status">
      {!check ? <Chip tone="accent">checking</Chip> : check.mistakes.length > 0 ? <Chip tone="bad">{many(check.mistakes.length, "mistake")}</Chip> : <Chip tone="good">{isChanged ? "can be applied" : "as in the file"}</Chip>}
    </span>
  );
}

function Mistakes({ check, goTo }: { check: ConfigCheck | undefined; goTo: (mistake: ConfigMistake) => void }) {
  if (!check || check.mistakes.length + check.warnings.length === 0) return null;
  return (
    <ul class="mistakes">
      {check.mistakes.map((one, number) => (
        <li key={number} class="bad">
          <span>
            {one.key && <code class="strong">{one.key}</code>} {one.error}
            {one.hint && <span class="muted"> {one.hint}</span>}
          </span>
          {one.line !== undefined && one.line !== null && (
            <button type="button" class="small" onClick={() => goTo(one)}>
              Line {one.line}
            </button>
          )}
        </li>
      ))}
      {check.warnings.map((one) => (
        <li key={one} class="warn">
          {one}
        </li>
      ))}
    </ul>
  );
}

function TextArea({ area, text, change, mistakes, readOnly }: { area: { current: HTMLTextAreaElement | null }; text: string; change: (text: string) => void; mistakes: ConfigMistake[]; readOnly: boolean }) {
  const gutter = useRef<HTMLPreElement>(null);
  const wrong = new Set(mistakes.map((one) => one.line));
  const lines = text.split("\n").length;
  return (
    <div class="code-area">
      <pre ref={gutter} class="gutter" aria-hidden="true">
        {Array.from({ length: lines }, (_, number) => (
          <span key={number} class={wrong.has(number + 1) ? "wrong" : undefined}>
            {number + 1}
            {"\n"}
          </span>
        ))}
      </pre>
      <textarea
        ref={area}
        class="code"
        aria-label="Text of the configuration"
        aria-invalid={mistakes.length > 0}
        value={text}
        readOnly={readOnly}
        wrap="off"
        spellcheck={false}
        autocapitalize="off"
        onInput={(event) => change(event.currentTarget.value)}
        onScroll={(event) => {
          if (gutter.current) gutter.current.scrollTop = event.currentTarget.scrollTop;
        }}
      />
    </div>
  );
}

function selectLine(area: HTMLTextAreaElement, line: number): void {
  const lines = area.value.split("\n");
  const begin = lines.slice(0, line - 1).reduce((sum, one) => sum + one.length + 1, 0);
  area.focus();
  area.setSelectionRange(begin, begin + (lines[line - 1]?.length ?? 0));
  area.scrollTop = Math.max(0, ((line - 4) / lines.length) * area.scrollHeight);
}
