// The one way to the control plane: the API that every client uses, as gRPC-web to where this page came from.
import { Code, ConnectError, createClient, type Client, type Interceptor } from "@connectrpc/connect";
import { createGrpcWebTransport } from "@connectrpc/connect-web";
import { ApprovalService } from "./gen/countersign/v1/approvals_pb";
import { IdentityService } from "./gen/countersign/v1/identity_pb";
import { heard } from "./clock";

/** How long a call may take; a watch goes on. */
const TIMEOUT_MS = 15_000;

export interface Api {
  approvals: Client<typeof ApprovalService>;
  identity: Client<typeof IdentityService>;
}

/** The API, called with this token. */
export function connect(token: string): Api {
  const bearer: Interceptor = (next) => async (request) => {
    request.header.set("authorization", `Bearer ${token}`);
    const answer = await next(request);
    heard(answer.header.get("date"));
    return answer;
  };
  const transport = createGrpcWebTransport({
    baseUrl: location.origin,
    interceptors: [bearer],
    defaultTimeoutMs: TIMEOUT_MS,
    // No cookies, no other place, nothing kept.
    fetch: (input, init) => fetch(input, { ...init, credentials: "omit", redirect: "error", cache: "no-store" }),
  });
  return { approvals: createClient(ApprovalService, transport), identity: createClient(IdentityService, transport) };
}

/** What went wrong, and what to do about it. */
export interface Problem {
  text: string;
  /** The token is not accepted any more: whoever it is has to sign in. */
  signedOut: boolean;
  /** It may work in a moment. */
  retry: boolean;
}

export function problem(error: unknown): Problem {
  if (!(error instanceof ConnectError)) {
    return { text: error instanceof Error ? error.message : String(error), signedOut: false, retry: false };
  }
  const signedOut = error.code === Code.Unauthenticated;
  const retry = [Code.Unavailable, Code.DeadlineExceeded, Code.Aborted, Code.Unknown].includes(error.code);
  const away = error.code === Code.Unknown || error.code === Code.DeadlineExceeded;
  return { text: away ? "the control plane does not answer" : error.rawMessage, signedOut, retry };
}
