// The page's text and digests are those of the control plane, command line and gateway: `crates/common/tests/page.rs`
// writes the vectors.
import { readFileSync } from "node:fs";
import { create } from "@bufbuild/protobuf";
import { describe, expect, it } from "vitest";
import {
  ApprovalDetailsSchema, ApprovalEntrySchema, ApprovalSchema, CatalogueStanding, FactsBasisSchema, GetApprovalResponseSchema,
  type FactsBasis, type GetApprovalResponse,
} from "../src/gen/countersign/v1/approvals_pb";
import { CommandSchema, ContextSchema, NamedTextSchema, PrincipalKind, PrincipalSchema } from "../src/gen/countersign/v1/words_pb";
import { hex } from "../src/shown/digest";
import { commandDigest, rendering, renderingDigest } from "../src/shown/rendering";
import { readRequest } from "../src/shown/request";

interface VectorParameter { type_name: string; binary: boolean; value: string | null }

interface Vector {
  command: { form: string; text: string; parameters: VectorParameter[] };
  context: {
    target: string; generation: string; role: string; database: string; settings: [string, string][]; transaction: string | null;
    texts: { name: string; text: string; parameters: VectorParameter[] }[];
  };
  principal: { subject: string; kind: "human" | "agent" | "service"; on_behalf_of: string[] };
  session: string;
  basis: { catalogue: string; understated: boolean } | null;
  rendering: string;
  rendering_digest: string;
  digest: string;
}

const vectors = JSON.parse(readFileSync(new URL("vectors.json", import.meta.url), "utf8")) as Vector[];
const bytes = (text: string) => new Uint8Array(Buffer.from(text, "hex"));
const KINDS = { human: PrincipalKind.HUMAN, agent: PrincipalKind.AGENT, service: PrincipalKind.SERVICE };

function bound(parameters: VectorParameter[]) {
  return parameters.map(({ type_name, binary, value }) => ({
    typeName: type_name,
    binary,
    ...(value === null ? {} : { value: bytes(value) }),
  }));
}

function read(vector: Vector) {
  const { form, text, parameters } = vector.command;
  const { generation, settings, transaction, texts, ...place } = vector.context;
  return {
    command: create(CommandSchema, { form, text: bytes(text), parameters: bound(parameters) }),
    context: create(ContextSchema, {
      ...place,
      generation: bytes(generation),
      settings: Object.fromEntries(settings),
      texts: texts.map((named) => ({ name: named.name, text: bytes(named.text), parameters: bound(named.parameters) })),
      ...(transaction === null ? {} : { transaction: bytes(transaction) }),
    }),
    principal: create(PrincipalSchema, {
      subject: vector.principal.subject,
      kind: KINDS[vector.principal.kind],
      onBehalfOf: vector.principal.on_behalf_of,
    }),
  };
}

/** What the facts rest on. */
function basisOf({ basis }: Vector): FactsBasis | undefined {
  if (basis === null) return undefined;
  const standings: Record<string, CatalogueStanding> = {
    agreed: CatalogueStanding.AGREED,
    claimed: CatalogueStanding.CLAIMED,
    unknown: CatalogueStanding.UNKNOWN,
  };
  return create(FactsBasisSchema, {
    catalogue: standings[basis.catalogue] ?? CatalogueStanding.UNSPECIFIED,
    understated: basis.understated,
  });
}

/** What an honest control plane answers. */
function honest(vector: Vector): GetApprovalResponse {
  const { command, context, principal } = read(vector);
  return create(GetApprovalResponseSchema, {
    approval: create(ApprovalEntrySchema, {
      approval: create(ApprovalSchema, {
        digest: bytes(vector.digest),
        renderingDigest: bytes(vector.rendering_digest),
        sessionId: vector.session,
        target: context.target,
        requester: principal,
      }),
    }),
    details: create(ApprovalDetailsSchema, {
      command,
      context,
      rendering: vector.rendering,
      factsBasis: basisOf(vector),
    }),
  });
}

describe("i2 same: what is shown is what is asked", () => {
  it("has the text and the digests of everybody else", async () => {
    expect(vectors.length).toBeGreaterThan(5);
    for (const vector of vectors) {
      const { command, context, principal } = read(vector);
      expect(rendering(command, context, principal, basisOf(vector))).toBe(vector.rendering);
      expect(hex(await renderingDigest(vector.rendering))).toBe(vector.rendering_digest);
      expect(hex(await commandDigest(command, context, principal, vector.session))).toBe(vector.digest);
    }
  });

  it("finds out a control plane that shows one command and asks about another", async () => {
    const [vector] = vectors;
    if (!vector) throw new Error("no vectors");
    const shown = await readRequest(honest(vector));
    expect(hex(shown.shown)).toBe(vector.rendering_digest);
    const lies: ((answer: GetApprovalResponse) => void)[] = [
      (answer) => (answer.details!.rendering = answer.details!.rendering.replace("UPDATE", "SELECT")),
      (answer) => (answer.details!.command!.text = new TextEncoder().encode("SELECT 1")),
      (answer) => (answer.details!.context!.role = "reader"),
      (answer) => answer.details!.context!.texts.push(create(NamedTextSchema, { name: "prepared statement s" })),
      (answer) => (answer.approval!.approval!.target = "staging"),
      (answer) => (answer.approval!.approval!.digest = new Uint8Array(32)),
      (answer) => (answer.approval!.approval!.renderingDigest = new Uint8Array(32)),
      (answer) => (answer.approval!.approval!.sessionId = "ses_00000000000000000000000000"),
      (answer) => delete answer.details!.command,
    ];
    for (const lie of lies) {
      const answer = honest(vector);
      lie(answer);
      await expect(readRequest(answer), lie.toString()).rejects.toThrow("is not what it asks about");
    }
  });
});
