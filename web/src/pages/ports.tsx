// Who listens where, what can be reached from outside and why; and what can be done about it.
import type { Door, PortRow, Ruling } from "../api.gen";
import { ask } from "../lib/api";
import { count, withMoments } from "../lib/format";
import { told } from "../lib/live";
import { place, refine } from "../lib/route";
import { useMayOrder } from "../lib/session";
import { useResource } from "../lib/resource";
import { useStore } from "../lib/store";
import { Icon, type Sign } from "../ui/Icon";
import { askClose, askForget, askOpen, askPort, askRule, nameOf } from "../ui/port-order";
import { Card, Chip, Empty, Ends, Head, Time, Trouble, type Tone } from "../ui/part";
import { type Column, Find, Table } from "../ui/Table";

const REACH: Record<string, { tone: Tone; sign: Sign; about: string }> = {
  open: { tone: "accent", sign: "open", about: "can be reached from outside" },
  closed: { tone: "calm", sign: "closed", about: "can not be reached from outside" },
  pending: { tone: "warn", sign: "wait", about: "waits for approval" },
  local: { tone: "calm", sign: "home", about: "only this host itself reaches it" },
  forwarded: { tone: "accent", sign: "share", about: "the kernel sends it on to another host or container" },
};

/** A listener that comes or goes is no journal line of its own. */
const OFTEN = 5;

export function Ports() {
  const { query } = useStore(place);
  const all = query.get("all") === "true";
  const find = query.get("find") ?? "";
  const listeners = useStore(told)?.status;
  const change = [listeners?.listeners, listeners?.listeners_pending, listeners?.doors, listeners?.posture].join();
  const mayOrder = useMayOrder();
  const renewal = { every: OFTEN, on: () => true };
  const ports = useResource<PortRow[]>((signal) => ask("GET /v1/ports", { query: { all }, signal }), [all, change], renewal);
  const doors = useResource<Door[]>((signal) => ask("GET /v1/doors", { signal }), [change], { on: () => true });
  const rulings = useResource<Ruling[]>((signal) => ask("GET /v1/rulings", { signal }), [change], { on: () => true });
  const rows = ports.value?.filter((row) => matches(row, find));
  const pending = ports.value?.filter((row) => row.reach === "pending") ?? [];
  return (
    <>
      <Head title="Ports" about="Who listens where, and what can be reached from outside.">
        {mayOrder && (
          <button type="button" class="primary" onClick={() => askOpen("")}>
            <Icon sign="plus" />
            Open…
          </button>
        )}
      </Head>
      {pending.length > 0 && mayOrder && (
        <Card title={pending.length === 1 ? "One listener waits for approval" : `${count(pending.length)} listeners wait for approval`}>
          <ul class="lines">
            {pending.map((row) => (
              <li key={keyOf(row)} class="row between">
                <span>
                  <code class="strong">{row.port}</code> {nameOf(row)} <span class="faint">{row.address}</span>
                </span>
                <span class="row tight">
                  <button type="button" class="small primary" onClick={() => askRule(row, "approve")}>
                    Approve…<span class="unseen"> {row.port}</span>
                  </button>
                  <button type="button" class="small" onClick={() => askRule(row, "deny")}>
                    Deny…<span class="unseen"> {row.port}</span>
                  </button>
                </span>
              </li>
            ))}
          </ul>
        </Card>
      )}
      <div class="card flush">
        <div class="toolbar">
          <Find value={find} change={(text) => refine({ find: text })} label="Find a port" placeholder="Port, process, unit, user…" />
          <label class="check">
            <input type="checkbox" checked={all} onChange={(event) => refine({ all: event.currentTarget.checked })} />
            What only this host reaches too
          </label>
        </div>
        <Trouble problem={ports.problem} retry={ports.renew} />
        {rows?.length === 0 && (
          <Empty title={find ? `Nothing here contains “${find}”.` : "Nothing can be reached from outside."}>
            {find ? "" : "Start a service, or open a port by hand."}
          </Empty>
        )}
        {rows && rows.length > 0 && <Table caption="Ports" columns={columns(mayOrder)} rows={rows} keyOf={keyOf} busy={ports.busy} />}
      </div>
      <div class="columns">
        <Doors doors={doors.value} mayOrder={mayOrder} />
        <Rulings rulings={rulings.value} mayOrder={mayOrder} />
      </div>
      <Trouble problem={doors.problem ?? rulings.problem} />
    </>
  );
}

function matches(row: PortRow, find: string): boolean {
  const texts = [row.port, row.address, row.process, row.unit, row.user, row.exe, row.service, row.reach, row.why];
  return texts.some((text) => text?.toLowerCase().includes(find.toLowerCase()));
}

function keyOf(row: PortRow): string {
  return [row.port, row.address, row.exe, row.unit, row.user, row.pid, row.rule].join(" ");
}

function columns(mayOrder: boolean): Column<PortRow>[] {
  return [
    {
      key: "port",
      title: "Port",
      cell: (row) => (
        <>
          <code class="strong">{row.port}</code>
          {row.service && <span class="faint"> {row.service}</span>}
          <span class="block faint code">{row.address ?? "nothing listens"}</span>
        </>
      ),
    },
    { key: "reach", title: "Reach", cell: (row) => <Reach row={row} /> },
    {
      key: "process",
      title: "Process",
      cell: (row) => (
        <>
          {row.process ?? <span class="faint">none</span>}
          {row.pid !== undefined && row.pid !== null && <span class="faint"> {row.pid}</span>}
          <span class="block faint">{[row.unit, row.container].filter(Boolean).join(", ")}</span>
        </>
      ),
    },
    { key: "user", title: "User", cell: (row) => row.user ?? "–" },
    {
      key: "why",
      title: "Why",
      kind: "grow",
      cell: (row) => (
        <>
          {row.why}
          {row.open_for.length > 0 && <span class="block faint">open for {row.open_for.map(withMoments).join(", ")}</span>}
          {row.rate && <span class="block faint">at most {row.rate} from each source</span>}
        </>
      ),
    },
    ...(mayOrder
      ? [
          {
            key: "actions",
            title: "",
            kind: "actions",
            cell: (row: PortRow) => (
              <button type="button" class="small" onClick={() => askPort(row)}>
                Change…<span class="unseen"> {row.port}</span>
              </button>
            ),
          },
        ]
      : []),
  ];
}

function Reach({ row }: { row: PortRow }) {
  const known = REACH[row.reach];
  return (
    <Chip tone={known?.tone ?? "calm"} sign={known?.sign ?? "idle"} title={known?.about}>
      {row.reach}
    </Chip>
  );
}

function Doors({ doors, mayOrder }: { doors: Door[] | undefined; mayOrder: boolean }) {
  return (
    <Card title="Opened and shut by order">
      {doors?.length === 0 && <Empty title="No port was opened or shut by order.">Open… opens one, for everybody or for one source, for as long as you say.</Empty>}
      <ul class="lines">
        {doors?.map((door) => (
          <li key={`${door.act} ${door.port} ${door.from}`} class="row between">
            <span>
              <Chip tone={door.act === "open" ? "accent" : "calm"} sign={door.act === "open" ? "open" : "closed"}>
                {door.act}
              </Chip>{" "}
              <code class="strong">{door.port}</code> {door.service} <span class="muted">for {door.from ?? "everybody"}</span>
              <span class="block faint">
                ends <Ends at={door.until} />, by {door.author}
                {!door.enforced && ", on the way to the kernel"}
              </span>
            </span>
            {mayOrder &&
              (door.act === "open" ? (
                <button type="button" class="small" onClick={() => askClose(door.port, door.from ?? undefined)}>
                  Close…<span class="unseen"> {door.port}</span>
                </button>
              ) : (
                <button type="button" class="small" onClick={() => askOpen(door.port)}>
                  Open…<span class="unseen"> {door.port}</span>
                </button>
              ))}
          </li>
        ))}
      </ul>
    </Card>
  );
}

function Rulings({ rulings, mayOrder }: { rulings: Ruling[] | undefined; mayOrder: boolean }) {
  return (
    <Card title="Approved and denied">
      {rulings?.length === 0 && <Empty title="Nobody was approved or denied by order.">What the configuration approves is not listed here.</Empty>}
      <ul class="lines">
        {rulings?.map((ruling) => (
          <li key={ruling.what} class="row between">
            <span>
              <Chip tone={ruling.approved ? "good" : "bad"}>{ruling.approved ? "approved" : "denied"}</Chip> <code>{ruling.what}</code>
              <span class="block faint">
                <Time at={ruling.since} />, by {ruling.author}
              </span>
            </span>
            {mayOrder && (
              <button type="button" class="small" onClick={() => askForget(ruling)}>
                Forget…<span class="unseen"> {ruling.what}</span>
              </button>
            )}
          </li>
        ))}
      </ul>
    </Card>
  );
}
