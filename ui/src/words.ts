// The words for what the API says.
import { ApprovalState, type Approval, type ApprovalEntry } from "./gen/countersign/v1/approvals_pb";
import { PrincipalKind, type Principal } from "./gen/countersign/v1/words_pb";
import { onOneLine } from "./shown/visible";

export const STATES: Record<ApprovalState, string> = {
  [ApprovalState.UNSPECIFIED]: "unknown",
  [ApprovalState.PENDING]: "waiting",
  [ApprovalState.APPROVED]: "approved",
  [ApprovalState.REDEEMED]: "running",
  [ApprovalState.DONE]: "done",
  [ApprovalState.IN_DOUBT]: "in doubt",
  [ApprovalState.NOT_RUN]: "not run",
  [ApprovalState.DENIED]: "denied",
  [ApprovalState.EXPIRED]: "expired",
  [ApprovalState.WITHDRAWN]: "withdrawn",
  [ApprovalState.VOIDED]: "void",
  [ApprovalState.REVOKED]: "taken back",
};

/** The states that nothing leaves. */
export const ENDED: readonly ApprovalState[] = [
  ApprovalState.DONE, ApprovalState.NOT_RUN, ApprovalState.DENIED, ApprovalState.EXPIRED, ApprovalState.WITHDRAWN,
  ApprovalState.VOIDED, ApprovalState.REVOKED,
];

/** What each state means for the command, in a sentence. */
export function meaning(approval: Approval): string {
  const status = approval.status;
  const said = status?.reason ?? status?.by ?? "";
  const because = said === "" ? "" : `: ${onOneLine(said)}`;
  switch (status?.state) {
    case ApprovalState.PENDING:
      return "It waits in its own connection until people have decided.";
    case ApprovalState.APPROVED:
      return "Everyone agreed. It may run once, exactly as shown.";
    case ApprovalState.REDEEMED:
      return "The approval is used up; the command may be running.";
    case ApprovalState.DONE:
      return status.outcome?.errorCode === undefined
        ? "The command ran, once."
        : `The command was sent, once; the target failed it with ${onOneLine(status.outcome.errorCode)}.`;
    case ApprovalState.IN_DOUBT:
      return "The gateway was lost while it ran: nobody knows whether it ran. It is not tried again.";
    case ApprovalState.NOT_RUN:
      return `It was not run${because}.`;
    case ApprovalState.DENIED:
      return "Somebody said no. It was not run.";
    case ApprovalState.EXPIRED:
      return "Its time was over. It was not run.";
    case ApprovalState.WITHDRAWN:
      return "Those who asked took it back. It was not run.";
    case ApprovalState.VOIDED:
      return `Policy does not allow it any more${because}. It was not run.`;
    case ApprovalState.REVOKED:
      return `Taken back before it was used, by ${onOneLine(status.by ?? "somebody")}. It was not run.`;
    default:
      return "This page does not know this state; a newer one may.";
  }
}

export function stateOf(entry: ApprovalEntry): ApprovalState {
  return entry.approval?.status?.state ?? ApprovalState.UNSPECIFIED;
}

export function isOpen(entry: ApprovalEntry): boolean {
  return !ENDED.includes(stateOf(entry));
}

/** The word for a kind; an unknown one is named so. */
export function kindWord(principal: Principal): string {
  const words: Partial<Record<PrincipalKind, string>> = {
    [PrincipalKind.HUMAN]: "human",
    [PrincipalKind.AGENT]: "agent",
    [PrincipalKind.SERVICE]: "service",
  };
  return words[principal.kind] ?? "unknown kind";
}

/** Everyone on whose behalf it is asked, outermost first, and at last who asks. */
export function chainOf(principal: Principal): string[] {
  return [...principal.onBehalfOf].reverse().concat(principal.subject).map(onOneLine);
}

/** PostgreSQL's names for types that parameters often have. */
const TYPES: Record<string, string> = {
  "0": "not said", "16": "boolean", "17": "bytea", "18": "char", "19": "name", "20": "bigint", "21": "smallint",
  "23": "integer", "25": "text", "26": "oid", "114": "json", "700": "real", "701": "double precision", "869": "inet",
  "1000": "boolean[]", "1005": "smallint[]", "1007": "integer[]", "1009": "text[]", "1015": "varchar[]",
  "1016": "bigint[]", "1042": "char(n)", "1043": "varchar", "1082": "date", "1083": "time", "1114": "timestamp",
  "1184": "timestamptz", "1186": "interval", "1700": "numeric", "2950": "uuid", "3802": "jsonb",
};

export function typeWord(name: string): string {
  const known = TYPES[name];
  return known === undefined ? onOneLine(name) : `${known} (${name})`;
}

/** What a binary value says, for the types whose reading leaves no doubt. */
export function readBinary(type: string, value: Uint8Array): string | undefined {
  const view = new DataView(value.buffer, value.byteOffset, value.byteLength);
  const readers: Record<string, [number, () => number | bigint | boolean]> = {
    "16": [1, () => view.getUint8(0) !== 0],
    "20": [8, () => view.getBigInt64(0)],
    "21": [2, () => view.getInt16(0)],
    "23": [4, () => view.getInt32(0)],
    "26": [4, () => view.getUint32(0)],
    "700": [4, () => view.getFloat32(0)],
    "701": [8, () => view.getFloat64(0)],
  };
  const [length, read] = readers[type] ?? [];
  return read !== undefined && length === value.length ? String(read()) : undefined;
}
