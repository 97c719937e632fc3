// Lines over time. uPlot draws on a canvas outside of the components' state, once for each frame at most.
import { useEffect, useRef } from "preact/hooks";
import uPlot from "uplot";
import "uplot/dist/uPlot.min.css";
import { exact, short, sum } from "../lib/format";
import { theme } from "./theme";

export interface Line {
  label: string;
  /** A custom property of the style sheet with the line's colour. */
  colour: string;
  values: (number | null)[];
  /** Dashes tell lines apart where colours do not. */
  dash?: number[];
}

interface Props {
  /** What it shows, in words for those who do not see it. */
  label: string;
  /** In seconds of Unix time. */
  times: number[];
  lines: Line[];
}

const HEIGHT = 190;

export function Chart({ label, times, lines }: Props) {
  const frame = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot | null>(null);
  const data = useRef<uPlot.AlignedData>([[]]);
  data.current = [times, ...lines.map((line) => line.values)];
  const shape = lines.map((line) => line.label).join();

  useEffect(() => {
    const holder = frame.current;
    if (!holder) return;
    const draw = () => {
      plot.current?.destroy();
      plot.current = new uPlot(options(holder, lines), data.current, holder);
    };
    draw();
    const sizes = new ResizeObserver(() => {
      const width = holder.clientWidth;
      if (width > 0 && plot.current && plot.current.width !== width) plot.current.setSize({ width, height: HEIGHT });
    });
    sizes.observe(holder);
    const end = theme.subscribe(draw);
    const system = matchMedia("(prefers-color-scheme: dark)");
    system.addEventListener("change", draw);
    return () => {
      end();
      sizes.disconnect();
      system.removeEventListener("change", draw);
      plot.current?.destroy();
      plot.current = null;
    };
  }, [shape]);

  useEffect(() => {
    const frameId = requestAnimationFrame(() => plot.current?.setData(data.current));
    return () => cancelAnimationFrame(frameId);
  }, [times, lines]);

  return (
    <figure class="chart">
      <figcaption class="row">
        {lines.map((line) => (
          <span key={line.label} class="key">
            <svg viewBox="0 0 24 8" aria-hidden="true">
              <line x1="0" y1="4" x2="24" y2="4" style={{ stroke: `var(${line.colour})` }} stroke-width="3" stroke-dasharray={line.dash?.join(" ")} />
            </svg>
            {line.label}
            <strong>{inShort(sum(line.values))}</strong>
          </span>
        ))}
      </figcaption>
      <div ref={frame} class="plot" role="img" aria-label={label} />
    </figure>
  );
}

function inShort(total: number | null): string {
  return total === null ? "–" : short(total);
}

function options(holder: HTMLElement, lines: Line[]): uPlot.Options {
  const styles = getComputedStyle(holder);
  const colour = (name: string) => resolve(holder, `var(${name})`);
  const font = `12px ${styles.fontFamily}`;
  const axis = { stroke: colour("--muted"), font, grid: { stroke: colour("--line"), width: 1 }, ticks: { show: false } };
  return {
    width: Math.max(holder.clientWidth, 120),
    height: HEIGHT,
    legend: { show: false },
    cursor: { y: false, points: { size: 6 } },
    scales: { y: { range: (_, __, most) => [0, Math.max(4, most * 1.1)] } },
    axes: [
      { ...axis, space: 64, size: 28, values: moments },
      { ...axis, size: 48, values: (_, ticks) => ticks.map((tick) => (Number.isInteger(tick) ? short(tick) : "")) },
    ],
    series: [
      { value: (_, seconds) => exact(seconds * 1000) },
      ...lines.map((line) => ({
        label: line.label,
        stroke: colour(line.colour),
        width: 2,
        points: { show: true, size: 5, filter: alone },
        spanGaps: false,
        ...(line.dash ? { dash: line.dash } : {}),
      })),
    ],
    hooks: { setCursor: [(self) => point(self, holder)] },
  };
}

const TIME = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit" });
const DAY = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short" });

/** Names the ticks of the time axis: the day at midnight, else the time. */
function moments(_: uPlot, ticks: number[]): string[] {
  return ticks.map((tick) => {
    const date = new Date(tick * 1000);
    return date.getHours() === 0 && date.getMinutes() === 0 ? DAY.format(date) : TIME.format(date);
  });
}

/** Returns the values without neighbours, which no line leads to. */
function alone(self: uPlot, series: number): number[] {
  const values = self.data[series] ?? [];
  const isThere = (at: number) => values[at] !== null && values[at] !== undefined;
  return [...values.keys()].filter((at) => isThere(at) && !isThere(at - 1) && !isThere(at + 1));
}

/** Canvas knows no `light-dark()`: what the browser makes of a colour is asked for. */
function resolve(holder: HTMLElement, value: string): string {
  const probe = document.createElement("span");
  probe.style.color = value;
  holder.append(probe);
  const found = getComputedStyle(probe).color;
  probe.remove();
  return found;
}

/** Writes what is below the pointer into the chart's title. */
function point(self: uPlot, holder: HTMLElement): void {
  const at = self.cursor.idx;
  if (at === null || at === undefined) {
    holder.removeAttribute("title");
    return;
  }
  const seconds = self.data[0][at];
  if (seconds === undefined) return;
  const values = self.series.slice(1).map((one, number) => `${String(one.label)}: ${self.data[number + 1]?.[at] ?? "not counted"}`);
  holder.title = `${exact(seconds * 1000)}\n${values.join("\n")}`;
}
