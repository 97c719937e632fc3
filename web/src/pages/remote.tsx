// The control file: how it stands, the services that it may drive, and the lines of it that are left out.
import type { Remote as ControlFile, RemoteLine, RemoteService, RemoteSummary } from "../api.gen";
import { ask } from "../lib/api";
import { count, span } from "../lib/format";
import { useResource } from "../lib/resource";
import { Card, Chip, Empty, Ends, Facts, Head, Subject, Time, Trouble, type Tone } from "../ui/part";
import { type Column, Table } from "../ui/Table";

const TONES: Record<string, Tone> = { good: "good", waiting: "accent", failing: "bad", rejected: "bad", off: "calm" };

export function Remote() {
  const { value, problem, renew } = useResource<ControlFile>((signal) => ask("GET /v1/remote", { signal }), [], { every: 5, on: () => true });
  return (
    <>
      <Head title="Control file" about="A signed text at an address, which opens and closes services." />
      <Trouble problem={problem} retry={renew} />
      {value && value.url == null && (
        <div class="card">
          <Empty title="There is no control file.">Set remote.url, remote.keys and remote.services in the configuration, and sign a file with portguard remote sign.</Empty>
        </div>
      )}
      {value?.url != null && (
        <>
          <File file={value} />
          <Services services={value.services} />
          <LeftOut lines={value.left_out} more={value.more_left_out} />
        </>
      )}
    </>
  );
}

function File({ file }: { file: ControlFile }) {
  const { summary } = file;
  return (
    <Card title="The file" actions={<Chip tone={TONES[summary.state] ?? "calm"}>{summary.state}</Chip>}>
      {summary.last_error && <p class="strong">{summary.last_error}</p>}
      {summary.unsigned && (
        <p>
          <Chip tone="warn">unsigned files are taken</Chip> Whoever can write the address is obeyed.
        </p>
      )}
      {file.page_error && <p>{file.page_error}</p>}
      <Facts
        facts={[
          ["Address", <code class="break">{file.url}</code>],
          ["In effect", inEffect(summary)],
          ["Signed", <Time at={file.signed_at} />],
          ["Last fetch", <Time at={file.last_fetch} />],
          ["Last good", <Time at={file.last_good} />],
          ["Next fetch", <Ends at={file.next_fetch} />],
          ["Every", span(file.every)],
        ]}
      />
    </Card>
  );
}

function inEffect({ serial, signer }: RemoteSummary) {
  if (serial == null) return "no signed file";
  return signer ? `serial ${serial}, signed by ${signer}` : `serial ${serial}`;
}

function Services({ services }: { services: RemoteService[] }) {
  return (
    <div class="card flush">
      <h2 class="padded">Services</h2>
      {services.length === 0 && <Empty title="It may drive no service.">Name some in remote.services.</Empty>}
      {services.length > 0 && <Table caption="Services" columns={SERVICES} rows={services} keyOf={(service) => service.name} />}
    </div>
  );
}

const STATES: Record<string, Tone> = { open: "good", closed: "calm", "partly open": "warn", unknown: "bad" };

const SERVICES: Column<RemoteService>[] = [
  { key: "name", title: "Service", cell: (service) => <span class="strong">{service.name}</span> },
  {
    key: "state",
    title: "State",
    cell: (service) => (
      <Chip tone={STATES[service.state] ?? "calm"} sign={service.state === "open" ? "open" : "closed"}>
        {service.state}
      </Chip>
    ),
  },
  { key: "until", title: "Ends", cell: (service) => <Ends at={service.until} /> },
  { key: "author", title: "By", kind: "grow", cell: (service) => service.author ?? <span class="faint">nobody</span> },
  {
    key: "open_for",
    title: "Open for",
    cell: (service) =>
      service.open_for.map((name) => (
        <span key={name} class="block">
          <Subject name={name} />
        </span>
      )),
  },
];

function LeftOut({ lines, more }: { lines: RemoteLine[]; more: number }) {
  if (lines.length === 0) return null;
  return (
    <div class="card flush">
      <h2 class="padded">Lines left out</h2>
      <Table caption="Lines left out" columns={LINES} rows={lines} keyOf={(line) => String(line.line)} />
      {more > 0 && <p class="padded muted">{count(more)} more are not listed.</p>}
    </div>
  );
}

const LINES: Column<RemoteLine>[] = [
  { key: "line", title: "Line", numeric: true, cell: (line) => count(line.line) },
  { key: "order", title: "Order", cell: (line) => (line.order ? <code>{line.order}</code> : <span class="faint">unreadable</span>) },
  { key: "why", title: "Why", kind: "grow", cell: (line) => line.why },
];
