// Lines of the journal.
import type { Entry } from "../api.gen";
import { exact } from "../lib/format";
import { Icon, type Sign } from "./Icon";
import { Empty, Subject, Time } from "./part";

const LEVELS: Record<string, { sign: Sign; tone: string }> = {
  info: { sign: "idle", tone: "calm" },
  warning: { sign: "warn", tone: "warn" },
  error: { sign: "bad", tone: "bad" },
};

/** What happened in one line: the measure with its end, and why; a line without words is told by its kind and evidence. */
function Headline({ entry }: { entry: Entry }) {
  const said = entry.text || [entry.kind.replaceAll("-", " "), ...(entry.evidence ?? []).map(([, value]) => value)].join(" ");
  if (!entry.measure) return <>{said}</>;
  const isOver = entry.kind === "release";
  const row = entry.nth_ban && entry.nth_ban > 1 ? `, ban ${entry.nth_ban} in a row` : "";
  return (
    <>
      <strong>{isOver ? `end of ${entry.measure}` : entry.measure}</strong>
      {!isOver && entry.kind === "decision" && (entry.until ? <> until {exact(entry.until)}</> : " for ever")}
      {row}
      {entry.text && `: ${entry.text}`}
    </>
  );
}

/** The newest first, as they are given; `whole` shows the evidence too. */
export function Entries({ entries, none, whole, linked = true }: { entries: Entry[] | undefined; none: string; whole?: boolean; linked?: boolean }) {
  if (entries?.length === 0) return <Empty title={none} />;
  return (
    <ol class="entries">
      {entries?.map((entry) => {
        const level = LEVELS[entry.level] ?? { sign: "idle" as Sign, tone: "calm" };
        return (
          <li key={entry.id} class={level.tone}>
            <Icon sign={level.sign} />
            <div>
              <p>
                <span class="unseen">{entry.level}: </span>
                <Headline entry={entry} />
              </p>
              <p class="faint row tight">
                <Time at={entry.at} />
                <span>{entry.kind}</span>
                {linked && entry.subject && <Subject name={entry.subject} />}
                {entry.author && <span>by {entry.author}</span>}
              </p>
              {whole && (entry.evidence?.length ?? 0) > 0 && (
                <dl class="evidence">
                  {entry.evidence?.map(([name, value], number) => (
                    <div key={number}>
                      <dt>{name}</dt>
                      <dd class="code">{value}</dd>
                    </div>
                  ))}
                </dl>
              )}
            </div>
          </li>
        );
      })}
    </ol>
  );
}
