// Pictures of the page for people to look at: each view on a desk and on a phone, in light and dark.
import { expect, it } from "vitest";
import type { Page } from "puppeteer-core";
import { Chromium, psql, shows, token } from "./stage";

const FOLDER = process.env.PICTURES ?? "shots";
// Not as a mobile device: Chromium loads a page anew when it becomes one.
const SIZES = { desk: { width: 1280, height: 860 }, phone: { width: 390, height: 844 } };

async function picture(page: Page, name: string): Promise<void> {
  for (const [size, viewport] of Object.entries(SIZES)) {
    await page.setViewport(viewport);
    await page.evaluate(() => scrollTo(0, 0));
    for (const scheme of ["light", "dark"]) {
      await page.emulateMediaFeatures([{ name: "prefers-color-scheme", value: scheme }]);
      const overflow = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
      expect(overflow, `${name} on a ${size} is wider than the screen`).toBeLessThanOrEqual(0);
      await page.screenshot({ path: `${FOLDER}/${name}-${size}-${scheme}.png`, fullPage: size === "phone" });
    }
  }
}

it("shows every view", { timeout: 120_000 }, async () => {
  const chromium = await Chromium.start();
  const browser = await chromium.person();
  const [dora, erin, agent, other] = await Promise.all([
    token("dora", "human", ["dba"]),
    token("erin", "human", ["dba", "developers"]),
    token("support-agent", "agent", ["agents"], ["--on-behalf-of", "alice"]),
    token("billing-agent", "agent", ["agents"]),
  ]);
  await picture(await chromium.open(browser), "1-sign-in");
  const page = await chromium.signedIn(browser, dora);
  await shows(page, "Nothing waits for you");
  await picture(page, "2-nothing");
  const held = [
    psql(agent, "UPDATE customers\n   SET credit_cents = credit_cents + 2500\n WHERE id = 7"),
    psql(erin, "ALTER TABLE products ADD COLUMN note text"),
  ];
  await shows(page, "sql:update");
  held.push(psql(other, "DELETE FROM payments"));
  await shows(page, "sql:delete");
  await picture(page, "3-waiting");
  await page.$$eval(".list a.row", (rows) => rows.find((row) => row.textContent?.includes("sql:update"))?.click());
  await page.waitForSelector(".decide");
  await picture(page, "4-request");
  await page.locator("#approve").click();
  await page.waitForSelector("#confirm:not([disabled])");
  await picture(page, "5-confirm");
  await page.locator("#confirm").click();
  await shows(page, "1 of 2");
  await picture(page, "6-one-of-two");
  held.push(psql(agent, "BEGIN; UPDATE customers SET name = 'x' /* \u202e\u2066 ; 7 = di EREHW \u2069 */ WHERE id\u00a0> 0 AND city <> 'Вerlin\\n'"));
  await page.goto(`${new URL(page.url()).origin}/#/`);
  await page.waitForFunction(() => document.querySelectorAll(".list a.row").length === 4);
  await page.$$eval(".list a.row", (rows) => rows[0]?.click());
  await page.waitForSelector(".decide");
  await picture(page, "7-hidden");
  const ids = await page.goto(`${new URL(page.url()).origin}/#/`).then(() => page.waitForSelector(".list")).then(() => page.$$eval(".list a.row", (rows) => rows.map((row) => row.getAttribute("href") ?? "")));
  for (const id of ids) {
    await page.goto(`${new URL(page.url()).origin}/${id}`);
    await page.waitForSelector("#reason, .decide [role=status]");
    if (await page.$("#deny:not([disabled])")) {
      await page.locator("#reason").fill("not without a ticket");
      await page.locator("#deny").click();
      await shows(page, "Somebody said no");
    }
  }
  await picture(page, "8-denied");
  await page.goto(`${new URL(page.url()).origin}/#/ended`);
  await page.waitForSelector(".list a.row");
  await picture(page, "9-ended");
  await chromium.end();
});
