// Who is signed in.
import { onSignedOut, Refused, request } from "./api";
import { Store, useStore } from "./store";

export interface Me {
  user: string;
  role: "viewer" | "operator";
  expires?: string | null;
  must_set_password?: boolean;
}

/** `undefined` until it is known, null for nobody. */
export const me = new Store<Me | null | undefined>(undefined);

/** Whether a session ended that nobody signed out of: by time, from elsewhere, with a new password. */
export const ended = new Store(false);

onSignedOut.call = isOver;

function isOver(): void {
  if (me.value) ended.set(true);
  me.set(null);
}

/** Asks who is signed in; a server that does not answer leaves what was known. */
export async function learnWho(): Promise<void> {
  try {
    me.set((await request("GET", "/auth/me")) as Me);
    ended.set(false);
  } catch (error) {
    if (error instanceof Refused && error.status === 401) isOver();
    else throw error;
  }
}

export async function signIn(user: string, password: string): Promise<void> {
  await request("POST", "/auth/login", { user, password });
  await learnWho();
}

export async function useLink(token: string): Promise<void> {
  await request("POST", "/auth/link", { token });
  await learnWho();
}

export async function signOut(everywhere: boolean): Promise<void> {
  await request("POST", everywhere ? "/auth/logout-everywhere" : "/auth/logout", {});
  ended.set(false);
  me.set(null);
}

/** Whether the one who looks may give orders. */
export function useMayOrder(): boolean {
  return useStore(me)?.role === "operator";
}
