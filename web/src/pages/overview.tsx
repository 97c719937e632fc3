// The state of the guard at a glance, and what stood out lately.
import { useMemo } from "preact/hooks";
import type { Entry, History, Ranked, Source, Status } from "../api.gen";
import { ask } from "../lib/api";
import { bytes, count, many, short, span, sum } from "../lib/format";
import { told } from "../lib/live";
import { link, place, refine, storyOf } from "../lib/route";
import { useMayOrder } from "../lib/session";
import { useResource } from "../lib/resource";
import { useStore } from "../lib/store";
import { Chart, type Line } from "../ui/Chart";
import { Entries } from "../ui/Entries";
import { askLockdown, askRelax } from "../ui/posture";
import { Card, Chip, Empty, Head, Time, Trouble } from "../ui/part";

const SPANS: [seconds: number, words: string][] = [
  [3_600, "1 hour"],
  [86_400, "24 hours"],
  [604_800, "7 days"],
  [2_592_000, "30 days"],
];

export function Overview() {
  const status = useStore(told)?.status;
  const asked = Number(useStore(place).query.get("span")) || 86_400;
  const history = useResource((signal) => ask("GET /v1/history", { query: { span: asked }, signal }), [asked], { every: 30 });
  const top = useResource((signal) => ask("GET /v1/top", { query: { span: asked, limit: 8 }, signal }), [asked], { every: 30 });
  const recent = useResource<Entry[]>((signal) => ask("GET /v1/events", { query: { limit: 8 }, signal }), [], { on: () => true });
  const words = SPANS.find(([seconds]) => seconds === asked)?.[1] ?? span(asked);
  return (
    <>
      <Head title="Overview">
        <label class="unseen" for="span">
          Time that is shown
        </label>
        <select id="span" value={asked} onChange={(event) => refine({ span: event.currentTarget.value })}>
          {SPANS.map(([seconds, name]) => (
            <option key={seconds} value={seconds}>
              Last {name}
            </option>
          ))}
        </select>
      </Head>
      <div class="tiles">
        <Posture status={status} />
        <Enforcement status={status} />
        <Held status={status} />
        <Turned status={status} />
      </div>
      <div class="columns">
        <Card title="Offences and bans">
          <Trouble problem={history.problem} retry={history.renew} />
          <OffencesChart history={history.value} words={words} />
        </Card>
        <Card title="Packets">
          <PacketsChart history={history.value} words={words} />
        </Card>
      </div>
      <Trouble problem={top.problem} retry={top.renew} />
      <div class="columns three">
        <Ranking title="Most turned away" rows={top.value?.sources} href={storyOf} unit="packets" none="Nobody was turned away." />
        <Ranking title="Ports most blocked" rows={top.value?.ports_blocked} href={portLog("blocked")} unit="packets" none="No port was tried in vain." />
        <Ranking title="Ports most used" rows={top.value?.ports_allowed} href={portLog("allowed")} unit="connections" none="No new connection was let in." />
      </div>
      <div class="columns">
        <Sources status={status} />
        <Card title="Journal" actions={<a href={link("logs")}>All of it</a>}>
          <Trouble problem={recent.problem} retry={recent.renew} />
          <Entries entries={recent.value ? [...recent.value].reverse() : undefined} none="The journal is empty." />
        </Card>
      </div>
    </>
  );
}

/** `tcp/22` leads to the packets of that port. */
function portLog(rule: string) {
  return (name: string) => link("traffic", { rule, port: name.split("/")[1], type: name.split("/")[0] });
}

function Posture({ status }: { status: Status | undefined }) {
  const mayOrder = useMayOrder();
  const isClosed = status?.posture === "closed";
  return (
    <section class="tile" aria-labelledby="t-posture">
      <h2 id="t-posture">Posture</h2>
      <p class="figure">{status ? <Chip tone={isClosed ? "good" : "calm"} sign={isClosed ? "closed" : "open"}>{status.posture}</Chip> : "…"}</p>
      <p class="muted">{isClosed ? "Only what a rule opens passes." : "Everything passes but offenders."}</p>
      {mayOrder && status && (
        <button type="button" class="small" onClick={isClosed ? askRelax : askLockdown}>
          {isClosed ? "Relax…" : "Lockdown…"}
        </button>
      )}
    </section>
  );
}

function Enforcement({ status }: { status: Status | undefined }) {
  const { wanted = 0, installed = 0, pending = 0, failure } = status?.enforcement ?? {};
  const isWhole = !failure && installed >= wanted && pending === 0;
  return (
    <section class="tile" aria-labelledby="t-enforcement">
      <h2 id="t-enforcement">Enforcement</h2>
      <p class="figure">
        {status ? (
          <Chip tone={failure ? "bad" : isWhole ? "good" : "warn"}>{failure ? "failing" : isWhole ? "all in the kernel" : "catching up"}</Chip>
        ) : (
          "…"
        )}
      </p>
      <p class="muted">
        {count(installed)} of {many(wanted, "element")} installed
        {pending > 0 && `, ${many(pending, "change")} on the way`}
      </p>
      {failure && <p>{failure}</p>}
    </section>
  );
}

function Held({ status }: { status: Status | undefined }) {
  const held = status?.held;
  const throttled = (held?.throttled_soft ?? 0) + (held?.throttled_hard ?? 0);
  return (
    <section class="tile" aria-labelledby="t-held">
      <h2 id="t-held">Banned</h2>
      <p class="figure">
        <a href={link("offenders", { list: "bans" })}>{count((held?.banned ?? 0) + (held?.banned_for_ports ?? 0))}</a>
      </p>
      <p class="muted">
        {count(throttled)} throttled, {count(held?.allowed ?? 0)} on the allow list, {many(status?.offenders ?? 0, "offender")} remembered
      </p>
    </section>
  );
}

function Turned({ status }: { status: Status | undefined }) {
  const turned = status?.turned_away;
  const record = status?.record;
  return (
    <section class="tile" aria-labelledby="t-turned">
      <h2 id="t-turned">Turned away</h2>
      <p class="figure">
        <a href={link("traffic", { rule: "blocked" })} title={`${count(turned?.blocked_packets ?? 0)} packets`}>
          {short(turned?.blocked_packets ?? 0)}
        </a>{" "}
        <small>packets</small>
      </p>
      <p class="muted">
        {bytes(turned?.blocked_bytes ?? 0)}; {many(turned?.allowed_connections ?? 0, "connection")} let in
        {record && record.lost > 0 && `; at least ${count(record.lost)} not recorded`}
      </p>
    </section>
  );
}

function times(history: History | undefined): number[] {
  return history?.steps.map((step) => step.at) ?? [];
}

function OffencesChart({ history, words }: { history: History | undefined; words: string }) {
  const [at, lines] = useMemo(() => {
    const steps = history?.steps ?? [];
    const drawn: Line[] = [
      { label: "offences", colour: "--line-1", values: steps.map((step) => step.offences), dash: [6, 4] },
      { label: "bans", colour: "--line-2", values: steps.map((step) => step.bans) },
    ];
    return [times(history), drawn] as const;
  }, [history]);
  return <Chart label={inWords("offences and bans", words, lines)} times={at} lines={lines} />;
}

function PacketsChart({ history, words }: { history: History | undefined; words: string }) {
  const [at, lines] = useMemo(() => {
    const steps = history?.steps ?? [];
    const drawn: Line[] = [
      { label: "turned away", colour: "--line-2", values: steps.map((step) => step.turned_away ?? null) },
      { label: "connections let in", colour: "--line-1", values: steps.map((step) => step.let_in ?? null), dash: [6, 4] },
    ];
    return [times(history), drawn] as const;
  }, [history]);
  return <Chart label={inWords("packets turned away and connections let in", words, lines)} times={at} lines={lines} />;
}

function inWords(what: string, words: string, lines: Line[]): string {
  const sums = lines.map((line) => {
    const total = sum(line.values);
    return total === null ? `${line.label} not counted yet` : `${count(total)} ${line.label}`;
  });
  return `Line chart of ${what} in the last ${words}: ${sums.join(", ")}`;
}

function Ranking({ title, rows, href, unit, none }: { title: string; rows: Ranked[] | undefined; href: (name: string) => string; unit: string; none: string }) {
  const most = Math.max(1, ...(rows ?? []).map((row) => row.count));
  return (
    <Card title={title}>
      {rows?.length === 0 && <Empty title={none} />}
      <ol class="ranking">
        {rows?.map((row) => (
          <li key={row.name}>
            <a class="code" href={href(row.name)}>
              {row.name}
            </a>
            <span class="number" title={`${count(row.count)} ${unit}`}>
              {short(row.count)}
              <span class="unseen"> {unit}</span>
            </span>
            <meter min={0} max={most} value={row.count} aria-hidden="true" />
          </li>
        ))}
      </ol>
    </Card>
  );
}

const TONES = { good: "good", degraded: "warn", broken: "bad" } as const;

function Sources({ status }: { status: Status | undefined }) {
  const all: Source[] = status ? [status.ledger, ...status.sources] : [];
  const ill = all.filter((one) => one.health !== "good");
  return (
    <Card
      title="Health"
      actions={status && <Chip tone={ill.length === 0 ? "good" : "warn"}>{ill.length === 0 ? `all ${all.length} good` : `${ill.length} of ${all.length} not good`}</Chip>}
    >
      <ul class="lines">
        {[...ill, ...all.filter((one) => one.health === "good")].map((one) => (
          <li key={one.name} class="row between">
            <span>
              <span class="strong">{one.name}</span>
              {one.detail && <span class="muted block">{one.detail}</span>}
            </span>
            <span class="row">
              {one.since && (
                <span class="faint">
                  <Time at={one.since} />
                </span>
              )}
              <Chip tone={TONES[one.health as keyof typeof TONES] ?? "calm"}>{one.health}</Chip>
            </span>
          </li>
        ))}
      </ul>
    </Card>
  );
}
