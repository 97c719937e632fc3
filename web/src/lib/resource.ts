// What a page asks the server for, and asks again when it may have changed.
import { useCallback, useEffect, useRef, useState } from "preact/hooks";
import type { Entry, Problem } from "../api.gen";
import { problemOf } from "./api";
import { connection, onEntry, round } from "./live";
import { useStore } from "./store";

/** A stream of journal lines makes a page ask anew this often at most, in milliseconds. */
const CALM = 1500;

export interface Resource<T> {
  value: T | undefined;
  problem: Problem | undefined;
  busy: boolean;
  renew: () => void;
}

interface Renewal {
  /** Ask again every so many seconds while the page is looked at. */
  every?: number;
  /** Ask again after such a journal line. */
  on?: (entry: Entry) => boolean;
  /** And once more after so many seconds: the server answers from a copy that may be as old. */
  again?: number;
}

/** Asks when the page appears, when `inputs` change, and as `renewal` says; old values stay until new ones are there. */
export function useResource<T>(question: (signal: AbortSignal) => Promise<T>, inputs: unknown[], renewal: Renewal = {}): Resource<T> {
  const [state, setState] = useState<{ value?: T; problem?: Problem; busy: boolean }>({ busy: true });
  const latest = useRef(question);
  latest.current = question;
  const running = useRef<AbortController | null>(null);
  const missed = useStore(round);
  const link = useStore(connection);

  const renew = useCallback(() => {
    running.current?.abort();
    const mine = new AbortController();
    running.current = mine;
    setState((old) => (old.busy ? old : { ...old, busy: true }));
    latest.current(mine.signal).then(
      (value) => {
        if (!mine.signal.aborted) setState({ value, busy: false });
      },
      (error: unknown) => {
        if (!mine.signal.aborted) setState((old) => ({ ...old, problem: problemOf(error), busy: false }));
      },
    );
  }, []);

  useEffect(() => {
    renew();
    return () => running.current?.abort();
  }, [...inputs, missed]);

  const { every, on, again } = renewal;
  useEffect(() => {
    if (!every || link !== "up") return;
    const timer = setInterval(() => {
      if (!document.hidden) renew();
    }, every * 1000);
    return () => clearInterval(timer);
  }, [every, link]);

  const wanted = useRef(on);
  wanted.current = on;
  const listens = on !== undefined;
  useEffect(() => {
    if (!listens) return;
    let timer: ReturnType<typeof setTimeout> | undefined;
    let once: ReturnType<typeof setTimeout> | undefined;
    let last = 0;
    const end = onEntry((entry) => {
      if (timer !== undefined || !wanted.current?.(entry)) return;
      timer = setTimeout(() => {
        timer = undefined;
        last = performance.now();
        renew();
        if (again === undefined) return;
        clearTimeout(once);
        once = setTimeout(renew, again * 1000);
      }, Math.max(50, last + CALM - performance.now()));
    });
    return () => {
      end();
      clearTimeout(timer);
      clearTimeout(once);
    };
  }, [listens, again]);

  return { value: state.value, problem: state.problem, busy: state.busy, renew };
}
