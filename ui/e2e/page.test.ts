// The approver's page, in a real browser: a real psql waits, people look and decide, psql goes on. Two of the group
// `dba` have to agree, one may deny.
import type { BrowserContext, Page } from "puppeteer-core";
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from "vitest";
import { API, Chromium, openTheOne, psql, psqlThatLeaves, shows, text, token, truth } from "./stage";

let chromium: Chromium;
let [dora, erin, agent] = ["", "", ""];
let people: BrowserContext[] = [];

beforeAll(async () => {
  chromium = await Chromium.start();
  [dora, erin, agent] = await Promise.all([
    token("dora", "human", ["dba"]),
    token("erin", "human", ["dba"]),
    token("support-agent", "agent", ["agents"], ["--on-behalf-of", "alice"]),
  ]);
});

afterEach(async () => {
  await Promise.all(people.map((person) => person.close()));
  people = [];
  // A page that works complains of nothing; each scenario that provokes something says so itself.
  expect(chromium.complaints.splice(0)).toEqual([]);
});

afterAll(() => chromium.end());

async function person(): Promise<BrowserContext> {
  const context = await chromium.person();
  people.push(context);
  return context;
}

const signIn = async (as: string, place = "/"): Promise<Page> => chromium.signedIn(await person(), as, place);

async function approve(page: Page): Promise<void> {
  await page.locator("#approve").click();
  await page.locator("#confirm").click();
}

const credit = (id: number) => truth(`SELECT credit_cents FROM customers WHERE id = ${id}`).then(Number);

describe("the approver's page", () => {
  it("shows what waits at once, and two people's yes lets psql go on, once", async () => {
    const [first, second] = await Promise.all([signIn(dora), signIn(erin)]);
    await shows(first, "Nothing waits for you");
    const before = await credit(7);
    const statement = "UPDATE customers SET credit_cents = credit_cents + 100 WHERE id = 7";
    const waiting = psql(agent, statement);
    await openTheOne(first, "sql:update public.customers");
    const shown = await text(first);
    for (const part of [statement, "alice", "support-agent", "agent", "shop", "production", "writes in production need a dba", "0 of 2 (dba)", "search_path"]) {
      expect(shown).toContain(part);
    }
    expect(await first.title()).toBe("(1) Countersign");
    await first.locator("#reason").fill("looks right");
    await approve(first);
    await shows(first, "1 of 2 (dba)");
    await shows(first, "has already decided");
    // The other one's list learnt of it by itself.
    await shows(second, "needs 1 of 2 (dba)");
    expect(await credit(7)).toBe(before);
    await openTheOne(second, "sql:update");
    expect(await text(second, ".decisions")).toContain("looks right");
    await approve(second);
    const said = await waiting;
    expect(said).toMatchObject({ code: 0, out: "UPDATE 1\n" });
    // Whoever waits is told where to look: the page of this very request.
    expect(said.error).toContain(`${API}/#/requests/apr_`);
    await shows(second, "The command ran, once.");
    await shows(first, "The command ran, once.");
    expect(await credit(7)).toBe(before + 100);
    await second.locator('a[href="#/ended"]').click();
    await shows(second, "done");
  });

  it("takes a no with its reason, and no no without one", async () => {
    const page = await signIn(dora);
    const before = await credit(8);
    const waiting = psql(agent, "UPDATE customers SET credit_cents = 1 WHERE id = 8");
    await openTheOne(page, "sql:update");
    await page.locator("#deny").click();
    await shows(page, "A no needs a reason");
    expect(await text(page, ".decide")).toContain("0 of 2");
    await page.locator("#reason").fill("ask finance first");
    await page.locator("#deny").click();
    const said = await waiting;
    expect(said.code).not.toBe(0);
    expect(said.error).toContain("42G01");
    expect(said.error).toContain("ask finance first");
    await shows(page, "Somebody said no. It was not run.");
    expect(await page.$("#approve")).toBeNull();
    expect(await credit(8)).toBe(before);
  });

  it("takes a yes back that was not used, and then it is a no", async () => {
    const [first, second] = await Promise.all([signIn(dora), signIn(erin)]);
    const before = await credit(11);
    const statement = "UPDATE customers SET credit_cents = 5 WHERE id = 11";
    const leaves = psqlThatLeaves(agent, statement);
    await openTheOne(first, "sql:update");
    await leaves();
    const place = new URL(first.url()).hash;
    await approve(first);
    await second.goto(`${API}/${place}`);
    await approve(second);
    await shows(first, "Everyone agreed. It may run once");
    await first.locator("#take-back").click();
    await shows(first, "Taken back before it was used, by dora");
    await shows(second, "Taken back before it was used, by dora");
    expect(await second.$("#take-back")).toBeNull();
    // Whoever comes back for it gets that answer, and nobody is asked again.
    expect((await psql(agent, statement)).code).not.toBe(0);
    expect(await credit(11)).toBe(before);
  });

  it("shows what the session sent before, to those who decide, and the reason that it gives as a claim", async () => {
    const diligent = await token("diligent-agent", "agent", ["agents"], ["--on-behalf-of", "alice"]);
    expect((await psql(diligent, "SELECT count(*) FROM products")).code).toBe(0);
    const waiting = psql(diligent, "UPDATE customers SET credit_cents = 6 /*reason='refund%20of%20SUP-7'*/");
    const page = await signIn(dora);
    await openTheOne(page, "sql:update");
    const shown = await text(page);
    for (const part of ["refund of SUP-7", "diligent-agent wrote this. Nobody has checked it.", "every row: there is no WHERE"]) {
      expect(shown).toContain(part);
    }
    expect(shown).not.toContain("count(*)");
    await page.locator("#earlier").click();
    await shows(page, "SELECT count(*) FROM products");
    expect(await page.$$(".earlier li")).toHaveLength(1);
    await page.locator("#reason").fill("all of them?");
    await page.locator("#deny").click();
    await waiting;
  });

  it("hides nothing of a statement that tries to hide", async () => {
    const page = await signIn(dora);
    const sneaky = "UPDATE customers SET name = 'x' /* \u202e\u2066 ; 7 = di EREHW \u2069 */ WHERE id\u00a0> 0 AND 'аdmin' <> '<img src=x onerror=alert(1)>'";
    const waiting = psql(agent, sneaky);
    await openTheOne(page, "sql:update");
    const shown = await text(page, "pre");
    expect(shown).toBe(sneaky.replace("\u202e", "\\u{202e}").replace("\u2066", "\\u{2066}").replace("\u2069", "\\u{2069}").replace("\u00a0", "\\u{a0}").replace("а", "\\u{430}"));
    expect(await page.$$eval("mark.hidden", (marks) => marks.map((mark) => mark.textContent))).toEqual(["\\u{202e}\\u{2066}", "\\u{2069}", "\\u{a0}", "\\u{430}"]);
    await shows(page, "5 characters that would not be seen");
    // Text stays text.
    expect(await page.$("main img")).toBeNull();
    await page.locator("#reason").fill("no");
    await page.locator("#deny").click();
    await waiting;
  });

  it("counts one person once, whatever their two tabs do at the same time", async () => {
    const browser = await person();
    const first = await chromium.signedIn(browser, dora);
    const waiting = psql(agent, "UPDATE customers SET credit_cents = credit_cents + 1 WHERE id = 9");
    await openTheOne(first, "sql:update");
    const place = new URL(first.url()).hash;
    const second = await chromium.signedIn(browser, dora, `/${place}`);
    await second.waitForSelector("#approve:not([disabled])");
    const tabs = [first, second];
    for (const tab of tabs) {
      await tab.bringToFront();
      await tab.locator("#approve").click();
      await tab.waitForSelector("#confirm:not([disabled])");
    }
    await Promise.all(tabs.map((tab) => tab.$eval("#confirm", (button) => (button as HTMLButtonElement).click())));
    for (const tab of tabs) {
      await tab.bringToFront();
      await shows(tab, "1 of 2 (dba)");
      await shows(tab, "You cannot decide: `dora` has already decided");
      expect(await tab.$$(".decisions li")).toHaveLength(1);
    }
    const other = await signIn(erin, `/${place}`);
    await approve(other);
    expect(await waiting).toMatchObject({ code: 0, out: "UPDATE 1\n" });
  });

  it("says that it is cut off, and knows all that happened meanwhile when it is back", async () => {
    const page = await signIn(dora);
    await shows(page, "live");
    await page.setOfflineMode(true);
    await shows(page, "Not connected");
    const waiting = psql(agent, "UPDATE customers SET credit_cents = 3 WHERE id = 10");
    await page.setOfflineMode(false);
    await openTheOne(page, "sql:update");
    await page.waitForSelector(".link.live");
    expect(await page.$("[role=alert]")).toBeNull();
    await page.locator("#reason").fill("no");
    await page.locator("#deny").click();
    await waiting;
    // The browser itself complains of the way that was cut, and of nothing else.
    expect(chromium.complaints.splice(0).filter((complaint) => !complaint.includes("ERR_INTERNET_DISCONNECTED"))).toEqual([]);
  });

  it("lets nobody decide on what they asked for, and says why", async () => {
    const developer = await token("frank", "human", ["dba", "developers"]);
    const page = await signIn(developer);
    const waiting = psql(developer, "ALTER TABLE products ADD COLUMN note text");
    await openTheOne(page, "Waiting for others");
    await shows(page, "You cannot decide: `frank` asked for this command");
    for (const button of ["#approve", "#deny"]) {
      expect(await page.$eval(button, (element) => (element as HTMLButtonElement).disabled)).toBe(true);
    }
    // On whose behalf it is asked, neither: the agent asks for alice.
    const behalf = await signIn(await token("alice", "human", ["dba"]));
    const asked = psql(agent, "DELETE FROM payments WHERE id = 1");
    await shows(behalf, "sql:delete public.payments");
    await behalf.$$eval(".list a.row", (rows) => rows.find((row) => row.textContent?.includes("sql:delete"))?.click());
    await shows(behalf, "You cannot decide: `alice` asked for this command, or it is asked for on their behalf");
    const other = await signIn(dora);
    for (const _ of [1, 2]) {
      await other.goto(`${API}/#/`);
      await other.locator(".list a.row").click();
      await other.locator("#reason").fill("not today");
      await other.locator("#deny").click();
      await shows(other, "Somebody said no");
    }
    expect((await waiting).error).toContain("42G01");
    expect((await asked).error).toContain("42G01");
  });

  it("signs out whose token has expired, and forgets it", async () => {
    const page = await signIn(await token("gina", "human", ["dba"], ["--ttl", "3s"]));
    await shows(page, "Nothing waits for you");
    await shows(page, "Your token has expired");
    expect(await page.$("#token")).not.toBeNull();
    expect(await page.evaluate(() => JSON.stringify([{ ...sessionStorage }, { ...localStorage }, document.cookie, location.href]))).not.toContain("cst_");
    await page.locator("#token").fill("cst_0000");
    await page.locator("button[type=submit]").click();
    await page.waitForSelector("form [role=alert]");
    await page.locator("#token").fill("hunter2");
    await page.locator("button[type=submit]").click();
    await shows(page, "begins with cst_");
  });

  it("stays signed in through a reload of its tab, and only there", async () => {
    const browser = await person();
    const page = await chromium.signedIn(browser, dora);
    await page.reload();
    await page.waitForSelector(".top");
    const other = await chromium.open(browser);
    await other.waitForSelector("#token");
    await page.bringToFront();
    await page.locator(".me button").click();
    await page.waitForSelector("#token");
    await page.reload();
    await page.waitForSelector("#token");
  });

  it("is fenced in by the browser", async () => {
    const page = await signIn(dora);
    const markup = await page.evaluate(() => {
      try {
        document.body.innerHTML = "<b>x</b>";
        return "taken";
      } catch (error) {
        return String(error);
      }
    });
    expect(markup).toContain("TrustedHTML");
    await page.evaluate(() => {
      const script = document.createElement("style");
      script.textContent = "body { display: none }";
      document.body.append(script);
    });
    expect(await page.evaluate(() => getComputedStyle(document.body).display)).toBe("block");
    const elsewhere = await page.evaluate(() => fetch("https://example.invalid/").then(() => "sent", String));
    expect(elsewhere).toContain("TypeError");
    // All three are noticed; that is what this scenario is about.
    const noticed = () => ["require-trusted-types-for", "style-src", "connect-src"].filter((rule) => chromium.complaints.some((complaint) => complaint.includes(`policy: ${rule}`)));
    await vi.waitFor(() => expect(noticed()).toHaveLength(3));
    chromium.complaints.splice(0);
  });

  it("takes no calls from elsewhere and says nothing under a strange name", async () => {
    const call = `${API}/countersign.v1.ApprovalService/ListApprovals`;
    const headers = { "content-type": "application/grpc-web+proto", authorization: `Bearer ${dora}` };
    const body = new Uint8Array(5);
    const own = await fetch(call, { method: "POST", headers, body });
    expect([own.status, own.headers.get("access-control-allow-origin")]).toEqual([200, null]);
    const foreign = await fetch(call, { method: "POST", headers: { ...headers, origin: "https://evil.example" }, body });
    expect(foreign.status).toBe(403);
    const preflight = await fetch(call, { method: "OPTIONS", headers: { origin: "https://evil.example", "access-control-request-method": "POST" } });
    expect([preflight.status, preflight.headers.get("access-control-allow-origin")]).toEqual([403, null]);
    const tokens = await fetch(`${API}/countersign.v1.SessionService/IssueToken`, { method: "POST", headers, body });
    expect(tokens.status).toBe(404);
    const get = await fetch(`${API}/countersign.v1.ApprovalService/DecideApproval?x`, { headers });
    expect(get.status).toBe(404);
  });
});
