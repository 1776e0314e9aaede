// What the scenarios work with: the product, told by `cargo xtask ui` where it is, psql, and browsers that listen for
// everything that must not happen.
import { execFile, spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { promisify } from "node:util";
import puppeteer, { type Browser, type BrowserContext, type Page } from "puppeteer-core";

const run = promisify(execFile);

function environment(name: string): string {
  const value = process.env[name];
  if (value === undefined) throw new Error(`${name} is missing: start this with \`cargo xtask ui\``);
  return value;
}

export const API = environment("COUNTERSIGN_API");
const BINARY = environment("COUNTERSIGN_BIN");
const OPERATOR = environment("COUNTERSIGN_OPERATOR_TOKEN");
/** Where agents connect, and the server itself; both `host:port`. */
const GATEWAY = environment("COUNTERSIGN_POSTGRES");
const SERVER = environment("SHOP_URL");

/** Issues a token. */
export async function token(subject: string, kind: "human" | "agent", groups: string[], more: string[] = []): Promise<string> {
  const given = ["token", "issue", "--subject", subject, "--kind", kind, ...groups.flatMap((group) => ["--group", group])];
  const { stdout } = await run(BINARY, [...given, ...more], { env: { ...process.env, COUNTERSIGN_TOKEN: OPERATOR } });
  return stdout.trim();
}

export interface Said {
  out: string;
  error: string;
  code: number;
}

function started(as: string, sql: string) {
  const [host, port] = GATEWAY.split(":") as [string, string];
  return spawn("psql", ["-X", "-A", "-t", "-v", "VERBOSITY=verbose", "-h", host, "-p", port, "-U", "shop", "-d", "shop", "-c", sql], {
    env: { ...process.env, PGPASSWORD: as, PGCLIENTENCODING: "UTF8" },
    stdio: ["ignore", "pipe", "pipe"],
  });
}

/** Starts a psql that leaves when it is told to; resolves when it has. */
export function psqlThatLeaves(as: string, sql: string): () => Promise<void> {
  const child = started(as, sql);
  return () =>
    new Promise((resolve, reject) => {
      child.on("error", reject);
      child.on("close", () => resolve());
      child.kill("SIGKILL");
    });
}

/** Starts psql through the gateway; resolves when it has ended. */
export function psql(as: string, sql: string): Promise<Said> {
  const child = started(as, sql);
  const said: Said = { out: "", error: "", code: -1 };
  child.stdout.on("data", (data: Buffer) => (said.out += data.toString()));
  child.stderr.on("data", (data: Buffer) => (said.error += data.toString()));
  return new Promise((resolve, reject) => {
    child.on("error", reject);
    child.on("close", (code) => resolve({ ...said, code: code ?? -1 }));
  });
}

/** What the server itself says, past the gateway. */
export async function truth(sql: string): Promise<string> {
  const { stdout } = await run("psql", ["-X", "-A", "-t", "-d", SERVER, "-c", sql]);
  return stdout.trim();
}

/** A browser, and the complaints of all its pages: errors, breaches of the policy, requests to other places. */
export class Chromium {
  readonly complaints: string[] = [];

  private constructor(private readonly browser: Browser) {}

  static async start(): Promise<Chromium> {
    const executablePath = ["/usr/bin/chromium", "/usr/bin/google-chrome"].find((path) => existsSync(path));
    if (executablePath === undefined) throw new Error("no Chromium");
    // In a container its own sandbox has nothing to stand on; what it opens is our own page.
    const args = ["--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu", "--lang=en-GB"];
    return new Chromium(await puppeteer.launch({ executablePath, args }));
  }

  /** A person's own browser: nothing in it is shared with another's. */
  person(): Promise<BrowserContext> {
    return this.browser.createBrowserContext();
  }

  async open(context: BrowserContext, place = "/"): Promise<Page> {
    const page = await context.newPage();
    await page.setViewport({ width: 1280, height: 860 });
    page.on("console", (message) => {
      if (message.type() === "error" || message.type() === "warn") this.complaints.push(`console: ${message.text()}`);
    });
    page.on("pageerror", (error) => this.complaints.push(`error: ${String(error)}`));
    page.on("request", (request) => {
      if (!request.url().startsWith(`${API}/`)) this.complaints.push(`request to ${request.url()}`);
      if (/cst_/.test(request.url())) this.complaints.push("a token in an address");
    });
    await page.evaluateOnNewDocument(() => {
      document.addEventListener("securitypolicyviolation", (event) => console.error(`policy: ${event.violatedDirective} ${event.blockedURI}`));
    });
    await page.goto(API + place, { waitUntil: "load" });
    return page;
  }

  /** Signs in through the form. */
  async signedIn(context: BrowserContext, as: string, place = "/"): Promise<Page> {
    const page = await this.open(context, place);
    await page.locator("#token").fill(as);
    await page.locator("button[type=submit]").click();
    await page.waitForSelector(".top");
    return page;
  }

  end(): Promise<void> {
    return this.browser.close();
  }
}

/** Waits until the page shows this. */
export async function shows(page: Page, text: string): Promise<void> {
  await page.waitForFunction((wanted) => document.body.innerText.includes(wanted), { timeout: 20_000 }, text);
}

export function text(page: Page, selector = "body"): Promise<string> {
  return page.$eval(selector, (element) => (element as HTMLElement).innerText);
}

/** Opens the only request that waits for this person, when it appears by itself. */
export async function openTheOne(page: Page, does: string): Promise<void> {
  await shows(page, does);
  await page.locator(".list a.row").click();
  await page.waitForSelector(".decide");
}
