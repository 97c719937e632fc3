// Light, dark, or as the system has it.
import { remember, remembered, Store } from "../lib/store";

export type Theme = "auto" | "light" | "dark";

const KEY = "portguard-theme";

function known(text: string | null): Theme {
  return text === "light" || text === "dark" ? text : "auto";
}

export const theme = new Store<Theme>(known(remembered(KEY)));

export function applyTheme(): void {
  document.documentElement.dataset["theme"] = theme.value;
}

export function chooseTheme(next: Theme): void {
  // The page shows it before charts ask for their colours.
  document.documentElement.dataset["theme"] = next;
  theme.set(next);
  remember(KEY, next === "auto" ? null : next);
}
