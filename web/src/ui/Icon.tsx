// A few signs, drawn for this page: strokes on a field of 24 by 24.

const SHAPES = {
  overview: "M4 13h6V4H4zm10 7h6V11h-6zM4 20h6v-3H4zM14 7h6V4h-6z",
  ports: "M5 4h14v16H5zM9 20v-8h6v8M12 15.500v1",
  offenders: "M12 3l8 3v6c0 5-3.500 8-8 9-4.500-1-8-4-8-9V6zM9 9l6 6m0-6l-6 6",
  traffic: "M3 12h4l3-8 4 16 3-8h4",
  traps: "M12 3v4m0 10v4M3 12h4m10 0h4M12 8a4 4 0 100 8 4 4 0 000-8z",
  config: "M4 7h9m5 0h2M4 17h2m5 0h9M15.500 4.500v5M8.500 14.500v5",
  logs: "M5 4h14v16H5zM8.500 9h7m-7 3.500h7m-7 3.500h4",
  service: "M12 3v8M7 6.500a7 7 0 1010 0",
  remote: "M6 3h8l4 4v14H6zM14 3v4h4M9 14.500l2 2 4-4.500",
  knock: "M6 21V3h9v18M3 21h18M12 11.500v1M18 8.500a5 5 0 010 7",
  share: "M12 15V4m-4 4l4-4 4 4M5 13v7h14v-7",
  account: "M12 4a4 4 0 100 8 4 4 0 000-8zM4 20c1-4 4-5.500 8-5.500s7 1.500 8 5.500",
  menu: "M4 7h16M4 12h16M4 17h16",
  close: "M6 6l12 12M18 6L6 18",
  good: "M5 12.500l4.500 4.500L19 7.500",
  warn: "M12 4L2.500 20h19zM12 10v4.500M12 17v.5",
  bad: "M12 3a9 9 0 100 18 9 9 0 000-18zM8.500 8.500l7 7m0-7l-7 7",
  idle: "M12 4a8 8 0 100 16 8 8 0 000-16zM8 12h8",
  wait: "M12 3a9 9 0 100 18 9 9 0 000-18zM12 7v5.500l3.500 2",
  open: "M6 11h12v9H6zM9 11V8a3.500 3.500 0 016.500-1.800",
  closed: "M6 11h12v9H6zM8.500 11V8a3.500 3.500 0 017 0v3",
  home: "M4 11l8-7 8 7v9H4zM10 20v-5h4v5",
  plus: "M12 5v14M5 12h14",
  pause: "M8 5v14M16 5v14",
  play: "M7 4.500l12 7.500-12 7.500z",
  up: "M6 15l6-6 6 6",
  down: "M6 9l6 6 6-6",
  next: "M9 6l6 6-6 6",
  prior: "M15 6l-6 6 6 6",
  copy: "M9 9h11v11H9zM15 9V4H4v11h5",
  light: "M12 8a4 4 0 100 8 4 4 0 000-8zM12 2v2m0 16v2M2 12h2m16 0h2M5 5l1.500 1.500m11 11L19 19M19 5l-1.500 1.500m-11 11L5 19",
  dark: "M20 14.500A8.500 8.500 0 119.500 4 7 7 0 0020 14.500z",
  auto: "M12 3a9 9 0 100 18 9 9 0 000-18zM12 3v18M12 7h6m-6 5h8.500M12 17h6",
  exit: "M14 4h5v16h-5M4 12h11m-4-4l4 4-4 4",
  find: "M10.500 4a6.500 6.500 0 100 13 6.500 6.500 0 000-13zM15.500 15.500L20 20",
  dots: "M5 12h.01M12 12h.01M19 12h.01",
} as const;

export type Sign = keyof typeof SHAPES;

/** Beside words it is decoration; what stands alone needs an `aria-label` on its holder. */
export function Icon({ sign }: { sign: Sign }) {
  return (
    <svg class="icon" viewBox="0 0 24 24" aria-hidden="true" focusable="false">
      <path d={SHAPES[sign]} />
    </svg>
  );
}
