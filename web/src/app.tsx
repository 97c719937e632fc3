// The frame around every page: who is signed in, where one is, and what everybody has to know at once.
import type { ComponentType } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import { closeStream, connection, openStream, told } from "./lib/live";
import { link, place } from "./lib/route";
import { learnWho, me, signOut } from "./lib/session";
import { useStore } from "./lib/store";
import { Account } from "./pages/account";
import { Configuration } from "./pages/config";
import { Knock } from "./pages/knock";
import { Logs } from "./pages/logs";
import { Offenders } from "./pages/offenders";
import { Overview } from "./pages/overview";
import { Ports } from "./pages/ports";
import { Remote } from "./pages/remote";
import { Service } from "./pages/service";
import { Share } from "./pages/share";
import { OneTimeLink, SignIn } from "./pages/sign-in";
import { Traffic } from "./pages/traffic";
import { Traps } from "./pages/traps";
import { Banners } from "./ui/Banners";
import { Dialogs } from "./ui/Dialog";
import { Icon, type Sign } from "./ui/Icon";
import { Chip } from "./ui/part";
import { chooseTheme, theme, type Theme } from "./ui/theme";
import { Toasts } from "./ui/Toast";

const PAGES: { key: string; title: string; sign: Sign; page: ComponentType }[] = [
  { key: "overview", title: "Overview", sign: "overview", page: Overview },
  { key: "ports", title: "Ports", sign: "ports", page: Ports },
  { key: "offenders", title: "Offenders", sign: "offenders", page: Offenders },
  { key: "traffic", title: "Traffic", sign: "traffic", page: Traffic },
  { key: "traps", title: "Traps and watches", sign: "traps", page: Traps },
  { key: "config", title: "Configuration", sign: "config", page: Configuration },
  { key: "logs", title: "Logs", sign: "logs", page: Logs },
  { key: "service", title: "Service", sign: "service", page: Service },
  { key: "remote", title: "Control file", sign: "remote", page: Remote },
  { key: "knock", title: "Knock", sign: "knock", page: Knock },
  { key: "share", title: "Share", sign: "share", page: Share },
  { key: "account", title: "Account", sign: "account", page: Account },
];

/** Read once: the link takes itself out of the address. */
const TOKEN = /^#token=([A-Za-z0-9._~-]+)$/.exec(location.hash)?.[1];

export function App() {
  const who = useStore(me);
  const [token, setToken] = useState(TOKEN);
  useEffect(() => {
    // A face that is away is asked again, so that a page left open comes back by itself.
    let timer: ReturnType<typeof setTimeout> | undefined;
    const learn = () => {
      learnWho().catch(() => {
        connection.set("gone");
        timer = setTimeout(learn, 2000);
      });
    };
    if (!token) learn();
    return () => clearTimeout(timer);
  }, []);
  const isIn = who !== undefined && who !== null;
  useEffect(() => {
    if (!isIn) return;
    setToken(undefined);
    openStream();
    return closeStream;
  }, [isIn]);
  if (token && !isIn) return <OneTimeLink token={token} />;
  if (who === undefined) return <Waiting />;
  if (who === null) return <SignIn />;
  return <Frame />;
}

function Waiting() {
  const link = useStore(connection);
  return (
    <main class="door">
      <p role="status" class="muted">
        {link === "gone" ? "The web face does not answer. This page tries again by itself." : ""}
      </p>
    </main>
  );
}

function Frame() {
  const { page: key } = useStore(place);
  const shown = PAGES.find((one) => one.key === key) ?? PAGES[0];
  const [open, setOpen] = useState(false);
  const isFirst = useRef(true);
  useEffect(() => {
    setOpen(false);
    document.title = `${shown?.title ?? "Portguard"} · Portguard`;
    // After a step the reader goes on at the new page's title.
    if (!isFirst.current) {
      document.getElementById("page-title")?.focus({ preventScroll: true });
      scrollTo(0, 0);
    }
    isFirst.current = false;
  }, [key]);
  const Page = shown?.page ?? Overview;
  return (
    <>
      <a class="skip" href="#main" onClick={skip}>
        Skip to the page
      </a>
      <div class="frame">
        <header class="side">
          <div class="side-head">
            <a class="brand" href="#/overview">
              <Icon sign="offenders" /> Portguard
            </a>
            <button type="button" class="plain menu" aria-expanded={open} aria-controls="menu" onClick={() => setOpen(!open)}>
              <Icon sign={open ? "close" : "menu"} />
              <span class="unseen">Menu</span>
            </button>
          </div>
          <div id="menu" class={open ? "menu-body open" : "menu-body"}>
            <nav aria-label="Pages">
              <ul>
                {PAGES.map((one) => (
                  <li key={one.key}>
                    <a href={link(one.key)} aria-current={one === shown ? "page" : undefined}>
                      <Icon sign={one.sign} />
                      <span>{one.title}</span>
                      <Waits page={one.key} />
                    </a>
                  </li>
                ))}
              </ul>
            </nav>
            <Foot />
          </div>
        </header>
        <div class="body">
          <Banners />
          <main id="main" tabIndex={-1}>
            <Page />
          </main>
        </div>
      </div>
      <Dialogs />
      <Toasts />
    </>
  );
}

function skip(event: Event) {
  event.preventDefault();
  document.getElementById("main")?.focus();
}

/** What waits for somebody on another page. */
function Waits({ page }: { page: string }) {
  const status = useStore(told)?.status;
  const waiting = page === "ports" ? status?.listeners_pending : undefined;
  if (!waiting) return null;
  return (
    <span class="count attention" title="sockets that wait for approval">
      {waiting}
      <span class="unseen"> wait for approval</span>
    </span>
  );
}

function Foot() {
  const who = useStore(me);
  const chosen = useStore(theme);
  const state = useStore(connection);
  const version = useStore(told)?.status.version;
  return (
    <div class="foot">
      <p class="row">
        {state === "up" ? <Chip tone="good">live</Chip> : <Chip tone={state === "connecting" ? "accent" : "bad"}>{state === "connecting" ? "connecting" : "not live"}</Chip>}
        {version && <span class="faint">{version}</span>}
      </p>
      <div class="row">
        <label class="unseen" for="theme">
          Light or dark
        </label>
        <select id="theme" value={chosen} onChange={(event) => chooseTheme(event.currentTarget.value as Theme)}>
          <option value="auto">As the system</option>
          <option value="light">Light</option>
          <option value="dark">Dark</option>
        </select>
      </div>
      <p class="row between">
        <span class="muted">
          {who?.user} <span class="faint">({who?.role})</span>
        </span>
        <button type="button" class="small" onClick={() => void signOut(false)}>
          Sign out
        </button>
      </p>
    </div>
  );
}
