// The difference of two texts, with signs and colours that say the same.
import { useMemo } from "preact/hooks";
import { diff, isChanged } from "../lib/diff";
import { Empty } from "./part";

const MARKS = { same: " ", gone: "-", new: "+", skip: " " } as const;

export function Diff({ before, after }: { before: string; after: string }) {
  const lines = useMemo(() => diff(before, after), [before, after]);
  if (!isChanged(lines)) return <Empty title="Nothing is changed." />;
  return (
    <pre class="diff" tabIndex={0} aria-label="Difference">
      {lines.map((line, number) => (
        <span key={number} class={line.kind}>
          {MARKS[line.kind]} {line.text}
          {"\n"}
        </span>
      ))}
    </pre>
  );
}
