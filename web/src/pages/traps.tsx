// Traps and their catch, watches, standing scans, and a place to try a rule.
import { useEffect, useState } from "preact/hooks";
import type { Problem, Scan, Trap, TrialResult, Watch } from "../api.gen";
import { ask, problemOf } from "../lib/api";
import { count, many, span } from "../lib/format";
import { link } from "../lib/route";
import { useResource } from "../lib/resource";
import { Card, Chip, Empty, Facts, Field, Head, Subject, Time, Trouble, type Tone } from "../ui/part";
import { type Column, Table } from "../ui/Table";

export function Traps() {
  const traps = useResource<Trap[]>((signal) => ask("GET /v1/traps", { signal }), [], { on: () => true, every: 10 });
  const watches = useResource<Watch[]>((signal) => ask("GET /v1/watches", { signal }), [], { on: () => true, every: 5 });
  const scans = useResource<Scan[]>((signal) => ask("GET /v1/scans", { signal }), [], { on: () => true, every: 10 });
  const configure = <a href={link("config")}>the configuration</a>;
  return (
    <>
      <Head title="Traps and watches" about="What catches offenders: ports that nobody honest connects to, logs, and counted packets." />
      <div class="card flush">
        <h2 class="padded">Traps</h2>
        <Trouble problem={traps.problem} retry={traps.renew} />
        {traps.value?.length === 0 && <Empty title="No trap is set.">Name some ports under [[traps]] in {configure}.</Empty>}
        {traps.value && traps.value.length > 0 && <Table caption="Traps" columns={TRAPS} rows={traps.value} keyOf={(trap) => `${trap.port} ${trap.address}`} />}
      </div>
      <Card title="Watches">
        <Trouble problem={watches.problem} retry={watches.renew} />
        {watches.value?.length === 0 && <Empty title="No log is watched.">Name a log and a rule under [[watch]] in {configure}.</Empty>}
        {watches.value?.map((watch) => (
          <OneWatch key={watch.name} watch={watch} />
        ))}
      </Card>
      <div class="card flush">
        <h2 class="padded">Scans</h2>
        <Trouble problem={scans.problem} retry={scans.renew} />
        {scans.value?.length === 0 && <Empty title="No scan stands.">Scans count packet decisions; name one under [[scan]] in {configure}.</Empty>}
        {scans.value && scans.value.length > 0 && <Table caption="Scans" columns={SCANS} rows={scans.value} keyOf={(scan) => JSON.stringify([scan.rule, scan.type, scan.howmany, scan.within, scan.set])} />}
      </div>
      <Trial rules={[...new Set((watches.value ?? []).map((watch) => watch.rule))]} />
    </>
  );
}

const TRAPS: Column<Trap>[] = [
  { key: "port", title: "Port", cell: (trap) => <code class="strong">{trap.port}</code> },
  { key: "address", title: "Address", cell: (trap) => <code>{trap.address}</code> },
  {
    key: "set",
    title: "State",
    kind: "grow",
    cell: (trap) => (
      <>
        <Chip tone={trap.set ? "good" : "bad"}>{trap.set ? "set" : "missing"}</Chip>
        {trap.missing && <span class="block muted">{trap.missing}</span>}
      </>
    ),
  },
  { key: "touched", title: "Touched", numeric: true, cell: (trap) => many(trap.touched, "time") },
  { key: "last_peer", title: "Last by", cell: (trap) => (trap.last_peer ? <Subject name={trap.last_peer} /> : <span class="faint">nobody</span>) },
  { key: "last_at", title: "Last", cell: (trap) => <Time at={trap.last_at} /> },
];

const TONES: Record<string, Tone> = { good: "good", degraded: "warn", broken: "bad" };

function OneWatch({ watch }: { watch: Watch }) {
  return (
    <article class="lines-item" aria-label={`Watch ${watch.name}`}>
      <div class="row between">
        <h3>{watch.name}</h3>
        <Chip tone={TONES[watch.health] ?? "calm"}>{watch.health}</Chip>
      </div>
      {watch.detail && <p class="muted">{watch.detail}</p>}
      <Facts
        facts={[
          ["Rule", <code>{watch.rule}</code>],
          ["Reads", <code class="break">{watch.sources.join(", ")}</code>],
          ["Offence", `${count(watch.howmany)} in ${span(watch.within)}`],
          ["Lines", count(watch.lines)],
          ["Failures", `${count(watch.failures)}, ${count(watch.failures_last_hour)} in the last hour`],
          ["Offences", count(watch.offences)],
          ["Last failure", <Time at={watch.last_at} />],
        ]}
      />
      {watch.last_line && (
        <pre tabIndex={0} aria-label="The last line that told of a failure">
          {watch.last_line}
        </pre>
      )}
    </article>
  );
}

const SCANS: Column<Scan>[] = [
  { key: "rule", title: "Decision", cell: (scan) => scan.rule },
  { key: "type", title: "Type", cell: (scan) => scan.type },
  { key: "howmany", title: "Offence", cell: (scan) => `${count(scan.howmany)} in ${span(scan.within)}` },
  { key: "set", title: "List", cell: (scan) => scan.set },
  { key: "for", title: "For", cell: (scan) => (scan.remove_after === null || scan.remove_after === undefined ? "ever" : span(scan.remove_after)) },
  { key: "found", title: "Found", numeric: true, cell: (scan) => count(scan.found) },
  { key: "last", title: "Last", cell: (scan) => (scan.last_subject ? <Subject name={scan.last_subject} /> : <span class="faint">nobody</span>) },
  { key: "last_at", title: "When", cell: (scan) => <Time at={scan.last_at} /> },
];

/** How many lines of a trial are drawn. */
const SHOWN = 500;

const VERDICTS: Record<string, Tone> = { failure: "bad", success: "good", ignored: "calm", nothing: "warn" };

/** A rule on pasted lines: nothing is decided, nothing is kept. */
function Trial({ rules }: { rules: string[] }) {
  const [rule, setRule] = useState("");
  const [text, setText] = useState("");
  const [result, setResult] = useState<{ lines: string[]; told: TrialResult }>();
  const [problem, setProblem] = useState<Problem>();
  const [busy, setBusy] = useState(false);
  const [first] = rules;
  useEffect(() => {
    if (rule === "" && first) setRule(first);
  }, [first]);
  const run = async (event: Event) => {
    event.preventDefault();
    setBusy(true);
    setProblem(undefined);
    try {
      const told = await ask("POST /v1/rule-test", { body: { rule, text } });
      setResult({ told, lines: text.split("\n") });
    } catch (error) {
      setProblem(problemOf(error));
      setResult(undefined);
    }
    setBusy(false);
  };
  return (
    <Card title="Try a rule">
      <form class="stack" onSubmit={(event) => void run(event)}>
        <Field label="Rule" hint="As in watch.rule: a rule of ours, or fail2ban:NAME[option=value]">
          <input class="code" list="rules" required value={rule} spellcheck={false} onInput={(event) => setRule(event.currentTarget.value)} />
        </Field>
        <datalist id="rules">
          {rules.map((name) => (
            <option key={name} value={name} />
          ))}
        </datalist>
        <Field label="Lines of a log" hint="At most 256 KiB. Nothing is banned, and nothing is kept.">
          <textarea class="code" rows={6} required value={text} spellcheck={false} wrap="off" onInput={(event) => setText(event.currentTarget.value)} />
        </Field>
        <Trouble problem={problem} />
        <div class="row">
          <button type="submit" class="primary" disabled={busy} aria-busy={busy}>
            Try
          </button>
          {result && (
            <p role="status">
              {many(result.told.lines, "line")}: {count(result.told.matched)} matched, {count(result.told.missed)} missed, {count(result.told.ignored)} ignored
            </p>
          )}
        </div>
      </form>
      {result && (
        <ol class="trial">
          {result.told.judgements.slice(0, SHOWN).map((judged, number) => (
            <li key={number}>
              <span class="row tight">
                <Chip tone={VERDICTS[judged.verdict] ?? "calm"}>{judged.verdict}</Chip>
                {judged.subject && <code>{judged.subject}</code>}
                {judged.user && <span class="muted">user {judged.user}</span>}
                {judged.at && <span class="faint">{judged.at}</span>}
              </span>
              <code class="break">{result.lines[number] ?? ""}</code>
            </li>
          ))}
        </ol>
      )}
      {result && result.told.judgements.length > SHOWN && <p class="muted">and {many(result.told.judgements.length - SHOWN, "more line")}</p>}
    </Card>
  );
}
