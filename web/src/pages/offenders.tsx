// Bans, throttles, the allow list, and who misbehaved before: filtered, sorted and paged by the server.
import { useEffect, useState } from "preact/hooks";
import type { Hold, Offender } from "../api.gen";
import { ask } from "../lib/api";
import { count } from "../lib/format";
import { told } from "../lib/live";
import { link, place, refine, storyOf } from "../lib/route";
import { useMayOrder } from "../lib/session";
import { useResource } from "../lib/resource";
import { useStore } from "../lib/store";
import { askFirst } from "../ui/Dialog";
import { Icon } from "../ui/Icon";
import { askHold, askLift, MeasureChip, measureName, settle } from "../ui/order";
import { Chip, Empty, Ends, Head, Subject, Tabs, Time, Trouble } from "../ui/part";
import { type Column, Find, Pager, Table } from "../ui/Table";
import { Story } from "./story";

const ROWS = 50;

/** How old the copy may be that the server answers from, in seconds, with some room. */
const COPY_AGE = 3.3;

/** How long a text rests before it is looked for, in milliseconds. */
const REST = 200;

const LISTS: [key: string, title: string, empty: string][] = [
  ["bans", "Bans", "Nobody is banned."],
  ["throttled-soft", "Throttled softly", "Nobody is throttled softly."],
  ["throttled-hard", "Throttled hard", "Nobody is throttled hard."],
  ["allowed", "Allow list", "The allow list is empty."],
  ["protected", "Protected", "Nobody is protected."],
  ["offenders", "Offenders", "Nobody misbehaved so far."],
];

export function Offenders() {
  const { rest } = useStore(place);
  return rest ? <Story subject={rest} /> : <Lists />;
}

function Lists() {
  const { query } = useStore(place);
  const held = useStore(told)?.status;
  const mayOrder = useMayOrder();
  const list = LISTS.find(([key]) => key === query.get("list"))?.[0] ?? "bans";
  const counts: Record<string, number | undefined> = {
    bans: held && held.held.banned + held.held.banned_for_ports,
    "throttled-soft": held?.held.throttled_soft,
    "throttled-hard": held?.held.throttled_hard,
    allowed: held?.held.allowed,
    protected: held?.held.protected,
    offenders: held?.offenders,
  };
  return (
    <>
      <Head title="Offenders" about="Who is held, who is always let in, and who misbehaved before.">
        {mayOrder && (
          <button type="button" class="primary" onClick={() => askHold(list === "allowed" ? { measure: "allow" } : list.startsWith("throttled") ? { measure: list.replace("throttled", "throttle") as "throttle-soft" } : {})}>
            <Icon sign="plus" />
            Add…
          </button>
        )}
      </Head>
      <Tabs label="Lists" at={list} tabs={LISTS.map(([key, title]) => [key, title, link("offenders", { list: key }), counts[key]])} />
      {list === "offenders" ? <OffenderTable key={list} /> : <HoldTable key={list} list={list} />}
    </>
  );
}

/** What the address says about the table: it stays when the page is loaded anew or sent to somebody. */
function useTable() {
  const { query } = useStore(place);
  const [typed, setTyped] = useState(query.get("find") ?? "");
  const find = query.get("find") ?? "";
  useEffect(() => {
    if (typed === find) return;
    const timer = setTimeout(() => refine({ find: typed, offset: undefined }), REST);
    return () => clearTimeout(timer);
  }, [typed]);
  // What the server sorts by when it is told nothing is marked as well.
  const sort = query.get("sort") ?? "subject";
  const descending = query.get("descending") === "true";
  const offset = Number(query.get("offset")) || 0;
  return {
    typed,
    setTyped,
    asked: { find, sort, descending, offset, limit: ROWS },
    sorting: { by: sort, descending, change: (by: string, down: boolean) => refine({ sort: by, descending: down, offset: undefined }) },
    go: (next: number) => refine({ offset: next || undefined }),
  };
}

function HoldTable({ list }: { list: string }) {
  const { typed, setTyped, asked, sorting, go } = useTable();
  const mayOrder = useMayOrder() && list !== "protected";
  const [chosen, setChosen] = useState(new Set<string>());
  const inputs = [list, ...Object.values(asked)];
  const { value, problem, busy, renew } = useResource((signal) => ask("GET /v1/table/holds", { query: { list, ...asked }, signal }), inputs, {
    on: (entry) => ["decision", "release", "refused"].includes(entry.kind),
    every: 20,
    again: COPY_AGE,
  });
  useEffect(() => setChosen(new Set()), inputs);
  const picked = value?.items.filter((hold) => chosen.has(hold.subject)) ?? [];
  const columns: Column<Hold>[] = [
    { key: "subject", title: "Subject", sorts: true, kind: "name", cell: (hold) => <Whom hold={hold} /> },
    { key: "since", title: "Since", sorts: true, cell: (hold) => <Time at={hold.since} /> },
    { key: "until", title: "Ends", sorts: true, cell: (hold) => <Ends at={hold.until} /> },
    ...(list === "bans" ? [{ key: "nth_ban", title: "In a row", sorts: true, numeric: true, cell: (hold: Hold) => hold.nth_ban || "–" }] : []),
    { key: "reason", title: "Reason", sorts: true, kind: "grow", cell: (hold) => <Reason hold={hold} /> },
    { key: "author", title: "By", sorts: true, cell: (hold) => hold.author },
    ...(mayOrder ? [{ key: "actions", title: "", kind: "actions", cell: (hold: Hold) => <HoldActions hold={hold} /> }] : []),
  ];
  const isUnfiltered = asked.find === "";
  return (
    <div class="card flush">
      <div class="toolbar">
        <Find value={typed} change={setTyped} label="Find in this list" placeholder="Address, network, reason…" />
        <div class="row">
          {picked.length > 0 ? <Bulk picked={picked} /> : mayOrder && list === "bans" && (value?.total ?? 0) > 0 && <LiftEverything total={value?.total ?? 0} />}
        </div>
      </div>
      <Trouble problem={problem} retry={renew} />
      {value && (
        <>
          {value.items.length === 0 && <Nothing list={list} find={asked.find} />}
          {value.items.length > 0 && (
            <Table
              caption={LISTS.find(([key]) => key === list)?.[1] ?? list}
              columns={columns}
              rows={value.items}
              keyOf={(hold) => hold.subject}
              sorting={sorting}
              busy={busy}
              selection={mayOrder ? { chosen, change: setChosen, nameOf: (hold) => hold.subject } : undefined}
            />
          )}
          {(!isUnfiltered || value.total > 0) && <Pager offset={asked.offset} size={ROWS} found={value.found} total={value.total} go={go} />}
        </>
      )}
    </div>
  );
}

function Whom({ hold }: { hold: Hold }) {
  return (
    <>
      <Subject name={hold.subject} />
      {hold.ports.length > 0 && <span class="block faint">only {hold.ports.join(", ")}</span>}
    </>
  );
}

function Reason({ hold }: { hold: Hold }) {
  return (
    <>
      {hold.reason || <span class="faint">none given</span>}{" "}
      {!hold.enforced && (
        <Chip tone="warn" title="The kernel has not taken it over yet">
          on the way
        </Chip>
      )}
    </>
  );
}

function Nothing({ list, find }: { list: string; find: string }) {
  if (find) {
    return (
      <Empty title={`Nothing here contains “${find}”.`}>
        <button type="button" class="small" onClick={() => refine({ find: undefined, offset: undefined })}>
          Show all
        </button>
      </Empty>
    );
  }
  const hints: Record<string, string> = {
    bans: "Traps, watches and anomalies ban on their own; Add bans by hand.",
    allowed: "Add the addresses that must never be turned away, your own first.",
    protected: "Addresses under [protect] in the configuration are listed here.",
    offenders: "Whoever touches a trap or fails at a log in will be listed here.",
  };
  return <Empty title={LISTS.find(([key]) => key === list)?.[2] ?? "Nothing here."}>{hints[list] ?? "Add throttles by hand; a ladder with steps does it on its own."}</Empty>;
}

/** What is already the default of an extension: the same reason, a new end. */
function extend(holds: Hold[]): void {
  const [first] = holds;
  const measure = first && measureName(first.measure);
  if (!first || !measure) return;
  askHold({ measure, subjects: holds.map((hold) => hold.subject), ports: first.ports, reason: first.reason, span: "1d", extends: true });
}

function HoldActions({ hold }: { hold: Hold }) {
  return (
    <span class="row tight end">
      <button type="button" class="small" onClick={() => extend([hold])}>
        Extend…<span class="unseen"> {hold.subject}</span>
      </button>
      <button type="button" class="small" onClick={() => askLift([hold])}>
        {hold.measure === "allow" ? "Take off…" : "Lift…"}
        <span class="unseen"> {hold.subject}</span>
      </button>
    </span>
  );
}

function Bulk({ picked }: { picked: Hold[] }) {
  const hasSamePorts = picked.every((hold) => hold.ports.join() === picked[0]?.ports.join());
  return (
    <>
      <span class="muted" role="status">
        {count(picked.length)} chosen
      </span>
      <button type="button" disabled={!hasSamePorts} onClick={() => extend(picked)}>
        Extend…
      </button>
      <button type="button" class="danger" onClick={() => askLift(picked)}>
        Lift…
      </button>
    </>
  );
}

function LiftEverything({ total }: { total: number }) {
  const lift = () =>
    askFirst({
      title: `Lift all ${count(total)} bans?`,
      does: "Everybody who is banned may connect again at once. Past offences are remembered.",
      undo: "It can not be taken back as a whole: whoever misbehaves again is banned again, for longer.",
      confirm: "Lift all bans",
      run: async () => {
        const done = await ask("POST /v1/lift", { body: { measure: "ban" } });
        settle(done, `Lifted ${count(done.subjects)} bans.`);
      },
    });
  return (
    <button type="button" onClick={lift}>
      Lift all…
    </button>
  );
}

function OffenderTable() {
  const { typed, setTyped, asked, sorting, go } = useTable();
  const mayOrder = useMayOrder();
  const { value, problem, busy, renew } = useResource((signal) => ask("GET /v1/table/offenders", { query: asked, signal }), Object.values(asked), {
    on: (entry) => ["offence", "decision", "release"].includes(entry.kind),
    every: 20,
    again: COPY_AGE,
  });
  const columns: Column<Offender>[] = [
    { key: "subject", title: "Subject", sorts: true, kind: "name", cell: (one) => <Subject name={one.subject} /> },
    { key: "banned", title: "State", sorts: true, cell: (one) => (one.banned ? <MeasureChip measure="ban" /> : <Chip tone="calm">free</Chip>) },
    { key: "offences", title: "Offences", sorts: true, numeric: true, cell: (one) => count(one.offences) },
    { key: "bans", title: "Bans", sorts: true, numeric: true, cell: (one) => count(one.bans) },
    { key: "first", title: "First", sorts: true, cell: (one) => <Time at={one.first} /> },
    { key: "last", title: "Last", sorts: true, cell: (one) => <Time at={one.last} /> },
    {
      key: "actions",
      title: "",
      kind: "actions",
      cell: (one) => (
        <span class="row tight end">
          <a class="button small" href={storyOf(one.subject)}>
            Story<span class="unseen"> of {one.subject}</span>
          </a>
          {mayOrder && !one.banned && (
            <button type="button" class="small" onClick={() => askHold({ subjects: [one.subject] })}>
              Ban…<span class="unseen"> {one.subject}</span>
            </button>
          )}
        </span>
      ),
    },
  ];
  return (
    <div class="card flush">
      <div class="toolbar">
        <Find value={typed} change={setTyped} label="Find an offender" placeholder="Address or network" />
      </div>
      <Trouble problem={problem} retry={renew} />
      {value && (
        <>
          {value.items.length === 0 ? (
            <Nothing list="offenders" find={asked.find} />
          ) : (
            <Table caption="Offenders" columns={columns} rows={value.items} keyOf={(one) => one.subject} sorting={sorting} busy={busy} />
          )}
          {(asked.find !== "" || value.total > 0) && <Pager offset={asked.offset} size={ROWS} found={value.found} total={value.total} go={go} />}
        </>
      )}
    </div>
  );
}
