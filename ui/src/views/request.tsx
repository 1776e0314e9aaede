// One request, with everything that an approver has to see before they decide.
import { useCallback, useEffect, useRef, useState } from "preact/hooks";
import { Code, ConnectError } from "@connectrpc/connect";
import { CatalogueStanding, Vote, type Approval, type Decision } from "../gen/countersign/v1/approvals_pb";
import type { Facts, Operation } from "../gen/countersign/v1/words_pb";
import { problem, type Api } from "../api";
import type { Board } from "../board";
import { difference, millis, moment, span } from "../clock";
import { hex, same } from "../shown/digest";
import { settingsOf } from "../shown/rendering";
import { readRequest, Unsound, type Request } from "../shown/request";
import { claimedReason } from "../shown/claim";
import { onOneLine } from "../shown/visible";
import { Decide } from "./decide";
import { Earlier } from "./earlier";
import { Age, Pairs, Section, StateChip, Where, Who } from "./parts";
import { Parameters, Statement, Texts } from "./statement";

interface Props {
  id: string;
  api: Api;
  board: Board;
  signOut: (why?: string) => void;
}

type Loaded =
  | { is: "looking" }
  | { is: "there"; request: Request }
  | { is: "not there"; why: string; unsound: boolean };

export function RequestPage({ id, api, board, signOut }: Props) {
  const [loaded, setLoaded] = useState<Loaded>({ is: "looking" });
  const seen = useRef<Uint8Array | undefined>(undefined);

  const load = useCallback(async () => {
    try {
      const answer = await api.approvals.getApproval({ id });
      const request = await readRequest(answer);
      if (seen.current && !same(seen.current, request.shown)) throw new Unsound("it changed while you looked at it");
      seen.current = request.shown;
      // Answers may overtake each other; a request only ever goes on.
      setLoaded((before) =>
        before.is === "there" && before.request.approval.revision > request.approval.revision
          ? before
          : { is: "there", request },
      );
    } catch (error) {
      const found = problem(error);
      if (found.signedOut) return signOut(found.text);
      const unsound = error instanceof Unsound;
      const gone = error instanceof ConnectError && error.code === Code.NotFound;
      const why = gone ? "There is no such request, or your token may not see it." : found.text;
      // What is there stays as long as it may still be right.
      setLoaded((before) => (before.is === "there" && !unsound && !gone ? before : { is: "not there", why, unsound }));
    }
  }, [api, id, signOut]);

  useEffect(() => {
    void load();
    return board.onChange((entry) => {
      if (entry.approval?.id === id) void load();
    });
  }, [load, board, id]);

  if (loaded.is === "looking") return <p class="lonely">Looking…</p>;
  if (loaded.is === "not there") {
    return (
      <>
        <p class="banner bad" role="alert">
          {loaded.why}
        </p>
        {loaded.unsound && <p>Do not approve it elsewhere either: tell whoever runs the control plane.</p>}
        <p>
          <a href="#/">What waits</a>
        </p>
      </>
    );
  }
  const { request } = loaded;
  return (
    <article class="request">
      <Head request={request} />
      <div class="columns">
        <div class="what">
          <Warnings request={request} />
          <Statement command={request.command} />
          <Parameters parameters={request.command.parameters} />
          <Texts texts={request.context.texts} />
          <Claim request={request} />
          <Effects facts={request.details.facts} />
          <Place request={request} />
          <Settings of={settingsOf(request.context)} />
          <Earlier key={request.approval.id} api={api} request={request} signOut={signOut} />
        </div>
        <aside>
          <Decide
            api={api}
            request={request}
            done={(entry) => {
              board.learn(entry);
              void load();
            }}
            reload={() => void load()}
            signOut={signOut}
          />
          <Why approval={request.approval} />
          <Decisions decisions={request.approval.decisions} />
          <Identity request={request} />
        </aside>
      </div>
    </article>
  );
}

function Head({ request: { entry, approval, requester } }: { request: Request }) {
  return (
    <div class="head">
      <h1>{onOneLine(entry.does) || "A command"}</h1>
      <StateChip entry={entry} />
      <p>
        <Who principal={requester} /> asks on <Where entry={entry} />, <Age ms={millis(approval.createTime)} />
      </p>
    </div>
  );
}

function Warnings({ request: { entry, context, details } }: { request: Request }) {
  const skew = difference();
  return (
    <>
      {entry.afterDenial !== undefined && (
        <p class="banner bad">
          <a href={`#/requests/${entry.afterDenial}`}>Another request</a> of the same session was denied shortly before: this
          may be the same, rephrased.
        </p>
      )}
      {context.transaction !== undefined && (
        <p class="banner">
          It stands inside an open transaction: what ran in it before belongs to what you approve, and it keeps its locks
          while it waits.
        </p>
      )}
      {details.factsBasis?.understated === true && (
        <p class="banner bad">
          The gateway stated less than this command does: it is broken or lies. What is shown here was found by the control
          plane.
        </p>
      )}
      {details.factsBasis?.catalogue === CatalogueStanding.CLAIMED && (
        <p class="banner">What the names in it stand for is claimed by one gateway; no other one has confirmed it.</p>
      )}
      {details.factsBasis?.catalogue === CatalogueStanding.UNKNOWN && (
        <p class="banner">What the names in it stand for is not known: it may do more than it seems to.</p>
      )}
      {details.locksHeld.length > 0 && (
        <div class="banner">
          Locked meanwhile:
          <ul>
            {details.locksHeld.map((lock) => (
              <li key={lock}>{onOneLine(lock)}</li>
            ))}
          </ul>
        </div>
      )}
      {skew !== 0 && (
        <p class="banner">This device's clock differs from the control plane's by {span(Math.abs(skew))}; times here are the latter's.</p>
      )}
    </>
  );
}

function Place({ request: { context, entry } }: { request: Request }) {
  return (
    <Section title="Where">
      <Pairs
        of={[
          ["Target", <Where entry={entry} />],
          ["Database", onOneLine(context.database)],
          ["Role", onOneLine(context.role)],
          ["Transaction", context.transaction === undefined ? "outside of one" : "open, with statements before this one"],
        ]}
      />
    </Section>
  );
}

function Settings({ of }: { of: [string, string][] }) {
  if (of.length === 0) return null;
  return (
    <Section title="Settings" note="under which the text has its meaning">
      <dl class="settings">
        {of.map(([name, value]) => (
          <div key={name}>
            <dt>{onOneLine(name)}</dt>
            <dd>{onOneLine(value)}</dd>
          </div>
        ))}
      </dl>
    </Section>
  );
}

/** What whoever asks says of why. */
function Claim({ request: { command, requester } }: { request: Request }) {
  const reason = claimedReason(command.text);
  if (reason === undefined) return null;
  return (
    <Section title="What it says of why" note="a claim, from a comment in the statement">
      <blockquote>{onOneLine(reason)}</blockquote>
      <p class="help">{onOneLine(requester.subject)} wrote this. Nobody has checked it.</p>
    </Section>
  );
}

/** How many rows an operation can change, as far as its text says. */
function reach(operation: Operation): string {
  return operation.flags.includes("missing_where")
    ? "every row: there is no WHERE"
    : "those that its text selects; how many that is, the target was not asked";
}

function Effects({ facts }: { facts: Facts | undefined }) {
  const names = (all: string[]) => all.map(onOneLine).join(", ") || "nothing";
  return (
    <Section title="What it does" note="as read from the statement">
      {facts?.operations.map((operation, at) => (
        <div class="operation" key={at}>
          <b>{onOneLine(operation.action)}</b>
          {operation.flags.map((flag) => (
            <span key={flag} class="flag">
              {onOneLine(flag).replaceAll("_", " ")}
            </span>
          ))}
          <Pairs
            of={[
              ["Writes", names(operation.writes)],
              ...(operation.writes.length > 0 ? [["Rows", reach(operation)] as [string, string]] : []),
              ["Reads", names(operation.reads)],
              ...(operation.functions.length > 0 ? [["Calls", names(operation.functions)] as [string, string]] : []),
            ]}
          />
        </div>
      ))}
    </Section>
  );
}

function Why({ approval }: { approval: Approval }) {
  const terms = approval.terms;
  const stages = terms?.stages.map((stage) => `${stage.quorum} of ${stage.groups.map(onOneLine).join(", ")}`) ?? [];
  return (
    <Section title="Why it waits">
      <p>{onOneLine(terms?.reason ?? "")}</p>
      <Pairs
        of={[
          ["Rules", terms?.policies.map(onOneLine).join(", ") || "none named"],
          ["Chain", terms?.chains.map(onOneLine).join(", ") ?? ""],
          ["Who agrees", stages.join(", then ")],
        ]}
      />
    </Section>
  );
}

function Decisions({ decisions }: { decisions: Decision[] }) {
  return (
    <Section title="Decisions">
      {decisions.length === 0 && <p class="help">Nobody has decided yet.</p>}
      <ol class="decisions">
        {decisions.map((decision, at) => (
          <li key={at} class={decision.vote === Vote.APPROVE ? "yes" : "no"}>
            <b>{onOneLine(decision.approver)}</b> {decision.vote === Vote.APPROVE ? "approved" : "denied"}{" "}
            <Age ms={millis(decision.decideTime)} />
            {decision.reason !== undefined && <q>{onOneLine(decision.reason)}</q>}
          </li>
        ))}
      </ol>
    </Section>
  );
}

function Identity({ request: { approval, details, shown } }: { request: Request }) {
  return (
    <Section title="For the record">
      <Pairs
        of={[
          ["Request", <code>{approval.id}</code>],
          ["Session", <code>{onOneLine(approval.sessionId)}</code>],
          ["Asked", moment(millis(approval.createTime))],
          ["Ends", moment(millis(approval.expireTime))],
          ["Command", <code title="SHA-256 over everything that gives it its meaning; computed in this page">{hex(approval.digest)}</code>],
          ["Shown", <code title="SHA-256 over the text; your decision carries it">{hex(shown)}</code>],
          ["Bundle", <code>{onOneLine(details.bundleVersion)}</code>],
        ]}
      />
    </Section>
  );
}
