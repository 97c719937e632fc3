// Signing in with a password, or by the link that the host itself gave.
import { useEffect, useState } from "preact/hooks";
import type { Problem } from "../api.gen";
import { problemOf } from "../lib/api";
import { ended, signIn, useLink } from "../lib/session";
import { useStore } from "../lib/store";
import { Icon } from "../ui/Icon";
import { Field, Trouble } from "../ui/part";

export function SignIn() {
  const [user, setUser] = useState("admin");
  const [password, setPassword] = useState("");
  const [problem, setProblem] = useState<Problem>();
  const [busy, setBusy] = useState(false);
  const isOver = useStore(ended);
  const submit = async (event: Event) => {
    event.preventDefault();
    setBusy(true);
    setProblem(undefined);
    try {
      await signIn(user, password);
    } catch (error) {
      setProblem(problemOf(error));
      setPassword("");
      setBusy(false);
    }
  };
  return (
    <Door title="Sign in">
      {isOver && (
        <p class="note" role="status">
          <Icon sign="wait" />
          <span>Your session has ended. Sign in to go on where you were.</span>
        </p>
      )}
      <form class="stack" onSubmit={(event) => void submit(event)}>
        <Field label="User">
          <input name="username" autocomplete="username" required value={user} spellcheck={false} onInput={(event) => setUser(event.currentTarget.value)} />
        </Field>
        <Field label="Password">
          <input name="password" type="password" autocomplete="current-password" required value={password} onInput={(event) => setPassword(event.currentTarget.value)} />
        </Field>
        <Trouble problem={problem} />
        <button type="submit" class="primary" disabled={busy} aria-busy={busy}>
          Sign in
        </button>
      </form>
      <p class="muted">
        No password yet, or forgotten? On the host, <code>portguard web token</code> prints a link that signs you in once.
      </p>
    </Door>
  );
}

/** Uses the token of a one-time link, which is then gone from the address. */
export function OneTimeLink({ token }: { token: string }) {
  const [problem, setProblem] = useState<Problem>();
  useEffect(() => {
    history.replaceState(null, "", location.pathname);
    useLink(token).then(
      () => {
        location.hash = "#/account";
      },
      (error: unknown) => setProblem(problemOf(error)),
    );
  }, [token]);
  return (
    <Door title="One-time link">
      {problem ? (
        <>
          <Trouble problem={problem} />
          <p class="muted">
            A link works once and only for a while. On the host, <code>portguard web token</code> prints a new one.
          </p>
          <a class="button" href="#/" onClick={() => location.reload()}>
            Sign in with a password
          </a>
        </>
      ) : (
        <p role="status">Signing you in…</p>
      )}
    </Door>
  );
}

function Door({ title, children }: { title: string; children: preact.ComponentChildren }) {
  useEffect(() => {
    document.title = `${title} · Portguard`;
  }, [title]);
  return (
    <main class="door">
      <div class="card">
        <p class="brand">
          <Icon sign="offenders" /> Portguard
        </p>
        <h1>{title}</h1>
        {children}
      </div>
    </main>
  );
}
