// Decisions about packets as they come: the newest on top, filtered, and held still when one wants to read.
import { useEffect, useRef, useState } from "preact/hooks";
import type { Packet } from "../api.gen";
import { ask } from "../lib/api";
import { liesIn } from "../lib/address";
import { clockTime, count, endpoint, exact, many } from "../lib/format";
import { onPackets } from "../lib/live";
import { place, refine } from "../lib/route";
import { useMayOrder } from "../lib/session";
import { useResource } from "../lib/resource";
import { useStore } from "../lib/store";
import { Icon } from "./Icon";
import { askHold } from "./order";
import { Chip, Empty, Field, type Named, Subject, Trouble } from "./part";
import { type Column, Table } from "./Table";

/** Rows that are kept and drawn: more than anybody reads, few enough to draw ten times a second. */
const ROWS = 100;

interface Filter {
  rule: string;
  type: string;
  source: string;
  port: string;
}

const RULES = ["blocked", "allowed"];
const TYPES = ["tcp", "udp", "icmp"];

export function Packets() {
  const { query } = useStore(place);
  const filter: Filter = { rule: query.get("rule") ?? "", type: query.get("type") ?? "", source: query.get("source") ?? "", port: query.get("port") ?? "" };
  const mayOrder = useMayOrder();
  const [paused, setPaused] = useState(false);
  const { rows, waiting, more, problem, renew } = useLivePackets(filter, paused);
  const isFiltered = Object.values(filter).some((word) => word !== "");
  return (
    <div class="card flush">
      <div class="toolbar">
        <div class="filters">
          <Field label="Decision">
            <select value={RULES.includes(filter.rule) ? filter.rule : ""} onChange={(event) => refine({ rule: event.currentTarget.value })}>
              <option value="">every</option>
              {RULES.map((rule) => (
                <option key={rule}>{rule}</option>
              ))}
            </select>
          </Field>
          <Field label="Type">
            <select value={filter.type} onChange={(event) => refine({ type: event.currentTarget.value })}>
              <option value="">every</option>
              {TYPES.map((type) => (
                <option key={type}>{type}</option>
              ))}
            </select>
          </Field>
          <Field label="Source">
            <Rested value={filter.source} placeholder="address or network" change={(source) => refine({ source })} />
          </Field>
          <Field label="Port">
            <Rested value={filter.port} placeholder="22" numeric change={(port) => refine({ port })} />
          </Field>
        </div>
        <div class="row">
          {isFiltered && (
            <button type="button" onClick={() => refine({ rule: undefined, type: undefined, source: undefined, port: undefined })}>
              Show all
            </button>
          )}
          <button type="button" aria-pressed={paused} onClick={() => setPaused(!paused)}>
            <Icon sign={paused ? "play" : "pause"} />
            {paused ? `Go on${waiting > 0 ? ` (${count(waiting)} new)` : ""}` : "Pause"}
          </button>
        </div>
      </div>
      <Trouble problem={problem} retry={renew} />
      {more > 0 && <p class="muted padded">{many(more, "further packet")} came faster than they can be shown; the packet log has them.</p>}
      {rows.length === 0 ? (
        <Empty title={isFiltered ? "No packet like that so far." : "No packet so far."}>New ones appear here as the kernel decides about them.</Empty>
      ) : (
        <Table caption="Decisions about packets, the newest first" columns={columns(mayOrder)} rows={rows} keyOf={(packet) => String(packet.number)} />
      )}
    </div>
  );
}

/** A field whose words are looked for once they rest. */
export function Rested({ value, change, placeholder, numeric, ...named }: Named & { value: string; change: (value: string) => void; placeholder: string; numeric?: boolean }) {
  const [typed, setTyped] = useState(value);
  const last = useRef(value);
  useEffect(() => {
    if (value !== last.current) setTyped(value);
    last.current = value;
  }, [value]);
  useEffect(() => {
    if (typed === value) return;
    const timer = setTimeout(() => {
      last.current = typed;
      change(typed);
    }, 250);
    return () => clearTimeout(timer);
  }, [typed]);
  return (
    <input
      {...named}
      class="code"
      value={typed}
      placeholder={placeholder}
      spellcheck={false}
      inputMode={numeric ? "numeric" : "text"}
      onInput={(event) => setTyped(numeric ? event.currentTarget.value.replace(/\D/g, "") : event.currentTarget.value)}
    />
  );
}

function useLivePackets(filter: Filter, paused: boolean) {
  const inputs = Object.values(filter);
  const past = useResource<Packet[]>(
    async (signal) => (await ask("GET /v1/log", { query: { ...asked(filter), limit: ROWS }, signal })).items.reverse(),
    inputs,
  );
  const [rows, setRows] = useState<Packet[]>([]);
  const [counts, setCounts] = useState({ waiting: 0, more: 0 });
  const held = useRef<Packet[]>([]);
  const isPaused = useRef(paused);
  isPaused.current = paused;
  const wanted = useRef(filter);
  wanted.current = filter;

  useEffect(() => {
    if (!past.value) return;
    const newest = past.value[0]?.number ?? 0;
    held.current = held.current.filter((packet) => packet.number > newest && fits(packet, wanted.current));
    setRows([...held.current, ...past.value].slice(0, ROWS));
    held.current = [];
  }, [past.value]);

  useEffect(() => {
    let frame = 0;
    let more = 0;
    const draw = () => {
      frame = 0;
      const skipped = more;
      more = 0;
      if (isPaused.current) {
        setCounts((old) => ({ ...old, waiting: held.current.length }));
        return;
      }
      const fresh = held.current;
      held.current = [];
      setRows((old) => {
        const newest = old[0]?.number ?? -1;
        return [...fresh.filter((packet) => packet.number > newest), ...old].slice(0, ROWS);
      });
      setCounts({ waiting: 0, more: skipped });
    };
    return onPackets((some) => {
      const fresh = some.items.filter((packet) => fits(packet, wanted.current)).reverse();
      more += some.more;
      if (fresh.length === 0 && some.more === 0) return;
      held.current = [...fresh, ...held.current].slice(0, ROWS);
      if (frame === 0) frame = requestAnimationFrame(draw);
    });
  }, []);

  useEffect(() => {
    if (paused || held.current.length === 0) return;
    const fresh = held.current;
    held.current = [];
    setRows((old) => [...fresh, ...old].slice(0, ROWS));
    setCounts({ waiting: 0, more: 0 });
  }, [paused]);

  return { rows, waiting: counts.waiting, more: counts.more, problem: past.problem, renew: past.renew };
}

function asked(filter: Filter) {
  const { rule, type, source, port } = filter;
  return { rule, type, source, ...(port ? { port: Number(port) } : {}) };
}

/** Whether a packet is one that the server would have given for the same filter. */
function fits(packet: Packet, filter: Filter): boolean {
  const { rule, type, source, port } = filter;
  if (rule && packet.verdict !== rule && packet.rule !== rule) return false;
  if (type && packet.protocol !== type && !(type === "icmp" && packet.protocol === "icmpv6")) return false;
  if (port && packet.destination_port !== Number(port)) return false;
  return source === "" || liesIn(packet.source, source);
}

function columns(mayOrder: boolean): Column<Packet>[] {
  return [
    {
      key: "at",
      title: "Time",
      cell: (packet) => (
        <time class="code" dateTime={packet.at} title={exact(packet.at)}>
          {clockTime(packet.at)}
        </time>
      ),
    },
    {
      key: "verdict",
      title: "Decision",
      cell: (packet) => (
        <Chip tone={packet.verdict === "blocked" ? "bad" : "good"} title={packet.matched ?? undefined}>
          {packet.verdict}
        </Chip>
      ),
    },
    { key: "rule", title: "Rule", cell: (packet) => packet.rule },
    { key: "source", title: "Source", kind: "name", cell: (packet) => <Subject name={packet.source} /> },
    { key: "destination", title: "Destination", kind: "name", cell: (packet) => <code>{endpoint(packet.destination, packet.destination_port)}</code> },
    { key: "protocol", title: "Type", cell: (packet) => [packet.protocol, packet.flags, packet.icmp].filter(Boolean).join(" ") },
    { key: "interface", title: "Through", kind: "extra", cell: (packet) => packet.interface ?? "–" },
    { key: "length", title: "Length", numeric: true, kind: "extra", cell: (packet) => `${packet.length} B` },
    ...(mayOrder
      ? [
          {
            key: "actions",
            title: "",
            kind: "actions",
            cell: (packet: Packet) => (
              <button type="button" class="small" onClick={() => askHold({ subjects: [packet.source] })}>
                Ban…<span class="unseen"> {packet.source}</span>
              </button>
            ),
          },
        ]
      : []),
  ];
}
