// Knocks: who may knock for what, the key that their clients need, and who knocked lately.
import type { KnockKey, KnockSeen, KnockState, Status } from "../api.gen";
import { ask } from "../lib/api";
import { count, span } from "../lib/format";
import { useResource } from "../lib/resource";
import { Icon } from "../ui/Icon";
import { Action, Card, Chip, Empty, Facts, Head, Subject, Time, Trouble } from "../ui/part";
import { type Column, Table } from "../ui/Table";
import { tell } from "../ui/Toast";

export function Knock() {
  const { value, problem, renew } = useResource<Status>((signal) => ask("GET /v1/status", { signal }), [], { every: 5, on: () => true });
  return (
    <>
      <Head title="Knock" about="One signed packet opens a service for its sender, for a while." />
      <Trouble problem={problem} retry={renew} />
      {value && !value.knock && (
        <div class="card">
          <Empty title="No knocks are taken.">Set knock.listen and knock.keys in the configuration.</Empty>
        </div>
      )}
      {value?.knock && (
        <>
          <State knock={value.knock} />
          <Keys keys={value.knock.keys} />
          <Last knocks={value.knock.last} />
        </>
      )}
    </>
  );
}

function State({ knock }: { knock: KnockState }) {
  const { host_key: key } = knock;
  return (
    <Card title="How they do" actions={<Chip tone="good">{count(knock.taken)} taken</Chip>}>
      <Facts
        facts={[
          ["Port", <code>{knock.port}</code>],
          ["This host's key", key ? <code class="break">{key}</code> : <span class="faint">none yet</span>],
          ["Opens for", span(knock.open_for)],
          ["Refused", refusals(knock.refused)],
          ["Not looked at", count(knock.lost)],
        ]}
      />
      {key && (
        <p class="row">
          <Action tone="small" run={() => navigator.clipboard.writeText(key).then(() => tell("Copied."))}>
            <Icon sign="copy" />
            Copy the key
          </Action>
        </p>
      )}
    </Card>
  );
}

/** `3 stale, 1 unknown-key`; what a kind means stands in the protocol's description. */
function refusals(refused: Record<string, number>) {
  const kinds = Object.entries(refused).filter(([, times]) => times > 0);
  return kinds.length === 0 ? "none" : kinds.map(([kind, times]) => `${count(times)} ${kind}`).join(", ");
}

function Keys({ keys }: { keys: KnockKey[] }) {
  return (
    <div class="card flush">
      <h2 class="padded">Who may knock</h2>
      {keys.length === 0 && <Empty title="Nobody may.">Write public keys into knock.keys.</Empty>}
      {keys.length > 0 && <Table caption="Who may knock" columns={KEYS} rows={keys} keyOf={(key) => key.name} />}
    </div>
  );
}

const KEYS: Column<KnockKey>[] = [
  { key: "name", title: "Key", cell: (key) => <span class="strong">{key.name}</span> },
  { key: "services", title: "For", kind: "grow", cell: (key) => key.services.join(", ") },
  { key: "taken", title: "Taken", numeric: true, cell: (key) => count(key.taken) },
];

function Last({ knocks }: { knocks: KnockSeen[] }) {
  return (
    <div class="card flush">
      <h2 class="padded">Last knocks</h2>
      {knocks.length === 0 && <Empty title="Nobody knocked yet.">Packets that no key signed are only counted.</Empty>}
      {knocks.length > 0 && <Table caption="Last knocks" columns={KNOCKS} rows={knocks} keyOf={(knock) => `${knock.at} ${knock.key} ${knock.sender}`} />}
    </div>
  );
}

const KNOCKS: Column<KnockSeen>[] = [
  { key: "at", title: "When", cell: (knock) => <Time at={knock.at} /> },
  { key: "key", title: "Key", cell: (knock) => <span class="strong">{knock.key}</span> },
  { key: "service", title: "Service", cell: (knock) => knock.service || <span class="faint">unknown</span> },
  { key: "address", title: "For", cell: (knock) => <Subject name={knock.address} /> },
  {
    key: "refused",
    title: "What became of it",
    kind: "grow",
    cell: (knock) => (knock.refused ? <span>refused: {knock.refused}</span> : <Chip tone="good">opened</Chip>),
  },
];
