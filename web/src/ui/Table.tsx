// Tables: on a narrow screen each row becomes a card, with the columns' names beside the values.
import type { ComponentChildren } from "preact";
import { useId } from "preact/hooks";
import { count } from "../lib/format";
import { Icon } from "./Icon";

export interface Column<T> {
  key: string;
  title: string;
  cell: (row: T) => ComponentChildren;
  /** Whether the server can sort by it. */
  sorts?: boolean;
  numeric?: boolean;
  /** A class of its own, for widths. */
  kind?: string;
}

export interface Sorting {
  by: string;
  descending: boolean;
  change: (by: string, descending: boolean) => void;
}

interface Props<T> {
  caption: string;
  columns: Column<T>[];
  rows: T[];
  keyOf: (row: T) => string;
  sorting?: Sorting | undefined;
  selection?: { chosen: Set<string>; change: (chosen: Set<string>) => void; nameOf: (row: T) => string } | undefined;
  busy?: boolean | undefined;
}

export function Table<T>({ caption, columns, rows, keyOf, sorting, selection, busy }: Props<T>) {
  const all = rows.length > 0 && selection !== undefined && rows.every((row) => selection.chosen.has(keyOf(row)));
  const choose = (keys: string[], on: boolean) => {
    if (!selection) return;
    const next = new Set(selection.chosen);
    for (const key of keys) on ? next.add(key) : next.delete(key);
    selection.change(next);
  };
  return (
    <div class="table-frame">
      <table role="table" aria-busy={busy}>
        <caption class="unseen">{caption}</caption>
        <thead role="rowgroup">
          <tr role="row">
            {selection && (
              <th role="columnheader" class="pick">
                <input type="checkbox" aria-label="Choose all rows of this page" checked={all} onChange={(event) => choose(rows.map(keyOf), event.currentTarget.checked)} />
              </th>
            )}
            {columns.map((column) => (
              <Heading key={column.key} column={column} sorting={sorting} />
            ))}
          </tr>
        </thead>
        <tbody role="rowgroup">
          {rows.map((row) => {
            const key = keyOf(row);
            return (
              <tr role="row" key={key}>
                {selection && (
                  <td role="cell" class="pick">
                    <input
                      type="checkbox"
                      aria-label={`Choose ${selection.nameOf(row)}`}
                      checked={selection.chosen.has(key)}
                      onChange={(event) => choose([key], event.currentTarget.checked)}
                    />
                  </td>
                )}
                {columns.map((column) => (
                  <td role="cell" key={column.key} data-label={column.title} class={`${column.numeric ? "number" : ""} ${column.kind ?? ""}`}>
                    <div class="cell">{column.cell(row)}</div>
                  </td>
                ))}
              </tr>
            );
          })}
        </tbody>
      </table>
    </div>
  );
}

function Heading<T>({ column, sorting }: { column: Column<T>; sorting: Sorting | undefined }) {
  const kind = `${column.numeric ? "number" : ""} ${column.kind ?? ""}`;
  if (!column.sorts || !sorting) {
    return (
      <th role="columnheader" class={kind} scope="col">
        {column.title || <span class="unseen">Actions</span>}
      </th>
    );
  }
  const isSorted = sorting.by === column.key;
  const order = isSorted ? (sorting.descending ? "descending" : "ascending") : "none";
  return (
    <th role="columnheader" class={kind} scope="col" aria-sort={order}>
      <button type="button" class="sort" onClick={() => sorting.change(column.key, isSorted ? !sorting.descending : column.numeric === true)}>
        {column.title}
        <span class={isSorted ? "mark" : "mark off"}>
          <Icon sign={isSorted && sorting.descending ? "down" : "up"} />
        </span>
      </button>
    </th>
  );
}

/** Steps through a table that the server pages. */
export function Pager({ offset, size, found, total, go }: { offset: number; size: number; found: number; total: number; go: (offset: number) => void }) {
  const last = Math.min(offset + size, found);
  return (
    <nav class="pager" aria-label="Pages of the table">
      <p class="muted" aria-live="polite">
        {found === 0 ? "No rows" : `${count(offset + 1)}–${count(last)} of ${count(found)}`}
        {found !== total && ` (${count(total)} in all)`}
      </p>
      <div class="row">
        <button type="button" disabled={offset === 0} onClick={() => go(Math.max(0, offset - size))}>
          <Icon sign="prior" />
          Prior
        </button>
        <button type="button" disabled={last >= found} onClick={() => go(offset + size)}>
          Next
          <Icon sign="next" />
        </button>
      </div>
    </nav>
  );
}

/** Says no words but gives a field a name to be found by. */
export function Find({ value, change, label, placeholder }: { value: string; change: (value: string) => void; label: string; placeholder: string }) {
  const id = useId();
  return (
    <div class="find">
      <label class="unseen" for={id}>
        {label}
      </label>
      <Icon sign="find" />
      <input id={id} type="search" value={value} placeholder={placeholder} spellcheck={false} autocomplete="off" onInput={(event) => change(event.currentTarget.value)} />
    </div>
  );
}
