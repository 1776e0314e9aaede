// What has ended, newest first.
import { useEffect, useState } from "preact/hooks";
import type { ApprovalEntry } from "../gen/countersign/v1/approvals_pb";
import { problem, type Api } from "../api";
import type { Board } from "../board";
import { ENDED, isOpen } from "../words";
import { List } from "./waiting";

/** How many are shown. */
const SHOWN = 100;

/** With this one, as it stands now, at its place. */
function withNewest(entry: ApprovalEntry, before: ApprovalEntry[]): ApprovalEntry[] {
  const id = entry.approval?.id ?? "";
  const others = before.filter((other) => other.approval?.id !== id);
  // Ids are made of the time.
  return [entry, ...others].sort((a, b) => ((a.approval?.id ?? "") < (b.approval?.id ?? "") ? 1 : -1)).slice(0, SHOWN);
}

export function Ended({ api, board, signOut }: { api: Api; board: Board; signOut: (why?: string) => void }) {
  const [entries, setEntries] = useState<ApprovalEntry[]>();
  const [trouble, setTrouble] = useState<string>();

  useEffect(() => {
    const left = new AbortController();
    const fetchAll = async () => {
      try {
        const list = await api.approvals.listApprovals({ states: [...ENDED], pageSize: SHOWN }, { signal: left.signal });
        setEntries(list.approvals);
        setTrouble(undefined);
      } catch (error) {
        if (left.signal.aborted) return;
        const found = problem(error);
        if (found.signedOut) signOut(found.text);
        else setTrouble(found.text);
      }
    };
    void fetchAll();
    const stop = board.onChange((entry) => {
      if (!isOpen(entry)) setEntries((before) => before && withNewest(entry, before));
    });
    return () => {
      stop();
      left.abort();
    };
  }, [api, board, signOut]);

  return (
    <>
      <h1>Ended</h1>
      {trouble !== undefined && (
        <p class="banner bad" role="alert">
          {trouble}
        </p>
      )}
      {entries === undefined && trouble === undefined && <p class="lonely">Looking…</p>}
      {entries?.length === 0 && <p class="lonely">Nothing has ended yet.</p>}
      {entries && <List entries={entries} />}
      {entries?.length === SHOWN && (
        <p class="help">
          The newest {SHOWN} are shown; <code>countersign requests ls --state done</code> and the recordings have the others.
        </p>
      )}
    </>
  );
}
