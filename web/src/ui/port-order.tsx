// Orders about ports: approve, deny, open, close, always, never, share.
import { useState } from "preact/hooks";
import type { PortRow, Ruling } from "../api.gen";
import { ask } from "../lib/api";
import { askEdit, withoutWord, withWord } from "./apply";
import { askFirst, Consequence, Dialog, showDialog } from "./Dialog";
import { settle, words } from "./order";
import { Field, SpanField } from "./part";
import { askShare } from "./share-order";

export function nameOf(row: PortRow): string {
  return row.process ?? row.unit ?? row.service ?? "";
}

/** Shows what can be done about a port. */
export function askPort(row: PortRow): void {
  showDialog(<PortDialog row={row} />);
}

function PortDialog({ row }: { row: PortRow }) {
  const listens = row.address !== null && row.address !== undefined;
  const number = /^tcp\/(\d+)$/.exec(row.port)?.[1];
  const choices: [title: string, about: string, run: () => void, isThere: boolean][] = [
    ["Approve…", "Whoever listens there may open the port by listening.", () => askRule(row, "approve"), listens && row.rule !== "follow"],
    ["Deny…", "It may not, whatever else approves of it.", () => askRule(row, "deny"), listens && row.rule !== "denied"],
    ["Open…", "By order: for everybody or one source, for as long as you say.", () => askOpen(row.port), row.reach !== "forwarded"],
    ["Close…", "By order, for everybody, in both postures.", () => askClose(row.port), row.reach !== "forwarded"],
    ["Always open…", "In the configuration: open even if nothing listens.", () => askAlways(row.port), row.rule !== "always"],
    ["Never open…", "In the configuration: never opened, even if something listens.", () => askNever(row.port), row.rule !== "never"],
    ["Share…", "Through an SSH tunnel, under an address of its own.", () => askShare(Number(number)), listens && number !== undefined && row.rule !== "never"],
  ];
  return (
    <Dialog title={`${row.port} ${nameOf(row)}`}>
      <p class="muted">
        {row.reach}: {row.why}
      </p>
      <ul class="choices">
        {choices
          .filter(([, , , isThere]) => isThere)
          .map(([title, about, run]) => (
            <li key={title}>
              <button type="button" onClick={run}>
                <span class="strong">{title}</span>
                <span class="muted">{about}</span>
              </button>
            </li>
          ))}
      </ul>
    </Dialog>
  );
}

export function askRule(row: PortRow, verdict: "approve" | "deny"): void {
  showDialog(<RuleDialog row={row} verdict={verdict} />);
}

function RuleDialog({ row, verdict }: { row: PortRow; verdict: "approve" | "deny" }) {
  const offers: [word: string, about: string][] = [
    [row.port, "this port"],
    ...(row.unit ? [[`unit:${row.unit}`, "its systemd unit"] as [string, string]] : []),
    ...(row.exe ? [[`exe:${row.exe}`, "its program"] as [string, string]] : []),
    ...(row.user ? [[`user:${row.user}`, "its user"] as [string, string]] : []),
  ];
  const [chosen, setChosen] = useState(new Set([row.port, ...(row.unit ? [`unit:${row.unit}`] : row.exe ? [`exe:${row.exe}`] : [])]));
  const what = offers.map(([word]) => word).filter((word) => chosen.has(word));
  const toggle = (word: string) => {
    const next = new Set(chosen);
    if (!next.delete(word)) next.add(word);
    setChosen(next);
  };
  const isApproval = verdict === "approve";
  const run = async () => {
    const done = await ask("POST /v1/rulings", { body: { what: what.join(" "), verdict } });
    const forget = () => ask("POST /v1/rulings", { body: { what: what.join(" "), verdict: "forget" } });
    settle(done, `${isApproval ? "Approved" : "Denied"}: ${what.join(" ")}.`, forget);
  };
  return (
    <Dialog title={isApproval ? `Approve ${row.port}?` : `Deny ${row.port}?`} confirm={isApproval ? "Approve" : "Deny"} danger={!isApproval} disabled={what.length === 0} run={run}>
      <fieldset class="stack">
        <legend>What must match, all of it</legend>
        {offers.map(([word, about]) => (
          <label key={word} class="check">
            <input type="checkbox" checked={chosen.has(word)} onChange={() => toggle(word)} />
            <span>
              <code>{word}</code> <span class="muted">{about}</span>
            </span>
          </label>
        ))}
      </fieldset>
      <Consequence
        does={isApproval ? "Its port is open while it listens, and closed when it does not." : "Its port stays closed though it listens, whatever else approves of it."}
        undo="Forget it in the list “Approved and denied”."
      />
    </Dialog>
  );
}

export function askForget(ruling: Ruling): void {
  const back = ruling.approved ? "approve" : "deny";
  askFirst({
    title: `Forget ${ruling.what}?`,
    does: `It counts as neither approved nor denied by order${ruling.approved ? "; its port closes unless something else opens it" : ""}.`,
    undo: "Press Undo in the note that follows.",
    confirm: "Forget",
    danger: ruling.approved,
    run: async () => {
      const done = await ask("POST /v1/rulings", { body: { what: ruling.what, verdict: "forget" } });
      settle(done, `Forgotten: ${ruling.what}.`, () => ask("POST /v1/rulings", { body: { what: ruling.what, verdict: back } }));
    },
  });
}

export function askOpen(what: string): void {
  showDialog(<OpenDialog what={what} />);
}

function OpenDialog({ what: given }: { what: string }) {
  const [what, setWhat] = useState(given);
  const [from, setFrom] = useState("");
  const [span, setSpan] = useState("1h");
  const [source] = words(from);
  const run = async () => {
    const body = { what: what.trim(), ...(source ? { from: source } : {}), ...(span ? { for: span } : {}) };
    const close = { what: body.what, ...(source ? { from: source } : {}) };
    settle(await ask("POST /v1/open", { body }), `${body.what} is open for ${source ?? "everybody"}.`, () => ask("POST /v1/close", { body: close }));
  };
  return (
    <Dialog title="Open ports" confirm="Open" disabled={what.trim() === ""} run={run}>
      <div class="fields">
        <Field label="What" hint="A service of the configuration, or ports: ssh, tcp/8080, udp/60000-61000">
          <input class="code" value={what} required spellcheck={false} onInput={(event) => setWhat(event.currentTarget.value)} />
        </Field>
        <Field label="From" hint="One address or network; empty for everybody">
          <input class="code" value={from} spellcheck={false} onInput={(event) => setFrom(event.currentTarget.value)} />
        </Field>
        <SpanField value={span} change={setSpan} />
      </div>
      <Consequence
        does={source ? `${source} may connect, whatever the posture.` : "Everybody but offenders may connect, whatever the posture."}
        undo={`Close it in the list “Opened and shut by order”. It ${span ? "also ends by itself" : "does not end by itself"}.`}
      />
    </Dialog>
  );
}

export function askClose(what: string, from?: string): void {
  const body = { what, ...(from ? { from } : {}) };
  askFirst({
    title: from ? `Close ${what} for ${from}?` : `Close ${what}?`,
    does: from ? "What was opened for this source ends." : "Nobody reaches it any more, in both postures. Connections that stand are kept.",
    undo: "Open it again, here or with Undo in the note that follows.",
    confirm: "Close",
    run: async () => {
      settle(await ask("POST /v1/close", { body }), `${what} is closed${from ? ` for ${from}` : ""}.`, () => ask("POST /v1/open", { body }));
    },
  });
}

function askAlways(port: string): void {
  askEdit(`Always open ${port}?`, [
    { key: ["ports", "never"], change: withoutWord(port) },
    { key: ["ports", "always"], change: withWord(port) },
  ]);
}

function askNever(port: string): void {
  askEdit(`Never open ${port}?`, [
    { key: ["ports", "always"], change: withoutWord(port) },
    { key: ["ports", "never"], change: withWord(port) },
  ]);
}
