// Text as people are shown it, as `crates/common/src/visible.rs` writes it: characters that cannot be seen, or that pass
// for others, are written out. Both have to write the same; `characters.json` is the table that the other side generates
// from Unicode's data, and `test/visible.json` holds them together.
import table from "./characters.json";

/** Spans of code points, sorted: where each begins, and where it ends. */
interface Spans {
  first: Uint32Array;
  last: Uint32Array;
}

/** Spans from the table: the distance from the end of the one before, and the length, in turn. */
function spans(deltas: readonly number[], step = 2): Spans {
  const first = new Uint32Array(deltas.length / step);
  const last = new Uint32Array(deltas.length / step);
  for (let at = 0, end = 0; at < first.length; at += 1) {
    first[at] = end + (deltas[at * step] ?? 0);
    end = (first[at] ?? 0) + (deltas[at * step + 1] ?? 0);
    last[at] = end - 1;
  }
  return { first, last };
}

/** The number of the span that has this code point; -1: none has. */
function find(spans: Spans, point: number): number {
  let [low, high] = [0, spans.first.length - 1];
  while (low <= high) {
    const middle = (low + high) >> 1;
    if (point < (spans.first[middle] ?? 0)) high = middle - 1;
    else if (point > (spans.last[middle] ?? 0)) low = middle + 1;
    else return middle;
  }
  return -1;
}

const HIDES = spans(table.hides);
const LETTERS = spans(table.letters);
const MARKS = spans(table.marks);
const OVER_LETTER = spans(table.over_letter);
const CONNECTORS = spans(table.connectors);
const LOOKALIKES = spans(table.lookalikes);
const SCRIPTS = spans(table.scripts, 3);
const SCRIPT_SETS = table.script_sets.map((set) => set.split(" "));

/** The longest row of combining marks that is shown. */
const MARKS_MAX = 2;

function hides(point: number): boolean {
  return point < 0x80 ? point < 0x20 || point === 0x7f : find(HIDES, point) >= 0;
}

function isLetter(point: number): boolean {
  if (point >= 0x80) return find(LETTERS, point) >= 0;
  return (0x30 <= point && point <= 0x39) || (0x41 <= point && point <= 0x5a) || (0x61 <= point && point <= 0x7a);
}

/** Letters, marks, digits and connectors: what identifiers are made of. */
function isOfWord(point: number): boolean {
  if (point < 0x80) return isLetter(point) || point === 0x5f;
  return isLetter(point) || find(MARKS, point) >= 0 || find(CONNECTORS, point) >= 0;
}

/** The scripts that a character of a word goes with; undefined: with every one. */
function scriptsOf(point: number): string[] | undefined {
  if (point < 0x80) return (0x41 <= point && point <= 0x5a) || (0x61 <= point && point <= 0x7a) ? ["Latn"] : undefined;
  const span = find(SCRIPTS, point);
  return span < 0 ? undefined : SCRIPT_SETS[table.scripts[span * 3 + 2] ?? 0];
}

/** The scripts that all of them go with; undefined: every one. */
function common(scripts: (string[] | undefined)[]): string[] | undefined {
  return scripts.reduce<string[] | undefined>((all, one) => {
    if (all === undefined || one === undefined) return all ?? one;
    return all.filter((script) => one.includes(script));
  }, undefined);
}

function mixesScripts(word: number[]): boolean {
  const scripts = word.map(scriptsOf);
  if (common(scripts)?.length !== 0) return false;
  // Latin beside Han, Japanese or Korean is usual.
  const rest = common(scripts.filter((one) => one?.includes("Latn") !== true));
  return rest !== undefined && !rest.some((script) => script === "Hanb" || script === "Jpan" || script === "Kore");
}

function readsAsAscii(word: number[]): boolean {
  return word.every((point) => point < 0x80 || find(LOOKALIKES, point) >= 0);
}

function written(point: number): string {
  return `\\u{${point.toString(16)}}`;
}

/** A row of characters of a word, as it is shown. */
function shownWord(word: number[]): string {
  const misleads = mixesScripts(word) || readsAsAscii(word);
  let text = "";
  let left = 0;
  for (const point of word) {
    let shows = point < 0x80 || !misleads;
    if (point < 0x80 || find(MARKS, point) < 0) {
      left = isLetter(point) ? MARKS_MAX : 0;
    } else if (left === 0 || find(OVER_LETTER, point) >= 0) {
      left = 0;
      shows = false;
    } else {
      left -= 1;
    }
    text += shows ? String.fromCodePoint(point) : written(point);
  }
  return text;
}

/** A row of characters without plain punctuation in between. */
function shownRow(row: string): string {
  if (/^[A-Za-z0-9_]*$/.test(row)) return row;
  let text = "";
  let word: number[] = [];
  for (const character of row) {
    const point = character.codePointAt(0) ?? 0;
    if (isOfWord(point)) {
      word.push(point);
      continue;
    }
    text += shownWord(word) + (hides(point) ? written(point) : character);
    word = [];
  }
  return text + shownWord(word);
}

/** A text in which nothing hides. */
export function visible(text: string): string {
  // Most text is plain: only what is not is looked at, character by character.
  return text.replaceAll("\\", "\\\\").replace(/[A-Za-z0-9_\u{80}-\u{10ffff}]+|[\0-\x09\x0b-\x1f\x7f]/gu, shownRow);
}

/** The same on one line. */
export function onOneLine(text: string): string {
  return visible(text).replaceAll("\n", "\\u{a}");
}

/** The same for bytes: those that are no UTF-8 appear as `\x..`. */
export function visibleBytes(bytes: Uint8Array): string {
  const whole = decoded(bytes);
  if (whole !== undefined) return visible(whole);
  let text = "";
  let valid = 0;
  for (let at = 0; at < bytes.length; ) {
    const length = sequence(bytes, at);
    if (length > 0) {
      at += length;
      continue;
    }
    text += visible(decoded(bytes.subarray(valid, at)) ?? "") + `\\x${byteAt(bytes, at).toString(16).padStart(2, "0")}`;
    at += 1;
    valid = at;
  }
  return text + visible(decoded(bytes.subarray(valid)) ?? "");
}

function decoded(bytes: Uint8Array): string | undefined {
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    return undefined;
  }
}

function byteAt(bytes: Uint8Array, at: number): number {
  return bytes[at] ?? 0;
}

/** How many bytes the character at this place has; zero: they are no UTF-8 (Unicode 16, table 3-7). */
function sequence(bytes: Uint8Array, at: number): number {
  const first = byteAt(bytes, at);
  const length = first < 0x80 ? 1 : first < 0xc2 ? 0 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : first < 0xf5 ? 4 : 0;
  const [least, most] = SECOND[first] ?? [0x80, 0xbf];
  for (let next = 1; next < length; next += 1) {
    const byte = byteAt(bytes, at + next);
    if (byte < (next === 1 ? least : 0x80) || byte > (next === 1 ? most : 0xbf)) return 0;
  }
  return length;
}

/** Where the second byte has a narrower range: no overlong forms, no surrogates, nothing beyond Unicode. */
const SECOND: Record<number, [number, number]> = {
  0xe0: [0xa0, 0xbf],
  0xed: [0x80, 0x9f],
  0xf0: [0x90, 0xbf],
  0xf4: [0x80, 0x8f],
};

/** A stretch of shown text, and what is remarkable about it. */
export interface Stretch {
  text: string;
  /** `hidden`: a character that would not be seen, written out. `foreign`: one beyond ASCII, maybe a lookalike. */
  kind: "plain" | "hidden" | "foreign";
}

// An escaped backslash is taken whole, so that what follows it is not taken for an escape.
const REMARKABLE = /\\\\|(?<hidden>(?:\\u\{[0-9a-f]+\}|\\x[0-9a-f]{2})+)|(?<foreign>[^\x00-\x7f]+)/gu;

/** Shown text, taken apart for marking; joined again it is the same. */
export function stretches(text: string): Stretch[] {
  const found: Stretch[] = [];
  let plain = 0;
  for (const match of text.matchAll(REMARKABLE)) {
    const kind = match.groups?.hidden !== undefined ? "hidden" : match.groups?.foreign !== undefined ? "foreign" : "plain";
    if (kind === "plain") continue;
    if (match.index > plain) found.push({ text: text.slice(plain, match.index), kind: "plain" });
    found.push({ text: match[0], kind });
    plain = match.index + match[0].length;
  }
  if (plain < text.length) found.push({ text: text.slice(plain), kind: "plain" });
  return found;
}

/** What a reader of shown text has to be told before they trust their eyes. */
export interface Remarks {
  hidden: number;
  foreign: number;
  backslashes: boolean;
  /** Long gaps: what follows may stand further down or to the right than one looks. */
  gaps: boolean;
}

export function remarks(text: string): Remarks {
  const count = (kind: string, of: RegExp) =>
    stretches(text).filter((stretch) => stretch.kind === kind).reduce((sum, { text }) => sum + (text.match(of)?.length ?? 0), 0);
  return {
    hidden: count("hidden", /\\[ux]/g),
    foreign: count("foreign", /./gu),
    backslashes: text.includes("\\\\"),
    gaps: /(?:\n[ \t]*){8}|[ \t]{80}/.test(text),
  };
}
