// The exact text of a command and of what is bound to it, whole, with everything that could hide marked.
import { useMemo } from "preact/hooks";
import type { Command, NamedText, Parameter } from "../gen/countersign/v1/words_pb";
import { statement, value } from "../shown/rendering";
import { onOneLine, remarks, stretches, visibleBytes } from "../shown/visible";
import { readBinary, typeWord } from "../words";
import { Section } from "./parts";

export function Statement({ command }: { command: Command }) {
  const text = useMemo(() => statement(command), [command]);
  const lines = text.split("\n").length;
  const note = `${command.form} · ${count(command.text.length, "byte")} · ${count(lines, "line")}, all of it`;
  return (
    <Section title="Statement" note={note}>
      <Remarks text={text} />
      <Exact text={text} label="The statement as it would run" />
    </Section>
  );
}

function count(number: number, noun: string): string {
  return `${number.toLocaleString("en")} ${noun}${number === 1 ? "" : "s"}`;
}

/** Text as it is shown everywhere, in the order in which it is sent, marked where eyes may err. */
export function Exact({ text, label }: { text: string; label: string }) {
  return (
    <pre tabIndex={0} role="region" aria-label={label} dir="ltr">
      <Marked text={text} />
    </pre>
  );
}

function Marked({ text }: { text: string }) {
  return (
    <code>
      {stretches(text).map((stretch, at) =>
        stretch.kind === "plain" ? stretch.text : <mark key={at} class={stretch.kind} title={titleOf(stretch.text, stretch.kind)}>{stretch.text}</mark>,
      )}
    </code>
  );
}

function titleOf(text: string, kind: "hidden" | "foreign"): string {
  if (kind === "hidden") return "a character that would not be seen or would pass for another, written out";
  const points = Array.from(text.slice(0, 16), (one) => `U+${(one.codePointAt(0) ?? 0).toString(16).toUpperCase().padStart(4, "0")}`);
  return `beyond ASCII: ${points.join(" ")}${text.length > 16 ? " …" : ""}`;
}

/** What to know before trusting one's eyes. */
function Remarks({ text }: { text: string }) {
  const found = remarks(text);
  return (
    <>
      {found.hidden > 0 && (
        <p class="banner bad">
          {count(found.hidden, "character")} that would not be seen, would turn the direction of writing or would pass for another,{" "}
          {found.hidden === 1 ? "is" : "are"} written out and marked.
        </p>
      )}
      {found.foreign > 0 && (
        <p class="banner">
          {count(found.foreign, "character")} beyond ASCII {found.foreign === 1 ? "is" : "are"} marked: a letter may look like
          another one.
        </p>
      )}
      {found.gaps && <p class="banner">There are long gaps in it. Read to its end.</p>}
      {found.backslashes && <p class="help">A backslash is shown twice, so that it is not taken for a mark of ours.</p>}
    </>
  );
}

/** What a statement runs by name: the text of a prepared statement, the query of a cursor. */
export function Texts({ texts }: { texts: NamedText[] }) {
  return (
    <>
      {texts.map((named, at) => (
        <Section key={at} title="Runs by name" note={onOneLine(named.name)}>
          <Remarks text={visibleBytes(named.text)} />
          <Exact text={visibleBytes(named.text)} label="A text that the statement runs by its name" />
          <Parameters parameters={named.parameters} />
        </Section>
      ))}
    </>
  );
}

export function Parameters({ parameters }: { parameters: Parameter[] }) {
  if (parameters.length === 0) return null;
  return (
    <Section title="Parameters" note={String(parameters.length)}>
      <div class="scroll">
        <table>
          <thead>
            <tr>
              <th scope="col">#</th>
              <th scope="col">Type</th>
              <th scope="col">Value</th>
            </tr>
          </thead>
          <tbody>
            {parameters.map((parameter, at) => (
              <tr key={at}>
                <td>${at + 1}</td>
                <td>{typeWord(parameter.typeName)}</td>
                <td>
                  <Bound parameter={parameter} />
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </Section>
  );
}

function Bound({ parameter }: { parameter: Parameter }) {
  const reading = parameter.binary && parameter.value ? readBinary(parameter.typeName, parameter.value) : undefined;
  return (
    <span class="value">
      <Marked text={value(parameter)} />
      {reading !== undefined && <small> reads {reading}</small>}
    </span>
  );
}
