// What could hide or mislead is marked, and marking changes nothing of what is shown.
import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { remarks, stretches, visible, visibleBytes } from "../src/shown/visible";

interface Vectors {
  /** First and last of each span of characters that, alone, are not shown as they are. */
  written_out: [number, number][];
  /** Texts, and how they are shown. */
  texts: [string, string][];
}

const vectors = JSON.parse(readFileSync(new URL("visible.json", import.meta.url), "utf8")) as Vectors;

describe("characters", () => {
  it("are shown as everywhere else, each one of them", () => {
    const found: [number, number][] = [];
    for (let point = 0; point <= 0x10ffff; point += 1) {
      if (0xd800 <= point && point <= 0xdfff) continue;
      const character = String.fromCodePoint(point);
      if (visible(character) === character) continue;
      const last = found.at(-1);
      // No surrogate stands in Rust's texts: the spans go over them.
      if (last !== undefined && last[1] + 1 === point) last[1] = point;
      else found.push([point, point]);
    }
    expect(found).toEqual(vectors.written_out);
  }, 60_000);

  it("are shown as everywhere else, beside each other", () => {
    for (const [text, shown] of vectors.texts) expect(visible(text)).toBe(shown);
  });
});

describe("shown text", () => {
  it("tells a character that hides from one that was typed to look like it", () => {
    const text = visible("a\u202eb \\u{202e} ключ");
    expect(text).toBe("a\\u{202e}b \\\\u{202e} ключ");
    expect(stretches(text).filter(({ kind }) => kind === "hidden")).toEqual([{ text: "\\u{202e}", kind: "hidden" }]);
    expect(stretches(text).at(-1)).toEqual({ text: "ключ", kind: "foreign" });
  });

  it("is the same when its stretches are joined", () => {
    for (const raw of ["", "SELECT 1", "\u0000\\\\\u200b\\", "é\u202e\\x41\\u{41}\u{e0041}", "\\".repeat(7)]) {
      const text = visible(raw);
      expect(stretches(text).map((stretch) => stretch.text).join("")).toBe(text);
    }
  });

  it("counts what a reader has to know", () => {
    expect(remarks(visible("SELECT 1"))).toEqual({ hidden: 0, foreign: 0, backslashes: false, gaps: false });
    expect(remarks(visible("a\u202e\u2066b\u0430\u{1f600}\\"))).toEqual({ hidden: 3, foreign: 1, backslashes: true, gaps: false });
    expect(remarks(`SELECT 1;${"\n".repeat(40)}DROP TABLE t`).gaps).toBe(true);
    expect(remarks(`SELECT 1;${" ".repeat(200)}DROP TABLE t`).gaps).toBe(true);
    expect(remarks(visibleBytes(new Uint8Array([0x61, 0xff, 0xfe]))).hidden).toBe(2);
  });

  it("takes a megabyte of what hides", () => {
    expect(visibleBytes(new Uint8Array(1 << 20).fill(0xff)).length).toBe(4 << 20);
    expect(stretches(visible("\u200b".repeat(1 << 18))).length).toBe(1);
    expect(visible("a".repeat(1 << 20)).length).toBe(1 << 20);
    expect(visible("\u0430".repeat(1 << 18) + "b").length).toBe(7 * (1 << 18) + 1);
  });
});
