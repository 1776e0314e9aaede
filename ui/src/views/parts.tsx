// Small parts that several views have.
import type { ComponentChildren } from "preact";
import type { ApprovalEntry } from "../gen/countersign/v1/approvals_pb";
import { ApprovalState } from "../gen/countersign/v1/approvals_pb";
import type { Principal } from "../gen/countersign/v1/words_pb";
import { millis, moment, span } from "../clock";
import { useNow } from "../hooks";
import { onOneLine } from "../shown/visible";
import { chainOf, kindWord, STATES, stateOf } from "../words";

/** On whose behalf ⊃ who. */
export function Who({ principal }: { principal: Principal | undefined }) {
  if (!principal) return <>unknown</>;
  const chain = chainOf(principal);
  return (
    <span class="who" aria-label={chain.join(", and for them ")}>
      {chain.map((one, at) => (
        <span key={at} class={at === chain.length - 1 ? "actor" : "behalf"}>
          {at > 0 && <i aria-hidden="true"> ⊃ </i>}
          {one}
        </span>
      ))}
      <span class={`kind ${kindWord(principal)}`}>{kindWord(principal)}</span>
    </span>
  );
}

/** Target and its environment. */
export function Where({ entry }: { entry: ApprovalEntry }) {
  return (
    <span class="where">
      {onOneLine(entry.approval?.target ?? "")}
      {entry.environment !== undefined && <span class="environment">{onOneLine(entry.environment)}</span>}
    </span>
  );
}

export function StateChip({ entry }: { entry: ApprovalEntry }) {
  const state = stateOf(entry);
  return <span class={`state ${ApprovalState[state].toLowerCase()}`}>{STATES[state]}</span>;
}

/** How long ago. */
export function Age({ ms }: { ms: number }) {
  return <time title={moment(ms)}>{span(useNow() - ms)} ago</time>;
}

/** The time that is left, counting down. */
export function Left({ entry }: { entry: ApprovalEntry }) {
  const [from, until] = [millis(entry.approval?.createTime), millis(entry.approval?.expireTime)];
  const left = until - useNow();
  const soon = left < Math.min(120_000, (until - from) / 5);
  return (
    <time class={soon ? "left soon" : "left"} title={moment(until)}>
      {left > 0 ? span(left) : "over"}
    </time>
  );
}

/** A part of a request, under a heading. */
export function Section({ title, note, children }: { title: string; note?: string; children: ComponentChildren }) {
  return (
    <section aria-label={title}>
      <h2>
        {title}
        {note !== undefined && <small>{note}</small>}
      </h2>
      {children}
    </section>
  );
}

/** Names and what they stand for. */
export function Pairs({ of }: { of: [string, ComponentChildren][] }) {
  return (
    <dl>
      {of.map(([name, value]) => (
        <div key={name}>
          <dt>{name}</dt>
          <dd>{value}</dd>
        </div>
      ))}
    </dl>
  );
}
