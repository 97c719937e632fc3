// Where the page begins.
import { render } from "preact";
import "./app.css";
import { App } from "./app";
import { applyTheme } from "./ui/theme";

applyTheme();
const root = document.getElementById("app");
if (root) render(<App />, root);
