// What the same session sent before a request: fetched when somebody wants to see it, because looking is recorded.
import { useState } from "preact/hooks";
import type { CommandSummary } from "../gen/countersign/v1/commands_pb";
import { problem, type Api } from "../api";
import { millis } from "../clock";
import type { Request } from "../shown/request";
import { onOneLine, visible } from "../shown/visible";
import { Age, Section } from "./parts";
import { Exact } from "./statement";

/** How many are shown, newest first. */
const SHOWN = 50;

interface Props {
  api: Api;
  request: Request;
  signOut: (why?: string) => void;
}

type Looked = { is: "not yet" } | { is: "looking" } | { is: "there"; commands: CommandSummary[] } | { is: "not there"; why: string };

export function Earlier({ api, request, signOut }: Props) {
  const [looked, setLooked] = useState<Looked>({ is: "not yet" });
  const look = async () => {
    setLooked({ is: "looking" });
    try {
      const answer = await api.approvals.listEarlierCommands({ id: request.approval.id, pageSize: SHOWN });
      setLooked({ is: "there", commands: answer.commands });
    } catch (error) {
      const found = problem(error);
      if (found.signedOut) return signOut(found.text);
      setLooked({ is: "not there", why: found.text });
    }
  };
  return (
    <Section title="Earlier in this session" note="as recorded, newest first">
      {looked.is !== "there" && (
        <p>
          <button type="button" class="quiet" id="earlier" disabled={looked.is === "looking"} onClick={() => void look()}>
            Show what it sent before
          </button>{" "}
          <span class="help">That you looked is recorded.</span>
        </p>
      )}
      {looked.is === "not there" && (
        <p class="banner" role="alert">
          {looked.why}
        </p>
      )}
      {looked.is === "there" && looked.commands.length === 0 && <p class="help">Nothing is recorded of it before this.</p>}
      {looked.is === "there" && looked.commands.length > 0 && (
        <ol class="earlier">
          {looked.commands.map((command) => (
            <Sent key={command.id} command={command} />
          ))}
        </ol>
      )}
    </Section>
  );
}

function Sent({ command }: { command: CommandSummary }) {
  const bytes = new TextEncoder().encode(command.text).length;
  return (
    <li>
      <p>
        <Age ms={millis(command.beginTime)} /> · {onOneLine(command.verdict)} · {onOneLine(command.outcome ?? "goes on")}
        {command.approvalId !== undefined && (
          <>
            {" "}
            · <a href={`#/requests/${command.approvalId}`}>its request</a>
          </>
        )}
        {command.textBytes > bytes && <> · the first {bytes.toLocaleString("en")} of {command.textBytes.toLocaleString("en")} bytes</>}
      </p>
      <Exact text={visible(command.text)} label="A statement that it sent before" />
    </li>
  );
}
