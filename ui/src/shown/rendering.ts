// A held command as people are shown it, and what an approval is bound to, computed here from the command itself:
// the same text and the same digests as `crates/common/src/{rendering,command}.rs`.
import type { FactsBasis } from "../gen/countersign/v1/approvals_pb";
import { CatalogueStanding } from "../gen/countersign/v1/approvals_pb";
import type { Command, Context, Parameter, Principal } from "../gen/countersign/v1/words_pb";
import { PrincipalKind } from "../gen/countersign/v1/words_pb";
import { DigestBuilder, hex } from "./digest";
import { onOneLine, visibleBytes } from "./visible";

/** The word for a kind in texts and digests. */
export function kindOf(principal: Principal): string {
  switch (principal.kind) {
    case PrincipalKind.HUMAN:
      return "human";
    case PrincipalKind.AGENT:
      return "agent";
    case PrincipalKind.SERVICE:
      return "service";
    default:
      throw new Error("a principal has no kind");
  }
}

/** Settings in the order of their names' bytes. */
export function settingsOf(context: Context): [string, string][] {
  const points = (text: string) => Array.from(text, (character) => character.codePointAt(0) ?? 0);
  return Object.entries(context.settings).sort(([a], [b]) => compare(points(a), points(b)));
}

// UTF-8 sorts as its code points do.
function compare(a: number[], b: number[]): number {
  for (let at = 0; at < Math.min(a.length, b.length); at += 1) {
    const difference = (a[at] ?? 0) - (b[at] ?? 0);
    if (difference !== 0) return difference;
  }
  return a.length - b.length;
}

/** What the facts of a command rest on, a sentence each. */
export function sentences(basis: FactsBasis | undefined): string[] {
  if (basis === undefined) return [];
  return [
    `definitions of the database: ${standing(basis.catalogue)}`,
    ...(basis.understated ? ["warning: the gateway stated less than this command does"] : []),
  ];
}

function standing(catalogue: CatalogueStanding): string {
  switch (catalogue) {
    case CatalogueStanding.AGREED:
      return "two gateways agree on them";
    case CatalogueStanding.CLAIMED:
      return "claimed by one gateway";
    case CatalogueStanding.UNKNOWN:
      return "not known";
    default:
      throw new Error("nobody vouches for a catalogue");
  }
}

/** The text that approvers are shown, whole. */
export function rendering(
  command: Command,
  context: Context,
  principal: Principal,
  basis: FactsBasis | undefined,
): string {
  const behalf = principal.onBehalfOf.map((other) => ` on behalf of ${onOneLine(other)}`).join("");
  const lines = [
    `${kindOf(principal)} ${onOneLine(principal.subject)}${behalf}`,
    `on ${onOneLine(context.target)} as ${onOneLine(context.role)}, database ${onOneLine(context.database)}`,
    ...settingsOf(context).map(([name, value]) => `with ${onOneLine(name)} = ${onOneLine(value)}`),
    ...(context.transaction === undefined ? [] : ["inside an open transaction"]),
    ...sentences(basis),
    `${onOneLine(command.form)}:`,
    ...marked(command.text, command.parameters),
    ...context.texts.flatMap((named) => [`${onOneLine(named.name)}:`, ...marked(named.text, named.parameters)]),
  ];
  return lines.map((line) => `${line}\n`).join("");
}

/** A statement with its parameters. */
function marked(text: Uint8Array, parameters: Parameter[]): string[] {
  return [
    ...visibleBytes(text).split("\n").map((line) => `| ${line}`),
    ...parameters.map((parameter, at) => `$${at + 1} ${typed(parameter)}`),
  ];
}

/** The statement, as it stands in the rendering. */
export function statement(command: Command): string {
  return visibleBytes(command.text);
}

function typed(parameter: Parameter): string {
  const type = onOneLine(parameter.typeName);
  return `(type ${type}${parameter.binary && parameter.value ? ", binary" : ""}) = ${value(parameter)}`;
}

/** A parameter's value, as it stands in the rendering. */
export function value(parameter: Parameter): string {
  if (parameter.value === undefined) return "NULL";
  if (parameter.binary) return `\\x${hex(parameter.value)}`;
  return `'${visibleBytes(parameter.value).replaceAll("\n", "\\u{a}")}'`;
}

/** The digest that a decision carries: over the text as it was shown. */
export function renderingDigest(text: string): Promise<Uint8Array> {
  return new DigestBuilder("countersign.rendering.v1").text(text).finish();
}

/** The digest that an approval is bound to. */
export function commandDigest(
  command: Command,
  context: Context,
  principal: Principal,
  session: string,
): Promise<Uint8Array> {
  const digest = new DigestBuilder("countersign.command.v1");
  digest.text(context.target).bytes(context.generation).text(context.role).text(context.database);
  digest.text(kindOf(principal)).text(principal.subject).number(principal.onBehalfOf.length);
  principal.onBehalfOf.forEach((other) => digest.text(other));
  digest.bytes(ulid(session, "ses_"));
  const settings = settingsOf(context);
  digest.number(settings.length);
  settings.forEach(([name, value]) => digest.text(name).text(value));
  digest.optional(context.transaction).text(command.form).bytes(command.text);
  parametersInto(digest, command.parameters);
  for (const named of context.texts) {
    digest.text(named.name).bytes(named.text);
    parametersInto(digest, named.parameters);
  }
  return digest.finish();
}

function parametersInto(digest: DigestBuilder, parameters: Parameter[]) {
  digest.number(parameters.length);
  for (const parameter of parameters) {
    digest.text(parameter.typeName).number(parameter.binary ? 1 : 0).optional(parameter.value);
  }
}

const CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";

/** The 16 bytes of an id. */
function ulid(id: string, prefix: string): Uint8Array {
  const body = id.slice(prefix.length);
  if (!id.startsWith(prefix) || body.length !== 26) throw new Error(`\`${id}\` is no id of the kind ${prefix}`);
  let bits = 0n;
  for (const character of body) {
    const digit = CROCKFORD.indexOf(character);
    if (digit < 0) throw new Error(`\`${id}\` is malformed`);
    bits = (bits << 5n) | BigInt(digit);
  }
  const bytes = new Uint8Array(16);
  for (let at = 15; at >= 0; at -= 1, bits >>= 8n) bytes[at] = Number(bits & 0xffn);
  return bytes;
}
