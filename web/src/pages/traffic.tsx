// Packets as they are decided about, connections, anomalies with the rules that they propose, interfaces.
import type { Entry, Interface, Proposal } from "../api.gen";
import { ask } from "../lib/api";
import { bytes, count, many, span } from "../lib/format";
import { link, place, refine } from "../lib/route";
import { useMayOrder } from "../lib/session";
import { useResource } from "../lib/resource";
import { useStore } from "../lib/store";
import { askFirst } from "../ui/Dialog";
import { Connections } from "../ui/Connections";
import { Entries } from "../ui/Entries";
import { Icon } from "../ui/Icon";
import { askHold, settle } from "../ui/order";
import { Packets } from "../ui/Packets";
import { Card, Chip, Empty, Ends, Head, Subject, Tabs, Time, Trouble, type Tone } from "../ui/part";
import { type Column, Table } from "../ui/Table";

const TABS = [
  ["packets", "Packets"],
  ["connections", "Connections"],
  ["anomalies", "Anomalies"],
  ["interfaces", "Interfaces"],
] as const;

export function Traffic() {
  const { query } = useStore(place);
  const tab = TABS.find(([key]) => key === query.get("show"))?.[0] ?? "packets";
  const mayOrder = useMayOrder();
  return (
    <>
      <Head title="Traffic" about="What comes and goes, and what stands out in it.">
        {mayOrder && (
          <button type="button" class="primary" onClick={() => askHold({})}>
            <Icon sign="plus" />
            New rule…
          </button>
        )}
      </Head>
      <Tabs label="Kinds of traffic" at={tab} tabs={TABS.map(([key, title]) => [key, title, link("traffic", key === "packets" ? {} : { show: key })])} />
      {tab === "packets" && <Packets />}
      {tab === "connections" && <Connections />}
      {tab === "anomalies" && <Anomalies />}
      {tab === "interfaces" && <Interfaces />}
    </>
  );
}

const SEVERITIES: [name: string, tone: Tone][] = [
  ["critical", "bad"],
  ["high", "bad"],
  ["medium", "warn"],
  ["low", "calm"],
];

function Anomalies() {
  const { query } = useStore(place);
  const asked = query.get("severity") ?? "";
  const mayOrder = useMayOrder();
  const proposals = useResource<Proposal[]>((signal) => ask("GET /v1/proposals", { signal }), [], { on: () => true, every: 30 });
  const lines = useResource<Entry[]>((signal) => ask("GET /v1/events", { query: { limit: 2000, since: 604_800 }, signal }), [], {
    on: isAnomaly,
  });
  const found = lines.value?.filter(isAnomaly).reverse();
  const order = (one: Proposal) => SEVERITIES.findIndex(([name]) => name === one.severity);
  const shown = proposals.value?.filter((one) => asked === "" || one.severity === asked).sort((a, b) => order(a) - order(b));
  return (
    <div class="stack">
      <Card
        title="Proposed rules"
        actions={
          <>
            <label class="unseen" for="severity">
              Severity
            </label>
            <select id="severity" value={asked} onChange={(event) => refine({ severity: event.currentTarget.value })}>
              <option value="">Every severity</option>
              {SEVERITIES.map(([name]) => (
                <option key={name} value={name}>
                  {name}
                </option>
              ))}
            </select>
          </>
        }
      >
        <Trouble problem={proposals.problem} retry={proposals.renew} />
        {shown?.length === 0 && <Empty title="No rule waits for you.">When a detector of [anomaly] finds something, the rule that follows is listed here to accept or dismiss.</Empty>}
        <ul class="lines">
          {shown?.map((one) => (
            <Proposed key={one.id} proposal={one} mayOrder={mayOrder} />
          ))}
        </ul>
      </Card>
      <Card title="Anomalies of the last 7 days">
        <Trouble problem={lines.problem} retry={lines.renew} />
        <Entries entries={found?.slice(0, 50)} none="No anomaly was found." whole />
      </Card>
    </div>
  );
}

/** An anomaly is a line of its own, leads to a proposal, or, where rules are put in force at once, to an offence. */
function isAnomaly(entry: Entry): boolean {
  return ["anomaly", "proposed"].includes(entry.kind) || (entry.kind === "offence" && entry.text.includes("anomaly"));
}

/** What the line above the evidence says already. */
const SAID = ["severity", "confidence"];

function Proposed({ proposal: one, mayOrder }: { proposal: Proposal; mayOrder: boolean }) {
  const tone = SEVERITIES.find(([name]) => name === one.severity)?.[1] ?? "calm";
  const length = one.for === null || one.for === undefined ? "for ever" : `for ${span(one.for)}`;
  const rule = `${one.measure} ${one.subject}${one.ports.length > 0 ? ` on ${one.ports.join(", ")}` : ""} ${length}`;
  const accept = () =>
    askFirst({
      title: "Accept this rule?",
      does: `${rule}, because of ${one.rule}.`,
      undo: "Lift it on the page Offenders.",
      confirm: "Accept",
      run: async () => settle(await ask("POST /v1/proposals", { body: { id: one.id, verdict: "accept" } }), `In force: ${rule}.`),
    });
  const dismiss = () =>
    askFirst({
      title: "Dismiss this rule?",
      does: "It is taken from the list, and not proposed again for as long as it would have stood.",
      undo: "It can not be taken back; New rule… makes the same by hand.",
      confirm: "Dismiss",
      run: async () => settle(await ask("POST /v1/proposals", { body: { id: one.id, verdict: "dismiss" } }), "Dismissed."),
    });
  return (
    <li class="stack tight">
      <div class="row between">
        <span class="row">
          <Chip tone={tone}>{one.severity}</Chip>
          <span>
            {one.measure} <Subject name={one.subject} />
            {one.ports.length > 0 && <code> {one.ports.join(", ")}</code>} {length}
          </span>
        </span>
        {mayOrder && (
          <span class="row tight">
            <button type="button" class="small primary" onClick={accept}>
              Accept…<span class="unseen"> {one.subject}</span>
            </button>
            <button type="button" class="small" onClick={dismiss}>
              Dismiss…<span class="unseen"> {one.subject}</span>
            </button>
          </span>
        )}
      </div>
      <p class="muted">
        {one.rule}, {one.confidence} % sure, found {many(one.times, "time")}, first <Time at={one.since} />, forgotten <Ends at={one.until} />
      </p>
      <dl class="evidence">
        {Object.entries(one.evidence).filter(([name]) => !SAID.includes(name)).map(([name, value]) => (
          <div key={name}>
            <dt>{name}</dt>
            <dd class="code">{value}</dd>
          </div>
        ))}
      </dl>
    </li>
  );
}

interface Rated extends Interface {
  inRate: number | null;
  outRate: number | null;
}

/** What was counted last time, for rates. */
let before: { at: number; rows: Interface[] } | null = null;

function Interfaces() {
  const { value, problem, renew } = useResource<Rated[]>(async (signal) => rate(await ask("GET /v1/interfaces", { signal })), [], { every: 2 });
  const perSecond = (bits: number | null) => (bits === null ? "–" : `${bytes(bits)}/s`);
  const columns: Column<Rated>[] = [
    { key: "name", title: "Interface", cell: (one) => <code class="strong">{one.name}</code> },
    { key: "in-rate", title: "Comes", numeric: true, cell: (one) => perSecond(one.inRate) },
    { key: "out-rate", title: "Goes", numeric: true, cell: (one) => perSecond(one.outRate) },
    { key: "in", title: "Came", numeric: true, cell: (one) => <span title={`${count(one.received.packets)} packets`}>{bytes(one.received.bytes)}</span> },
    { key: "out", title: "Went", numeric: true, cell: (one) => <span title={`${count(one.sent.packets)} packets`}>{bytes(one.sent.bytes)}</span> },
    { key: "errors", title: "Errors", numeric: true, cell: (one) => count(one.received.errors + one.sent.errors) },
    { key: "dropped", title: "Dropped", numeric: true, cell: (one) => count(one.received.dropped + one.sent.dropped) },
  ];
  return (
    <div class="card flush">
      <Trouble problem={problem} retry={renew} />
      {value && <Table caption="Interfaces" columns={columns} rows={value} keyOf={(one) => one.name} />}
    </div>
  );
}

function rate(rows: Interface[]): Rated[] {
  const now = performance.now();
  const last = before;
  before = { at: now, rows };
  return rows.map((row) => {
    const old = last?.rows.find((one) => one.name === row.name);
    const seconds = last ? (now - last.at) / 1000 : 0;
    // A pause between visits would give an average that nobody asked for.
    if (!old || seconds < 0.5 || seconds > 10) return { ...row, inRate: null, outRate: null };
    return {
      ...row,
      inRate: Math.max(0, row.received.bytes - old.received.bytes) / seconds,
      outRate: Math.max(0, row.sent.bytes - old.sent.bytes) / seconds,
    };
  });
}
