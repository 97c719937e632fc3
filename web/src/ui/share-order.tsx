// Sharing a port, after saying what that means.
import { useState } from "preact/hooks";
import type { PortRow } from "../api.gen";
import { ask } from "../lib/api";
import { link, place } from "../lib/route";
import { useResource } from "../lib/resource";
import { askFirst, Consequence, Dialog, showDialog } from "./Dialog";
import { Icon } from "./Icon";
import { Field, SpanField } from "./part";
import { tell } from "./Toast";

export function askShare(port?: number): void {
  showDialog(<ShareDialog port={port} />);
}

function ShareDialog({ port: given }: { port: number | undefined }) {
  const [port, setPort] = useState(given ? String(given) : "");
  const [via, setVia] = useState("");
  const [span, setSpan] = useState("2h");
  const listeners = useResource<PortRow[]>((signal) => ask("GET /v1/ports", { query: { all: true }, signal }), []);
  const tcp = listeners.value?.flatMap((row) => {
    const number = /^tcp\/(\d+)$/.exec(row.port)?.[1];
    return number && row.address ? [[number, row.process ?? ""] as const] : [];
  });
  const run = async () => {
    await ask("POST /v1/shares", { body: { port: Number(port), for: span || "forever", ...(via.trim() ? { via: via.trim() } : {}) } });
    tell(`Sharing tcp/${port}. Its address follows as soon as the provider gives one.`);
    if (place.value.page !== "share") location.hash = link("share");
  };
  return (
    <Dialog title="Share a port" confirm="Share" danger disabled={!/^\d+$/.test(port)} run={run}>
      <div class="fields">
        <Field label="Port" hint="A TCP port that something listens on">
          <input class="code" inputMode="numeric" list="shareable" value={port} required onInput={(event) => setPort(event.currentTarget.value)} />
        </Field>
        <datalist id="shareable">
          {[...new Map(tcp ?? [])].map(([number, process]) => (
            <option key={number} value={number}>
              {process}
            </option>
          ))}
        </datalist>
        <Field label="Provider" hint="Empty for the configured one; or user@host[:port]">
          <input class="code" value={via} spellcheck={false} onInput={(event) => setVia(event.currentTarget.value)} />
        </Field>
        <SpanField value={span} change={setSpan} />
      </div>
      <p class="warning">
        <Icon sign="warn" />
        <span>Whoever knows the address reaches the service. The provider ends the encryption and sees all that goes through.</span>
      </p>
      <Consequence does="A tunnel to the provider makes the port reachable from everywhere, past the firewall." undo="Stop it on the page Share. It ends with the daemon, too." />
    </Dialog>
  );
}

export function askUnshare(port: number): void {
  askFirst({
    title: `Stop sharing tcp/${port}?`,
    does: "The tunnel is closed and its address leads nowhere any more; connections through it are cut.",
    undo: "Share it again; it may get another address.",
    confirm: "Stop sharing",
    run: async () => {
      await ask("POST /v1/shares/stop", { body: { port } });
      tell(`tcp/${port} is no longer shared.`);
    },
  });
}
