// A request as it is about to be shown, once it is certain that what it shows is what is asked.
import type { Approval, ApprovalDetails, ApprovalEntry, GetApprovalResponse } from "../gen/countersign/v1/approvals_pb";
import type { Command, Context, Principal } from "../gen/countersign/v1/words_pb";
import { same } from "./digest";
import { commandDigest, rendering, renderingDigest } from "./rendering";

/** A request with all that an approver has to see. */
export interface Request {
  entry: ApprovalEntry;
  approval: Approval;
  requester: Principal;
  details: ApprovalDetails;
  command: Command;
  context: Context;
  /** The digest of the text that is shown, computed from it: a decision carries it. */
  shown: Uint8Array;
}

/** What the control plane shows is not what it asks about. */
export class Unsound extends Error {
  constructor(what: string) {
    super(`what the control plane shows is not what it asks about (${what}); nothing was decided`);
  }
}

/**
 * Reads an answer and makes sure that what it shows is what is asked.
 *
 * INVARIANT: I2. Text and both digests are computed here, from the command itself, so that what stands on the screen
 * and what a decision counts for cannot come apart.
 */
export async function readRequest(answer: GetApprovalResponse): Promise<Request> {
  const { approval: entry, details } = answer;
  const approval = entry?.approval;
  const { requester } = approval ?? {};
  const { command, context } = details ?? {};
  if (!entry || !approval || !requester || !details || !command || !context) throw new Unsound("a part is missing");
  const text = rendering(command, context, requester, details.factsBasis);
  const shown = await renderingDigest(text);
  if (text !== details.rendering) throw new Unsound("the text");
  if (!same(shown, approval.renderingDigest)) throw new Unsound("the digest of the text");
  const digest = await commandDigest(command, context, requester, approval.sessionId);
  if (!same(digest, approval.digest)) throw new Unsound("the digest of the command");
  if (context.target !== approval.target) throw new Unsound("the target");
  return { entry, approval, requester, details, command, context, shown };
}
