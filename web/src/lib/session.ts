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

onSignedOut.call = () => {
  if (me.value) me.set(null);
};

/** Asks who is signed in; a server that does not answer leaves what was known. */
export async function learnWho(): Promise<void> {
  try {
    me.set((await request("GET", "/auth/me")) as Me);
  } catch (error) {
    if (error instanceof Refused && error.status === 401) me.set(null);
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
  me.set(null);
}

/** Whether the one who looks may give orders. */
export function useMayOrder(): boolean {
  return useStore(me)?.role === "operator";
}
