// Signing in with a token. Other ways (an identity provider, say) get their place beside the form.
import { useState } from "preact/hooks";
import { problem } from "../api";
import { looksLikeToken } from "../token";

interface Props {
  notice: string | undefined;
  signIn: (token: string) => Promise<void>;
}

export function SignIn({ notice, signIn }: Props) {
  const [token, setToken] = useState("");
  const [trouble, setTrouble] = useState<string>();
  const [busy, setBusy] = useState(false);

  const submit = async (event: Event) => {
    event.preventDefault();
    const given = token.trim();
    if (!looksLikeToken(given)) {
      setTrouble("A token is one line that begins with cst_.");
      return;
    }
    setBusy(true);
    try {
      await signIn(given);
    } catch (error) {
      setTrouble(problem(error).text);
      setBusy(false);
    }
  };

  return (
    <main class="sign-in">
      <h1>Countersign</h1>
      <p>Commands wait here for your yes or no.</p>
      {notice !== undefined && (
        <p class="banner" role="alert">
          {notice}
        </p>
      )}
      <form onSubmit={submit} autocomplete="off">
        <label for="token">Your token</label>
        <input
          id="token"
          type="password"
          spellcheck={false}
          autocomplete="off"
          value={token}
          aria-invalid={trouble !== undefined}
          aria-describedby="token-help"
          onInput={(event) => setToken(event.currentTarget.value)}
        />
        <p id="token-help" class="help">
          From <code>countersign token issue</code>. It stays in this tab and is forgotten with it.
        </p>
        {trouble !== undefined && (
          <p class="banner bad" role="alert">
            {trouble}
          </p>
        )}
        <button type="submit" disabled={busy}>
          {busy ? "Signing in…" : "Sign in"}
        </button>
      </form>
    </main>
  );
}
