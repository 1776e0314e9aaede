// Text in which nothing hides, as `crates/common/src/rendering.rs` writes it: control characters other than line feed
// and tab, marks that change the direction or are not seen, and the backslash that makes them visible, are written
// out. Both have to write the same; `test/vectors.json` holds them together.

/** Spans of code points that a reader could miss or be misled by, besides control characters and odd spaces. */
const HIDING: readonly (readonly [number, number])[] = [
  [0xad, 0xad], [0x34f, 0x34f], [0x61c, 0x61c], [0x115f, 0x1160], [0x17b4, 0x17b5], [0x180b, 0x180f],
  [0x200b, 0x200f], [0x202a, 0x202e], [0x2060, 0x206f], [0x3164, 0x3164], [0xfe00, 0xfe0f], [0xfeff, 0xfeff],
  [0xffa0, 0xffa0], [0xfff0, 0xfffb], [0x1bca0, 0x1bca3], [0x1d173, 0x1d17a], [0xe0000, 0xe0fff],
];

/** White space of Unicode other than the space. */
const ODD_SPACE: readonly (readonly [number, number])[] = [
  [0x9, 0xd], [0x85, 0x85], [0xa0, 0xa0], [0x1680, 0x1680], [0x2000, 0x200a], [0x2028, 0x2029], [0x202f, 0x202f],
  [0x205f, 0x205f], [0x3000, 0x3000],
];

function within(point: number, spans: readonly (readonly [number, number])[]): boolean {
  return spans.some(([first, last]) => first <= point && point <= last);
}

function hides(point: number): boolean {
  const control = point < 0x20 || (0x7f <= point && point <= 0x9f);
  return control || within(point, ODD_SPACE) || within(point, HIDING);
}

/** One character as it is shown. */
function shown(character: string): string {
  if (character === "\n" || character === "\t") return character;
  if (character === "\\") return "\\\\";
  const point = character.codePointAt(0) ?? 0;
  return hides(point) ? `\\u{${point.toString(16)}}` : character;
}

/** A text in which nothing hides. */
export function visible(text: string): string {
  // Most text is plain: only what is not is looked at, character by character.
  return text.replace(/[^\x20-\x5b\x5d-\x7e\n\t]/gu, shown);
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
