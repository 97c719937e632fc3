// Ports that are shared through a tunnel, each with its address, its code for a phone, and its end.
import type { Share as Shared } from "../api.gen";
import { ask } from "../lib/api";
import { count } from "../lib/format";
import { useMayOrder } from "../lib/session";
import { useResource } from "../lib/resource";
import { Icon } from "../ui/Icon";
import { Action, Card, Chip, Empty, Ends, Facts, Head, Time, Trouble, type Tone } from "../ui/part";
import { askShare, askUnshare } from "../ui/share-order";
import { tell } from "../ui/Toast";

const TONES: Record<string, Tone> = { up: "good", connecting: "accent", waiting: "warn", refused: "bad" };

export function Share() {
  const mayOrder = useMayOrder();
  const { value, problem, renew } = useResource<Shared[]>((signal) => ask("GET /v1/shares", { signal }), [], { every: 3, on: () => true });
  return (
    <>
      <Head title="Share" about="Local ports made reachable through an SSH tunnel.">
        {mayOrder && (
          <button type="button" class="primary" onClick={() => askShare()}>
            <Icon sign="plus" />
            Share a port…
          </button>
        )}
      </Head>
      <Trouble problem={problem} retry={renew} />
      {value?.length === 0 && (
        <div class="card">
          <Empty title="Nothing is shared.">Share a port… lets somebody elsewhere see what listens on this host, for as long as you say.</Empty>
        </div>
      )}
      <div class="columns">
        {value?.map((share) => (
          <One key={share.port} share={share} mayOrder={mayOrder} />
        ))}
      </div>
    </>
  );
}

function One({ share, mayOrder }: { share: Shared; mayOrder: boolean }) {
  return (
    <Card title={`tcp/${share.port}`} actions={<Chip tone={TONES[share.state] ?? "calm"}>{share.state}</Chip>}>
      {share.state === "refused" ? (
        <Trouble problem={{ error: share.detail ?? "the provider was not taken", hint: share.hint, kind: "refused" }} />
      ) : (
        <>
          {share.detail && <p class="muted">{share.detail}</p>}
          {share.hint && <p>{share.hint}</p>}
        </>
      )}
      {share.url && (
        <p class="row">
          <a class="code grow" href={safe(share.url)} target="_blank" rel="noreferrer noopener">
            {share.url}
          </a>
          <Action tone="small" run={() => navigator.clipboard.writeText(share.url ?? "").then(() => tell("Copied."))}>
            <Icon sign="copy" />
            Copy
          </Action>
        </p>
      )}
      {(share.qr?.length ?? 0) > 0 && <Code rows={share.qr ?? []} url={share.url ?? ""} />}
      <Facts
        facts={[
          ["Provider", <code>{share.provider}</code>],
          ["Ends", <Ends at={share.until} />],
          ["Since", <Time at={share.since} />],
          ["Connections", count(share.connections)],
          ["By", share.author],
          ...(share.host_key ? [["Host key", <code class="break">{share.host_key}</code>] as [string, preact.JSX.Element]] : []),
        ]}
      />
      {mayOrder && (
        <div class="row end">
          <button type="button" class="danger" onClick={() => askUnshare(share.port)}>
            Stop…
          </button>
        </div>
      )}
    </Card>
  );
}

/** The provider's output made it into a link: nothing but the web's own schemes. */
function safe(url: string): string | undefined {
  return /^https?:\/\//.test(url) ? url : undefined;
}

/** Always dark on light, whatever the theme: cameras want it so. */
function Code({ rows, url }: { rows: string[]; url: string }) {
  const size = Math.max(rows.length, ...rows.map((row) => row.length));
  const path = rows.flatMap((row, y) => [...row].flatMap((sign, x) => (sign === "#" ? [`M${x} ${y}h1v1h-1z`] : []))).join("");
  return (
    <svg class="qr" viewBox={`0 0 ${size} ${size}`} role="img" aria-label={`QR code of ${url}`} shape-rendering="crispEdges">
      <path d={path} />
    </svg>
  );
}
