// The difference of two texts, line by line. Pure.

export interface DiffLine {
  kind: "same" | "gone" | "new" | "skip";
  text: string;
}

/** Lines of context around a change. */
const CONTEXT = 2;

/** Beyond so many changed lines the shortest difference costs too much memory; all old ones go and all new ones come. */
const MOST = 2000;

export function diff(before: string, after: string): DiffLine[] {
  const old = before.split("\n");
  const now = after.split("\n");
  let head = 0;
  while (head < old.length && head < now.length && old[head] === now[head]) head += 1;
  let tail = 0;
  while (tail < old.length - head && tail < now.length - head && old[old.length - 1 - tail] === now[now.length - 1 - tail]) tail += 1;
  const same = (lines: string[]): DiffLine[] => lines.map((text) => ({ kind: "same", text }));
  return shorten([
    ...same(old.slice(0, head)),
    ...middle(old.slice(head, old.length - tail), now.slice(head, now.length - tail)),
    ...same(old.slice(old.length - tail)),
  ]);
}

export function isChanged(lines: DiffLine[]): boolean {
  return lines.some((line) => line.kind === "gone" || line.kind === "new");
}

/** The longest common subsequence, by the usual table. */
function middle(old: string[], now: string[]): DiffLine[] {
  if (old.length * now.length > MOST * MOST) {
    return [...old.map((text): DiffLine => ({ kind: "gone", text })), ...now.map((text): DiffLine => ({ kind: "new", text }))];
  }
  const width = now.length + 1;
  const table = new Uint16Array((old.length + 1) * width);
  const at = (i: number, j: number) => table[i * width + j] ?? 0;
  for (let i = old.length - 1; i >= 0; i -= 1) {
    for (let j = now.length - 1; j >= 0; j -= 1) {
      table[i * width + j] = old[i] === now[j] ? at(i + 1, j + 1) + 1 : Math.max(at(i + 1, j), at(i, j + 1));
    }
  }
  const lines: DiffLine[] = [];
  let i = 0;
  let j = 0;
  while (i < old.length || j < now.length) {
    if (i < old.length && j < now.length && old[i] === now[j]) {
      lines.push({ kind: "same", text: old[i] ?? "" });
      i += 1;
      j += 1;
    } else if (j >= now.length || (i < old.length && at(i + 1, j) >= at(i, j + 1))) {
      lines.push({ kind: "gone", text: old[i] ?? "" });
      i += 1;
    } else {
      lines.push({ kind: "new", text: now[j] ?? "" });
      j += 1;
    }
  }
  return lines;
}

/** Leaves out what is far from any change. */
function shorten(lines: DiffLine[]): DiffLine[] {
  const near = lines.map(() => false);
  lines.forEach((line, number) => {
    if (line.kind === "same") return;
    for (let i = number - CONTEXT; i <= number + CONTEXT; i += 1) if (i >= 0 && i < near.length) near[i] = true;
  });
  const kept: DiffLine[] = [];
  lines.forEach((line, number) => {
    if (near[number]) kept.push(line);
    else if (kept.at(-1)?.kind !== "skip") kept.push({ kind: "skip", text: "…" });
  });
  return kept;
}
