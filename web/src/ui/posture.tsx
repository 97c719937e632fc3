// Lockdown and its undoing: first what it takes away and what it keeps.
import type { Lockdown } from "../api.gen";
import { ask } from "../lib/api";
import { many, span } from "../lib/format";
import { useResource } from "../lib/resource";
import { askFirst, Consequence, Dialog, showDialog } from "./Dialog";
import { Empty, Trouble } from "./part";
import { tell } from "./Toast";

export function askLockdown(): void {
  showDialog(<LockdownDialog />);
}

function LockdownDialog() {
  const { value, problem } = useResource<Lockdown>((signal) => ask("GET /v1/lockdown", { signal }), []);
  const wait = value?.confirm_within;
  const run = async () => {
    const done = await ask("POST /v1/posture", { body: { order: "lockdown" } });
    tell(done.observed_only ? "The daemon only observes: nothing was changed in the kernel." : "Locked down. Confirm it while you still can reach this page.");
  };
  return (
    <Dialog title="Lock this host down?" confirm="Lock down" danger disabled={!value} run={run} wide>
      <Trouble problem={problem} />
      <Consequence
        does="Only what a rule opens passes from then on; connections that stand are kept."
        undo={wait ? `By itself after ${span(wait)} unless you confirm; or with Undo in the banner, and later with Relax.` : "With Undo in the banner, and later with Relax."}
      />
      <div class="columns">
        <div>
          <h3>No longer reachable ({value?.unreachable.length ?? "…"})</h3>
          {value?.unreachable.length === 0 && <Empty title="Nothing is lost." />}
          <ul class="lines">
            {value?.unreachable.map((row) => (
              <li key={`${row.port} ${row.address}`}>
                <code>{row.port}</code> {row.process ?? row.service ?? ""} <span class="faint">{row.address}</span>
              </li>
            ))}
          </ul>
        </div>
        <div>
          <h3>Connections that are kept ({value ? value.kept.length + value.kept_more : "…"})</h3>
          {value?.kept.length === 0 && <Empty title="No live connection from outside." />}
          <ul class="lines">
            {value?.kept.slice(0, 20).map((one) => (
              <li key={`${one.local} ${one.peer}`}>
                <code>{one.peer}</code> to <code>{one.local}</code> <span class="faint">{one.process ?? ""}</span>
              </li>
            ))}
          </ul>
          {value && value.kept.length + value.kept_more > 20 && <p class="muted">and {many(value.kept.length + value.kept_more - 20, "more", "more")}</p>}
        </div>
      </div>
    </Dialog>
  );
}

export function askRelax(): void {
  askFirst({
    title: "Relax the posture?",
    does: "Everything passes but offenders: ports that no rule opened can be reached again.",
    undo: "With Lockdown.",
    confirm: "Relax",
    run: async () => {
      await ask("POST /v1/posture", { body: { order: "relax" } });
      tell("Relaxed: everything passes but offenders.");
    },
  });
}
