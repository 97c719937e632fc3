// The table of connections: those of this host and those through it, with what the other side of a translation sees.
import { useState } from "preact/hooks";
import type { Connection, Connections as Answer, Tracking } from "../api.gen";
import { ask } from "../lib/api";
import { addressOf, bytes, count, many, portOf, span } from "../lib/format";
import { place, refine } from "../lib/route";
import { useMayOrder } from "../lib/session";
import { useResource } from "../lib/resource";
import { useStore } from "../lib/store";
import { Icon, type Sign } from "./Icon";
import { askHold } from "./order";
import { Chip, Empty, Subject, Trouble } from "./part";
import { type Column, Find, Table } from "./Table";

/** So many rows are drawn at most; the filter finds the others. */
const ROWS = 200;

export function Connections() {
  const { query } = useStore(place);
  const find = query.get("find") ?? "";
  const mayOrder = useMayOrder();
  const [paused, setPaused] = useState(false);
  const { value, problem, busy, renew } = useResource<Answer>((signal) => ask("GET /v1/connections", { signal }), [], paused ? {} : { every: 2 });
  const found = value?.items.filter((one) => matches(one, find)) ?? [];
  const columns = mayOrder ? [...COLUMNS, ACTIONS] : COLUMNS;
  return (
    <div class="card flush">
      <div class="toolbar">
        <Find value={find} change={(text) => refine({ find: text })} label="Find a connection" placeholder="Address, port, protocol, process, unit…" />
        <button type="button" aria-pressed={paused} onClick={() => setPaused(!paused)}>
          <Icon sign={paused ? "play" : "pause"} />
          {paused ? "Go on" : "Pause"}
        </button>
      </div>
      <Trouble problem={problem} retry={renew} />
      {value && found.length === 0 && <Empty title={find ? `No connection contains “${find}”.` : "No connection with another host."} />}
      {found.length > 0 && <Table caption="Connections" columns={columns} rows={found.slice(0, ROWS)} keyOf={keyOf} busy={busy && !value} />}
      {value && found.length + value.more > ROWS && (
        <p class="muted padded">
          {many(found.length + value.more - ROWS, "more", "more")}; the filter finds them among the first {count(value.items.length)}.
        </p>
      )}
      {value && <p class="muted padded">{toldOf(value.tracking)}</p>}
    </div>
  );
}

const COLUMNS: Column<Connection>[] = [
  {
    key: "direction",
    title: "Way",
    cell: (one) => (
      <Chip tone="calm" sign={SIGNS[one.direction] ?? "next"}>
        {one.direction}
      </Chip>
    ),
  },
  {
    key: "peer",
    title: "Peer",
    kind: "name",
    cell: (one) => (
      <>
        <Subject name={culprit(one)} />
        {one.real_peer && <span class="block faint">seen as {one.peer}</span>}
      </>
    ),
  },
  { key: "peer-port", title: "Its port", numeric: true, cell: (one) => <code>{portOf(one.real_peer ?? one.peer) ?? "–"}</code> },
  {
    key: "local",
    title: "Here",
    kind: "name",
    cell: (one) => (
      <>
        <code>{one.local}</code>
        {one.outside && <span class="block faint">outside {one.outside}</span>}
      </>
    ),
  },
  {
    key: "state",
    title: "State",
    cell: (one) => (
      <>
        <span class="faint">{one.protocol}</span> <span>{one.state}</span>
      </>
    ),
  },
  {
    key: "process",
    title: "Process",
    cell: (one) => (
      <>
        {one.process || <span class="faint">unknown</span>} {one.pid && <span class="faint">{one.pid}</span>}
        <span class="block faint">{[one.container, one.unit, one.user].filter(Boolean).join(", ")}</span>
      </>
    ),
  },
  {
    key: "bytes",
    title: "Came / went",
    numeric: true,
    cell: (one) => (
      <>
        {sizeOf(one.received)} / {sizeOf(one.sent)}
      </>
    ),
  },
  { key: "since", title: "For", cell: (one) => <span title={one.since}>{span(one.seconds)}</span> },
];

const ACTIONS: Column<Connection> = {
  key: "actions",
  title: "",
  kind: "actions",
  cell: (one) => (
    <button type="button" class="small" onClick={() => askHold({ subjects: [culprit(one)] })}>
      Ban…<span class="unseen"> {culprit(one)}</span>
    </button>
  ),
};

const SIGNS: Record<string, Sign> = { in: "down", out: "up", forwarded: "next" };

/** The address that a ban has to name. */
function culprit(one: Connection): string {
  return addressOf(one.real_peer ?? one.peer);
}

function keyOf(one: Connection): string {
  return `${one.protocol} ${one.local} ${one.peer}`;
}

function sizeOf(counted: number | null | undefined): string {
  return counted === null || counted === undefined ? "–" : bytes(counted);
}

function matches(one: Connection, find: string): boolean {
  const ends = [one.peer, one.real_peer, one.local, one.outside];
  const texts = [...ends, one.protocol, one.process, one.container, one.unit, one.user, one.state, one.direction];
  return texts.some((text) => text?.toLowerCase().includes(find.toLowerCase()));
}

/** What the kernel's connection tracking adds, and what it could. */
function toldOf(tracking: Tracking): string {
  if (tracking.trouble) return `Only TCP connections of this host itself are known: ${tracking.trouble}.`;
  const tracked = `The kernel tracks ${count(tracking.tracked)} of at most ${count(tracking.most)} connections`;
  if (tracking.counts_bytes) return `${tracked}.`;
  return `${tracked}; bytes of forwarded ones and of UDP are known where net.netfilter.nf_conntrack_acct is 1.`;
}
