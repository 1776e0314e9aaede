// Words, times and tokens.
import { describe, expect, it } from "vitest";
import { span } from "../src/clock";
import { placeOf } from "../src/hooks";
import { looksLikeToken } from "../src/token";
import { readBinary, typeWord } from "../src/words";

describe("words", () => {
  it("says a length of time in its two largest units", () => {
    const cases: [number, string][] = [
      [-5, "0 s"], [999, "0 s"], [59_000, "59 s"], [61_000, "1 min 1 s"], [600_000, "10 min"], [3_599_000, "59 min"],
      [3_600_000, "1 h"], [7_500_000, "2 h 5 min"], [90_000_000, "1 d 1 h"],
    ];
    for (const [ms, text] of cases) expect(span(ms)).toBe(text);
  });

  it("reads binary values only where their type leaves no doubt", () => {
    expect(readBinary("23", new Uint8Array([0, 0, 0, 7]))).toBe("7");
    expect(readBinary("20", new Uint8Array([255, 255, 255, 255, 255, 255, 255, 254]))).toBe("-2");
    expect(readBinary("16", new Uint8Array([1]))).toBe("true");
    expect(readBinary("23", new Uint8Array([7]))).toBeUndefined();
    expect(readBinary("1700", new Uint8Array([0, 0, 0, 7]))).toBeUndefined();
    expect(typeWord("23")).toBe("integer (23)");
    expect(typeWord("x\u202e")).toBe("x\\u{202e}");
  });

  it("finds its place in the address and nothing else", () => {
    expect(placeOf("")).toEqual({ view: "waiting" });
    expect(placeOf("#/ended")).toEqual({ view: "ended" });
    expect(placeOf("#/requests/apr_01ARZ3NDEKTSV4RRFFQ69G5FAV")).toEqual({ view: "request", id: "apr_01ARZ3NDEKTSV4RRFFQ69G5FAV" });
    expect(placeOf("#/requests/../x")).toEqual({ view: "waiting" });
  });

  it("sends nothing that is no token", () => {
    expect(looksLikeToken("cst_abc")).toBe(true);
    for (const text of ["", "cst_", "hunter2", "cst_a b", "cst_a\u200bb"]) expect(looksLikeToken(text)).toBe(false);
  });
});
