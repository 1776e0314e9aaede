// What whoever asks says of why: a word in a comment at the very end of the statement, as sqlcommenter writes it
// (`/*reason='…'*/`). It is part of the statement like every byte of it, and a claim: nobody has checked it.
// See https://google.github.io/sqlcommenter/spec/.

/** The longest statement that is looked through for one, in characters from its end. */
const LOOKED_AT = 8192;

/** The reason that a statement gives, if it does. */
export function claimedReason(text: Uint8Array): string | undefined {
  const whole = new TextDecoder().decode(text.subarray(-LOOKED_AT)).trimEnd();
  const ended = whole.endsWith(";") ? whole.slice(0, -1).trimEnd() : whole;
  const from = ended.lastIndexOf("/*");
  if (from < 0 || !ended.endsWith("*/") || from + 4 > ended.length) return undefined;
  const found = /(?:^|,)\s*reason='((?:[^'\\]|\\.)*)'/.exec(ended.slice(from + 2, -2));
  const value = found?.[1]?.replace(/\\(.)/g, "$1");
  if (value === undefined) return undefined;
  try {
    return decodeURIComponent(value);
  } catch {
    // Not encoded as it should be: shown as it stands.
    return value;
  }
}
