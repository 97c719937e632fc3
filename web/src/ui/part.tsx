// The small parts that every page is made of.
import { cloneElement, type ComponentChildren, type VNode } from "preact";
import { useId, useState } from "preact/hooks";
import type { Problem } from "../api.gen";
import { problemOf } from "../lib/api";
import { useNow } from "../lib/clock";
import { distance, exact, span } from "../lib/format";
import { storyOf } from "../lib/route";
import { Icon, type Sign } from "./Icon";
import { tell } from "./Toast";

export type Tone = "good" | "warn" | "bad" | "calm" | "accent";

const SIGNS: Record<Tone, Sign> = { good: "good", warn: "warn", bad: "bad", calm: "idle", accent: "wait" };

/** A state in a word, with a sign and a colour that say the same. */
export function Chip({ tone, sign, children, title }: { tone: Tone; sign?: Sign; children: ComponentChildren; title?: string | undefined }) {
  return (
    <span class={`chip ${tone}`} title={title}>
      <Icon sign={sign ?? SIGNS[tone]} />
      <span>{children}</span>
    </span>
  );
}

/** A moment as far as it is from now, with the exact one as its title. */
export function Time({ at }: { at: string | null | undefined }) {
  const now = useNow();
  if (!at) return <span class="faint">never</span>;
  return (
    <time dateTime={at} title={exact(at)}>
      {distance(Date.parse(at), now)}
    </time>
  );
}

/** When something ends. */
export function Ends({ at }: { at: string | null | undefined }) {
  const now = useNow();
  if (!at) return <span>never</span>;
  const left = (Date.parse(at) - now) / 1000;
  return (
    <time dateTime={at} title={`ends ${exact(at)}`}>
      {left > 0 ? `in ${span(left)}` : "ended"}
    </time>
  );
}

/** An address or network, leading to its story. */
export function Subject({ name }: { name: string }) {
  return (
    <a class="code" href={storyOf(name)} title={`the story of ${name}`}>
      {name}
    </a>
  );
}

export function Code({ children }: { children: ComponentChildren }) {
  return <code>{children}</code>;
}

export function Card({ title, children, actions, id }: { title?: string; children: ComponentChildren; actions?: ComponentChildren; id?: string }) {
  const heading = id ?? (title ? `h-${title.toLowerCase().replace(/[^a-z0-9]+/g, "-")}` : undefined);
  return (
    <section class="card" aria-labelledby={title ? heading : undefined}>
      {(title || actions) && (
        <header class="card-head">
          {title && <h2 id={heading}>{title}</h2>}
          {actions && <div class="row">{actions}</div>}
        </header>
      )}
      {children}
    </section>
  );
}

/** What a page begins with. */
export function Head({ title, children, about }: { title: string; children?: ComponentChildren; about?: ComponentChildren }) {
  return (
    <header class="page-head">
      <div>
        <h1 id="page-title" tabIndex={-1}>
          {title}
        </h1>
        {about && <p class="muted">{about}</p>}
      </div>
      {children && <div class="row">{children}</div>}
    </header>
  );
}

/** Says that there is nothing, and what to do. */
export function Empty({ title, children }: { title: string; children?: ComponentChildren }) {
  return (
    <div class="empty">
      <p class="strong">{title}</p>
      {children && <p>{children}</p>}
    </div>
  );
}

/** What went wrong, in the server's words. */
export function Trouble({ problem, retry }: { problem: Problem | undefined; retry?: (() => void) | undefined }) {
  if (!problem) return null;
  return (
    <div class="trouble" role="alert">
      <Icon sign="bad" />
      <div>
        <p class="strong">{problem.error}</p>
        {problem.hint && <p>{problem.hint}</p>}
      </div>
      {retry && (
        <button type="button" class="small" onClick={retry}>
          Try again
        </button>
      )}
    </div>
  );
}

/** The pages within a page. */
export function Tabs({ label, at, tabs }: { label: string; at: string; tabs: [key: string, title: string, href: string, count?: number][] }) {
  return (
    <nav class="tabs" aria-label={label}>
      {tabs.map(([key, title, href, number]) => (
        <a key={key} href={href} aria-current={key === at ? "page" : undefined}>
          {title}
          {number !== undefined && <span class="count">{number.toLocaleString("en")}</span>}
        </a>
      ))}
    </nav>
  );
}

/** What a field takes from the frame around it. */
export interface Named {
  id?: string;
  "aria-describedby"?: string | undefined;
}

interface FieldProps {
  label: string;
  hint?: ComponentChildren;
  children: VNode<Named>;
  wide?: boolean;
}

/** A field with its label above it and what it means below; the field itself is the child. */
export function Field({ label, hint, children, wide }: FieldProps) {
  const id = useId();
  const about = hint ? `${id}-hint` : undefined;
  return (
    <div class={wide ? "field wide" : "field"}>
      <label class="label" for={id}>
        {label}
      </label>
      {cloneElement(children, { id, "aria-describedby": about })}
      {hint && (
        <span class="hint" id={about}>
          {hint}
        </span>
      )}
    </div>
  );
}

/** A button that shows that it is at work, and tells what went wrong. */
export function Action({ run, children, tone, disabled, title, label }: {
  run: () => Promise<unknown> | void;
  children: ComponentChildren;
  tone?: "primary" | "danger" | "small" | "small danger" | undefined;
  disabled?: boolean | undefined;
  title?: string | undefined;
  label?: string | undefined;
}) {
  const [busy, setBusy] = useState(false);
  const act = async () => {
    setBusy(true);
    try {
      await run();
    } catch (error) {
      const { error: what, hint } = problemOf(error);
      tell(hint ? `${what}: ${hint}` : what, { tone: "bad" });
    } finally {
      setBusy(false);
    }
  };
  return (
    <button type="button" class={tone} disabled={disabled || busy} aria-busy={busy} title={title} aria-label={label} onClick={() => void act()}>
      {children}
    </button>
  );
}

/** Lengths of time that are often wanted; any other can be typed. */
export const SPAN_CHOICES: [string, string][] = [
  ["10m", "10 minutes"],
  ["1h", "1 hour"],
  ["1d", "1 day"],
  ["1w", "1 week"],
  ["30d", "30 days"],
  ["", "for ever"],
];

/** A field for a length of time: a choice, or as on the command line. */
export function SpanField({ value, change, label = "For how long" }: { value: string; change: (value: string) => void; label?: string }) {
  const isChoice = SPAN_CHOICES.some(([choice]) => choice === value);
  const [own, setOwn] = useState(!isChoice);
  return (
    <div class="pair">
      <Field label={label}>
        <select
          value={own ? "own" : value}
          onChange={(event) => {
            const chosen = event.currentTarget.value;
            setOwn(chosen === "own");
            change(chosen === "own" ? "2h" : chosen);
          }}
        >
          {SPAN_CHOICES.map(([key, words]) => (
            <option key={key} value={key}>
              {words}
            </option>
          ))}
          <option value="own">other…</option>
        </select>
      </Field>
      {own && (
        <Field label="Length of time">
          <input value={value} required placeholder="90s, 10m, 1d12h, 2w" onInput={(event) => change(event.currentTarget.value)} />
        </Field>
      )}
    </div>
  );
}

/** A list of figures with their names. */
export function Facts({ facts }: { facts: [name: string, value: ComponentChildren][] }) {
  return (
    <dl class="facts">
      {facts.map(([name, value]) => (
        <div key={name}>
          <dt>{name}</dt>
          <dd>{value}</dd>
        </div>
      ))}
    </dl>
  );
}
