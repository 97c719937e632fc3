// Orders about subjects: put on a list, extend, lift; one or many at once.
import { useEffect, useState } from "preact/hooks";
import type { Check, Hold, HoldOrder, LiftedName, MeasureName, OrderDone } from "../api.gen";
import { ask, Refused } from "../lib/api";
import { many } from "../lib/format";
import { Consequence, Dialog, showDialog } from "./Dialog";
import { Icon } from "./Icon";
import { Chip, Field, SpanField } from "./part";
import { tell } from "./Toast";

const NAMES: Record<MeasureName, { title: string; verb: string; done: string; does: string; lifted: LiftedName }> = {
  ban: {
    title: "Ban",
    verb: "Ban",
    done: "banned",
    does: "The kernel drops every packet from there; connections that stand are cut.",
    lifted: "ban",
  },
  "throttle-soft": {
    title: "Throttle softly",
    verb: "Throttle",
    done: "throttled softly",
    does: "New connections are held to the soft rates of the configuration.",
    lifted: "throttle",
  },
  "throttle-hard": {
    title: "Throttle hard",
    verb: "Throttle",
    done: "throttled hard",
    does: "New connections are held to the hard rates of the configuration.",
    lifted: "throttle",
  },
  allow: {
    title: "Put on the allow list",
    verb: "Allow",
    done: "on the allow list",
    does: "Always accepted and never banned or throttled; a ban or throttle in force ends.",
    lifted: "allow",
  },
};

/** Returns the kind of order that ends a measure, by the measure's name in tables. */
export function liftedBy(measure: string): LiftedName {
  if (measure.startsWith("throttle")) return "throttle";
  return measure === "allow" ? "allow" : "ban";
}

export function measureName(measure: string): MeasureName | null {
  return measure in NAMES ? (measure as MeasureName) : null;
}

/** Throws what was refused, and tells what was done. */
export function settle(done: OrderDone, what: string, undo?: () => Promise<unknown>): void {
  const refused = done.refused ?? [];
  const [first] = refused;
  if (first && done.subjects === 0) throw new Refused(409, { error: `${first.subject}: ${first.why}`, kind: "refused" });
  const words = [what];
  if (first) words.push(`${many(refused.length, "subject")} refused, the first ${first.subject}: ${first.why}.`);
  if (done.observed_only) words.push("The daemon only observes: nothing was changed in the kernel.");
  if (done.unwritten) words.push(`It is not on disk yet: ${done.unwritten}.`);
  tell(words.join(" "), { undo });
}

export interface HoldStart {
  measure?: MeasureName;
  subjects?: string[];
  span?: string;
  ports?: string[];
  reason?: string;
  /** The subjects are given and only the time is asked for. */
  extends?: boolean;
}

export function askHold(start: HoldStart): void {
  showDialog(<HoldDialog {...start} />);
}

function HoldDialog(start: HoldStart) {
  const [measure, setMeasure] = useState<MeasureName>(start.measure ?? "ban");
  const [text, setText] = useState((start.subjects ?? []).join("\n"));
  const [span, setSpan] = useState(start.span ?? (start.measure === "allow" ? "" : "1h"));
  const [ports, setPorts] = useState((start.ports ?? []).join(", "));
  const [reason, setReason] = useState(start.reason ?? "");
  const subjects = words(text);
  const name = NAMES[measure];
  const title = start.extends ? `Set a new end for ${many(subjects.length, "subject")}` : name.title;

  const run = async () => {
    const orders = subjects.map((subject) => order(measure, subject, span, measure === "ban" ? words(ports) : [], reason));
    const done = await give(orders);
    const whom = subjects.length === 1 ? subjects[0] : many(done.subjects, "subject");
    settle(done, `${whom}: ${name.done}${span ? ` for ${span}` : " for ever"}.`, start.extends ? undefined : () => liftAll(subjects, name.lifted));
  };

  return (
    <Dialog title={title} confirm={start.extends ? "Set the end" : name.verb} danger={measure !== "allow"} disabled={subjects.length === 0} run={run}>
      <div class="fields">
        {!start.extends && (
          <Field label="Measure">
            <select value={measure} onChange={(event) => setMeasure(event.currentTarget.value as MeasureName)}>
              {Object.entries(NAMES).map(([key, one]) => (
                <option key={key} value={key}>
                  {one.title}
                </option>
              ))}
            </select>
          </Field>
        )}
        <Field label="Addresses or networks" hint="One a line, or with commas: 192.0.2.7, 2001:db8::/32" wide>
          <textarea class="code" rows={Math.min(6, Math.max(2, subjects.length))} value={text} required spellcheck={false} onInput={(event) => setText(event.currentTarget.value)} />
        </Field>
        <SpanField value={span} change={setSpan} />
        {measure === "ban" && (
          <Field label="Ports" hint="Empty for all; tcp/22, udp/60000-61000">
            <input class="code" value={ports} spellcheck={false} onInput={(event) => setPorts(event.currentTarget.value)} />
          </Field>
        )}
        <Field label="Reason, for the journal" wide>
          <input value={reason} onInput={(event) => setReason(event.currentTarget.value)} />
        </Field>
      </div>
      {subjects.length === 1 && <Known subject={subjects[0] ?? ""} measure={measure} />}
      <Consequence does={name.does} undo={`Lift it from the row's menu, or with the button that follows. It ${span ? "also ends by itself" : "does not end by itself"}.`} />
    </Dialog>
  );
}

/** Says what the kernel holds of the subject while it is typed, and warns before the guard refuses. */
function Known({ subject, measure }: { subject: string; measure: MeasureName }) {
  const [check, setCheck] = useState<Check | null>(null);
  useEffect(() => {
    setCheck(null);
    const mine = new AbortController();
    const timer = setTimeout(() => {
      // A subject that is not whole yet is no news; the order itself tells.
      ask("GET /v1/check", { query: { subject }, signal: mine.signal }).then(setCheck, () => {});
    }, 250);
    return () => {
      clearTimeout(timer);
      mine.abort();
    };
  }, [subject]);
  if (!check || check.verdict === "none") return null;
  const stops = check.verdict === "protected" && measure !== "allow";
  return (
    <p class={stops ? "warning" : "note"} role={stops ? "alert" : undefined}>
      <Icon sign={stops ? "warn" : "idle"} />
      <span>
        {check.address} is {check.verdict}
        {stops && ". Your own way in may lead through it, so the guard will refuse this order"}.
      </span>
    </p>
  );
}

function order(measure: MeasureName, subject: string, span: string, ports: string[], reason: string): HoldOrder {
  return { measure, subject, ports, reason, ...(span ? { for: span } : {}) };
}

async function give(orders: HoldOrder[]): Promise<OrderDone> {
  const [only] = orders;
  if (orders.length === 1 && only) return ask("POST /v1/hold", { body: only });
  return ask("POST /v1/hold-many", { body: { holds: orders } });
}

/** Lifts from many, one after the other; the first refusal ends it. */
export async function liftAll(subjects: string[], measure: LiftedName): Promise<void> {
  for (const subject of subjects) await ask("POST /v1/lift", { body: { measure, subject } });
}

/** Asks whether measures shall end, and offers to put them back. */
export function askLift(holds: Hold[]): void {
  const [first] = holds;
  if (!first) return;
  const whom = holds.length === 1 ? first.subject : many(holds.length, "subject");
  const isAllowed = first.measure === "allow";
  const title = isAllowed ? `Take ${whom} off the allow list?` : `Lift the measure on ${whom}?`;
  const does = isAllowed
    ? "It can be banned and throttled again like everybody."
    : "It may connect again at once. Its past offences are remembered: the next ban is the longer one.";
  const back = () => putBack(holds);
  showDialog(
    <Dialog
      title={title}
      confirm={isAllowed ? "Take off" : "Lift"}
      danger
      run={async () => {
        await liftAll(
          holds.map((hold) => hold.subject),
          liftedBy(first.measure),
        );
        tell(`${whom}: ${isAllowed ? "off the allow list" : "lifted"}.`, { undo: back });
      }}
    >
      {holds.length > 1 && <p class="code scroll">{holds.map((hold) => hold.subject).join(", ")}</p>}
      <Consequence does={does} undo="Press Undo in the note that follows: it is put back with what is left of its time." />
    </Dialog>,
  );
}

async function putBack(holds: Hold[]): Promise<void> {
  const orders = holds.flatMap((hold) => {
    const measure = measureName(hold.measure);
    const left = hold.seconds_left ?? null;
    return measure ? [order(measure, hold.subject, left === null ? "" : String(Math.max(1, left)), hold.ports, hold.reason)] : [];
  });
  if (orders.length > 0) await give(orders);
}

/** Splits what was typed at white space and commas. */
export function words(text: string): string[] {
  return text.split(/[\s,]+/).filter((word) => word.length > 0);
}

export function MeasureChip({ measure }: { measure: string }) {
  if (measure === "ban") return <Chip tone="bad">banned</Chip>;
  if (measure === "allow") return <Chip tone="good">allowed</Chip>;
  if (measure === "protect") return <Chip tone="good">protected</Chip>;
  return <Chip tone="warn">{measure.replace("throttle-", "throttled ")}</Chip>;
}
