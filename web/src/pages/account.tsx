// One's own password and sessions; for operators, who else may come in.
import { useState } from "preact/hooks";
import type { Problem } from "../api.gen";
import { problemOf, request } from "../lib/api";
import { many } from "../lib/format";
import { learnWho, me, signOut, useMayOrder } from "../lib/session";
import { useResource } from "../lib/resource";
import { useStore } from "../lib/store";
import { askFirst, closeDialog, Dialog, showDialog } from "../ui/Dialog";
import { Icon } from "../ui/Icon";
import { Card, Chip, Empty, Ends, Facts, Field, Head, Time, Trouble } from "../ui/part";
import { tell } from "../ui/Toast";

interface User {
  user: string;
  role: string;
  has_password?: boolean;
  sessions?: number;
}

interface Token {
  name: string;
  role: string;
  created?: string | null;
}

export function Account() {
  const who = useStore(me);
  const mayOrder = useMayOrder();
  const everywhere = () =>
    askFirst({
      title: "Sign out everywhere?",
      does: "Every session of yours ends, this one too.",
      undo: "Sign in again.",
      confirm: "Sign out everywhere",
      run: () => signOut(true),
    });
  return (
    <>
      <Head title="Account">
        <button type="button" onClick={() => void signOut(false)}>
          <Icon sign="exit" />
          Sign out
        </button>
        <button type="button" class="danger" onClick={everywhere}>
          Sign out everywhere…
        </button>
      </Head>
      <div class="columns">
        <Card title="You">
          <Facts
            facts={[
              ["User", who?.user ?? ""],
              ["Role", who?.role === "operator" ? "operator: looks and gives orders" : "viewer: looks"],
              ["Session ends", <Ends at={who?.expires} />],
            ]}
          />
        </Card>
        <Password />
      </div>
      {mayOrder && <Users own={who?.user ?? ""} />}
      {mayOrder && <Tokens />}
    </>
  );
}

function Password() {
  const who = useStore(me);
  const isNew = who?.must_set_password === true;
  const [old, setOld] = useState("");
  const [next, setNext] = useState("");
  const [again, setAgain] = useState("");
  const [problem, setProblem] = useState<Problem>();
  const [busy, setBusy] = useState(false);
  const submit = async (event: Event) => {
    event.preventDefault();
    setProblem(undefined);
    if (next !== again) {
      setProblem({ error: "the two new passwords are not the same", kind: "usage" });
      return;
    }
    setBusy(true);
    try {
      await request("POST", "/auth/password", { ...(old ? { old } : {}), new: next });
      await learnWho();
      setOld("");
      setNext("");
      setAgain("");
      tell("The password is set; your other sessions have ended.");
    } catch (error) {
      setProblem(problemOf(error));
    }
    setBusy(false);
  };
  return (
    <Card title={isNew ? "Set a password" : "Change the password"}>
      <form class="stack" onSubmit={(event) => void submit(event)}>
        <input class="unseen" type="text" name="username" autocomplete="username" value={who?.user ?? ""} readOnly tabIndex={-1} aria-hidden="true" />
        {!isNew && (
          <Field label="Old password" hint="Not asked for right after a one-time link">
            <input type="password" autocomplete="current-password" value={old} onInput={(event) => setOld(event.currentTarget.value)} />
          </Field>
        )}
        <Field label="New password" hint="10 characters at least">
          <input type="password" autocomplete="new-password" required minLength={10} value={next} onInput={(event) => setNext(event.currentTarget.value)} />
        </Field>
        <Field label="New password again">
          <input type="password" autocomplete="new-password" required value={again} onInput={(event) => setAgain(event.currentTarget.value)} />
        </Field>
        <Trouble problem={problem} />
        <button type="submit" class="primary" disabled={busy} aria-busy={busy}>
          {isNew ? "Set the password" : "Change the password"}
        </button>
      </form>
    </Card>
  );
}

function Users({ own }: { own: string }) {
  const { value, problem, renew } = useResource<User[]>(async (signal) => (await request("GET", "/auth/users", undefined, signal)) as User[], []);
  const remove = (user: string) =>
    askFirst({
      title: `Take ${user} away?`,
      does: "The user can not sign in any more; sessions end at once.",
      undo: "Add the user again, with a new password.",
      confirm: "Take away",
      run: async () => {
        await request("DELETE", `/auth/users/${encodeURIComponent(user)}`, {});
        tell(`${user} is taken away.`);
        renew();
      },
    });
  return (
    <Card
      title="Users"
      actions={
        <button type="button" onClick={() => showDialog(<UserDialog then={renew} />)}>
          <Icon sign="plus" />
          Add…
        </button>
      }
    >
      <Trouble problem={problem} retry={renew} />
      <ul class="lines">
        {value?.map((one) => (
          <li key={one.user} class="row between">
            <span>
              <span class="strong">{one.user}</span> {one.user === own && <span class="faint">you</span>}
              <span class="block faint">
                {one.has_password === false ? "no password" : "has a password"}
                {one.sessions !== undefined && `, ${many(one.sessions, "session")}`}
              </span>
            </span>
            <span class="row tight">
              <Chip tone={one.role === "operator" ? "accent" : "calm"} sign="account">
                {one.role}
              </Chip>
              <button type="button" class="small" onClick={() => showDialog(<UserDialog user={one} then={renew} />)}>
                Change…<span class="unseen"> {one.user}</span>
              </button>
              {one.user !== own && (
                <button type="button" class="small" onClick={() => remove(one.user)}>
                  Take away…<span class="unseen"> {one.user}</span>
                </button>
              )}
            </span>
          </li>
        ))}
      </ul>
    </Card>
  );
}

function RoleField({ role, change }: { role: string; change: (role: string) => void }) {
  return (
    <Field label="Role">
      <select value={role} onChange={(event) => change(event.currentTarget.value)}>
        <option value="viewer">viewer: looks</option>
        <option value="operator">operator: looks and gives orders</option>
      </select>
    </Field>
  );
}

function UserDialog({ user, then }: { user?: User; then: () => void }) {
  const [name, setName] = useState(user?.user ?? "");
  const [role, setRole] = useState(user?.role ?? "viewer");
  const [password, setPassword] = useState("");
  const run = async () => {
    await request("POST", "/auth/users", { user: name, role, ...(password ? { password } : {}) });
    tell(`${name} is a ${role}.`);
    then();
  };
  return (
    <Dialog title={user ? `Change ${user.user}` : "Add a user"} confirm={user ? "Change" : "Add"} run={run}>
      <div class="fields">
        {!user && (
          <Field label="User" hint="A letter, then letters, digits, dots, dashes; at most 32">
            <input required maxLength={32} value={name} spellcheck={false} autocomplete="off" onInput={(event) => setName(event.currentTarget.value)} />
          </Field>
        )}
        <RoleField role={role} change={setRole} />
        <Field label="Password" hint={user ? "Empty: it stays as it is" : "10 characters at least"}>
          <input type="password" autocomplete="new-password" minLength={10} required={!user} value={password} onInput={(event) => setPassword(event.currentTarget.value)} />
        </Field>
      </div>
    </Dialog>
  );
}

function Tokens() {
  const { value, problem, renew } = useResource<Token[]>(async (signal) => (await request("GET", "/auth/tokens", undefined, signal)) as Token[], []);
  const remove = (name: string) =>
    askFirst({
      title: `Take the token ${name} away?`,
      does: "Programs that use it are refused at once.",
      undo: "Make a new one, and give it to them.",
      confirm: "Take away",
      run: async () => {
        await request("DELETE", `/auth/tokens/${encodeURIComponent(name)}`, {});
        tell(`The token ${name} is taken away.`);
        renew();
      },
    });
  return (
    <Card
      title="API tokens"
      actions={
        <button type="button" onClick={() => showDialog(<TokenDialog then={renew} />)}>
          <Icon sign="plus" />
          Make…
        </button>
      }
    >
      <Trouble problem={problem} retry={renew} />
      {value?.length === 0 && <Empty title="There is no token.">A token lets a program ask what you ask here, with a role of its own.</Empty>}
      <ul class="lines">
        {value?.map((one) => (
          <li key={one.name} class="row between">
            <span>
              <span class="strong">{one.name}</span>
              <span class="block faint">
                made <Time at={one.created} />
              </span>
            </span>
            <span class="row tight">
              <Chip tone={one.role === "operator" ? "accent" : "calm"} sign="account">
                {one.role}
              </Chip>
              <button type="button" class="small" onClick={() => remove(one.name)}>
                Take away…<span class="unseen"> {one.name}</span>
              </button>
            </span>
          </li>
        ))}
      </ul>
    </Card>
  );
}

function TokenDialog({ then }: { then: () => void }) {
  const [name, setName] = useState("");
  const [role, setRole] = useState("viewer");
  const run = async () => {
    const made = (await request("POST", "/auth/tokens", { name, role })) as { token: string };
    then();
    // The dialog that asked closes first.
    setTimeout(() => showDialog(<Secret name={name} token={made.token} />));
  };
  return (
    <Dialog title="Make an API token" confirm="Make" run={run}>
      <div class="fields">
        <Field label="Name" hint="What it is for">
          <input required maxLength={32} value={name} spellcheck={false} autocomplete="off" onInput={(event) => setName(event.currentTarget.value)} />
        </Field>
        <RoleField role={role} change={setRole} />
      </div>
    </Dialog>
  );
}

function Secret({ name, token }: { name: string; token: string }) {
  return (
    <Dialog title={`The token ${name}`}>
      <p>It is shown this once. Send it as the header:</p>
      <pre tabIndex={0}>authorization: Bearer {token}</pre>
      <div class="row">
        <button type="button" class="primary" onClick={() => void navigator.clipboard.writeText(token).then(closeDialog)}>
          <Icon sign="copy" />
          Copy and close
        </button>
      </div>
    </Dialog>
  );
}
