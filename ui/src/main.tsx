// The approver's page. It shows what waits for people, and takes their decisions: a client of the same API as the
// command line, with no rules of its own. What it may do, the control plane says.
import { render } from "preact";
import { App } from "./views/app";
import "./app.css";

const page = document.getElementById("page");
if (page) {
  page.replaceChildren();
  render(<App />, page);
}
