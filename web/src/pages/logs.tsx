// The journal, following; and the packet log.
import { useEffect, useRef, useState } from "preact/hooks";
import type { Entry } from "../api.gen";
import { ask } from "../lib/api";
import { liesIn } from "../lib/address";
import { count } from "../lib/format";
import { onEntry } from "../lib/live";
import { link, place, refine } from "../lib/route";
import { useResource } from "../lib/resource";
import { useStore } from "../lib/store";
import { Entries } from "../ui/Entries";
import { Icon } from "../ui/Icon";
import { Packets, Rested } from "../ui/Packets";
import { Field, Head, Tabs, Trouble } from "../ui/part";

export function Logs() {
  const { query } = useStore(place);
  const tab = query.get("show") === "packets" ? "packets" : "journal";
  return (
    <>
      <Head title="Logs" about="What the guard saw, decided and did." />
      <Tabs
        label="Logs"
        at={tab}
        tabs={[
          ["journal", "Journal", link("logs")],
          ["packets", "Packet log", link("logs", { show: "packets" })],
        ]}
      />
      {tab === "journal" ? <Journal /> : <Packets />}
    </>
  );
}

/** So many lines more are shown with each step back. */
const STEP = 200;

const SINCE: [seconds: string, words: string][] = [
  ["", "any time"],
  ["3600", "the last hour"],
  ["86400", "the last 24 hours"],
  ["604800", "the last 7 days"],
];

const LEVELS = ["info", "warning", "error"];

function Journal() {
  const { query } = useStore(place);
  const since = query.get("since") ?? "";
  const subject = query.get("subject") ?? "";
  const level = query.get("level") ?? "";
  const [limit, setLimit] = useState(STEP);
  const [follow, setFollow] = useState(true);
  const past = useResource<Entry[]>(
    (signal) => ask("GET /v1/events", { query: { subject, limit, ...(since ? { since: Number(since) } : {}) }, signal }),
    [since, subject, limit],
  );
  const { fresh, waiting } = useFresh(past.value, follow, subject);
  const all = [...fresh, ...[...(past.value ?? [])].reverse()];
  const shown = all.filter((entry) => level === "" || LEVELS.indexOf(entry.level) >= LEVELS.indexOf(level));
  return (
    <div class="card flush">
      <div class="toolbar">
        <div class="filters">
          <Field label="Since">
            <select value={since} onChange={(event) => refine({ since: event.currentTarget.value })}>
              {SINCE.map(([seconds, words]) => (
                <option key={seconds} value={seconds}>
                  {words}
                </option>
              ))}
            </select>
          </Field>
          <Field label="Level">
            <select value={level} onChange={(event) => refine({ level: event.currentTarget.value })}>
              <option value="">every</option>
              <option value="warning">warning and error</option>
              <option value="error">error</option>
            </select>
          </Field>
          <Field label="About">
            <Rested value={subject} placeholder="address or network" change={(text) => refine({ subject: text })} />
          </Field>
        </div>
        <button type="button" aria-pressed={follow} onClick={() => setFollow(!follow)}>
          <Icon sign={follow ? "pause" : "play"} />
          {follow ? "Stop following" : `Follow${waiting > 0 ? ` (${count(waiting)} new)` : ""}`}
        </button>
      </div>
      <Trouble problem={past.problem} retry={past.renew} />
      <div class="padded">
        <Entries entries={past.value ? shown : undefined} none="No line of the journal is like that." whole />
        {past.value && past.value.length >= limit && (
          <button type="button" aria-busy={past.busy} onClick={() => setLimit(limit + STEP)}>
            Older lines
          </button>
        )}
      </div>
    </div>
  );
}

/** Lines that came since the past was asked for, the newest first; they wait while nobody follows. */
function useFresh(past: Entry[] | undefined, follow: boolean, subject: string) {
  const [fresh, setFresh] = useState<Entry[]>([]);
  const [waiting, setWaiting] = useState(0);
  const held = useRef<Entry[]>([]);
  const state = useRef({ follow, subject });
  state.current = { follow, subject };
  const newest = past?.at(-1)?.id ?? 0;

  useEffect(() => setFresh((old) => old.filter((entry) => entry.id > newest && isAbout(entry, subject))), [newest, subject]);

  const take = () => {
    const taken = held.current;
    held.current = [];
    setWaiting(0);
    setFresh((old) => [...taken.filter((entry) => !old.some((one) => one.id === entry.id)), ...old].slice(0, 2 * STEP));
  };

  useEffect(() => {
    let frame = 0;
    return onEntry((entry) => {
      if (!isAbout(entry, state.current.subject)) return;
      held.current = [entry, ...held.current].slice(0, 2 * STEP);
      if (frame !== 0) return;
      frame = requestAnimationFrame(() => {
        frame = 0;
        if (state.current.follow) take();
        else setWaiting(held.current.length);
      });
    });
  }, []);

  useEffect(() => {
    if (follow) take();
  }, [follow]);

  return { fresh: fresh.filter((entry) => entry.id > newest), waiting };
}

function isAbout(entry: Entry, subject: string): boolean {
  if (subject === "") return true;
  const whom = entry.subject ?? "";
  const base = whom.split("/")[0] ?? "";
  return whom !== "" && (liesIn(base, subject) || liesIn(subject.split("/")[0] ?? "", whom));
}
