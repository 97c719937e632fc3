// The whole story of one subject: what the kernel does with it, why, since when, and how to undo it.
import type { Hold, KernelElement, Why } from "../api.gen";
import { ask } from "../lib/api";
import { bytes, count, many, span } from "../lib/format";
import { link } from "../lib/route";
import { useMayOrder } from "../lib/session";
import { useResource } from "../lib/resource";
import { Entries } from "../ui/Entries";
import { Icon } from "../ui/Icon";
import { askHold, askLift, MeasureChip, measureName } from "../ui/order";
import { Card, Chip, Empty, Ends, Facts, Head, Time, Trouble, type Tone } from "../ui/part";

const TONES: Record<string, Tone> = { banned: "bad", throttled: "warn", allowed: "good", protected: "good", none: "calm" };

export function Story({ subject }: { subject: string }) {
  const { value, problem, renew } = useResource<Why>((signal) => ask("GET /v1/why", { query: { subject }, signal }), [subject], {
    on: () => true,
    every: 10,
  });
  const mayOrder = useMayOrder();
  return (
    <>
      <p>
        <a class="back" href={link("offenders")}>
          <Icon sign="prior" /> Offenders
        </a>
      </p>
      <Head title={subject}>
        {value && <Verdict why={value} />}
        {mayOrder && value && <Orders why={value} />}
      </Head>
      <Trouble problem={problem} retry={renew} />
      {value && (
        <div class="columns story">
          <div class="stack">
            <Card title="In force">
              {value.holds.length === 0 ? <Empty title="No measure reaches it." /> : value.holds.map((hold) => <InForce key={`${hold.measure} ${hold.subject}`} hold={hold} mayOrder={mayOrder} />)}
            </Card>
            <Card title="What the kernel says">
              {value.check.elements.length === 0 ? (
                <Empty title="No element of the kernel matches it." />
              ) : (
                value.check.elements.map((element) => <Element key={`${element.list} ${element.subject} ${element.port ?? ""}`} element={element} />)
              )}
            </Card>
            <Card title="Past">
              {value.offender ? (
                <Facts
                  facts={[
                    ["Remembered as", <code>{value.offender.subject}</code>],
                    ["Offences", count(value.offender.offences)],
                    ["Bans", count(value.offender.bans)],
                    ["First", <Time at={value.offender.first} />],
                    ["Last", <Time at={value.offender.last} />],
                  ]}
                />
              ) : (
                <Empty title="Nothing is remembered against it." />
              )}
            </Card>
            {value.undo.length > 0 && (
              <Card title="Undo on the command line">
                {value.undo.map((line) => (
                  <pre key={line} tabIndex={0}>
                    {line}
                  </pre>
                ))}
              </Card>
            )}
          </div>
          <Card title="Timeline">
            <Entries entries={[...value.story].reverse()} none="The journal has no line about it." whole linked={false} />
          </Card>
        </div>
      )}
    </>
  );
}

function Verdict({ why }: { why: Why }) {
  const { verdict } = why.check;
  return <Chip tone={TONES[verdict] ?? "calm"}>{verdict === "none" ? "nothing in force" : verdict}</Chip>;
}

function Orders({ why }: { why: Why }) {
  const isAllowed = why.holds.some((hold) => hold.measure === "allow");
  const isBanned = why.holds.some((hold) => hold.measure === "ban");
  return (
    <>
      {!isBanned && !isAllowed && (
        <button type="button" class="danger" onClick={() => askHold({ subjects: [why.subject] })}>
          Ban…
        </button>
      )}
      {!isAllowed && (
        <button type="button" onClick={() => askHold({ subjects: [why.subject], measure: "allow", span: "" })}>
          Allow…
        </button>
      )}
      {!isAllowed && !isBanned && (
        <button type="button" onClick={() => askHold({ subjects: [why.subject], measure: "throttle-soft" })}>
          Throttle…
        </button>
      )}
    </>
  );
}

function InForce({ hold, mayOrder }: { hold: Hold; mayOrder: boolean }) {
  const measure = measureName(hold.measure);
  return (
    <div class="lines-item">
      <div class="row between">
        <span class="row">
          <MeasureChip measure={hold.measure} />
          <code>{hold.subject}</code>
        </span>
        {mayOrder && measure && (
          <span class="row tight">
            <button type="button" class="small" onClick={() => askHold({ measure, subjects: [hold.subject], ports: hold.ports, reason: hold.reason, span: "1d", extends: true })}>
              Extend…
            </button>
            <button type="button" class="small" onClick={() => askLift([hold])}>
              {measure === "allow" ? "Take off…" : "Lift…"}
            </button>
          </span>
        )}
      </div>
      <p>{hold.reason || <span class="faint">no reason given</span>}</p>
      <Facts
        facts={[
          ["Since", <Time at={hold.since} />],
          ["Ends", <Ends at={hold.until} />],
          ["By", hold.author],
          ...(hold.ports.length > 0 ? [["Ports", hold.ports.join(", ")] as [string, string]] : []),
          ...(hold.nth_ban > 0 ? [["Ban in a row", String(hold.nth_ban)] as [string, string]] : []),
          ["In the kernel", hold.enforced ? "yes" : "on the way"],
        ]}
      />
    </div>
  );
}

function Element({ element }: { element: KernelElement }) {
  return (
    <div class="lines-item">
      <p class="row between">
        <span>
          <span class="strong">{element.list}</span> <code>{element.subject}</code> {element.port && <code>{element.port}</code>}
        </span>
        <span class="muted">{element.seconds_left === null || element.seconds_left === undefined ? "no end" : `${span(element.seconds_left)} left`}</span>
      </p>
      <p class="muted">
        {many(element.packets, "packet")} matched, {bytes(element.bytes)}
      </p>
    </div>
  );
}
