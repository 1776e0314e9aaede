// What has not ended: those that wait for people first, then those that were let go.
import type { ApprovalEntry } from "../gen/countersign/v1/approvals_pb";
import { ApprovalState } from "../gen/countersign/v1/approvals_pb";
import { PAGE_SIZE, type Standing } from "../board";
import { millis } from "../clock";
import { onOneLine } from "../shown/visible";
import { stateOf } from "../words";
import { Age, Left, StateChip, Where, Who } from "./parts";

export function Waiting({ standing }: { standing: Standing }) {
  const { entries } = standing;
  if (entries === undefined) return <p class="lonely">Looking…</p>;
  const pending = entries.filter((entry) => stateOf(entry) === ApprovalState.PENDING);
  const mine = pending.filter((entry) => entry.cannotDecide === undefined);
  const others = pending.filter((entry) => entry.cannotDecide !== undefined);
  const going = entries.filter((entry) => stateOf(entry) !== ApprovalState.PENDING);
  return (
    <>
      <h1>Waiting for you</h1>
      {mine.length === 0 ? (
        <p class="lonely">Nothing waits for you. What does will appear here by itself.</p>
      ) : (
        <List entries={mine} />
      )}
      {others.length > 0 && <h2 class="group">Waiting for others</h2>}
      <List entries={others} />
      {going.length > 0 && <h2 class="group">Decided, not ended</h2>}
      <List entries={going} />
      {entries.length >= PAGE_SIZE && <p class="help">Only the newest {PAGE_SIZE} are shown.</p>}
    </>
  );
}

/** Requests, one a row, each a link to itself. */
export function List({ entries }: { entries: ApprovalEntry[] }) {
  if (entries.length === 0) return null;
  return (
    <ul class="list">
      {entries.map((entry) => (
        <Row key={entry.approval?.id} entry={entry} />
      ))}
    </ul>
  );
}

function Row({ entry }: { entry: ApprovalEntry }) {
  const waits = stateOf(entry) === ApprovalState.PENDING;
  return (
    <li>
      <a class="row" href={`#/requests/${entry.approval?.id ?? ""}`}>
        <span class="does">{onOneLine(entry.does) || "a command"}</span>
        <Where entry={entry} />
        <Who principal={entry.approval?.requester} />
        {waits ? <span class="need">needs {onOneLine(entry.need)}</span> : <StateChip entry={entry} />}
        <span class="times">
          <Age ms={millis(waits ? entry.approval?.createTime : entry.changeTime)} />
          {waits && (
            <span>
              ends in <Left entry={entry} />
            </span>
          )}
        </span>
        {waits && entry.afterDenial !== undefined && <span class="warn">asked again after a denial</span>}
      </a>
    </li>
  );
}
