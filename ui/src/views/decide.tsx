// Yes or no, on exactly what is shown; or why not.
import { useEffect, useRef, useState } from "preact/hooks";
import { ApprovalState, Vote, type ApprovalEntry } from "../gen/countersign/v1/approvals_pb";
import { problem, type Api } from "../api";
import type { Request } from "../shown/request";
import { onOneLine } from "../shown/visible";
import { meaning, STATES, stateOf } from "../words";
import { Left } from "./parts";

/** The longest reason that is kept, in bytes. */
const REASON_BYTES_MAX = 256;

/** How long the last button takes to answer, longer than a double click lasts. */
const ARM_MS = 500;

interface Props {
  api: Api;
  request: Request;
  /** The request as it stands after what was done. */
  done: (entry: ApprovalEntry) => void;
  /** It did not count: what is shown may not be what is there. */
  reload: () => void;
  signOut: (why?: string) => void;
}

export function Decide(props: Props) {
  const { entry, approval } = props.request;
  const pending = stateOf(entry) === ApprovalState.PENDING;
  return (
    <section class="decide" aria-label="Decision">
      <h2>
        {pending ? `Needs ${onOneLine(entry.need)}` : STATES[stateOf(entry)]}
        {pending && (
          <small>
            <Left entry={entry} /> left
          </small>
        )}
      </h2>
      {pending ? <Form {...props} /> : <p role="status">{meaning(approval)}</p>}
      {stateOf(entry) === ApprovalState.APPROVED && <TakeBack {...props} />}
      {stateOf(entry) === ApprovalState.IN_DOUBT && (
        <p class="help">
          Whoever finds out settles it: <code>countersign requests resolve {approval.id} --ran|--not-run --reason …</code>
        </p>
      )}
    </section>
  );
}

function Form({ api, request, done, reload, signOut }: Props) {
  const [reason, setReason] = useState("");
  const [asking, setAsking] = useState(false);
  const [busy, setBusy] = useState(false);
  const [trouble, setTrouble] = useState<string>();
  const field = useRef<HTMLTextAreaElement>(null);
  const why = request.entry.cannotDecide;
  const disabled = why !== undefined || busy;

  const send = async (vote: Vote) => {
    setBusy(true);
    setTrouble(undefined);
    try {
      const given = reason.trim();
      // INVARIANT: I2. The digest was computed from the text on the screen: it counts for that text or not at all.
      const renderingDigest = request.shown;
      const answer = await api.approvals.decideApproval({
        id: request.approval.id,
        vote,
        renderingDigest,
        ...(given === "" ? {} : { reason: given }),
      });
      if (answer.approval) done(answer.approval);
    } catch (error) {
      const found = problem(error);
      if (found.signedOut) return signOut(found.text);
      setTrouble(`${found.text}${found.retry ? ". It may have counted all the same: look at the decisions." : ""}`);
      reload();
    } finally {
      setBusy(false);
      setAsking(false);
    }
  };

  const deny = () => {
    if (reason.trim() !== "") return void send(Vote.DENY);
    setTrouble("A no needs a reason: whoever asked is told, and does not try its luck again.");
    field.current?.focus();
  };

  return (
    <form onSubmit={(event) => event.preventDefault()}>
      {why !== undefined && (
        <p class="banner" id="why-not">
          You cannot decide: {onOneLine(why)}.
        </p>
      )}
      <label for="reason">Reason</label>
      <textarea
        id="reason"
        ref={field}
        rows={3}
        maxLength={REASON_BYTES_MAX}
        placeholder="needed for a no"
        value={reason}
        disabled={disabled}
        aria-describedby={trouble === undefined ? undefined : "trouble"}
        onInput={(event) => setReason(event.currentTarget.value)}
      />
      {trouble !== undefined && (
        <p class="banner bad" id="trouble" role="alert">
          {trouble}
        </p>
      )}
      {asking ? (
        <Confirm
          target={request.approval.target}
          disabled={disabled}
          yes={() => void send(Vote.APPROVE)}
          back={() => setAsking(false)}
        />
      ) : (
        <div class="buttons">
          <button
            type="button"
            class="approve"
            id="approve"
            disabled={disabled}
            aria-describedby={why === undefined ? undefined : "why-not"}
            onClick={() => setAsking(true)}
          >
            Approve…
          </button>
          <button
            type="button"
            class="deny"
            id="deny"
            disabled={disabled}
            aria-describedby={why === undefined ? undefined : "why-not"}
            onClick={deny}
          >
            Deny
          </button>
        </div>
      )}
    </form>
  );
}

interface ConfirmProps {
  target: string;
  disabled: boolean;
  yes: () => void;
  back: () => void;
}

/** Asks once more. A double click, or a key that is held, asks but does not answer. */
function Confirm({ target, disabled, yes, back }: ConfirmProps) {
  const [armed, setArmed] = useState(false);
  const group = useRef<HTMLDivElement>(null);
  useEffect(() => {
    group.current?.focus();
    const timer = setTimeout(() => setArmed(true), ARM_MS);
    return () => clearTimeout(timer);
  }, []);
  return (
    <div class="buttons" role="group" aria-label="Approve exactly this?" tabIndex={-1} ref={group}>
      <p>Approve exactly what is shown, to run once on {onOneLine(target)}?</p>
      <button type="button" class="approve" id="confirm" disabled={disabled || !armed} onClick={yes}>
        Yes, approve
      </button>
      <button type="button" class="quiet" disabled={disabled} onClick={back}>
        Back
      </button>
    </div>
  );
}

/** A second thought, as long as it was not used. Who may, the control plane says. */
function TakeBack({ api, request, done, reload, signOut }: Props) {
  const [trouble, setTrouble] = useState<string>();
  const takeBack = async () => {
    try {
      const answer = await api.approvals.revokeApproval({ id: request.approval.id });
      if (answer.approval) done(answer.approval);
    } catch (error) {
      const found = problem(error);
      if (found.signedOut) return signOut(found.text);
      setTrouble(found.text);
      reload();
    }
  };
  return (
    <>
      {trouble !== undefined && (
        <p class="banner bad" role="alert">
          {trouble}
        </p>
      )}
      <div class="buttons">
        <button type="button" class="deny" id="take-back" onClick={() => void takeBack()}>
          Take it back
        </button>
      </div>
    </>
  );
}

