// A form for the configuration, one field for each key, made from the schema.
import { useEffect, useRef, useState } from "preact/hooks";
import type { Key, Shape } from "../lib/schema";
import { Icon } from "./Icon";

type Path = (string | number)[];

/** Sets a key; null takes it out of the file. */
export type Setter = (path: Path, value: unknown) => Promise<void>;

interface Props {
  keys: Key[];
  values: unknown;
  set: Setter;
  disabled: boolean;
}

/** The order of the reference configuration: what is asked for most comes first; a new table comes last. */
const ORDER = "guard protect allow firewall services ports throttle ladders traps watch rules scan packets anomaly share web api store metrics remote knock feeds fleet".split(" ");

function rank(key: Key): number {
  const found = ORDER.indexOf(key.name);
  return found < 0 ? ORDER.length : found;
}

export function SchemaForm({ keys, values, set, disabled }: Props) {
  return (
    <div class="schema">
      {[...keys].sort((a, b) => rank(a) - rank(b)).map((key) => (
        <Section key={key.name} entry={key} value={at(values, key.name)} path={[key.name]} set={set} disabled={disabled} />
      ))}
    </div>
  );
}

interface Part {
  entry: Key;
  value: unknown;
  path: Path;
  set: Setter;
  disabled: boolean;
}

/** A key that holds further keys can be folded; any other is a field. */
function Section(part: Part) {
  const { entry, value } = part;
  const { shape } = entry;
  if (shape.kind !== "table" && shape.kind !== "tables" && shape.kind !== "named") return <Line {...part} />;
  const isSet = value !== undefined;
  return (
    <details class="fold" open={part.path.length > 1 && isSet}>
      <summary>
        <code class="strong">{entry.name}</code>
        <span class="muted">{entry.about}</span>
        {isSet && <span class="set-mark">set</span>}
      </summary>
      <Inner {...part} shape={shape} />
    </details>
  );
}

function Inner({ shape, value, path, set, disabled }: Part & { shape: Shape }) {
  if (shape.kind === "table") return <Keys keys={shape.keys} value={value} path={path} set={set} disabled={disabled} />;
  if (shape.kind === "tables") return <Tables item={shape.item} value={value} path={path} set={set} disabled={disabled} />;
  if (shape.kind === "named") return <Named item={shape.item} value={value} path={path} set={set} disabled={disabled} />;
  return null;
}

function Keys({ keys, value, path, set, disabled }: { keys: Key[]; value: unknown; path: Path; set: Setter; disabled: boolean }) {
  return (
    <div class="fold-body">
      {keys.map((key) => (
        <Section key={key.name} entry={key} value={at(value, key.name)} path={[...path, key.name]} set={set} disabled={disabled} />
      ))}
    </div>
  );
}

function Tables({ item, value, path, set, disabled }: { item: Key[]; value: unknown; path: Path; set: Setter; disabled: boolean }) {
  const rows = Array.isArray(value) ? value : [];
  const first = Object.fromEntries(item.filter((key) => key.required).map((key) => [key.name, start(key.shape)]));
  return (
    <div class="fold-body">
      {rows.map((row, number) => (
        <fieldset key={number} class="item">
          <legend>
            {path.join(".")} {number + 1}
          </legend>
          <Keys keys={item} value={row} path={[...path, number]} set={set} disabled={disabled} />
          <button type="button" class="small" disabled={disabled} onClick={() => void set([...path, number], null)}>
            Take out<span class="unseen"> number {number + 1}</span>
          </button>
        </fieldset>
      ))}
      <button type="button" class="small" disabled={disabled} onClick={() => void (rows.length === 0 ? set(path, [first]) : set([...path, rows.length], first))}>
        <Icon sign="plus" />
        Add to {path.join(".")}
      </button>
    </div>
  );
}

/** What a key that must be there begins with; the check says what is still wrong with it. */
function start(shape: Shape): unknown {
  if (shape.kind === "choice") return shape.choices[0]?.value ?? "";
  if (shape.kind === "number") return Math.max(1, shape.least ?? 1);
  if (shape.kind === "switch") return false;
  if (shape.kind === "words" || shape.kind === "tables") return shape.kind === "words" && shape.example !== undefined ? [shape.example] : [];
  if (shape.kind === "text") return shape.example ?? "";
  return {};
}

function Named({ item, value, path, set, disabled }: { item: Shape; value: unknown; path: Path; set: Setter; disabled: boolean }) {
  const [name, setName] = useState("");
  const entries = typeof value === "object" && value !== null ? Object.entries(value) : [];
  const keys = item.kind === "table" ? item.keys : [];
  return (
    <div class="fold-body">
      {entries.map(([one, held]) => (
        <fieldset key={one} class="item">
          <legend>
            {path.join(".")}.{one}
          </legend>
          <Keys keys={keys} value={held} path={[...path, one]} set={set} disabled={disabled} />
          <button type="button" class="small" disabled={disabled} onClick={() => void set([...path, one], null)}>
            Take out<span class="unseen"> {one}</span>
          </button>
        </fieldset>
      ))}
      <div class="row">
        <input aria-label={`Name of a new entry of ${path.join(".")}`} placeholder="name" value={name} disabled={disabled} spellcheck={false} onInput={(event) => setName(event.currentTarget.value)} />
        <button
          type="button"
          class="small"
          disabled={disabled || name.trim() === ""}
          onClick={() => {
            void set([...path, name.trim()], {});
            setName("");
          }}
        >
          <Icon sign="plus" />
          Add
        </button>
      </div>
    </div>
  );
}

/** One key with its field, its meaning, and a way back to what is usual. */
function Line({ entry, value, path, set, disabled }: Part) {
  const id = `key-${path.join("-")}`;
  const isSet = value !== undefined;
  return (
    <div class={isSet ? "line set" : "line"}>
      <label for={id}>
        <code>{entry.name}</code>
        {isSet && <span class="unseen"> (set)</span>}
      </label>
      <div class="line-field">
        <FieldOf id={id} shape={entry.shape} value={value} usual={entry.usual} disabled={disabled} give={(next) => void set(path, next)} about={`${id}-about`} />
        {isSet && !entry.required && (
          <button type="button" class="plain" disabled={disabled} title="As it is usual" aria-label={`Take ${path.join(".")} out, so that it is as usual`} onClick={() => void set(path, null)}>
            <Icon sign="close" />
          </button>
        )}
      </div>
      <p id={`${id}-about`} class="hint">
        <Prose text={entry.about} />
        {shown(entry.usual ?? "") !== "" && !isSet && <span class="faint"> Usual: {shown(entry.usual)}</span>}
      </p>
    </div>
  );
}

/** Words in which what stands between backticks is code. */
function Prose({ text }: { text: string }) {
  return <>{text.split("`").map((part, number) => (number % 2 === 1 ? <code key={number}>{part}</code> : part))}</>;
}

interface FieldProps {
  id: string;
  about: string;
  shape: Shape;
  value: unknown;
  usual: unknown;
  disabled: boolean;
  give: (value: unknown) => void;
}

function FieldOf(props: FieldProps) {
  const { id, about, shape, value, usual, disabled, give } = props;
  const now = value ?? usual;
  switch (shape.kind) {
    case "switch":
      return <input id={id} aria-describedby={about} type="checkbox" class="switch" checked={now === true} disabled={disabled} onChange={(event) => give(event.currentTarget.checked)} />;
    case "choice":
      return (
        <select id={id} aria-describedby={about} value={value === undefined ? "" : String(value)} disabled={disabled} onChange={(event) => give(event.currentTarget.value || null)}>
          <option value="">{usual === undefined || usual === null ? "not set" : `usual: ${String(usual)}`}</option>
          {shape.choices.map((choice) => (
            <option key={choice.value} value={choice.value}>
              {choice.about ? `${choice.value}: ${choice.about}` : choice.value}
            </option>
          ))}
        </select>
      );
    case "words":
      return <Words {...props} shape={shape} />;
    default:
      return <Typed {...props} />;
  }
}

/** A value that is typed; it is given when the field is left, or with Enter. */
function Typed({ id, about, shape, value, usual, disabled, give }: FieldProps) {
  const held = value === undefined ? "" : shown(value);
  const [text, setText] = useState(held);
  const given = useRef(held);
  useEffect(() => {
    given.current = held;
    setText(held);
  }, [held]);
  const commit = () => {
    // Enter and leaving the field are one change.
    if (text === given.current) return;
    given.current = text;
    give(text.trim() === "" ? null : readValue(shape, text.trim()));
  };
  const example = shape.kind === "text" ? shape.example : undefined;
  return (
    <input
      id={id}
      aria-describedby={about}
      class="code"
      value={text}
      disabled={disabled}
      placeholder={usual !== undefined && usual !== null && usual !== "" ? shown(usual) : (example ?? "")}
      inputMode={shape.kind === "number" ? "decimal" : "text"}
      spellcheck={false}
      autocomplete="off"
      onInput={(event) => setText(event.currentTarget.value)}
      onBlur={commit}
      onKeyDown={(event) => {
        if (event.key === "Enter") commit();
      }}
    />
  );
}

function Words({ id, about, shape, value, usual, disabled, give }: FieldProps & { shape: Shape & { kind: "words" } }) {
  const held = Array.isArray(value) ? value.join("\n") : "";
  const [text, setText] = useState(held);
  useEffect(() => setText(held), [held]);
  const commit = () => {
    if (text === held) return;
    const words = text.split("\n").map((word) => word.trim()).filter((word) => word !== "");
    give(words.length === 0 && value === undefined ? null : words.map((word) => (shape.whole && /^-?\d+$/.test(word) ? Number(word) : word)));
  };
  const placeholder = Array.isArray(usual) && usual.length > 0 ? usual.join("\n") : (shape.example ?? "");
  return (
    <textarea
      id={id}
      aria-describedby={about}
      class="code"
      rows={Math.min(6, Math.max(1, text.split("\n").length))}
      value={text}
      placeholder={placeholder}
      disabled={disabled}
      spellcheck={false}
      title="One a line"
      onInput={(event) => setText(event.currentTarget.value)}
      onBlur={commit}
    />
  );
}

/** Reads what was typed; what is no number goes as it is, and the check says so. */
function readValue(shape: Shape, text: string): unknown {
  if (shape.kind === "number" || (shape.kind === "text" && shape.loose)) return /^-?\d+(\.\d+)?$/.test(text) ? Number(text) : text;
  if (shape.kind === "either" && !shape.choices.includes(text)) return text.split(/[\s,]+/).filter(Boolean);
  return text;
}

function shown(value: unknown): string {
  if (Array.isArray(value)) return value.map(shown).join(", ");
  return typeof value === "object" && value !== null ? JSON.stringify(value) : String(value);
}

function at(value: unknown, name: string): unknown {
  return typeof value === "object" && value !== null ? (value as Record<string, unknown>)[name] : undefined;
}
