// The guard as a service: start, stop, restart, reload, and a pause of its enforcement.
import { useState } from "preact/hooks";
import { ask, request } from "../lib/api";
import { bytes, count, span } from "../lib/format";
import { connection, told } from "../lib/live";
import { useMayOrder } from "../lib/session";
import { useNow } from "../lib/clock";
import { useResource } from "../lib/resource";
import { useStore } from "../lib/store";
import { askFirst, Consequence, Dialog, showDialog } from "../ui/Dialog";
import { Action, Card, Chip, Facts, Field, Head, Time, Trouble, type Tone } from "../ui/part";
import { tell } from "../ui/Toast";

interface ServiceState {
  unit: string;
  active: string;
  sub: string;
  since?: string | null;
  enabled: boolean;
  note?: string | null;
}

const TONES: Record<string, Tone> = { active: "good", failed: "bad", inactive: "warn" };

export function Service() {
  const mayOrder = useMayOrder();
  const link = useStore(connection);
  const { value, problem, renew } = useResource<ServiceState>(async (signal) => (await request("GET", "/service", undefined, signal)) as ServiceState, [link], { every: 5 });
  return (
    <>
      <Head title="Service" about="The daemon that guards this host." />
      <div class="columns">
        <Card title="Daemon" actions={value && <Chip tone={TONES[value.active] ?? "calm"}>{value.active}</Chip>}>
          <Trouble problem={problem} retry={renew} />
          {value?.note && <p class="muted">{value.note}</p>}
          <Facts
            facts={[
              ["Unit", <code>{value?.unit ?? "…"}</code>],
              ...(value && value.active !== "unknown"
                ? ([
                    ["State", value.sub],
                    ["Since", <Time at={value.since} />],
                    ["At boot", value.enabled ? "starts by itself" : "does not start by itself"],
                  ] as [string, preact.ComponentChildren][])
                : []),
            ]}
          />
          {mayOrder && <Orders renew={renew} />}
        </Card>
        <Enforcement mayOrder={mayOrder} />
      </div>
      <Running />
    </>
  );
}

const ORDERS: [action: string, title: string, does: string, undo: string, danger: boolean][] = [
  ["start", "Start", "The daemon starts, and takes over what is in the kernel.", "Stop it.", false],
  ["restart", "Restart", "The daemon ends and starts again. What is in the kernel goes on guarding meanwhile; this page is away for a moment.", "There is nothing to undo.", true],
  ["reload", "Reload", "The configuration is read again, as a whole; one with mistakes changes nothing.", "Change the configuration back.", false],
  ["stop", "Stop", "The daemon ends: no new offender is caught. What is in the kernel stays or goes as guard.on_exit says.", "Start it, here or with systemctl start.", true],
];

function Orders({ renew }: { renew: () => void }) {
  const order = async (action: string) => {
    if (action === "reload") {
      const done = await ask("POST /v1/reload", {});
      if (done.mistakes.length > 0) tell(`Nothing was taken over: ${done.mistakes.join("; ")}`, { tone: "bad" });
      else tell(done.pending ? "Read again; a change waits for confirmation." : "Read again.");
    } else {
      await request("POST", "/service", { action });
      tell(`Done: ${action}.`);
    }
    renew();
  };
  return (
    <div class="row">
      {ORDERS.map(([action, title, does, undo, danger]) => (
        <button
          key={action}
          type="button"
          class={action === "stop" ? "danger" : undefined}
          onClick={() => askFirst({ title: `${title} the daemon?`, does, undo, confirm: title, danger, run: () => order(action) })}
        >
          {title}…
        </button>
      ))}
    </div>
  );
}

function Enforcement({ mayOrder }: { mayOrder: boolean }) {
  const status = useStore(told)?.status;
  const now = useNow();
  const until = status?.paused_until;
  return (
    <Card title="Enforcement" actions={status && <Chip tone={until ? "warn" : "good"}>{until ? "paused" : "guarding"}</Chip>}>
      <p class="muted">
        {until
          ? `Nobody is turned away for another ${span((Date.parse(until) - now) / 1000)}. What is decided meanwhile waits.`
          : "A pause lets everybody in for a while, to find out whether the guard is what stands in the way."}
      </p>
      {mayOrder && (
        <div class="row">
          {until ? (
            <Action tone="primary" run={() => ask("POST /v1/pause", { body: {} }).then(() => tell("Guarding again."))}>
              Go on now
            </Action>
          ) : (
            <button type="button" class="danger" onClick={() => showDialog(<PauseDialog />)}>
              Pause…
            </button>
          )}
        </div>
      )}
    </Card>
  );
}

function PauseDialog() {
  const [length, setLength] = useState("10m");
  return (
    <Dialog
      title="Pause enforcement?"
      confirm="Pause"
      danger
      run={async () => {
        await ask("POST /v1/pause", { body: { for: length } });
        tell("Paused: nobody is turned away.", { undo: () => ask("POST /v1/pause", { body: {} }) });
      }}
    >
      <Field label="For how long" hint="At most a day">
        <select value={length} onChange={(event) => setLength(event.currentTarget.value)}>
          <option value="2m">2 minutes</option>
          <option value="10m">10 minutes</option>
          <option value="1h">1 hour</option>
          <option value="1d">1 day</option>
        </select>
      </Field>
      <Consequence does="Nobody is turned away: neither the banned nor the throttled, nor by a closed posture. What is decided meanwhile waits." undo="Go on now, here or in the banner. It also ends by itself." />
    </Dialog>
  );
}

function Running() {
  const status = useStore(told)?.status;
  if (!status) return null;
  const { record, listeners = 0, listeners_pending: waiting = 0 } = status;
  return (
    <Card title="Since it came up">
      <Facts
        facts={[
          ["Version", status.version],
          ["Process", String(status.pid)],
          ["Up since", <Time at={status.since} />],
          ["Packets recorded", record ? `${count(record.taken)}, ${count(record.kept)} kept` : "none"],
          ["Not recorded", record ? `${count(record.over_limit)} above the limit, ${count(record.lost)} lost` : "none"],
          ["Events dropped", count(status.dropped_events)],
          ["Offences not written", count(status.unwritten_offences)],
          ["Traps", `${count(status.traps_set)} set, ${count(status.traps_missing)} missing`],
          ["Listeners", `${count(listeners)}, ${count(waiting)} wait for approval`],
          ["Turned away", bytes(status.turned_away.blocked_bytes ?? 0)],
        ]}
      />
    </Card>
  );
}
