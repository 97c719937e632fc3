// What everybody has to know at once: a change that waits, a daemon that is away, a guard that does not guard.
import type { Pending } from "../api.gen";
import { ask } from "../lib/api";
import { useNow, useSecondsLeft } from "../lib/clock";
import { countdown, exact, span } from "../lib/format";
import { connection, told } from "../lib/live";
import { link } from "../lib/route";
import { me, useMayOrder } from "../lib/session";
import { useStore } from "../lib/store";
import { Icon } from "./Icon";
import { Action } from "./part";
import { tell } from "./Toast";

export function Banners() {
  const state = useStore(connection);
  const now = useStore(told);
  const who = useStore(me);
  const status = now?.status;
  return (
    <div class="banners">
      {state === "away" && (
        <p class="banner bad" role="alert">
          <Icon sign="bad" />
          <span>
            <strong>The daemon is away.</strong> What is in the kernel goes on guarding; this page comes back by itself.
          </span>
        </p>
      )}
      {state === "gone" && (
        <p class="banner bad" role="alert">
          <Icon sign="bad" />
          <span>
            <strong>The web face does not answer.</strong> What is shown may be old; this page comes back by itself.
          </span>
        </p>
      )}
      {status?.pending && now && <Waiting pending={status.pending} at={now.at} />}
      {status?.paused_until && <Paused until={status.paused_until} />}
      {status?.observe && (
        <p class="banner warn">
          <Icon sign="warn" />
          <span>
            <strong>Only observing.</strong> The daemon decides and reports, and changes nothing in the kernel.
          </span>
        </p>
      )}
      {who?.must_set_password && (
        <p class="banner warn">
          <Icon sign="warn" />
          <span>
            <strong>No password yet.</strong> The link that you came by works once.
          </span>
          <a class="button" href={link("account")}>
            Set a password
          </a>
        </p>
      )}
    </div>
  );
}

function Waiting({ pending, at }: { pending: Pending; at: number }) {
  const left = pending.seconds_left ?? null;
  const seconds = useSecondsLeft(left === null ? null : at + left * 1000);
  const mayOrder = useMayOrder();
  const decide = async (order: "confirm" | "rollback") => {
    await ask("POST /v1/posture", { body: { order } });
    tell(order === "confirm" ? `Kept: ${pending.what}.` : `Undone: ${pending.what}.`);
  };
  return (
    <section class="banner accent" aria-label="A change waits for confirmation">
      <Icon sign="wait" />
      <span class="grow" role="alert">
        <strong class="first-up">{pending.what} waits for confirmation.</strong>{" "}
        {seconds === null ? "It stays as it is until somebody decides." : "Without it, the change is undone by itself, so that nobody is locked out."}
        <span class="faint"> By {pending.author}.</span>
      </span>
      {seconds !== null && (
        <span class="countdown" title={pending.until ? exact(pending.until) : undefined} aria-hidden="true">
          {countdown(seconds)}
        </span>
      )}
      <span class="row">
        <Action tone="primary" disabled={!mayOrder} run={() => decide("confirm")}>
          Confirm
        </Action>
        <Action disabled={!mayOrder} run={() => decide("rollback")}>
          Undo
        </Action>
      </span>
    </section>
  );
}

function Paused({ until }: { until: string }) {
  const now = useNow();
  const mayOrder = useMayOrder();
  return (
    <div class="banner warn" role="status">
      <Icon sign="pause" />
      <span class="grow">
        <strong>Paused.</strong> Nobody is turned away
        <span title={exact(until)}> for another {span((Date.parse(until) - now) / 1000)}</span>; what is decided meanwhile waits.
      </span>
      <Action disabled={!mayOrder} run={() => ask("POST /v1/pause", { body: {} }).then(() => tell("Guarding again."))}>
        Go on now
      </Action>
    </div>
  );
}
