// Who is signed in, and the view that the address names.
import { useCallback, useEffect, useMemo, useRef, useState } from "preact/hooks";
import type { ComponentChildren } from "preact";
import { connect, problem, type Api } from "../api";
import { Board } from "../board";
import { millis, now } from "../clock";
import type { GetCallerResponse } from "../gen/countersign/v1/identity_pb";
import type { Principal } from "../gen/countersign/v1/words_pb";
import { usePlace, useStanding } from "../hooks";
import { onOneLine } from "../shown/visible";
import { forgetToken, savedToken, saveToken } from "../token";
import { kindWord } from "../words";
import { Ended } from "./ended";
import { RequestPage } from "./request";
import { SignIn } from "./sign_in";
import { Waiting } from "./waiting";

/** Whoever is signed in. */
interface Session {
  api: Api;
  caller: Principal;
  endsAt: number;
}

/** The longest time that a timer takes; longer ones would fire at once. */
const TIMER_MAX_MS = 2 ** 31 - 1;

export function App() {
  const [session, setSession] = useState<Session>();
  const [notice, setNotice] = useState<string>();
  const [restoring, setRestoring] = useState(savedToken() !== undefined);

  const signIn = useCallback(async (token: string) => {
    const api = connect(token);
    const answer: GetCallerResponse = await api.identity.getCaller({});
    if (!answer.principal) throw new Error("the control plane does not say whose token it is");
    saveToken(token);
    setNotice(undefined);
    setSession({ api, caller: answer.principal, endsAt: millis(answer.expireTime) });
  }, []);

  const signOut = useCallback((why?: string) => {
    forgetToken();
    setSession(undefined);
    setNotice(why);
  }, []);

  useEffect(() => {
    const token = savedToken();
    if (token === undefined) return;
    signIn(token)
      .catch((error: unknown) => {
        const trouble = problem(error);
        if (trouble.signedOut) forgetToken();
        setNotice(trouble.text);
      })
      .finally(() => setRestoring(false));
  }, [signIn]);

  useEffect(() => {
    if (!session) return;
    const left = Math.min(Math.max(0, session.endsAt - now()), TIMER_MAX_MS);
    const timer = setTimeout(() => signOut("Your token has expired. Sign in with a new one."), left);
    return () => clearTimeout(timer);
  }, [session, signOut]);

  if (session) return <SignedIn session={session} signOut={signOut} />;
  if (restoring) return <p class="lonely">Signing in…</p>;
  return <SignIn notice={notice} signIn={signIn} />;
}

function SignedIn({ session, signOut }: { session: Session; signOut: (why?: string) => void }) {
  const { api, caller } = session;
  const board = useMemo(
    () => new Board(api, () => signOut("Your token is not accepted any more: it has expired, or was taken back.")),
    [api, signOut],
  );
  useEffect(() => () => board.end(), [board]);
  const standing = useStanding(board);
  const place = usePlace();
  const main = useRef<HTMLElement>(null);
  const mine = standing.entries?.filter((entry) => entry.cannotDecide === undefined).length ?? 0;

  useEffect(() => {
    document.title = mine > 0 ? `(${mine}) Countersign` : "Countersign";
  }, [mine]);
  // A new view is read from its beginning, by eyes and by screen readers.
  const where = place.view === "request" ? place.id : place.view;
  useEffect(() => {
    scrollTo(0, 0);
    main.current?.focus({ preventScroll: true });
  }, [where]);

  return (
    <>
      <header class="top">
        <a class="brand" href="#/">
          Countersign
        </a>
        <nav aria-label="Requests">
          <Tab to="#/" here={place.view === "waiting"}>
            Waiting{mine > 0 && <span class="count" aria-label={`, ${mine} for you`}>{mine}</span>}
          </Tab>
          <Tab to="#/ended" here={place.view === "ended"}>
            Ended
          </Tab>
        </nav>
        <Link link={standing.link} />
        <div class="me">
          <span title={`${kindWord(caller)}; groups: ${caller.groups.join(", ") || "none"}`}>
            {onOneLine(caller.subject)}
            <small>{caller.groups.map(onOneLine).join(", ") || "no group"}</small>
          </span>
          <button type="button" class="quiet" onClick={() => signOut()}>
            Sign out
          </button>
        </div>
      </header>
      <main ref={main} tabIndex={-1}>
        {standing.link === "away" && standing.problem && (
          <p class="banner bad" role="alert">
            Not connected: {standing.problem.text}. What you see may be old; trying again.
          </p>
        )}
        <p class="unseen" role="status">
          {mine === 0 ? "Nothing waits for you." : `${mine} ${mine === 1 ? "request waits" : "requests wait"} for you.`}
        </p>
        {place.view === "waiting" && <Waiting standing={standing} />}
        {place.view === "ended" && <Ended api={api} board={board} signOut={signOut} />}
        {place.view === "request" && <RequestPage key={place.id} id={place.id} api={api} board={board} signOut={signOut} />}
      </main>
    </>
  );
}

function Tab({ to, here, children }: { to: string; here: boolean; children: ComponentChildren }) {
  return (
    <a href={to} aria-current={here ? "page" : undefined}>
      {children}
    </a>
  );
}

function Link({ link }: { link: "live" | "looking" | "away" }) {
  const words = { live: "live", looking: "connecting", away: "not connected" };
  return (
    <span class={`link ${link}`} role="status">
      {words[link]}
    </span>
  );
}
